//! What the exchanges count.
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::admission::Refusal;
use crate::protocol::{PollAnswer, SubmitAnswer};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    answer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRefusal {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGateway {
    gateway: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByVerdict {
    verdict: &'static str,
}

/// The counts of every exchange of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    submits: Family<ByAnswer, Counter>,
    polls: Family<ByAnswer, Counter>,
    ended: Family<ByOutcome, Counter>,
    refused: Family<ByRefusal, Counter>,
    recovered: Family<ByVerdict, Counter>,
    joined: Counter,
    replayed: Counter,
    overlapping: Counter,
    unclassified: Counter,
    undelivered_expired: Counter,
    late: Counter,
    unexpected: Counter,
    seconds: Histogram,
    detection_delay: Histogram,
    clock_offset: Family<ByGateway, Gauge<f64, AtomicU64>>,
    running: Gauge,
    interrupted: Gauge,
    undelivered: Gauge,
    in_doubt: Gauge,
    oldest: Gauge<f64, AtomicU64>,
}

/// What has not ended, by where it counts.
#[derive(Debug, Default)]
pub(super) struct Unended {
    pub(super) running: i64,
    pub(super) interrupted: i64,
    pub(super) undelivered: i64,
    pub(super) in_doubt: i64,
    /// The age of the oldest of those that run.
    pub(super) oldest: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            submits: Family::default(),
            polls: Family::default(),
            ended: Family::default(),
            refused: Family::default(),
            recovered: Family::default(),
            joined: Counter::default(),
            replayed: Counter::default(),
            overlapping: Counter::default(),
            unclassified: Counter::default(),
            undelivered_expired: Counter::default(),
            late: Counter::default(),
            unexpected: Counter::default(),
            clock_offset: Family::default(),
            running: Gauge::default(),
            interrupted: Gauge::default(),
            undelivered: Gauge::default(),
            in_doubt: Gauge::default(),
            oldest: Gauge::default(),
            // From a quick decline to the longest hold.
            seconds: Histogram::new([
                0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 20.0, 25.0, 30.0, 60.0, 120.0, 300.0,
            ]),
            // From an answer that was there before it was asked for to the longest backoff.
            detection_delay: Histogram::new([
                0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
        }
    }
}

impl Metrics {
    /// Registers every metric of this room.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "submits",
            "Submits by the class of their answer",
            self.submits.clone(),
        );
        registry.register(
            "polls",
            "Polls by the class of their answer",
            self.polls.clone(),
        );
        registry.register("exchanges", "Exchanges by outcome", self.ended.clone());
        let refused = "New exchanges refused before anything was submitted";
        registry.register("refused", refused, self.refused.clone());
        registry.register(
            "recovered",
            "Lookups by their verdict",
            self.recovered.clone(),
        );
        registry.register(
            "joined",
            "Requests that joined a running exchange",
            self.joined.clone(),
        );
        registry.register(
            "replayed",
            "Kept answers given again",
            self.replayed.clone(),
        );
        let overlapping = "Exchanges begun while one with the same tracking id and amount ran";
        registry.register("overlapping", overlapping, self.overlapping.clone());
        let unclassified = "Poll answers of no known shape";
        registry.register(
            "unclassified_answers",
            unclassified,
            self.unclassified.clone(),
        );
        registry.register(
            "undelivered_expired",
            "Answers that nobody came for in time",
            self.undelivered_expired.clone(),
        );
        self.register_unended(registry);
        let seconds = "From a request read whole to its outcome";
        registry.register_with_unit("exchange", seconds, Unit::Seconds, self.seconds.clone());
        self.register_estimates(registry);
    }

    /// What has not ended.
    fn register_unended(&self, registry: &mut Registry) {
        registry.register(
            "running",
            "Exchanges that have no outcome yet",
            self.running.clone(),
        );
        let interrupted = "Tasks of before a restart that go on with their client's repeat";
        registry.register("interrupted", interrupted, self.interrupted.clone());
        let undelivered = "Answers that wait for their client";
        registry.register("undelivered", undelivered, self.undelivered.clone());
        registry.register(
            "in_doubt",
            "Exchanges that may have been executed",
            self.in_doubt.clone(),
        );
        let oldest = "Age of the oldest running exchange";
        registry.register_with_unit("oldest_running", oldest, Unit::Seconds, self.oldest.clone());
    }

    /// What is not counted but estimated, and what should stay at zero.
    fn register_estimates(&self, registry: &mut Registry) {
        let delay = "From the end of a task, estimated, to its answer at hand";
        registry.register_with_unit(
            "detection_delay",
            delay,
            Unit::Seconds,
            self.detection_delay.clone(),
        );
        let offset = "By how much the gateway's clock is ahead of ours";
        registry.register_with_unit(
            "gateway_clock_offset",
            offset,
            Unit::Seconds,
            self.clock_offset.clone(),
        );
        let late = "Answers to submits that came after their time or the outcome";
        registry.register("late_answers", late, self.late.clone());
        let unexpected = "Events of exchanges that no rule expects";
        registry.register("unexpected_events", unexpected, self.unexpected.clone());
    }

    pub(super) fn detected(&self, delay: Duration) {
        self.detection_delay.observe(delay.as_secs_f64());
    }

    pub(super) fn clock_offset(&self, gateway: &str, seconds: f64) {
        let labels = ByGateway {
            gateway: gateway.to_owned(),
        };
        self.clock_offset.get_or_create(&labels).set(seconds);
    }

    pub(super) fn strays(&self, late: u32, unexpected: u32) {
        self.late.inc_by(late.into());
        self.unexpected.inc_by(unexpected.into());
    }

    pub(super) fn observe(&self, unended: &Unended) {
        self.running.set(unended.running);
        self.interrupted.set(unended.interrupted);
        self.undelivered.set(unended.undelivered);
        self.in_doubt.set(unended.in_doubt);
        self.oldest.set(unended.oldest.as_secs_f64());
    }

    pub(super) fn submitted(&self, answer: &SubmitAnswer) {
        let answer = match answer {
            SubmitAnswer::Accepted(_) => "accepted",
            SubmitAnswer::Standard => "standard",
            SubmitAnswer::Refused => "refused",
            SubmitAnswer::TooMany => "too_many",
            SubmitAnswer::Unclear => "unclear",
        };
        self.submits.get_or_create(&ByAnswer { answer }).inc();
    }

    pub(super) fn submit_lost(&self) {
        self.submits
            .get_or_create(&ByAnswer { answer: "lost" })
            .inc();
    }

    pub(super) fn polled(&self, answer: PollAnswer) {
        let name = match answer {
            PollAnswer::Pending => "pending",
            PollAnswer::Unknown => "unknown",
            PollAnswer::Firm => "firm",
            PollAnswer::Soft => "soft",
            PollAnswer::Odd => "odd",
            PollAnswer::Broken => "broken",
            PollAnswer::Transient => "transient",
        };
        if answer == PollAnswer::Odd {
            self.unclassified.inc();
        }
        self.polls.get_or_create(&ByAnswer { answer: name }).inc();
    }

    pub(super) fn poll_lost(&self) {
        self.polls.get_or_create(&ByAnswer { answer: "lost" }).inc();
    }

    pub(super) fn looked_up<A, E>(&self, found: &Result<Option<A>, E>) {
        let verdict = match found {
            Ok(Some(_)) => "found",
            Ok(None) => "not_found",
            Err(_) => "failed",
        };
        self.recovered.get_or_create(&ByVerdict { verdict }).inc();
    }

    pub(super) fn ended(&self, outcome: &'static str, seconds: Duration) {
        self.ended.get_or_create(&ByOutcome { outcome }).inc();
        self.seconds.observe(seconds.as_secs_f64());
    }

    /// What expires has no duration, and may have been counted as in doubt before.
    pub(super) fn expired(&self) {
        let outcome = "expired";
        self.ended.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let why = match refusal {
            Refusal::Running => "running",
            Refusal::Held => "held",
            Refusal::Owner => "owner",
            Refusal::Undelivered => "undelivered",
            Refusal::Facts => "facts",
            Refusal::JournalDown => "journal_down",
            Refusal::JournalFull => "journal_full",
            Refusal::Draining => "draining",
            Refusal::Unreachable(_) => "unreachable",
            // Nothing is turned away: it goes on as its route says.
            Refusal::Route => return,
        };
        self.refused.get_or_create(&ByRefusal { why }).inc();
    }

    pub(super) fn undelivered_expired(&self) {
        self.undelivered_expired.inc();
    }

    pub(super) fn joined(&self) {
        self.joined.inc();
    }

    pub(super) fn replayed(&self) {
        self.replayed.inc();
    }

    pub(super) fn overlapping(&self) {
        self.overlapping.inc();
    }
}
