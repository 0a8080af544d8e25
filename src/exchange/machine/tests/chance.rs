//! What one run of the model is made of: its setting, and the choices that drive it.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::gateway::{Habits, Shape};

/// The setting of a run and the choices of what happens in it. When the choices are used up, what
/// is under way comes to its natural end.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) resubmits: u32,
    pub(super) gateway: Habits,
    pub(super) explicit_key: bool,
    pub(super) tracking_id: bool,
    pub(super) durable: bool,
    pub(super) disturbances: Vec<Disturbance>,
    pub(super) crashes: u32,
    pub(super) choices: Vec<u8>,
}

/// What comes from outside, at most once, and takes the exchange out of the machine's hands or bars
/// one of its ways. Most runs have few of them, so that the promises are tried to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// SIGTERM.
    Drain,
    /// The task that drives the exchange dies.
    Panic,
    /// The operator says what became of a doubt.
    Operator,
    /// Another exchange carries the same key.
    SharedKey,
    /// The operator no longer states that the gateway honours keys.
    StatementWithdrawn,
    /// What was sealed does not open after a restart.
    BrokenSeal,
}

fn any_disturbances() -> impl Strategy<Value = Vec<Disturbance>> {
    let all = vec![
        Disturbance::Drain,
        Disturbance::Panic,
        Disturbance::Operator,
        Disturbance::SharedKey,
        Disturbance::StatementWithdrawn,
        Disturbance::BrokenSeal,
    ];
    prop_oneof![Just(Vec::new()), subsequence(all, 0..=3)]
}

/// Any run that an operator may bring about: submits are repeated only where the key is honoured.
pub(super) fn any_plan() -> impl Strategy<Value = Plan> {
    let shapes = select(vec![
        Shape::Lasting,
        Shape::Once,
        Shape::OnceSoft,
        Shape::Odd,
    ]);
    let around = (0..3_u32, any::<[bool; 6]>(), shapes);
    let crashes = prop_oneof![Just(0), 0..3_u32];
    let within = (any_disturbances(), crashes, vec(any::<u8>(), 0..100));
    (around, within).prop_map(
        |((resubmits, flags, shape), (disturbances, crashes, choices))| {
            let [
                honours_key,
                renews_receipts,
                explicit_key,
                tracking_id,
                durable,
                is_slow,
            ] = flags;
            Plan {
                resubmits,
                gateway: Habits {
                    honours_key: honours_key || resubmits > 0,
                    renews_receipts,
                    is_slow,
                    shape,
                },
                explicit_key,
                tracking_id,
                durable,
                disturbances,
                crashes,
                choices,
            }
        },
    )
}

/// One of the options, each as likely as its weight says. Small choices, which shrinking prefers,
/// stand for the first options.
pub(super) fn pick<T: Copy>(options: &[(u32, T)], choice: u8) -> Option<T> {
    let all: u32 = options.iter().map(|(weight, _)| weight).sum();
    let mut left = u32::from(choice) * all / 256;
    options.iter().find_map(|(weight, option)| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here.then_some(*option)
    })
}
