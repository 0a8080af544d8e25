//! What moves a connection besides hyper: its deadlines, its drain, and its failure.
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::line::Line;
use super::metrics::Counted;
use super::parking::{AnswerSlot, Delivery};
use super::scrutiny::Part;
use super::watch::Overdue;
use crate::drain::Reaching;
use crate::timing::{Moment, on_grid};

/// How long answers may take to leave once the drain is over, and their clients to give up over them.
pub const LAST_WRITES: Duration = Duration::from_secs(2);

/// Why hyper is left.
pub(super) enum End {
    /// hyper is done with the connection.
    Served(Result<(), hyper::Error>),
    /// The deadline passed.
    Overdue(Overdue),
    /// The connection is broken.
    Broken,
    /// The drain is over, and the last writes had their time.
    Stopped,
}

/// What else than hyper moves a connection.
pub(super) struct Attendant<'a, 'l, B> {
    pub(super) line: &'l Line,
    /// One timer for every deadline. It is moved forward only: one that goes off early costs a
    /// look, and moving it at every request would cost more.
    alarm: Pin<&'a mut Sleep>,
    armed: Option<Moment>,
    broken: Pin<&'a mut B>,
    parts: bool,
    /// The time to part, and then the drain's end.
    stop: Pin<&'a mut Reaching<'l>>,
    /// Once the drain is over: until when the last answers may be written.
    last: Option<Moment>,
    /// Set where it was there before the drain and is served as one that came late.
    late: Option<Counted>,
}

pub(super) enum Notice {
    Parting,
    Broken,
    Overdue(Overdue),
    Stopped,
    Elapsed,
}

impl Notice {
    /// The end that it means for the connection; `None` while the connection goes on.
    pub(super) const fn end(self) -> Option<End> {
        match self {
            Self::Parting => None,
            Self::Broken => Some(End::Broken),
            Self::Overdue(deadline) => Some(End::Overdue(deadline)),
            Self::Stopped | Self::Elapsed => Some(End::Stopped),
        }
    }
}

impl<'a, 'l, B> Attendant<'a, 'l, B> {
    /// Nothing is due and nothing is broken yet.
    pub(super) fn new(
        line: &'l Line,
        alarm: Pin<&'a mut Sleep>,
        broken: Pin<&'a mut B>,
        stop: Pin<&'a mut Reaching<'l>>,
    ) -> Self {
        Self {
            line,
            alarm,
            armed: None,
            broken,
            parts: false,
            stop,
            last: None,
            late: None,
        }
    }
}

impl<B: Future<Output = ()>> Attendant<'_, '_, B> {
    /// Settles what is decided; ready with what the connection has to know. `until` is a moment
    /// that the caller waits for besides.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        until: Option<Moment>,
    ) -> Poll<Notice> {
        let clock = self.line.terms().clock;
        loop {
            if self.line.is_broken() || self.broken.as_mut().poll(context).is_ready() {
                return Poll::Ready(Notice::Broken);
            }
            if self.last.is_none() && self.stop.as_mut().poll(context).is_ready() {
                if self.parts {
                    self.last = Some(clock.now() + LAST_WRITES);
                } else {
                    self.parts = true;
                    self.stop.set(self.line.terms().drain.ended());
                    return Poll::Ready(Notice::Parting);
                }
            }
            let now = clock.now();
            self.line.settle(self.last.is_some_and(|last| last <= now));
            if self.line.is_broken() {
                return Poll::Ready(Notice::Broken);
            }
            if let Some(deadline) = self.line.overdue(now) {
                return Poll::Ready(Notice::Overdue(deadline));
            }
            if self.last.is_some_and(|last| last <= now) {
                return Poll::Ready(Notice::Stopped);
            }
            if until.is_some_and(|until| until <= now) {
                return Poll::Ready(Notice::Elapsed);
            }
            let wake = [self.line.wake(), self.last, until]
                .into_iter()
                .flatten()
                .min();
            ready!(self.poll_alarm(context, wake));
        }
    }

    /// Who is about to ask when the drain begins has its answer first, as who comes later does. A
    /// connection may be closed at any time (RFC 9112 §9.5), but a client that hears nothing of its
    /// payment cannot know that nothing was submitted. Where the socket has no room hyper may hold the
    /// rest of an answer, and stays.
    pub(super) fn becomes_late(&mut self, part: Part) -> bool {
        let terms = self.line.terms();
        let has_written = !self.line.is_stalled();
        let becomes = has_written && !terms.drain.is_over() && self.line.is_about_to_ask(part);
        if becomes {
            self.parts = false;
            self.late = Some(terms.metrics.late());
        }
        becomes
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>, wake: Option<Moment>) -> Poll<()> {
        let wake = wake.map(on_grid);
        if let Some(wake) = wake
            && self.armed.is_none_or(|armed| wake < armed)
        {
            let instant = self.line.terms().clock.instant(wake);
            self.alarm.as_mut().reset(instant);
            self.armed = Some(wake);
        }
        if self.armed.is_none() {
            return Poll::Pending;
        }
        ready!(self.alarm.as_mut().poll(context));
        self.armed = None;
        Poll::Ready(())
    }

    /// Waits for a held request's answer, with no hyper.
    pub(super) async fn hold(&mut self, slot: &AnswerSlot) -> Result<Delivery, End> {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(answer) = slot.poll(context) {
                    return Poll::Ready(Ok(answer));
                }
                if let Some(end) = ready!(self.poll(context, None)).end() {
                    return Poll::Ready(Err(end));
                }
            }
        })
        .await
    }
}
