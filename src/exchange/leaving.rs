//! How a flight leaves that has ended, and what stays of it.
use std::sync::Arc;

use super::context::Context;
use super::flights::{Fact, Flight};
use super::machine::State;
use super::telling::Ended;
use crate::timing::Moment;

impl Context {
    /// Takes an ended flight out, if nobody has posted to it since. What its repeat needs stays.
    pub(super) fn retire(&self, flight: &Arc<Flight>, now: Moment) -> bool {
        let mut table = self.table();
        if !flight.mailbox.is_empty() {
            return false;
        }
        let (state, result, task, on_disk) = {
            let core = flight.core();
            let on_disk = core.answer_step.map(|step| flight.place(step));
            (core.machine.state(), core.result_key, core.place, on_disk)
        };
        table.leave(flight);
        if flight.may_have_untold_transaction() {
            table.leave_untold(flight, now);
        }
        table.remember(Ended::of(flight));
        let Some(result) = result else { return true };
        // The answer of a task that others have too stays for them.
        let is_shared = task.is_some_and(|task| table.is_shared(task));
        if state != State::Delivered {
            if !is_shared {
                self.results.forget(&result);
            }
            return true;
        }
        let identity = flight.identity;
        let expires_at = flight.remembered_since + self.rules.now().policy.retention;
        let fact = Fact::new(flight.id, identity.credential, result, on_disk, expires_at);
        let name = || self.hash_key.fact(identity.fingerprint);
        table.remains.keep(fact, flight.key.explicit.then(name));
        if is_shared {
            self.results.share(&result, now);
        } else {
            self.results.release(&result, now);
        }
        true
    }
}
