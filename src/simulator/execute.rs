//! What the gateway does with an order: the transaction, or the reason why there is none.
use serde_json::Value;

use super::answer::{CRASHED, Problem};
use super::faults::Fate;
use super::ledger::Charge;
use super::order::{Order, Temper};
use super::state::{Asked, Request, State};
use super::task::Work;
use super::transaction::{Status, Transaction};
use crate::timing::Moment;

impl State {
    /// What the result of a new task is.
    pub(super) fn work(
        &mut self,
        now: Moment,
        done: Option<Moment>,
        request_id: &str,
        request: &Request<'_>,
    ) -> (Work, Option<String>) {
        let order = match request.asked {
            Asked::Query(query) => return (Work::Query(query.clone()), None),
            Asked::Invalid(problem) => return (Work::Problem(problem.clone()), None),
            Asked::Order(order) => order,
        };
        let words = &request.words.task;
        let error = match words.fate {
            Some(Fate::Fail(status)) => {
                let problem = Problem::new(status, "F.1000", "The request cannot be processed");
                Some(Work::Problem(problem))
            }
            Some(Fate::Soft(status)) => Some(Work::Message(status, "Not acceptable now")),
            Some(Fate::Crash) => Some(Work::Message(500, CRASHED)),
            Some(Fate::Decline | Fate::Incomplete) | None => None,
        };
        if let Some(error) = error.clone().filter(|_| !words.executed) {
            return (error, None);
        }
        let executed = self.execute(now, done, order, request_id, request);
        let uid = executed.as_ref().ok().cloned();
        let truth = executed.map_or_else(Work::Problem, Work::Transaction);
        (error.unwrap_or(truth), uid)
    }

    /// Makes the transaction, unless its parent or the duplicate filter forbids it.
    fn execute(
        &mut self,
        now: Moment,
        done: Option<Moment>,
        order: &Order,
        request_id: &str,
        request: &Request<'_>,
    ) -> Result<String, Problem> {
        let parents_currency = self.take_from_parent(now, order, request.shop)?;
        self.pass_duplicate_filter(now, order, request.shop)?;
        let status = match request.words.task.fate {
            Some(Fate::Decline) => Status::Failed,
            Some(Fate::Incomplete) => Status::Incomplete,
            Some(Fate::Fail(_) | Fate::Soft(_) | Fate::Crash) | None => order
                .card
                .as_ref()
                .map_or(Status::Successful, |card| status_of(card.temper)),
        };
        let transaction = Transaction {
            uid: self.fresh_id(),
            shop: request.shop.to_owned(),
            order: Order {
                currency: order.currency.clone().or(parents_currency),
                ..order.clone()
            },
            status,
            created_at: request.created_at.to_owned(),
            done,
            finished: request.words.task.payer.map(|after| now + after),
            taken: 0,
            padding: request.words.task.padding,
        };
        Ok(self.keep(now, transaction, request_id, request.head.key.clone()))
    }

    fn keep(
        &mut self,
        now: Moment,
        transaction: Transaction,
        request_id: &str,
        key: Option<String>,
    ) -> String {
        let uid = transaction.uid.clone();
        let order = &transaction.order;
        let tracking_id = order.tracking_id.as_ref().and_then(|id| match id {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        if let Some(tracking_id) = tracking_id.clone() {
            self.tracked
                .entry((transaction.shop.clone(), tracking_id))
                .or_default()
                .push(uid.clone());
        }
        self.ledger.charges.push(Charge {
            at: now,
            uid: uid.clone(),
            kind: order.kind.name(),
            status: transaction.status.name(),
            request_id: request_id.to_owned(),
            key,
            shop: transaction.shop.clone(),
            tracking_id,
            amount: order.amount,
            currency: order.currency.clone(),
            last_4: order.card.as_ref().map(|card| card.last_4.clone()),
        });
        self.transactions.insert(uid.clone(), transaction);
        uid
    }

    /// Takes the order's amount from what its parent has left, and returns the parent's currency.
    fn take_from_parent(
        &mut self,
        now: Moment,
        order: &Order,
        shop: &str,
    ) -> Result<Option<String>, Problem> {
        let Some(parent_uid) = order
            .parent_uid
            .as_ref()
            .filter(|_| order.kind.has_parent())
        else {
            return Ok(None);
        };
        let parent = self
            .transactions
            .get_mut(parent_uid)
            .filter(|parent| parent.shop == shop && parent.is_done(now))
            .ok_or_else(Problem::not_found)?;
        if parent.status != Status::Successful || !parent.order.kind.may_be_parent_of(order.kind) {
            return Err(Problem::invalid(vec![("parent_uid", "is not acceptable")]));
        }
        let left = parent.order.amount.unwrap_or_default() - parent.taken;
        let amount = order.amount.unwrap_or_default();
        if amount > left {
            return Err(Problem::invalid(vec![(
                "amount",
                "is greater than what is left",
            )]));
        }
        parent.taken += amount;
        Ok(parent.order.currency.clone())
    }

    /// The gateway's own filter: the same amount and card within half a minute.
    fn pass_duplicate_filter(
        &mut self,
        now: Moment,
        order: &Order,
        shop: &str,
    ) -> Result<(), Problem> {
        let window = self.settings.duplicate_window;
        let Some(card) = order.card.as_ref().filter(|_| order.kind.is_filtered()) else {
            return Ok(());
        };
        let likeness = (
            shop.to_owned(),
            order.kind.name(),
            order.amount,
            order.currency.clone(),
            card.stamp.clone(),
        );
        let last = self.recent.get(&likeness);
        if order.duplicate_check && last.is_some_and(|&last| now < last + window) {
            return Err(Problem::new(422, "E.1003", "Duplicate transaction"));
        }
        self.recent.insert(likeness, now);
        Ok(())
    }
}

const fn status_of(temper: Temper) -> Status {
    match temper {
        Temper::Succeeds => Status::Successful,
        Temper::Declines => Status::Failed,
        Temper::NeedsThreeDSecure => Status::Incomplete,
    }
}
