//! `holdline resolve`: the operator says what became of an exchange in doubt.
use std::io::{self, Write};

use super::{Exit, ask};
use crate::control::{Ask, Line, Reason, Verdict};

/// Which exchange, and what became of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The exchange's own id, its `RequestID`, or the task's id at the gateway
    id: String,
    /// What the gateway's books say: repeats of an executed one are told so and never sent; one that
    /// was not executed may be sent again
    #[arg(long = "as", value_name = "VERDICT")]
    verdict: Verdict,
    /// How you know, for whoever reads the journal later; no card data
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    target: ask::Target,
}

/// Says it to the running holdline, or writes it into the file that nobody holds.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let reason = match Reason::try_from(args.reason.clone()) {
        Ok(reason) => reason,
        Err(error) => {
            writeln!(complaints, "holdline: {error}")?;
            return Ok(Exit::Usage);
        }
    };
    let question = Ask::Resolve {
        id: args.id.clone(),
        verdict: args.verdict,
        reason,
    };
    let says = match args.verdict {
        Verdict::Executed => "executed: its repeats are told so, and nothing is sent",
        Verdict::NotExecuted => "not executed: an equal request is a new one and is sent",
    };
    let mut print = |line: Line| {
        let Line::Resolved(exchange) = line else {
            return Ok(());
        };
        writeln!(out, "{exchange} is settled as {says}")
    };
    ask::ask(&args.target, question, &mut print, complaints).await
}
