//! The flights over the real upstream client and the simulated gateway, with time in a test's hands.
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdline::drain::Drain;
use holdline::exchange::machine::{Doubt, Standing, State, Withdrawal};
use holdline::exchange::{
    self, Admission, Census, Credentials, FingerprintParts, Flight, Flights, HashKey, Held,
    Identity, Key, Order, Refusal, Submission, Told,
};
use holdline::listener::Presence;
use holdline::message::StoredResponse;
use holdline::polling::{self, Schedules};
use holdline::protocol::{BEGATEWAY, MatchFacts, Route};
use holdline::results::{self, Results};
use holdline::simulator::{Gateway, Latency, Ledger, Settings, Shop};
use holdline::timing::{Clock, Stamps};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::journal::Journal;
use super::life::Life;
use super::network::Network;
use super::process::{BOOTED, Start};

/// How long a request is held, unless a test says otherwise.
pub(crate) const HOLD: Duration = Duration::from_mins(5);

const PATH: PathAndQuery = PathAndQuery::from_static("/transactions/payments");

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) gateway: Settings,
    pub(crate) exchange: exchange::Config,
    pub(crate) polling: polling::Config,
    pub(crate) results: results::Config,
    pub(crate) seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        let shop = |id: &str, key: &str| Shop {
            id: id.to_owned(),
            key: key.to_owned(),
        };
        Self {
            gateway: Settings {
                shops: vec![shop("1", "one"), shop("2", "two"), shop("1", "other")],
                latency: Latency::Fixed(Duration::from_millis(1500)),
                epoch: Some(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)),
                // Its own filter would hide a second charge.
                duplicate_window: Duration::ZERO,
                ..Settings::default()
            },
            exchange: exchange::Config::default(),
            polling: polling::Config::default(),
            results: results::Config::default(),
            seed: 0,
        }
    }
}

/// One holdline with its gateway.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) gateway: Gateway,
    pub(crate) network: Network,
    pub(crate) journal: Journal,
    pub(crate) flights: Flights,
    pub(crate) metrics: exchange::Metrics,
    pub(crate) schedules: Schedules,
    pub(crate) drain: Drain,
    pub(crate) results: Arc<Results>,
    pub(crate) life: Life,
    pub(super) start: Start,
    pub(super) upstream: Arc<exchange::Gateway>,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// `id:secret`.
    pub(crate) shop: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) hold: Duration,
    pub(crate) barred: Option<Refusal>,
}

impl Ask {
    /// A payment of shop 1 whose description holds these words.
    pub(crate) fn payment(words: &str) -> Self {
        Self::of("order-7", 100, words, |_| ())
    }

    pub(crate) fn of(
        tracking_id: &str,
        amount: u64,
        words: &str,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let mut request = json!({
            "amount": amount,
            "currency": "USD",
            "description": words,
            "tracking_id": tracking_id,
            "credit_card": {"number": "4200000000000000", "holder": "Zoë Ünal"},
        });
        change(&mut request);
        Self {
            shop: "1:one".to_owned(),
            key: None,
            body: json!({"request": request}).to_string().into(),
            hold: HOLD,
            barred: None,
        }
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    pub(crate) fn by(self, shop: &str) -> Self {
        Self {
            shop: shop.to_owned(),
            ..self
        }
    }

    pub(crate) fn held_for(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// The value of its `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(&self.shop))
    }
}

/// What a client is told.
#[derive(Clone)]
pub(crate) enum Reply {
    Answer(Answered),
    Refused(Arc<StoredResponse>),
    NotSubmitted(Withdrawal),
    InDoubt(Doubt),
    InProgress,
    Expired,
    Spent,
    Unread,
    OtherSecret,
    NotAdmitted(Refusal),
}

/// An answer, and where it is to be acknowledged.
#[derive(Clone)]
pub(crate) struct Answered {
    pub(crate) answer: Arc<StoredResponse>,
    pub(crate) replayed: bool,
    receipt: Option<(Arc<Flight>, u64)>,
}

impl Answered {
    pub(crate) fn settle(&self, delivered: bool) {
        if let Some((flight, waiter)) = &self.receipt {
            flight.settle(*waiter, delivered);
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.answer.body).unwrap()
    }

