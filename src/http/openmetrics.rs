//! Renders metrics as OpenMetrics text 1.0.0, because the Prometheus text format has no exemplars and its library no other.
//! Writes `le` as the Prometheus format does, so that a rule holds whichever of the two is scraped.

use std::fmt::Write;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use tillstream_messages::Exemplar;

/// What a scraper asks for who understands it.
pub const MEDIA_TYPE: &str = "application/openmetrics-text";
/// What it is told.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Finds the example of a bucket: by metric, values of its labels, upper bound.
pub type Find<'a> = &'a dyn Fn(&str, &[&str], f64) -> Option<Exemplar>;

/// All families, with examples where there are some.
pub fn render(families: &[MetricFamily], find: Find<'_>) -> String {
    let mut page = String::with_capacity(64 * 1024);
    for family in families {
        self::family(&mut page, family, find);
    }
    page.push_str("# EOF\n");
    page
}

fn family(page: &mut String, family: &MetricFamily, find: Find<'_>) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    let name = family.name();
    // A counter's family has no suffix, its samples have.
    let bare = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
    line(page, format_args!("# HELP {bare} {}", escaped(family.help())));
    line(page, format_args!("# TYPE {bare} {kind}"));
    for metric in family.get_metric() {
        match kind {
            "counter" => sample(page, &format!("{bare}_total"), metric, metric.get_counter().get_value()),
            "gauge" => sample(page, bare, metric, metric.get_gauge().get_value()),
            _ => histogram(page, bare, metric, find),
        }
    }
}

fn sample(page: &mut String, name: &str, metric: &Metric, value: f64) {
    line(page, format_args!("{name}{} {}", labels(metric.get_label(), None), number(value)));
}

fn histogram(page: &mut String, name: &str, metric: &Metric, find: Find<'_>) {
    let histogram = metric.get_histogram();
    let values: Vec<&str> = metric.get_label().iter().map(LabelPair::value).collect();
    let finite = histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    let count = histogram.get_sample_count();
    let buckets = finite.filter(|(bound, _)| bound.is_finite()).chain([(f64::INFINITY, count)]);
    for (bound, below) in buckets {
        let labels = labels(metric.get_label(), Some(bound));
        let example = find(name, &values, bound).map(|found| exemplar(&found)).unwrap_or_default();
        line(page, format_args!("{name}_bucket{labels} {below}{example}"));
    }
    let labels = labels(metric.get_label(), None);
    line(page, format_args!("{name}_sum{labels} {}", number(histogram.get_sample_sum())));
    line(page, format_args!("{name}_count{labels} {count}"));
}

fn exemplar(exemplar: &Exemplar) -> String {
    let Exemplar { ids, value, at } = exemplar;
    let (seconds, milliseconds) = (at.timestamp(), at.timestamp_subsec_millis());
    let ids = format!("{{trace_id=\"{:032x}\",span_id=\"{:016x}\"}}", ids.trace, ids.span);
    format!(" # {ids} {} {seconds}.{milliseconds:03}", number(*value))
}

fn labels(pairs: &[LabelPair], bound: Option<f64>) -> String {
    let pairs = pairs.iter().map(|pair| format!("{}=\"{}\"", pair.name(), escaped(pair.value())));
    let all: Vec<String> = pairs.chain(bound.map(|bound| format!("le=\"{}\"", number(bound)))).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
    use tillstream_messages::TraceIds;

    use super::*;

    fn registry_for_test() -> Registry {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("a_total", "of \"a\"\n"), &["x"]).unwrap();
        counter.with_label_values(&["1\\\"2"]).inc_by(3);
        let gauge = IntGauge::new("b", "of b").unwrap();
        gauge.set(-7);
        let histogram =
            HistogramVec::new(HistogramOpts::new("c_seconds", "of c").buckets(vec![0.25, 2.0]), &["y"]).unwrap();
        histogram.with_label_values(&["z"]).observe(0.5);
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(gauge)).unwrap();
        registry.register(Box::new(histogram)).unwrap();
        registry
    }

    #[test]
    fn counters_gauges_and_histograms_are_written_as_the_format_wants_and_a_bucket_has_its_example() {
        let at = "2026-01-02T03:04:05.060Z".parse().unwrap();
        let found = Exemplar { ids: TraceIds { trace: 0xabc, span: 0xd }, value: 0.5, at };
        let find = |metric: &str, labels: &[&str], bound: f64| {
            let is_it = metric == "c_seconds" && labels == ["z"] && bound.to_bits() == 2.0_f64.to_bits();
            is_it.then_some(found)
        };
        let expected = r#"# HELP a of \"a\"\n
# TYPE a counter
a_total{x="1\\\"2"} 3
# HELP b of b
# TYPE b gauge
b -7
# HELP c_seconds of c
# TYPE c_seconds histogram
c_seconds_bucket{y="z",le="0.25"} 0
c_seconds_bucket{y="z",le="2"} 1 # {trace_id="00000000000000000000000000000abc",span_id="000000000000000d"} 0.5 1767323045.060
c_seconds_bucket{y="z",le="+Inf"} 1
c_seconds_sum{y="z"} 0.5
c_seconds_count{y="z"} 1
# EOF
"#;
        assert_eq!(render(&registry_for_test().gather(), &find), expected);
    }

    #[test]
    fn series_have_the_same_names_labels_and_values_in_both_formats() {
        let families = registry_for_test().gather();
        let mut plain = Vec::new();
        TextEncoder::new().encode(&families, &mut plain).unwrap();
        let series = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(series(&render(&families, &|_, _, _| None)), series(std::str::from_utf8(&plain).unwrap()));
    }
}
