//! README.md and METRICS.md, held against what the program does.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use holdline::config::{File, Flags, resolve};
use holdline::polling::ScheduleKind;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::clients::is_here;
use crate::secure::{Authority, HOST};
use crate::stage::bench::{Bench, holdline};

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The cells of every row of every table, without the code marks of a cell that is all code.
fn rows(document: &str) -> Vec<Vec<String>> {
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    document
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"))
        .map(cells)
        .collect()
}

/// The blocks of a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let mut rest = document;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once(&start) {
        let (block, beyond) = after.split_once("```").unwrap();
        blocks.push(block.to_owned());
        rest = beyond;
    }
    blocks
}

/// A metric as it is exposed, or as it is described.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
}

/// What METRICS.md describes, each with its row's text.
fn described() -> BTreeMap<String, (Metric, String)> {
    let code = |cell: &str| cell.trim_matches('`').to_owned();
    let rows = rows(&document("METRICS.md"));
    rows.iter()
        .filter(|row| row[0].starts_with("`holdline_"))
        .map(|row| {
            let metric = Metric {
                kind: row[1].clone(),
                unit: row[2].clone(),
                labels: row[3].split_ascii_whitespace().map(code).collect(),
            };
            (code(&row[0]), (metric, row.join(" ")))
        })
        .collect()
}

/// What an exposition shows: the metrics, and the values of their labels.
#[derive(Default)]
struct Exposed {
    metrics: BTreeMap<String, Metric>,
    values: BTreeSet<(String, String)>,
}

fn exposed(text: &str) -> Exposed {
    let mut exposed = Exposed::default();
    // The samples of a family follow its TYPE line.
    let mut current = String::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            let total = if kind == "counter" { "_total" } else { "" };
            current = format!("{name}{total}");
            let metric = exposed.metrics.entry(current.clone()).or_default();
            kind.clone_into(&mut metric.kind);
        } else if let Some(unit) = line.strip_prefix("# UNIT ") {
            let metric = exposed.metrics.get_mut(&current).unwrap();
            metric.unit = unit.split_once(' ').unwrap().1.to_owned();
        } else if let Some((_, labels)) = line.split_once('{') {
            let (labels, _) = labels.split_once('}').unwrap();
            for label in labels.split(',') {
                let (label, value) = label.split_once('=').unwrap();
                // The bounds of a histogram are its own; a status and a configured name speak for
                // themselves.
                if label == "le" {
                    continue;
                }
                let metric = exposed.metrics.get_mut(&current).unwrap();
                metric.labels.insert(label.to_owned());
                if !matches!(label, "status" | "gateway" | "route" | "file") {
                    let value = value.trim_matches('"').to_owned();
                    exposed.values.insert((current.clone(), value));
                }
            }
        }
    }
    exposed
}

/// A client that resets its connection when its answer has come, and reads nothing of it.
async fn reset_at_the_answer(bench: &Bench) {
    let line = bench.pay("reset").open().await;
    assert!(line.stream.peek(&mut [0]).await.unwrap() > 0);
    line.reset();
}

/// Lets something happen for every metric that appears with its first event only.
async fn provoke_everything(bench: &Bench) {
    bench.pay("plain").send().await.is_gateway(200);
    // Its acceptance is lost on the way; a lookup finds the transaction.
    bench
        .pay("lost")
        .words("swallow")
        .send()
        .await
        .is_gateway(200);
    // One is held to the end of its hold, so that there is no place for another meanwhile.
    let held = bench.pay("held").words("hold").field("Prefer", "wait=3");
    let refused = async {
        bench.metric("holdline_held 1\n").await;
        bench.pay("no place").send().await
    };
    let (held, refused) = tokio::join!(held.send(), refused);
    assert_eq!((held.status, refused.status), (504, 503));
    let mut hello = TcpStream::connect(bench.address).await.unwrap();
    hello.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    bench.metric("holdline_tls_failures_total{").await;
    reset_at_the_answer(bench).await;
    bench.metric("holdline_not_acknowledged_total{").await;
}

/// Another gateway, on a listener with TLS.
fn tls_gateway(authority: &Authority) -> String {
    let pair = authority.pair(HOST);
    format!(
        "[[gateway]]\nname = \"tls\"\nlisten = \"127.0.0.2:0\"\nupstream = \"https://{HOST}\"\n\
         ca_file = {:?}\ntls_certificate = {:?}\ntls_key = {:?}\n",
        authority.file(),
        pair.certificate,
        pair.key
    )
}