    pub(crate) fn uid(&self) -> String {
        let uid = self.json()["transaction"]["uid"]
            .as_str()
            .map(str::to_owned);
        uid.unwrap_or_else(|| panic!("no transaction: {:?}", self.answer.body))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = |answer: &StoredResponse| String::from_utf8_lossy(&answer.body).into_owned();
        match self {
            Self::Answer(it) => write!(formatter, "Answer({})", body(&it.answer)),
            Self::Refused(it) => write!(formatter, "Refused({})", body(it)),
            Self::NotSubmitted(why) => write!(formatter, "NotSubmitted({why:?})"),
            Self::InDoubt(doubt) => write!(formatter, "InDoubt({doubt:?})"),
            Self::NotAdmitted(why) => write!(formatter, "NotAdmitted({why:?})"),
            Self::InProgress => formatter.write_str("InProgress"),
            Self::Expired => formatter.write_str("Expired"),
            Self::Spent => formatter.write_str("Spent"),
            Self::Unread => formatter.write_str("Unread"),
            Self::OtherSecret => formatter.write_str("OtherSecret"),
        }
    }
}

impl Reply {
    pub(crate) fn answer(self) -> Answered {
        match self {
            Self::Answer(answered) => answered,
            other => panic!("no answer but {other:?}"),
        }
    }

    pub(crate) fn doubt(&self) -> Doubt {
        match self {
            Self::InDoubt(doubt) => *doubt,
            other => panic!("no doubt but {other:?}"),
        }
    }
}

impl World {
    pub(crate) fn calm() -> Self {
        Self::new(&Setting::default())
    }

    pub(crate) fn new(setting: &Setting) -> Self {
        fastrand::seed(setting.seed);
        let clock = Clock::start();
        let gateway = Gateway::new(setting.gateway.clone(), clock);
        let network = Network::new(gateway.clone(), clock);
        let start = Start {
            life: Life::quiet(clock),
            journal: Journal::new(clock),
            // The same in every run.
            hash_key: HashKey::from(std::array::from_fn(|count| count.to_le_bytes()[0])),
            stamps: Stamps::new(clock, BOOTED),
            origin: "http://gateway.test",
        };
        Self::start(setting, clock, gateway, network, start)
    }

    /// The request as the proxy makes it.
    pub(crate) fn order(&self, ask: &Ask) -> Order {
        let Route::Converted(conversion) = BEGATEWAY.route(&http::Method::POST, PATH.path()) else {
            panic!("a payment converts");
        };
        let mut fields = HeaderMap::new();
        let authorization = HeaderValue::try_from(ask.authorization()).unwrap();
        fields.insert(AUTHORIZATION, authorization.clone());
        let random = || format!("{:032x}", fastrand::u128(..));
        let key = ask.key.clone().unwrap_or_else(random);
        let value = HeaderValue::try_from(key).unwrap();
        fields.insert(BEGATEWAY.key_field.clone(), value.clone());
        let credentials = Credentials::of(&fields, &BEGATEWAY.shape_fields).unwrap();
        let hash_key = self.flights.hash_key();
        let (id, _) = ask.shop.split_once(':').unwrap();
        let owner = hash_key.owner("sim", id.as_bytes());
        let fingerprint = hash_key.fingerprint(FingerprintParts {
            owner,
            method: b"POST",
            path: PATH.as_str().as_bytes(),
            shape: &credentials.shape(),
            key: ask.key.as_ref().map(String::as_bytes),
            body: &ask.body,
        });
        let read_at = self.clock.now();
        Order {
            gateway: Arc::clone(&self.upstream),
            conversion,
            identity: Identity {
                owner,
                credential: hash_key.credential("sim", authorization.as_bytes()),
                fingerprint,
            },
            key: Key {
                value,
                explicit: ask.key.is_some(),
            },
            facts: MatchFacts::of(conversion, &ask.body),
            submission: Box::new(Submission {
                path: BEGATEWAY.async_path(&PATH).unwrap(),
                fields,
                body: ask.body.clone(),
            }),
            credentials: Box::new(credentials),
            read_at,
            reading: Duration::ZERO,
            hold_until: read_at + ask.hold,
            client: Presence::default(),
            barred: ask.barred,
        }
    }

