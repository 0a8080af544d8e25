//! How a flight takes the operator's word.
use super::running::Driver;
use crate::exchange::flights::Command;
use crate::exchange::machine::{Event, State, Timer, Verdict};
use crate::exchange::recorder::RecordError;
use crate::exchange::verdict::{Ruling, VerdictError, Word, check_word};
use crate::telemetry::Capped;

impl Driver {
    /// Takes the operator's word where the exchange is in doubt; it holds once it is on record. A search
    /// ends with it: a client that repeats would keep it going for ever.
    pub(super) fn rule(&mut self, ruling: Ruling) {
        if self.state() == State::Asking {
            self.apply(Event::Timer(Timer::Asking));
            self.deferred.push_back(Command::Rule(Box::new(ruling)));
            return;
        }
        let Ruling {
            verdict,
            reason,
            done,
        } = ruling;
        if self.state() != State::Doubtful {
            // Who asked may have gone, here and below; what was settled is settled.
            let _ = done.send(Err(VerdictError::NotInDoubt));
            return;
        }
        if verdict == Verdict::NotExecuted && self.flight.core().machine.has_open_submit() {
            let _ = done.send(Err(VerdictError::UnderWay));
            return;
        }
        if verdict == Verdict::NotExecuted && self.result_of_given_up().is_some() {
            let _ = done.send(Err(VerdictError::Answered));
            return;
        }
        if let Err(error) = check_word(self.flight.is_ruled(), verdict) {
            let _ = done.send(Err(error));
            return;
        }
        tracing::warn!(
            target: "holdline::exchange",
            exchange = %self.flight.id,
            ?verdict,
            reason = %Capped(&reason),
            "the operator settled an exchange that was in doubt"
        );
        self.flight.core().word = Some(Word {
            verdict,
            reason: Some(reason),
            at: self.context.stamps.now(),
        });
        self.ruling = Some(done);
        self.apply(Event::Resolved(verdict));
        if self.recording.is_none() {
            self.ruled(Ok(()));
        }
    }

    pub(super) fn ruled(&mut self, result: Result<(), RecordError>) {
        if let Some(done) = self.ruling.take() {
            let _ = done.send(result.map_err(|RecordError| VerdictError::NotDurable));
        }
    }
}
