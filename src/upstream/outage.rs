//! Whether the gateway accepts connections at all. While it does not, a new payment would only wait
//! for its own failure, and there may be thousands of them; so they are told at once, and one now and
//! then finds out. Only fresh connections count, because every submit needs one.
//!
//! The one that finds out tries for all of `submit.start`, as it would without an outage: it is paid if
//! the gateway comes back within it. So a shop that sends one payment at a time waits that long for
//! each, unless it comes within a second of the last attempt.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Cause, Config, Error, Metrics};
use crate::live::Live;
use crate::timing::{Clock, Moment};

/// So many failures in a row, at least: one or two say nothing of the next.
const FAILURES: u32 = 3;
/// After a failure, and after one payment was let through, before the next one is.
const PAUSE: Duration = Duration::from_secs(1);

/// An attempt that was given less than this says nothing of the gateway when it is cut off: a new
/// connection may take so long where nothing is wrong.
const A_FAIR_TIME: Duration = Duration::from_millis(100);

/// What is known of one origin's readiness.
pub(super) struct Outage {
    /// The origin, for the log.
    origin: String,
    config: Live<Config>,
    clock: Clock,
    metrics: Metrics,
    record: Mutex<Record>,
}

/// An attempt to connect that is under way.
pub(super) struct Attempt<'a> {
    outage: &'a Outage,
    begun: Moment,
}

/// The attempts since the last one that succeeded. Pure: moments come in as values.
#[derive(Default)]
struct Record {
    under_way: usize,
    failing: Option<Failing>,
}

/// Attempts that failed, one after the other.
struct Failing {
    since: Moment,
    last: Moment,
    count: u32,
    cause: Cause,
    /// They have lasted for `upstream.fail_fast`. From when on one more may try.
    outage: Option<Moment>,
}

impl Outage {
    pub(super) fn new(
        origin: String,
        config: Live<Config>,
        clock: Clock,
        metrics: Metrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            origin,
            config,
            clock,
            metrics,
            record: Mutex::default(),
        })
    }

    fn fail_fast(&self) -> Duration {
        self.config.now().fail_fast
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an attempt. One that is dropped says nothing.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        self.record().under_way += 1;
        Attempt {
            outage: self,
            begun: self.clock.now(),
        }
    }

    /// Whether one more payment should try; if not, why the last attempt failed.
    pub(super) fn may_try(&self) -> Result<(), Cause> {
        let now = self.clock.now();
        let mut record = self.record();
        let begins = record.begins(now, self.fail_fast());
        let may_try = record.may_try(now);
        drop(record);
        self.tell(begins);
        may_try
    }

    fn tell(&self, begins: Option<Cause>) {
        if let Some(cause) = begins {
            self.metrics.outage_began();
            tracing::warn!(
                origin = self.origin,
                cause = cause.text(),
                "the gateway accepts no connections: one new payment at a time tries to connect for as \
                 long as submit.start, and all others are refused at once"
            );
        }
    }
}

impl Attempt<'_> {
    /// Notes how the attempt ended, which had until `deadline` if there was one.
    pub(super) fn ended<T>(self, result: &Result<T, Error>, deadline: Option<Moment>) {
        let outage = self.outage;
        let now = outage.clock.now();
        let is_cut_off = deadline.is_some_and(|deadline| deadline <= now);
        match result {
            Ok(_) if outage.record().succeeded() => {
                outage.metrics.outage_ended();
                tracing::info!(
                    origin = outage.origin,
                    "the gateway accepts connections again"
                );
            }
            Ok(_) => {}
            Err(error) if !is_the_gateways(error.cause) => {}
            Err(_) if is_cut_off && now.since(self.begun) < A_FAIR_TIME => {}
            Err(error) => {
                let mut record = outage.record();
                record.failed(self.begun, now, error.cause, outage.fail_fast());
                let begins = record.begins(now, outage.fail_fast());
                drop(record);
                outage.tell(begins);
            }
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut record = self.outage.record();
        record.under_way = record.under_way.saturating_sub(1);
    }
}

/// What we lack ourselves says nothing of the gateway.
const fn is_the_gateways(cause: Cause) -> bool {
    match cause {
        Cause::Dns
        | Cause::Refused
        | Cause::ConnectTimeout
        | Cause::Certificate
        | Cause::Handshake
        | Cause::Terminated
        | Cause::AnswerTimeout
        | Cause::AnswerTooLarge
        | Cause::HeadTooLarge
        | Cause::Malformed => true,
        Cause::Exhausted | Cause::Unprocessed | Cause::RequestBody => false,
    }
}

impl Record {
    /// True if an outage has ended with it.
    fn succeeded(&mut self) -> bool {
        let failing = self.failing.take();
        failing.is_some_and(|failing| failing.outage.is_some())
    }

