//! `holdline polling`: how a running holdline polls each route, what it has learned of its tasks, and
//! what is possible.
use std::io::{self, Write};

use super::journal::ABSENT;
use super::plot::{self, span};
use super::{Exit, Unheard, ask};
use crate::control::{Ask, Line};
use crate::polling::{Budgeted, Confidence, Learned, Measured, Picture, ScheduleKind};

/// Routes that are drawn at most; a table has them all.
const DRAWN: usize = 4;

/// Instants of a plan that are told in words.
const FIRST_POLLS: usize = 6;

/// Which routes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only the routes of this gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Only this operation, like payments
    #[arg(long, value_name = "OPERATION")]
    route: Option<String>,
    /// One JSON object a line, one for each route
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: ask::Target,
}

/// Asks the running holdline.
pub async fn run(
    args: &Args,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let question = Ask::Polling {
        gateway: args.gateway.clone(),
        route: args.route.clone(),
    };
    let mut pictures = Vec::new();
    let mut print = |line: Line| {
        let Line::Polling(picture) = line else {
            return Ok(());
        };
        if args.json {
            return ask::json_line(out, &picture);
        }
        pictures.push(*picture);
        Ok(())
    };
    let exit = ask::ask(&args.target, question, &mut print, complaints).await?;
    if exit == Exit::Success && !args.json {
        tell(&mut Unheard(out), &pictures)?;
    }
    Ok(exit)
}

/// The table of all routes, and then the first of them one by one.
fn tell(out: &mut impl Write, pictures: &[Picture]) -> io::Result<()> {
    if pictures.is_empty() {
        return writeln!(
            out,
            "No exchange has begun since the start: nothing is known of any route yet."
        );
    }
    table(out, pictures)?;
    for picture in pictures.iter().take(DRAWN) {
        writeln!(out)?;
        route(out, picture)?;
    }
    let more = pictures.len().saturating_sub(DRAWN);
    if more > 0 {
        let words = "more routes are in the table: --gateway and --route draw them.";
        writeln!(out, "\n{more} {words}")?;
    }
    Ok(())
}

const HEADING: [&str; 9] = [
    "GATEWAY", "ROUTE", "LAW", "MEDIAN", "99 %", "POLLS", "DELAY", "EXPECTED", "PRICE",
];

/// Columns of text, which begin where their heading does; numbers end there.
const TEXTS: usize = 3;

