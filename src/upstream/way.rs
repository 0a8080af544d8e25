//! What a request goes on that shares connections with others: a shared one, one that waits, or a new
//! one, and whose turn it is.
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::timeout_at;

use super::client::Inner;
use super::connector::Connected;
use super::http2::{Http2, Stream};
use super::pool::{Lease, Pooled};
use super::tls::Purpose;
use super::{Cause, Error, Sent};
use crate::live::{Bound, Permit};
use crate::timing::Moment;

/// Which connection a pooled request goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// One that waits, if one does.
    Any,
    /// A new one, unless a shared one is there.
    Fresh,
}

/// The time that a pooled request has.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// By then it has left, or does not leave: what is left of its time is its answer's.
    pub(super) leaves_by: Moment,
    /// Until then its answer is waited for.
    pub(super) ends: Moment,
}

/// What a pooled request is sent on.
pub(super) enum Way<C> {
    Leased(Lease<C>),
    Shared(Stream),
}

/// What a relayed answer has for as long as it comes: its turn, and where its failure is counted.
pub(super) struct Passage {
    pub(super) inner: Arc<Inner>,
    pub(super) _turn: Permit,
}

impl Passage {
    /// The answer broke after its fields.
    pub(super) fn broke(&self, error: &Error) {
        self.inner.metrics.failed(error);
        tracing::debug!(%error, "a relayed answer broke before its end");
    }
}

impl Inner {
    /// What a pooled request is sent on: a shared connection, one that waits, or a new one.
    pub(super) async fn way<C: Pooled>(
        &self,
        choice: Choice,
        deadline: Moment,
    ) -> Result<Way<C>, Error> {
        while let Some(http2) = self.pool.shared() {
            if let Some(stream) = Box::pin(self.stream(http2, deadline)).await? {
                return Ok(Way::Shared(stream));
            }
        }
        let permit = self.free(self.pool.places(), deadline).await?;
        if let Some((connection, generation)) = self.waiting(choice) {
            return Ok(self.leased(connection, generation, permit));
        }
        if !self.origin.is_tls() || self.pool.speaks_http1() {
            return Box::pin(self.open(permit, deadline)).await;
        }
        Box::pin(self.open_in_turn(choice, permit, deadline)).await
    }

    /// Opens a connection that may turn out to be a shared one, after those who were first.
    async fn open_in_turn<C: Pooled>(
        &self,
        choice: Choice,
        permit: Permit,
        deadline: Moment,
    ) -> Result<Way<C>, Error> {
        let patience = self.clock.instant(self.patience(deadline));
        let waited = timeout_at(patience, self.opening.lock()).await;
        let opening = waited.map_err(|_| {
            Error::new(Cause::ConnectTimeout, Sent::Never)
                .because("another connection was still being made")
        })?;
        // Who held the lock before may have made what is wanted here.
        if self.pool.shared().is_some() {
            drop((opening, permit));
            return Box::pin(self.way(choice, deadline)).await;
        }
        if let Some((connection, generation)) = self.waiting(choice) {
            return Ok(self.leased(connection, generation, permit));
        }
        self.open(permit, deadline).await
    }

    /// A part of a shared connection, as soon as its peer allows one more; `None` if it was given up meanwhile.
    async fn stream(&self, http2: Http2, deadline: Moment) -> Result<Option<Stream>, Error> {
        let permit = self.free(http2.places(), deadline).await?;
        Ok(self.pool.shares(&http2).then(|| http2.stream(permit)))
    }

    fn waiting<C: Pooled>(&self, choice: Choice) -> Option<(Box<C>, u32)> {
        match choice {
            Choice::Any => self.pool.take(),
            Choice::Fresh => None,
        }
    }

    pub(super) async fn free(&self, places: &Bound, deadline: Moment) -> Result<Permit, Error> {
        // Most often there is one.
        if let Some(permit) = places.take().now_or_never() {
            return Ok(permit);
        }
        Box::pin(self.becomes_free(places, deadline)).await
    }

    async fn becomes_free(&self, places: &Bound, deadline: Moment) -> Result<Permit, Error> {
        let permit = timeout_at(self.clock.instant(deadline), places.take())
            .await
            .map_err(|_| Error::new(Cause::Exhausted, Sent::Never))?;
        // A place that becomes free with the deadline is of no use any more.
        self.in_time(deadline)?;
        Ok(permit)
    }

    async fn open<C: Pooled>(&self, permit: Permit, deadline: Moment) -> Result<Way<C>, Error> {
        self.pool.make_room();
        let generation = self.pool.generation();
        let connected = self.connected(Purpose::Pooled, Some(deadline)).await?;
        let open = self.metrics.connected();
        if connected.is_http2 {
            let http2 =
                Http2::open(connected, open, self.config.now().turns(), &self.drain).await?;
            self.pool.share(&http2, generation);
            let permit = self.free(http2.places(), deadline).await?;
            return Ok(Way::Shared(http2.stream(permit)));
        }
        self.pool.note_http1();
        let connection = C::open(connected, open).await?;
        Ok(self.leased(connection, generation, permit))
    }

    fn leased<C: Pooled>(&self, connection: Box<C>, generation: u32, permit: Permit) -> Way<C> {
        let pool = Arc::clone(&self.pool);
        Way::Leased(Lease::new(connection, generation, pool, permit))
    }

    /// Makes a connection until `deadline`, if there is one, and no longer than it may take by itself.
    pub(super) async fn connected(
        &self,
        purpose: Purpose,
        deadline: Option<Moment>,
    ) -> Result<Connected, Error> {
        let (connector, config) = (self.connector.now(), self.config.now());
        let attempt = self.outage.attempt();
        let connected = connector
            .connect(&self.origin, purpose, &config, &self.clock, deadline)
            .await;
        attempt.ended(&connected, deadline);
        connected
    }

    /// An error once `deadline` has passed: a request without time left for its answer would be sent and let
    /// go, and with it an answer that may be read only once.
    pub(super) fn in_time(&self, deadline: Moment) -> Result<(), Error> {
        if self.clock.now() < deadline {
            Ok(())
        } else {
            Err(Error::new(Cause::Exhausted, Sent::Never))
        }
    }

    /// Until when another request's connecting is waited for.
    fn patience(&self, deadline: Moment) -> Moment {
        let config = self.config.now();
        let connecting = config.connect_timeout + config.handshake_timeout;
        deadline.min(self.clock.now() + connecting)
    }
}
