//! The seam to the journal: where an exchange's records go before its next step.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use super::machine::Record;
use crate::message::StoredResponse;

/// A record on its way to the disk.
pub type Appending = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>;

/// A record could not be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to make a record durable")]
pub struct RecordError;

/// Takes the records of every exchange, in order.
pub trait Recorder: Send + Sync {
    /// Appends a record of `exchange`; `None` when it is already as durable as it will be.
    fn append(&self, exchange: Uuid, record: &Record<Arc<StoredResponse>>) -> Option<Appending>;

    /// True if records outlive the process.
    fn is_durable(&self) -> bool;
}

/// Memory alone: the records live and die with the process that has their effects in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Recorder for InMemory {
    fn append(&self, _: Uuid, _: &Record<Arc<StoredResponse>>) -> Option<Appending> {
        None
    }

    fn is_durable(&self) -> bool {
        false
    }
}
