//! Counters and gauges of this process by name, as its own metrics page would show them.
//! Does not register any: what no room here has registered is absent, and not 0.

use std::collections::{BTreeMap, HashMap};

use prometheus::proto::{Metric, MetricFamily, MetricType};
use serde_json::{Map, Value, json};

use super::rates::Reading;

/// All of them at one moment.
pub struct Counters(HashMap<String, MetricFamily>);

/// Outcomes of a posted sale, each a counter that `rates` names alike.
const OUTCOMES: [&str; 4] = ["accepted", "corrected", "payment_failed", "rejected"];
const STORE_QUEUES: &str = "sale_pos_transaction_aggregations_store";
const DEAD: &str = ".dmq";

impl Counters {
    /// As they stand.
    pub fn read() -> Self {
        Self(prometheus::gather().into_iter().map(|family| (family.name().to_owned(), family)).collect())
    }

    /// The sum over all labels.
    pub fn sum(&self, name: &str) -> Option<u64> {
        let family = self.0.get(name)?;
        Some(family.get_metric().iter().map(|metric| whole(family, metric)).sum())
    }

    /// By the value of its one label.
    pub fn by_label(&self, name: &str) -> Option<BTreeMap<String, u64>> {
        let family = self.0.get(name)?;
        let of = |metric: &Metric| Some((metric.get_label().first()?.value().to_owned(), whole(family, metric)));
        Some(family.get_metric().iter().filter_map(of).collect())
    }

    /// What rates are taken of.
    pub fn reading(&self) -> Reading {
        let outcomes = self.by_label("pos_transactions_total").unwrap_or_default();
        let outcomes = OUTCOMES.into_iter().filter_map(|name| Some((name, *outcomes.get(name)?)));
        let sums = [
            ("late", "pos_late_total"),
            ("duplicates", "pos_duplicates_total"),
            ("events", "pos_windows_emitted_total"),
        ];
        outcomes.chain(sums.into_iter().filter_map(|(name, metric)| Some((name, self.sum(metric)?)))).collect()
    }

    /// The counters that a person reads.
    pub fn outcomes(&self) -> Value {
        let mut outcomes = json!(self.by_label("pos_transactions_total").unwrap_or_default());
        if let Some(total) = outcomes.as_object_mut().and_then(|outcomes| outcomes.remove("rejected")) {
            outcomes["rejected_total"] = total;
        }
        outcomes["rejected"] = json!(self.by_label("pos_rejections_total").map(|mut rules| {
            rules.retain(|_, count| *count > 0);
            rules
        }));
        outcomes["late"] = json!(self.sum("pos_late_total"));
        outcomes["duplicates"] = json!(self.sum("pos_duplicates_total"));
        outcomes
    }

    /// What waits between one room and the next.
    pub fn flow(&self, rates: &BTreeMap<&'static str, f64>) -> Value {
        let rate = |names: &[&str]| {
            let known: Vec<_> = names.iter().filter_map(|name| rates.get(name)).collect();
            (!known.is_empty()).then(|| (known.into_iter().sum::<f64>() * 10.0).round() / 10.0)
        };
        let (queues, store_queues) = self.queues();
        let mut windows = json!(self.by_label("pos_windows_emitted_total").unwrap_or_default());
        windows["open"] = json!(self.sum("pos_open_windows"));
        windows["per_second"] = json!(rate(&["events"]));
        json!({
            "tills": { "per_second": rate(&OUTCOMES) },
            "validation": {
                "per_second": rate(&["accepted", "corrected", "payment_failed"]),
                "in_flight": self.sum("pos_publish_in_flight"),
            },
            "queues": queues,
            "store_queues": store_queues,
            "windows": windows,
            "ledger": { "per_second": rates.get("ledger") },
        })
    }

    /// Each queue by name; those of stores, of which there may be thousands, in one line.
    fn queues(&self) -> (Value, Value) {
        let depths = self.by_label("broker_queue_depth").unwrap_or_default();
        let unacknowledged = self.by_label("broker_unacknowledged").unwrap_or_default();
        let (mut queues, mut of_stores) = (Map::new(), (0_u64, 0_u64));
        let names = depths.keys().chain(unacknowledged.keys().filter(|name| !depths.contains_key(*name)));
        for name in names.filter(|name| !name.ends_with(DEAD)) {
            let depth = depths.get(name).copied();
            if name.starts_with(STORE_QUEUES) {
                of_stores = (of_stores.0 + 1, of_stores.1 + depth.unwrap_or(0));
                continue;
            }
            queues.insert(name.clone(), json!({"depth": depth, "unacknowledged": unacknowledged.get(name)}));
        }
        let (count, depth) = of_stores;
        (Value::Object(queues), if count > 0 { json!({"count": count, "depth": depth}) } else { Value::Null })
    }
}

/// A whole thing is a float only inside the registry.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counted things are whole and not negative"
)]
fn whole(family: &MetricFamily, metric: &Metric) -> u64 {
    let is_gauge = family.get_field_type() == MetricType::GAUGE;
    (if is_gauge { metric.get_gauge().get_value() } else { metric.get_counter().get_value() }) as u64
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, opts};

    use super::*;

    fn counters_for_test() -> Counters {
        let registry = Registry::new();
        let labelled = |name: &str, label: &str, values: &[(&str, u64)]| {
            let counter = prometheus::IntCounterVec::new(opts!(name, "help"), &[label]).unwrap();
            values.iter().for_each(|(value, count)| counter.with_label_values(&[value]).inc_by(*count));
            registry.register(Box::new(counter)).unwrap();
        };
        labelled("pos_transactions_total", "outcome", &[("accepted", 5), ("corrected", 1), ("rejected", 2)]);
        labelled("pos_rejections_total", "rule", &[("field_missing", 3), ("field_null", 0)]);
        let depth = prometheus::IntGaugeVec::new(opts!("broker_queue_depth", "help"), &["queue"]).unwrap();
        for (queue, messages) in [("a.q", 4), ("a.q.dmq", 9), ("sale_pos_transaction_aggregations_store7.q", 6)] {
            depth.with_label_values(&[queue]).set(messages);
        }
        registry.register(Box::new(depth)).unwrap();
        Counters(registry.gather().into_iter().map(|family| (family.name().to_owned(), family)).collect())
    }

    #[test]
    fn outcomes_are_told_by_name_and_what_another_process_counts_is_absent() {
        let outcomes = super::super::patch::without_nulls(counters_for_test().outcomes());
        let expected = json!({"accepted": 5, "corrected": 1, "rejected_total": 2, "rejected": {"field_missing": 3}});
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn the_queues_of_stores_are_one_line_and_those_of_dead_messages_none() {
        let flow = super::super::patch::without_nulls(counters_for_test().flow(&[("accepted", 1.2)].into()));
        assert_eq!(flow["queues"], json!({"a.q": {"depth": 4}}));
        assert_eq!(flow["store_queues"], json!({"count": 1, "depth": 6}));
        assert_eq!(flow["tills"], json!({"per_second": 1.2}));
        assert_eq!(flow["ledger"], json!({}));
    }
}
