//! The judges: what clients were told against what truly happened.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdline::simulator::Ledger;
use holdline::timing::Moment;
use uuid::Uuid;

use super::client::Told;
use super::plan::Intent;
use super::wire::Call;
use crate::simulated::journal::Entry;
use crate::simulated::life::{Chronicle, Ending};
use crate::simulated::world::Reply;

/// Everything that is known after a run.
pub(super) struct Evidence {
    pub(super) intents: Vec<Intent>,
    pub(super) told: Vec<Told>,
    pub(super) spied: Vec<Reply>,
    pub(super) ledger: Ledger,
    pub(super) calls: Vec<Call>,
    pub(super) journal: Vec<Entry>,
    /// How each process ended that was killed.
    pub(super) endings: Vec<Ending>,
    pub(super) chronicle: Chronicle,
    /// Why a process did not start that should have.
    pub(super) refused_starts: Vec<String>,
    /// Submits of which the synced disk did not know when they arrived, where it was watched.
    pub(super) unsure_intents: Vec<String>,
    pub(super) watched: usize,
    pub(super) resubmits: u32,
}

/// A broken rule, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

/// The rules that a run can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    OneCharge,
    HonestDenial,
    NoLostAnswer,
    JustifiedDoubt,
    NoInvention,
    SameAnswer,
    OneGet,
    OwnAnswersOnly,
    DurableIntent,
    DurableCandidate,
    Path,
    Start,
}

