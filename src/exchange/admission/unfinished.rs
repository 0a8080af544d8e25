//! The repeat of a request whose transaction its payer had yet to finish (3-D Secure): it asks what has become
//! of that.
use std::sync::Arc;

use http::StatusCode;
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
        let Self {
            context,
            exchange,
            kept,
            order,
        } = self;
        let finished = if context.drain.is_draining() {
            None
        } else {
            let until = context.clock.instant(order.hold_until);
            let asked = tokio::time::timeout_at(until, finished(&order, &kept));
            asked.await.ok().flatten()
        };
        context.metrics.replayed();
        Admission::Kept {
            exchange,
            looked_up: finished.is_some(),
            answer: finished.unwrap_or(kept),
        }
    }
}

/// The gateway's answer to the query for the transaction of `kept`, where it is that one's and its payer has
/// finished it.
async fn finished(order: &Order, kept: &Answer) -> Option<Answer> {
    let profile = order.gateway.profile;
    let transaction = Found::of(&kept.body)?;
    let path = transaction_by_uid(profile, &transaction)?;
    let asked = order.gateway.client.read(order.credentials.get(path)).await;
    let answer: Answer = Arc::new(asked.ok()?.1);
    let told = transaction.told_in(&answer.body);
    let is_finished = told.is_some_and(|told| told.is_finished(profile));
    (is_finished && answer.status == StatusCode::OK).then_some(answer)
}

/// True if an answer tells of a transaction that the payer has yet to finish.
pub(super) fn awaits_payer(answer: &Answer) -> bool {
    Transaction::of(&answer.body).is_some_and(|transaction| transaction.awaits_payer())
}
