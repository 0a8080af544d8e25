//! Tables of medians over rounds. A ratio is that of two runs of the same round, since only those
//! shared the machine's mood; behind its median stand the lowest and the highest one.
use std::fmt::Write as _;

use crate::Failure;

/// What one contestant brought in each round; `None` where it failed.
pub(crate) struct Row<T> {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Option<T>>,
}

/// One figure of a table.
pub(crate) struct Column<T> {
    pub(crate) head: &'static str,
    pub(crate) value: fn(&T) -> f64,
    pub(crate) digits: usize,
    /// Whether a column with the ratio to the base follows.
    pub(crate) ratio: bool,
}

/// A column that is shown.
pub(crate) const fn show<T>(head: &'static str, value: fn(&T) -> f64, digits: usize) -> Column<T> {
    Column {
        head,
        value,
        digits,
        ratio: false,
    }
}

/// A column that is shown and compared with the base.
pub(crate) const fn compare<T>(
    head: &'static str,
    value: fn(&T) -> f64,
    digits: usize,
) -> Column<T> {
    Column {
        ratio: true,
        ..show(head, value, digits)
    }
}

impl<T> Row<T> {
    pub(crate) const fn new(name: String) -> Self {
        Self {
            name,
            rounds: Vec::new(),
        }
    }

    /// Adds what a round brought, and tells that it is done.
    pub(crate) fn add(&mut self, ran: Result<T, Failure>) {
        match &ran {
            Ok(_) => eprintln!("{}: done", self.name),
            Err(why) => eprintln!("{}: {why}", self.name),
        }
        self.rounds.push(ran.ok());
    }

    /// What the rounds brought that did not fail.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &T> {
        self.rounds.iter().flatten()
    }

    /// True if no round failed.
    pub(crate) fn is_whole(&self) -> bool {
        self.rounds.iter().all(Option::is_some)
    }

    fn values(&self, value: fn(&T) -> f64) -> Vec<Option<f64>> {
        let figures = self.rounds.iter();
        figures.map(|seen| seen.as_ref().map(value)).collect()
    }

    /// The ratios to `base`, round by round.
    fn ratios(&self, base: &Self, value: fn(&T) -> f64) -> Vec<f64> {
        let pairs = self.values(value).into_iter().zip(base.values(value));
        sorted(pairs.filter_map(|(own, other)| Some(own? / other?)))
    }
}

/// The table as Markdown; ratios are to the row of this name.
pub(crate) fn markdown<T>(base: &str, columns: &[Column<T>], rows: &[Row<T>]) -> String {
    let mut text = String::from("| |");
    for column in columns {
        let _infallible = write!(text, " {} |", column.head);
        if column.ratio {
            text.push_str(" ratio |");
        }
    }
    text.push_str("\n| --- |");
    for column in columns {
        text.push_str(if column.ratio {
            " ---: | ---: |"
        } else {
            " ---: |"
        });
    }
    let base = rows.iter().find(|row| row.name == base);
    for row in rows {
        let _infallible = write!(text, "\n| {} |", row.name);
        for column in columns {
            let values = sorted(row.values(column.value).into_iter().flatten());
            let _infallible = write!(text, " {} |", number(median(&values), column.digits));
            if column.ratio {
                let ratios = base.map_or_else(Vec::new, |base| row.ratios(base, column.value));
                let _infallible = write!(text, " {} |", spread(&ratios));
            }
        }
    }
    text.push('\n');
    text
}

/// The median of the ratios between two rows, and how far they lie apart.
pub(crate) fn ratio_of<T>(row: &Row<T>, base: &Row<T>, value: fn(&T) -> f64) -> String {
    spread(&row.ratios(base, value))
}

/// The median of sorted ratios, with the lowest and the highest where they differ.
fn spread(ratios: &[f64]) -> String {
    let median = number(median(ratios), 2);
    match ratios {
        [first, .., last] if first < last => format!("{median} ({first:.2}–{last:.2})"),
        _ => median,
    }
}

/// The middle of sorted values, or the mean of the two that stand there.
fn median(sorted: &[f64]) -> f64 {
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    let pair = (sorted.get(low), sorted.get(high));
    pair.0
        .zip(pair.1)
        .map_or(f64::NAN, |(low, high)| low.midpoint(*high))
}

fn number(value: f64, digits: usize) -> String {
    if value.is_finite() {
        format!("{value:.digits$}")
    } else {
        "–".to_owned()
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
