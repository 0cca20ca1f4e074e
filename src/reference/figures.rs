//! `docs/metrics.md`: every metric, from what the registry itself says when it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::{head, line};
use crate::metrics::Metrics;

const INTRODUCTION: &str = "# Metrics

`GET /metrics` on the admin listener (`127.0.0.1:9090` by default) gives these in the OpenMetrics text format.
Counters only grow and end with `_total`; a histogram has `_bucket`, `_sum` and `_count`; a gauge goes up and down.
`footfall_visits_received_total` equals `kept` + `duplicates` + the sum of all `refused`: every visit ends in exactly one outcome,
and so does every event.
The values of the label `reason` are the codes of [errors.md](errors.md).

";

/// What the registry says about a metric.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    help: String,
    labels: BTreeSet<String>,
}

pub fn render() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str(&head(&["name", "kind", "unit", "labels", "meaning"]));
    for (name, family) in families(&Metrics::default().render()) {
        let suffix = if family.kind == "counter" { "_total" } else { "" };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&line(&[
            &format!("`{name}{suffix}`"),
            &family.kind,
            &family.unit,
            &labels.join(", "),
            &family.help,
        ]));
    }
    text
}

/// Reads the lines `# HELP`, `# TYPE`, `# UNIT` and the labels of samples. `le` is the histogram's own.
fn families(exposition: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for text in exposition.lines() {
        let mut words = text.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(value)) => {
                let family = families.entry(name.into()).or_default();
                match what {
                    "HELP" => family.help = value.into(),
                    "TYPE" => family.kind = value.into(),
                    "UNIT" => family.unit = value.into(),
                    _ => {}
                }
                current = name.into();
            }
            _ => {
                if let Some(family) = families.get_mut(&current) {
                    family.labels.extend(labels(text));
                }
            }
        }
    }
    families
}

fn labels(sample: &str) -> Vec<String> {
    let Some((_, rest)) = sample.split_once('{') else {
        return Vec::new();
    };
    let inner = rest.rsplit_once('}').map_or("", |(inner, _)| inner);
    let pairs = inner.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "le")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_type_unit_and_labels_are_read_off_the_exposition() {
        let exposition = "# HELP a_sync_seconds Time of each sync.\n# TYPE a_sync_seconds histogram\n\
                          # UNIT a_sync_seconds seconds\na_sync_seconds_bucket{le=\"1.0\",mode=\"os\"} 0\n\
                          # HELP a_kept Visits kept.\n# TYPE a_kept counter\na_kept_total 0\n# EOF\n";
        let families = families(exposition);
        let sync = families.get("a_sync_seconds").unwrap();
        assert_eq!((sync.kind.as_str(), sync.unit.as_str()), ("histogram", "seconds"));
        assert_eq!(sync.help, "Time of each sync.");
        assert_eq!(sync.labels.iter().collect::<Vec<_>>(), ["mode"]);
        assert!(families.get("a_kept").unwrap().labels.is_empty());
    }

    #[test]
    fn every_metric_of_the_registry_has_a_meaning_and_one_line() {
        let text = render();
        for (name, family) in families(&Metrics::default().render()) {
            assert!(!family.help.is_empty() && !family.kind.is_empty(), "{name}");
            let lines =
                text.matches(&format!("| `{name}`")).count() + text.matches(&format!("| `{name}_total`")).count();
            assert_eq!(lines, 1, "{name}");
        }
    }
}
