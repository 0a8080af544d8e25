//! Plots of the last quarter of an hour as SVG in the page: lines, stacked bars, and a heat map.
use std::fmt::{Display, Write as _};

use super::figures::{Count, Seconds};
use super::html::Html;
use super::samples::{Histogram, SLOTS};
use crate::elementary::Elementary;

/// The drawing's own units; one is about a pixel on a phone.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 356.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 120.0;

/// In what a plot counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    Count,
    Seconds,
}

impl Scale {
    fn show(self, value: f64) -> String {
        match self {
            Self::Count => Count(value).to_string(),
            Self::Seconds => Seconds(value).to_string(),
        }
    }
}

/// One line, or one layer of the bars.
pub(super) struct Series {
    /// What the legend calls it.
    pub(super) name: &'static str,
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    /// By slot, the oldest first.
    pub(super) points: Vec<Option<f64>>,
    /// The number beside its name.
    pub(super) latest: String,
}

/// What stands around a drawing.
pub(super) struct Card {
    pub(super) title: &'static str,
    /// What it shows, for whoever cannot see it and whoever wonders.
    pub(super) about: &'static str,
    /// The family that it is drawn from.
    pub(super) metric: &'static str,
}

/// Lines over time.
pub(super) fn lines(html: &mut Html, card: &Card, scale: Scale, series: &[Series]) {
    let all = series.iter().flat_map(|one| &one.points).flatten();
    let top = round_up(all.fold(0.0, |highest: f64, value| highest.max(*value)));
    figure(html, card, series, |html| {
        axes(
            html,
            &[0.0, top / 2.0, top].map(|at| (at / top, scale.show(at))),
        );
        for one in series {
            for path in paths(&one.points, top) {
                html.empty("polyline", &[("class", &one.class), ("points", &path)]);
            }
        }
    });
}

/// Bars over time, one layer on the other.
pub(super) fn bars(html: &mut Html, card: &Card, series: &[Series]) {
    let value = |one: &Series, slot: usize| one.points.get(slot).copied().flatten();
    let sums = (0..SLOTS).map(|slot| series.iter().filter_map(|one| value(one, slot)).sum());
    // Half of one is no count.
    let top = round_up(sums.fold(2.0, |highest: f64, sum: f64| highest.max(sum)));
    figure(html, card, series, |html| {
        let marks = [0.0, top / 2.0, top].map(|at| (at / top, Scale::Count.show(at)));
        axes(html, &marks);
        for slot in 0..SLOTS {
            let mut below = 0.0;
            for one in series {
                let count = value(one, slot).unwrap_or_default();
                if count > 0.0 {
                    rectangle(
                        html,
                        one.class,
                        slot,
                        (below / top, (below + count) / top),
                        1.0,
                    );
                    below += count;
                }
            }
        }
    });
}

/// How many fell into each bucket, by colour: the darker the more. Rows are the buckets, the slowest
/// on top.
pub(super) fn heat(html: &mut Html, card: &Card, histogram: &Histogram, legend: &[Series]) {
    let rows = number(histogram.bounds.len() + 1);
    let counts = histogram.slots.iter().flatten().flat_map(|slot| &slot.0);
    let most = counts.fold(1.0, |most: f64, count| most.max(*count));
    figure(html, card, legend, |html| {
        let bounds = histogram.bounds.iter().enumerate();
        let marks: Vec<(f64, String)> = bounds
            .filter(|(index, _)| index % 3 == 0)
            .map(|(index, bound)| (number(index + 1) / rows, Scale::Seconds.show(*bound)))
            .collect();
        axes(html, &marks);
        for (slot, counts) in histogram.slots.iter().enumerate() {
            for (row, count) in counts.iter().flat_map(|it| it.0.iter().enumerate()) {
                if *count > 0.0 {
                    let span = (number(row) / rows, number(row + 1) / rows);
                    // The faintest is still seen: a single slow answer matters.
                    let strength = 0.25 + 0.75 * (count / most).sqrt();
                    rectangle(html, "heat", slot, span, strength);
                }
            }
        }
    });
}

fn figure(html: &mut Html, card: &Card, legend: &[Series], draw: impl FnOnce(&mut Html)) {
    html.element("figure", &[("data-metric", &card.metric)], |html| {
        html.plain("figcaption", |html| {
            html.say("h3", &[("title", &card.about)], card.title);
            html.element("ul", &[("class", &"legend")], |html| {
                for one in legend {
                    html.plain("li", |html| {
                        let class = format!("swatch {}", one.class);
                        html.say("span", &[("class", &class), ("aria-hidden", &"true")], "");
                        html.text(one.name);
                        html.text(" ");
                        html.say("b", &[], &one.latest);
                    });
                }
            });
        });
        let size = format!("0 0 {WIDTH} {HEIGHT}");
        html.element("svg", &[("viewBox", &size), ("role", &"img")], |html| {
            html.say("title", &[], card.title);
            html.say("desc", &[], summary(card, legend));
            draw(html);
        });
    });
}