    /// Asks, and stays at the flight that takes the request.
    pub(crate) fn begin(&self, ask: &Ask) -> Held {
        match self.flights.request(self.order(ask)) {
            Admission::Held(held) => held,
            other => panic!("not held but {:?}", told_at_once(&other)),
        }
    }

    /// Asks, and waits as the proxy does until the client is told something.
    pub(crate) async fn pay(&self, ask: &Ask) -> Reply {
        self.pay_and(ask, |_| ()).await
    }

    /// The same; `seen` sees each flight that takes the request.
    pub(crate) async fn pay_and(&self, ask: &Ask, mut seen: impl FnMut(&Held)) -> Reply {
        let mut order = self.order(ask);
        let until = self.clock.instant(order.hold_until);
        loop {
            let mut held = match self.flights.request(order).opened().await {
                Admission::Held(held) => held,
                other => return told_at_once(&other),
            };
            seen(&held);
            let again = held.again.take();
            let told = if ask.barred == Some(Refusal::Held) {
                Told::AsItStands
            } else {
                let told = timeout_at(until, &mut held.told).await;
                told.map_or(Told::AsItStands, |told| {
                    told.unwrap_or(Told::InDoubt(Doubt::Driver))
                })
            };
            match (told, again) {
                (Told::Renew, Some(again)) => order = *again,
                (told, _) => return reply(&held, told),
            }
        }
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// The process begins to stop, and has so long for it.
    pub(crate) fn stops_within(&self, span: Duration) {
        self.drain.begin();
        self.flights.begin_drain(self.clock.now() + span);
    }

    /// What the exchanges' metrics say now: the value of this series, without what comes behind the point;
    /// 0 where there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        self.flights.observe();
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let found = lines.find(|(name, _)| *name == series);
        let whole = found.and_then(|(_, value)| value.split('.').next());
        whole.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.gateway.ledger()
    }

    /// Asserts that nothing is left of any exchange, once what was told has been done.
    pub(crate) async fn is_empty(&self) {
        self.pass(Duration::from_secs(1)).await;
        assert_eq!(self.flights.census(), Census::default());
        assert_eq!(self.results.pins(), 0, "answers that wait for nobody");
        assert_eq!(self.drain.tasks(), 0, "tasks of no flight");
    }
}

/// What a waiter of `held` is told, as the proxy puts it.
pub(crate) fn reply(held: &Held, told: Told) -> Reply {
    match told {
        Told::Answer { answer, replayed } => Reply::Answer(Answered {
            answer,
            replayed,
            receipt: Some((Arc::clone(&held.flight), held.waiter)),
        }),
        Told::Refused(answer) => Reply::Refused(answer),
        Told::NotSubmitted { why, .. } => Reply::NotSubmitted(why),
        Told::InDoubt(doubt) => Reply::InDoubt(doubt),
        Told::Expired => Reply::Expired,
        Told::AsItStands | Told::Renew => match held.flight.standing() {
            (Standing::InProgress, _) => Reply::InProgress,
            (Standing::InDoubt, doubt) => Reply::InDoubt(doubt.unwrap_or(Doubt::Driver)),
        },
    }
}

fn told_at_once(admission: &Admission) -> Reply {
    match admission {
        Admission::Held(held) => panic!("held by {}", held.flight.id()),
        Admission::Stored(stored) => panic!("on disk: {}", stored.exchange()),
        Admission::Unfinished(it) => panic!("not asked for: {}", it.exchange()),
        Admission::Kept {
            answer, looked_up, ..
        } => Reply::Answer(Answered {
            answer: Arc::clone(answer),
            replayed: !looked_up,
            receipt: None,
        }),
        Admission::Spent { .. } => Reply::Spent,
        Admission::Unread { .. } => Reply::Unread,
        Admission::OtherSecret => Reply::OtherSecret,
        Admission::Refused(refusal) => Reply::NotAdmitted(*refusal),
    }
}

/// Waits until the flight awaits `state`; fails after a quarter of an hour.
pub(crate) async fn until(flight: &Flight, state: State) {
    for _ in 0..15 * 60 * 100 {
        if flight.state() == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it awaits {:?}, not {state:?}", flight.state());
}
