//! Clients as shops have them, in their own languages and processes: what they are given, what they
//! believe of it, and what it costs when they give up and ask again.
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP, TaskRepeat};
use serde::Deserialize;

use crate::secure::HOST;
use crate::stage::asking::Asking;
use crate::stage::bench::{Bench, Setup, holdline, refusing, simulator};

/// A client of `tests/clients`.
struct Client {
    name: &'static str,
    program: &'static str,
    script: &'static str,
    options: &'static [&'static str],
    /// Succeeds where the client can run.
    probe: &'static [&'static str],
}

const PHP: Client = Client {
    name: "php",
    program: "php",
    script: "pay.php",
    options: &[],
    probe: &["-r", "exit(extension_loaded('curl') ? 0 : 1);"],
};
/// PHP without curl: its own streams.
const PHP_STREAMS: Client = Client {
    name: "php-streams",
    script: "pay_streams.php",
    probe: &["-r", "exit(extension_loaded('openssl') ? 0 : 1);"],
    ..PHP
};
const RUBY: Client = Client {
    name: "ruby",
    program: "ruby",
    script: "pay.rb",
    options: &[],
    probe: &["-e", "require 'net/http'"],
};
const RUBY_3: Client = Client {
    name: "ruby-v3",
    options: &["--version", "3"],
    ..RUBY
};
const PYTHON: Client = Client {
    name: "python",
    program: "python3",
    script: "pay.py",
    options: &[],
    probe: &["-c", "import http.client"],
};
const CURL: Client = Client {
    name: "curl",
    program: "sh",
    script: "pay.sh",
    options: &[],
    probe: &["-c", "curl --version && base64 --version"],
};

/// True if this machine has a program that a test needs. A machine that builds for others (`CI` is
/// `true`) must have it, so that nothing passes because it was not tried.
pub(crate) fn is_here(program: &str, probe: &[&str]) -> bool {
    let probed = Command::new(program).args(probe).output();
    let is_here = probed.is_ok_and(|output| output.status.success());
    let must_be = std::env::var("CI").is_ok_and(|it| it == "true");
    let probe = probe.join(" ");
    assert!(is_here || !must_be, "`{program} {probe}` fails");
    if !is_here {
        // Straight to the stream: whoever reads the test's output learns what was not tried.
        let _ = writeln!(std::io::stderr(), "skipped: `{program} {probe}` fails");
    }
    is_here
}

/// A process with mounts of its own, so that it alone sees other files.
const APART: [&str; 3] = ["--user", "--map-root-user", "--mount"];

/// holdline before a gateway whose tasks take `work`, and which tells every double charge: neither a known
/// key nor its own filter of duplicates hides one.
fn before(work: Duration) -> Setup {
    let gateway = simulator().with(|it| it.task_repeat = TaskRepeat::Ignored);
    holdline().journal().gateway(gateway.latency(work))
}

/// Starts holdline with TLS, and writes what leads clients there and makes them trust it.
async fn secure(work: Duration) -> Bench {
    let bench = before(work).secure().start().await;
    let folder = bench.certificates.as_ref().unwrap();
    fs::write(folder.join("hosts"), format!("127.0.0.1 {HOST}\n")).unwrap();
    let authority = folder.join("ca.pem");
    let settings = format!("curl.cainfo={authority:?}\nopenssl.cafile={authority:?}\n");
    fs::write(folder.join("holdline.ini"), settings).unwrap();
    bench
}

/// The body of a payment.
fn payment(bench: &Bench, tracking_id: &str, description: &str) -> String {
    let asking: Asking = bench.pay(tracking_id).words(description);
    String::from_utf8(asking.body_bytes()).unwrap()
}

/// True if clients can be led to a host by an entry in `/etc/hosts` that nobody else sees. Machines
/// that build for others may forbid it.
fn can_be_led_here() -> bool {
    let tried = Command::new("unshare").args(APART).arg("true").output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        let _ = writeln!(std::io::stderr(), "skipped: no mounts of one's own here");
    }
    can
}

/// What a client says of one call.
#[derive(Debug, Deserialize)]
struct Said {
    believed: String,
    status: u16,
    #[serde(deserialize_with = "decoded")]
    body: Vec<u8>,
    /// Of the client that keeps its connection: true if it is still the first one.
    kept: Option<bool>,
}

fn decoded<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(text)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

