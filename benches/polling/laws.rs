//! Laws of the time that a task takes, and the plan that is best for each when it is known.
#![expect(
    clippy::disallowed_methods,
    reason = "a measure of what is learned shares no code with it"
)]
use std::f64::consts::TAU;

/// A law; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    /// Log-normal: median and the deviation of the logarithm.
    LogNormal(f64, f64),
    /// Two log-normals: median and share of the second, after median of the first.
    TwoPeaks {
        first: f64,
        second: f64,
        share: f64,
        sigma: f64,
    },
    /// A mean, and no memory.
    Exponential(f64),
    /// Nothing before a floor, then a log-normal.
    Floor { floor: f64, median: f64, sigma: f64 },
    /// The sum of so many exponential steps (gamma), of this mean together.
    Steps { mean: f64, steps: u32 },
    /// Weibull: how long 63 % take, and the shape: above 1 the hazard rises.
    Weibull { scale: f64, shape: f64 },
    /// Evenly between the two.
    Uniform(f64, f64),
}

impl Law {
    /// The law of tasks that take so many times as long.
    pub(crate) fn times(self, factor: f64) -> Self {
        match self {
            Self::LogNormal(median, sigma) => Self::LogNormal(median * factor, sigma),
            Self::TwoPeaks {
                first,
                second,
                share,
                sigma,
            } => Self::TwoPeaks {
                first: first * factor,
                second: second * factor,
                share,
                sigma,
            },
            Self::Exponential(mean) => Self::Exponential(mean * factor),
            Self::Floor {
                floor,
                median,
                sigma,
            } => Self::Floor {
                floor: floor * factor,
                median: median * factor,
                sigma,
            },
            Self::Steps { mean, steps } => Self::Steps {
                mean: mean * factor,
                steps,
            },
            Self::Weibull { scale, shape } => Self::Weibull {
                scale: scale * factor,
                shape,
            },
            Self::Uniform(from, to) => Self::Uniform(from * factor, to * factor),
        }
    }

    /// One draw.
    pub(crate) fn draw(self, random: &mut fastrand::Rng) -> f64 {
        match self {
            Self::LogNormal(median, sigma) => median * (sigma * normal(random)).exp(),
            Self::TwoPeaks {
                first,
                second,
                share,
                sigma,
            } => {
                let median = if random.f64() < share { second } else { first };
                median * (sigma * normal(random)).exp()
            }
            Self::Exponential(mean) => -mean * positive(random).ln(),
            Self::Floor {
                floor,
                median,
                sigma,
            } => floor + median * (sigma * normal(random)).exp(),
            Self::Steps { mean, steps } => {
                let sum: f64 = (0..steps).map(|_| -positive(random).ln()).sum();
                mean / f64::from(steps) * sum
            }
            Self::Weibull { scale, shape } => scale * (-positive(random).ln()).powf(1.0 / shape),
            Self::Uniform(from, to) => from + (to - from) * random.f64(),
        }
    }

    /// Many draws, sorted.
    pub(crate) fn draws(self, count: usize, seed: u64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draws: Vec<f64> = (0..count).map(|_| self.draw(&mut random)).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }
}

fn positive(random: &mut fastrand::Rng) -> f64 {
    1.0 - random.f64()
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * positive(random).ln()).sqrt() * (TAU * random.f64()).cos()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Delay and polls of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brought {
    pub(crate) delay: f64,
    pub(crate) polls: f64,
}

impl Brought {
    pub(crate) fn cost(self, price: f64) -> f64 {
        self.delay + price * self.polls
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            delay: self.delay + other.delay,
            polls: self.polls + other.polls,
        }
    }

    pub(crate) fn over(self, count: usize) -> Self {
        Self {
            delay: self.delay / number(count),
            polls: self.polls / number(count),
        }
    }
}

/// What a plan brings, on average over these tasks.
pub(crate) fn brought(plan: &[f64], tasks: &[f64]) -> Brought {
    let each = tasks.iter().map(|&task| {
        let polls = plan.partition_point(|&instant| instant < task);
        Brought {
            delay: plan.get(polls).map_or(0.0, |instant| instant - task),
            polls: number(polls + 1),
        }
    });
    each.fold(Brought::default(), Brought::plus)
        .over(tasks.len())
}

/// No two polls are farther apart in seconds: `polling.max_interval` as it is by default, and the twentieth
/// that plans may add.
const CEILING: f64 = 10.5;

/// The best plan where the law is known: by dynamic programming over the draws themselves, on a grid
/// of their quantiles and of even steps. It shares no code with the one that is learned.
pub(crate) fn optimum(law: Law, price: f64) -> Vec<f64> {
    let draws = law.draws(60_000, 99);
    let grid = grid(&draws);
    let (mut found, mut sum) = (0, 0.0);
    // The share of tasks that are done, and how long they have been so, on average over all.
    let points: Vec<(f64, f64, f64)> = grid
        .iter()
        .map(|&time| {
            while found < draws.len() && draws[found] <= time {
                sum += draws[found];
                found += 1;
            }
            let all = number(draws.len());
            (
                time,
                number(found) / all,
                (number(found) * time - sum) / all,
            )
        })
        .collect();
    let last = points.len() - 1;
    let mut best = vec![(f64::INFINITY, last); last];
    best.push((0.0, points.len()));
    for from in (0..last).rev() {
        let (time, done, waited) = points[from];
        for to in from + 1..=last {
            let (next, _, waits) = points[to];
            let step = price * (1.0 - done) + waits - waited - done * (next - time);
            if step > best[from].0 || (next - time > CEILING && best[from].0.is_finite()) {
                break;
            }
            let cost = step + best[to].0;
            if cost < best[from].0 {
                best[from] = (cost, to);
            }
        }
    }
    let steps = std::iter::successors(Some(best[0].1), |&place| best.get(place).map(|step| step.1));
    steps
        .take_while(|&place| place <= last)
        .map(|place| grid[place])
        .collect()
}

fn grid(draws: &[f64]) -> Vec<f64> {
    const POINTS: usize = 700;
    let quantile = |part: usize| draws[(part * draws.len() / POINTS).saturating_sub(1)];
    let (usual, longest) = (draws[draws.len() * 999 / 1000], draws[draws.len() - 1]);
    let mut grid = vec![0.0];
    grid.extend((1..=POINTS).map(quantile));
    grid.extend((1..=POINTS).map(|part| usual * number(part) / number(POINTS)));
    let beyond = |part: usize| usual * (longest / usual).powf(number(part) / 200.0);
    grid.extend((1..=200).map(beyond));
    grid.push(longest + 0.01);
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    grid
}
