//! The numbers that change while nothing is asked of a gateway: they are read when somebody asks.
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::metrics::{At, On};
use super::schedules::Schedules;
use crate::timing::Clock;

/// The prices in force, and how much of each budget is used.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) schedules: Schedules,
    pub(super) clock: Clock,
}

/// The prices in force and the used budgets at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// In seconds.
    pub(super) prices: Vec<(On, f64)>,
    pub(super) used: Vec<(At, f64)>,
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Snapshot { prices, used } = self.schedules.present(self.clock.now());
        let help = "What one poll is worth in delay now";
        let name = "polling_price";
        family(&mut encoder, (name, help, Some(&Unit::Seconds)), &prices)?;
        let help = "Share of the budget of polls that is used";
        family(&mut encoder, ("polling_budget_used", help, None), &used)
    }
}

/// Writes a family as the registry writes its own: one without numbers is left out.
fn family<Labels: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    numbers: &[(Labels, f64)],
) -> fmt::Result {
    if numbers.is_empty() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, number) in numbers {
        ConstGauge::new(*number).encode(metric.encode_family(labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::registry::Registry;

    use super::super::{Config, Mark, Metrics, Price, ScheduleKind, Took};
    use super::*;
    use crate::timing::Moment;

    const THREE_SECONDS: Took = Took {
        after: Duration::from_millis(2_900),
        by: Some(Duration::from_millis(3_100)),
        pending: 3,
        mark: Mark::NONE,
    };

    fn registered(config: Config) -> (Schedules, Registry) {
        let schedules = Schedules::new(config, Duration::from_mins(5), Metrics::default());
        let mut registry = Registry::default();
        schedules.register(&mut registry, Clock::start());
        (schedules, registry)
    }

    fn scraped(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    fn number(registry: &Registry, start: &str) -> f64 {
        let text = scraped(registry);
        let mut lines = text.lines().filter(|line| line.starts_with(start));
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("no {start} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn price_and_budget_fall_while_nothing_is_asked() {
        let (schedules, registry) = registered(Config {
            price: Price::Set(Duration::from_millis(70)),
            max_per_second: 10,
            ..Config::default()
        });
        schedules.of("one", "payments", Moment::START);
        for poll in 0..20 {
            let now = Moment::after_start(Duration::from_millis(10 * poll));
            schedules.polled("one", now);
            schedules.pushed_back("one", now);
        }
        let price = || number(&registry, "polling_price_seconds{");
        let used = || number(&registry, "polling_budget_used{");
        assert!(price() > 0.3, "{}", price());
        assert!(used() > 0.3, "{}", used());
        let deferred = number(&registry, "polls_deferred_total{");
        assert!(deferred < 1.0, "{deferred}");
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!((price() - 0.07).abs() < 1e-9, "{}", price());
        assert!(used() < 1e-9, "{}", used());
        schedules.reconfigure(Config::default(), Duration::from_mins(5));
        assert!(!scraped(&registry).contains("polling_budget_used"));
    }

    /// The lines of the metrics that tell of a route, without what is measured.
    fn told(registry: &Registry) -> Vec<String> {
        let text = scraped(registry);
        let lines = text
            .lines()
            .filter(|line| line.contains("route=") && !line.contains("measured"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_reload_leaves_the_learned_numbers_told_unless_nothing_is_learned_any_more() {
        let learned = Config::default();
        let (schedules, registry) = registered(learned.clone());
        for _ in 0..50 {
            schedules.of("one", "payments", Moment::START);
            schedules.learn("one", "payments", THREE_SECONDS);
        }
        let before = told(&registry);
        assert!(before.len() > 8, "{before:?}");
        let dearer = Config {
            price: Price::Set(Duration::from_millis(70)),
            ..learned
        };
        schedules.reconfigure(dearer.clone(), Duration::from_secs(40));
        let after = told(&registry);
        assert_eq!(after.len(), before.len());
        let price = |lines: &[String]| {
            lines
                .iter()
                .any(|it| it.contains("price") && it.ends_with(" 0.07"))
        };
        assert!(price(&after) && !price(&before), "{after:?}");
        // The next exchange makes its plan by them, and a picture does so without one.
        let picture = schedules
            .sketches(Moment::START)
            .remove(0)
            .picture()
            .learned
            .unwrap();
        let last = picture.bins.last().unwrap().to_seconds;
        assert!((picture.price_in_force_seconds - 0.07).abs() < 1e-9 && last < 40.1);
        let fixed = Config {
            schedule: ScheduleKind::Fixed,
            ..dearer.clone()
        };
        schedules.reconfigure(fixed, Duration::from_secs(40));
        assert_eq!(told(&registry), Vec::<String>::new());
        schedules.reconfigure(dearer, Duration::from_secs(40));
        assert_eq!(
            told(&registry).len(),
            before.len() - 1,
            "but for what polls that were measured allow"
        );
    }
}