impl Said {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    /// Those of the clients that this machine can run.
    fn present<const N: usize>(clients: [Self; N]) -> Vec<Self> {
        let is_present = |client: &Self| is_here(client.program, client.probe);
        clients.into_iter().filter(is_present).collect()
    }

    /// Runs the client to its end; each call may take `seconds`.
    async fn pay(
        &self,
        bench: &Bench,
        seconds: &str,
        options: &[&str],
        bodies: &[String],
    ) -> Vec<Said> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let (mut command, base) = match &bench.certificates {
            None => (
                Command::new(self.program),
                format!("http://{}", bench.address),
            ),
            Some(folder) => (
                self.led_here(folder),
                format!("https://{HOST}:{}", bench.address.port()),
            ),
        };
        command
            .arg(directory.join(self.script))
            .arg(base)
            .arg(seconds)
            .args(self.options)
            .args(options)
            .env("SHOP", format!("{DEMO_SHOP}:{DEMO_KEY}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A proxy of the machine's own would stand between the client and holdline.
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let lines = bodies.join("\n") + "\n";
        let (name, calls) = (self.name, bodies.len());
        let run = move || run(command, &lines);
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said: Vec<Said> = output
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect();
        assert_eq!(said.len(), calls, "{name} crashed");
        said
    }

    /// The client on a machine whose `/etc/hosts` leads the host here, and which is told to trust the
    /// authority as `holdline cert` says. The client itself is the same.
    fn led_here(&self, folder: &Path) -> Command {
        let (hosts, authority) = (folder.join("hosts"), folder.join("ca.pem"));
        let mut command = Command::new("unshare");
        command
            .args(APART)
            .args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""])
            .arg(hosts)
            .arg(self.program)
            // Beside the settings that are there.
            .env("PHP_INI_SCAN_DIR", format!(":{}", folder.display()))
            .env("SSL_CERT_FILE", &authority)
            .env("CURL_CA_BUNDLE", &authority);
        command
    }

    async fn pay_once(&self, bench: &Bench, seconds: &str, options: &[&str], body: &str) -> Said {
        let bodies = [body.to_owned()];
        let said = self.pay(bench, seconds, options, &bodies).await;
        said.into_iter().next().unwrap()
    }

    /// The bytes that the gateway itself gives for the only task of a payment.
    async fn gateways_answer(&self, bench: &Bench, tracking_id: &str) -> String {
        let ledger = bench.ledger();
        let charge = ledger.charges_of(tracking_id).next().unwrap();
        let version = if matches!(self.name, "python" | "ruby-v3") {
            "3"
        } else {
            "2"
        };
        let path = format!("/async/result/{}", charge.request_id);
        let asking = bench.of_gateway(&path).await;
        let answer = asking.field("X-Api-Version", version).send().await;
        assert_eq!(answer.status, 200);
        answer.text()
    }
}

