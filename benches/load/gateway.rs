//! The gateway of a run: `holdline simulate`, and what its ledger says afterwards.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::Failure;
use crate::client::Door;
use crate::contestant::free_address;
use crate::process::Process;

/// A gateway of one run; it ends when this is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

/// What the ledger has of each payment.
pub(crate) struct Ledger {
    /// The polls of each `tracking_id`.
    pub(crate) polls: HashMap<String, usize>,
    /// Payments that were charged more than once.
    pub(crate) twice: usize,
}

#[derive(Deserialize)]
struct Written {
    charges: Vec<Charge>,
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Charge {
    request_id: String,
    tracking_id: String,
}

#[derive(Deserialize)]
struct Task {
    request_id: String,
    polls: Vec<serde::de::IgnoredAny>,
}

impl Gateway {
    pub(crate) async fn start(holdline: &Path, scratch: &Path) -> Result<Self, Failure> {
        let directory = tempfile::tempdir_in(scratch)?;
        let address = free_address()?;
        let mut command = Command::new(holdline);
        // Equal cards and amounts are no duplicates here: each payment has its own tracking_id.
        command.args(["simulate", "--duplicate-window", "0", "--listen"]);
        command.arg(address.to_string());
        let mut process = Process::start(&mut command, directory.path())?;
        process
            .ready(address)
            .await
            .map_err(|why| format!("failed to start the gateway: {why}"))?;
        Ok(Self {
            address,
            _process: process,
            _directory: directory,
        })
    }

    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        let mut connection = Door::new(self.address, None)?.connect(0).await?;
        let written: Written = serde_json::from_slice(&connection.get("/__ledger").await?)?;
        let asked: HashMap<&str, usize> = written
            .tasks
            .iter()
            .map(|task| (task.request_id.as_str(), task.polls.len()))
            .collect();
        let mut ledger = Ledger {
            polls: HashMap::new(),
            twice: 0,
        };
        for charge in &written.charges {
            let polls = asked.get(charge.request_id.as_str()).copied();
            let before = ledger
                .polls
                .insert(charge.tracking_id.clone(), polls.unwrap_or_default());
            ledger.twice += usize::from(before.is_some());
        }
        Ok(ledger)
    }
}
