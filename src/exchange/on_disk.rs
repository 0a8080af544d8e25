//! Kept answers: in memory, or where they stand on disk, and how those are read and opened.
use std::sync::Arc;

use uuid::Uuid;

use super::context::Context;
use super::flights::{Answer, Flight};
use super::handle::Flights;
use super::recorder::ReadError;
use crate::journal::{AnswerKey, Place};
use crate::message::StoredResponse;
use crate::results::ResultKey;
use crate::timing::Moment;

/// Where a delivered answer stands on disk.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk {
    pub(super) exchange: Uuid,
    pub(super) result: ResultKey,
    pub(super) place: Place,
    pub(super) expires_at: Moment,
}

/// An answer to a task that is kept.
pub(super) enum Kept {
    Here(Answer),
    OnDisk(OnDisk),
}

/// Why an answer on disk is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The disk cannot be read now.
    Down,
    /// It was dropped.
    Gone,
    /// Its record is damaged, or its seal does not open.
    Broken,
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
    /// The answer that is kept there.
    pub(super) fn find_kept(&self, result: &ResultKey) -> Option<Kept> {
        let now = self.clock.now();
        let here = self.results.find(result, now).map(Kept::Here);
        here.or_else(|| self.table().remains.answer(result, now).map(Kept::OnDisk))
    }

    /// Keeps it that the newest answer to a flight's task, where it has one, is kept there.
    pub(super) fn keep_newest(&self, flight: &Flight, result: ResultKey) {
        let place = flight.core().place;
        if let Some(place) = place {
            let asked = self.hash_key.asked(flight.identity.credential, place.task);
            self.table().remains.keep_newest(asked, result);
        }
    }

    /// The answer at a place of an exchange.
    pub(super) async fn read(
        &self,
        exchange: Uuid,
        place: Place,
        key: &AnswerKey,
    ) -> Result<Answer, Unopened> {
        let sealed = match self.recorder.answer(place).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Err(Unopened::Gone),
            Err(ReadError::Down) => return Err(Unopened::Down),
            Err(ReadError::Damaged) => return Err(Unopened::Broken),
        };
        let opened = key.open(exchange, place, &sealed);
        let answer = opened.map_or(None, |clear| StoredResponse::decode(&clear).ok());
        let Some(answer) = answer else {
            tracing::error!(%exchange, "a kept answer does not open: it is lost");
            return Err(Unopened::Broken);
        };
        // Fields and body of its own: what was opened is erased as a whole.
        Ok(Arc::new(answer.copied()))
    }
}
