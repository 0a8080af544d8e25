//! What one connection owes and is owed: the deadlines of its requests and the verdict on each of
//! its answers. Pure: moments and the kernel's counters come in as values.
use std::time::Duration;

use super::config::Config;
use super::evidence::{Evidence, Progress, Waiting};
use super::metrics::Why;
use super::receipt::Receipt;
use crate::timing::Moment;

/// When to look for an acknowledgement that was not there at once; each look doubles the pause.
/// On loopback nearly all are there at once, and an early look gains nothing but an earlier
/// start of the quiet time.
const FIRST_PAUSE: Duration = Duration::from_millis(8);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(256);

/// The state of one connection, below hyper.
pub(super) struct Watch {
    evidence: Evidence,
    written: u64,
    read: u64,
    failed: bool,
    ended: bool,
    stalled: Option<Moment>,
    phase: Phase,
    answers: Vec<Answer>,
}

/// Where the connection stands with its client's requests.
enum Phase {
    /// Not a byte of the next request has come.
    Awaiting { until: Moment },
    /// Some of a request's fields have come.
    Fields { until: Moment },
    /// A request is being served, or no further one is awaited: the service bounds its time.
    Serving,
}

struct Answer {
    receipt: Receipt,
    stage: Stage,
}

enum Stage {
    /// The last byte is in hyper's buffer, and so many bytes had been received by then.
    Buffered(Option<u64>),
    /// The last byte is in the kernel's buffer.
    Sent(Sent),
    /// The client's kernel has the last byte; no reset may come before `quiet`.
    Acknowledged { after: After, quiet: Moment },
}

struct Sent {
    /// How many bytes of the connection were written when the answer was.
    end: u64,
    after: After,
    /// How many bytes were acknowledged when that number last grew, and when that was seen.
    acknowledged: u64,
    progressed: Moment,
    look: Moment,
    pause: Duration,
}

/// What the client had sent when the answer's last byte was: what comes after that is a reaction.
#[derive(Clone, Copy)]
struct After {
    received: u64,
    ended: bool,
}

/// What is known of an answer in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It reached its reader.
    Delivered,
    /// It did not, or nothing proves that it did.
    Missed(Why),
}

/// A deadline that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The client sent nothing.
    Request,
    /// The client did not end its request's fields.
    Fields,
    /// The client takes no byte of an answer.
    Write,
}

impl Watch {
    pub(super) fn new(evidence: Evidence, now: Moment, config: &Config) -> Self {
        Self {
            evidence,
            written: 0,
            read: 0,
            failed: false,
            ended: false,
            stalled: None,
            phase: Phase::Awaiting {
                until: now + config.fields_timeout,
            },
            answers: Vec::new(),
        }
    }

    /// Notes that `count` bytes of the client were read; none is its orderly end.
    pub(super) fn was_read(&mut self, count: usize, now: Moment, config: &Config) {
        self.read += count as u64;
        self.ended |= count == 0;
        if let (Phase::Awaiting { .. }, 1..) = (&self.phase, count) {
            self.phase = Phase::Fields {
                until: now + config.fields_timeout,
            };
        }
    }

    /// Notes that `count` bytes went to the kernel.
    pub(super) fn was_written(&mut self, count: usize) {
        self.written += count as u64;
        self.stalled = None;
    }

    /// Notes that the kernel has no room for what is to be written.
    pub(super) fn write_stalled(&mut self, now: Moment) {
        self.stalled.get_or_insert(now);
    }

    pub(super) const fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Notes that the connection is broken: a reset, or a peer that vanished.
    pub(super) const fn broke(&mut self) {
        self.failed = true;
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.failed
    }

    /// True while more bytes of the client may come.
    pub(super) const fn is_open(&self) -> bool {
        !self.ended && !self.failed
    }

