//! A run as its seed has it: who buys what, and how gateway, network and disk behave.
use std::time::Duration;

use fastrand::Rng;
use holdline::exchange::machine::RecordKind;
use holdline::polling::ScheduleKind;
use holdline::simulator::{Latency, TaskRepeat};

use crate::journal::disk::Refusal;
use crate::simulated::host::{Crash, Host, Outage};
use crate::simulated::journal::Disk;
use crate::simulated::life::{Death, Doom, Step};
use crate::simulated::network::Connect;
use crate::simulated::world::{Ask, Setting};

/// What becomes of tasks and polls: words in the payment's description.
const WORDS: [&str; 30] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "delay=20000",
    "decline",
    "incomplete",
    "once",
    "fail=422",
    "fail=404 executed",
    "soft=406",
    "soft=406 executed",
    "crash",
    "crash executed",
    "flap=2@1",
    "flap=1@0 fail=422",
    "lag=900",
    "lag=7000",
    "poll-503=2 poll-502=1 poll-403=1",
    "poll-429=2 retry-after=3 poll-302=1",
    "poll-html=1 poll-empty=1 wrong-id=2",
    "poll-500=1",
    "poll-cut=2",
    "poll-silent=25000",
    "result-cut=20",
    "result-cut=20 fail=422",
    "unknown",
];

/// What becomes of submits, each by chance.
const RULES: [&str; 16] = [
    "0.04 swallow",
    "0.02 silent",
    "0.02 cut-fields",
    "0.02 cut-body=20",
    "0.03 reset=60",
    "0.02 reset=400",
    "0.03 late=35000",
    "0.05 late=3000",
    "0.02 bad-gateway",
    "0.02 unavailable",
    "0.02 redirect=307",
    "0.02 refuse=422",
    "0.04 refuse=429 retry-after=1",
    "0.01 id=path",
    "0.02 interim=3",
    "0.02 status=202",
];

/// What a process is killed before, where not every step is as likely. A doubt is recorded a minute
/// after its fault, when most of these processes have long ended.
pub(super) const STEPS: [Step; 16] = [
    Step::Connect,
    Step::Arrive,
    Step::Answer,
    Step::Tell,
    Step::DiskWrite,
    Step::DiskSync,
    Step::Append(RecordKind::Submitted),
    Step::Append(RecordKind::Accepted),
    Step::Append(RecordKind::Candidate),
    Step::Append(RecordKind::Completed),
    Step::Append(RecordKind::Delivered),
    Step::Durable(RecordKind::Submitted),
    Step::Durable(RecordKind::Accepted),
    Step::Durable(RecordKind::Candidate),
    Step::Durable(RecordKind::Completed),
    Step::Durable(RecordKind::Delivered),
];

/// Something that somebody wants to buy.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) ask: Ask,
    pub(super) tracking_id: String,
    /// How often it is bought, one after the other.
    pub(super) rounds: u32,
    /// How many buy it at once; more than one only with a key.
    pub(super) clients: u32,
}

/// One run.
pub(super) struct Plan {
    pub(super) setting: Setting,
    pub(super) intents: Vec<Intent>,
    pub(super) has_panics: bool,
    /// How the processes end that somebody kills.
    pub(super) crashes: Vec<Crash>,
    /// When the disk fails.
    pub(super) outages: Vec<Outage>,
    pub(super) rng: Rng,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut setting = Setting {
            seed,
            ..Setting::default()
        };
        setting.exchange.resubmits = u32::from(rng.bool());
        setting.polling.schedule = match seed % 4 {
            0 => ScheduleKind::Fixed,
            1 => ScheduleKind::Exponential,
            _ => ScheduleKind::Learned,
        };
        // In one of five runs the gateway takes few polls, and some wait for their turn.
        setting.polling.max_per_second = if seed % 5 == 2 { 2 } else { 0 };
        let honours = [TaskRepeat::Same, TaskRepeat::Conflict, TaskRepeat::Blocks];
        let gateway = &mut setting.gateway;
        gateway.seed = seed;
        gateway.task_repeat = if setting.exchange.resubmits == 0 && rng.bool() {
            TaskRepeat::Ignored
        } else {
            honours[rng.usize(..honours.len())]
        };
        gateway.latency = Latency::LogNormal {
            median: Duration::from_secs(2),
            sigma: 0.7,
        };
        gateway.round_trip = Duration::from_millis(rng.u64(0..120));
        gateway.faults = RULES.map(|rule| rule.parse().unwrap()).to_vec();
        let intents = intents(&mut rng);
        Self {
            setting,
            intents,
            has_panics: rng.u8(..4) == 0,
            crashes: crashes(&mut rng.fork()),
            outages: outages(&mut rng.fork()),
            rng,
        }
    }

    /// Lets network and disk behave as the seed has it.
    pub(super) fn unsettle(&mut self, host: &Host) {
        let mut rng = self.rng.fork();
        host.network().plan(move || match rng.u8(..20) {
            0 => Connect::Refused,
            1 => Connect::Slow(Duration::from_millis(rng.u64(..6_000))),
            _ => Connect::Ready,
        });
        let mut rng = self.rng.fork();
        let has_panics = self.has_panics;
        host.journal()
            .plan(move |kind| disk(&mut rng, kind, has_panics));
    }
}

