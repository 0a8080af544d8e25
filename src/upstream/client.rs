//! The calls to one gateway's origin.
use std::mem::take;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, header};

use super::answer::{self, AnswerBody, Channel};
use super::http1::{Http1, Unanswered};
use super::http2::Stream;
use super::lean::{self, Asked, Lean};
use super::outage::Outage;
use super::pool::{Lease, Pool, Pooled};
use super::reply::Reply;
use super::tls::Purpose;
use super::way::{Choice, Passage, Times, Way};
use super::{Cause, Config, Connection, Connector, Error, Metrics, Origin, Sent, framing};
use crate::drain::Drain;
use crate::live::{Bound, Live};
use crate::message::{Body, StoredResponse};
use crate::timing::{Clock, Moment};

/// Calls to one origin. Clones share its connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(super) struct Inner {
    pub(super) origin: Arc<Origin>,
    pub(super) connector: Live<Connector>,
    pub(super) config: Live<Config>,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    pub(super) metrics: Metrics,
    pub(super) pool: Arc<Pool>,
    /// Turns of relayed requests: requests that nobody vouches for can take neither the answers of
    /// payments with them nor those of reads.
    relays: Bound,
    /// Turns of reads.
    reads: Bound,
    /// Turns of searches. A quarter of four and more pooled connections is left to polls.
    searches: Bound,
    /// Turns of polls that no client waits for, or that may hang for long.
    unattended: Bound,
    pub(super) outage: Arc<Outage>,
    /// Held while a connection is made that may turn out to be a shared one, so that a burst of
    /// requests makes one and not many.
    pub(super) opening: tokio::sync::Mutex<()>,
}

/// The time for an answer is over.
struct Elapsed;

/// What a request that a lean connection can carry went on.
enum Carried<C> {
    Lean(Lease<C>, Asked),
    /// It was not sent yet.
    Shared(Stream),
}

impl Client {
    /// Calls to `origin`; nothing is connected yet.
    pub fn new(
        origin: Origin,
        connector: Connector,
        config: Config,
        clock: Clock,
        drain: Drain,
        metrics: Metrics,
    ) -> Self {
        let [relays, reads, searches] = [config.turns(); 3].map(Bound::new);
        let unattended = Bound::new(config.unattended());
        let config = Live::new(config);
        let pool = Pool::new(config.clone(), clock, drain.clone());
        let outage = Outage::new(
            origin.authority().to_string(),
            config.clone(),
            clock,
            metrics.clone(),
        );
        Self(Arc::new(Inner {
            origin: Arc::new(origin),
            connector: Live::new(connector),
            config,
            clock,
            drain,
            metrics,
            pool,
            relays,
            reads,
            searches,
            unattended,
            outage,
            opening: tokio::sync::Mutex::default(),
        }))
    }

    /// Puts other bounds and another way of connecting in force. Calls under way keep theirs; no
    /// connection of before carries another one, since whom it trusts may be trusted no more. Without a
    /// connector the way of before stays.
    pub fn reconfigure(&self, config: Config, connector: impl Into<Option<Connector>>) {
        self.0.pool.places().resize(config.connections);
        self.0.relays.resize(config.turns());
        self.0.reads.resize(config.turns());
        self.0.searches.resize(config.turns());
        self.0.unattended.resize(config.unattended());
        self.0.config.replace(config);
        if let Some(connector) = connector.into() {
            self.0.connector.replace(connector);
        }
        self.0.pool.renew();
    }

    /// The origin that is called, and no other.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// `upstream.answer_timeout`, as it is now: the time that a poll has at least.
    pub fn answer_timeout(&self) -> Duration {
        self.0.config.now().answer_timeout
    }

    /// Whether one more payment should try to connect: while the gateway accepts no connections only
    /// one does now and then, which finds out. If not, why the last attempt failed.
    pub fn may_try(&self) -> Result<(), Cause> {
        self.0.outage.may_try()
    }

