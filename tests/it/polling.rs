//! The learned schedule in virtual time, with small counts; `cargo bench --bench polling` has the
//! whole table.
#[path = "../../benches/polling/laws.rs"]
mod laws;
#[path = "../../benches/polling/world.rs"]
mod world;

use std::time::Duration;

use holdline::polling::{Learner, Rules, Took};
use holdline::timing::Moment;
use laws::{Brought, Law, brought, optimum};
use proptest::prelude::*;
use world::{PRICE, RULES, World};

const LAWS: [Law; 6] = [
    Law::LogNormal(2.5, 0.4),
    Law::LogNormal(5.0, 0.1),
    Law::Uniform(1.0, 5.0),
    Law::Exponential(4.0),
    Law::TwoPeaks {
        first: 1.0,
        second: 4.0,
        share: 0.5,
        sigma: 0.3,
    },
    Law::Floor {
        floor: 4.0,
        median: 0.4,
        sigma: 0.8,
    },
];

fn learned(law: Law, exchanges: usize, failures: f64, tasks: &[f64]) -> Brought {
    let seeds = 3;
    let each = (0..seeds).map(|seed| {
        let mut world = World::new(RULES, seed).failing(failures);
        world.pass(law, exchanges);
        world.exchanges(law, 30, tasks)
    });
    each.fold(Brought::default(), Brought::plus).over(3)
}

#[test]
fn after_two_hundred_exchanges_the_cost_is_near_the_least_and_falls_with_more() {
    for law in LAWS {
        let tasks = law.draws(2_000, 5);
        let best = brought(&optimum(law, PRICE), &tasks).cost(PRICE);
        let over = |exchanges| learned(law, exchanges, 0.0, &tasks).cost(PRICE) / best;
        let (ten, hundreds, thousand) = (over(10), over(200), over(1_000));
        assert!(hundreds < 1.13, "{law:?}: {hundreds}");
        assert!(thousand < 1.09, "{law:?}: {thousand}");
        assert!(ten > hundreds && ten > thousand, "{law:?}: {ten}");
    }
}

#[test]
fn polls_that_fail_do_not_spoil_what_is_learned() {
    let law = Law::LogNormal(2.5, 0.4);
    let tasks = law.draws(2_000, 5);
    let best = brought(&optimum(law, PRICE), &tasks).cost(PRICE);
    let over = learned(law, 200, 0.1, &tasks).cost(PRICE) / best;
    assert!(over < 1.13, "{over}");
}

#[test]
fn after_a_shift_the_new_law_is_learned_and_until_then_little_is_lost() {
    for law in LAWS {
        for factor in [3.0, 1.0 / 3.0] {
            let moved = law.times(factor);
            let tasks = moved.draws(2_000, 5);
            let best = brought(&optimum(moved, PRICE), &tasks).cost(PRICE);
            let cold = brought(&World::new(RULES, 0).plan(), &tasks).cost(PRICE);
            let mut world = World::new(RULES, 3);
            world.pass(law, 300);
            let until = world.exchanges(moved, 200, &tasks).cost(PRICE) / cold;
            let after = world.exchanges(moved, 30, &tasks).cost(PRICE) / best;
            assert!(
                until < 2.0,
                "{law:?} times {factor}: {until} of the cold plan's cost"
            );
            assert!(
                after < 1.2,
                "{law:?} times {factor}: {after} of the least cost"
            );
        }
    }
}

/// Tasks that always take the same time can be asked for once. Of the least cost a twentieth goes to the
/// scouts that find out when they become quick, and the rest to the width of an edge.
#[test]
fn tasks_that_always_take_the_same_time_are_found_by_one_poll() {
    for seconds in [1.5, 3.33] {
        let law = Law::LogNormal(seconds, 0.0);
        for before in [law, law.times(1.0 / 3.0), law.times(3.0)] {
            let mut over = 0.0;
            for seed in 0..2 {
                let mut world = World::new(RULES, seed);
                world.pass(before, 300);
                world.pass(law, 200);
                over += world.exchanges(law, 50, &[seconds]).cost(PRICE) / PRICE / 2.0;
            }
            assert!(over < 1.4, "{seconds} s after {before:?}: {over}");
        }
    }
}

