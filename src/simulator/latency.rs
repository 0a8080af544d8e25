//! How long the simulated work takes: a law, and a seeded draw from it.
use crate::elementary::Elementary;
use std::f64::consts::TAU;
use std::str::FromStr;
use std::time::Duration;

/// The longest draw: what a law's tail gives beyond it is cut, so that no task outlives a day.
const LONGEST_MS: f64 = 86_400_000.0;

/// The law of the time that a task takes. Spans are in milliseconds in the text form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// `fixed:MS`
    Fixed(Duration),
    /// `uniform:FROM,TO`
    Uniform {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
    },
    /// `exponential:MEAN`
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// `log-normal:MEDIAN,SIGMA`
    LogNormal {
        /// The median.
        median: Duration,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// `bimodal:FAST,SLOW,SHARE`
    Bimodal {
        /// The common case.
        fast: Duration,
        /// The other one.
        slow: Duration,
        /// How many of all are slow, between 0 and 1.
        share: f64,
    },
}

/// The text is no law; completes "failed to read the latency: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write fixed:MS, uniform:FROM,TO, exponential:MEAN, log-normal:MEDIAN,SIGMA or \
     bimodal:FAST,SLOW,SHARE"
)]
pub struct LatencyError;

impl Default for Latency {
    /// Half a second: a test mode that is quick, but not instant.
    fn default() -> Self {
        Self::Fixed(Duration::from_millis(500))
    }
}

impl Latency {
    /// One draw.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        match *self {
            Self::Fixed(span) => span,
            Self::Uniform { from, to } => from + to.saturating_sub(from).mul_f64(random.f64()),
            Self::Exponential { mean } => millis(-as_millis(mean) * positive(random).logarithm()),
            Self::LogNormal { median, sigma } => {
                millis(as_millis(median) * (sigma * normal(random)).exponential())
            }
            Self::Bimodal { fast, slow, share } => {
                if random.f64() < share {
                    slow
                } else {
                    fast
                }
            }
        }
    }
}

/// A draw from (0, 1], whose logarithm is finite.
fn positive(random: &mut fastrand::Rng) -> f64 {
    1.0 - random.f64()
}

/// A standard normal draw, by the transform of Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * positive(random).logarithm()).sqrt() * (TAU * random.f64()).cosine()
}

fn as_millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn millis(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, LONGEST_MS) / 1e3)
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let (law, numbers) = text.split_once(':').ok_or(LatencyError)?;
        let numbers: Vec<f64> = numbers
            .split(',')
            .map(|number| number.trim().parse().map_err(|_| LatencyError))
            .collect::<Result<_, _>>()?;
        if !numbers
            .iter()
            .all(|number| (0.0..=LONGEST_MS).contains(number))
        {
            return Err(LatencyError);
        }
        match (law, numbers.as_slice()) {
            ("fixed", &[span]) => Ok(Self::Fixed(millis(span))),
            ("uniform", &[from, to]) if from <= to => Ok(Self::Uniform {
                from: millis(from),
                to: millis(to),
            }),
            ("exponential", &[mean]) => Ok(Self::Exponential { mean: millis(mean) }),
            ("log-normal", &[median, sigma]) => Ok(Self::LogNormal {
                median: millis(median),
                sigma,
            }),
            ("bimodal", &[fast, slow, share]) if share <= 1.0 => Ok(Self::Bimodal {
                fast: millis(fast),
                slow: millis(slow),
                share,
            }),
            _ => Err(LatencyError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 20_000;

    fn draws(law: &str) -> Vec<f64> {
        let law: Latency = law.parse().unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        (0..DRAWS)
            .map(|_| as_millis(law.draw(&mut random)))
            .collect()
    }

    fn mean(draws: &[f64]) -> f64 {
        draws.iter().sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn each_law_keeps_its_numbers() {
        assert!(
            draws("fixed:20")
                .iter()
                .all(|&draw| (draw - 20.0).abs() < 1e-6)
        );
        let uniform = draws("uniform:10,30");
        assert!(uniform.iter().all(|draw| (10.0..=30.0).contains(draw)));
        assert!((mean(&uniform) - 20.0).abs() < 0.5);
        assert!((mean(&draws("exponential:100")) - 100.0).abs() < 4.0);
        let mut log_normal = draws("log-normal:100,0.5");
        log_normal.sort_by(f64::total_cmp);
        assert!((log_normal[log_normal.len() / 2] - 100.0).abs() < 4.0);
        let slow = draws("bimodal:10,1000,0.25")
            .iter()
            .filter(|&&draw| draw > 500.0)
            .count();
        assert!((4_600..5_400).contains(&slow), "{slow}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draws("log-normal:100,0.5"), draws("log-normal:100,0.5"));
    }

    #[test]
    fn what_is_no_law_is_refused() {
        for text in [
            "",
            "fixed",
            "fixed:",
            "fixed:-1",
            "uniform:3,1",
            "fixed:NaN",
            "bimodal:1,2,3",
        ] {
            assert_eq!(text.parse::<Latency>(), Err(LatencyError), "{text}");
        }
    }
}
