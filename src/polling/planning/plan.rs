//! The plan: the instants of polling that cost least under a law, by dynamic programming.
use crate::polling::laws::axis::{Axis, whole};
use crate::polling::laws::law::Law;

/// Points of time that a plan may choose among, at least and at most. The work grows with their
/// number and with how many there are between two polls.
const POINTS: (f64, f64) = (400.0, 4_000.0);

/// Points between two polls, where these are too many for the least number.
const BETWEEN: f64 = 12.0;

/// Waits of a plan that are as long as they may be, at most: each payment searches its plan, and each scout
/// has a copy.
const WAITS: f64 = 2_000.0;

/// What a plan has to keep to; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::polling) struct Terms {
    /// What one poll is worth in delay.
    pub(in crate::polling) price: f64,
    /// No two polls are closer.
    pub(in crate::polling) floor: f64,
    /// No two polls are farther apart, but late in a long plan: [`Terms::ceiling_after`].
    pub(in crate::polling) ceiling: f64,
    /// Where plans end.
    pub(in crate::polling) horizon: f64,
}

impl Terms {
    /// How long the wait after an instant may be. Where the ceiling is below a thousandth of the horizon it
    /// rises with the root of the time, up to that: each wait then adds as much to the root, so that a plan of
    /// such waits alone has no more than [`WAITS`].
    pub(super) fn ceiling_after(&self, instant: f64) -> f64 {
        let risen = 2.0 / WAITS * (instant * self.horizon).sqrt();
        self.ceiling.max(risen)
    }
}

/// What a plan is expected to bring under a law.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Seconds between the result and the poll that finds it.
    pub delay: f64,
    /// Polls of an exchange.
    pub polls: f64,
}

impl Expected {
    /// What both cost together.
    pub fn cost(self, price: f64) -> f64 {
        price.mul_add(self.polls, self.delay)
    }

    /// Delay times polls, over the limit that no schedule goes below where polls are many.
    pub(in crate::polling) fn over(self, limit: f64) -> f64 {
        self.delay * self.polls / limit.max(f64::MIN_POSITIVE)
    }
}

/// One point of the grid.
#[derive(Clone, Copy, Debug)]
struct Point {
    time: f64,
    /// The mass below.
    below: f64,
    /// The integral of the mass below.
    area: f64,
}

/// The instants, in seconds since the acceptance, that minimise the expected delay and the price of
/// the polls together:
/// `W(t) = min over s > t of price · S(t) + ∫ from t to s of (F(x) − F(t)) dx + W(s)`
/// (optimal inspection: Barlow, Hunter, Proschan 1963). The last instant is the horizon.
///
/// The delay is submodular in t and s, as `F` rises, so the best s never falls as t rises: none beyond
/// that of the point after t need be tried (Knuth 1971, Yao 1980).
pub(in crate::polling) fn optimal(axis: &Axis, law: &Law, terms: Terms) -> Vec<f64> {
    let points = grid(axis, law, terms.price);
    let best = choices(&points, terms);
    let mut instants = Vec::new();
    let mut place = 0;
    while let Some(&(_, next)) = best.get(place)
        && let Some(point) = points.get(next)
    {
        reach(&mut instants, point.time, terms);
        place = next;
    }
    instants
}

/// The least cost from each point on, and the point of the next poll.
fn choices(points: &[Point], terms: Terms) -> Vec<(f64, usize)> {
    let mut best = Vec::with_capacity(points.len());
    best.push((0.0, points.len()));
    // `best` is filled from the horizon back, so it is read from its end: the step to the next
    // point comes first.
    let mut farthest = points.len();
    for (place, from) in points.iter().enumerate().rev().skip(1) {
        let later = points.iter().enumerate().take(farthest + 1).skip(place + 1);
        let choice = cheapest(*from, later.zip(best.iter().rev()), terms);
        best.push(choice);
        farthest = choice.1;
    }
    best.reverse();
    best
}

