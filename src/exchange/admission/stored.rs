//! The repeat of a request whose exchange has ended, where only the journal still has its answer.
use std::sync::Arc;

use uuid::Uuid;

use super::Admission;
use crate::exchange::context::Context;
use crate::exchange::on_disk::{OnDisk, Unopened};
use crate::exchange::order::Order;

/// A request whose exchange has ended, and whose answer is on disk.
pub struct Stored {
    context: Arc<Context>,
    on_disk: OnDisk,
    order: Box<Order>,
}

impl Stored {
    pub(in crate::exchange) fn new(context: Arc<Context>, on_disk: OnDisk, order: Order) -> Self {
        Self {
            context,
            on_disk,
            order: Box::new(order),
        }
    }

    /// The ended exchange.
    pub const fn exchange(&self) -> Uuid {
        self.on_disk.exchange
    }

    /// Reads the answer, and says what becomes of the request: it is given the answer, or told that it
    /// is gone or cannot be read now.
    pub async fn open(self) -> Admission {
        let Self {
            context,
            on_disk,
            order,
        } = self;
        let exchange = on_disk.exchange;
        let key = order
            .credentials
            .answer_key(&context.hash_key, &order.gateway.name);
        let answer = match context.read(exchange, on_disk.place, &key).await {
            Ok(answer) => answer,
            Err(Unopened::Down) => return Admission::Unread { exchange },
            Err(Unopened::Gone | Unopened::Broken) => return Admission::Spent { exchange },
        };
        let expires_at = on_disk.expires_at;
        context.results.restore(on_disk.result, &answer, expires_at);
        context.kept(exchange, answer, order)
    }
}

impl Admission {
    /// The same, once what is on disk was read, and what had become of an unfinished transaction.
    pub async fn opened(self) -> Self {
        let mut admission = self;
        loop {
            admission = match admission {
                Self::Stored(stored) => stored.open().await,
                Self::Unfinished(unfinished) => unfinished.resolve().await,
                opened => return opened,
            };
        }
    }
}
