//! What the gateway remembers: tasks, transactions, keys, and the ledger. Nothing here waits.
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Builder;

use super::answer::{Answer, Problem, Version};
use super::faults::Words;
use super::head::Head;
use super::ledger::{Ledger, Verdict};
use super::order::Order;
use super::settings::{Running, RunningRepeat, Settings, TaskRepeat, Validation};
use super::task::{Query, Task, Work};
use super::transaction::Transaction;
use crate::timing::Moment;

/// "up to 10 latest matches"
const LISTED: usize = 10;

/// What a `RequestID` is unique in: the shop and the operation's path, without `/async`.
type Key = (String, String, String);

/// What the duplicate filter compares: shop, type, amount, currency, card.
type Likeness = (String, &'static str, Option<u64>, Option<String>, String);

/// The memory of one gateway.
pub(super) struct State {
    pub(super) settings: Arc<Settings>,
    random: fastrand::Rng,
    armed: VecDeque<Words>,
    pub(super) tasks: HashMap<String, Task>,
    expiries: VecDeque<(Moment, String, Option<Key>)>,
    keys: HashMap<Key, String>,
    pub(super) transactions: HashMap<String, Transaction>,
    pub(super) tracked: HashMap<(String, String), Vec<String>>,
    pub(super) recent: HashMap<Likeness, Moment>,
    previous: Option<String>,
    pub(super) ledger: Ledger,
}

/// What is asked for.
pub(super) enum Asked {
    Order(Box<Order>),
    Invalid(Problem),
    Query(Query),
}

/// A submit that was let in and read.
pub(super) struct Request<'a> {
    pub(super) head: &'a Head,
    pub(super) shop: &'a str,
    pub(super) tracking_id: Option<&'a str>,
    pub(super) asynchronous: bool,
    pub(super) asked: &'a Asked,
    pub(super) words: &'a Words,
    /// The time of day, as RFC 3339 writes it.
    pub(super) created_at: &'a str,
}

/// What became of a submit.
pub(super) enum Begun {
    /// A new task, and the id of the task before it.
    New(String, Option<String>),
    /// The task of an earlier request with the same key.
    Same(String),
    /// An earlier request with the same key still runs: wait for its task, then ask again.
    Wait(String),
    /// The request is not taken.
    Refused(Problem),
}

