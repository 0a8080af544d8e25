//! The repeat of a request whose transaction its payer had yet to finish (3-D Secure): it asks what has become
//! of that.
use std::sync::Arc;

use http::StatusCode;
use uuid::Uuid;

use super::Admission;
use crate::exchange::context::Context;
use crate::exchange::flights::Answer;
use crate::exchange::order::Order;
use crate::exchange::telling::journey::awaits_payer;
use crate::protocol::{Found, transaction_by_uid};

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

    /// Says what becomes of the request. It is submitted once more where the operator says that the gateway
    /// knows a key that it had before (`submit.resubmits`): elsewhere that could be a second charge, and the
    /// transaction is queried. While the gateway does not say that it is finished, the answer is the one of
    /// before.
    pub(super) async fn resolve(self) -> Admission {
        if self.context.rules.now().policy.resubmits > 0 {
            return self.submit_again();
        }
        let Self {
            context,
            exchange,
            kept,
            order,
        } = self;
        let until = context.clock.instant(order.hold_until);
        let finished = tokio::time::timeout_at(until, finished(&order, &kept)).await;
        let finished = finished.ok().flatten();
        context.metrics.replayed();
        Admission::Kept {
            exchange,
            looked_up: finished.is_some(),
            answer: finished.unwrap_or(kept),
        }
    }

    fn submit_again(self) -> Admission {
        let Self {
            context,
            exchange,
            order,
            ..
        } = self;
        let identity = order.identity;
        let name = context
            .hash_key
            .fact(identity.fingerprint, identity.credential);
        let mut table = context.table();
        // Another one of the same request may have been delivered meanwhile.
        let fact = table.facts.find(&name, context.clock.now());
        if fact.is_some_and(|fact| fact.exchange == exchange) {
            table.facts.remove(&name);
        }
        drop(table);
        context.admit(*order)
    }
}

/// The gateway's answer to the query for the transaction of `kept`, where it is that one's and its payer has
/// finished it.
async fn finished(order: &Order, kept: &Answer) -> Option<Answer> {
    let transaction = Found::of(&kept.body)?;
    let path = transaction_by_uid(order.gateway.profile, &transaction)?;
    let asked = order.gateway.client.read(order.credentials.get(path)).await;
    let answer: Answer = Arc::new(asked.ok()?.1);
    let is_finished = answer.status == StatusCode::OK
        && Found::of(&answer.body) == Some(transaction)
        && !awaits_payer(&answer);
    is_finished.then_some(answer)
}
