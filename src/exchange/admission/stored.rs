//! Answers that only the journal still has: read from the disk, and opened with the credentials of
//! whoever asks.
use std::sync::Arc;

use uuid::Uuid;

use super::Admission;
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Flights};
use crate::exchange::order::Order;
use crate::exchange::recorder::ReadError;
use crate::journal::{AnswerKey, Place};
use crate::message::StoredResponse;
use crate::results::ResultKey;
use crate::timing::Moment;

/// Where a delivered answer stands on disk.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk {
    pub(in crate::exchange) exchange: Uuid,
    pub(in crate::exchange) result: ResultKey,
    pub(in crate::exchange) place: Place,
    pub(in crate::exchange) expires_at: Moment,
}

/// Why an answer on disk is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Unread {
    /// The disk cannot be read now.
    Down,
    /// It was dropped.
    Gone,
    /// Its record is damaged, or its seal does not open.
    Broken,
}

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
            Err(Unread::Down) => return Admission::Unread { exchange },
            Err(Unread::Gone | Unread::Broken) => return Admission::Spent { exchange },
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

impl Flights {
    /// Reads an answer that was found by its task, with the key of the credentials that ask for it;
    /// `None` where it is gone or cannot be read.
    pub async fn read(&self, on_disk: OnDisk, key: &AnswerKey) -> Option<Answer> {
        let read = self.0.read(on_disk.exchange, on_disk.place, key).await;
        read.ok()
    }
}

impl Context {
    /// The answer at a place of an exchange.
    pub(in crate::exchange) async fn read(
        &self,
        exchange: Uuid,
        place: Place,
        key: &AnswerKey,
    ) -> Result<Answer, Unread> {
        let sealed = match self.recorder.answer(place).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Err(Unread::Gone),
            Err(ReadError::Down) => return Err(Unread::Down),
            Err(ReadError::Damaged) => return Err(Unread::Broken),
        };
        let opened = key.open(exchange, place, &sealed);
        let answer = opened.map_or(None, |clear| StoredResponse::decode(&clear).ok());
        let Some(answer) = answer else {
            tracing::error!(%exchange, "a kept answer does not open: it is lost");
            return Err(Unread::Broken);
        };
        // Fields and body of its own: what was opened is erased as a whole.
        Ok(Arc::new(answer.copied()))
    }
}
