//! The tables of the page: who needs somebody, where the load is, and how the parts are.
use std::collections::BTreeMap;

use super::about::About;
use super::figures::Seconds;
use super::html::Html;
use super::view::View;
use crate::exchange::machine::Timer;
use crate::exchange::{Flight, Glance, Group};
use crate::timing::Moment;

/// Rows of a table; the rest is counted and linked to.
const MOST_IN_DOUBT: usize = 25;
const MOST_OTHERS: usize = 10;

/// One column: its heading and its cell.
struct Column {
    name: &'static str,
    cell: fn(&mut Html, &Row<'_>),
}

/// An exchange in a table.
struct Row<'a> {
    flight: &'a Flight,
    glance: &'a Glance,
    now: Moment,
    about: &'a About,
}

const EXCHANGE: Column = Column {
    name: "Exchange",
    cell: |html, row| {
        let id = row.flight.id().to_string();
        let path = format!("/tasks/{id}");
        html.element("a", &[("href", &path)], |html| html.say("code", &[], &id));
    },
};

/// Where the whole id stands in the same row.
const SHORT: Column = Column {
    name: "Exchange",
    cell: |html, row| {
        let path = format!("/tasks/{}", row.flight.id());
        let (short, _, _, _) = row.flight.id().as_fields();
        html.element("a", &[("href", &path)], |html| {
            html.say("code", &[], format_args!("{short:08x}…"));
        });
    },
};

const AGE: Column = Column {
    name: "Age",
    cell: |html, row| {
        let age = row.now.since(row.flight.read_at());
        html.text(Seconds(age.as_secs_f64()));
    },
};

const AMOUNT: Column = Column {
    name: "Amount",
    cell: |html, row| {
        let facts = row.flight.facts();
        html.strangers(facts.amount.as_deref().unwrap_or("–"));
        html.text(" ");
        html.strangers(facts.currency.as_deref().unwrap_or_default());
    },
};

const TRACKING: Column = Column {
    name: "Tracking id",
    cell: |html, row| {
        let facts = row.flight.facts();
        html.strangers(facts.tracking_id.as_deref().unwrap_or("–"));
    },
};

const KEY: Column = Column {
    name: "Key",
    cell: |html, row| html.strangers(row.flight.key().value.to_str().unwrap_or("–")),
};

const CAUSE: Column = Column {
    name: "Why",
    cell: |html, row| html.text(row.glance.doubt.map_or("–", |doubt| doubt.words())),
};

const WHERE: Column = Column {
    name: "Where",
    cell: |html, row| {
        html.text(row.flight.gateway_name());
        html.text(" ");
        html.text(row.flight.conversion().operation.name());
        if let Some(parent) = row.flight.facts().parent_uid.as_deref() {
            html.text(" of ");
            html.strangers(parent);
        }
    },
};

const RESOLVE: Column = Column {
    name: "To settle it",
    cell: |html, row| match row.about.resolve(row.flight.id()) {
        Some(line) => html.say("code", &[("class", &"command")], line),
        None => html.text("Its client's repeat alone: there is no control socket."),
    },
};

const AWAITS: Column = Column {
    name: "Waits for",
    cell: |html, row| {
        html.text(row.glance.awaits());
        if let Some((at, Timer::Poll)) = row.glance.next {
            html.text(format_args!(
                " in {}",
                Seconds(at.since(row.now).as_secs_f64())
            ));
        }
    },
};

const POLLS: Column = Column {
    name: "Polls",
    cell: |html, row| html.text(row.glance.polls_sent),
};

const WAITERS: Column = Column {
    name: "Clients",
    cell: |html, row| html.text(row.glance.waiters),
};

/// A table of exchanges.
struct Table {
    group: Group,
    title: &'static str,
    about: &'static str,
    most: usize,
    columns: &'static [Column],
}

const TABLES: [Table; 4] = [
    Table {
        group: Group::InDoubt,
        title: "In doubt",
        about: "Each may have been executed. Look it up at the gateway, by its tracking id, its key or, \
                of a refund, capture or void, beside the transaction that it acts on. Then say what \
                you found: VERDICT is executed or not-executed. A repeat of its client searches for \
                it too, where it has a tracking id.",
        most: MOST_IN_DOUBT,
        columns: &[SHORT, AGE, AMOUNT, TRACKING, KEY, WHERE, CAUSE, RESOLVE],
    },
    Table {
        group: Group::Running,
        title: "Longest running",
        about: "Payments that the gateway works on, the oldest first.",
        most: MOST_OTHERS,
        columns: &[
            EXCHANGE, AGE, AMOUNT, TRACKING, WHERE, AWAITS, POLLS, WAITERS,
        ],
    },
    Table {
        group: Group::Interrupted,
        title: "Interrupted",
        about: "The gateway took these before a restart. Each goes on when its client repeats the request: \
                only that brings the credentials to ask for its result.",
        most: MOST_OTHERS,
        columns: &[EXCHANGE, AGE, AMOUNT, TRACKING, KEY, WHERE],
    },
    Table {
        group: Group::Undelivered,
        title: "Undelivered",
        about: "Answers that are kept for clients which hung up: the same request again gets its answer. \
                Those on their way stand here too, until they are acknowledged.",
        most: MOST_OTHERS,
        columns: &[EXCHANGE, AGE, AMOUNT, TRACKING, KEY, WHERE],
    },
];

