//! What one connection owes and is owed: the deadlines of its requests and the verdict on each of
//! its answers. Pure: moments and the kernel's counters come in as values.
use std::time::Duration;

use crate::listener::config::Config;
use crate::listener::evidence::{Evidence, Progress, Unread};
use crate::listener::metrics::Why;
use crate::listener::receipt::Receipt;
use crate::timing::Moment;

/// When to look for an acknowledgement that was not there at once; each look doubles the pause.
/// On loopback nearly all are there at once, and an early look gains nothing but an earlier
/// start of the quiet time.
const FIRST_PAUSE: Duration = Duration::from_millis(8);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(256);

/// The state of one connection, below hyper.
pub(in crate::listener) struct Watch {
    evidence: Evidence,
    written: u64,
    read: u64,
    failed: bool,
    ended: bool,
    stalled: Option<Moment>,
    phase: Phase,
    goodbye: Goodbye,
    answers: Vec<Answer>,
}

/// Where the goodbye of TLS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goodbye {
    /// It has not left, or there is none.
    Unsaid,
    /// It is the last of so many bytes that were written.
    Said(u64),
    /// It met nobody: the connection broke, and the client's kernel had not acknowledged it.
    Unheard,
}

/// Where the connection stands with its client's requests.
enum Phase {
    /// Not a byte of the next request has come; it may be the first.
    Awaiting { until: Moment, first: bool },
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
pub(in crate::listener) enum Verdict {
    /// It reached its reader.
    Delivered,
    /// It did not, or nothing proves that it did.
    Missed(Why),
}

/// A deadline that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::listener) enum Overdue {
    /// The client sent nothing.
    Request,
    /// The client did not end its request's fields.
    Fields,
    /// The client takes no byte of an answer.
    Write,
}

impl Watch {
    pub(in crate::listener) fn new(evidence: Evidence, now: Moment, config: &Config) -> Self {
        Self {
            evidence,
            written: 0,
            read: 0,
            failed: false,
            ended: false,
            stalled: None,
            phase: Phase::Awaiting {
                until: now + config.fields_timeout,
                first: true,
            },
            goodbye: Goodbye::Unsaid,
            answers: Vec::new(),
        }
    }

    /// Notes that hands are shaken: only now may a request come.
    pub(in crate::listener) fn begin(&mut self, now: Moment, config: &Config) {
        self.phase = Phase::Awaiting {
            until: now + config.fields_timeout,
            first: true,
        };
    }

    /// True while not a byte of the next request has come.
    pub(in crate::listener) const fn awaits_request(&self) -> bool {
        matches!(self.phase, Phase::Awaiting { .. })
    }

    /// True while not a byte of the first request has come.
    pub(in crate::listener) const fn awaits_first_request(&self) -> bool {
        matches!(self.phase, Phase::Awaiting { first: true, .. })
    }

    /// True while a request is served, or none is awaited any more.
    pub(in crate::listener) const fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// True if `count` bytes of the connection were read, and no more.
    pub(in crate::listener) const fn has_read_only(&self, count: usize) -> bool {
        self.read == count as u64
    }

    /// Notes that `count` bytes of the client were read; none is its orderly end.
    pub(in crate::listener) fn was_read(&mut self, count: usize, now: Moment, config: &Config) {
        self.read += count as u64;
        self.ended |= count == 0;
        if let (Phase::Awaiting { .. }, 1..) = (&self.phase, count) {
            self.phase = Phase::Fields {
                until: now + config.fields_timeout,
            };
        }
    }

    /// Notes that `count` bytes went to the kernel.
    pub(in crate::listener) fn was_written(&mut self, count: usize) {
        self.written += count as u64;
        self.stalled = None;
    }

    /// Notes that the kernel has no room for what is to be written.
    pub(in crate::listener) fn write_stalled(&mut self, now: Moment) {
        self.stalled.get_or_insert(now);
    }

    pub(in crate::listener) const fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Notes that the connection is broken: a reset, or a peer that vanished. `progress` is asked for
    /// once the goodbye was said.
    pub(in crate::listener) fn broke(&mut self, progress: Option<Progress>) {
        self.failed = true;
        if let (Goodbye::Said(end), Some(progress)) = (self.goodbye, progress)
            && progress.acknowledged < end
        {
            self.goodbye = Goodbye::Unheard;
        }
    }

    /// True once the goodbye was said.
    pub(in crate::listener) fn has_parted(&self) -> bool {
        self.goodbye != Goodbye::Unsaid
    }

    pub(in crate::listener) const fn is_broken(&self) -> bool {
        self.failed
    }

    /// True while more bytes of the client may come.
    pub(in crate::listener) const fn is_open(&self) -> bool {
        !self.ended && !self.failed
    }

    /// True while some answer waits for its verdict.
    pub(in crate::listener) const fn is_watching(&self) -> bool {
        !self.answers.is_empty()
    }

