//! What an earlier process left, taken in while its journal is read: little is held of what is done.
use std::collections::HashMap;
use std::time::Duration;

use super::recover::subject;
use crate::exchange::flights::{Fact, Remains, Rivals, Subject};
use crate::exchange::gateway::Home;
use crate::exchange::identity::HashKey;
use crate::journal::{LastRecord, Remembered};
use crate::timing::{Ages, Stamp};
use crate::upstream::Origin;

/// The exchanges of earlier processes: those that have not ended, and of each that was delivered a
/// fact. A journal may hold a million of these.
pub struct Past {
    hash_key: HashKey,
    pub(in crate::exchange) ages: Ages,
    retention: Duration,
    /// The origin of each gateway that is configured, by its name.
    origins: HashMap<Box<str>, Origin>,
    pub(in crate::exchange) remains: Remains,
    pub(in crate::exchange) rivals: Rivals,
    /// The latest time of day at which any of those began that were taken in.
    latest: u64,
    pub(in crate::exchange) unsettled: Vec<Remembered>,
}

impl Past {
    /// Nothing yet. `retention` is how long an exchange is remembered, `origins` are the gateways' names
    /// and where they are.
    pub fn new(
        hash_key: HashKey,
        ages: Ages,
        retention: Duration,
        origins: impl IntoIterator<Item = (Box<str>, Origin)>,
    ) -> Self {
        Self {
            hash_key,
            ages,
            retention,
            origins: origins.into_iter().collect(),
            remains: Remains::default(),
            rivals: Rivals::default(),
            latest: 0,
            unsettled: Vec::new(),
        }
    }

    /// Takes an exchange in; they come in the order in which they began.
    pub fn take(&mut self, exchange: Remembered) {
        let subject = subject(&self.hash_key, &self.ages, &exchange, gone());
        self.latest = self.latest.max(exchange.submitted.wall);
        match exchange.last_record {
            LastRecord::Submitted
            | LastRecord::Accepted
            | LastRecord::Completed
            | LastRecord::InDoubt(_) => {
                self.rivals.seeks(subject.kin.purchase);
                self.unsettled.push(exchange);
            }
            LastRecord::Delivered => {
                self.note_rival(&exchange, &subject);
                self.remember(&exchange, &subject);
            }
            // Forgotten, as where nobody came for its answer, but its transaction is the gateway's still.
            LastRecord::Ended if exchange.ticket.is_some() || exchange.answer.is_some() => {
                self.note_rival(&exchange, &subject);
            }
            LastRecord::Ended => {}
        }
    }

    /// Which transaction was its own is not known any more: what tells it is sealed. It ended no earlier
    /// than others had begun, whatever the time of day was when it did.
    fn note_rival(&mut self, exchange: &Remembered, subject: &Subject) {
        if let Some(purchase) = subject.kin.purchase {
            let wall = exchange.changed.wall.max(self.latest);
            let changed = Stamp {
                wall,
                ..exchange.changed
            };
            let ended_at = self.ages.stamps().moment(changed);
            self.rivals.ended(purchase, ended_at, subject.read_at);
        }
    }

    /// A delivered exchange: a fact for its repeat, and a place where its answer is read. What another
    /// origin answered is not given as this one's; that it was answered is remembered all the same.
    fn remember(&mut self, exchange: &Remembered, subject: &Subject) {
        let head = &exchange.head;
        if self.ages.age(exchange.submitted) >= self.retention {
            return;
        }
        let own = head.exchange.to_string();
        let name = exchange.ticket.as_deref().unwrap_or(&own);
        let identity = subject.identity;
        let (credential, key) = (identity.credential, head.key.as_bytes());
        let result = self.hash_key.result(credential, key, name);
        let expires_at = subject.remembered_since + self.retention;
        let origin = self.origins.get(&head.gateway);
        let is_home = origin.is_some_and(|it| it.is_written(&head.origin));
        let answer = exchange.answer.filter(|_| is_home);
        let fact = Fact::new(head.exchange, credential, result, answer, expires_at);
        let name = || self.hash_key.fact(identity.fingerprint);
        self.remains.keep(fact, head.explicit.then(name));
        if let (Some(id), Some(on_disk)) = (&exchange.ticket, fact.on_disk()) {
            let task = self.hash_key.task(identity.owner, id);
            let asked = self.hash_key.asked(credential, task);
            self.remains.keep_newest_on_disk(asked, on_disk);
        }
    }
}

fn gone() -> Home {
    Home::Gone(Box::default())
}
