//! One process of holdline in simulated time: what it finds when it starts, and how it is built.
use std::sync::Arc;
use std::time::Duration;

use holdline::drain::Drain;
use holdline::exchange::machine::Policy;
use holdline::exchange::{self, Flights, HashKey, Parts, Past, Recovered};
use holdline::polling::{self, Backoff, Mark, Schedules, Took};
use holdline::protocol::BEGATEWAY;
use holdline::results::Results;
use holdline::simulator::Gateway;
use holdline::timing::{Ages, Boot, Clock, Stamp, Stamps};
use holdline::upstream::{self, Client};

use super::journal::Journal;
use super::life::Life;
use super::network::Network;
use super::world::{Setting, World};

/// What the system's clocks read when a world begins.
pub(crate) const BOOTED: Stamp = Stamp {
    wall: 1_800_000_000_000,
    since_boot: 60_000,
    boot: 1,
};

/// What a process finds when it starts.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) life: Life,
    pub(crate) journal: Journal,
    pub(crate) hash_key: HashKey,
    pub(crate) stamps: Stamps,
    pub(crate) origin: &'static str,
}

impl World {
    /// A process that begins to live between a gateway and a disk that were there before.
    pub(crate) fn start(
        setting: &Setting,
        clock: Clock,
        gateway: Gateway,
        network: Network,
        start: Start,
    ) -> Self {
        let drain = Drain::new();
        let results = Arc::new(Results::new(setting.results.clone()));
        let client = client(&network, &start, start.origin, clock);
        let schedules = schedules(setting);
        let metrics = exchange::Metrics::default();
        let flights = flights(
            setting, clock, &drain, &start, &results, &schedules, &metrics,
        );
        Self {
            clock,
            metrics,
            network,
            journal: start.journal.clone(),
            drain,
            results,
            life: start.life.clone(),
            flights,
            schedules,
            start,
            upstream: Arc::new(exchange::Gateway {
                name: "sim".into(),
                profile: &BEGATEWAY,
                client,
            }),
            gateway,
        }
    }

    /// The same world with a map of flights that knows of none.
    pub(crate) fn reopened(&self, setting: &Setting) -> Self {
        let schedules = schedules(setting);
        let flights = flights(
            setting,
            self.clock,
            &self.drain,
            &self.start,
            &self.results,
            &schedules,
            &self.metrics,
        );
        Self {
            flights,
            schedules,
            ..self.clone()
        }
    }

    /// The next process, after this one was killed: it knows what the journal remembers. What this
    /// one left under way is over, as its drain has stopped.
    pub(crate) fn restarted(&self, setting: &Setting) -> (Self, Recovered) {
        self.restarted_with(setting, &[Arc::clone(&self.upstream)])
    }

    /// The same after a reboot, with a time of day that is ahead of the one before.
    pub(crate) fn rebooted(&self, ahead: Duration) -> (Self, Recovered) {
        self.rebooted_at(self.time_of_day() + ahead)
    }

    /// The time of day that it has, since 1970.
    pub(crate) fn time_of_day(&self) -> Duration {
        Duration::from_millis(self.start.stamps.now().wall)
    }

    /// The same with this time of day.
    pub(crate) fn rebooted_at(&self, time_of_day: Duration) -> (Self, Recovered) {
        let passed = self.start.stamps.now();
        let booted = Stamp {
            wall: u64::try_from(time_of_day.as_millis()).unwrap(),
            boot: passed.boot + 1,
            ..passed
        };
        let mut next = self.clone();
        next.start.stamps = Stamps::new(self.clock, booted);
        next.restarted(&Setting::default())
    }

    /// The same with other gateways.
    pub(crate) fn restarted_with(
        &self,
        setting: &Setting,
        gateways: &[Arc<exchange::Gateway>],
    ) -> (Self, Recovered) {
        let dead = self.flights.stop(|_| true);
        assert!(dead.len() <= self.flights.census().flights);
        let results = Arc::new(Results::new(setting.results.clone()));
        let drain = Drain::new();
        let schedules = schedules(setting);
        let metrics = exchange::Metrics::default();
        let flights = flights(
            setting,
            self.clock,
            &drain,
            &self.start,
            &results,
            &schedules,
            &metrics,
        );
        let retention = setting.results.retention;
        let origins = gateways.iter().map(origin_of);
        let hash_key = flights.hash_key().clone();
        let remembered = self.journal.remembered();
        let ends = remembered.first().zip(remembered.last());
        let boot = ends.map(|(first, last)| Boot {
            first: first.submitted,
            last: last.submitted,
        });
        let ages = Ages::new(self.start.stamps, boot.into_iter().collect());
        let mut past = Past::new(hash_key, ages, retention, origins);
        for exchange in remembered {
            past.take(exchange);
        }
        let recovered = flights.recover(past, gateways);
        let world = Self {
            flights,
            metrics,
            schedules,
            drain,
            results,
            ..self.clone()
        };
        (world, recovered)
    }

