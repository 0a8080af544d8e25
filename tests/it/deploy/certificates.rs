//! The examples with certificates: what a configuration names is mounted, and a shop that trusts their
//! authority pays.
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use holdline::certificates::{issuers, provider};
use holdline::config::{Config, File, Flags, resolve};
use holdline::drain::Drain;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::shop::{has_curl, page};
use super::texts::{blocks, lists, read, root};
use crate::secure::shake;
use crate::stage::asking::Answer;
use crate::stage::bench::{Bench, configured, ms};
use crate::stage::front::Front;
use crate::stage::upstream::{Upstream, upstream};

const COMPOSE: &str = "deploy/compose/tls.yaml";
const HELM: &str = "deploy/helm/holdline/tests/tls.yaml";

/// The configuration of the composition, and of the chart.
fn configurations() -> [(&'static str, String); 2] {
    let helm = blocks(&read(HELM), "config").remove(0);
    [
        (COMPOSE, read("deploy/compose/holdline-tls/config.toml")),
        (HELM, helm),
    ]
}

fn resolved(text: String) -> Config {
    let path = root().join("config.toml");
    let file = File { path, text };
    let resolved = resolve(Some(&file), [], &Flags::default());
    resolved.unwrap_or_else(|faults| panic!("{faults}")).config
}

/// Where a manifest mounts something that nobody there may write.
fn mounts(manifest: &str) -> Vec<String> {
    let read_only = |at: usize, lines: &[&str]| {
        let next = lines
            .get(at + 1)
            .is_some_and(|it| it.trim() == "readOnly: true");
        let line = lines[at].trim().trim_start_matches("- ");
        let mount = line.strip_prefix("mountPath: ").filter(|_| next);
        let bound = line.strip_suffix(":ro").and_then(|it| it.split_once(":/"));
        mount
            .map(str::to_owned)
            .or_else(|| bound.map(|(_, inside)| format!("/{inside}")))
    };
    let lines: Vec<&str> = manifest.lines().collect();
    let mounts = (0..lines.len()).filter_map(|at| read_only(at, &lines));
    mounts.collect()
}

#[test]
fn every_file_that_a_configuration_names_is_mounted() {
    for (example, text) in configurations() {
        let mounts = mounts(&read(example));
        let gateway = resolved(text).gateways.remove(0);
        let tls = gateway.tls.expect("it speaks TLS");
        let shown = tls.pairs.iter().flat_map(|it| [&it.certificate, &it.key]);
        let named: Vec<&Path> = shown.chain(&gateway.ca_file).map(|it| &**it).collect();
        assert!(named.len() >= 2, "{named:?}");
        for file in named {
            let is_mounted = mounts.iter().any(|mount| file.starts_with(mount));
            assert!(is_mounted, "{example} mounts {mounts:?}, and not {file:?}");
        }
    }
}

/// Makes what an example says that is to be made, for this machine as well. Gives the host.
fn make(example: &str, folder: &Path) -> String {
    let text = read(example);
    let line = text
        .lines()
        .find_map(|it| it.split_once("holdline cert --host "));
    let (_, rest) = line.expect("it says how");
    let (host, _) = rest.split_once(" --out ").unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_holdline"))
        .args(["cert", "--host", host, "--host", "localhost", "--out"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    host.to_owned()
}

/// Starts what an example configures, with its files in `folder`, before a gateway.
fn start(text: &str, folder: &Path, upstream: &str) -> Bench {
    let text = text.replace("/etc/", &format!("{}/", folder.display()));
    let lines = text.lines().map(|line| {
        let is_upstream = line.starts_with("upstream = ");
        if is_upstream { upstream } else { line }
    });
    configured(resolved(lines.collect::<Vec<_>>().join("\n")))
}

/// Pays as a shop that knows holdline by `host` and trusts the authority of a file alone.
async fn pays(bench: &Bench, upstream: &Upstream, host: &'static str, authority: &Path) {
    let builder = ClientConfig::builder_with_provider(provider());
    let config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(issuers(authority).unwrap())
        .with_no_client_auth();
    let tcp = TcpStream::connect(bench.address).await.unwrap();
    let mut stream = shake(config, host, tcp).await.unwrap();
    stream
        .write_all(&bench.pay("order-1").bytes())
        .await
        .unwrap();
    let mut received = Vec::new();
    let answer = loop {
        if let Some((answer, _)) = Answer::parse(&received) {
            break answer;
        }
        assert!(stream.read_buf(&mut received).await.unwrap() > 0);
    };
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.gateway.ledger().charges.len(), 1);
}

/// holdline of the composition with its files, before the simulated gateway.
async fn composition() -> (tempfile::TempDir, Upstream, Bench) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(make(COMPOSE, &folder.path().join("tls")), "holdline");
    let upstream = upstream(ms(100)).await;
    let [(_, text), _] = configurations();
    let origin = format!("upstream = \"http://{}\"", upstream.address);
    let bench = start(&text, folder.path(), &origin);
    (folder, upstream, bench)
}

#[tokio::test]
async fn a_shop_that_trusts_the_authority_pays_through_the_composition() {
    let (folder, upstream, bench) = composition().await;
    let authority = folder.path().join("tls/ca.pem");
    pays(&bench, &upstream, "holdline", &authority).await;
}

#[tokio::test]
async fn the_page_of_the_shop_pays_over_tls() {
    if !has_curl() {
        return;
    }
    let (folder, upstream, bench) = composition().await;
    // The setting of the composition that makes PHP trust the authority.
    let command = lists(&read(COMPOSE)).into_iter().find(|it| it[0] == "php");
    let trust = command.and_then(|it| it.into_iter().find(|it| it.starts_with("curl.")));
    let trust = trust.expect("PHP is told whom to trust");
    let trust = trust.replace("/etc/", &format!("{}/", folder.path().display()));
    let gateway = format!("https://localhost:{}", bench.address.port());
    let shown = page(&gateway, &["-d", &trust]).await;
    assert!(shown.contains("<strong>Successfully processed"), "{shown}");
    assert_eq!(upstream.gateway.ledger().charges.len(), 1);
}

#[tokio::test]
async fn a_shop_pays_through_the_chart_before_a_gateway_of_an_own_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    assert_eq!(make(HELM, &made), "holdline.payments");
    // As `kubectl create secret tls` names them.
    let secret = folder.path().join("tls");
    fs::create_dir(&secret).unwrap();
    for (file, name) in [("pem", "tls.crt"), ("key", "tls.key")] {
        let file = made.join(format!("holdline.payments.{file}"));
        fs::copy(file, secret.join(name)).unwrap();
    }
    let upstream = upstream(ms(100)).await;
    let origin = format!("http://{}", upstream.address);
    let front = Front::of(&origin, Arc::new(|_| usize::MAX)).await;
    let place = front.place();
    fs::create_dir(folder.path().join("issuers")).unwrap();
    fs::copy(front.authority(), folder.path().join("issuers/ca.pem")).unwrap();
    let drain = Drain::new();
    drop(drain.spawn(front.serve(drain.clone())));
    let [_, (_, text)] = configurations();
    let bench = start(&text, folder.path(), &place);
    let authority = made.join("ca.pem");
    pays(&bench, &upstream, "holdline.payments", &authority).await;
}
