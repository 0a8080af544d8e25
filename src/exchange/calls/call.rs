//! A call under way, and the report in which it ends.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use uuid::Uuid;

use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Flight};
use crate::exchange::machine::Event;
use crate::exchange::on_disk::Unopened;
use crate::exchange::order::Credentials;
use crate::exchange::recorder::Appending;
use crate::upstream::{self, OpenSubmit};

/// A call under way.
pub(in crate::exchange) struct Call {
    pub(in crate::exchange) kind: CallKind,
    future: Pin<Box<dyn Future<Output = Report> + Send>>,
}

/// What a call is for; the machine may drop some, and never others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum CallKind {
    /// A connection for a submit; nothing of the submit has left.
    Connect,
    /// A submit whose answer is awaited.
    Submit,
    /// A poll.
    Poll,
    /// A lookup.
    Lookup,
    /// The reading of what an earlier process kept.
    Open,
}

/// How a call ended.
pub(in crate::exchange) enum Report {
    /// The submit's first byte left; its answer is next.
    HandedOver(Box<OpenSubmit>),
    /// No connection, and no byte left.
    ConnectFailed(Box<upstream::Error>),
    /// Something for the machine.
    Event(Event<Answer>),
    /// What an earlier process kept was read, or was not.
    Opened(Result<Answer, Unopened>),
}

impl Call {
    pub(super) fn new(
        kind: CallKind,
        future: impl Future<Output = Report> + Send + 'static,
    ) -> Self {
        Self {
            kind,
            future: Box::pin(future),
        }
    }
}

/// Drives every call; the report of the first that has ended, and takes it off the list.
pub(in crate::exchange) fn poll_any(
    calls: &mut Vec<Call>,
    context: &mut TaskContext<'_>,
) -> Option<Report> {
    let ended = calls.iter_mut().enumerate().find_map(|(index, call)| {
        match call.future.as_mut().poll(context) {
            Poll::Ready(report) => Some((index, report)),
            Poll::Pending => None,
        }
    });
    ended.map(|(index, report)| {
        drop(calls.swap_remove(index));
        report
    })
}

/// Sees to a record that the exchange does not wait for: it may be over before the disk is.
pub(in crate::exchange) async fn note(exchange: Uuid, appending: Appending) {
    if let Err(error) = appending.await {
        tracing::warn!(%exchange, %error, "a record that nobody waits for was not made");
    }
}

/// Reads what an earlier process kept, with the credentials of a repeat.
pub(in crate::exchange) fn open(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    step: u32,
    credentials: &Credentials,
) -> Call {
    let key = credentials.answer_key(&context.hash_key, flight.gateway_name());
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Open, async move {
        let read = context.read(flight.id, flight.place(step), &key);
        Report::Opened(read.await)
    })
}
