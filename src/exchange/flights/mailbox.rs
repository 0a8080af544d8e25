//! A flight's mailbox: unbounded, ordered, and a few bytes when empty. tokio's channel reserves a
//! block of 32 messages a receiver, which is more than everything else a held request costs.
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Messages for one reader.
#[derive(Debug)]
pub(in crate::exchange) struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
    reader: AtomicWaker,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            reader: AtomicWaker::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// Leaves a message and wakes the reader.
    pub(in crate::exchange) fn post(&self, message: T) {
        self.queue().push_back(message);
        self.reader.wake();
    }

    /// The next message, if one is there.
    pub(in crate::exchange) fn take(&self) -> Option<T> {
        self.queue().pop_front()
    }

    /// The next message, when there is one.
    pub(in crate::exchange) fn poll_next(&self, context: &mut Context<'_>) -> Poll<T> {
        if let Some(message) = self.take() {
            return Poll::Ready(message);
        }
        self.reader.register(context.waker());
        match self.take() {
            Some(message) => Poll::Ready(message),
            None => Poll::Pending,
        }
    }

    /// True if a message like this waits.
    pub(in crate::exchange) fn has(&self, is_sought: impl FnMut(&T) -> bool) -> bool {
        self.queue().iter().any(is_sought)
    }

    /// True if no message waits.
    pub(in crate::exchange) fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
