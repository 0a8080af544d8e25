//! The judges: what buyers were told against what truly happened, seen from outside of the process.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdline::simulator::{Gateway, Ledger};
use holdline::timing::Moment;

use super::buyer::{Said, Told, UNTIL_DELIVERED};
use super::plan::Intent;
use crate::chaos::judge::{Rule, Violation};
use crate::chaos::wire::{Answer, Call};
use crate::stage::bench::ms;

/// Within this time of the gateway's last byte the process has read it and made a record of it. As to
/// every span, what the machine was late by is added.
const SOON: Duration = ms(500);
/// `submit.timeout`: an acceptance after it may come too late.
const IN_TIME: Duration = ms(400);
/// `upstream.answer_timeout`: a result after it may come too late.
const READ_IN_TIME: Duration = ms(300);
/// Within this time of its task's end a transaction is found, while all is well.
const FOUND: Duration = ms(700);

/// The process was not there, or stood still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// When its end began to be brought about.
    pub(super) from: Moment,
    /// When the next life took connections, or this one went on.
    pub(super) until: Moment,
}

/// Everything that is known after a run.
pub(super) struct Evidence {
    pub(super) intents: Vec<Intent>,
    pub(super) told: Vec<Told>,
    pub(super) ledger: Ledger,
    /// When the task of each charge ended, and a search could find it.
    pub(super) ends: BTreeMap<String, Moment>,
    /// The longest time by which the machine was late.
    pub(super) slowest: Duration,
    pub(super) calls: Vec<Call>,
    pub(super) outages: Vec<Outage>,
    pub(super) resubmits: u32,
    /// What is wrong with the journal that the last life left, if it left one.
    pub(super) journal: Option<String>,
}

/// When the task of each charge ends.
pub(super) fn ends(gateway: &Gateway) -> BTreeMap<String, Moment> {
    let charges = gateway.ledger().charges;
    let ends = charges.into_iter().filter_map(|charge| {
        let end = gateway.end_of(&charge.request_id)?;
        Some((charge.request_id, end))
    });
    ends.collect()
}

