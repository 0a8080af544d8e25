//! Plots for a terminal of 80 columns, in plain characters.
use crate::polling::{Bin, Brings, Learned, Picture, Ruler};

/// Columns and rows of a plot, without the words around it.
const COLUMNS: u16 = 66;
const CURVE_ROWS: u16 = 14;
const LAW_ROWS: u16 = 6;

/// Columns left of a plot, for the words of its marks.
const MARGIN: usize = 9;

/// Marks along an axis.
const MARKS: usize = 8;

/// A rectangle of characters; the first row is the upper one.
struct Canvas(Vec<Vec<char>>);

impl Canvas {
    fn new(rows: u16) -> Self {
        Self(vec![vec![' '; usize::from(COLUMNS)]; usize::from(rows)])
    }

    fn cell(&mut self, column: usize, row: usize) -> Option<&mut char> {
        self.0.get_mut(row)?.get_mut(column)
    }

    fn put(&mut self, column: usize, row: usize, character: char) {
        if let Some(cell) = self.cell(column, row) {
            *cell = character;
        }
    }

    /// Puts a letter; where there is one already it stands beside it.
    fn put_letter(&mut self, column: usize, row: usize, letter: char) {
        let is_free = |canvas: &mut Self, column: usize| {
            let cell = canvas.cell(column, row);
            cell.is_some_and(|it| !it.is_ascii_uppercase())
        };
        let free = (column..column + 3).find(|it| is_free(self, *it));
        self.put(free.unwrap_or(column), row, letter);
    }

    /// The rows, each with the words of its mark.
    fn lines(&self, words: impl Fn(usize) -> String) -> Vec<String> {
        let rows = self.0.iter().enumerate();
        rows.map(|(row, cells)| {
            let cells: String = cells.iter().collect();
            let line = format!("{:>width$} |{cells}", words(row), width = MARGIN - 2);
            line.trim_end().to_owned()
        })
        .collect()
    }
}

/// The cell, of so many, that a place between 0 and 1 is in the middle of.
fn cell(place: f64, cells: u16) -> usize {
    let last = f64::from(cells.saturating_sub(1));
    let reached = (0..cells).find(|cell| f64::from(*cell) + 0.5 >= place * last);
    usize::from(reached.unwrap_or(cells))
}

/// The place of a cell.
fn place(cell: u16, cells: u16) -> f64 {
    f64::from(cell) / f64::from(cells.saturating_sub(1).max(1))
}

/// The curve of what is possible, and where plan, measured exchanges and a fixed interval stand. Both
/// axes are logarithmic.
pub(super) fn curve(picture: &Picture, learned: &Learned) -> Vec<String> {
    let points = points(picture, learned);
    let all = || {
        let corners = learned.curve.iter().map(|corner| corner.brings);
        corners.chain(points.iter().map(|(_, point)| *point))
    };
    let across = Ruler::around(all().map(|it| it.polls), 2.0).longer(1.05);
    let upwards = Ruler::around(all().map(|it| it.delay_seconds), 2.0).longer(1.05);
    let row = |delay: f64| cell(1.0 - upwards.place(delay), CURVE_ROWS);
    let mut canvas = Canvas::new(CURVE_ROWS);
    let mut before = None;
    for column in 0..COLUMNS {
        let least = learned.least_delay(across.value(place(column, COLUMNS)));
        let Some(here) = least.map(row) else {
            continue;
        };
        for between in before.map_or(here, |it: usize| (it + 1).min(here))..=here {
            canvas.put(usize::from(column), between, '*');
        }
        before = Some(here);
    }
    for (letter, point) in points {
        let column = cell(across.place(point.polls), COLUMNS);
        canvas.put_letter(column, row(point.delay_seconds), letter);
    }
    let marks = upwards.marks(MARKS);
    let mark = |at: usize| marks.iter().find(|mark| row(**mark) == at);
    let words = |at: usize| mark(at).map_or_else(String::new, |mark| span(*mark));
    let mut lines = canvas.lines(words);
    lines.extend(axis(across, |mark| mark.to_string()));
    lines
}

