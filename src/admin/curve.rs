//! Drawings of one route's polling: the curve of what is possible with today's point on it, and the
//! learned law with the instants of the plan.
use std::fmt::{Display, Write as _};

use super::figures::Seconds;
use super::html::Html;
use super::plot::tenths;
use crate::polling::{Bin, Brings, Learned, Measured, Picture, Ruler};

/// The drawing's own units; one is about a pixel on a phone.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 184.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 350.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 150.0;

/// The strip below the law, in which the polls of the plan are marked.
const POLLS: f64 = 12.0;

/// Marks along an axis.
const MARKS: usize = 7;

/// A place in the drawing, both shares counting from the lower left corner.
fn across(share: f64) -> f64 {
    tenths(LEFT + (RIGHT - LEFT) * share)
}

fn upwards(share: f64) -> f64 {
    tenths(BOTTOM - (BOTTOM - TOP) * share)
}

/// A point of the curve's plot.
struct Point {
    /// What the legend calls it.
    name: &'static str,
    class: &'static str,
    brings: Brings,
    /// True if its name stands above it, false if below.
    is_above: bool,
}

/// The curve, with the plan in force, what was measured, and a fixed interval.
pub(super) fn curve(html: &mut Html, picture: &Picture, learned: &Learned) {
    let points = points(picture, learned);
    let corners = || learned.curve.iter().map(|corner| corner.brings);
    let all = || corners().chain(points.iter().map(|point| point.brings));
    let polls = Ruler::around(all().map(|it| it.polls), 2.0).longer(1.06);
    let delay = Ruler::around(all().map(|it| it.delay_seconds), 2.0).longer(1.12);
    let at = |it: Brings| {
        let x = across(polls.place(it.polls));
        (x, upwards(delay.place(it.delay_seconds)))
    };
    let about = "The least mean delay of a result for so many polls of an exchange, by the law \
                 that was learned. Both axes are logarithmic.";
    let told: Vec<_> = points.iter().map(|it| (it.name, said(it.brings))).collect();
    let legend = |html: &mut Html| {
        legend(html, "line c1", "least possible", "");
        for (point, (name, value)) in points.iter().zip(&told) {
            legend(html, &format!("{name} {}", point.class), name, value);
        }
    };
    figure(
        html,
        ("Delay against polls", about),
        &told,
        legend,
        |html| {
            rows(html, delay);
            columns(html, polls, BOTTOM, |mark| mark.to_string());
            html.say(
                "text",
                &[("x", &RIGHT), ("y", &(HEIGHT - 4.0)), ("class", &"end")],
                "polls",
            );
            let path = corners().fold(String::new(), |mut path, corner| {
                let (x, y) = at(corner);
                let _ = write!(path, "{x},{y} ");
                path
            });
            html.empty("polyline", &[("class", &"c1"), ("points", &path)]);
            for point in &points {
                marker(html, point, at(point.brings));
            }
        },
    );
}

fn points(picture: &Picture, learned: &Learned) -> Vec<Point> {
    let fixed = learned.fixed.map(|brings| Point {
        name: "fixed",
        class: "c3",
        brings,
        is_above: true,
    });
    let plan = Some(Point {
        name: "plan",
        class: "c1",
        brings: learned.plan,
        is_above: false,
    });
    let of = |measured: Measured| Point {
        name: "measured",
        class: "c2",
        brings: measured.brings,
        is_above: true,
    };
    let measured = picture.measured.map(of);
    [fixed, plan, measured].into_iter().flatten().collect()
}

/// What a point brings, in words.
pub(super) fn said(brings: Brings) -> String {
    format!(
        "{:.1} polls, {}",
        brings.polls,
        Seconds(brings.delay_seconds)
    )
}

