//! Which stores the drill's sales come from: `1-10`, or one number.
//! Does not know whether the service takes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// From one store to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stores {
    first: u32,
    last: u32,
}

impl Stores {
    /// The number of stores.
    pub const fn count(self) -> u32 {
        self.last - self.first + 1
    }

    /// The store at this place, from 0; places beyond the last begin anew.
    pub const fn at(self, place: u32) -> u32 {
        self.first + place % self.count()
    }
}

impl Stores {
    /// Whether the store of this name is one of them.
    pub fn holds(self, name: &str) -> bool {
        let number = name.strip_prefix("STORE_").and_then(|number| number.parse().ok());
        number.is_some_and(|number: u32| (self.first..=self.last).contains(&number))
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self { first: 1, last: 10 }
    }
}

impl FromStr for Stores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is no range of stores such as 1-10");
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |part: &str| part.trim().parse::<u32>().map_err(|_| refuse());
        let (first, last) = (number(first)?, number(last)?);
        if first == 0 || last < first || last > 1_000_000 {
            return Err(refuse());
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl<'de> Deserialize<'de> for Stores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_and_a_single_store_are_read() {
        let stores: Stores = "3-5".parse().unwrap();
        assert_eq!((stores.count(), stores.at(0), stores.at(2), stores.at(3)), (3, 3, 5, 3));
        assert_eq!("7".parse::<Stores>().unwrap().to_string(), "7-7");
    }

    #[test]
    fn a_store_is_known_by_its_name() {
        let stores: Stores = "3-5".parse().unwrap();
        let held = ["STORE_2", "STORE_3", "STORE_5", "STORE_6", "STORE_", "3"].map(|name| stores.holds(name));
        assert_eq!(held, [false, true, true, false, false, false]);
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "0-3", "5-3", "a-b", "1-2-3", "-", "1-4000000000"] {
            assert!(text.parse::<Stores>().unwrap_err().contains("such as 1-10"), "{text}");
        }
    }
}
