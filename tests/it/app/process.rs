//! The built binary: how it starts, and how it stops when it is told to.
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::stage::asking::Asking;
use crate::stage::bench::{PATIENCE, until};

/// A process of the built binary; it ends with the test.
struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdline"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line with this text.
    fn line(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, id.as_str()]).status();
        assert!(sent.unwrap().success());
    }

    async fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        let child = &mut self.child;
        until("the process ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The address in a line of the log or of a command's output.
fn address(line: &str) -> SocketAddr {
    let from = line.find("127.0.0.1:").unwrap();
    let text: String = line[from..]
        .chars()
        .take_while(|character| character.is_ascii_digit() || ".:".contains(*character))
        .collect();
    text.parse().unwrap()
}

struct Pair {
    gateway: SocketAddr,
    _simulated: Process,
    proxy: Process,
    address: SocketAddr,
    _file: tempfile::NamedTempFile,
}

fn pair(more: &str) -> Pair {
    let mut simulated = Process::start(&["simulate", "--listen", "127.0.0.1:0"]);
    let gateway = address(&simulated.line("listening on"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[[gateway]]\nname = \"demo\"\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{gateway}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[polling]\nschedule = \"fixed\"\ninterval = \"50ms\"\n{more}"
    );
    std::fs::write(file.path(), text).unwrap();
    let mut proxy = Process::start(&[
        "run",
        "--in-memory",
        "--config",
        file.path().to_str().unwrap(),
    ]);
    let address = address(&proxy.line("listening for clients"));
    proxy.line("listening for the operator");
    Pair {
        gateway,
        _simulated: simulated,
        proxy,
        address,
        _file: file,
    }
}

impl Pair {
    fn pay(&self, tracking_id: &str) -> Asking {
        Asking::new(self.address, "POST", "/transactions/payments").tracking(tracking_id)
    }

    async fn submits(&self) -> usize {
        let ledger = Asking::new(self.gateway, "GET", "/__ledger")
            .send()
            .await
            .json();
        ledger["submits"].as_array().unwrap().len()
    }

    async fn finish_held(&self) {
        let answer = Asking::new(self.gateway, "POST", "/__finish")
            .body("")
            .send()
            .await;
        assert_eq!(answer.status, 200);
    }

    /// Waits until the gateway has so many submits.
    async fn submitted(&self, count: usize) {
        let counted = async {
            while self.submits().await < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.unwrap();
    }
}

#[tokio::test]
async fn sigterm_lets_a_held_payment_end_and_the_process_with_it() {
    let mut pair = pair("");
    let mut held = pair.pay("a").words("hold").open().await;
    pair.submitted(1).await;
    pair.proxy.signal("-TERM");
    pair.proxy.line("draining");
    pair.finish_held().await;
    held.answer().await.is_gateway(200);
    assert_eq!(pair.proxy.ended().await, Some(0));
    assert_eq!(pair.submits().await, 1);
}

#[tokio::test]
async fn a_second_sigterm_ends_the_drain_and_the_client_hears_the_truth() {
    let mut pair = pair("");
    let mut held = pair.pay("a").words("hold").open().await;
    pair.submitted(1).await;
    pair.proxy.signal("-TERM");
    pair.proxy.line("draining");
    pair.proxy.signal("-TERM");
    held.answer().await.is_in_doubt();
    assert_eq!(pair.proxy.ended().await, Some(0));
    assert!(
        pair.proxy
            .seen
            .iter()
            .all(|line| !line.contains("4200000000000000"))
    );
    assert_eq!(pair.submits().await, 1);
}

#[tokio::test]
async fn the_drains_own_time_ends_it_as_well() {
    let mut pair = pair("[drain]\ntimeout = \"11s\"\n[upstream]\nanswer_timeout = \"10s\"\n");
    let line = pair.pay("a").open().await;
    let mut line = line;
    line.answer().await.is_gateway(200);
    pair.proxy.signal("-INT");
    assert_eq!(pair.proxy.ended().await, Some(0));
}

#[tokio::test]
async fn no_line_of_the_log_at_trace_level_has_a_card_or_a_secret() {
    let mut pair = pair("[log]\nlevel = \"trace\"\n");
    let words = ["swallow", "fail=422", "refuse=403", "id=path"];
    for (number, words) in words.into_iter().enumerate() {
        // The gateway's own filter takes two payments of one amount and card for one.
        let amount = 100 + number as u64;
        let asking = pair
            .pay(&format!("order-{number}"))
            .words(words)
            .amount(amount);
        asking
            .key(&format!("~key {number}"))
            .send()
            .await
            .is_gateway([200, 422, 403, 200][number]);
    }
    pair.proxy.signal("-TERM");
    assert_eq!(pair.proxy.ended().await, Some(0));
    let mut log = pair.proxy.seen.join("\n");
    while let Ok(line) = pair.proxy.lines.recv_timeout(PATIENCE) {
        log.push_str(&line);
    }
    assert!(log.contains("accepted"));
    let credentials = crate::stage::asking::basic(
        holdline::simulator::DEMO_SHOP,
        holdline::simulator::DEMO_KEY,
    );
    for secret in [
        "4200000000000000",
        holdline::simulator::DEMO_KEY,
        credentials.as_str(),
        credentials.trim_start_matches("Basic "),
        "Zoë",
        "\"123\"",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}
