//! The end-to-end tables: holdline and what a careful user would write instead, on the same load in
//! one run. `scripts/bench` starts it; its `--help` says what can be asked for.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, prints, and spawns what ends with it"
)]
mod client;
mod contestant;
mod gateway;
mod held;
mod machine;
mod process;
mod relayed;
mod resting;
mod table;
mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use holdline::simulator::{Latency, LatencyError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::contestant::Pair;
use crate::machine::Load;

/// Whatever ends a run early; completes "failed: …".
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures holdline and its peers on the same load, and prints Markdown.
///
/// Everything runs on loopback before `holdline simulate`, each run with fresh processes on free
/// ports. Ratios are those of runs of the same round. Peers that are not installed are left out, and
/// it says so. It ends what it started, and by itself: a round of all tables takes about five minutes
/// with the default sizes.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
pub(crate) struct Arguments {
    /// Requests held at once
    #[arg(default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=16_000))]
    held: u16,
    /// Exchanges that are measured in a run; as many as are held twice over go before
    #[arg(default_value_t = 12_000)]
    total: usize,
    /// How often everything is run, in turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long the gateway works, in milliseconds, as `holdline simulate --latency` writes it
    #[arg(long, default_value = "log-normal:1500,0.5")]
    law: Law,
    /// Of the draws from the law: every contestant meets the same ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// polling.price of the learned schedule, if it is not the default: more is fewer polls
    #[arg(long)]
    price: Option<String>,
    /// Which tables are wanted
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "held,growth,memory,relay"
    )]
    tables: Vec<Wanted>,
    /// Only the contestants whose names hold one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The binary that is measured, if it is not the one that was built with this
    #[arg(long, env = "BENCH_BINARY", default_value = env!("CARGO_BIN_EXE_holdline"))]
    holdline: PathBuf,
    /// A few seconds of everything, to see that it runs: its figures mean nothing
    #[arg(long)]
    smoke: bool,
    /// cargo tells every benchmark that it is one
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long tasks take, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Law {
    text: String,
    latency: Latency,
}

impl FromStr for Law {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        Ok(Self {
            text: text.to_owned(),
            latency: text.parse()?,
        })
    }
}

impl Arguments {
    /// How long requests are held before the memory that they take is looked at.
    const fn settling(&self) -> Duration {
        Duration::from_millis(if self.smoke { 200 } else { 3000 })
    }
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    /// Converted requests with many held: cost, lateness, polls
    Held,
    /// The cost of an exchange with four times as many held
    Growth,
    /// Memory of a held connection, plain and TLS, and of a process that holds none
    Memory,
    /// Requests that are not converted
    Relay,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.smoke {
        (arguments.held, arguments.total, arguments.rounds) = (20, 20, 1);
        arguments.law = Law {
            text: "fixed:300".to_owned(),
            latency: Latency::Fixed(Duration::from_millis(300)),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(interruptible(&arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A signal ends what runs, and with it every process that was started.
async fn interruptible(arguments: &Arguments) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = measured(arguments) => ended,
        _ = interrupt.recv() => Err("interrupted".into()),
        _ = terminate.recv() => Err("told to end".into()),
    }
}

async fn measured(arguments: &Arguments) -> Result<(), Failure> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let pair = certificate(&arguments.holdline, scratch.path())?;
    let before = Load::now();
    println!("{}", told(arguments));
    let bench = tables::Bench {
        arguments,
        scratch: scratch.path(),
        pair: &pair,
    };
    let whole = bench.tables().await?;
    println!("{}", Load::now().told_since(before));
    if whole {
        Ok(())
    } else {
        Err(
            "a run did not come to its end, or a request failed or was charged twice: see above"
                .into(),
        )
    }
}

/// What everybody measures with the same words: when, where, who.
fn told(arguments: &Arguments) -> String {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let versions: Vec<String> = [("nginx", "-v"), ("haproxy", "-v"), ("node", "--version")]
        .iter()
        .filter_map(|(program, flag)| {
            let version = machine::version(program, flag)?;
            let named = version.to_lowercase().contains(program);
            Some(if named {
                version
            } else {
                format!("{program} {version}")
            })
        })
        .collect();
    let law = &arguments.law.text;
    format!(
        "{day}, {}; {}. Seed {}, rounds: {}, tasks: {law}.\n",
        machine::told(),
        versions.join(", "),
        arguments.seed,
        arguments.rounds
    )
}

/// A certificate for the clients that speak TLS, made by the command for it.
fn certificate(holdline: &Path, scratch: &Path) -> Result<Pair, Failure> {
    let directory = scratch.join("certificate");
    let made = Command::new(holdline)
        .args(["cert", "--host", client::HOST, "--out"])
        .arg(&directory)
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    Ok(Pair {
        certificate: directory.join("localhost.pem"),
        key: directory.join("localhost.key"),
        authority: directory.join("ca.pem"),
    })
}
