//! What a process says at `/metrics`, held against `monitoring/metrics.json`, the list of everything that it may say.
//! Knows no metric itself.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize;

/// Labels of one series.
type Labels = BTreeMap<String, String>;

/// One metric as a process exports it.
#[derive(Debug, Default)]
pub struct Family {
    kind: String,
    has_help: bool,
    series: Vec<Labels>,
}

/// One answer of `/metrics`, by metric.
#[derive(Debug, Default)]
pub struct Exposition(BTreeMap<String, Family>);

/// What a label may hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// These.
    Closed { one_of: Vec<String> },
    /// So many of this form.
    Bounded { at_most: usize, like: String },
}

/// One metric as it is declared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    #[serde(rename = "type")]
    kind: String,
    labels: BTreeMap<String, Values>,
    from: String,
    seen: String,
}

/// `monitoring/metrics.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    #[serde(rename = "about")]
    _about: Vec<String>,
    /// By name.
    pub metrics: BTreeMap<String, Declaration>,
    /// What others export, and we may ask for.
    pub others: BTreeMap<String, serde_json::Value>,
}

// === impl Exposition ===

impl Exposition {
    /// Reads the text format; panics on a line that is not in it.
    pub fn read(text: &str) -> Self {
        let mut families = BTreeMap::<String, Family>::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, _) = rest.split_once(' ').unwrap_or((rest, ""));
                families.entry(name.to_owned()).or_default().has_help = true;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
            } else {
                let (sample, labels) = sample(line);
                let name = family_of(&sample, &families);
                families.entry(name).or_default().series.push(labels);
            }
        }
        Self(families)
    }

    /// All names.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// How many different values a label has.
    pub fn values(&self, metric: &str, label: &str) -> BTreeSet<&str> {
        let series = self.0.get(metric).into_iter().flat_map(|family| &family.series);
        series.filter_map(|labels| labels.get(label).map(String::as_str)).collect()
    }

    /// Everything that is not as declared for a process that does these things; nothing is missing that may not have
    /// happened yet.
    pub fn complaints(&self, declared: &Declarations, does: &[&str]) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, family) in &self.0 {
            match declared.metrics.get(name) {
                None => complaints.push(format!("{name} is exported and not declared")),
                Some(known) if !does.contains(&known.from.as_str()) => {
                    complaints.push(format!("{name} is exported by a process that does nothing of `{}`", known.from));
                }
                Some(known) => complaints.extend(known.complaints(name, family)),
            }
        }
        let expected = declared.metrics.iter().filter(|(_, known)| does.contains(&known.from.as_str()));
        let missing = expected.filter(|(name, known)| known.seen != "when it happens" && !self.0.contains_key(*name));
        complaints.extend(missing.map(|(name, _)| format!("{name} is declared and not exported")));
        complaints
    }
}

// === impl Declarations ===

impl Declarations {
    /// The file of the repository.
    pub fn of_the_repository() -> Self {
        let file = super::monitoring().join("metrics.json");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Every value that this label may have; panics where they are not listed.
    pub fn closed_list(&self, metric: &str, label: &str) -> BTreeSet<&str> {
        let Values::Closed { one_of } = &self.metrics[metric].labels[label] else { panic!("{metric}{{{label}}}") };
        one_of.iter().map(String::as_str).collect()
    }

    /// Whether another program exports it; a name that ends with `*` stands for all that begin so.
    pub fn is_of_others(&self, metric: &str) -> bool {
        self.others.keys().any(|other| match other.strip_suffix('*') {
            Some(start) => metric.starts_with(start),
            None => metric == other,
        })
    }

    /// The labels of a metric that is declared under this name or that of one of its samples; with `le` where it is one of
    /// a histogram.
    pub fn labels_of(&self, sample: &str) -> Option<BTreeSet<&str>> {
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| sample.strip_suffix(part));
        let histogram = parts.filter_map(|name| self.metrics.get(name)).find(|known| known.kind == "histogram");
        let plain = self.metrics.get(sample).filter(|known| known.kind != "histogram");
        let labels = histogram.or(plain)?.labels.keys().map(String::as_str);
        Some(labels.chain(sample.ends_with("_bucket").then_some("le")).collect())
    }
}

// === impl Declaration ===

impl Declaration {
    /// Names of its labels.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.labels.keys().map(String::as_str).collect()
    }

    /// Type, labels, and who exports it.
    pub fn row(&self) -> (String, BTreeSet<String>, String) {
        (self.kind.clone(), self.labels.keys().cloned().collect(), self.from.clone())
    }

    fn complaints(&self, name: &str, family: &Family) -> Vec<String> {
        let mut complaints = Vec::new();
        if family.kind != self.kind {
            complaints.push(format!("{name} is a {} and declared as a {}", family.kind, self.kind));
        }
        if !family.has_help {
            complaints.push(format!("{name} has no help"));
        }
        let expected: BTreeSet<&String> = self.labels.keys().collect();
        for labels in &family.series {
            let found: BTreeSet<&String> = labels.keys().filter(|label| *label != "le").collect();
            if found != expected {
                complaints.push(format!("{name} has the labels {found:?} and is declared with {expected:?}"));
                break;
            }
        }
        for (label, values) in &self.labels {
            let found: BTreeSet<&str> =
                family.series.iter().filter_map(|of| of.get(label)).map(String::as_str).collect();
            complaints.extend(values.complaint(&found).map(|what| format!("{name}{{{label}}}: {what}")));
        }
        complaints
    }
}

// === impl Values ===

impl Values {
    fn complaint(&self, found: &BTreeSet<&str>) -> Option<String> {
        match self {
            Self::Closed { one_of } => {
                let other = found.iter().find(|value| !one_of.iter().any(|known| known == *value));
                other.map(|value| format!("`{value}` is not one of the declared values"))
            }
            Self::Bounded { at_most, .. } if found.len() > *at_most => {
                Some(format!("{} values, and at most {at_most} are declared", found.len()))
            }
            Self::Bounded { like, .. } => {
                let form = Regex::new(&format!("^(?:{like})$")).expect("a regular expression");
                let other = found.iter().find(|value| !form.is_match(value));
                other.map(|value| format!("`{value}` is not like `{like}`"))
            }
        }
    }
}

/// Name and labels of a sample; no value of ours has a quote or a comma in it.
fn sample(line: &str) -> (String, Labels) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    value.parse::<f64>().unwrap_or_else(|error| panic!("{error}: {line}"));
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), Labels::new()) };
    let pairs = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}")));
    (name.to_owned(), pairs.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned())).collect())
}

/// A histogram's samples have other names than the metric.
fn family_of(sample: &str, families: &BTreeMap<String, Family>) -> String {
    let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|part| sample.strip_suffix(part));
    let mut of_histogram =
        of_histogram.filter(|name| families.get(*name).is_some_and(|known| known.kind == "histogram"));
    of_histogram.next().unwrap_or(sample).to_owned()
}
