//! The process stops: what runs may end, and what is left is let go for the next process.
use std::sync::Arc;

use super::flights::{Command, Flight};
use super::handle::Flights;
use super::machine::{Event, State};
use crate::timing::Moment;

impl Flights {
    /// Tells every flight that the process stops; nothing goes on after `until`.
    pub fn begin_drain(&self, until: Moment) {
        for flight in self.all() {
            let gateway = flight.home.gateway();
            let poll = gateway.map(|gateway| gateway.client.answer_timeout());
            let polls_until = until - poll.unwrap_or_default();
            let draining = Event::Draining { polls_until };
            flight.mailbox.post(Command::Event(Box::new(draining)));
        }
    }

    /// Ends the flights that `which` names and lets their waiters go, each once. Returns them.
    pub fn stop(&self, which: impl Fn(&Flight) -> bool) -> Vec<Arc<Flight>> {
        let mut flights = self.all();
        flights.retain(|flight| which(flight) && !flight.is_stopping());
        for flight in &flights {
            flight.mailbox.post(Command::Stop);
        }
        flights
    }

    /// The same for those that run and of which nothing more can come before the process ends: no poll
    /// would end in time, and no other flight has one of the same task under way.
    pub fn stop_what_waits_in_vain(&self) -> Vec<Arc<Flight>> {
        let now = self.0.clock.now();
        self.stop(|flight| {
            let (waits, place) = {
                let core = flight.core();
                (core.machine.waits_in_vain(now), core.place)
            };
            waits && !place.is_some_and(|place| self.0.table().is_being_read(place))
        })
    }

    /// True while a flight runs that was not told to stop, or an answer to a submit may still come: one in
    /// doubt waits for that too.
    pub fn any_runs(&self) -> bool {
        let goes_on = |flight: &Arc<Flight>| {
            let may_hear = || {
                let core = flight.core();
                core.machine.state() == State::Doubtful && core.machine.has_open_submit()
            };
            !flight.is_stopping() && (!flight.is_at_rest() || may_hear())
        };
        self.all().iter().any(goes_on)
    }
}