/// Adds an instant, and others before it where it is farther from the last than polls may be: the
/// points of the grid may be so too.
fn reach(instants: &mut Vec<f64>, instant: f64, terms: Terms) {
    let from = instants.last().copied().unwrap_or_default();
    let waits = ((instant - from) / terms.ceiling_after(from))
        .ceil()
        .clamp(1.0, f64::from(u16::MAX));
    let between = (1..whole(waits)).map(|part| from + (instant - from) * f64::from(part) / waits);
    instants.extend(between);
    instants.push(instant);
}

/// The best next poll after one at `from`, and its cost.
fn cheapest<'a>(
    from: Point,
    later: impl Iterator<Item = ((usize, &'a Point), &'a (f64, usize))>,
    terms: Terms,
) -> (f64, usize) {
    let poll = terms.price * (1.0 - from.below);
    let ceiling = terms.ceiling_after(from.time);
    let mut found = (f64::INFINITY, usize::MAX);
    for ((place, point), (rest, _)) in later {
        let gap = point.time - from.time;
        let is_any = found.0.is_finite();
        if is_any && gap > ceiling {
            break;
        }
        let delay = point.area - from.area - from.below * gap;
        if is_any && poll + delay >= found.0 {
            break;
        }
        let cost = poll + delay + rest;
        // A gap below the floor is taken only where the horizon leaves no other.
        if cost < found.0 && (gap >= terms.floor || *rest <= 0.0) {
            found = (cost, place);
        }
    }
    found
}

/// Edges of the axis, the horizon among them: closer where the law makes polls close, and nowhere
/// far apart by ratio.
fn grid(axis: &Axis, law: &Law, price: f64) -> Vec<Point> {
    let weights = weights(axis, law);
    let sum: f64 = weights.iter().sum();
    let (least, most) = POINTS;
    let step = sum / (BETWEEN * polls(axis, law, price)).clamp(least, most);
    let mut points = vec![Point {
        time: 0.0,
        below: 0.0,
        area: 0.0,
    }];
    let (mut filled, mut area, mut before) = (0.0, 0.0, (0.0, 0.0));
    let edges = axis.edges().iter().zip(law.below()).skip(1);
    let last = usize::from(Axis::last());
    for (edge, ((&time, &below), weight)) in edges.zip(&weights).enumerate() {
        // Within a cell the mass lies evenly.
        area += 0.5 * (below + before.1) * (time - before.0);
        before = (time, below);
        filled += weight;
        if filled >= step || edge + 1 == last {
            filled = (filled - step).clamp(0.0, step);
            points.push(Point { time, below, area });
        }
    }
    points
}

/// The polls of a whole plan where they are many: the integral of `sqrt(h / (2 · price))` (Keller
/// 1974), but for the last of the tasks.
fn polls(axis: &Axis, law: &Law, price: f64) -> f64 {
    const LAST: f64 = 0.01;
    let cells = axis
        .edges()
        .windows(2)
        .zip(law.mass().iter().zip(law.below()));
    cells
        .take_while(|(_, (_, below))| **below < 1.0 - LAST)
        .map(|(edges, (mass, below))| match edges {
            [from, to] => (mass * (to - from) / (1.0 - below) / (2.0 * price)).sqrt(),
            _ => 0.0,
        })
        .sum()
}

/// How many points each cell deserves: half of all by ratio alone, half by the root of hazard and
/// survival, to which the best rate of polls is proportional (Keller 1974).
fn weights(axis: &Axis, law: &Law) -> Vec<f64> {
    let roots: Vec<f64> = roots(axis, law).collect();
    let sum: f64 = roots.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let even = 0.5 / f64::from(Axis::last());
    roots.iter().map(|root| 0.5 * root / sum + even).collect()
}

/// What a plan is expected to bring, and the delay up to each of its instants in `delays`. Beyond
/// its last instant nothing is counted.
pub(in crate::polling) fn expected(
    axis: &Axis,
    law: &Law,
    instants: &[f64],
    delays: &mut Vec<f64>,
) -> Expected {
    let mut edges = axis.edges().iter().zip(law.below()).skip(1).peekable();
    let mut expected = Expected::default();
    let (mut time, mut below) = (0.0, 0.0);
    for &instant in instants {
        let found = below;
        expected.polls += 1.0 - found;
        while time < instant
            && let Some(&(&edge, &at_edge)) = edges.peek()
        {
            let until = edge.min(instant);
            // Within a cell the mass lies evenly.
            let reached = (at_edge - below).mul_add((until - time) / (edge - time), below);
            expected.delay += (0.5 * (below + reached) - found) * (until - time);
            (time, below) = (until, reached);
            if edge <= instant {
                edges.next();
            }
        }
        delays.push(expected.delay);
    }
    expected
}

