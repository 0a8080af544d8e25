//! `holdline log`: the levels of a running holdline's log, shown or changed.
use std::io::{self, Write};

use super::{Exit, ask};
use crate::control::{Ask, Line};

/// Which levels, if they are to be others.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The levels from now on; without it those in force are shown.
    #[arg(
        value_name = "LEVELS",
        help = "The levels from now on, as log.level takes them: a level, or several like \
                \"info,holdline::upstream=debug\". Without it those in force are shown"
    )]
    levels: Option<String>,
    #[command(flatten)]
    target: ask::Target,
}

/// Asks the running holdline.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let question = Ask::Log {
        levels: args.levels.clone(),
    };
    let mut print = |line: Line| {
        let Line::Levels(in_force) = line else {
            return Ok(());
        };
        writeln!(out, "{in_force}")
    };
    ask::ask(&args.target, question, &mut print, complaints).await
}