fn table(out: &mut impl Write, pictures: &[Picture]) -> io::Result<()> {
    let rows: Vec<[String; 9]> = std::iter::once(HEADING.map(str::to_owned))
        .chain(pictures.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if column < TEXTS {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(picture: &Picture) -> [String; 9] {
    let absent = || ABSENT.to_owned();
    let learned = picture.learned.as_ref();
    let measured = picture.measured.map(|it| it.brings);
    let of_law = |of: fn(&Learned) -> Option<f64>| learned.and_then(of).map_or_else(absent, span);
    let law = match picture.schedule {
        ScheduleKind::Fixed => "fixed",
        ScheduleKind::Exponential => "exponential",
        ScheduleKind::Learned => learned.map_or(ABSENT, |it| it.confidence.name()),
    };
    let expected = |it: &Learned| {
        let delay = span(it.plan.delay_seconds);
        format!("{:.1} x {delay}", it.plan.polls)
    };
    [
        picture.gateway.clone(),
        picture.route.clone(),
        law.to_owned(),
        of_law(|it| it.median_seconds),
        of_law(|it| it.p99_seconds),
        measured.map_or_else(absent, |it| format!("{:.1}", it.polls)),
        measured.map_or_else(absent, |it| span(it.delay_seconds)),
        learned.map_or_else(absent, expected),
        learned.map_or_else(absent, |it| span(it.price_in_force_seconds)),
    ]
}

/// One route in words and plots.
fn route(out: &mut impl Write, picture: &Picture) -> io::Result<()> {
    writeln!(out, "{} {}", picture.gateway, picture.route)?;
    for (name, words) in words(picture) {
        writeln!(out, "  {name:9} {words}")?;
    }
    let Some(learned) = &picture.learned else {
        return Ok(());
    };
    writeln!(out, "\n  Delay (up) and polls (across) of an exchange")?;
    for line in plot::curve(picture, learned) {
        writeln!(out, "{line}")?;
    }
    let measured = match picture.measured {
        Some(_) => "   M measured",
        None => "",
    };
    let fixed = match learned.fixed {
        Some(_) => "   F fixed interval",
        None => "",
    };
    writeln!(out, "  * least possible   P plan in force{measured}{fixed}")?;
    writeln!(out, "\n  How long tasks take, and when the plan polls")?;
    for line in plot::law(learned) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What is known, line by line.
fn words(picture: &Picture) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let learned = picture.learned.as_ref();
    let every = span(picture.interval_seconds);
    lines.push((
        "schedule",
        match (picture.schedule, learned) {
            (ScheduleKind::Fixed, _) => format!("fixed, every {every}"),
            (ScheduleKind::Exponential, _) => format!("exponential, from {every} on"),
            (ScheduleKind::Learned, Some(learned)) => basis(learned),
            (ScheduleKind::Learned, None) => "learned".to_owned(),
        },
    ));
    if let Some(learned) = learned {
        lines.push(("tasks", tasks(learned)));
    }
    lines.push(("measured", measured(picture.measured)));
    match learned {
        None => lines.push((
            "possible",
            "not known: polling.schedule = \"learned\" would find out".to_owned(),
        )),
        Some(learned) => possible(&mut lines, picture, learned, &every),
    }
    lines
}

/// What the learned law rests on.
fn basis(learned: &Learned) -> String {
    let (exchanges, weight) = (learned.exchanges, learned.weight);
    match learned.confidence {
        Confidence::Cold => {
            format!("learned, of {exchanges} exchanges: too few, the plan is a guess")
        }
        Confidence::Doubted => {
            format!("learned, of {exchanges} exchanges; the latest tasks were too quick for it")
        }
        Confidence::Sure => format!("learned, of {exchanges} exchanges, which count {weight:.0}"),
    }
}

fn tasks(learned: &Learned) -> String {
    let within = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("within {}", span(seconds)),
        None => "beyond the longest hold".to_owned(),
    };
    let (half, nine, most) = (
        within(learned.median_seconds),
        within(learned.p90_seconds),
        within(learned.p99_seconds),
    );
    format!("half {half}, 90 % {nine}, 99 % {most}")
}

fn measured(measured: Option<Measured>) -> String {
    let Some(Measured { exchanges, brings }) = measured else {
        return "no result was found yet".to_owned();
    };
    let delay = span(brings.delay_seconds);
    let noun = if exchanges == 1 {
        "exchange"
    } else {
        "exchanges"
    };
    format!(
        "{:.1} polls, {delay} late; the latest of {exchanges} {noun}",
        brings.polls
    )
}

fn possible(
    lines: &mut Vec<(&'static str, String)>,
    picture: &Picture,
    learned: &Learned,
    every: &str,
) {
    let late = |polls: f64, delay: f64| format!("{polls:.1} polls, {} late", span(delay));
    let plan = learned.plan;
    let over = learned.over_limit;
    let expected = late(plan.polls, plan.delay_seconds);
    lines.push((
        "plan",
        format!("{expected}; delay times polls is {over:.2} of the limit K"),
    ));
    lines.push(("polls", polls(learned)));
    lines.extend(sharp(learned).map(|words| ("sharp", words)));
    if let Some(fixed) = learned.fixed {
        let expected = late(fixed.polls, fixed.delay_seconds);
        lines.push(("fixed", format!("{expected}, if it were every {every}")));
    }
    let polls = picture.measured.map(|it| it.brings.polls);
    if let Some(least) = polls.and_then(|polls| learned.least_delay(polls)) {
        let words = "late is possible with as many polls as were measured";
        lines.push(("least", format!("{} {words}", span(least))));
    }
    lines.push(("price", price(learned)));
    if let Some(budget) = learned.budget {
        lines.push(("budget", used(budget)));
    }
}

/// When the plan polls first.
fn polls(learned: &Learned) -> String {
    let told = learned.instants_seconds.iter().take(FIRST_POLLS);
    let told: Vec<String> = told.map(|instant| span(*instant)).collect();
    let more = learned.instants.saturating_sub(told.len());
    let told = told.join(", ");
    if more == 0 {
        format!("after {told}")
    } else {
        format!("after {told}, and {more} more")
    }
}

/// Which of its polls are made to the millisecond, as they are marked in the plot.
fn sharp(learned: &Learned) -> Option<String> {
    let told = learned.sharp_seconds.iter().take(FIRST_POLLS);
    let told: Vec<String> = told.map(|instant| span(*instant)).collect();
    let is_any = !told.is_empty();
    is_any.then(|| format!("! after {}, right behind most tasks", told.join(", ")))
}

fn price(learned: &Learned) -> String {
    let in_force = span(learned.price_in_force_seconds);
    let configured = span(learned.price_seconds);
    if learned.is_price_moved() {
        format!("{in_force} of delay for a poll now, {configured} by polling.price")
    } else {
        format!("{in_force} of delay for a poll")
    }
}

fn used(budget: Budgeted) -> String {
    let (rate, limit) = (budget.per_second, budget.max_per_second);
    format!("{rate:.1} of {limit:.0} polls a second, for all routes of the gateway")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pictures: &[Picture]) -> String {
        let mut out = Vec::new();
        tell(&mut out, pictures).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn routes_are_told_in_a_table_in_words_and_as_plots() {
        let told = told(&Picture::samples());
        let fits = |line: &str| line.is_ascii() && line.len() <= 80;
        assert!(told.lines().all(fits), "{told}");
        insta::assert_snapshot!(told);
    }

    #[test]
    fn a_sharp_poll_is_told_and_marked() {
        let mut picture = Picture::samples().swap_remove(0);
        let is_marked = |told: &str| {
            told.lines()
                .any(|it| it.contains("polls ") && it.contains('!'))
        };
        assert!(!is_marked(&told(&[picture.clone()])));
        let learned = picture.learned.as_mut().unwrap();
        learned.sharp_seconds = vec![learned.instants_seconds[1]];
        let told = told(&[picture]);
        assert!(told.contains("sharp     ! after 1.2 s, right"), "{told}");
        assert!(is_marked(&told), "{told}");
    }

    #[test]
    fn many_routes_are_in_the_table_and_the_first_are_drawn() {
        let pictures = vec![Picture::samples().swap_remove(0); 9];
        let told = told(&pictures);
        assert_eq!(told.matches("Delay (up)").count(), DRAWN);
        assert!(
            told.ends_with("5 more routes are in the table: --gateway and --route draw them.\n")
        );
    }
}