    /// True while some answer waits for its verdict.
    pub(super) const fn is_watching(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Notes that a request's fields are whole. Answers that it proves are decided by it.
    pub(super) fn request_came(&mut self, progress: Option<Progress>) -> Vec<Receipt> {
        self.phase = Phase::Serving;
        if self.failed {
            return Vec::new();
        }
        let (evidence, read) = (self.evidence, self.read);
        let proven = self
            .answers
            .extract_if(.., |answer| match &answer.stage {
                Stage::Buffered(_) => false,
                Stage::Sent(sent) => {
                    let reached = match evidence {
                        Evidence::Acknowledgement => {
                            progress.is_some_and(|now| now.acknowledged >= sent.end)
                        }
                        Evidence::Portable => true,
                    };
                    reached && read > sent.after.received
                }
                // A request that was on its way before the answer was written (RFC 9112 §9.3.2,
                // pipelining) proves nothing: only bytes that came after the answer do.
                Stage::Acknowledged { after, .. } => read > after.received,
            })
            .map(|answer| answer.receipt)
            .collect();
        self.shrink();
        proven
    }

    /// Notes that an answer's last bytes are in hyper's buffer.
    pub(super) fn answer_buffered(
        &mut self,
        receipt: Option<Receipt>,
        received: Option<u64>,
        now: Moment,
        config: &Config,
    ) {
        self.phase = Phase::Awaiting {
            until: now + config.idle_timeout,
        };
        if let Some(receipt) = receipt {
            self.answers.reserve_exact(1);
            self.answers.push(Answer {
                receipt,
                stage: Stage::Buffered(received),
            });
        }
    }

    /// Notes that hyper is gone: no further request is awaited, and what it had not flushed by
    /// then never will be. Those answers are taken out.
    pub(super) fn serves_no_more(&mut self) -> Vec<Receipt> {
        self.phase = Phase::Serving;
        self.stalled = None;
        let cut = self
            .answers
            .extract_if(.., |answer| matches!(answer.stage, Stage::Buffered(_)))
            .map(|answer| answer.receipt)
            .collect();
        self.shrink();
        cut
    }

    /// True if a flush that reaches the socket now carries an answer's last byte.
    pub(super) fn awaits_flush(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| matches!(answer.stage, Stage::Buffered(_)))
    }

    /// Notes that everything hyper had was written: the count of written bytes is the end of the
    /// answers that were in its buffer. `progress` is the kernel's, `waiting` says for systems
    /// without it whether unread bytes or the client's end wait in the kernel.
    pub(super) fn flushed(&mut self, now: Moment, progress: Option<Progress>, waiting: Waiting) {
        let after = After {
            received: match (progress, waiting) {
                (Some(progress), _) => progress.received,
                (None, Waiting::Nothing) => self.read,
                (None, Waiting::Bytes | Waiting::End) => u64::MAX,
            },
            ended: self.ended || waiting == Waiting::End,
        };
        for answer in &mut self.answers {
            if let Stage::Buffered(before) = answer.stage {
                let received = before.unwrap_or(after.received);
                answer.stage = Stage::Sent(Sent {
                    end: self.written,
                    after: After { received, ..after },
                    acknowledged: 0,
                    progressed: now,
                    look: now,
                    pause: FIRST_PAUSE,
                });
            }
        }
    }

    /// True if the kernel's counters are worth asking for now.
    pub(super) fn wants_progress(&self, now: Moment) -> bool {
        self.evidence == Evidence::Acknowledgement
            && self.answers.iter().any(|answer| match &answer.stage {
                Stage::Sent(sent) => sent.look <= now,
                Stage::Buffered(_) | Stage::Acknowledged { .. } => false,
            })
    }