fn run(mut command: Command, lines: &str) -> String {
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that the gateway saw one submit of this payment, and charged it once.
fn assert_one_charge(bench: &Bench, tracking_id: &str) {
    bench.submits_of(tracking_id).is(1);
    bench.charges_of(tracking_id).is(1);
}

/// A limit that no answer of these tests comes near.
const PATIENT: &str = "30";
/// A limit well below the time that the slow gateway takes.
const HASTY: &str = "0.3";
const SLOW: Duration = Duration::from_secs(1);
const QUICK: Duration = Duration::from_millis(100);

#[tokio::test]
async fn every_client_gets_the_gateways_own_bytes() {
    let bench = before(QUICK).start().await;
    let clients = Client::present([PHP, PHP_STREAMS, RUBY, RUBY_3, PYTHON, CURL]);
    the_gateways_own_bytes(bench, &clients).await;
}

/// With `https://` before the host, an entry in `/etc/hosts` and a trusted authority.
#[tokio::test]
async fn every_client_gets_them_over_tls_too() {
    if !can_be_led_here() {
        return;
    }
    let bench = secure(QUICK).await;
    let clients = Client::present([PHP, PHP_STREAMS, RUBY, RUBY_3, PYTHON, CURL]);
    the_gateways_own_bytes(bench, &clients).await;
}

async fn the_gateways_own_bytes(mut bench: Bench, clients: &[Client]) {
    // The test itself asks for the results once more.
    bench.allowed.polls_after_the_result = 1;
    let bench = &bench;
    join_all(clients.iter().map(async |client| {
        let ids = ["first", "second"].map(|it| format!("{it}-{}", client.name));
        let bodies = ids.each_ref().map(|id| payment(bench, id, "Zażółć, 12 €"));
        let said = client.pay(bench, PATIENT, &[], &bodies).await;
        for (said, id) in said.iter().zip(&ids) {
            assert_eq!((&*said.believed, said.status), ("successful", 200), "{id}");
            assert_eq!(said.text(), client.gateways_answer(bench, id).await, "{id}");
            assert_ne!(said.kept, Some(false), "the connection was not kept");
            assert_one_charge(bench, id);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_client_that_gives_up_and_repeats_pays_once_and_gets_the_answer() {
    let bench = before(SLOW).start().await;
    let clients = Client::present([PHP, PHP_STREAMS, RUBY, RUBY_3, PYTHON, CURL]);
    pays_once(bench, &clients).await;
}

#[tokio::test]
async fn a_client_that_gives_up_over_tls_pays_once_too() {
    if !can_be_led_here() {
        return;
    }
    let bench = secure(SLOW).await;
    let clients = Client::present([PHP, PHP_STREAMS, RUBY, RUBY_3, PYTHON, CURL]);
    pays_once(bench, &clients).await;
}

async fn pays_once(mut bench: Bench, clients: &[Client]) {
    bench.allowed.polls_after_the_result = 1;
    let bench = &bench;
    let cases = clients
        .iter()
        .flat_map(|client| [(client, false), (client, true)]);
    join_all(cases.map(async |(client, has_key)| {
        let id = format!("{}-{has_key}", client.name);
        let key = ["--key", &id];
        let options = if has_key { &key[..] } else { &[] };
        let body = payment(bench, &id, "a slow one");
        let first = client.pay_once(bench, HASTY, options, &body).await;
        assert_eq!(first.believed, "timeout", "{id}");
        let again = client.pay_once(bench, PATIENT, options, &body).await;
        assert_one_charge(bench, &id);
        assert_eq!(
            (&*again.believed, again.status),
            ("successful", 200),
            "{id}"
        );
        assert_eq!(
            again.text(),
            client.gateways_answer(bench, &id).await,
            "{id}"
        );
    }))
    .await;
}

#[tokio::test]
async fn every_client_takes_the_end_of_a_hold_for_an_error() {
    let bench = before(QUICK).hold(Duration::from_secs(1)).start().await;
    let clients = Client::present([PHP, RUBY, RUBY_3, PYTHON, CURL]);
    join_all(clients.iter().map(async |client| {
        // The word `hold` keeps the task running for as long as nobody ends it.
        let body = payment(&bench, client.name, "hold");
        let said = client.pay_once(&bench, PATIENT, &[], &body).await;
        let name = client.name;
        assert_eq!((&*said.believed, said.status), ("error", 504), "{name}");
        assert_eq!(said.json()["code"], "P.1019", "{name}");
    }))
    .await;
}

#[tokio::test]
async fn every_client_takes_a_gateway_that_is_down_for_an_error() {
    let (_kept, origin) = refusing();
    let start = Duration::from_secs(1);
    let bench = holdline()
        .gateway(&*origin)
        .configure(move |config| config.exchange.submit_start = start);
    let bench = bench.start().await;
    let clients = Client::present([PHP, RUBY, RUBY_3, PYTHON, CURL]);
    join_all(clients.iter().map(async |client| {
        let body = payment(&bench, client.name, "nobody is there");
        let said = client.pay_once(&bench, PATIENT, &[], &body).await;
        let name = client.name;
        assert_eq!((&*said.believed, said.status), ("error", 502), "{name}");
        assert_eq!(said.json()["code"], "F.1000", "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let bench = before(QUICK).start().await;
    let clients = Client::present([PHP, CURL]);
    join_all(clients.iter().map(async |client| {
        let body = payment(&bench, client.name, &"a long description ".repeat(80));
        assert!(body.len() > 1024);
        let said = client.pay_once(&bench, PATIENT, &["--expect"], &body).await;
        let name = client.name;
        assert_eq!(
            (&*said.believed, said.status),
            ("successful", 200),
            "{name}"
        );
        assert_one_charge(&bench, name);
    }))
    .await;
}