    fn failed(&mut self, begun: Moment, now: Moment, cause: Cause, fail_fast: Duration) {
        let failing = self.failing.get_or_insert(Failing {
            since: begun,
            last: now,
            count: 0,
            cause,
            outage: None,
        });
        // A failure long after the last one says nothing of the time between.
        if failing.outage.is_none() && begun >= failing.last + fail_fast {
            (failing.since, failing.count) = (begun, 0);
        }
        failing.count += 1;
        (failing.last, failing.cause) = (now, cause);
        if let Some(next) = &mut failing.outage {
            *next = now + PAUSE;
        }
    }

    /// The cause of an outage that begins now: every attempt has failed for long enough, up to now.
    fn begins(&mut self, now: Moment, fail_fast: Duration) -> Option<Cause> {
        let failing = self.failing.as_mut()?;
        let up_to_now = self.under_way > 0 || now < failing.last + fail_fast;
        let lasts = failing.count >= FAILURES && now.since(failing.since) >= fail_fast;
        let begins = failing.outage.is_none() && up_to_now && lasts;
        begins.then(|| {
            failing.outage = Some(failing.last + PAUSE);
            failing.cause
        })
    }

    fn may_try(&mut self, now: Moment) -> Result<(), Cause> {
        let Some(failing) = &mut self.failing else {
            return Ok(());
        };
        match &mut failing.outage {
            None => Ok(()),
            Some(next) if *next <= now && self.under_way == 0 => {
                *next = now + PAUSE;
                Ok(())
            }
            Some(_) => Err(failing.cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAIL_FAST: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn refused(record: &mut Record, millis: u64) -> bool {
        record.failed(at(millis), at(millis), Cause::Refused, FAIL_FAST);
        record.begins(at(millis), FAIL_FAST).is_some()
    }

    /// Failures from the first second to the sixth.
    fn out() -> Record {
        let mut record = Record::default();
        for second in 1..=5 {
            assert!(!refused(&mut record, second * 1000));
            assert_eq!(record.may_try(at(second * 1000)), Ok(()));
        }
        assert!(refused(&mut record, 6000));
        record
    }

    #[test]
    fn failures_that_last_begin_an_outage_and_one_success_ends_it() {
        let mut record = out();
        assert_eq!(record.may_try(at(6001)), Err(Cause::Refused));
        assert!(!refused(&mut record, 6002), "it has begun already");
        assert!(record.succeeded());
        assert_eq!(record.may_try(at(6003)), Ok(()));
        assert!(!record.succeeded(), "it has ended already");
    }

    #[test]
    fn it_begins_with_whoever_comes_after_the_failures_unless_they_are_old() {
        let mut record = Record::default();
        for second in 0..4 {
            assert!(!refused(&mut record, second * 1000));
        }
        assert_eq!(record.begins(at(4999), FAIL_FAST), None);
        assert_eq!(record.begins(at(8000), FAIL_FAST), None, "they are old");
        assert_eq!(record.begins(at(5000), FAIL_FAST), Some(Cause::Refused));
        assert_eq!(record.begins(at(5000), FAIL_FAST), None);
        assert_eq!(record.may_try(at(5000)), Ok(()), "the last was long ago");
    }

    #[test]
    fn a_success_or_a_long_silence_between_failures_begins_them_anew() {
        let mut record = Record::default();
        for second in [0, 2, 4] {
            assert!(!refused(&mut record, second * 1000));
        }
        assert!(!record.succeeded());
        assert!(!refused(&mut record, 6000));
        assert!(!refused(&mut record, 7000));
        assert!(!refused(&mut record, 60_000));
        assert!(!refused(&mut record, 61_000));
        assert!(refused(&mut record, 65_000));
    }

    #[test]
    fn one_attempt_that_takes_long_is_no_silence() {
        let mut record = Record::default();
        for second in [10, 20, 30] {
            let (begun, now) = (at(second * 1000 - 9000), at(second * 1000));
            record.failed(begun, now, Cause::ConnectTimeout, FAIL_FAST);
            let begins = record.begins(now, FAIL_FAST);
            assert_eq!(begins.is_some(), second == 30);
        }
    }

    #[test]
    fn in_an_outage_one_at_a_time_is_let_through() {
        let mut record = out();
        assert_eq!(record.may_try(at(6999)), Err(Cause::Refused));
        assert_eq!(record.may_try(at(7000)), Ok(()));
        assert_eq!(record.may_try(at(7000)), Err(Cause::Refused));
        record.under_way = 1;
        assert_eq!(record.may_try(at(60_000)), Err(Cause::Refused));
        record.under_way = 0;
        record.failed(at(7000), at(60_000), Cause::ConnectTimeout, FAIL_FAST);
        assert_eq!(record.begins(at(60_000), FAIL_FAST), None);
        assert_eq!(record.may_try(at(60_999)), Err(Cause::ConnectTimeout));
        assert_eq!(record.may_try(at(61_000)), Ok(()));
    }
}
