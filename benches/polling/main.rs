//! What the learned schedule brings, in virtual time, against fixed and exponential ones and against
//! the best plan for the law if it is known; and what a plan costs to make.
//!
//! `cargo bench --bench polling [-- SEEDS]`. Cost is delay + price · polls at a price of 50 ms.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, prints, and ends at the first thing that is wrong"
)]
mod laws;
mod world;

use std::time::{Duration, Instant};

use holdline::polling::{Learner, Rules, Took};
use holdline::timing::Moment;
use laws::{Brought, Law, brought, optimum};
use world::{PRICE, RULES, World};

/// Laws that a gateway may have; those of a typical time come first.
const LAWS: [(&str, Law); 17] = [
    ("log-normal 2.5 s, 0.4", Law::LogNormal(2.5, 0.4)),
    ("log-normal 1 s, 0.5", Law::LogNormal(1.0, 0.5)),
    ("log-normal 3 s, 0.8", Law::LogNormal(3.0, 0.8)),
    ("log-normal 2 s, 0.2", Law::LogNormal(2.0, 0.2)),
    ("log-normal 5 s, 0.1", Law::LogNormal(5.0, 0.1)),
    ("log-normal 0.5 s, 0.3", Law::LogNormal(0.5, 0.3)),
    ("log-normal 10 s, 0.4", Law::LogNormal(10.0, 0.4)),
    ("log-normal 20 s, 0.2", Law::LogNormal(20.0, 0.2)),
    (
        "Weibull 3 s, 2",
        Law::Weibull {
            scale: 3.0,
            shape: 2.0,
        },
    ),
    (
        "four steps, mean 3 s",
        Law::Steps {
            mean: 3.0,
            steps: 4,
        },
    ),
    ("uniform 1 s to 5 s", Law::Uniform(1.0, 5.0)),
    (
        "4 s, then log-normal",
        Law::Floor {
            floor: 4.0,
            median: 0.4,
            sigma: 0.8,
        },
    ),
    (
        "1.5 s, 15 % 18 s",
        Law::TwoPeaks {
            first: 1.5,
            second: 18.0,
            share: 0.15,
            sigma: 0.2,
        },
    ),
    (
        "1 s or 4 s",
        Law::TwoPeaks {
            first: 1.0,
            second: 4.0,
            share: 0.5,
            sigma: 0.3,
        },
    ),
    ("exponential, mean 4 s", Law::Exponential(4.0)),
    ("log-normal 3 s, 0.01", Law::LogNormal(3.0, 0.01)),
    ("exactly 2 s", Law::LogNormal(2.0, 0.0)),
];

/// What the steady table has besides: spikes, the very short, the very long, and tasks that hardly end.
const ODD: [(&str, Law); 11] = [
    ("2 s, 1 ms more or less", Law::LogNormal(2.0, 0.0005)),
    ("exactly 0.3 s", Law::LogNormal(0.3, 0.0)),
    ("exactly 20 s", Law::LogNormal(20.0, 0.0)),
    ("0.3 s, 30 % 6 s", spikes(0.3, 6.0, 0.3, 0.05)),
    ("exactly 0.3 s, 30 % 6 s", spikes(0.3, 6.0, 0.3, 0.0)),
    ("2 s, 2 % to the hold's end", spikes(2.0, 299.9, 0.02, 0.0)),
    ("log-normal 20 ms, 0.3", Law::LogNormal(0.02, 0.3)),
    ("uniform 1 s to 3 s", Law::Uniform(1.0, 3.0)),
    ("uniform 60 s to 120 s", Law::Uniform(60.0, 120.0)),
    (
        "Weibull 2 s, 0.7",
        Law::Weibull {
            scale: 2.0,
            shape: 0.7,
        },
    ),
    (
        "two steps, mean 2 s",
        Law::Steps {
            mean: 2.0,
            steps: 2,
        },
    ),
];

const fn spikes(first: f64, second: f64, share: f64, sigma: f64) -> Law {
    Law::TwoPeaks {
        first,
        second,
        share,
        sigma,
    }
}

