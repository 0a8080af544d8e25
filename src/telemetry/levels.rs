//! The levels in force, which may be changed while the process runs.
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use tracing_subscriber::filter::Targets;

use super::config::Config;

/// Levels as somebody wrote them, which are sound.
#[derive(Debug)]
pub struct Filter {
    written: String,
    parsed: Targets,
}

impl Filter {
    /// Reads what `log.level` takes; the error says what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let config = Config {
            level: written.to_owned(),
            ..Config::default()
        };
        Ok(Self {
            parsed: config.filter()?,
            written: config.level,
        })
    }
}

/// What puts a filter in force.
type Put = dyn Fn(Targets) -> Result<(), String> + Send + Sync;

/// The levels of the process's log; clones share them.
#[derive(Clone)]
pub struct Levels(Arc<Inner>);

struct Inner {
    in_force: Mutex<String>,
    put: Box<Put>,
}

impl Levels {
    pub(super) fn new(
        written: &str,
        put: impl Fn(Targets) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            in_force: Mutex::new(written.to_owned()),
            put: Box::new(put),
        }))
    }

    /// The levels in force, as they were written.
    pub fn in_force(&self) -> String {
        let in_force = self.0.in_force.lock();
        in_force.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in force and tells it in the log, whatever its level was. The error says why the
    /// old ones stay.
    pub fn change(&self, filter: Filter) -> Result<(), String> {
        let mut in_force = self
            .0
            .in_force
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *in_force == filter.written {
            return Ok(());
        }
        // A log that was quiet tells of it when it is so no more.
        let is_heard = tracing::enabled!(Level::WARN);
        let tell = |to: &str| tracing::warn!(from = *in_force, to, "other levels from now on");
        if is_heard {
            tell(&filter.written);
        }
        (self.0.put)(filter.parsed)?;
        if !is_heard {
            tell(&filter.written);
        }
        *in_force = filter.written;
        Ok(())
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Levels")
            .field(&self.in_force())
            .finish()
    }
}