    /// Makes a connection for one submit, until `deadline` if there is one. Nothing of a request is
    /// sent; every error says [`Sent::Never`].
    pub fn connect(
        &self,
        deadline: Option<Moment>,
    ) -> BoxFuture<'static, Result<Connection, Error>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let connection = inner.submit_connection(deadline).await;
            connection.inspect_err(|error| inner.metrics.failed(error))
        })
    }

    /// Sends a poll and returns its whole answer, all within
    /// `upstream.answer_timeout`. What has no connection by half of that does not leave, and is sent again only
    /// where nothing of it had: an answer that may be read once could be spent by the first.
    pub fn fetch(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<StoredResponse, Error>> {
        self.fetch_after(0, request)
    }

    /// Sends a poll as [`fetch`](Self::fetch) does, and waits for its answer as long as [`Config::patience`]
    /// says where so many polls of the same task were given up.
    pub fn fetch_after(
        &self,
        given_up: u32,
        mut request: Request<Body>,
    ) -> BoxFuture<'static, Result<StoredResponse, Error>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let times = inner.times_of_poll(given_up);
            inner.counted(&mut request, times).await
        })
    }

    /// Sends a read and returns its whole answer, as [`fetch`](Self::fetch) does, with the moment at which it
    /// was sent. Reads have turns of their own: however many come, there are connections for the polls of
    /// payments, and however many requests are relayed, for reads.
    pub fn read(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<(Moment, StoredResponse), Error>> {
        self.in_turn(|inner| &inner.reads, 0, request)
    }

    /// Sends a question of a search and returns its whole answer, as [`read`](Self::read) does. Many submits
    /// may be lost at once, so searches have turns of their own too.
    pub fn search(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<(Moment, StoredResponse), Error>> {
        self.in_turn(|inner| &inner.searches, 0, request)
    }

    /// Sends a poll that no client waits for, or whose task let one be given up, and returns its whole answer,
    /// as [`fetch_after`](Self::fetch_after)
    /// does. Many of them may hang while the gateway answers others, so they have turns of their own too.
    pub fn fetch_unattended_after(
        &self,
        given_up: u32,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<StoredResponse, Error>> {
        let answered = self.in_turn(|inner| &inner.unattended, given_up, request);
        Box::pin(answered.map_ok(|(_, answer)| answer))
    }

    fn in_turn(
        &self,
        turns: fn(&Inner) -> &Bound,
        given_up: u32,
        mut request: Request<Body>,
    ) -> BoxFuture<'static, Result<(Moment, StoredResponse), Error>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let times = inner.times_of_poll(given_up);
            let turn = inner.free(turns(&inner), times.leaves_by).await;
            let _turn = turn.inspect_err(|error| inner.metrics.failed(error))?;
            let sent = inner.clock.now();
            let answer = inner.counted(&mut request, times).await?;
            Ok((sent, answer))
        })
    }

    /// Passes a request on and returns its answer as soon as the fields came, within `timeout`. Both
    /// bodies stream, at once if need be. Its turn is waited for no longer than for a connection: who has
    /// one may keep it. [`Sent::Never`] in an error is exact.
    pub fn relay(
        &self,
        mut request: Request<Body>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Response<Body>, Error>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let deadline = inner.clock.now() + timeout;
            let times = Times {
                leaves_by: deadline,
                ends: deadline,
            };
            let answer = inner.relay(&mut request, times).await;
            answer.inspect_err(|error| inner.metrics.failed(error))
        })
    }
}

impl Inner {
    async fn submit_connection(&self, deadline: Option<Moment>) -> Result<Connection, Error> {
        let connected = self.connected(Purpose::Submit, deadline).await?;
        let lean = Lean::open(connected, self.metrics.connected()).await?;
        Ok(Connection::new(
            lean,
            Arc::clone(&self.origin),
            self.metrics.clone(),
            self.config.now().max_answer,
        ))
    }

