//! What one sees first: what is wrong, the numbers of this moment, and how it came to them.
use super::figures::{Count, Seconds, Spans};
use super::html::{Attributes, Html};
use super::plot::{self, Card, Scale, Series};
use super::samples::{Histogram, RECENT, SLOT};
use super::view::View;
use crate::exchange::Group;

/// From this share of a limit on it is told that the limit is near.
const NEAR: f64 = 0.8;

/// How much something matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Bad,
    Warn,
}

impl Weight {
    const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
        }
    }
}

/// What needs somebody, the worst first; or that nothing does.
pub(super) fn verdicts(html: &mut Html, view: &View<'_>) {
    let mut found = Vec::new();
    unready(view, &mut found);
    owed_to_clients(view, &mut found);
    gateway(view, &mut found);
    limits(view, &mut found);
    found.sort_by_key(|(weight, _)| *weight);
    html.element(
        "ul",
        &[("class", &"verdicts"), ("aria-label", &"What needs you")],
        |html| {
            for (weight, words) in &found {
                html.say("li", &[("class", &weight.class())], words);
            }
            if found.is_empty() {
                html.say("li", &[("class", &"good")], "Nothing needs you.");
            }
        },
    );
}

fn unready(view: &View<'_>, found: &mut Vec<(Weight, String)>) {
    for part in view.fault.iter().flat_map(|fault| fault.lines()) {
        let weight = if part == "draining" {
            Weight::Warn
        } else {
            Weight::Bad
        };
        found.push((weight, format!("New payments are refused: {part}.")));
    }
    let owed = view.scrape.value("holdline_journal_owed");
    if owed > 0.0 {
        let words =
            "records wait for the disk. They are lost if the process ends before it is back.";
        found.push((Weight::Bad, format!("{} {words}", Count(owed))));
    }
}

fn owed_to_clients(view: &View<'_>, found: &mut Vec<(Weight, String)>) {
    let in_doubt = view.census.count(Group::InDoubt);
    if in_doubt > 0 {
        let what = if in_doubt == 1 {
            "exchange is"
        } else {
            "exchanges are"
        };
        let words = "in doubt: each may have been executed. Look it up, then resolve it.";
        found.push((Weight::Bad, format!("{in_doubt} {what} {words}")));
    }
    let expired = view.scrape.value("holdline_undelivered_expired_total");
    if expired > 0.0 {
        let words = "Answers that expired without their client, which the log names";
        found.push((Weight::Warn, format!("{words}: {}.", Count(expired))));
    }
    let oldest = view.census.of(Group::Running).next();
    let age = oldest.map(|(flight, _)| view.census.now.since(flight.read_at()));
    if let Some(age) = age.filter(|age| *age > view.about.hold) {
        let age = Seconds(age.as_secs_f64());
        let words = format!("The oldest payment runs for {age}, longer than a client is held.");
        found.push((Weight::Warn, words));
    }
}

fn gateway(view: &View<'_>, found: &mut Vec<(Weight, String)>) {
    let failures = view
        .samples
        .increases_of_all("holdline_upstream_errors_total");
    let recent: f64 = failures.iter().rev().take(RECENT).flatten().sum();
    if recent > 0.0 {
        let words = "Calls to the gateway that failed in the last five minutes";
        found.push((Weight::Warn, format!("{words}: {}.", Count(recent))));
    }
    let outages = view.scrape.value("holdline_upstream_outages");
    if outages > 0.0 {
        let words = "Gateways that accept no connections, so that new payments are refused";
        found.push((Weight::Bad, format!("{words}: {}.", Count(outages))));
    }
    let unclassified = view.scrape.value("holdline_unclassified_answers_total");
    if unclassified > 0.0 {
        let words = "Answers of the gateway of no known shape";
        found.push((Weight::Warn, format!("{words}: {}.", Count(unclassified))));
    }
}