    /// Another `upstream.answer_timeout`, in the middle of what runs.
    pub(crate) fn polls_may_take(&self, answer_timeout: Duration) {
        self.calls_as(upstream::Config {
            answer_timeout,
            ..upstream::Config::default()
        });
    }

    /// Another `[upstream]`, in the middle of what runs.
    pub(crate) fn calls_as(&self, config: upstream::Config) {
        let connector = self.network.connector(&self.life);
        self.upstream.client.reconfigure(config, connector);
    }

    /// Another `submit.resubmits`, in the middle of what runs.
    pub(crate) fn submits_may_be_repeated(&self, times: u32) {
        let mut setting = Setting::default();
        setting.exchange.resubmits = times;
        let policy = policy(&setting);
        self.flights.reconfigure(setting.exchange, policy);
    }

    /// The same process before a gateway that was restarted: it has forgotten everything, and its ids come
    /// again.
    pub(crate) fn with_the_gateway_anew(&self) -> Self {
        let gateway = Gateway::new(Setting::default().gateway, self.clock);
        let mut next = Self {
            network: Network::new(gateway.clone(), self.clock),
            gateway,
            ..self.clone()
        };
        next.upstream = next.gateway_at("sim", self.start.origin);
        next
    }

    /// The gateway under another name or at another origin.
    pub(crate) fn gateway_at(&self, name: &str, origin: &str) -> Arc<exchange::Gateway> {
        Arc::new(exchange::Gateway {
            name: name.into(),
            profile: &BEGATEWAY,
            client: client(&self.network, &self.start, origin, self.clock),
        })
    }
}

/// A gateway's name, and where it is.
fn origin_of(gateway: &Arc<exchange::Gateway>) -> (Box<str>, upstream::Origin) {
    (gateway.name.clone(), gateway.client.origin().clone())
}

fn client(network: &Network, start: &Start, origin: &str, clock: Clock) -> Client {
    Client::new(
        origin.parse().unwrap(),
        network.connector(&start.life),
        upstream::Config::default(),
        clock,
        Drain::new(),
        upstream::Metrics::default(),
    )
}

fn flights(
    setting: &Setting,
    clock: Clock,
    drain: &Drain,
    start: &Start,
    results: &Arc<Results>,
    schedules: &Schedules,
    metrics: &exchange::Metrics,
) -> Flights {
    Flights::new(Parts {
        policy: policy(setting),
        config: setting.exchange.clone(),
        hash_key: start.hash_key.clone(),
        clock,
        stamps: start.stamps,
        drain: drain.clone(),
        recorder: Arc::new(start.journal.clone()),
        results: Arc::clone(results),
        metrics: metrics.clone(),
        schedules: schedules.clone(),
    })
}

fn policy(setting: &Setting) -> Policy {
    let (exchange, polling) = (&setting.exchange, &setting.polling);
    Policy {
        submit_start: exchange.submit_start,
        submit_timeout: exchange.submit_timeout,
        resubmits: exchange.resubmits,
        unknown_grace: polling.unknown_grace,
        retention: setting.results.retention,
        reclaim: exchange.reclaim,
        backoff: Backoff::new(polling),
        durable: true,
    }
}

/// The schedules, where they learn, of a process that has seen forty tasks of about two seconds.
fn schedules(setting: &Setting) -> Schedules {
    let hold = Duration::from_mins(5);
    let schedules = Schedules::new(setting.polling.clone(), hold, polling::Metrics::default());
    for number in 0..40 {
        let after = Duration::from_millis(1_000 + 50 * number);
        let by = Some(after + Duration::from_millis(400));
        let took = Took {
            after,
            by,
            pending: 3,
            mark: Mark::NONE,
        };
        schedules.learn("sim", "payments", took);
    }
    schedules
}
