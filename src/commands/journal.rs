//! `holdline journal`: what the journal holds, asked of the running holdline or read from its file.
use std::io::{self, Write};

use super::{Exit, ask};
use crate::control::{Ask, Line, Only, Row};
use crate::telemetry::{Capped, Escaped, counted};

/// What is asked of the journal.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// List exchanges, the oldest first
    Ls {
        /// Only those whose answer waits for its client, or is on its way there
        #[arg(long, conflicts_with = "in_doubt")]
        undelivered: bool,
        /// Only those that may have been executed
        #[arg(long)]
        in_doubt: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Where the journal is
        #[command(flatten)]
        target: ask::Target,
    },
    /// Show one exchange: where it stands, since when, and every id that it has
    Show {
        /// The exchange's own id, its `RequestID`, or the task's id at the gateway
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Where the journal is
        #[command(flatten)]
        target: ask::Target,
    },
    /// Check that every record can be read and fits the others
    Verify {
        /// Where the journal is
        #[command(flatten)]
        target: ask::Target,
    },
}

/// Asks, and prints the answer.
pub async fn run(
    command: &Command,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    match command {
        Command::Ls {
            undelivered,
            in_doubt,
            json,
            target,
        } => {
            let only = match (undelivered, in_doubt) {
                (true, _) => Only::Undelivered,
                (false, true) => Only::InDoubt,
                (false, false) => Only::All,
            };
            let form = if *json { Form::Json } else { Form::Table };
            exchanges(target, Ask::List { only }, form, out, complaints).await
        }
        Command::Show { id, json, target } => {
            let form = if *json { Form::Json } else { Form::Paragraphs };
            let question = Ask::Show { id: id.clone() };
            exchanges(target, question, form, out, complaints).await
        }
        Command::Verify { target } => verify(target, out, complaints).await,
    }
}

/// How exchanges are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Each as a line of JSON.
    Json,
    /// Each as a line under a heading.
    Table,
    /// Each with everything that is known of it.
    Paragraphs,
}

/// Asks for exchanges, and prints them.
async fn exchanges(
    target: &ask::Target,
    question: Ask,
    form: Form,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let mut is_first = true;
    let mut print = |told: Line| {
        let Line::Exchange(row) = told else {
            return Ok(());
        };
        if std::mem::take(&mut is_first) && form == Form::Table {
            out.write_all(HEADING.as_bytes())?;
        }
        match form {
            Form::Json => ask::json_line(out, &row),
            Form::Table => line(out, &row),
            Form::Paragraphs => paragraph(out, &row),
        }
    };
    ask::ask(target, question, &mut print, complaints).await
}

/// Asks whether the journal is sound, and fails where it is not.
async fn verify(
    target: &ask::Target,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let mut is_sound = true;
    let mut print = |told: Line| {
        let Line::Soundness(found) = told else {
            return Ok(());
        };
        is_sound = found.damage.is_empty();
        for damage in &found.damage {
            writeln!(out, "{}", Escaped(damage))?;
        }
        let exchanges = counted(found.exchanges, "exchange");
        let records = counted(found.records, "record");
        let verdict = if is_sound { "sound" } else { "damaged" };
        writeln!(out, "{verdict}: {exchanges}, {records}")
    };
    let exit = ask::ask(target, Ask::Verify, &mut print, complaints).await?;
    Ok(if is_sound { exit } else { Exit::Failure })
}

const HEADING: &str = "EXCHANGE                              STATE       AGE       OPERATION       \
                       AMOUNT          TRACKING ID           CAUSE           KEY\n";

fn line(out: &mut impl Write, row: &Row) -> io::Result<()> {
    writeln!(
        out,
        "{:37} {:11} {:9} {:15} {:15} {:21} {:15} {}",
        row.exchange,
        row.state,
        age(row.age_seconds),
        row.operation,
        format!(
            "{} {}",
            shown(row.amount.as_ref()),
            shown(row.currency.as_ref())
        ),
        shown(row.tracking_id.as_ref()),
        shown(row.cause.as_ref()),
        Capped(&row.idempotency_key),
    )
}

fn paragraph(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let yes_or_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    let lines = [
        ("exchange", row.exchange.clone()),
        ("state", row.state.clone()),
        ("cause", shown(row.cause.as_ref())),
        ("verdict", shown(row.verdict.as_ref())),
        ("reason", shown(row.reason.as_ref())),
        ("settled", shown(row.settled.as_ref())),
        ("key", Capped(&row.idempotency_key).to_string()),
        ("given by client", yes_or_no(row.explicit_key)),
        ("task", shown(row.request_id.as_ref())),
        ("tracking id", shown(row.tracking_id.as_ref())),
        ("amount", shown(row.amount.as_ref())),
        ("currency", shown(row.currency.as_ref())),
        ("operation", row.operation.clone()),
        ("gateway", row.gateway.clone()),
        ("origin", row.origin.clone()),
        ("resubmits", row.resubmits.to_string()),
        ("answer kept", yes_or_no(row.answer_kept)),
        ("submitted", row.submitted.clone()),
        ("changed", row.changed.clone()),
        ("age", age(row.age_seconds)),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| value != ABSENT) {
        writeln!(out, "{name:16} {value}")?;
    }
    writeln!(out)
}

/// What stands where there is nothing.
pub(super) const ABSENT: &str = "-";

/// A stranger's text, escaped.
pub(super) fn shown(text: Option<&String>) -> String {
    text.map_or_else(|| ABSENT.to_owned(), |text| Capped(text).to_string())
}

/// An age in its two largest units.
fn age(seconds: f64) -> String {
    let whole = std::time::Duration::from_secs_f64(seconds.max(0.0)).as_secs();
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{whole}s"),
        (0, 0, _) => format!("{minutes}m{}s", whole % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        (_, _, _) => format!("{days}d{hours}h"),
    }
}
