//! The machine that a process runs on: the process may be killed there at any moment and is started
//! again, while gateway, network, disk and clients live on.
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdline::drain::Drain;
use holdline::exchange::{HashKey, Held, Past};
use holdline::journal::{self, OpenError, Remembered};
use holdline::simulator::{Gateway, Ledger};
use holdline::timing::{Clock, Stamp, Stamps};

use super::disk::Mounted;
use super::intents::Intents;
use super::journal::Journal;
use super::life::{Chronicle, Death, Doom, Ending, Life, Step};
use super::network::Network;
use super::process::{BOOTED, Start};
use super::world::{Ask, Reply, Setting, World};
use crate::journal::disk::{self, SimulatedDisk};

/// How a process ends, and what comes then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    /// Before which step.
    pub(crate) doom: Doom,
    /// After so long at the latest.
    pub(crate) latest: Duration,
    pub(crate) death: Death,
    /// How long nothing runs.
    pub(crate) downtime: Duration,
}

/// A time in which the disk refuses what it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// After the outage before it, or the start.
    pub(crate) after: Duration,
    pub(crate) lasts: Duration,
    pub(crate) refusal: disk::Refusal,
}

/// How long a process that could not start waits until it tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// A machine. Clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Host(Rc<Inner>);

struct Inner {
    setting: Setting,
    clock: Clock,
    sites: [Site; 2],
    /// At which of them the gateway is, as the configuration has it.
    site: Cell<usize>,
    /// What is believed of an exchange that the journal remembers; false: it is forgotten.
    recall: Cell<Recall>,
    journal: Journal,
    disk: SimulatedDisk,
    running: RefCell<Option<Running>>,
    lives: RefCell<Vec<Life>>,
    refused: RefCell<Vec<String>>,
    is_out: Cell<bool>,
    intents: Intents,
}

/// A place where a gateway may be.
struct Site {
    origin: &'static str,
    gateway: Gateway,
    network: Network,
}

/// Changes what a process is told of an exchange that the journal remembers.
pub(crate) type Recall = fn(&mut Remembered) -> bool;

/// A process, and what ends with it.
struct Running {
    world: World,
    /// Where the task runs that writes the journal.
    _writer: Drain,
    /// What it found in the journal.
    found: Vec<Remembered>,
}

impl Host {
    /// A machine on which nothing runs yet.
    pub(crate) fn new(setting: &Setting) -> Self {
        fastrand::seed(setting.seed);
        let clock = Clock::start();
        let site = |origin| {
            let gateway = Gateway::new(setting.gateway.clone(), clock);
            Site {
                origin,
                network: Network::new(gateway.clone(), clock),
                gateway,
            }
        };
        Self(Rc::new(Inner {
            setting: setting.clone(),
            clock,
            sites: [site("http://gateway.test"), site("http://elsewhere.test")],
            site: Cell::new(0),
            recall: Cell::new(|_| true),
            journal: Journal::new(clock),
            disk: SimulatedDisk::default(),
            running: RefCell::default(),
            lives: RefCell::default(),
            refused: RefCell::default(),
            is_out: Cell::new(false),
            intents: Intents::default(),
        }))
    }

    /// Starts a process that ends as it is told.
    pub(crate) fn start(&self, doom: Doom, death: Death) -> Life {
        let inner = &self.0;
        let number = u32::try_from(inner.lives.borrow().len()).unwrap();
        let life = Life::new(inner.clock, number, doom, death);
        inner.lives.borrow_mut().push(life.clone());
        match self.boot(&life) {
            Ok(running) => drop(inner.running.replace(Some(running))),
            // It ended while it started.
            Err(_) if life.has_ended() => {}
            Err(error) => {
                if !inner.is_out.get() {
                    inner.refused.borrow_mut().push(error.to_string());
                }
                life.kill();
            }
        }
        life
    }

    fn boot(&self, life: &Life) -> Result<Running, OpenError> {
        let inner = &self.0;
        let stamps = Stamps::new(inner.clock, self.time());
        let mut remembered = Vec::new();
        let retention = inner.setting.results.retention;
        let claimed = journal::claim(journal::Parts {
            config: journal::Config::default(),
            retention: Some(retention),
            disk: Arc::new(Mounted::new(&inner.disk, life, self.seed(life))),
            clock: inner.clock,
            stamps,
            metrics: journal::Metrics::default(),
        })?;
        let hash_key = HashKey::from(claimed.hash_key());
        let at = inner.sites[inner.site.get()].origin;
        let origins = [("sim".into(), at.parse().unwrap())];
        let prepared = claimed.prepare()?;
        let ages = prepared.ages().clone();
        let mut past = Past::new(hash_key.clone(), ages, retention, origins);
        let opened = prepared.read(|mut exchange| {
            inner.journal.confirm(&exchange);
            if (inner.recall.get())(&mut exchange) {
                past.take(exchange.clone());
                remembered.push(exchange);
            }
        })?;
        let site = &inner.sites[inner.site.get()];
        let writer = Drain::new();
        writer.spawn(opened.writer.run());
        let recorder = Arc::new(opened.journal);
        let start = Start {
            life: life.clone(),
            journal: inner.journal.over(life, recorder),
            hash_key,
            stamps,
            origin: site.origin,
        };
        let (gateway, network) = (site.gateway.clone(), site.network.clone());
        let world = World::start(&inner.setting, inner.clock, gateway, network, start);
        let gateways = [Arc::clone(&world.upstream)];
        world.flights.recover(past, &gateways);
        Ok(Running {
            world,
            _writer: writer,
            found: remembered,
        })
    }