    /// The times of a request whose answer may be given only once, where so many before it were given up.
    fn times_of_poll(&self, given_up: u32) -> Times {
        let (now, config) = (self.clock.now(), self.config.now());
        Times {
            leaves_by: now + config.answer_timeout / 2,
            ends: now + config.patience(given_up),
        }
    }

    async fn counted(
        &self,
        request: &mut Request<Body>,
        times: Times,
    ) -> Result<StoredResponse, Error> {
        let start = self.clock.now();
        let answer = self.fetch(request, times).await;
        match &answer {
            Ok(_) => self.metrics.answered(self.clock.now().since(start)),
            Err(error) => self.metrics.failed(error),
        }
        answer
    }

    /// Takes `request` where a shared connection is its way. What few answers need is boxed: there is
    /// one of these for every poll.
    async fn fetch(
        &self,
        request: &mut Request<Body>,
        times: Times,
    ) -> Result<StoredResponse, Error> {
        if !lean::carries(request) {
            let way = Box::pin(self.way(Choice::Any, times.leaves_by)).await?;
            return Box::pin(self.fetch_by(way, take(request), times)).await;
        }
        let limit = self.config.now().max_answer;
        let carried = self.by_lean::<Lean>(request, limit, times).await?;
        let (mut lease, asked) = match carried {
            Carried::Lean(lease, asked) => (lease, asked),
            Carried::Shared(stream) => {
                let way = Way::Shared(stream);
                return Box::pin(self.fetch_by(way, take(request), times)).await;
            }
        };
        let lean = lease.connection();
        let mut answer = match asked {
            Asked::Whole(answer) => answer,
            Asked::Fields(reply) => {
                let status = reply.status();
                let rest = async { self.until(times.ends, pin!(lean.rest(reply))).await };
                let rest = Box::pin(rest).await;
                rest.unwrap_or_else(|Elapsed| Err(timed_out().within(status)))?
            }
        };
        lease.give_back();
        answer.fields.remove(header::CONTENT_LENGTH);
        Ok(answer)
    }