/// What is marked by a letter.
fn points(picture: &Picture, learned: &Learned) -> Vec<(char, Brings)> {
    let fixed = learned.fixed.map(|fixed| ('F', fixed));
    let measured = picture.measured.map(|measured| ('M', measured.brings));
    let plan = Some(('P', learned.plan));
    [fixed, plan, measured].into_iter().flatten().collect()
}

/// The learned law over the time of tasks, and below it when the plan polls.
pub(super) fn law(learned: &Learned) -> Vec<String> {
    // The first bin may begin at zero, which is on no such ruler.
    let ends = |bin: &Bin| [bin.from_seconds, bin.to_seconds];
    let ruler = Ruler::around(learned.bins.iter().flat_map(ends), 1.1);
    let highest = learned.bins.iter().map(|bin| bin.share);
    let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
    let mut canvas = Canvas::new(LAW_ROWS);
    for column in 0..COLUMNS {
        let time = ruler.value(place(column, COLUMNS));
        let bin = learned.bins.iter().find(|bin| time <= bin.to_seconds);
        let share = bin.map_or(0.0, |bin| bin.share / highest);
        for row in 0..LAW_ROWS {
            // A row is filled from its middle on; the lowest one shows whatever there is.
            let reached = (f64::from(LAW_ROWS - row) - 0.5) / f64::from(LAW_ROWS);
            if share >= reached || (row + 1 == LAW_ROWS && share > 0.02) {
                canvas.put(usize::from(column), usize::from(row), '#');
            }
        }
    }
    let mut lines = canvas.lines(|_| String::new());
    lines.extend(axis(ruler, span));
    let mut polls = Canvas::new(1);
    for instant in learned
        .instants_seconds
        .iter()
        .filter(|it| ruler.holds(**it))
    {
        let mark = if learned.is_sharp(*instant) { '!' } else { '^' };
        polls.put(cell(ruler.place(*instant), COLUMNS), 0, mark);
    }
    let polls = polls.0.iter().map(|row| row.iter().collect::<String>());
    lines.extend(polls.map(|row| format!("{:>MARGIN$}{row}", "polls  ").trim_end().to_owned()));
    lines
}

/// The line below a plot, and the words of its marks.
fn axis(ruler: Ruler, show: impl Fn(f64) -> String) -> [String; 2] {
    let mut line = vec!['-'; usize::from(COLUMNS)];
    let mut words = String::new();
    for mark in ruler.marks(MARKS) {
        let column = cell(ruler.place(mark), COLUMNS);
        if let Some(tick) = line.get_mut(column) {
            *tick = '+';
        }
        let shown = show(mark);
        let from = (column + MARGIN).saturating_sub(shown.len() / 2);
        // Words that would run into those before are left out.
        if words.is_empty() || from > words.len() {
            words = format!("{words:from$}{shown}");
        }
    }
    let line: String = line.into_iter().collect();
    [format!("{:>MARGIN$}{line}", "+"), words]
}

/// A span in three digits or fewer.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        tiny if tiny < 0.000_05 => "0 ms".to_owned(),
        small if small < 0.009_95 => {
            let millis = format!("{:.1}", small * 1e3);
            format!("{} ms", millis.trim_end_matches(".0"))
        }
        part if part < 0.999_5 => format!("{:.0} ms", part * 1e3),
        few if few < 9.95 => {
            let whole = format!("{few:.1}");
            format!("{} s", whole.trim_end_matches(".0"))
        }
        many => format!("{many:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let spans = [
            0.0, 0.001, 0.0049, 0.172, 0.9999, 1.0, 2.44, 9.99, 42.0, 300.0,
        ];
        let shown = spans.map(span).join(", ");
        assert_eq!(
            shown,
            "0 ms, 1 ms, 4.9 ms, 172 ms, 1 s, 1 s, 2.4 s, 10 s, 42 s, 300 s"
        );
    }

    #[test]
    fn letters_that_meet_stand_side_by_side() {
        let mut canvas = Canvas::new(1);
        for letter in ['F', 'P', 'M'] {
            canvas.put_letter(10, 0, letter);
        }
        assert_eq!(canvas.lines(|_| String::new()), ["        |          FPM"]);
    }
}
