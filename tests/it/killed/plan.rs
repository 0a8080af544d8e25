//! A run as its seed has it: who buys what, what the gateway does, and when the process dies.
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use holdline::simulator::{Latency, Settings, Shop, TaskRepeat};

use crate::stage::bench::ms;

/// How long clients, gateway and process misbehave; then only repeats come, and all is well.
pub(super) const STORM: Duration = ms(1_400);

/// What becomes of tasks and polls: words in the payment's description.
const WORDS: [&str; 24] = [
    "",
    "",
    "",
    "",
    "",
    "delay=700",
    "decline",
    "incomplete",
    "once",
    "fail=422",
    "fail=404 executed",
    "soft=406",
    "soft=406 executed",
    "crash executed",
    "flap=2@1",
    "flap=1@0 fail=422",
    "lag=100",
    "poll-503=2 poll-502=1 poll-403=1",
    "poll-html=1 poll-empty=1 wrong-id=2",
    "poll-cut=2",
    "poll-silent=450",
    "result-cut=20",
    "result-cut=20 fail=422",
    "unknown",
];

/// What becomes of submits, each by chance.
const RULES: [&str; 13] = [
    "0.04 swallow",
    "0.02 silent",
    "0.02 cut-fields",
    "0.02 cut-body=20",
    "0.03 reset=60",
    "0.02 reset=400",
    "0.03 late=600",
    "0.05 late=100",
    "0.02 bad-gateway",
    "0.02 unavailable",
    "0.02 refuse=422",
    "0.04 refuse=429 retry-after=1",
    "0.02 interim=3",
];

/// Something that somebody wants to buy.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) tracking_id: String,
    pub(super) words: &'static str,
    pub(super) amount: u64,
    pub(super) shop: (&'static str, &'static str),
    pub(super) key: Option<String>,
    /// How often it is bought, one after the other.
    pub(super) rounds: u32,
    /// How many buy it at once; more than one only with a key.
    pub(super) clients: u32,
}

/// How a life of the process ends, when, and how long it is then away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) after: Duration,
    pub(super) away: Duration,
    /// SIGTERM and a drain, not `kill -9`.
    pub(super) in_order: bool,
    /// How long the process stands still before all that.
    pub(super) still: Option<Duration>,
}

/// One run.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) resubmits: u32,
    /// Polls follow a law that an earlier process learned, not a fixed interval.
    pub(super) learns: bool,
    pub(super) intents: Vec<Intent>,
    pub(super) deaths: Vec<Death>,
    pub(super) rng: Rng,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let resubmits = u32::from(rng.u8(..4) == 0);
        let settings = settings(seed, resubmits, &mut rng);
        let intents = intents(&mut rng);
        let deaths = deaths(&mut rng);
        Self {
            settings,
            resubmits,
            learns: seed % 2 == 1,
            intents,
            deaths,
            rng,
        }
    }
}

fn settings(seed: u64, resubmits: u32, rng: &mut Rng) -> Settings {
    let honours = [TaskRepeat::Same, TaskRepeat::Conflict, TaskRepeat::Blocks];
    let shop = |id: &str, key: &str| Shop {
        id: id.to_owned(),
        key: key.to_owned(),
    };
    Settings {
        seed,
        shops: vec![shop("1", "one"), shop("2", "two")],
        task_repeat: if resubmits == 0 {
            TaskRepeat::Ignored
        } else {
            honours[rng.usize(..honours.len())]
        },
        latency: Latency::LogNormal {
            median: ms(120),
            sigma: 0.7,
        },
        round_trip: ms(rng.u64(0..15)),
        faults: RULES.map(|rule| rule.parse().unwrap()).to_vec(),
        epoch: None::<SystemTime>,
        // Its own filter would hide a second charge.
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    }
}

fn intents(rng: &mut Rng) -> Vec<Intent> {
    let intent = |number: u32| {
        let words = WORDS[rng.usize(..WORDS.len())];
        let has_key = rng.u8(..3) == 0;
        Intent {
            tracking_id: format!("order-{number}"),
            words,
            amount: u64::from(number) + 100,
            shop: [("1", "one"), ("2", "two")][rng.usize(..2)],
            key: has_key.then(|| format!("key-{number}")),
            rounds: if has_key { 1 } else { rng.u32(1..3) },
            clients: if has_key { rng.u32(1..3) } else { 1 },
        }
    };
    (0..12).map(intent).collect()
}

fn deaths(rng: &mut Rng) -> Vec<Death> {
    let count = rng.u32(2..5);
    let death = |_| Death {
        after: STORM / count * rng.u32(1..100) / 100,
        away: ms(rng.u64(..120)),
        in_order: rng.u8(..5) == 0,
        still: (rng.u8(..4) == 0).then(|| ms(rng.u64(..600))),
    };
    (0..count).map(death).collect()
}
