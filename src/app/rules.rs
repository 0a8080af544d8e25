//! What one room is told of the keys of several.
use crate::admin;
use crate::config::Config;
use crate::exchange::ReadPolicy;
use crate::exchange::machine::Policy;
use crate::polling::{Backoff, Schedules};

/// What every new exchange follows to its end; `durable` if records outlive the process.
pub(super) fn policy(config: &Config, durable: bool) -> Policy {
    Policy {
        submit_start: config.exchange.submit_start,
        submit_timeout: config.exchange.submit_timeout,
        resubmits: config.exchange.resubmits,
        unknown_grace: config.polling.unknown_grace,
        retention: config.results.retention,
        reclaim: config.exchange.reclaim,
        backoff: Backoff::new(&config.polling),
        durable,
    }
}

/// The part of it that a read follows.
pub(super) fn read_policy(policy: &Policy, schedules: &Schedules) -> ReadPolicy {
    ReadPolicy {
        schedules: schedules.clone(),
        backoff: policy.backoff,
        unknown_grace: policy.unknown_grace,
    }
}

/// What the operator's page says of the configuration.
pub(super) fn about(config: &Config) -> admin::About {
    admin::About {
        config: config.to_toml(),
        held: config.proxy.held,
        running: config.exchange.running,
        undelivered: config.exchange.undelivered,
        hold: config.proxy.hold,
        journal_bytes: config.journal.max_bytes,
        place: place(config),
    }
}

/// The flag that leads `holdline resolve` here, wherever it is run. A path that a shell would take
/// apart is not written out.
fn place(config: &Config) -> Option<String> {
    let journal = config.journal.file();
    config.control.path(journal)?;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
    let beside = journal.filter(|_| config.control.socket.is_none());
    let path = beside.and_then(|path| std::path::absolute(path).ok());
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    Some(match path.filter(|path| path.chars().all(is_plain)) {
        Some(path) => format!("--journal {path}"),
        None => "--config FILE".to_owned(),
    })
}