/// The exchanges that somebody may have to look at.
pub(super) fn attention(html: &mut Html, view: &View<'_>) {
    for table in &TABLES {
        let count = view.census.count(table.group);
        if count == 0 {
            continue;
        }
        html.element("section", &[("class", &"card")], |html| {
            html.plain("h2", |html| {
                html.text(table.title);
                html.say("span", &[("class", &"quiet")], format_args!(" {count}"));
            });
            html.say("p", &[("class", &"quiet")], table.about);
            rows(html, view, table);
            if count > table.most {
                let path = format!("/tasks?state={}", table.group.name());
                let words = format!("{} more, as JSON", count - table.most);
                html.plain("p", |html| html.say("a", &[("href", &path)], words));
            }
        });
    }
}

fn rows(html: &mut Html, view: &View<'_>, table: &Table) {
    html.plain("table", |html| {
        heading(html, table.columns.iter().map(|column| column.name));
        html.plain("tbody", |html| {
            for (flight, glance) in view.census.of(table.group).take(table.most) {
                let row = Row {
                    flight,
                    glance,
                    now: view.census.now,
                    about: view.about,
                };
                html.plain("tr", |html| {
                    for column in table.columns {
                        html.element("td", &[("data-label", &column.name)], |html| {
                            (column.cell)(html, &row);
                        });
                    }
                });
            }
        });
    });
}

/// The names of a table's columns.
pub(super) fn heading(html: &mut Html, names: impl Iterator<Item = &'static str>) {
    html.plain("thead", |html| {
        html.plain("tr", |html| {
            for name in names {
                html.say("th", &[("scope", &"col")], name);
            }
        });
    });
}

/// How many there are of one route.
#[derive(Default)]
struct Tally {
    running: usize,
    clients: usize,
    undelivered: usize,
    in_doubt: usize,
    oldest: Option<Moment>,
}

impl Tally {
    fn add(&mut self, flight: &Flight, glance: &Glance) {
        self.clients += glance.waiters;
        match glance.group {
            Group::Running => {
                self.running += 1;
                // They come oldest first.
                self.oldest.get_or_insert(flight.read_at());
            }
            Group::Undelivered => self.undelivered += 1,
            Group::InDoubt => self.in_doubt += 1,
            Group::Interrupted | Group::Settled | Group::Delivered | Group::Ended => {}
        }
    }
}

/// Where the load is.
pub(super) fn routes(html: &mut Html, view: &View<'_>) {
    let mut tallies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for (flight, glance) in &view.census.all {
        let route = (flight.gateway_name(), flight.conversion().operation.name());
        tallies.entry(route).or_default().add(flight, glance);
    }
    html.element("section", &[("class", &"card")], |html| {
        html.say("h2", &[], "By gateway and route");
        if tallies.is_empty() {
            html.say("p", &[("class", &"quiet")], "Nothing is under way.");
            return;
        }
        let names = [
            "Gateway",
            "Route",
            "Running",
            "Clients",
            "Undelivered",
            "In doubt",
            "Oldest running",
        ];
        let age = |at| Seconds(view.census.now.since(at).as_secs_f64()).to_string();
        let rows = tallies.iter().map(|((gateway, route), tally)| {
            [
                (*gateway).to_owned(),
                (*route).to_owned(),
                tally.running.to_string(),
                tally.clients.to_string(),
                tally.undelivered.to_string(),
                tally.in_doubt.to_string(),
                tally.oldest.map_or_else(|| "–".to_owned(), age),
            ]
        });
        numbers(html, names, rows);
    });
}

/// A table of numbers under their names.
pub(super) fn numbers<const COLUMNS: usize>(
    html: &mut Html,
    names: [&'static str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) {
    html.element("table", &[("class", &"numbers")], |html| {
        heading(html, names.into_iter());
        html.plain("tbody", |html| {
            for cells in rows {
                html.plain("tr", |html| {
                    for (name, cell) in names.iter().zip(&cells) {
                        html.say("td", &[("data-label", name)], cell);
                    }
                });
            }
        });
    });
}
