//! How the parts are: the gateway's side, the journal, the clients' side, each as a list of numbers.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::figures::{Bytes, Count, Seconds, Spans, time_of_day};
use super::html::Html;
use super::samples::RECENT;
use super::view::View;

/// A list of numbers under one heading.
struct Card<'a> {
    html: &'a mut Html,
}

impl Card<'_> {
    /// One line, and the family that its number is of.
    fn line(&mut self, metric: &str, name: &str, value: impl std::fmt::Display) {
        self.html
            .element("div", &[("data-metric", &metric)], |html| {
                html.say("dt", &[], name);
                html.say("dd", &[], value);
            });
    }

    /// A family with one label, as a line; nothing where nothing was counted.
    fn family(&mut self, view: &View<'_>, metric: &str, label: &str, name: &str) {
        let counts = view.scrape.family(metric, label);
        if counts.is_empty() {
            return;
        }
        let words: Vec<String> = counts
            .iter()
            .map(|(value, count)| format!("{} {}", value.replace('_', " "), Count(*count)))
            .collect();
        self.line(metric, name, words.join(", "));
    }
}

/// The three cards.
pub(super) fn cards(html: &mut Html, view: &View<'_>) {
    html.element("div", &[("class", &"cards")], |html| {
        card(html, "Gateway", |card| gateway(card, view));
        card(html, "Clients", |card| clients(card, view));
        card(html, "Journal", |card| journal(card, view));
    });
}

fn card(html: &mut Html, title: &'static str, content: impl FnOnce(&mut Card<'_>)) {
    html.element("section", &[("class", &"card")], |html| {
        html.say("h2", &[], title);
        html.plain("dl", |html| content(&mut Card { html }));
    });
}

fn gateway(card: &mut Card<'_>, view: &View<'_>) {
    let scrape = &view.scrape;
    let open = "holdline_upstream_connections_open";
    let made = scrape.value("holdline_upstream_connections_total");
    let words = format!("{} open, {} made", Count(scrape.value(open)), Count(made));
    card.line(open, "Connections", words);
    let outages = "holdline_upstream_outages";
    let down = Count(scrape.value(outages));
    card.line(outages, "Gateways that take no connections", down);
    card.family(view, "holdline_submits_total", "answer", "Submits");
    card.family(view, "holdline_polls_total", "answer", "Polls");
    let accepted = scrape.value("holdline_submits_total{answer=\"accepted\"}");
    if accepted > 0.0 {
        let polls = scrape.sum("holdline_polls_total") / accepted;
        let name = "Polls for each payment";
        card.line("holdline_polls_total", name, format_args!("{polls:.1}"));
    }
    card.family(view, "holdline_recovered_total", "verdict", "Searches");
    card.family(view, "holdline_upstream_errors_total", "cause", "Failures");
    let last = "holdline_upstream_last_error_timestamp_seconds";
    let newest = scrape.family(last, "cause").into_iter();
    if let Some((cause, at)) = newest.max_by(|(_, one), (_, other)| one.total_cmp(other)) {
        let time = UNIX_EPOCH + Duration::try_from_secs_f64(at).unwrap_or_default();
        let words = format!("{}, {} ago", cause.replace('_', " "), ago(view.time, time));
        card.line(
            last,
            "Last failure",
            format_args!("{words} ({})", time_of_day(time)),
        );
    }
    for (gateway, seconds) in scrape.family("holdline_gateway_clock_offset_seconds", "gateway") {
        let name = format!("Clock of {gateway}");
        let words = format!("{seconds:+.0} s against ours");
        card.line("holdline_gateway_clock_offset_seconds", &name, words);
    }
}

fn ago(now: SystemTime, then: SystemTime) -> Seconds {
    Seconds(now.duration_since(then).unwrap_or_default().as_secs_f64())
}

fn clients(card: &mut Card<'_>, view: &View<'_>) {
    let scrape = &view.scrape;
    let open = "holdline_connections";
    let parked = Count(scrape.value("holdline_parked"));
    let words = format!(
        "{} open, {parked} of them parked",
        Count(scrape.value(open))
    );
    card.line(open, "Connections", words);
    for (series, name) in [
        ("holdline_joined_total", "Repeats that joined"),
        ("holdline_replayed_total", "Answers given again"),
        ("holdline_hold_expired_total", "Holds that ended first"),
        (
            "holdline_overlapping_total",
            "Near repeats that did not join",
        ),
        ("holdline_relayed_total", "Relayed"),
        ("holdline_relayed_posts_total", "Relayed POSTs"),
    ] {
        card.line(series, name, Count(scrape.value(series)));
    }
    card.family(
        view,
        "holdline_not_acknowledged_total",
        "why",
        "Not acknowledged",
    );
    card.family(
        view,
        "holdline_own_answers_total",
        "outcome",
        "Answers of holdline's own",
    );
    card.family(view, "holdline_refused_total", "why", "Refused");
}

fn journal(card: &mut Card<'_>, view: &View<'_>) {
    let scrape = &view.scrape;
    let Some(up) = scrape.find("holdline_journal_up") else {
        let words = "none: everything is in memory, and a restart forgets it";
        card.html.say("p", &[], words);
        return;
    };
    let state = if up > 0.0 { "up" } else { "down" };
    card.line("holdline_journal_up", "State", state);
    let size = Bytes(scrape.value("holdline_journal_bytes"));
    let words = format!("{size} of {}", Bytes(of_u64(view.about.journal_bytes)));
    card.line("holdline_journal_bytes", "Size", words);
    let owed = "holdline_journal_owed";
    card.line(
        owed,
        "Records that wait for the disk",
        Count(scrape.value(owed)),
    );
    let records = "holdline_journal_records_total";
    card.line(
        records,
        "Records made durable",
        Count(scrape.value(records)),
    );
    let commits = "holdline_journal_commit_seconds";
    let histogram = view.samples.histogram(commits);
    let (middle, slow) = (
        histogram.quantile(RECENT, 0.5),
        histogram.quantile(RECENT, 0.95),
    );
    let words = format!("half within {}, 95 % within {}", Spans(middle), Spans(slow));
    card.line(commits, "A commit, in five minutes", words);
}

/// A size for the eye.
#[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
const fn of_u64(size: u64) -> f64 {
    size as f64
}
