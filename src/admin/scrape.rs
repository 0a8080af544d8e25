//! The process's own metrics, read as anybody else reads them: from their exposition. So the page
//! needs no door into the rooms that count, and can only show what a dashboard can show too.
use std::collections::BTreeMap;
use std::ops::Bound;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Every sample of one moment, by its series: a name, and labels in braces where there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// What the registry exposes now.
    pub(super) fn of(registry: &Registry) -> Self {
        let mut text = String::new();
        // What cannot be written is not shown.
        let _ = encode(&mut text, registry);
        Self::read(&text)
    }

    fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let read = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        read.collect()
    }

    /// The value of a series; `None` where it is not exposed.
    pub(super) fn find(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The value of a series, 0 where it is not exposed: a counter appears with its first event.
    pub(super) fn value(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_default()
    }

    /// A family by the values of one of its labels, summed over its other ones.
    pub(super) fn family(&self, name: &str, label: &str) -> Vec<(String, f64)> {
        let start = format!("{name}{{");
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for (series, value) in self.starting(&start) {
            if let Some(of) = label_of(series, label) {
                *sums.entry(of.to_owned()).or_default() += value;
            }
        }
        sums.into_iter().collect()
    }

    /// The sum over a family with labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let start = format!("{name}{{");
        self.starting(&start).map(|(_, value)| value).sum()
    }

    /// Every series that starts so, in their order.
    pub(super) fn starting<'a>(
        &'a self,
        start: &'a str,
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        let from = (Bound::Included(start), Bound::Unbounded);
        self.0
            .range::<str, _>(from)
            .take_while(move |(series, _)| series.starts_with(start))
            .map(|(series, value)| (series.as_str(), *value))
    }
}

impl FromIterator<(String, f64)> for Scrape {
    fn from_iter<T: IntoIterator<Item = (String, f64)>>(samples: T) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// The value of a label in a series. No label value of ours holds a quote.
pub(super) fn label_of<'a>(series: &'a str, label: &str) -> Option<&'a str> {
    let (_, labels) = series.split_once('{')?;
    labels.trim_end_matches('}').split(',').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == label).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposition_is_read_by_series_and_by_family() {
        let scrape = Scrape::read(
            "# HELP holdline_held Requests held now.\n# TYPE holdline_held gauge\nholdline_held 3\n\
             holdline_polls_total{answer=\"firm\"} 2\nholdline_polls_total{answer=\"pending\"} 40\n\
             holdline_polls_totally 9\nholdline_own_answers_total{outcome=\"in-doubt\",status=\"504\"} 1\n\
             holdline_own_answers_total{outcome=\"in-progress\",status=\"504\"} 3\n\
             # EOF\n",
        );
        assert_eq!(scrape.find("holdline_held"), Some(3.0));
        assert_eq!(scrape.find("holdline_other"), None);
        assert!((scrape.sum("holdline_polls_total") - 42.0).abs() < f64::EPSILON);
        assert_eq!(
            scrape.family("holdline_polls_total", "answer"),
            [("firm".to_owned(), 2.0), ("pending".to_owned(), 40.0)]
        );
        assert_eq!(
            scrape.family("holdline_own_answers_total", "status"),
            [("504".to_owned(), 4.0)]
        );
    }
}