    /// Sends a small request on a lean connection and returns its answer's fields. It is sent once
    /// more where nothing of it had left.
    async fn by_lean<C: Pooled + AsMut<Lean>>(
        &self,
        request: &mut Request<Body>,
        limit: usize,
        times: Times,
    ) -> Result<Carried<C>, Error> {
        let mut choice = Choice::Any;
        loop {
            let mut lease = match self.way::<C>(choice, times.leaves_by).await? {
                Way::Leased(lease) => lease,
                Way::Shared(stream) => return Ok(Carried::Shared(stream)),
            };
            framing::for_http1(request, self.origin.host_field());
            self.in_time(times.leaves_by)?;
            let lean = lease.connection().as_mut();
            lean.prepare(request);
            let mut reply = Reply::new(limit);
            let asked = self.until(times.ends, pin!(lean.ask(&mut reply))).await;
            let Ok(asked) = asked else {
                let timed_out = Error::new(Cause::AnswerTimeout, lean.sent());
                return Err(timed_out.within(reply.status()));
            };
            match asked {
                Ok(whole) => {
                    let asked = whole.map_or(Asked::Fields(reply), Asked::Whole);
                    return Ok(Carried::Lean(lease, asked));
                }
                // The connection was lost before anything of the request had left.
                Err(Error {
                    cause: Cause::Terminated,
                    sent: Sent::Never,
                    ..
                }) if choice == Choice::Any => choice = Choice::Fresh,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request by way of hyper and reads its answer whole.
    async fn fetch_by(
        &self,
        way: Way<Http1>,
        request: Request<Body>,
        times: Times,
    ) -> Result<StoredResponse, Error> {
        let answer = self.call(way, request, times).await?;
        let status = Some(answer.status());
        let whole = answer::read_whole(answer, self.config.now().max_answer);
        let answer = self.until(times.ends, pin!(whole)).await;
        let answer = answer.unwrap_or_else(|Elapsed| Err(timed_out()));
        answer.map_err(|error| error.within(status))
    }

    /// Takes `request` where no lean connection carries it.
    async fn relay(
        self: &Arc<Self>,
        request: &mut Request<Body>,
        times: Times,
    ) -> Result<Response<Body>, Error> {
        let turn_by = times
            .leaves_by
            .min(self.clock.now() + self.config.now().answer_timeout);
        let passage = Passage {
            _turn: self.free(&self.relays, turn_by).await?,
            inner: Arc::clone(self),
        };
        let way = if lean::carries(request) {
            let carried = self.by_lean(request, usize::MAX, times);
            match carried.await? {
                Carried::Lean(lease, asked) => return Ok(lean::answer(lease, asked, passage)),
                Carried::Shared(stream) => Way::Shared(stream),
            }
        } else {
            self.way(Choice::Any, times.leaves_by).await?
        };
        let answer = Box::pin(self.call(way, take(request), times)).await?;
        Ok(answer.map(|body| Body::streamed(body.taking(passage))))
    }

    /// Sends a request by `way` and returns its answer's fields. A request that hyper
    /// gives back untouched is sent once more, on a fresh connection.
    async fn call(
        &self,
        way: Way<Http1>,
        request: Request<Body>,
        times: Times,
    ) -> Result<Response<AnswerBody>, Error> {
        let unanswered = match self.send(way, request, times).await {
            Ok(answer) => return Ok(answer),
            Err(unanswered) => unanswered,
        };
        let Some(request) = unanswered.request else {
            return Err(unanswered.error);
        };
        let way = self.way(Choice::Fresh, times.leaves_by).await?;
        let answer = self.send(way, *request, times).await;
        answer.map_err(|unanswered| unanswered.error)
    }

    async fn send(
        &self,
        way: Way<Http1>,
        request: Request<Body>,
        times: Times,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        self.in_time(times.leaves_by)?;
        match way {
            Way::Leased(lease) => self.send_http1(lease, request, times).await,
            Way::Shared(stream) => self.send_http2(stream, request, times).await,
        }
    }

    async fn send_http1(
        &self,
        mut lease: Lease<Http1>,
        mut request: Request<Body>,
        times: Times,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        framing::for_http1(&mut request, self.origin.host_field());
        let http1 = lease.connection();
        let Ok(fields) = self.until(times.ends, pin!(http1.send(request))).await else {
            return Err(Error::new(Cause::AnswerTimeout, http1.sent()).into());
        };
        let fields = fields?;
        Ok(answer::join(fields, Channel::Leased(lease))?)
    }

    async fn send_http2(
        &self,
        mut stream: Stream,
        mut request: Request<Body>,
        times: Times,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        framing::for_http2(&mut request, &self.origin);
        let fields = self.until(times.ends, pin!(stream.send(request))).await;
        let unanswered = match fields {
            Ok(Ok(fields)) => {
                return Ok(answer::join(fields, Channel::Shared { _stream: stream })?);
            }
            // One request's own failure says nothing of the connection.
            Ok(Err(unanswered)) if unanswered.request.is_none() => return Err(unanswered),
            Ok(Err(unanswered)) => unanswered,
            Err(Elapsed) => timed_out().into(),
        };
        // It takes no more (RFC 9113 §6.8), or is silent and may be dead without either end knowing.
        self.pool.retire(stream.connection());
        Err(unanswered)
    }

    /// Waits for an answer until `deadline`. The time for which the process stood still is given once more,
    /// as the answer may be one that is given once.
    async fn until<T>(
        &self,
        deadline: Moment,
        answer: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Elapsed> {
        let longest = self.config.now().answer_timeout;
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            () = self.clock.wait_out(deadline, longest) => Err(Elapsed),
        }
    }
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self {
            request: None,
            error,
        }
    }
}

/// A request was sent, and its answer did not come in time.
const fn timed_out() -> Error {
    Error::new(Cause::AnswerTimeout, Sent::Maybe)
}