#[tokio::test]
async fn every_metric_is_described_as_it_is_exposed() {
    let authority = Authority::new();
    let limits = "[polling]\nmax_per_second = 1000\n[limits]\nheld = 1\n";
    let bench = holdline()
        .journal()
        .configure(|config| config.polling.schedule = ScheduleKind::Learned)
        .file(&format!("{limits}{}", tls_gateway(&authority)));
    let bench = bench.start().await;
    provoke_everything(&bench).await;
    let exposed = exposed(&bench.operator("/metrics").await.text());
    let described = described();
    let names = |it: Vec<&String>| it.into_iter().cloned().collect::<BTreeSet<String>>();
    assert_eq!(
        names(exposed.metrics.keys().collect()),
        names(described.keys().collect())
    );
    for (name, metric) in &exposed.metrics {
        assert_eq!(&described[name].0, metric, "{name}");
    }
    assert!(exposed.values.len() >= 8, "{:?}", exposed.values);
    for (name, value) in &exposed.values {
        let told = described[name].1.contains(&format!("`{value}`"));
        assert!(told, "METRICS.md does not tell what {value} is in {name}");
    }
    let page = bench.operator("/").await.text();
    let shown = page.split("data-metric=\"").skip(1);
    let shown: BTreeSet<&str> = shown.filter_map(|it| it.split('"').next()).collect();
    assert!(
        shown.contains("holdline_journal_commit_seconds"),
        "{shown:?}"
    );
    for name in shown {
        assert!(described.contains_key(name), "the page shows {name}");
    }
}

#[test]
fn the_failure_table_of_the_readme_is_that_of_the_program() {
    let agreed = document(
        "src/proxy/snapshots/\
         holdline__proxy__respond__tests__the_failure_table_is_as_it_was_agreed.snap",
    );
    // The line below each problem's name: status, code, outcome, and more.
    let ours: BTreeSet<Vec<String>> = agreed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|it: char| it.is_ascii_digit()))
        .map(|line| line.split(' ').take(3).map(str::to_owned).collect())
        .collect();
    let readme: BTreeSet<Vec<String>> = rows(&document("README.md"))
        .into_iter()
        .filter(|row| row.len() == 4 && row[0].starts_with(|it: char| it.is_ascii_digit()))
        .flat_map(|row| {
            let statuses: Vec<String> = row[0].split(", ").map(str::to_owned).collect();
            let rest = [row[1].clone(), row[2].clone()].map(|it| it.trim_matches('`').to_owned());
            statuses
                .into_iter()
                .map(move |status| [&[status], &rest[..]].concat())
        })
        .collect();
    assert!(ours.len() > 10, "{ours:?}");
    assert_eq!(readme, ours);
}

#[test]
fn every_configuration_of_the_readme_is_sound() {
    let blocks = blocks(&document("README.md"), "toml");
    assert!(!blocks.is_empty());
    for text in blocks {
        let file = File {
            path: PathBuf::from("README.md"),
            text: text.clone(),
        };
        if let Err(faults) = resolve(Some(&file), [], &Flags::default()) {
            panic!("{faults}\n{text}");
        }
    }
}

#[test]
fn every_command_of_the_readme_is_one() {
    let readme = document("README.md");
    let lines: Vec<String> = blocks(&readme, "sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| {
            let line = line.trim_end_matches('&').trim();
            let arguments = line
                .strip_prefix("cargo run --release -- ")
                .or_else(|| line.split_once("holdline ").map(|(_, it)| it))?;
            Some(arguments.to_owned())
        })
        .collect();
    for command in [
        "run",
        "check",
        "demo",
        "simulate",
        "probe",
        "healthcheck",
        "journal ls",
        "log",
        "polling",
        "explain",
        "resolve",
        "cert",
    ] {
        let shown = lines.iter().any(|line| line.starts_with(command));
        assert!(shown, "README.md shows no {command}");
    }
    for line in lines {
        // The command line is read up to here, and nothing is done.
        let shell = format!("\"$HOLDLINE\" {line} --help");
        let read = Command::new("sh")
            .args(["-c", &shell])
            .env("HOLDLINE", env!("CARGO_BIN_EXE_holdline"))
            .output()
            .unwrap();
        assert!(read.status.success(), "{line}: {read:?}");
    }
}

/// Ends the process with the test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_prints_the_readmes_curl_line_and_the_line_works() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdline"))
        .args(["demo", "--listen", "127.0.0.1:0", "--delay", "200ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let _demo = Demo(child);
    // Its end stays open: the demo goes on to write its log there.
    let mut lines = out.lines().map(Result::unwrap);
    let said: Vec<String> = lines
        .by_ref()
        .take_while(|line| !line.starts_with("End with"))
        .collect();
    let first = said
        .iter()
        .position(|line| line.starts_with("curl "))
        .unwrap();
    let curl = said[first..first + 3].join("\n");
    let address = said[0].split("before it at http://").nth(1).unwrap();
    let address = address.trim_end_matches('.');
    let readme = document("README.md");
    let ours = curl.replace(address, "127.0.0.1:8080");
    assert!(readme.contains(&ours), "README.md does not show:\n{ours}");
    if !is_here("curl", &["--version"]) {
        return;
    }
    let quiet = curl.replacen("curl ", "curl --silent --noproxy '*' ", 1);
    let ran = Command::new("sh").args(["-c", &quiet]).output().unwrap();
    let answer = String::from_utf8(ran.stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"status\":\"successful\""), "{answer}");
}
