//! The faults that can be asked for, by the names of the interface, and how often a seeded drill draws each.
//! Does not inject anything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// What is made to fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The actor panics before its handler.
    Panic,
    /// After the handler and before the reply.
    PanicAfter,
    /// The actor stops.
    Stop,
    /// It waits on a future that never ends.
    Hang,
    /// It blocks its thread.
    Block,
    /// The broker takes and gives nothing for a while.
    BrokerStall,
    /// The broker takes but does not say so.
    DropAcks,
    /// The service's clock jumps.
    Clock,
    /// No byte can be written.
    DiskFull,
    /// The data directory takes no writes.
    DiskReadonly,
    /// Test hook: aggregation loses the next sale.
    LoseSale,
    /// Test hook: aggregation counts the next sale twice.
    DoubleSale,
    /// Test hook: aggregation gets a wrong amount.
    MispriceSale,
}

use FaultKind::{
    Block, BrokerStall, Clock, DiskFull, DiskReadonly, DoubleSale, DropAcks, Hang, LoseSale, MispriceSale, Panic,
    PanicAfter, Stop,
};

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Panic,
        PanicAfter,
        Stop,
        Hang,
        Block,
        BrokerStall,
        DropAcks,
        Clock,
        DiskFull,
        DiskReadonly,
        LoseSale,
        DoubleSale,
        MispriceSale,
    ];

    /// What a drill draws from when nothing is said. The three hooks make the books wrong: only on demand.
    pub fn usual() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| !kind.tampers()).collect()
    }

    /// Its name in the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Panic => "panic",
            PanicAfter => "panic_after",
            Stop => "stop",
            Hang => "hang",
            Block => "block",
            BrokerStall => "broker_stall",
            DropAcks => "drop_acks",
            Clock => "clock",
            DiskFull => "disk_full",
            DiskReadonly => "disk_readonly",
            LoseSale => "lose_sale",
            DoubleSale => "double_sale",
            MispriceSale => "misprice_sale",
        }
    }

    /// Whether an actor or supervisor is the target; the environment has none.
    pub const fn has_target(self) -> bool {
        matches!(self, Panic | PanicAfter | Stop | Hang | Block)
    }

    /// Whether it falsifies the books on purpose.
    pub const fn tampers(self) -> bool {
        matches!(self, LoseSale | DoubleSale | MispriceSale)
    }

    /// How many of a hundred faults are of this kind when all are drawn.
    pub(crate) const fn weight(self) -> u32 {
        match self {
            Panic => 28,
            PanicAfter | Stop => 21,
            Hang => 10,
            Block => 5,
            _ => 3,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| format!("`{text}` is no kind of fault; there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl<'de> Deserialize<'de> for FaultKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name_and_written_the_same_in_json() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!("tickle".parse::<FaultKind>().unwrap_err().contains("panic_after"));
    }

    #[test]
    fn the_usual_kinds_falsify_nothing_and_their_weights_are_percent() {
        let usual = FaultKind::usual();
        assert!(usual.iter().all(|kind| !kind.tampers()));
        assert_eq!(usual.iter().map(|kind| kind.weight()).sum::<u32>(), 100);
    }
}