fn main() {
    let argument = std::env::args().find_map(|argument| argument.parse().ok());
    let seeds: u64 = argument.unwrap_or(20);
    steady(seeds);
    by_default(seeds);
    drift(seeds);
    together(seeds);
    restless(seeds);
    equal_polls(seeds);
    plans();
}

/// Every `interval`, for as long as anybody asks.
fn fixed(interval: f64) -> Vec<f64> {
    (1..2000_u32)
        .map(|poll| interval * f64::from(poll))
        .collect()
}

/// Half a second, and half as long again each time, up to ten seconds.
fn exponential() -> Vec<f64> {
    let (mut instants, mut wait, mut at) = (Vec::new(), 0.5_f64, 0.0);
    while at < 600.0 {
        at += wait;
        instants.push(at);
        wait = (wait * 1.5).min(10.0);
    }
    instants
}

/// The mean over the seeds of what exchanges bring after so many others.
fn learned(law: Law, before: usize, failures: f64, seeds: u64, tasks: &[f64]) -> Brought {
    learned_by(RULES, law, before, failures, seeds, tasks)
}

/// What exchanges bring after a thousand others in such a world.
fn learned_in(like: fn(World) -> World, law: Law, seeds: u64, tasks: &[f64]) -> Brought {
    let mut all = Brought::default();
    for seed in 0..seeds {
        let mut world = like(World::new(RULES, seed));
        world.pass(law, 1_000);
        all = all.plus(world.exchanges(law, 50, tasks));
    }
    all.over(usize::try_from(seeds).unwrap())
}

fn learned_by(
    rules: Rules,
    law: Law,
    before: usize,
    failures: f64,
    seeds: u64,
    tasks: &[f64],
) -> Brought {
    let mut all = Brought::default();
    for seed in 0..seeds {
        let mut world = World::new(rules, seed).failing(failures);
        world.pass(law, before);
        all = all.plus(world.exchanges(law, 50, tasks));
    }
    all.over(usize::try_from(seeds).unwrap())
}

/// What the way to a far gateway and back takes.
const FAR: Duration = Duration::from_millis(300);

fn steady(seeds: u64) {
    println!(
        "| law | fixed 0.5 s | exponential | optimum | learned, 200 | cost | 1,000 | busy | far | failures |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, law) in LAWS.into_iter().chain(ODD) {
        let tasks = law.draws(4_000, 5);
        let best = brought(&optimum(law, PRICE), &tasks);
        let over = |it: Brought| it.cost(PRICE) / best.cost(PRICE);
        let after_200 = learned(law, 200, 0.0, seeds, &tasks);
        println!(
            "| {name} | {} | {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            told(brought(&fixed(0.5), &tasks)),
            told(brought(&exponential(), &tasks)),
            told(best),
            told(after_200),
            over(after_200),
            over(learned(law, 1_000, 0.0, seeds, &tasks)),
            over(learned_in(|it| it.busy(2_000), law, seeds, &tasks)),
            over(learned_in(|it| it.far(FAR), law, seeds, &tasks)),
            over(learned(law, 200, 0.05, seeds, &tasks)),
        );
    }
}

/// What the way to a near gateway and back takes, in seconds.
const ROUND_TRIP: f64 = 0.002;

/// With `price = "auto"`, which is what there is by default: delay and polls after 200 exchanges, over
/// those of a fixed interval of half a second. Both are to be below one where a law has a typical time.
///
/// Who polls so waits for an answer before the next wait begins, so its instants drift by a round trip.
/// Without it a task of exactly two seconds would be found at the very instant that it ends.
fn by_default(seeds: u64) {
    println!("\n| law | delay / fixed | polls / fixed |");
    println!("| --- | --- | --- |");
    let rules = Rules {
        no_worse_than: Some(Duration::from_millis(500)),
        ..RULES
    };
    for (name, law) in LAWS {
        let tasks = law.draws(4_000, 5);
        let fixed = brought(&fixed(0.5 + ROUND_TRIP), &tasks);
        let it = learned_by(rules, law, 200, 0.0, seeds, &tasks);
        let (delay, polls) = (it.delay / fixed.delay, it.polls / fixed.polls);
        println!("| {name} | {delay:.2} | {polls:.2} |");
    }
}