fn limits(view: &View<'_>, found: &mut Vec<(Weight, String)>) {
    let about = view.about;
    let scraped = |series| view.scrape.value(series);
    let waiting = [Group::InDoubt, Group::Interrupted, Group::Undelivered];
    let waiting = waiting.map(|group| view.census.count(group)).iter().sum();
    for (key, now, limit) in [
        ("limits.held", scraped("holdline_held"), about.held),
        ("limits.running", scraped("holdline_running"), about.running),
        ("limits.undelivered", of_usize(waiting), about.undelivered),
    ] {
        let limit = of_usize(limit);
        if now >= limit * NEAR {
            let words = format!("{} of {} that {key} allows.", Count(now), Count(limit));
            found.push((Weight::Warn, words));
        }
    }
    let refusals = view.scrape.family("holdline_refused_total", "why");
    for (why, count) in refusals.iter().filter(|(why, _)| why != "draining") {
        let why = why.replace('_', " ");
        let words = format!(
            "New payments refused since the start, {why}: {}.",
            Count(*count)
        );
        found.push((Weight::Warn, words));
    }
}

/// One number.
struct Tile {
    /// The family that it is of.
    metric: &'static str,
    name: &'static str,
    value: String,
    note: String,
    is_bad: bool,
}

/// The numbers of this moment.
pub(super) fn tiles(html: &mut Html, view: &View<'_>) {
    let attributes: Attributes<'_> = &[("class", &"tiles"), ("aria-label", &"Now")];
    html.element("section", attributes, |html| {
        for tile in counts(view).into_iter().chain(spans(view)) {
            let class = if tile.is_bad { "tile bad" } else { "tile" };
            let attributes: Attributes<'_> = &[("class", &class), ("data-metric", &tile.metric)];
            html.element("div", attributes, |html| {
                html.say("h2", &[], tile.name);
                html.say("b", &[], &tile.value);
                html.say("span", &[("class", &"quiet")], &tile.note);
            });
        }
    });
}

fn counts(view: &View<'_>) -> [Tile; 4] {
    let oldest = Seconds(view.scrape.value("holdline_oldest_running_seconds"));
    let tile = |metric, name, note: String| Tile {
        metric,
        name,
        value: Count(view.scrape.value(metric)).to_string(),
        note,
        is_bad: false,
    };
    let held = format!("of at most {}", view.about.held);
    let waiting = "answers wait for a repeat".to_owned();
    let executed = "may have been executed".to_owned();
    [
        tile("holdline_held", "Held now", held),
        tile("holdline_running", "Running", format!("oldest {oldest}")),
        tile("holdline_undelivered", "Undelivered", waiting),
        Tile {
            is_bad: view.census.count(Group::InDoubt) > 0,
            ..tile("holdline_in_doubt", "In doubt", executed)
        },
    ]
}

fn spans(view: &View<'_>) -> [Tile; 3] {
    let answers = view.samples.histogram("holdline_exchange_seconds");
    let lateness = view.samples.histogram("holdline_detection_delay_seconds");
    // The process may be younger than five minutes.
    let slots = answers.slots.iter().rev().take(RECENT).flatten().count();
    let minutes = of_usize(slots.max(1)) * SLOT.as_secs_f64() / 60.0;
    let half = |metric, name, of: &Histogram| Tile {
        metric,
        name,
        value: Spans(of.quantile(RECENT, 0.5)).to_string(),
        note: format!("95 % within {}", Spans(of.quantile(RECENT, 0.95))),
        is_bad: false,
    };
    [
        Tile {
            metric: "holdline_exchanges_total",
            name: "Ended a minute",
            value: Count(answers.last(RECENT).total() / minutes).to_string(),
            note: "last five minutes".to_owned(),
            is_bad: false,
        },
        half("holdline_exchange_seconds", "Time to answer", &answers),
        half("holdline_detection_delay_seconds", "Lateness", &lateness),
    ]
}

/// The last quarter of an hour.
pub(super) fn plots(html: &mut Html, view: &View<'_>) {
    html.element(
        "section",
        &[("class", &"plots"), ("aria-label", &"The last 15 minutes")],
        |html| {
            load(html, view);
            outcomes(html, view);
            time_to_answer(html, view);
            lateness(html, view);
            failures(html, view);
            answer_times(html, view);
        },
    );
}

