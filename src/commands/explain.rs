//! `holdline explain`: what happened to an exchange, step by step, and why.
use std::io::{self, Write};

use super::{Exit, ask};
use crate::control::{Ask, Line};
use crate::exchange::machine::Doubt;
use crate::exchange::{Group, Story, ToldStep};
use crate::telemetry::{Capped, counted};

/// Which exchange.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The exchange's own id, its `RequestID`, or the task's id at the gateway
    id: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: ask::Target,
}

/// Asks, and prints the answer.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let question = Ask::Explain {
        id: args.id.clone(),
    };
    let mut print = |line: Line| {
        let Line::Story(story) = line else {
            return Ok(());
        };
        if args.json {
            return ask::json_line(out, &story);
        }
        tell(out, &story, &args.target)
    };
    ask::ask(&args.target, question, &mut print, complaints).await
}

fn tell(out: &mut impl Write, story: &Story, target: &ask::Target) -> io::Result<()> {
    let state = story.state.name().to_owned();
    let lines = [
        ("exchange", Some(&story.exchange)),
        ("state", Some(&state)),
        ("now", story.now.as_ref()),
        ("verdict", story.verdict.as_ref()),
        ("reason", story.reason.as_ref()),
        ("settled", story.settled.as_ref()),
        ("key", Some(&story.idempotency_key)),
        ("task", story.request_id.as_ref()),
        ("tracking id", story.tracking_id.as_ref()),
        ("parent", story.parent_uid.as_ref()),
        ("amount", story.amount.as_ref()),
        ("currency", story.currency.as_ref()),
        ("operation", Some(&story.operation)),
        ("gateway", Some(&story.gateway)),
        ("began", Some(&story.began)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(out, "{name:12} {}", Capped(value))?;
        }
    }
    writeln!(out)?;
    for told in &story.steps {
        if told.missing > 0 {
            let steps = counted(told.missing, "step");
            writeln!(out, "{:>10}  {steps} not kept", "…")?;
        }
        step(out, told)?;
    }
    if story.state == Group::InDoubt {
        next(out, story, target)?;
    }
    writeln!(out)
}

fn step(out: &mut impl Write, told: &ToldStep) -> io::Result<()> {
    let after = format!("{:.3} s", told.after_seconds);
    write!(out, "{after:>10}  {}", Capped(&told.what))?;
    if let Some(why) = &told.why {
        write!(out, ": {}", Capped(why))?;
    }
    if told.times > 1 {
        let gaps = f64::from(told.times - 1);
        let every = told.span_seconds / gaps;
        let end = told.after_seconds + told.span_seconds;
        let times = told.times;
        write!(out, " ({times} times until {end:.3} s, every {every:.3} s)")?;
    }
    writeln!(out)
}

/// What settles a doubt.
fn next(out: &mut impl Write, story: &Story, target: &ask::Target) -> io::Result<()> {
    let cause = story.cause.as_deref().and_then(Doubt::of_name);
    let search = match (cause, &story.tracking_id) {
        (Some(Doubt::OriginChanged), _) => String::from(
            "Nobody is asked for it, and its client's repeat is told the same. With the origin of before in \
             the\nconfiguration, and a restart, it goes on. Or look it up at the gateway",
        ),
        (Some(Doubt::GatewayGone), _) => String::from(
            "Nobody is asked for it. With its gateway in the configuration again, under its name and at its \
             origin,\nand a restart, it goes on. Or look it up at the gateway",
        ),
        (_, Some(id)) => format!(
            "Its client's repeat searches for it again; it is not submitted again. Or look it up at the \
             gateway,\nby its tracking id {},",
            Capped(id)
        ),
        (_, None) => String::from(
            "It has no tracking id to search by: its client's repeat is told the same, and is not \
             submitted\nagain. Look it up at the gateway",
        ),
    };
    writeln!(
        out,
        "\n{search} and say what became of it, with executed or not-executed as VERDICT:\n  \
         holdline resolve {} --as VERDICT --reason TEXT{}",
        story.exchange,
        target.flags()
    )
}
