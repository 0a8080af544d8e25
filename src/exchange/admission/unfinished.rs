//! The repeat of a request whose transaction its payer had yet to finish (3-D Secure): it asks what has become
//! of that.
use std::sync::Arc;

use http::StatusCode;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::Admission;
use crate::exchange::context::Context;
use crate::exchange::flights::Answer;
use crate::exchange::order::Order;
use crate::protocol::{Found, Transaction, transaction_by_uid};

/// A request whose exchange has ended with a transaction that its payer had yet to finish.
pub struct Unfinished {
    context: Arc<Context>,
    exchange: Uuid,
    /// What was told then.
    kept: Answer,
    order: Box<Order>,
}

impl Unfinished {
    pub(super) fn new(
        context: Arc<Context>,
        exchange: Uuid,
        kept: Answer,
        order: Box<Order>,
    ) -> Self {
        Self {
            context,
            exchange,
            kept,
            order,
        }
    }

    /// The ended exchange.
    pub const fn exchange(&self) -> Uuid {
        self.exchange
    }

    /// Says what becomes of the request. Nothing is submitted, under whatever key: the transaction is queried,
    /// and while the gateway does not say that it is finished, or the process stops, the answer is the one of
    /// before.
    pub(super) async fn resolve(self) -> Admission {
        let finished = self.finished().await;
        self.context.metrics.replayed();
        Admission::Kept {
            exchange: self.exchange,
            looked_up: finished.is_some(),
            answer: finished.unwrap_or(self.kept),
        }
    }

    /// The transaction once its payer has finished it. It is kept as it was told first: what a client knows
    /// to be paid is not taken back while the gateway cannot be asked.
    async fn finished(&self) -> Option<Answer> {
        let transaction = Found::of(&self.kept.body)?;
        let (context, clock) = (&self.context, self.context.clock);
        // The name of no task.
        let name = format!("transaction {}", transaction.uid);
        let key = context.hash_key.result(
            self.order.identity.credential,
            self.order.key.value.as_bytes(),
            &name,
        );
        let told = context.results.find(&key, clock.now());
        if told.is_some() || context.drain.is_draining() {
            return told;
        }
        let until = clock.instant(self.order.hold_until);
        let asked = timeout_at(until, self.queried(&transaction)).await;
        let answer = asked.ok().flatten()?;
        let expires_at = clock.now() + context.rules.now().policy.retention;
        context.results.restore(key, &answer, expires_at);
        Some(answer)
    }

    /// The gateway's answer to the query for a transaction, where it is that one's and its payer has finished
    /// it.
    async fn queried(&self, transaction: &Found) -> Option<Answer> {
        let gateway = &self.order.gateway;
        let path = transaction_by_uid(gateway.profile, transaction)?;
        let asked = gateway.client.read(self.order.credentials.get(path)).await;
        let answer: Answer = Arc::new(asked.ok()?.1);
        let told = transaction.told_in(&answer.body);
        let is_finished = told.is_some_and(|told| told.is_finished(gateway.profile));
        (is_finished && answer.status == StatusCode::OK).then_some(answer)
    }
}

/// True if an answer tells of a transaction that the payer has yet to finish.
pub(super) fn awaits_payer(answer: &Answer) -> bool {
    Transaction::of(&answer.body).is_some_and(|transaction| transaction.awaits_payer())
}
