//! A scripted drill from a TOML file: load settings on top, then faults at given times.
//! Does not run it.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::error::DrillError;
use crate::kinds::FaultKind;
use crate::stores::Stores;

/// A plan file. What is not said there is said by the command line or has its default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// As `--seed`.
    pub seed: Option<u64>,
    /// As `--load`.
    pub load: Option<u32>,
    /// As `--stores`.
    pub stores: Option<Stores>,
    /// As `--duration`.
    #[serde(default, with = "humantime_serde")]
    pub duration: Option<Duration>,
    /// The faults, sorted by time.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// One fault at its time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the load began.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// What.
    pub kind: FaultKind,
    /// On whom; a pattern draws one of those that fit.
    pub target: Option<String>,
    /// How long, or how far for a clock.
    pub seconds: Option<f64>,
    /// How long a moved clock stays moved.
    pub hold_seconds: Option<f64>,
}

impl Script {
    /// Reads a plan file.
    ///
    /// # Errors
    /// Names the key that is unknown or wrong.
    pub fn read(file: &Path) -> Result<Self, DrillError> {
        let refuse = |reason: String| DrillError::Plan { file: file.display().to_string(), reason };
        let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
        Self::parse(&text).map_err(refuse)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut script: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        for (place, step) in script.steps.iter().enumerate() {
            step.check().map_err(|reason| format!("step {}: {reason}", place + 1))?;
        }
        script.steps.sort_by_key(|step| step.at);
        Ok(script)
    }
}

impl Step {
    fn check(&self) -> Result<(), String> {
        let kind = self.kind;
        match (kind.has_target(), &self.target) {
            (true, None) => return Err(format!("`{kind}` needs a `target`, such as root.pipeline.windows.STORE_3")),
            (false, Some(_)) => return Err(format!("`{kind}` happens to the environment and takes no `target`")),
            _ => {}
        }
        if self.hold_seconds.is_some() && kind != FaultKind::Clock {
            return Err("`hold_seconds` belongs to `clock` only".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        load = 50
        stores = "1-3"
        duration = "20s"
        [[step]]
        at = "9s"
        kind = "clock"
        seconds = -20.5
        hold_seconds = 2
        [[step]]
        at = "1500ms"
        kind = "block"
        target = "root.pipeline.windows.STORE_3"
        seconds = 3
    "#;

    #[test]
    fn a_plan_is_read_and_its_steps_come_in_order_of_time() {
        let script = Script::parse(PLAN).unwrap();
        assert_eq!((script.load, script.duration), (Some(50), Some(Duration::from_secs(20))));
        let steps: Vec<_> = script.steps.iter().map(|step| (step.kind, step.seconds)).collect();
        assert_eq!(steps, [(FaultKind::Block, Some(3.0)), (FaultKind::Clock, Some(-20.5))]);
    }

    #[test]
    fn an_unknown_key_is_named_on_top_and_in_a_step() {
        assert!(Script::parse("laod = 5").unwrap_err().contains("laod"));
        let step = "[[step]]\nat = \"5s\"\nkind = \"panic\"\ntraget = \"root\"";
        assert!(Script::parse(step).unwrap_err().contains("traget"));
    }

    #[test]
    fn a_step_that_cannot_be_done_is_refused_by_its_number() {
        let lacks = "[[step]]\nat = \"5s\"\nkind = \"panic\"";
        assert!(Script::parse(lacks).unwrap_err().contains("step 1: `panic` needs a `target`"));
        let odd = "[[step]]\nat = \"5s\"\nkind = \"disk_full\"\ntarget = \"root\"";
        assert!(Script::parse(odd).unwrap_err().contains("takes no `target`"));
        let kind = "[[step]]\nat = \"5s\"\nkind = \"tickle\"";
        assert!(Script::parse(kind).unwrap_err().contains("tickle"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Script::read(Path::new("/nowhere/plan.toml")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/plan.toml"));
    }
}