impl Evidence {
    /// Every broken rule.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let judges: [(Rule, Vec<String>); 7] = [
            (Rule::OneCharge, [self.charges(), self.submits()].concat()),
            (Rule::HonestDenial, self.denials()),
            (Rule::NoLostAnswer, self.lost_answers()),
            (Rule::JustifiedDoubt, self.doubts()),
            (Rule::NoInvention, self.inventions()),
            (Rule::SameAnswer, self.changed_answers()),
            (Rule::OneGet, self.gets()),
        ];
        let violations = judges
            .into_iter()
            .flat_map(|(rule, found)| found.into_iter().map(move |what| Violation { rule, what }));
        violations.collect()
    }

    /// What happened, a line for each life, each thing that a buyer was told and each call.
    pub(super) fn story(&self) -> String {
        let mut lines: Vec<(Moment, String)> = Vec::new();
        for outage in &self.outages {
            lines.push((
                outage.from,
                "-- the process ends or stands still".to_owned(),
            ));
            lines.push((outage.until, "-- it is there again".to_owned()));
        }
        for told in &self.told {
            let Intent {
                tracking_id, words, ..
            } = &self.intents[told.intent];
            let said = match &told.said {
                Some(Said::Answer { status, body }) => {
                    format!("{status} {}", String::from_utf8_lossy(body))
                }
                said => format!("{said:?}"),
            };
            let (client, round, began) = (told.client, told.round, told.began.since_start());
            let exchange = told.exchange.as_deref().unwrap_or("-");
            let line = format!(
                "{tracking_id} ({words}) client {client} round {round}, asked at {began:?}: \
                 {exchange} {said}"
            );
            lines.push((told.at, line));
        }
        for call in &self.calls {
            let answer = call.answer.as_ref().map(|answer| {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                (answer.at.since_start(), answer.status, body)
            });
            let tracking_id = call.tracking_id().unwrap_or_default();
            let (method, path, key) = (&call.method, &call.path, &call.key);
            let line = format!("    {method} {path} {tracking_id} {key} -> {answer:?}");
            lines.push((call.at, line));
        }
        lines.sort_by_key(|(at, _)| *at);
        let lines = lines
            .into_iter()
            .map(|(at, line)| format!("{:?} {line}\n", at.since_start()));
        lines.collect()
    }

    /// Submits of one purchase or of its repeats.
    fn submits_of<'a>(&'a self, tracking_id: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| {
            call.is_submit() && call.tracking_id().as_deref() == Some(tracking_id)
        })
    }

    fn polls_of<'a>(&'a self, task: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls
            .iter()
            .filter(move |call| call.polled() == Some(task))
    }

    /// What the machine may have been late by, here and in the process.
    fn slack(&self) -> Duration {
        2 * self.slowest
    }

    fn soon(&self) -> Duration {
        SOON + self.slack()
    }

    /// True if the process surely had this call's answer in time. It began to wait before the call
    /// was seen here, and went on a little after the answer was.
    fn is_in_time(&self, call: &Call, span: Duration) -> bool {
        call.is_in_time(span.saturating_sub(self.slack()))
    }

    /// True if the process surely read this result.
    fn is_read(&self, poll: &Call) -> bool {
        poll.is_result() && self.is_in_time(poll, READ_IN_TIME) && !self.is_cut(poll)
    }

    /// True if the process died while this call was under way, or before it could make a record of
    /// what came of it.
    fn is_cut(&self, call: &Call) -> bool {
        let until = call.answer.as_ref().map(|answer| answer.at + self.soon());
        self.outages
            .iter()
            .any(|outage| call.at <= outage.until && until.is_none_or(|until| outage.from <= until))
    }

    /// The same for a submit: a poll of its task shows that its acceptance was on record.
    fn is_cut_submit(&self, submit: &Call) -> bool {
        let task = submit.task();
        let first_poll = task.and_then(|task| Some(self.polls_of(&task).next()?.at));
        let until = submit.answer.as_ref().map(|answer| answer.at + self.soon());
        self.outages.iter().any(|outage| {
            submit.at <= outage.until
                && until.is_none_or(|until| outage.from <= until)
                && first_poll.is_none_or(|poll| outage.from <= poll)
        })
    }

    /// When the round began in which somebody was told something.
    fn round_began(&self, told: &Told) -> Moment {
        let mine = |other: &&Told| other.intent == told.intent && other.round == told.round;
        let began = self.told.iter().filter(mine).map(|other| other.began).min();
        began.unwrap_or(told.began)
    }

    /// How often an intent was bought, and how often its answer may have counted as delivered though its
    /// buyer went on: what it asked for next was a new purchase then, unless it had a key.
    fn wanted(&self, number: usize) -> (usize, usize) {
        let told = self.told.iter().filter(|told| told.intent == number);
        let rounds: BTreeSet<u32> = told.clone().map(|told| told.round).collect();
        let intent = &self.intents[number];
        let counted = told.filter(|told| told.may_count && intent.key.is_none());
        let counted = counted.count();
        (rounds.len(), counted)
    }

    /// I1: no purchase is charged twice.
    fn charges(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (number, intent) in self.intents.iter().enumerate() {
            let (rounds, counted) = self.wanted(number);
            let charges = self.ledger.charges_of(&intent.tracking_id).count();
            if charges > rounds + counted {
                let id = &intent.tracking_id;
                found.push(format!("{id}: {charges} charges, {rounds} wanted"));
            }
        }
        found
    }

    /// I1: no submit goes out again but after a refusal that leaves no doubt, or as a resubmit where
    /// those are on; and none under another key while the one before may have been executed.
    fn submits(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (number, intent) in self.intents.iter().enumerate() {
            let (rounds, counted) = self.wanted(number);
            let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
            for submit in self.submits_of(&intent.tracking_id) {
                *keys.entry(&submit.key).or_default() += usize::from(!submit.is_refused());
            }
            for (key, submits) in &keys {
                if *submits > 1 + self.resubmits as usize {
                    found.push(format!("{key}: {submits} submits without a refusal"));
                }
            }
            let unsettled = keys.values().filter(|submits| **submits > 0).count();
            if unsettled > rounds + counted {
                let id = &intent.tracking_id;
                found.push(format!("{id}: {unsettled} exchanges left"));
            }
        }
        found
    }

    /// I2: "not submitted" is never said of what left, or may have.
    fn denials(&self) -> Vec<String> {
        let denied = self
            .told
            .iter()
            .filter(|told| told.said == Some(Said::NotSubmitted));
        let lies = denied.filter_map(|told| {
            let intent = &self.intents[told.intent];
            let began = self.round_began(told);
            let left = self.submits_of(&intent.tracking_id).find(|submit| {
                let before = (began..=told.at).contains(&submit.at) && !submit.is_refused();
                let named = told.key.as_deref() == Some(&*submit.key) && intent.key.is_none();
                before || named
            })?;
            let (id, key, at) = (&intent.tracking_id, &left.key, told.at.since_start());
            Some(format!("{id} ({key}) at {at:?}"))
        });
        lies.collect()
    }

    /// I3: who keeps asking ends with the gateway's answer or a doubt; and with a doubt only where
    /// the answer was lost on its way and no search can find what was done.
    fn lost_answers(&self) -> Vec<String> {
        let finals = self.told.iter().filter(|told| told.is_last);
        let lost = finals.filter_map(|told| {
            let why = match told.said {
                Some(Said::Answer { .. }) => None,
                Some(Said::InDoubt) => self.should_know(told),
                None | Some(Said::NotSubmitted | Said::InProgress | Said::Spent) => {
                    Some("no last word".to_owned())
                }
            }?;
            let id = &self.intents[told.intent].tracking_id;
            Some(format!("{id} at {:?}: {why}", told.at.since_start()))
        });
        let without_end = self.buyers().filter_map(|(intent, client, round)| {
            let mine = |it: &&Told| (it.intent, it.client, it.round) == (intent, client, round);
            let ended = self.told.iter().filter(mine).any(|told| told.is_last);
            let id = &self.intents[intent].tracking_id;
            (!ended).then(|| format!("{id}: client {client} has no end"))
        });
        lost.chain(without_end).collect()
    }

    fn buyers(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let all: BTreeSet<_> = self
            .told
            .iter()
            .map(|told| (told.intent, told.client, told.round))
            .collect();
        all.into_iter()
    }

    /// Why holdline should have the answer that it calls in doubt.
    fn should_know(&self, told: &Told) -> Option<String> {
        let intent = &self.intents[told.intent];
        let began = self.round_began(told);
        let mut charges = self.ledger.charges_of(&intent.tracking_id);
        if let (Some(charge), None, 1) = (charges.next(), charges.next(), intent.rounds)
            && let Some(end) = self.ends.get(&charge.request_id)
            && *end + FOUND + self.slack() <= told.at
        {
            return Some("a search finds the one transaction".to_owned());
        }
        let submits = self.submits_of(&intent.tracking_id);
        let mine = submits.filter(|submit| (began..=told.at).contains(&submit.at));
        mine.filter(|submit| !submit.is_refused())
            .find_map(|submit| {
                let task = submit.task()?;
                let read = self.polls_of(&task).find(|poll| self.is_read(poll));
                if read.is_some() {
                    return Some(format!("the result of {task} was read"));
                }
                let is_unknown = |poll: &Call| poll.answer.as_ref().is_some_and(Answer::is_unknown);
                let is_gone = self.polls_of(&task).any(is_unknown);
                let is_taken = self.is_in_time(submit, IN_TIME) && !self.is_cut_submit(submit);
                (is_taken && !is_gone).then(|| format!("{task} was taken on"))
            })
    }

    /// A doubt has a cause: a submit without a clear answer, a task that became unknown, or the death
    /// of the process at a moment at which either was under way.
    fn doubts(&self) -> Vec<String> {
        let told = self
            .told
            .iter()
            .filter(|told| told.said == Some(Said::InDoubt));
        let unjustified = told.filter(|told| !self.is_justified(told));
        let tell = |told: &Told| {
            let id = &self.intents[told.intent].tracking_id;
            format!("{id} at {:?}: {:?}", told.at.since_start(), told.exchange)
        };
        unjustified.map(tell).collect()
    }

    fn is_justified(&self, told: &Told) -> bool {
        let intent = &self.intents[told.intent];
        let began = self.round_began(told);
        let window = began..=told.at;
        let submits: Vec<&Call> = self
            .submits_of(&intent.tracking_id)
            .filter(|submit| window.contains(&submit.at))
            .collect();
        // The process died with a submit on record, of which no byte may have left. What is seen
        // after that may be its repeat, where those are on: it settles nothing of the first.
        let first_seen = submits.iter().find(|submit| !submit.is_refused());
        let seen_at = first_seen.map_or(told.at, |submit| submit.at);
        let dies = |outage: &Outage| (began..=seen_at).contains(&outage.from);
        let may_be_a_repeat = first_seen.is_none() || self.resubmits > 0;
        let is_unseen = may_be_a_repeat && self.outages.iter().any(dies);
        is_unseen
            || submits.iter().any(|submit| {
                let is_clear = submit.is_refused()
                    || (submit.task().is_some() && self.is_in_time(submit, IN_TIME));
                let task = submit.task().unwrap_or_default();
                let is_unknown = |poll: &Call| {
                    let answer = poll.answer.as_ref();
                    poll.at <= told.at && answer.is_some_and(Answer::is_unknown)
                };
                !is_clear || self.is_cut_submit(submit) || self.polls_of(&task).any(is_unknown)
            })
    }

    /// I4: every answer is the gateway's own, byte for byte, to this purchase and shop.
    fn inventions(&self) -> Vec<String> {
        let invented = self.told.iter().filter_map(|told| {
            let Some(Said::Answer { status, body }) = &told.said else {
                return None;
            };
            let intent = &self.intents[told.intent];
            let (shop, secret) = intent.shop;
            let shop = crate::stage::asking::basic(shop, secret);
            let given = self.sources(&intent.tracking_id).into_iter().any(|call| {
                let answer = call.answer.as_ref();
                call.authorization == shop
                    && answer.is_some_and(|it| it.status == *status && it.body == *body)
            });
            let body = String::from_utf8_lossy(body);
            (!given).then(|| format!("{}: {status} {body}", intent.tracking_id))
        });
        invented.collect()
    }

    /// The calls whose answers may be this purchase's: its submits, its polls, and the queries for
    /// the transactions that it made.
    fn sources<'a>(&'a self, tracking_id: &'a str) -> Vec<&'a Call> {
        let tasks: BTreeSet<String> = self
            .submits_of(tracking_id)
            .filter_map(Call::task)
            .collect();
        let made = self.ledger.charges_of(tracking_id);
        let paths: BTreeSet<String> = made.map(|it| format!("/transactions/{}", it.uid)).collect();
        let is_source = |call: &&Call| {
            let is_submit = call.is_submit() && call.tracking_id().as_deref() == Some(tracking_id);
            let is_poll = call.polled().is_some_and(|task| tasks.contains(task));
            is_submit || is_poll || paths.contains(&call.path)
        };
        self.calls.iter().filter(is_source).collect()
    }

    /// I5: one exchange has one answer; and a purchase that was finished is not given for the next,
    /// unless the process died before it could know that the answer had arrived.
    fn changed_answers(&self) -> Vec<String> {
        let mut first: BTreeMap<&str, &Told> = BTreeMap::new();
        let mut changed = Vec::new();
        for told in &self.told {
            let (Some(Said::Answer { .. }), Some(exchange)) = (&told.said, &told.exchange) else {
                continue;
            };
            let earlier = *first.entry(exchange).or_insert(told);
            let forgotten =
                |outage: &Outage| (earlier.began..=earlier.at + self.soon()).contains(&outage.from);
            let since = self.round_began(told).since(earlier.at);
            let is_stale = earlier.round != told.round
                && since >= UNTIL_DELIVERED + self.slack()
                && !self.outages.iter().any(forgotten);
            let at = told.at.since_start();
            if earlier.said != told.said {
                changed.push(format!("{exchange} at {at:?}: in other words"));
            } else if is_stale {
                changed.push(format!(
                    "{exchange} at {at:?}: given {since:?} after it was read"
                ));
            }
        }
        changed
    }

    /// I6: one `GET` at a time, and none after the result.
    fn gets(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for call in &self.calls {
            let Some(task) = call.polled() else { continue };
            if done.contains(task) {
                found.push(format!(
                    "{task}: polled again at {:?}",
                    call.at.since_start()
                ));
            }
            if self.is_read(call) {
                done.insert(task);
            }
        }
        let overlapping = self.ledger.tasks.iter().filter(|task| {
            task.overlapping_polls > 0
                && !self
                    .polls_of(&task.request_id)
                    .any(|poll| self.is_cut(poll) || !self.is_in_time(poll, READ_IN_TIME))
        });
        found.extend(overlapping.map(|task| format!("{}: polls overlap", task.request_id)));
        found.extend(self.gets_of_what_was_told());
        found
    }

    /// What a buyer was told is on record before, whenever the process dies.
    fn gets_of_what_was_told(&self) -> Vec<String> {
        let mut found = Vec::new();
        for told in &self.told {
            let Some(Said::Answer { body, .. }) = &told.said else {
                continue;
            };
            let submits = self.submits_of(&self.intents[told.intent].tracking_id);
            for task in submits.filter_map(Call::task) {
                let is_it = |poll: &Call| {
                    let answer = poll.answer.as_ref().filter(|_| poll.is_result());
                    answer.is_some_and(|it| it.at <= told.at && it.body == *body)
                };
                let mut later = self.polls_of(&task).filter(|poll| poll.at > told.at);
                if let Some(later) = later.next()
                    && self.polls_of(&task).any(is_it)
                {
                    let at = later.at.since_start();
                    found.push(format!("{task}: polled again at {at:?}, after it was told"));
                }
            }
        }
        found
    }
}
