//! The flags that say where a configuration comes from; commands that read one share them.
use std::path::PathBuf;

use crate::config::{self, Faults, Flags, Resolved};

/// Where the configuration comes from. A flag wins over the environment, and that over the file.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Source {
    /// The configuration file, as config.toml.example shows it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the clients of the only gateway connect to, like 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// `--upstream`.
    #[arg(
        long,
        value_name = "ORIGIN",
        help = "The origin of the only gateway, like https://gateway.example"
    )]
    pub upstream: Option<String>,

    /// The name of the only gateway; a known brand's name fills in its upstream
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Keep nothing on disk: a restart forgets payments under way and answers not yet delivered
    #[arg(long)]
    pub in_memory: bool,
}

impl Source {
    /// Reads the configuration from file, environment and flags.
    pub fn read(&self) -> Result<Resolved, Faults> {
        let flags = Flags {
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            name: self.name.clone(),
            in_memory: self.in_memory,
        };
        config::read(self.config.as_deref(), std::env::vars_os(), &flags)
    }
}