/// What a poll every `interval` would bring; `None` where it would be too many to count.
pub(in crate::polling) fn every(
    axis: &Axis,
    law: &Law,
    interval: f64,
    horizon: f64,
) -> Option<Expected> {
    /// More take longer to count than an exchange takes.
    const MOST: f64 = 20_000.0;
    if horizon / interval > MOST {
        return None;
    }
    let instants = (1..).map(|poll: u32| interval * f64::from(poll));
    let within = instants.take_while(|at| *at < horizon);
    let instants: Vec<f64> = within.chain([horizon]).collect();
    Some(expected(axis, law, &instants, &mut Vec::new()))
}

/// How long a result waits, on average, that comes after one edge and is found at another.
pub(in crate::polling) fn delay_within(axis: &Axis, law: &Law, after: u16, by: u16) -> f64 {
    let (first, last) = (
        usize::from(after),
        usize::from(by).min(usize::from(Axis::last())),
    );
    let edges = axis.edges().get(first..=last).unwrap_or_default();
    let masses = law.mass().get(first..last).unwrap_or_default();
    let inside = edges.windows(2).zip(masses);
    let end = axis.edges().get(last).copied().unwrap_or_default();
    let (mut mass, mut delay) = (0.0, 0.0);
    for (edges, cell) in inside {
        let [from, to] = *edges else { continue };
        mass += cell;
        delay += cell * (end - 0.5 * (from + to)).max(0.0);
    }
    delay / mass.max(f64::MIN_POSITIVE)
}

/// Half of the squared integral of the root of density and survival: no schedule brings the product
/// of delay and polls below it where polls are many (Keller 1974).
pub(in crate::polling) fn limit(axis: &Axis, law: &Law) -> f64 {
    let sum: f64 = roots(axis, law).sum();
    0.5 * sum * sum
}

/// For each cell the root of density and survival, times the width.
fn roots(axis: &Axis, law: &Law) -> impl Iterator<Item = f64> {
    let pairs = axis
        .edges()
        .windows(2)
        .zip(law.mass().iter().zip(law.below()));
    pairs.map(|(edges, (mass, below))| match edges {
        [from, to] => (mass * (to - from) * (1.0 - below).max(0.0)).sqrt(),
        _ => 0.0,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// The least cost from the acceptance on, with every later point tried for every point.
    fn least(points: &[Point], terms: Terms) -> f64 {
        let mut best = vec![(0.0, points.len())];
        for (place, from) in points.iter().enumerate().rev().skip(1) {
            let later = points.iter().enumerate().skip(place + 1);
            best.push(cheapest(*from, later.zip(best.iter().rev()), terms));
        }
        best.last().unwrap().0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_plan_costs_less_whatever_the_law(
            tasks in proptest::collection::vec((0.05_f64..60.0, 0.01_f64..1.0), 1..8),
            price in 0.002_f64..2.0,
            floor in 0.008_f64..0.5,
            ceiling in 0.02_f64..20.0,
        ) {
            let ceiling = ceiling.max(floor);
            let axis = Axis::new(Duration::from_mins(1), None);
            let mut mass = vec![1e-6; usize::from(Axis::last()) + 1];
            for (seconds, share) in tasks {
                let edge = axis.nearest(seconds);
                mass[usize::from(edge)] += share;
            }
            let law = Law::new(mass).smoothed(40.0, &axis);
            let terms = Terms { price, floor, ceiling, horizon: 60.0 };
            let points = grid(&axis, &law, price);
            let found = choices(&points, terms)[0].0;
            prop_assert!((found - least(&points, terms)).abs() < 1e-9);
        }
    }
}