/// Three of four runs have processes that are killed: before some step, or after some time.
fn crashes(rng: &mut Rng) -> Vec<Crash> {
    let count = rng.u32(..4);
    let crashes = (0..count).map(|_| Crash {
        doom: doom(rng),
        latest: Duration::from_millis(rng.u64(1..40_000)),
        death: if rng.bool() {
            Death::Killed
        } else {
            Death::PowerLost
        },
        downtime: Duration::from_millis(rng.u64(..6_000)),
    });
    crashes.collect()
}

fn doom(rng: &mut Rng) -> Doom {
    match rng.u8(..3) {
        0 => Doom::Never,
        1 => Doom::At(2_u64.pow(rng.u32(..12)) + rng.u64(..64)),
        _ => Doom::AtKind(STEPS[rng.usize(..STEPS.len())], rng.u64(..6)),
    }
}

/// One of four runs has a disk that fails now and then.
fn outages(rng: &mut Rng) -> Vec<Outage> {
    let count = if rng.u8(..4) == 0 { rng.u32(1..3) } else { 0 };
    let outages = (0..count).map(|_| Outage {
        after: Duration::from_millis(rng.u64(1..25_000)),
        lasts: Duration::from_millis(rng.u64(1..8_000)),
        refusal: if rng.bool() {
            Refusal::Broken
        } else {
            Refusal::Full
        },
    });
    outages.collect()
}

fn disk(rng: &mut Rng, kind: RecordKind, has_panics: bool) -> Disk {
    let span = Duration::from_millis(rng.u64(..1_500));
    match rng.u8(..100) {
        60..90 => Disk::Slow(span),
        93..95 if has_panics => Disk::Panics,
        95..97 if has_panics && kind != RecordKind::Delivered => Disk::PanicsAfter(span),
        _ => Disk::Ready,
    }
}

fn intents(rng: &mut Rng) -> Vec<Intent> {
    let mut intents = Vec::new();
    for number in 0..rng.u32(4..9) {
        let tracking_id = format!("order-{number}");
        let words = WORDS[rng.usize(..WORDS.len())];
        let amount = u64::from(number) + 100;
        let has_key = rng.u8(..3) == 0;
        let mut ask = Ask::of(&tracking_id, amount, words, |_| ());
        ask.shop = ["1:one", "2:two"][rng.usize(..2)].to_owned();
        ask.hold = Duration::from_secs(rng.u64(15..300));
        ask.key = has_key.then(|| format!("key-{number}"));
        let clients = if has_key { rng.u32(1..3) } else { 1 };
        let rounds = if has_key { 1 } else { rng.u32(1..3) };
        let intent = |ask| Intent {
            ask,
            tracking_id: tracking_id.clone(),
            rounds,
            clients,
        };
        intents.push(intent(ask.clone()));
        // Sometimes another attempt for the same order, which is not the same request. Where a gateway
        // denies what it did, nobody can tell whose transaction it was.
        if rng.u8(..3) == 0 && !words.contains("executed") {
            let rival = Ask::of(&tracking_id, amount, &format!("{words} again"), |_| ());
            let body = rival.body;
            intents.push(intent(Ask { body, ..ask }));
        }
    }
    intents
}