/// The plot in words.
fn summary(card: &Card, legend: &[Series]) -> String {
    let mut words = format!("{} The last 15 minutes.", card.about);
    for one in legend {
        let _ = write!(words, " {}: {}.", one.name, one.latest);
    }
    words
}

/// Lines across at some heights, each with its words, and the times below.
fn axes(html: &mut Html, marks: &[(f64, String)]) {
    for (share, words) in marks {
        let y = tenths(height(*share));
        html.empty(
            "line",
            &[
                ("class", &"grid"),
                ("x1", &LEFT),
                ("x2", &RIGHT),
                ("y1", &y),
                ("y2", &y),
            ],
        );
        let y = tenths(height(*share) + 3.5);
        let x = LEFT - 5.0;
        html.say("text", &[("class", &"end"), ("x", &x), ("y", &y)], words);
    }
    let times = [
        (0.0, "", "−15 min"),
        (1.0 / 3.0, "mid", "−10"),
        (2.0 / 3.0, "mid", "−5"),
        (1.0, "end", "now"),
    ];
    for (share, class, words) in times {
        let x = tenths(LEFT + (RIGHT - LEFT) * share);
        let y = HEIGHT - 6.0;
        html.say("text", &[("class", &class), ("x", &x), ("y", &y)], words);
    }
}

fn rectangle(html: &mut Html, class: &'static str, slot: usize, span: (f64, f64), strength: f64) {
    let width = (RIGHT - LEFT) / number(SLOTS);
    let (y, end) = (height(span.1), height(span.0));
    let attributes: [(&'static str, &dyn Display); 6] = [
        ("class", &class),
        ("x", &tenths(LEFT + width * number(slot))),
        ("y", &tenths(y)),
        ("width", &tenths(width - 0.7)),
        // What happened once among thousands is still seen.
        ("height", &tenths((end - y).max(1.0))),
        ("fill-opacity", &hundredths(strength)),
    ];
    // A bar is opaque by itself.
    let given = if strength < 1.0 { 6 } else { 5 };
    html.empty("rect", attributes.get(..given).unwrap_or_default());
}

/// The points of each stretch of slots that have a value. One alone is drawn as a short line.
fn paths(points: &[Option<f64>], top: f64) -> Vec<String> {
    let width = (RIGHT - LEFT) / number(SLOTS);
    let mut paths = Vec::new();
    let mut path = String::new();
    for (slot, point) in points.iter().enumerate() {
        let Some(value) = point else {
            paths.extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
            continue;
        };
        let (x, y) = (LEFT + width * number(slot), height(value / top));
        if path.is_empty() {
            let _ = write!(path, "{},{} ", tenths(x), tenths(y));
        }
        let _ = write!(path, "{},{} ", tenths(x + width), tenths(y));
    }
    paths.extend((!path.is_empty()).then_some(path));
    paths
}

fn height(share: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0)
}

/// The next 1, 2 or 5 times a power of ten, so that the marks are round.
fn round_up(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.to_power(highest.decimal_logarithm().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let fits = steps
        .into_iter()
        .map(|step| step * power)
        .find(|top| *top >= highest);
    fits.unwrap_or(highest)
}

/// A length in the drawing: more digits only make the page larger.
pub(super) fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

fn hundredths(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round() {
        let tops = [0.0, 0.3, 1.0, 4.2, 73.0, 501.0].map(|it| round_up(it).to_string());
        assert_eq!(tops.join(" "), "1 0.5 1 5 100 1000");
    }

    #[test]
    fn a_gap_parts_a_line_and_a_single_value_is_seen() {
        let mut points = vec![None; SLOTS];
        points[0] = Some(1.0);
        points[2] = Some(0.0);
        points[3] = Some(1.0);
        let width = (RIGHT - LEFT) / number(SLOTS);
        assert_eq!(
            paths(&points, 1.0),
            [
                format!("46,8 {},8 ", tenths(LEFT + width)),
                format!(
                    "{},120 {},120 {},8 ",
                    tenths(LEFT + 2.0 * width),
                    tenths(LEFT + 3.0 * width),
                    tenths(LEFT + 4.0 * width)
                ),
            ]
        );
    }
}