    /// Takes in the kernel's counters.
    pub(super) fn progressed(&mut self, now: Moment, progress: Progress, config: &Config) {
        for answer in &mut self.answers {
            let Stage::Sent(sent) = &mut answer.stage else {
                continue;
            };
            if progress.acknowledged >= sent.end {
                answer.stage = Stage::Acknowledged {
                    after: sent.after,
                    quiet: now + config.quiet,
                };
                continue;
            }
            if progress.acknowledged > sent.acknowledged {
                sent.acknowledged = progress.acknowledged;
                sent.progressed = now;
            }
            sent.look = now + sent.pause;
            sent.pause = (sent.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// True if an answer would be called delivered now, unless the socket knows of a reset.
    pub(super) fn is_quiet_over(&self, now: Moment, stopped: bool) -> bool {
        self.answers.iter().any(|answer| match &answer.stage {
            Stage::Acknowledged { quiet, .. } => stopped || *quiet <= now,
            Stage::Buffered(_) | Stage::Sent(_) => false,
        })
    }

    /// Takes out one answer that is decided. `stopped`: the drain is over, so that an
    /// acknowledged answer counts without its quiet time.
    pub(super) fn decided(
        &mut self,
        now: Moment,
        stopped: bool,
        config: &Config,
    ) -> Option<(Receipt, Verdict)> {
        let found = self.answers.iter().enumerate().find_map(|(index, answer)| {
            let verdict = self.verdict(answer, now, stopped, config)?;
            Some((index, verdict))
        });
        let (index, verdict) = found?;
        let answer = self.answers.remove(index);
        self.shrink();
        Some((answer.receipt, verdict))
    }

    fn verdict(
        &self,
        answer: &Answer,
        now: Moment,
        stopped: bool,
        config: &Config,
    ) -> Option<Verdict> {
        if self.failed {
            return Some(Verdict::Missed(match answer.stage {
                Stage::Buffered(_) => Why::Cut,
                Stage::Sent(_) | Stage::Acknowledged { .. } => Why::Reset,
            }));
        }
        match &answer.stage {
            Stage::Buffered(_) => None,
            Stage::Acknowledged { quiet, .. } => {
                (stopped || *quiet <= now).then_some(Verdict::Delivered)
            }
            Stage::Sent(sent) => match self.evidence {
                Evidence::Acknowledgement => {
                    let stuck = sent.progressed + config.write_timeout <= now;
                    stuck.then_some(Verdict::Missed(Why::Deadline))
                }
                Evidence::Portable => {
                    (self.ended && !sent.after.ended).then_some(Verdict::Delivered)
                }
            },
        }
    }

    /// Takes out the answers that stay undecided when the connection ends.
    pub(super) fn abandoned(&mut self) -> Vec<Receipt> {
        self.answers.drain(..).map(|it| it.receipt).collect()
    }

    /// The deadline that has passed, if any.
    pub(super) fn overdue(&self, now: Moment, config: &Config) -> Option<Overdue> {
        if let Some(since) = self.stalled {
            // While an answer cannot leave, the next request is not late.
            return (since + config.write_timeout <= now).then_some(Overdue::Write);
        }
        match self.phase {
            Phase::Awaiting { until } => (until <= now).then_some(Overdue::Request),
            Phase::Fields { until } => (until <= now).then_some(Overdue::Fields),
            Phase::Serving => None,
        }
    }

    /// When to look again, if nothing happens before.
    pub(super) fn wake(&self, config: &Config) -> Option<Moment> {
        let request = match (self.stalled, &self.phase) {
            (Some(since), _) => Some(since + config.write_timeout),
            (None, Phase::Awaiting { until } | Phase::Fields { until }) => Some(*until),
            (None, Phase::Serving) => None,
        };
        let answers = self
            .answers
            .iter()
            .filter_map(|answer| match &answer.stage {
                Stage::Buffered(_) => None,
                Stage::Acknowledged { quiet, .. } => Some(*quiet),
                Stage::Sent(sent) => match self.evidence {
                    Evidence::Acknowledgement => {
                        Some(sent.look.min(sent.progressed + config.write_timeout))
                    }
                    Evidence::Portable => None,
                },
            });
        answers.chain(request).min()
    }

    /// An idle connection keeps no allocation for answers: thousands are held at once.
    fn shrink(&mut self) {
        if self.answers.is_empty() {
            self.answers = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn config() -> Config {
        Config {
            write_timeout: Duration::from_secs(30),
            quiet: Duration::from_secs(1),
            ..Config::default()
        }
    }

    fn counted(acknowledged: u64, received: u64) -> Progress {
        Progress {
            acknowledged,
            received,
        }
    }

    /// A request of 10 bytes was read at 0 and its answer of 100 bytes was written at once.
    fn answered() -> Watch {
        let config = config();
        let mut watch = Watch::new(Evidence::Acknowledgement, at(0), &config);
        watch.was_read(10, at(0), &config);
        assert!(watch.request_came(Some(counted(0, 10))).is_empty());
        watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(0), &config);
        watch.was_written(100);
        watch.flushed(at(0), Some(counted(0, 10)), Waiting::Nothing);
        watch
    }

    fn verdict(watch: &mut Watch, now: Moment) -> Option<Verdict> {
        let decided = watch.decided(now, false, &config());
        decided.map(|(_, verdict)| verdict)
    }

    #[test]
    fn an_answer_counts_after_its_acknowledgement_and_its_quiet_time() {
        let mut watch = answered();
        watch.progressed(at(5), counted(99, 10), &config());
        assert_eq!(verdict(&mut watch, at(2_000)), None);
        watch.progressed(at(2_000), counted(100, 10), &config());
        assert_eq!(verdict(&mut watch, at(2_999)), None);
        assert_eq!(watch.wake(&config()), Some(at(3_000)));
        assert_eq!(verdict(&mut watch, at(3_000)), Some(Verdict::Delivered));
    }

    #[test]
    fn a_break_within_the_quiet_time_says_no_and_so_does_a_flush_that_never_came() {
        let mut watch = answered();
        watch.progressed(at(5), counted(100, 10), &config());
        watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(6), &config());
        watch.broke();
        let missed = Some(Verdict::Missed(Why::Reset));
        assert_eq!(verdict(&mut watch, at(6)), missed);
        assert_eq!(verdict(&mut watch, at(6)), Some(Verdict::Missed(Why::Cut)));

        let mut watch = answered();
        watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(6), &config());
        assert_eq!(watch.serves_no_more().len(), 1);
        assert!(watch.is_watching(), "what was sent is watched on");
    }

    #[test]
    fn without_progress_for_the_write_timeout_an_answer_is_given_up() {
        let mut watch = answered();
        watch.progressed(at(20_000), counted(50, 10), &config());
        assert_eq!(verdict(&mut watch, at(49_999)), None);
        watch.progressed(at(49_999), counted(50, 10), &config());
        let missed = Some(Verdict::Missed(Why::Deadline));
        assert_eq!(verdict(&mut watch, at(50_000)), missed);
    }

    #[test]
    fn only_a_request_that_came_after_the_answer_proves_it() {
        let mut watch = answered();
        watch.progressed(at(5), counted(100, 10), &config());
        // It was in hyper's buffer all the while.
        assert!(watch.request_came(Some(counted(100, 10))).is_empty());
        watch.was_read(10, at(6), &config());
        assert_eq!(watch.request_came(Some(counted(100, 20))).len(), 1);

        let mut unacknowledged = answered();
        unacknowledged.was_read(10, at(6), &config());
        assert!(
            unacknowledged
                .request_came(Some(counted(99, 20)))
                .is_empty()
        );
    }

    #[test]
    fn a_request_is_late_by_its_first_byte_its_fields_or_its_turn() {
        let config = config();
        let mut watch = Watch::new(Evidence::Acknowledgement, at(0), &config);
        assert_eq!(watch.wake(&config), Some(at(10_000)));
        watch.was_read(1, at(9_000), &config);
        watch.was_read(1, at(18_000), &config);
        assert_eq!(watch.overdue(at(18_999), &config), None);
        assert_eq!(watch.overdue(at(19_000), &config), Some(Overdue::Fields));
        watch.request_came(None);
        assert_eq!(watch.overdue(at(90_000), &config), None);
        watch.answer_buffered(None, None, at(90_000), &config);
        assert_eq!(watch.wake(&config), Some(at(165_000)));
        watch.write_stalled(at(91_000));
        assert_eq!(watch.overdue(at(121_000), &config), Some(Overdue::Write));
        watch.was_written(1);
        assert_eq!(watch.overdue(at(121_000), &config), None);
    }
}