impl State {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            random: fastrand::Rng::with_seed(settings.seed),
            settings,
            armed: VecDeque::new(),
            tasks: HashMap::new(),
            expiries: VecDeque::new(),
            keys: HashMap::new(),
            transactions: HashMap::new(),
            tracked: HashMap::new(),
            recent: HashMap::new(),
            previous: None,
            ledger: Ledger::default(),
        }
    }

    /// Forgets everything but how far its random draws are.
    pub(super) fn forget(&mut self) {
        *self = Self {
            random: self.random.clone(),
            ..Self::new(Arc::clone(&self.settings))
        };
    }

    pub(super) fn arm(&mut self, words: Words) {
        self.armed.push_back(words);
    }

    /// The words that the run has for the next submit: what was armed, over what is drawn.
    pub(super) fn draw(&mut self) -> Words {
        let mut drawn = Words::default();
        for rule in &self.settings.faults {
            if self.random.f64() < rule.probability {
                drawn = drawn.overlaid_by(rule.words);
            }
        }
        match self.armed.pop_front() {
            Some(armed) => drawn.overlaid_by(armed),
            None => drawn,
        }
    }

    /// Takes a submit on, or meets the task of its key.
    pub(super) fn begin(&mut self, now: Moment, request: &Request<'_>) -> Begun {
        self.forget_expired(now);
        let key = self.key(request);
        if let Some(met) = key.as_ref().and_then(|key| self.meet(now, key, request)) {
            let (verdict, request_id) = match &met {
                Begun::Same(request_id) => (Verdict::Repeated, Some(request_id.clone())),
                Begun::New(..) | Begun::Refused(_) => (Verdict::Refused, None),
                Begun::Wait(_) => return met,
            };
            self.record_submit(now, request.head, request.tracking_id, verdict, request_id);
            return met;
        }
        if let Asked::Invalid(problem) = request.asked
            && request.asynchronous
            && self.settings.validation == Validation::Submit
        {
            self.record_submit(
                now,
                request.head,
                request.tracking_id,
                Verdict::Refused,
                None,
            );
            return Begun::Refused(problem.clone());
        }
        let request_id = self.start(now, key, request);
        let previous = self.previous.replace(request_id.clone());
        Begun::New(request_id, previous)
    }

    fn key(&self, request: &Request<'_>) -> Option<Key> {
        let path = &request.head.path;
        let operation = path.strip_prefix("/async").unwrap_or(path);
        let honoured = match request.asked {
            Asked::Query(_) => false,
            Asked::Order(_) | Asked::Invalid(_) if !request.asynchronous => {
                self.settings.running_repeat != RunningRepeat::Ignored
            }
            Asked::Order(order) => match self.settings.task_repeat {
                TaskRepeat::Ignored => false,
                TaskRepeat::SameButChildren => !order.kind.has_parent(),
                TaskRepeat::Same | TaskRepeat::Conflict | TaskRepeat::Blocks => true,
            },
            Asked::Invalid(_) => self.settings.task_repeat != TaskRepeat::Ignored,
        };
        let value = request.head.key.clone().filter(|_| honoured)?;
        Some((request.shop.to_owned(), operation.to_owned(), value))
    }

    /// What a repeat of `key` meets; `None` if the key is new.
    fn meet(&self, now: Moment, key: &Key, request: &Request<'_>) -> Option<Begun> {
        let request_id = self.keys.get(key)?;
        let task = self.tasks.get(request_id)?;
        if now >= task.created + self.settings.key_retention {
            return None;
        }
        let waits = if request.asynchronous {
            match self.settings.task_repeat {
                TaskRepeat::Ignored | TaskRepeat::Same | TaskRepeat::SameButChildren => None,
                TaskRepeat::Conflict => Some(false),
                TaskRepeat::Blocks => Some(true),
            }
        } else {
            match self.settings.running_repeat {
                RunningRepeat::Ignored => None,
                RunningRepeat::Conflict => Some(false),
                RunningRepeat::Blocks => Some(true),
            }
        };
        Some(match waits {
            Some(true) if !task.is_done(now) => Begun::Wait(request_id.clone()),
            Some(false) if !task.is_done(now) => Begun::Refused(Problem::in_progress()),
            _ => Begun::Same(request_id.clone()),
        })
    }

    fn start(&mut self, now: Moment, key: Option<Key>, request: &Request<'_>) -> String {
        let request_id = self.fresh_id();
        let words = &request.words.task;
        let span = words
            .delay
            .unwrap_or_else(|| self.settings.latency.draw(&mut self.random));
        let at_once = match request.asked {
            Asked::Order(_) => false,
            Asked::Invalid(_) | Asked::Query(_) => !request.asynchronous,
        };
        let done = if at_once {
            Some(now)
        } else {
            (!words.hold).then(|| now + span)
        };
        let (work, uid) = self.work(now, done, &request_id, request);
        self.record_task(now, &request_id, request);
        let expires = now + self.settings.retention.max(self.settings.key_retention);
        self.expiries
            .push_back((expires, request_id.clone(), key.clone()));
        if let Some(key) = key {
            self.keys.insert(key, request_id.clone());
        }
        let task = Task {
            shop: request.shop.to_owned(),
            version: request.head.version,
            created: now,
            done,
            work,
            uid,
            readable: words.readable,
            spent: false,
            poll: request.words.poll,
            submit: request.words.submit,
            polls: 0,
            silent_until: None,
            record: self.ledger.tasks.len().saturating_sub(1),
        };
        self.tasks.insert(request_id.clone(), task);
        request_id
    }

    /// The result of `work`, as a poll or a synchronous request gets it now.
    pub(super) fn result(&self, now: Moment, shop: &str, work: &Work, version: Version) -> Answer {
        match work {
            Work::Transaction(uid) => self.transactions.get(uid).map_or_else(
                || Problem::not_found().answer(version),
                |transaction| transaction.answer(version, now),
            ),
            Work::Problem(problem) => problem.answer(version),
            Work::Message(status, message) => Answer::message(*status, message),
            Work::Query(query) => self.read(now, shop, query, version),
        }
    }

    /// The answer to a plain query.
    pub(super) fn read(&self, now: Moment, shop: &str, query: &Query, version: Version) -> Answer {
        match query {
            Query::Uid(uid) => self
                .transactions
                .get(uid)
                .filter(|transaction| transaction.shop == shop && self.shows(transaction, now))
                .map_or_else(
                    || Problem::not_found().answer(version),
                    |transaction| transaction.answer_at(version, now),
                ),
            Query::TrackingId(id) => {
                let key = (shop.to_owned(), id.clone());
                let uids = self.tracked.get(&key).map_or(&[][..], Vec::as_slice);
                let found: Vec<Value> = uids
                    .iter()
                    .rev()
                    .filter_map(|uid| self.transactions.get(uid))
                    .filter(|transaction| self.shows(transaction, now))
                    .take(LISTED)
                    .map(|transaction| transaction.listed(version, now))
                    .collect();
                Answer::json(200, &json!({ "transactions": found }))
            }
            Query::Balance(currency) => Answer::json(
                200,
                &json!({"result": {
                    "status": "successful",
                    "code": "S.0000",
                    "message": "Successfully processed",
                    "currency": currency,
                    "amount": 9_007_199_254_740_993_u64,
                }}),
            ),
        }
    }

    fn shows(&self, transaction: &Transaction, now: Moment) -> bool {
        self.settings.running == Running::Incomplete || transaction.is_done(now)
    }

    /// Ends a task now; false if there is none that runs.
    pub(super) fn finish(&mut self, now: Moment, request_id: &str) -> bool {
        let Some(task) = self.tasks.get_mut(request_id) else {
            return false;
        };
        if task.is_done(now) {
            return false;
        }
        task.done = Some(now);
        if let Some(uid) = &task.uid
            && let Some(transaction) = self.transactions.get_mut(uid)
        {
            transaction.done = Some(now);
        }
        true
    }

    /// The tasks that wait to be let go by hand.
    pub(super) fn held(&self) -> Vec<String> {
        let held = self.tasks.iter().filter(|(_, task)| task.done.is_none());
        held.map(|(request_id, _)| request_id.clone()).collect()
    }

    /// Each submit pays for the ones that have expired: no scan of all.
    fn forget_expired(&mut self, now: Moment) {
        while self.expiries.front().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, request_id, key)) = self.expiries.pop_front() else {
                return;
            };
            self.tasks.remove(&request_id);
            if let Some(key) = key
                && self.keys.get(&key) == Some(&request_id)
            {
                self.keys.remove(&key);
            }
        }
    }

    pub(super) fn fresh_id(&mut self) -> String {
        let bytes = self.random.u128(..).to_be_bytes();
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}