    /// What the system's clocks read: a machine that lost its power has booted again.
    fn time(&self) -> Stamp {
        let is_loss = |ending: &Ending| ending.death == Death::PowerLost;
        let boots = self.endings().into_iter().filter(is_loss).count();
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap();
        let passed = millis(self.0.clock.now().since_start());
        Stamp {
            wall: BOOTED.wall + passed,
            since_boot: BOOTED.since_boot + passed,
            boot: BOOTED.boot + boots as u64,
        }
    }

    /// Runs a process that nobody kills, after those that these crashes end.
    pub(crate) async fn run(&self, crashes: &[Crash]) {
        for crash in crashes {
            let life = self.start(crash.doom, crash.death);
            let _ = tokio::time::timeout(crash.latest, life.ended()).await;
            life.kill();
            self.bury();
            tokio::time::sleep(crash.downtime).await;
        }
        self.settle().await;
        std::future::pending::<()>().await;
    }

    /// Starts a process that nobody kills, as soon as the disk lets it.
    async fn settle(&self) {
        while self.running().is_none() {
            self.bury();
            if self.start(Doom::Never, Death::Killed).has_ended() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Has the disk refuse its service now and then.
    pub(crate) async fn storm(&self, outages: &[Outage]) {
        for outage in outages {
            tokio::time::sleep(outage.after).await;
            let disk = &self.0.disk;
            disk.refuses(disk.steps()..u64::MAX, outage.refusal);
            self.0.is_out.set(true);
            tokio::time::sleep(outage.lasts).await;
            disk.heals();
            self.0.is_out.set(false);
        }
    }

    /// A day later nothing is left of any exchange.
    pub(crate) async fn rest(&self) {
        self.0.disk.heals();
        self.0.is_out.set(false);
        let refused = self.refused().len();
        while self.running().is_none() {
            self.bury();
            self.start(Doom::Never, Death::Killed);
            assert_eq!(self.refused().len(), refused, "{:?}", self.refused());
        }
        let world = self.running().expect("it was started");
        world.pass(Duration::from_hours(25)).await;
        world.is_empty().await;
    }

    /// Every step of every process, in order.
    pub(crate) fn chronicle(&self) -> Chronicle {
        self.lives().iter().flat_map(Life::chronicle).collect()
    }

    /// Lets go of a process that has ended: its tasks end too, and reach nothing.
    pub(crate) fn bury(&self) {
        if let Some(Running { world, .. }) = self.0.running.take() {
            world.drain.end();
            world.flights.stop(|_| true);
        }
    }

    /// The process that runs, if one does.
    pub(crate) fn running(&self) -> Option<World> {
        let running = self.0.running.borrow();
        let world = running.as_ref().map(|running| running.world.clone());
        world.filter(|world| !world.life.has_ended())
    }

    /// Why processes did not start that should have.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.0.refused.borrow().clone()
    }

    /// The disk of the machine.
    pub(crate) fn disk(&self) -> &SimulatedDisk {
        &self.0.disk
    }

    /// What a loss of power in this life leaves.
    fn seed(&self, life: &Life) -> u64 {
        self.0
            .setting
            .seed
            .wrapping_mul(1_000)
            .wrapping_add(u64::from(life.number()))
    }

    /// Asks, and waits until the client is told something; `None` if no process was there, or it
    /// ended before it had told.
    pub(crate) async fn pay(&self, ask: &Ask) -> Option<Reply> {
        let world = self.running()?;
        self.pay_at(world, ask, |_| ()).await
    }

    /// The same of one process; `seen` sees each flight that takes the request.
    pub(crate) async fn pay_at(
        &self,
        world: World,
        ask: &Ask,
        seen: impl FnMut(&Held),
    ) -> Option<Reply> {
        let reply = tokio::select! {
            biased;
            () = world.life.ended() => return None,
            reply = world.pay_and(ask, seen) => reply,
        };
        world.life.step(Step::Tell).then_some(reply)
    }

    /// The process with a map of flights that knows of none.
    pub(crate) fn forgetful(&self, world: &World) -> World {
        world.reopened(&self.0.setting)
    }

    /// Every process that there was, the last one at the end.
    pub(crate) fn lives(&self) -> Vec<Life> {
        self.0.lives.borrow().clone()
    }

    /// How each process ended.
    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.lives().iter().filter_map(Life::ending).collect()
    }

    pub(crate) fn network(&self) -> &Network {
        &self.0.sites[0].network
    }

    /// From its next start on a process asks the other gateway.
    pub(crate) fn move_gateway(&self, site: usize) {
        self.0.site.set(site);
    }

    /// What the other gateway saw.
    pub(crate) fn elsewhere(&self) -> Ledger {
        self.0.sites[1].gateway.ledger()
    }

    /// From its next start on a process believes this of what the journal remembers.
    pub(crate) fn recalls(&self, recall: Recall) {
        self.0.recall.set(recall);
    }

    /// What the process that runs found in the journal.
    pub(crate) fn found(&self) -> Vec<Remembered> {
        let running = self.0.running.borrow();
        running
            .as_ref()
            .map_or_else(Vec::new, |running| running.found.clone())
    }

    /// Looks at the synced disk whenever a submit arrives.
    pub(crate) fn watch_intents(&self) {
        self.0.intents.watch(self.network(), &self.0.disk);
    }

    /// What was seen of the intents, where they were watched.
    pub(crate) fn intents(&self) -> &Intents {
        &self.0.intents
    }

    /// What is written down of every record.
    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.0.sites[0].gateway.ledger()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }
}
