//! A holdline before a gateway, both on loopback and both this test's own.
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdline::app::{App, Ending};
use holdline::config::{self, Config, File, Flags};
use holdline::drain::Drain;
use holdline::exchange::Flights;
use holdline::polling::ScheduleKind;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP, Gateway, Latency, Settings, Shop};
use holdline::timing::Clock;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::asking::{Answer, Asking};
use super::front::{Carried, Cuts, Front, Wire};
use super::invariants::{Allowed, check};
use super::scripted::{Log, Script, Scripted};
use crate::secure::HOST;

/// Longer than anything that a test waits for; only a test that fails takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A second secret of the demo shop, and another shop.
pub(crate) const ROTATED_KEY: &str = "rotated-secret";
pub(crate) const OTHER_SHOP: &str = "362";
pub(crate) const OTHER_KEY: &str = "other-secret";

/// So many milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Returns once the condition holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(ms(2));
    let holds = async {
        while !condition() {
            look.tick().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, holds).await;
    waited.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// A place that refuses who connects, and that nobody else can have while it is kept; and its origin.
pub(crate) fn refusing() -> (TcpSocket, String) {
    let place = TcpSocket::new_v4().unwrap();
    place.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", place.local_addr().unwrap());
    (place, origin)
}

/// What stands behind holdline.
pub(crate) enum Behind {
    Simulated(Box<Settings>),
    Scripted(Script),
    Origin(String),
}

impl From<Simulator> for Behind {
    fn from(simulator: Simulator) -> Self {
        Self::Simulated(Box::new(simulator.0))
    }
}

impl From<Script> for Behind {
    fn from(script: Script) -> Self {
        Self::Scripted(script)
    }
}

impl From<&str> for Behind {
    fn from(origin: &str) -> Self {
        Self::Origin(origin.to_owned())
    }
}

/// A simulated gateway in the making.
pub(crate) struct Simulator(Settings);

/// A simulated gateway that is quick and has no duplicate filter, so that a second submit is a
/// second charge.
pub(crate) fn simulator() -> Simulator {
    let shop = |id: &str, key: &str| Shop {
        id: id.to_owned(),
        key: key.to_owned(),
    };
    Simulator(Settings {
        shops: vec![
            shop(DEMO_SHOP, DEMO_KEY),
            shop(DEMO_SHOP, ROTATED_KEY),
            shop(OTHER_SHOP, OTHER_KEY),
        ],
        latency: Latency::Fixed(ms(25)),
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    })
}

impl Simulator {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn into_settings(self) -> Settings {
        self.0
    }

    pub(crate) fn latency(self, span: Duration) -> Self {
        self.with(|settings| settings.latency = Latency::Fixed(span))
    }
}

type Change = Box<dyn FnOnce(&mut Config)>;

/// A holdline in the making.
pub(crate) struct Setup {
    behind: Vec<(Behind, Vec<String>)>,
    changes: Vec<Change>,
    toml: String,
    foreign_urls: bool,
    wire: Wire,
    cuts: Cuts,
    journal: bool,
    secure: bool,
}

/// A holdline that polls every few milliseconds, before a simulated gateway.
pub(crate) fn holdline() -> Setup {
    Setup {
        behind: Vec::new(),
        changes: Vec::new(),
        toml: String::new(),
        foreign_urls: false,
        wire: Wire::Plain,
        cuts: Arc::new(|_| usize::MAX),
        journal: false,
        secure: false,
    }
}

impl Setup {
    /// What it stands before; without a word of this, a plain simulated gateway.
    pub(crate) fn gateway(self, behind: impl Into<Behind>) -> Self {
        self.gateway_for(&[], behind)
    }

    /// One of several gateways on one listener, and the hosts that it is asked for by.
    pub(crate) fn gateway_for(mut self, hosts: &[&str], behind: impl Into<Behind>) -> Self {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        self.behind.push((behind.into(), hosts));
        self
    }

    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Config) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// More of the configuration file.
    pub(crate) fn file(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }

    pub(crate) fn hold(self, span: Duration) -> Self {
        self.configure(move |config| config.proxy.hold = span)
    }

    pub(crate) fn resubmits(self, count: u32) -> Self {
        self.configure(move |config| config.exchange.resubmits = count)
    }

    /// The simulated gateway announces poll URLs at a place where nobody may call.
    pub(crate) fn foreign_urls(mut self) -> Self {
        self.foreign_urls = true;
        self
    }

    /// How its gateways are reached.
    pub(crate) fn over(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    /// They are reached by TLS, and their connections end after so many bytes to holdline.
    pub(crate) fn cut(self, cuts: impl Fn(usize) -> usize + Send + Sync + 'static) -> Self {
        Self {
            wire: Wire::Tls,
            cuts: Arc::new(cuts),
            ..self
        }
    }

    /// It has a journal on disk.
    pub(crate) fn journal(self) -> Self {
        Self {
            journal: true,
            ..self
        }
    }

    /// It speaks TLS to its clients as [`HOST`], with certificates of its own making.
    pub(crate) fn secure(self) -> Self {
        Self {
            secure: true,
            ..self
        }
    }

    pub(crate) async fn start(mut self) -> Bench {
        if self.behind.is_empty() {
            self = self.gateway(simulator());
        }
        let trap = trap();
        let lure = format!("http://{}", trap.local_addr().unwrap());
        let mut bench = Bench::new(trap);
        let keys = if self.secure {
            bench.certify()
        } else {
            String::new()
        };
        let mut file = String::new();
        for (number, (behind, hosts)) in self.behind.into_iter().enumerate() {
            let origin = match behind {
                Behind::Simulated(mut settings) => {
                    if self.foreign_urls {
                        settings.public_url = Some(lure.clone());
                    }
                    bench.simulate(*settings).await
                }
                Behind::Scripted(script) => bench.follow(script).await,
                Behind::Origin(origin) => origin,
            };
            let upstream = match self.wire {
                Wire::Plain => format!("upstream = \"{origin}\"\n"),
                Wire::Tls => bench.front(&origin, Arc::clone(&self.cuts)).await,
            };
            write!(
                file,
                "[[gateway]]\nname = \"gateway-{number}\"\nlisten = \"127.0.0.1:0\"\nhost = {hosts:?}\n\
                 {upstream}{keys}"
            )
            .unwrap();
        }
        let mut config = resolved(file + &self.toml, !self.journal);
        quicken(&mut config);
        for change in self.changes {
            change(&mut config);
        }
        bench.serve(config);
        bench
    }
}

/// A holdline of this configuration as it is, but on ports of its own.
pub(crate) fn configured(mut config: Config) -> Bench {
    let mut bench = Bench::new(trap());
    config.admin.listen = bench.admin;
    for gateway in &mut config.gateways {
        gateway.listen = bench.address;
    }
    bench.serve(config);
    bench
}

fn resolved(text: String, in_memory: bool) -> Config {
    let file = File {
        path: PathBuf::from("holdline.toml"),
        text,
    };
    let flags = Flags {
        in_memory,
        ..Flags::default()
    };
    let resolved = config::resolve(Some(&file), [], &flags);
    resolved.unwrap_or_else(|faults| panic!("{faults}")).config
}

/// A place where nobody may call.
fn trap() -> std::net::TcpListener {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    trap
}

/// A running holdline with what stands behind it.
pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The directory that `holdline cert` made, where clients speak TLS.
    pub(crate) certificates: Option<PathBuf>,
    pub(super) flights: Option<Flights>,
    pub(crate) gateways: Vec<Gateway>,
    pub(super) logs: Vec<Log>,
    /// What the fronts of the gateways carried, where they have some.
    pub(crate) carried: Vec<Carried>,
    trap: std::net::TcpListener,
    pub(crate) allowed: Allowed,
    stop: Arc<Notify>,
    hurry: Arc<Notify>,
    stopped: Option<tokio::task::JoinHandle<()>>,
    drain: Drain,
    room: tempfile::TempDir,
}