    /// True while an answer has left of which it is not known whether the client's kernel has it.
    pub(in crate::listener) fn awaits_acknowledgement(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| matches!(answer.stage, Stage::Sent(_)))
    }

    /// Notes that a request's fields are whole. Answers that it proves are decided by it. `progress` is
    /// asked for while an acknowledgement is awaited.
    pub(in crate::listener) fn request_came(&mut self, progress: Option<Progress>) -> Vec<Receipt> {
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
    pub(in crate::listener) fn answer_buffered(
        &mut self,
        receipt: Option<Receipt>,
        received: Option<u64>,
        now: Moment,
        config: &Config,
    ) {
        self.phase = Phase::Awaiting {
            until: now + config.idle_timeout,
            first: false,
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
    pub(in crate::listener) fn serves_no_more(&mut self) -> Vec<Receipt> {
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

    /// True while the goodbye of TLS has to wait. A client that read its answer and is gone answers it
    /// with a reset. So it waits for the acknowledgement, and longer if the client said its own goodbye
    /// after the answer: then nobody waits for ours.
    pub(in crate::listener) fn holds_goodbye(&self) -> bool {
        self.answers.iter().any(|answer| match &answer.stage {
            Stage::Buffered(_) => false,
            Stage::Sent(sent) => {
                self.evidence == Evidence::Acknowledgement || self.ended && !sent.after.ended
            }
            Stage::Acknowledged { after, .. } => self.ended && !after.ended,
        })
    }

    /// True if the client had ended its side before an answer left whose verdict is still open. Once the
    /// kernel of such a client has our FIN it says nothing more (RFC 9293 §3.6, TIME-WAIT), so that no reset
    /// would tell that the answer is given up unread.
    pub(in crate::listener) fn is_half_closed(&self) -> bool {
        self.answers.iter().any(|answer| match &answer.stage {
            Stage::Buffered(_) => false,
            Stage::Sent(Sent { after, .. }) | Stage::Acknowledged { after, .. } => after.ended,
        })
    }

    /// Notes that `count` bytes of the goodbye went to the kernel, which are the last.
    pub(in crate::listener) fn parted(&mut self, count: usize) {
        self.written += count as u64;
        self.goodbye = Goodbye::Said(self.written);
    }

    /// True if the connection broke over the goodbye, which says nothing of the answers before it.
    pub(in crate::listener) fn was_goodbye_unheard(&self) -> bool {
        self.goodbye == Goodbye::Unheard
    }

    /// True if a flush that reaches the socket now carries an answer's last byte.
    pub(in crate::listener) fn awaits_flush(&self) -> bool {
        self.answers
            .iter()
            .any(|answer| matches!(answer.stage, Stage::Buffered(_)))
    }

    /// Notes that everything hyper had was written: the count of written bytes is the end of the
    /// answers that were in its buffer. `progress` is the kernel's, `unread` says for systems
    /// without it whether unread bytes or the client's end wait in the kernel.
    pub(in crate::listener) fn flushed(
        &mut self,
        now: Moment,
        progress: Option<Progress>,
        unread: Unread,
    ) {
        let after = After {
            received: match (progress, unread) {
                (Some(progress), _) => progress.received,
                (None, Unread::Nothing) => self.read,
                (None, Unread::Bytes | Unread::End) => u64::MAX,
            },
            ended: self.ended
                || unread == Unread::End
                || progress.is_some_and(|progress| progress.ended),
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
    pub(in crate::listener) fn wants_progress(&self, now: Moment) -> bool {
        self.evidence == Evidence::Acknowledgement
            && self.answers.iter().any(|answer| match &answer.stage {
                Stage::Sent(sent) => sent.look <= now,
                Stage::Buffered(_) | Stage::Acknowledged { .. } => false,
            })
    }

    /// Takes in the kernel's counters.
    pub(in crate::listener) fn progressed(
        &mut self,
        now: Moment,
        progress: Progress,
        config: &Config,
    ) {
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
    pub(in crate::listener) fn is_quiet_over(&self, now: Moment, stopped: bool) -> bool {
        self.answers.iter().any(|answer| match &answer.stage {
            Stage::Acknowledged { quiet, .. } => stopped || *quiet <= now,
            Stage::Buffered(_) | Stage::Sent(_) => false,
        })
    }

    /// Takes out one answer that is decided. `stopped`: the connection ends with the process, so that an
    /// acknowledged answer counts without the rest of its quiet time.
    pub(in crate::listener) fn decided(
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
            return Some(match answer.stage {
                Stage::Buffered(_) => Verdict::Missed(Why::Cut),
                // Nobody was there to break it but a kernel that got the goodbye too late.
                Stage::Acknowledged { .. } if self.was_goodbye_unheard() => Verdict::Delivered,
                Stage::Sent(_) | Stage::Acknowledged { .. } => Verdict::Missed(Why::Reset),
            });
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
    pub(in crate::listener) fn abandoned(&mut self) -> Vec<Receipt> {
        self.answers.drain(..).map(|it| it.receipt).collect()
    }

    /// The deadline that has passed, if any.
    pub(in crate::listener) fn overdue(&self, now: Moment, config: &Config) -> Option<Overdue> {
        if let Some(since) = self.stalled {
            // While an answer cannot leave, the next request is not late.
            return (since + config.write_timeout <= now).then_some(Overdue::Write);
        }
        match self.phase {
            Phase::Awaiting { until, .. } => (until <= now).then_some(Overdue::Request),
            Phase::Fields { until } => (until <= now).then_some(Overdue::Fields),
            Phase::Serving => None,
        }
    }

    /// When to look again, if nothing happens before.
    pub(in crate::listener) fn wake(&self, config: &Config) -> Option<Moment> {
        let request = match (self.stalled, &self.phase) {
            (Some(since), _) => Some(since + config.write_timeout),
            (None, Phase::Awaiting { until, .. } | Phase::Fields { until }) => Some(*until),
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