/// Milliseconds of delay, and polls.
fn told(brought: Brought) -> String {
    format!("{:.0} ms, {:.2}", brought.delay * 1e3, brought.polls)
}

/// After a thousand exchanges the law is another: cost over the cold plan's, then over the optimum.
fn drift(seeds: u64) {
    println!(
        "\n| law | shift | worst 20 / cold | worst 50 / cold | worst 100 / cold | first 200 / cold | after 200 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, law) in LAWS {
        for (told, factor) in [("3", 3.0), ("1/3", 1.0 / 3.0)] {
            let moved = law.times(factor);
            let tasks = moved.draws(2_000, 5);
            let best = brought(&optimum(moved, PRICE), &tasks).cost(PRICE);
            let cold = brought(&World::new(RULES, 0).plan(), &tasks).cost(PRICE);
            let costs = costs_after(law, moved, seeds, &tasks);
            let over = |window: &[f64]| {
                window.iter().sum::<f64>() / f64::from(u32::try_from(window.len()).unwrap())
            };
            let worst = |length: usize| costs.windows(length).map(over).fold(0.0, f64::max) / cold;
            println!(
                "| {name} | {told} | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} |",
                worst(20),
                worst(50),
                worst(100),
                over(&costs[..200]) / cold,
                over(&costs[200..]) / best
            );
        }
    }
}

/// The mean cost of each of the 250 exchanges after the shift.
fn costs_after(law: Law, moved: Law, seeds: u64, tasks: &[f64]) -> Vec<f64> {
    let mut costs = vec![0.0; 250];
    for seed in 0..seeds {
        let mut world = World::new(RULES, seed);
        // Scouts are due at regular exchanges, and a law moves at any.
        world.pass(law, 1_000 + 7 * usize::try_from(seed).unwrap());
        for cost in &mut costs {
            let plan = world.exchange(moved);
            *cost += brought(&plan, tasks).cost(PRICE) / f64::from(u32::try_from(seeds).unwrap());
        }
    }
    costs
}

/// Exchanges that overlap. Of bursts of a hundred that begin at once, by a law that is known: the share after
/// which it is held to have moved. Then the cost over that of the optimum, 200 exchanges after it has moved, four
/// of which begin in a second.
fn together(seeds: u64) {
    println!("\n| law | false alarms | times 3 | times 1/3 |");
    println!("| --- | --- | --- | --- |");
    for (name, law) in LAWS {
        let mut alarms = 0.0;
        for seed in 0..seeds {
            let mut world = World::new(RULES, seed);
            world.pass(law, 300);
            let all = world.known() + 100;
            world.burst(law, 100);
            alarms += f64::from(u8::from(world.known() < all));
        }
        let over = [3.0, 1.0 / 3.0].map(|factor| {
            let moved = law.times(factor);
            let tasks = moved.draws(2_000, 5);
            let each = (0..seeds).map(|seed| {
                let mut world = World::new(RULES, seed).busy(4).crowded();
                world.pass(law, 1_000);
                world.pass(moved, 200);
                world.exchanges(moved, 50, &tasks)
            });
            let all = each.fold(Brought::default(), Brought::plus);
            let best = brought(&optimum(moved, PRICE), &tasks);
            all.over(usize::try_from(seeds).unwrap()).cost(PRICE) / best.cost(PRICE)
        });
        let share = alarms / f64::from(u32::try_from(seeds).unwrap());
        println!("| {name} | {share:.2} | {:.2} | {:.2} |", over[0], over[1]);
    }
}