fn load(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "Held, running, in doubt",
        about: "Requests that wait on a connection, payments without an outcome, and those in doubt.",
        metric: "holdline_held",
    };
    let level = |name, class, series: &str| Series {
        name,
        class,
        points: view.samples.levels(series),
        latest: Count(view.scrape.value(series)).to_string(),
    };
    let series = [
        level("running", "c2", "holdline_running"),
        level("held", "c1", "holdline_held"),
        level("in doubt", "c4", "holdline_in_doubt"),
    ];
    plot::lines(html, &card, Scale::Count, &series);
}

fn outcomes(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "Outcomes",
        about: "How payments ended, in steps of 15 seconds; the numbers count since the start.",
        metric: "holdline_exchanges_total",
    };
    let layer = |name, class| {
        let series = format!("holdline_exchanges_total{{outcome=\"{name}\"}}");
        Series {
            name,
            class,
            points: view.samples.increases(&series),
            latest: Count(view.scrape.value(&series)).to_string(),
        }
    };
    let series = [
        layer("completed", "c1"),
        layer("refused", "c2"),
        layer("not-submitted", "c3"),
        layer("in-doubt", "c4"),
        layer("expired", "c5"),
    ];
    plot::bars(html, &card, &series);
}

fn time_to_answer(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "Time to answer",
        about: "From a request read whole to its outcome: how many took how long.",
        metric: "holdline_exchange_seconds",
    };
    let histogram = view.samples.histogram("holdline_exchange_seconds");
    let legend = shares(&histogram, "heat");
    plot::heat(html, &card, &histogram, &legend);
}

fn lateness(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "Lateness",
        about: "From the end of the gateway's work, estimated, to the answer at hand: what polling costs.",
        metric: "holdline_detection_delay_seconds",
    };
    let histogram = view.samples.histogram("holdline_detection_delay_seconds");
    quantiles(html, &card, &histogram);
}

fn failures(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "Failed calls to the gateway",
        about: "Connections and answers that failed, and polls without a whole answer.",
        metric: "holdline_upstream_errors_total",
    };
    let lost = "holdline_polls_total{answer=\"lost\"}";
    let broken = "holdline_polls_total{answer=\"broken\"}";
    let transient = "holdline_polls_total{answer=\"transient\"}";
    let counted = |name, class, series: &str| Series {
        name,
        class,
        points: view.samples.increases(series),
        latest: Count(view.scrape.value(series)).to_string(),
    };
    let series = [
        Series {
            name: "failed",
            class: "c4",
            points: view
                .samples
                .increases_of_all("holdline_upstream_errors_total"),
            latest: Count(view.scrape.sum("holdline_upstream_errors_total")).to_string(),
        },
        counted("polls lost", "c3", lost),
        counted("polls mangled", "c2", broken),
        counted("polls that say nothing", "c5", transient),
    ];
    plot::bars(html, &card, &series);
}

fn answer_times(html: &mut Html, view: &View<'_>) {
    let card = Card {
        title: "The gateway's answers",
        about: "From the start of a poll or a search to its whole answer.",
        metric: "holdline_upstream_answer_seconds",
    };
    let histogram = view.samples.histogram("holdline_upstream_answer_seconds");
    quantiles(html, &card, &histogram);
}

fn quantiles(html: &mut Html, card: &Card, histogram: &Histogram) {
    let [middle, slow] = shares(histogram, "c1");
    let series = [
        Series {
            points: histogram.quantiles(0.5),
            ..middle
        },
        Series {
            class: "c2",
            points: histogram.quantiles(0.95),
            ..slow
        },
    ];
    plot::lines(html, card, Scale::Seconds, &series);
}

fn shares(histogram: &Histogram, class: &'static str) -> [Series; 2] {
    [("half within", 0.5), ("95 % within", 0.95)].map(|(name, share)| Series {
        name,
        class,
        points: Vec::new(),
        latest: Spans(histogram.quantile(RECENT, share)).to_string(),
    })
}

/// A count for arithmetic.
fn of_usize(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