/// With `price = "auto"`. The fixed interval waits for each answer before its next wait begins, so that its
/// instants drift by the way there and back.
#[test]
fn by_default_neither_delay_nor_polls_are_above_those_of_a_fixed_interval() {
    let rules = Rules {
        no_worse_than: Some(Duration::from_millis(500)),
        ..RULES
    };
    let brings = |law: Law| {
        let tasks = law.draws(2_000, 5);
        let every: Vec<f64> = (1..200).map(|poll| 0.502 * f64::from(poll)).collect();
        let fixed = brought(&every, &tasks);
        let each = (0..3).map(|seed| {
            let mut world = World::new(rules, seed);
            world.pass(law, 200);
            world.exchanges(law, 50, &tasks)
        });
        let learned = each.fold(Brought::default(), Brought::plus).over(3);
        (learned.delay / fixed.delay, learned.polls / fixed.polls)
    };
    for law in [
        Law::LogNormal(1.5, 0.3),
        Law::LogNormal(2.5, 0.4),
        Law::LogNormal(5.0, 0.1),
    ] {
        let (delay, polls) = brings(law);
        assert!(delay < 0.95 && polls < 0.97, "{law:?}: {delay}, {polls}");
    }
    // The interval finds nearly all of these with its first poll, and no plan has fewer: here the delay
    // alone counts.
    let (delay, polls) = brings(Law::LogNormal(0.3, 0.2));
    assert!(delay < 0.5 && polls < 1.8, "{delay}, {polls}");
}

/// The cost after two hundred exchanges, after a thousand, right after the law has shifted, and 150 later.
fn costs_on_the_way(law: Law, per_second: u32) -> [f64; 4] {
    let moved = law.times(3.0);
    let (tasks, then) = (law.draws(2_000, 5), moved.draws(2_000, 5));
    let mut costs = [0.0; 4];
    for seed in 0..6 {
        let mut world = World::new(RULES, seed).busy(per_second);
        let stages = [
            (law, 200, &tasks),
            (law, 750, &tasks),
            (moved, 0, &then),
            (moved, 100, &then),
        ];
        for (cost, (law, passed, tasks)) in costs.iter_mut().zip(stages) {
            world.pass(law, passed);
            *cost += world.exchanges(law, 50, tasks).cost(PRICE);
        }
    }
    costs
}

/// There a plan is made once a second only when five hundred outcomes are known, and at once when the law
/// has moved.
#[test]
fn thousands_of_exchanges_a_second_are_learned_from_as_well_as_few() {
    let mut over = [0.0; 4];
    for law in LAWS {
        let (busy, quiet) = (costs_on_the_way(law, 2_000), costs_on_the_way(law, 1));
        for (over, (busy, quiet)) in over.iter_mut().zip(busy.iter().zip(quiet)) {
            *over += busy / quiet / 6.0;
        }
    }
    assert!(over.iter().all(|over| *over < 1.02), "{over:?}");
}

/// Polls cannot be closer than that anyhow: it costs no more than a plan that knows it.
#[test]
fn a_long_way_to_the_gateway_drops_no_poll_of_the_plan() {
    let round_trip = Duration::from_millis(300);
    for law in [
        Law::LogNormal(1.0, 0.5),
        Law::LogNormal(5.0, 0.1),
        Law::TwoPeaks {
            first: 0.3,
            second: 6.0,
            share: 0.3,
            sigma: 0.05,
        },
    ] {
        let tasks = law.draws(2_000, 5);
        let cost = |rules, round_trip| {
            let each = (0..3).map(|seed| {
                let mut world = World::new(rules, seed).far(round_trip);
                world.pass(law, 300);
                world.exchanges(law, 50, &tasks)
            });
            each.fold(Brought::default(), Brought::plus).cost(PRICE)
        };
        let knowing = Rules {
            min_interval: round_trip,
            ..RULES
        };
        let over = cost(RULES, round_trip) / cost(knowing, Duration::ZERO);
        assert!(over < 1.06, "{law:?}: {over}");
    }
}