/// Laws that do not rest, after 300 exchanges of the first: the cost over that of the optimum at each time.
/// Either the median grows by 1 % with every ten exchanges, to twice of what it was, or the two laws take turns,
/// 300 exchanges each.
fn restless(seeds: u64) {
    let log_normal = Law::LogNormal;
    let growing = |sigma| (0..70).map(move |step| log_normal(2.0 * 1.01_f64.powi(step), sigma));
    let turns = |one, other| [one, other].into_iter().cycle().take(6).collect();
    let cases: [(&str, Vec<Law>, usize); 6] = [
        ("growing, 0.4", growing(0.4).collect(), 10),
        ("growing, 0.2", growing(0.2).collect(), 10),
        ("growing, 0.02", growing(0.02).collect(), 10),
        ("growing, 0", growing(0.0).collect(), 10),
        (
            "1 s, 0.3 or 6 s, 0.2",
            turns(log_normal(1.0, 0.3), log_normal(6.0, 0.2)),
            300,
        ),
        (
            "2 s, 0.4 or 3 s, 0.4",
            turns(log_normal(2.0, 0.4), log_normal(3.0, 0.4)),
            300,
        ),
    ];
    println!("\n| law | cost |");
    println!("| --- | --- |");
    for (name, laws, each) in cases {
        let known: Vec<(Law, Vec<f64>, f64)> = laws
            .iter()
            .map(|&law| {
                let tasks = law.draws(1_000, 5);
                let best = brought(&optimum(law, PRICE), &tasks).cost(PRICE);
                (law, tasks, best)
            })
            .collect();
        let (mut cost, mut best_cost) = (0.0, 0.0);
        for seed in 0..seeds.min(10) {
            let mut world = World::new(RULES, seed);
            world.pass(laws[0], 300);
            for (law, tasks, best) in &known {
                cost += world.exchanges(*law, each, tasks).cost(PRICE);
                best_cost += best;
            }
        }
        println!("| {name} | {:.2} |", cost / best_cost);
    }
}

/// The delay at the price at which a learned schedule polls as often as a fixed one of 0.5 s, and what
/// the best plan for the known law brings with as many polls.
fn equal_polls(seeds: u64) {
    println!("\n| law, polls as at 0.5 s | price | polls | delay / fixed | optimum |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, law) in [LAWS[0], LAWS[1], LAWS[3], LAWS[5]] {
        let tasks = law.draws(4_000, 5);
        let target = brought(&fixed(0.5), &tasks);
        let (_, best) = with_polls(target.polls, |price| brought(&optimum(law, price), &tasks));
        let (price, it) = with_polls(target.polls, |price| {
            let price = Duration::from_secs_f64(price);
            learned_by(Rules { price, ..RULES }, law, 300, 0.0, seeds, &tasks)
        });
        println!(
            "| {name} | {:.0} ms | {:.2} | {:.3} | {:.3} |",
            price * 1e3,
            it.polls,
            it.delay / target.delay,
            best.delay / target.delay
        );
    }
}

/// The price at which there are so many polls, and what is then brought.
fn with_polls(polls: f64, brings: impl Fn(f64) -> Brought) -> (f64, Brought) {
    let (mut low, mut high) = (0.001_f64, 1.0_f64);
    let mut found = (0.0, Brought::default());
    for _ in 0..10 {
        let price = (low * high).sqrt();
        found = (price, brings(price));
        if found.1.polls > polls {
            low = price;
        } else {
            high = price;
        }
    }
    found
}

/// What learning takes of the processor, at so many exchanges a second.
fn plans() {
    println!();
    for per_second in [1, 500, 5_000] {
        let mut learner = Learner::new(RULES);
        let mut random = fastrand::Rng::with_seed(1);
        let (mut slowest, mut whole) = (Duration::ZERO, Duration::ZERO);
        let outcomes = 20_000;
        for outcome in 0..outcomes {
            let task = Law::LogNormal(2.5, 0.4).draw(&mut random);
            let after = Duration::from_secs_f64(task - task % 0.3);
            let by = Some(after + Duration::from_millis(300));
            let now = Moment::after_start(Duration::from_secs(1) * outcome / per_second);
            let took = Took {
                after,
                by,
                pending: 1,
                mark: learner.begin(now).1,
            };
            let start = Instant::now();
            learner.observe(took, now);
            let took = start.elapsed();
            (slowest, whole) = (slowest.max(took), whole + took);
        }
        println!(
            "at {per_second} a second an outcome takes {:?}, with a plan at most {slowest:?}",
            whole / outcomes
        );
    }
}
