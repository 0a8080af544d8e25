//! A holdline before a simulated gateway, and the commands that are given to it.
use std::process::Output;
use std::time::Duration;

use holdline::simulator::{DEMO_KEY, DEMO_SHOP, Gateway, Latency, Settings};
use holdline::timing::Clock;
use serde_json::Value;

use crate::killed::holdline::Holdline;
use crate::stage::asking::{Answer, Asking, basic};
use crate::stage::bench::ms;
use crate::stage::tap::Tap;

/// What a command said, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) complaint: String,
    /// That it asked the file, and which, since nobody listens.
    pub(super) note: Option<String>,
}

impl Said {
    /// It did what it was asked for; what it printed.
    #[track_caller]
    pub(super) fn fine(&self) -> &str {
        assert_eq!((self.code, &*self.complaint), (Some(0), ""), "{self:?}");
        &self.out
    }

    /// It did not, with this code, and says why in one line that has this in it.
    #[track_caller]
    pub(super) fn fails(&self, code: i32, why: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.complaint.contains(why), "{self:?}");
        assert_eq!(self.complaint.lines().count(), 1, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
    }

    /// Each line of the output as JSON.
    #[track_caller]
    pub(super) fn rows(&self) -> Vec<Value> {
        let lines = self.fine().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let said = String::from_utf8(output.stderr).unwrap();
        let is_note = |line: &&str| line.contains("is asked itself");
        let (notes, complaints): (Vec<&str>, Vec<&str>) =
            said.split_inclusive('\n').partition(is_note);
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            complaint: complaints.concat(),
            note: notes.first().map(|it| (*it).to_owned()),
        }
    }
}

/// What no command may show of the payments that are made here.
#[track_caller]
pub(super) fn holds_no_secret(text: &str) {
    let credentials = basic(DEMO_SHOP, DEMO_KEY);
    let credentials = credentials.trim_start_matches("Basic ");
    for secret in ["4200000000000000", "Zoë", "\"123\"", DEMO_KEY, credentials] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    // Of an answer.
    for part in ["\"transaction\"", "\"uid\"", "auth_code"] {
        assert!(!text.contains(part), "{part} is in {text}");
    }
}

pub(super) struct Desk {
    pub(super) tap: Tap,
    pub(super) holdline: Holdline,
}

impl Desk {
    /// Before a gateway; not started yet.
    pub(super) async fn closed() -> Self {
        let settings = Settings {
            latency: Latency::Fixed(ms(5)),
            duplicate_window: Duration::ZERO,
            ..Settings::default()
        };
        let clock = Clock::start();
        let tap = Tap::before(Gateway::new(settings, clock), clock).await;
        let mut holdline = Holdline::before(tap.address);
        // A slow machine must not turn one doubt into another, or into a refusal.
        for (key, span) in [
            ("HOLD__TIMEOUT", "2s"),
            ("SUBMIT__START", "2s"),
            ("SUBMIT__TIMEOUT", "30s"),
        ] {
            holdline.keys.push((key, span.to_owned()));
        }
        Self { tap, holdline }
    }

    pub(super) async fn open() -> Self {
        let mut desk = Self::closed().await;
        desk.holdline.start().await;
        desk
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(super) fn ask(&self, words: &[&str]) -> Said {
        let said = Said::from(self.holdline.command(words).output().unwrap());
        holds_no_secret(&said.out);
        holds_no_secret(&said.complaint);
        said
    }

    /// `journal ls --json` with these words.
    #[track_caller]
    pub(super) fn listed(&self, words: &[&str]) -> Vec<Value> {
        self.ask(&[&["journal", "ls", "--json"], words].concat())
            .rows()
    }

    /// The only one that is listed.
    #[track_caller]
    pub(super) fn only(&self, words: &[&str]) -> Value {
        let rows = self.listed(words);
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows[0].clone()
    }

    #[track_caller]
    pub(super) fn resolve(&self, id: &str, verdict: &str) -> Said {
        self.ask(&["resolve", id, "--as", verdict, "--reason", "back office"])
    }

    /// A payment without a tracking id: nothing can be searched for.
    pub(super) fn payment(&self) -> Asking {
        Asking::new(self.holdline.address(), "POST", "/transactions/payments")
    }

    /// Makes a payment whose submit the gateway treats so; the answer, and the exchange's id.
    pub(super) async fn doubtful(&self, payment: Asking, fault: &str) -> (Answer, String) {
        self.tap.gateway.arm(fault.parse().unwrap());
        let answer = payment.send().await;
        answer.is_in_doubt();
        let id = exchange(&answer);
        (answer, id)
    }

    pub(super) fn submits(&self) -> usize {
        self.tap.gateway.ledger().submits.len()
    }

    pub(super) async fn again(&mut self) {
        self.holdline.kill();
        self.holdline.start().await;
    }
}

/// The exchange that an answer is of.
pub(super) fn exchange(answer: &Answer) -> String {
    answer.field("holdline-exchange").unwrap().to_owned()
}

/// It says that the payment was made, and that its answer is lost.
#[track_caller]
pub(super) fn is_told_executed(answer: &Answer) {
    answer.is_ours(504, "F.1000", "completed");
}