impl Bench {
    /// Nothing runs yet.
    fn new(trap: std::net::TcpListener) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            address: loopback,
            admin: loopback,
            certificates: None,
            flights: None,
            gateways: Vec::new(),
            logs: Vec::new(),
            carried: Vec::new(),
            trap,
            allowed: Allowed::default(),
            stop: Arc::new(Notify::new()),
            hurry: Arc::new(Notify::new()),
            stopped: None,
            drain: Drain::new(),
            room: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes certificates as an operator does; the lines of a gateway that name them.
    fn certify(&mut self) -> String {
        let folder = self.room.path().join("tls");
        let made = Command::new(env!("CARGO_BIN_EXE_holdline"))
            .args(["cert", "--host", HOST, "--out"])
            .arg(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let file = |suffix: &str| folder.join(format!("{HOST}.{suffix}"));
        let keys = format!(
            "tls_certificate = {:?}\ntls_key = {:?}\n",
            file("pem"),
            file("key")
        );
        self.certificates = Some(folder);
        keys
    }

    async fn simulate(&mut self, settings: Settings) -> String {
        let gateway = Gateway::new(settings, Clock::start());
        self.gateways.push(gateway.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let drain = self.drain.clone();
        let served = async move { gateway.serve(listener, drain).await };
        drop(self.drain.spawn(served));
        origin
    }

    async fn follow(&mut self, script: Script) -> String {
        let scripted = Scripted::bind(script).await;
        self.logs.push(scripted.log.clone());
        let origin = scripted.origin.clone();
        drop(self.drain.spawn(scripted.serve(self.drain.clone())));
        origin
    }

    /// Puts TLS before a gateway; says how it is reached then.
    async fn front(&mut self, origin: &str, cuts: Cuts) -> String {
        let front = Front::of(origin, cuts).await;
        self.carried.push(front.carried.clone());
        let upstream = front.to_toml();
        drop(self.drain.spawn(front.serve(self.drain.clone())));
        upstream
    }

    /// Runs holdline; its journal, if it has one, is the bench's.
    fn serve(&mut self, mut config: Config) {
        config.journal.path = self.room.path().join("holdline.redb");
        self.allowed.submits_of_a_key = 1 + config.exchange.resubmits as usize;
        let app = App::build(config).unwrap();
        self.address = app.addresses()[0];
        self.admin = app.admin_address().unwrap();
        self.flights = Some(app.flights().clone());
        let (stop, hurry) = (Arc::clone(&self.stop), Arc::clone(&self.hurry));
        let served = async move {
            let ending = app.run(stop.notified(), hurry.notified()).await;
            assert_eq!(ending, Ending::AsTold);
        };
        self.stopped = Some(self.drain.spawn(served));
    }

    /// A payment of the demo shop.
    pub(crate) fn pay(&self, tracking_id: &str) -> Asking {
        self.post("/transactions/payments").tracking(tracking_id)
    }

    /// A request of the demo shop for an operation.
    pub(crate) fn post(&self, path: &str) -> Asking {
        Asking::new(self.address, "POST", path)
    }

    pub(crate) fn get(&self, path: &str) -> Asking {
        Asking::new(self.address, "GET", path)
    }

    /// What the operator sees.
    pub(crate) async fn operator(&self, path: &str) -> Answer {
        Asking::new(self.admin, "GET", path)
            .anonymous()
            .send()
            .await
    }

    /// Waits until the operator sees this line among the metrics.
    pub(crate) async fn metric(&self, line: &str) {
        let seen = async {
            while !self.operator("/metrics").await.text().contains(line) {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, seen).await;
        in_time.unwrap_or_else(|_| panic!("never seen: {line}"));
    }

    /// What the gateway itself says, past holdline.
    pub(crate) async fn gateway_says(&self, path: &str) -> Answer {
        self.of_gateway(path).await.send().await
    }

    /// A request of the gateway itself, past holdline.
    pub(crate) async fn of_gateway(&self, path: &str) -> Asking {
        Asking::new(self.gateway_address().await, "GET", path)
    }

    /// A payment of the demo shop that goes to the gateway past holdline.
    pub(crate) async fn pay_past_holdline(&self, tracking_id: &str) -> Asking {
        let gateway = self.gateway_address().await;
        Asking::new(gateway, "POST", "/transactions/payments").tracking(tracking_id)
    }

    async fn gateway_address(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gateway, drain) = (self.gateways[0].clone(), self.drain.clone());
        let served = async move { gateway.serve(listener, drain).await };
        drop(self.drain.spawn(served));
        address
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.notify_one();
    }

    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    pub(crate) async fn stopped(&mut self) {
        let stopped = self.stopped.take().unwrap();
        let in_time = tokio::time::timeout(PATIENCE, stopped).await;
        in_time.expect("holdline did not stop").unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let visited = self.trap.accept().is_ok();
        assert!(!visited, "I8: somebody called where nobody may");
        for gateway in &self.gateways {
            check::ledger(&gateway.ledger(), &self.allowed);
        }
        check::heard(&self.heard(), &self.allowed);
    }
}

/// Everything happens within milliseconds; what a test does not speak of does not get in its way.
fn quicken(config: &mut Config) {
    config.admin.listen.set_port(0);
    config.polling.schedule = ScheduleKind::Fixed;
    config.polling.interval = ms(10);
    config.polling.max_interval = ms(40);
    config.polling.unknown_grace = ms(150);
    config.listener.quiet = ms(30);
    config.proxy.hold = Duration::from_secs(10);
    config.exchange.submit_start = Duration::from_secs(2);
    config.exchange.submit_timeout = Duration::from_secs(5);
    config.upstream.answer_timeout = Duration::from_secs(2);
    config.drain.timeout = Duration::from_secs(5);
}
