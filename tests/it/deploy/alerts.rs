//! The metrics that alerts and the dashboard ask for.
use std::collections::{BTreeMap, BTreeSet};

use super::texts::{read, texts, words};
use crate::stage::bench::holdline;

/// Every metric of METRICS.md, which another test holds against a running holdline: the names of
/// its series, and its row.
fn described() -> BTreeMap<String, String> {
    let text = read("METRICS.md");
    let rows = text.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("| `holdline_")?.split_once('`')?;
        Some((format!("holdline_{name}"), line))
    });
    rows.flat_map(|(name, row)| {
        let is_histogram = row.contains("| histogram |");
        let ends: &[&str] = if is_histogram {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        ends.iter()
            .map(move |end| (format!("{name}{end}"), row.to_owned()))
    })
    .collect()
}

/// The expressions of the alerts, of their tests and of the dashboard.
fn expressions() -> Vec<(String, String)> {
    let mut expressions = Vec::new();
    for text in texts() {
        if text.path.starts_with("deploy/prometheus/") {
            let lines = text
                .text
                .lines()
                .filter(|line| !line.trim().starts_with('#'));
            expressions.extend(lines.map(|line| (text.path.clone(), line.to_owned())));
        } else if text.path.starts_with("deploy/grafana/") {
            let dashboard: serde_json::Value = serde_json::from_str(&text.text).unwrap();
            let mut rest = vec![&dashboard];
            while let Some(value) = rest.pop() {
                rest.extend(value.as_array().into_iter().flatten());
                rest.extend(value.as_object().into_iter().flat_map(|it| it.values()));
                let text_of = |it: &serde_json::Value| it.as_str().map(str::to_owned);
                expressions.extend(text_of(value).map(|it| (text.path.clone(), it)));
            }
        }
    }
    expressions
}

/// Where the metrics of an expression begin.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let starts = expression.match_indices("holdline_").map(|(at, _)| at);
    starts.map(|at| &expression[at..])
}

#[test]
fn every_metric_and_every_label_is_described() {
    let described = described();
    let mut seen = BTreeSet::new();
    for (path, expression) in expressions() {
        for metric in metrics(&expression) {
            let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let name = words(metric, is_part).next().unwrap();
            let Some(row) = described.get(name) else {
                panic!("{path} asks for {name}, which METRICS.md does not describe");
            };
            seen.insert(name.to_owned());
            let selector = metric[name.len()..].strip_prefix('{');
            let Some((selector, _)) = selector.and_then(|it| it.split_once('}')) else {
                continue;
            };
            for matcher in selector.split(", ") {
                let (label, value) = matcher.split_once(['=', '!']).unwrap();
                if matches!(label, "instance" | "le") {
                    continue;
                }
                let told = |it: &str| row.contains(&format!("`{it}`"));
                assert!(told(label), "{path}: {name} has no label {label}");
                // A file is the configuration's own.
                if label == "file" {
                    continue;
                }
                for value in value.trim_matches(['=', '~', '"']).split('|') {
                    assert!(told(value), "{path}: {label} of {name} is never {value}");
                }
            }
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
}

#[test]
fn every_label_of_a_legend_or_a_sum_is_one_of_its_metric() {
    let described = described();
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/holdline.json")).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter();
    let targets = targets.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut seen = 0;
    for target in targets {
        let expression = target["expr"].as_str().unwrap();
        let legend = target["legendFormat"].as_str().unwrap();
        let metric = metrics(expression).next().unwrap();
        let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let row = &described[words(metric, is_part).next().unwrap()];
        let summed = expression
            .split("sum by (")
            .skip(1)
            .flat_map(|rest| rest.split(')').next().unwrap().split(", "));
        let shown = legend
            .split("{{")
            .skip(1)
            .map(|rest| rest.split("}}").next().unwrap());
        for label in summed.chain(shown) {
            seen += 1;
            let known = matches!(label, "instance" | "le") || row.contains(&format!("`{label}`"));
            assert!(known, "{expression} has no label {label}");
        }
    }
    assert!(seen > 15, "{seen} were found");
}

fn alerts() -> Vec<String> {
    let rules = read("deploy/prometheus/alerts.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn every_alert_fires_in_a_test_and_has_its_page_in_the_runbook() {
    let rules = read("deploy/prometheus/alerts.yml");
    let tests = read("deploy/prometheus/alerts_test.yml");
    let runbook = read("docs/runbook.md");
    let sections: Vec<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## Holdline"))
        .collect();
    for alert in alerts() {
        let fires = tests
            .split_once(&format!("- alertname: {alert}\n"))
            .and_then(|(_, after)| after.split("- name: ").next())
            .is_some_and(|test| test.contains("exp_labels:"));
        assert!(fires, "{alert} fires in no test");
        let short = alert.strip_prefix("Holdline").unwrap();
        assert!(sections.contains(&short), "the runbook has no {alert}");
        let link = format!("docs/runbook.md#{}\n", alert.to_ascii_lowercase());
        assert!(rules.contains(&link), "{alert} does not lead to {link}");
    }
    assert_eq!(sections.len(), alerts().len(), "{sections:?}");
}

/// The bounds that the tests of the alerts give to a histogram, and those that an alert holds a quantile
/// of it against: within a bucket a quantile is a guess.
fn bounds() -> Vec<(String, f64)> {
    let tests = read("deploy/prometheus/alerts_test.yml");
    let tested = tests.lines().filter_map(|line| {
        let (_, series) = line.split_once("series: '")?;
        let (_, bound) = series.split_once(", le=\"")?;
        Some((series, bound.split_once('"')?.0))
    });
    let rules = read("deploy/prometheus/alerts.yml");
    let compared = rules.lines().filter_map(|line| {
        let (_, quantile) = line.split_once("histogram_quantile(")?;
        Some((metrics(quantile).next()?, quantile.rsplit_once("> ")?.1))
    });
    let found = tested.chain(compared).map(|(series, bound)| {
        let end = series.find(['{', '[']).unwrap();
        (series[..end].to_owned(), bound.parse().unwrap())
    });
    found.collect()
}

#[tokio::test]
async fn every_bound_of_a_histogram_is_one_of_its_own() {
    let bench = holdline().journal().start().await;
    let exposed = bench.operator("/metrics").await.text();
    let bounds = bounds();
    assert!(bounds.len() > 15, "{bounds:?}");
    for (histogram, bound) in bounds {
        let start = format!("{histogram}{{le=\"");
        let mut own = exposed.lines().filter_map(|line| {
            let (own, _) = line.strip_prefix(&start)?.split_once('"')?;
            own.parse::<f64>().ok()
        });
        assert!(
            own.any(|own| own.total_cmp(&bound).is_eq()),
            "{histogram} has no bound {bound}"
        );
    }
}