/// Of exchanges that begin together the quick ones tell first, and the slow ones last.
#[test]
fn exchanges_that_begin_together_are_not_taken_for_a_law_that_has_moved() {
    let (mut bursts, mut alarms) = (0, 0);
    for law in LAWS {
        for (before, count) in [(30, 100), (300, 20), (300, 100), (300, 1_000)] {
            let mut world = World::new(RULES, 1);
            world.pass(law, before);
            for _ in 0..4 {
                let all = (world.known() + count).min(1024);
                world.burst(law, count);
                bursts += 1;
                alarms += usize::from(world.known() < all);
            }
        }
    }
    assert!(alarms * 40 < bursts, "{alarms} of {bursts}");
}

/// Where exchanges overlap.
#[test]
fn a_shift_is_learned_as_soon_while_a_dozen_exchanges_run() {
    for law in LAWS {
        for factor in [3.0, 1.0 / 3.0] {
            let moved = law.times(factor);
            let tasks = moved.draws(2_000, 5);
            let best = brought(&optimum(moved, PRICE), &tasks).cost(PRICE);
            let mut cost = 0.0;
            for seed in 0..3 {
                let mut world = World::new(RULES, seed).busy(4).crowded();
                world.pass(law, 300);
                world.pass(moved, 200);
                cost += world.exchanges(moved, 30, &tasks).cost(PRICE) / 3.0;
            }
            let over = cost / best;
            assert!(
                over < 1.2,
                "{law:?} times {factor}: {over} of the least cost"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever was seen, under whatever rules.
    #[test]
    fn a_plan_rises_within_its_bounds_to_the_horizon(
        seen in proptest::collection::vec((0_u64..400_000, 0_u64..400_000, any::<bool>()), 0..24),
        price in 1_u64..5_000,
        against in proptest::option::of(50_u64..5_000),
        floor in 8_u64..1_000,
        ceiling in 2_000_u64..30_000,
        horizon in 100_u64..600_000,
    ) {
        let rules = Rules {
            price: Duration::from_millis(price),
            no_worse_than: against.map(Duration::from_millis),
            min_interval: Duration::from_millis(floor),
            max_interval: Duration::from_millis(ceiling),
            horizon: Duration::from_millis(horizon),
        };
        let mut learner = Learner::new(rules);
        for (after, more, done) in seen {
            let by = done.then(|| Duration::from_millis(after + more));
            let (steps, mark) = learner.begin(Moment::START);
            let took = Took { after: Duration::from_millis(after), by, pending: 0, mark };
            learner.observe(took, Moment::START);
            let last = steps.last().unwrap().at;
            prop_assert!(last.abs_diff(rules.horizon.max(Duration::from_millis(100))) < Duration::from_micros(1));
            let mut before = Duration::ZERO;
            for step in steps.iter() {
                let wait = step.at.checked_sub(before);
                prop_assert!(wait.is_some_and(|wait| wait > Duration::ZERO));
                let wait = wait.unwrap();
                // Only the end of the hold is asked at whatever came before.
                prop_assert!(wait + Duration::from_micros(1) >= rules.min_interval || step.at == last);
                prop_assert!(wait <= rules.longest() + Duration::from_micros(1));
                prop_assert!(step.spread * 5 <= wait);
                before = step.at;
            }
        }
    }

    /// However long the hold is, and however short the longest wait.
    #[test]
    fn a_plan_has_no_more_polls_than_are_soon_searched(
        seen in proptest::collection::vec(0_u64..80_000_000, 0..12),
        price in 1_u64..5_000,
        ceiling in 8_u64..10_000,
        horizon in 1_000_u64..86_400_000,
    ) {
        let rules = Rules {
            price: Duration::from_millis(price),
            min_interval: Duration::from_millis(8),
            max_interval: Duration::from_millis(ceiling),
            horizon: Duration::from_millis(horizon),
            ..RULES
        };
        let mut learner = Learner::new(rules);
        let (cold, _) = learner.begin(Moment::START);
        prop_assert!(cold.len() < 2_010, "{}", cold.len());
        for after in seen.into_iter().map(Duration::from_millis) {
            let by = Some(after + Duration::from_millis(100));
            let (steps, mark) = learner.begin(Moment::START);
            // Those that the price asks for are as many as there are points of time to choose among, at most.
            prop_assert!(steps.len() < 6_100, "{}", steps.len());
            learner.observe(Took { after, by, pending: 0, mark }, Moment::START);
        }
    }
}