/// Each point has a shape of its own as well as a colour, and its name beside it.
fn marker(html: &mut Html, point: &Point, (x, y): (f64, f64)) {
    let class = format!("mark {} {}", point.name, point.class);
    let corner = (tenths(x - 4.0), tenths(y - 4.0));
    let square: [(&'static str, &dyn Display); 5] = [
        ("class", &class),
        ("x", &corner.0),
        ("y", &corner.1),
        ("width", &8.0),
        ("height", &8.0),
    ];
    let round: [(&'static str, &dyn Display); 4] =
        [("class", &class), ("cx", &x), ("cy", &y), ("r", &4.8)];
    if point.name == "fixed" {
        html.empty("rect", &square);
    } else {
        html.empty("circle", &round);
    }
    let (side, shift) = if point.is_above {
        (1.0, -7.0)
    } else {
        (-1.0, 15.0)
    };
    // Where there is no room on its own side the name stands on the other.
    let is_right = (side > 0.0 || x < LEFT + 70.0) && x < RIGHT - 60.0;
    let (class, x) = if is_right {
        (format!("name {}", point.class), tenths(x + 6.0))
    } else {
        (format!("name end {}", point.class), tenths(x - 6.0))
    };
    let y = tenths((y + shift).clamp(TOP, BOTTOM - 3.0));
    html.say(
        "text",
        &[("class", &class), ("x", &x), ("y", &y)],
        point.name,
    );
}

/// The law over the time of tasks, and when the plan polls.
pub(super) fn law(html: &mut Html, learned: &Learned) {
    let ends = learned
        .bins
        .iter()
        .flat_map(|bin| [begin(*bin), bin.to_seconds]);
    let time = Ruler::around(ends, 1.1);
    let about = "The share of tasks that take so long, as was learned, and below it the instants \
                 after the acceptance at which the plan polls. The axis is logarithmic.";
    let quantiles = quantiles(learned);
    let legend = |html: &mut Html| law_legend(html, learned, &quantiles);
    figure(
        html,
        ("How long tasks take", about),
        &quantiles,
        legend,
        |html| {
            bars(html, learned, time);
            line(html, "grid", (LEFT, BOTTOM), (RIGHT, BOTTOM));
            columns(html, time, BOTTOM + POLLS, duration);
            poll_marks(html, learned, time);
        },
    );
}

fn law_legend(html: &mut Html, learned: &Learned, quantiles: &[(&'static str, String)]) {
    for (name, value) in quantiles {
        legend(html, "none", name, value);
    }
    let polls = format!("{} instants", learned.instants);
    legend(html, "tick c2", "the plan polls", &polls);
    if !learned.sharp_seconds.is_empty() {
        let name = "sharply, right behind most tasks";
        legend(html, "tick c1", name, &sharp(learned));
    }
}

/// The law, bin by bin.
fn bars(html: &mut Html, learned: &Learned, time: Ruler) {
    let highest = learned.bins.iter().map(|bin| bin.share);
    let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
    for bin in &learned.bins {
        let from = across(time.place(begin(*bin)));
        let to = across(time.place(bin.to_seconds));
        let y = upwards(bin.share / highest);
        let size = (tenths((to - from - 0.5).max(0.5)), tenths(BOTTOM - y));
        let bar: [(&'static str, &dyn Display); 5] = [
            ("class", &"c1 bar"),
            ("x", &from),
            ("y", &y),
            ("width", &size.0),
            ("height", &size.1),
        ];
        html.empty("rect", &bar);
    }
}

/// The strip below the law: when the plan polls.
fn poll_marks(html: &mut Html, learned: &Learned, time: Ruler) {
    let polls = learned.instants_seconds.iter();
    for instant in polls.filter(|instant| time.holds(**instant)) {
        let x = across(time.place(*instant));
        let class = if learned.is_sharp(*instant) {
            "poll c1"
        } else {
            "poll c2"
        };
        line(html, class, (x, BOTTOM + 2.0), (x, BOTTOM + POLLS));
    }
    let (x, y) = (LEFT - 5.0, BOTTOM + POLLS - 1.5);
    html.say("text", &[("class", &"end"), ("x", &x), ("y", &y)], "polls");
}

/// When the plan polls to the millisecond.
fn sharp(learned: &Learned) -> String {
    let told = learned.sharp_seconds.iter();
    let told: Vec<String> = told.map(|instant| duration(*instant)).collect();
    told.join(", ")
}

/// Where a bar begins. The first bin may begin at zero, which no logarithmic axis has.
fn begin(bin: Bin) -> f64 {
    if bin.from_seconds > 0.0 {
        bin.from_seconds
    } else {
        bin.to_seconds * 0.9
    }
}

/// A mark of the axis of time: round in seconds, and so not told in minutes.
fn duration(mark: f64) -> String {
    if mark >= 60.0 {
        format!("{mark:.0} s")
    } else {
        Seconds(mark).to_string()
    }
}

/// The quantiles of the law, in words.
pub(super) fn quantiles(learned: &Learned) -> [(&'static str, String); 3] {
    [
        ("half within", learned.median_seconds),
        ("90 %", learned.p90_seconds),
        ("99 %", learned.p99_seconds),
    ]
    .map(|(name, seconds)| {
        let beyond = || "beyond any hold".to_owned();
        (
            name,
            seconds.map_or_else(beyond, |it| Seconds(it).to_string()),
        )
    })
}

fn legend(html: &mut Html, class: &str, name: &str, value: &str) {
    html.plain("li", |html| {
        let class = format!("swatch {class}");
        html.say("span", &[("class", &class), ("aria-hidden", &"true")], "");
        html.text(name);
        if !value.is_empty() {
            html.text(" ");
            html.say("b", &[], value);
        }
    });
}

/// A drawing with its title and legend. Its description is `about`, and what is `told` by name.
fn figure(
    html: &mut Html,
    (title, about): (&str, &str),
    told: &[(&'static str, String)],
    legend: impl FnOnce(&mut Html),
    plot: impl FnOnce(&mut Html),
) {
    let mut words = about.to_owned();
    for (name, value) in told {
        let _ = write!(words, " {name}: {value}.");
    }
    html.plain("figure", |html| {
        html.plain("figcaption", |html| {
            html.say("h4", &[("title", &about)], title);
            html.element("ul", &[("class", &"legend")], legend);
        });
        let size = format!("0 0 {WIDTH} {HEIGHT}");
        html.element("svg", &[("viewBox", &size), ("role", &"img")], |html| {
            html.say("title", &[], title);
            html.say("desc", &[], words);
            plot(html);
        });
    });
}

/// Lines across at the marks of a ruler that stands upright.
fn rows(html: &mut Html, ruler: Ruler) {
    for mark in ruler.marks(MARKS) {
        let y = upwards(ruler.place(mark));
        line(html, "grid", (LEFT, y), (RIGHT, y));
        let (x, y) = (LEFT - 5.0, tenths(y + 3.5));
        html.say(
            "text",
            &[("class", &"end"), ("x", &x), ("y", &y)],
            Seconds(mark),
        );
    }
}

/// Short lines below, and the words of the marks of a ruler that lies.
fn columns(html: &mut Html, ruler: Ruler, from: f64, show: impl Fn(f64) -> String) {
    line(html, "grid", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    for mark in ruler.marks(MARKS) {
        let x = across(ruler.place(mark));
        line(html, "grid", (x, from), (x, from + 4.0));
        let y = from + 15.0;
        html.say(
            "text",
            &[("class", &"mid"), ("x", &x), ("y", &y)],
            show(mark),
        );
    }
}

fn line(html: &mut Html, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ends: [(&'static str, &dyn Display); 5] = [
        ("class", &class),
        ("x1", &from.0),
        ("y1", &from.1),
        ("x2", &to.0),
        ("y2", &to.1),
    ];
    html.empty("line", &ends);
}