impl Evidence {
    /// Every broken rule.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let judges: [(Rule, Vec<String>); 12] = [
            (
                Rule::OneCharge,
                [self.charges(), self.submits(), self.strange_keys()].concat(),
            ),
            (
                Rule::HonestDenial,
                [self.denials(), self.false_refusals()].concat(),
            ),
            (Rule::NoLostAnswer, self.lost_answers()),
            (Rule::JustifiedDoubt, self.doubts()),
            (Rule::NoInvention, self.inventions()),
            (Rule::SameAnswer, self.changed_answers()),
            (Rule::OneGet, self.gets()),
            (Rule::OwnAnswersOnly, self.spied_answers()),
            (
                Rule::DurableIntent,
                [self.early_submits(), self.unsure_intents.clone()].concat(),
            ),
            (Rule::DurableCandidate, self.early_polls()),
            (Rule::Path, self.strange_paths()),
            (Rule::Start, self.refused_starts.clone()),
        ];
        let violations = judges
            .into_iter()
            .flat_map(|(rule, found)| found.into_iter().map(move |what| Violation { rule, what }));
        violations.collect()
    }

    /// What happened, a line for each thing that a client was told and each call.
    pub(super) fn story(&self) -> String {
        let mut lines: Vec<(Moment, String)> = Vec::new();
        for told in &self.told {
            let tracking_id = &self.intents[told.intent].tracking_id;
            let (round, flight, reply) = (told.round, &told.flight, &told.reply);
            let line = format!("{tracking_id} round {round} {flight:?} is told {reply:?}");
            lines.push((told.at, line));
        }
        for call in &self.calls {
            let answer = call.answer.as_ref().map(|answer| {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                (answer.at, answer.status, body)
            });
            let line = format!("{} {} {} -> {answer:?}", call.method, call.path, call.key);
            lines.push((call.at, line));
        }
        for entry in &self.journal {
            let (exchange, kind, place) = (entry.exchange, entry.kind, entry.written.place);
            let asked = format!("{exchange} {place:?}: {kind:?} is asked for");
            lines.push((entry.asked_at, asked));
            let line = |end: &str| format!("{exchange} {place:?}: {kind:?} {end}");
            lines.extend(entry.durable_at.map(|at| (at, line("is durable"))));
            let ends = [(entry.failed, "fails"), (entry.panicked, "panics")];
            let ends = ends.into_iter().filter(|(is_so, _)| *is_so);
            lines.extend(ends.map(|(_, end)| (entry.asked_at, line(end))));
        }
        for ending in &self.endings {
            lines.push((ending.at, format!("the process ends: {ending:?}")));
        }
        lines.sort_by_key(|(at, _)| *at);
        let lines = lines
            .into_iter()
            .map(|(at, line)| format!("{:?} {line}\n", at.since_start()));
        lines.collect()
    }

    pub(super) fn submits_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls
            .iter()
            .filter(move |call| call.is_submit() && call.key == key)
    }

    fn tasks_of(&self, key: &str) -> BTreeSet<String> {
        self.submits_of(key).filter_map(Call::task).collect()
    }

    /// The key under which a client's exchange went.
    fn key_of<'a>(&'a self, told: &'a Told) -> Option<&'a str> {
        let given = self.intents[told.intent].ask.key.as_deref();
        given.or_else(|| told.flight.as_ref().map(|(_, key)| key.as_str()))
    }

    /// The exchanges, each with its key.
    pub(super) fn exchanges(&self) -> BTreeMap<Uuid, &str> {
        let flights = self.told.iter().filter_map(|told| told.flight.as_ref());
        flights
            .map(|(exchange, key)| (*exchange, key.as_str()))
            .collect()
    }

    /// True if more than one exchange went under this key.
    pub(super) fn is_shared(&self, key: &str) -> bool {
        let exchanges = self.exchanges();
        exchanges.values().filter(|other| **other == key).count() > 1
    }

    /// I1: no purchase is charged twice.
    fn charges(&self) -> Vec<String> {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, intent) in self.intents.iter().enumerate() {
            let begun = self.told.iter().filter(|told| told.intent == number);
            let rounds: BTreeSet<u32> = begun.map(|told| told.round).collect();
            *wanted.entry(&intent.tracking_id).or_default() += rounds.len();
        }
        let too_many = wanted.into_iter().filter_map(|(tracking_id, rounds)| {
            let charges = self.ledger.charges_of(tracking_id).count();
            (charges > rounds).then(|| format!("{tracking_id}: {charges} charges, {rounds} wanted"))
        });
        too_many.collect()
    }

    /// I1: no submit goes out again but after a 429, or as a resubmit where those are on.
    fn submits(&self) -> Vec<String> {
        let mut exchanges: BTreeMap<&str, usize> = BTreeMap::new();
        for key in self.exchanges().into_values() {
            *exchanges.entry(key).or_default() += 1;
        }
        let too_many = exchanges.into_iter().filter_map(|(key, exchanges)| {
            let is_429 = |call: &&Call| call.answer.as_ref().is_some_and(|it| it.status == 429);
            let submits = self.submits_of(key).count();
            let put_off = self.submits_of(key).filter(is_429).count();
            let allowed = exchanges * (1 + self.resubmits as usize) + put_off;
            (submits > allowed).then(|| format!("{key}: {submits} submits, {allowed} allowed"))
        });
        too_many.collect()
    }

    /// I1: every submit carries the key of its exchange.
    fn strange_keys(&self) -> Vec<String> {
        let known: BTreeSet<&str> = self.exchanges().into_values().collect();
        let submits = self.calls.iter().filter(|call| call.is_submit());
        let strange = submits.filter(|call| !known.contains(&*call.key));
        strange
            .map(|call| format!("a submit under {} at {:?}", call.key, call.at))
            .collect()
    }

    /// I2: "not submitted" is never said of what left.
    fn denials(&self) -> Vec<String> {
        let denied = self.told.iter().filter_map(|told| match told.reply {
            Some(Reply::NotSubmitted(why)) => {
                let (exchange, key) = told.flight.as_ref()?;
                let left = self.submits_of(key).next().is_some();
                (left && !self.is_shared(key)).then(|| format!("{exchange} ({key}): {why:?}"))
            }
            _ => None,
        });
        denied.collect()
    }

    /// I4: a refusal means no charge.
    fn false_refusals(&self) -> Vec<String> {
        let refused = self.told.iter().filter_map(|told| {
            let Some(Reply::Refused(answer)) = &told.reply else {
                return None;
            };
            let key = self.key_of(told)?;
            let charges = &self.ledger.charges;
            let charged = charges.iter().any(|it| it.key.as_deref() == Some(key));
            (charged && !self.is_shared(key))
                .then(|| format!("{key}: refused with {}, and charged", answer.status))
        });
        refused.collect()
    }

    /// I3: who keeps asking ends with the gateway's answer or a doubt; and with a doubt never where
    /// a search must have found the one transaction that there is.
    fn lost_answers(&self) -> Vec<String> {
        let finals = self.told.iter().filter(|told| told.is_last);
        let lost = finals.filter_map(|told| {
            let intent = &self.intents[told.intent];
            let is_found = match told.reply {
                Some(Reply::Answer(_) | Reply::Refused(_)) => true,
                Some(Reply::InDoubt(_)) => !self.must_be_found(told, intent),
                _ => false,
            };
            (!is_found)
                .then(|| format!("{}: {:?} at {:?}", intent.tracking_id, told.reply, told.at))
        });
        lost.collect()
    }

    fn must_be_found(&self, told: &Told, intent: &Intent) -> bool {
        let id = &intent.tracking_id;
        let alone = self
            .intents
            .iter()
            .filter(|other| other.tracking_id == *id)
            .count()
            == 1;
        let Some(key) = self.key_of(told) else {
            return false;
        };
        // After a restart nobody knows which of two equal purchases had which transaction, or
        // whether both had one: the answers that tell it are sealed. An error tells it never.
        let submits = self.calls.iter().filter(|call| call.is_submit());
        let equals = submits.filter(|call| call.tracking_id().as_ref() == Some(id));
        let keys: BTreeSet<&str> = equals.map(|call| call.key.as_str()).collect();
        let mut others = keys.into_iter().filter(|other| *other != key);
        if others.any(|other| !self.endings.is_empty() || !self.told_its_transaction(other)) {
            return false;
        }
        let mut charges = self.ledger.charges_of(id);
        alone && charges.any(|charge| charge.key.as_deref() == Some(key))
    }

    fn told_its_transaction(&self, key: &str) -> bool {
        self.told.iter().any(|told| match &told.reply {
            Some(Reply::Answer(answered)) if self.key_of(told) == Some(key) => {
                String::from_utf8_lossy(&answered.answer.body).contains("\"uid\"")
            }
            _ => false,
        })
    }

    pub(super) fn polls_of(&self, key: &str) -> impl Iterator<Item = &Call> {
        let tasks = self.tasks_of(key);
        self.calls
            .iter()
            .filter(move |call| call.polled().is_some_and(|task| tasks.contains(task)))
    }

    /// I4 and I7: every answer is the gateway's own, byte for byte, to this exchange and shop.
    fn inventions(&self) -> Vec<String> {
        let invented = self.told.iter().filter_map(|told| {
            let answer = match &told.reply {
                Some(Reply::Answer(answered)) => &answered.answer,
                Some(Reply::Refused(answer)) => answer,
                _ => return None,
            };
            let key = self.key_of(told)?;
            let shop = self.intents[told.intent].ask.authorization();
            let mut sources = self.sources(key).filter(|call| call.authorization == shop);
            let given = sources.any(|call| {
                let given = call.answer.as_ref();
                given.is_some_and(|it| it.status == answer.status && it.body == answer.body)
            });
            let body = String::from_utf8_lossy(&answer.body);
            (!given).then(|| format!("{key}: {} {body}", answer.status))
        });
        invented.collect()
    }

    /// The calls whose answers may be this exchange's: its submits, its polls, and the queries for
    /// the transactions that it made.
    fn sources<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Call> {
        let made = self
            .ledger
            .charges
            .iter()
            .filter(|it| it.key.as_deref() == Some(key));
        let paths: BTreeSet<String> = made.map(|it| format!("/transactions/{}", it.uid)).collect();
        let queries = self
            .calls
            .iter()
            .filter(move |call| paths.contains(&call.path));
        self.submits_of(key)
            .chain(self.polls_of(key))
            .chain(queries)
    }

    /// I5: one exchange has one answer; and a purchase that was finished is not given for the next.
    fn changed_answers(&self) -> Vec<String> {
        let mut first: BTreeMap<Uuid, &Told> = BTreeMap::new();
        let mut changed = Vec::new();
        for told in &self.told {
            let (Some(Reply::Answer(now)), Some((exchange, key))) = (&told.reply, &told.flight)
            else {
                continue;
            };
            let earlier = first.entry(*exchange).or_insert(told);
            let Some(Reply::Answer(before)) = &earlier.reply else {
                continue;
            };
            let was_lost = self.was_lost(*exchange, earlier.at, told.at);
            let is_same = before.answer == now.answer
                || (was_lost && before.answer.says_the_same(&now.answer));
            // A process that ended may have taken along that the answer was acknowledged.
            let is_stale = (earlier.intent, earlier.round) != (told.intent, told.round)
                && self.intents[told.intent].ask.key.is_none()
                && !self.died_between(earlier.at, told.at);
            if !is_same || is_stale {
                changed.push(format!("{exchange} ({key}) at {:?}", told.at));
            }
        }
        changed
    }

    /// I7: another secret is told of nothing.
    fn spied_answers(&self) -> Vec<String> {
        let may_know = |reply: &&Reply| matches!(reply, Reply::OtherSecret | Reply::NotAdmitted(_));
        let told = self.spied.iter().filter(|reply| !may_know(reply));
        told.map(|reply| format!("{reply:?}")).collect()
    }
}

/// A submit's answer that leaves no doubt: an acceptance or a refusal, whole and in time.
pub(super) fn is_clear(call: &Call) -> bool {
    call.answer.as_ref().is_some_and(|answer| {
        let in_time = answer.at.since(call.at) < Duration::from_secs(30);
        in_time && (call.task().is_some() || (400..500).contains(&answer.status))
    })
}
