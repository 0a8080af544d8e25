//! `holdline run`: the proxy, until it is told to stop.
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Write};

use tokio::sync::Notify;

use super::{Exit, Source};
use crate::app::{self, App, Ending};
use crate::config::{Config, Faults, Resolved};
use crate::process::{self, Asked, Notifier, Signals, State};
use crate::telemetry::{self, Levels};
use crate::timing::Clock;

/// Reads the configuration, serves, and drains at SIGTERM or SIGINT; a second signal ends the
/// drain at once. At SIGHUP the configuration is read again.
pub async fn run(source: &Source, complaints: &mut impl Write) -> io::Result<Exit> {
    let resolved = match source.read() {
        Ok(resolved) => resolved,
        Err(faults) => {
            write!(complaints, "holdline: {faults}")?;
            return Ok(if faults.are_in_files() {
                Exit::Failure
            } else {
                Exit::Config
            });
        }
    };
    let levels = match telemetry::install(&resolved.config.log) {
        Ok(levels) => levels,
        Err(error) => {
            writeln!(complaints, "holdline: {error}")?;
            return Ok(Exit::Failure);
        }
    };
    let mut signals = Signals::listen()?;
    let notifier = Notifier::of_environment();
    let descriptors = process::harden();
    tell_start(&resolved, descriptors);
    // A reload binds none and lets go of none, whatever the file says then.
    let listeners = listeners_of(&resolved.config);
    let resolved = fitted(resolved, descriptors, listeners);
    let Some(built) = built(resolved.config, levels, &mut signals, &notifier).await else {
        return Ok(Exit::Success);
    };
    match built {
        Ok(app) => {
            let source = source.clone();
            let read = move || Ok(fitted(source.read()?, descriptors, listeners));
            Ok(serve(app, signals, &notifier, read).await.into())
        }
        Err(error) => {
            tracing::error!(error = telemetry::with_causes(&error), "failed to start");
            Ok(Exit::Failure)
        }
    }
}

/// Builds everything, which reads the journal and may take long; `None` if it was told to stop
/// meanwhile. Nothing runs yet, so nothing is waited for: what was being written to the journal is as
/// after a kill.
async fn built(
    config: Config,
    levels: Levels,
    signals: &mut Signals,
    notifier: &Notifier,
) -> Option<Result<App, app::Error>> {
    let building = tokio::task::spawn_blocking(|| App::with_log(config, Some(levels)));
    tokio::select! {
        built = building => match built {
            Ok(built) => Some(built),
            Err(died) => std::panic::resume_unwind(died.into_panic()),
        },
        () = signals.stop() => {
            notifier.tell(State::Stopping, "told to stop before it served");
            tracing::info!("told to stop before it served");
            None
        }
    }
}

/// Serves until the first signal to stop and drains until the second, and puts what `read` gives in
/// force at each SIGHUP.
pub(super) async fn serve(
    app: App,
    mut signals: Signals,
    notifier: &Notifier,
    read: impl Fn() -> Result<Resolved, Faults> + Clone + Send + 'static,
) -> Ending {
    let (stop, hurry, again) = (Notify::new(), Notify::new(), Notify::new());
    let (reloader, stopping) = (app.reloader(), Cell::new(false));
    let heed = async {
        loop {
            match (signals.next().await, stopping.replace(true)) {
                (Asked::Stop, true) => hurry.notify_one(),
                (Asked::Stop, false) => {
                    notifier.tell(State::Stopping, "draining: what is held may end");
                    stop.notify_one();
                }
                (Asked::Reload, true) => {
                    tracing::warn!("SIGHUP changes nothing any more: holdline stops");
                }
                (Asked::Reload, false) => {
                    stopping.set(false);
                    again.notify_one();
                }
            }
        }
    };
    let reload = async {
        loop {
            again.notified().await;
            notifier.tell(State::Reloading, "reading the configuration again");
            let reload = reloader.reload(read.clone()).await;
            if !stopping.get() {
                notifier.tell(State::Ready, &reload.to_string());
            }
        }
    };
    notifier.tell(State::Ready, &status(&app));
    tokio::select! {
        ending = app.run(stop.notified(), hurry.notified()) => ending,
        // None of these ends.
        never = async { tokio::join!(heed, reload, notifier.live(Clock::start())).0 } => never,
    }
}

/// What `systemctl status` shows.
fn status(app: &App) -> String {
    let addresses: Vec<String> = app.addresses().iter().map(ToString::to_string).collect();
    format!("listening on {}", addresses.join(", "))
}

fn listeners_of(config: &Config) -> usize {
    let gateways = config.gateways.iter();
    gateways.map(|it| it.listen).collect::<BTreeSet<_>>().len()
}

/// The configuration as this process can bear it, which has so many listeners.
fn fitted(mut resolved: Resolved, descriptors: u64, listeners: usize) -> Resolved {
    let connections = &mut resolved.config.listener.connections;
    keep_descriptors_back(connections, descriptors, listeners);
    tell_descriptors(&resolved.config, descriptors);
    resolved
}

/// A held request has a descriptor, and for a moment its submit another; polls share theirs.
fn tell_descriptors(config: &Config, descriptors: u64) {
    let polls = config.upstream.connections * config.gateways.len();
    let wanted = config.proxy.held + polls;
    if descriptors < wanted as u64 {
        tracing::warn!(
            descriptors,
            wanted,
            "the limit of descriptors is below limits.held and upstream.connections together"
        );
    }
}

/// Leaves half of the descriptors to calls to the gateway: clients that take the last one would keep
/// what is accepted already from being polled. The listeners share the other half evenly. Who finds
/// no place waits unaccepted.
fn keep_descriptors_back(connections: &mut usize, descriptors: u64, listeners: usize) {
    let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
    let most = (half / listeners.max(1)).max(1);
    if *connections > most {
        tracing::warn!(
            connections = most,
            "limits.connections is reduced: the listeners together have half the descriptors"
        );
        *connections = most;
    }
}

fn tell_start(resolved: &Resolved, descriptors: u64) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, descriptors, "holdline starts");
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let config = &resolved.config;
    if config.journal.in_memory {
        tracing::warn!(
            "exchanges and answers are kept in memory only: a restart forgets them, and a client \
             that repeats a payment across one may pay twice"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listeners_together_leave_half_of_the_descriptors() {
        let reduced = |descriptors, listeners| {
            let mut connections = 16_384;
            keep_descriptors_back(&mut connections, descriptors, listeners);
            connections
        };
        assert_eq!(reduced(1 << 20, 4), 16_384);
        assert_eq!(reduced(1024, 1), 512);
        assert_eq!(reduced(1024, 4), 128);
        assert_eq!(reduced(1, 3), 1);
    }
}
