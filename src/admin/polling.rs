//! How polling stands, route by route: numbers, the curve of what is possible, the learned law.
use std::cmp::Reverse;

use super::curve;
use super::figures::Seconds;
use super::html::Html;
use super::tables;
use crate::polling::{Confidence, Learned, Picture, ScheduleKind, Sketch};

/// Routes that are drawn at most, those of most exchanges first.
const DRAWN: usize = 6;

/// The routes that the page shows.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) pictures: Vec<Picture>,
    /// How many more there are.
    pub(super) more: usize,
}

impl Routes {
    /// Draws the pictures of the busiest routes on another thread, while exchanges go on.
    pub(super) async fn drawn(mut sketches: Vec<Sketch>) -> Self {
        sketches.sort_by_key(|sketch| Reverse(sketch.exchanges()));
        let more = sketches.len().saturating_sub(DRAWN);
        sketches.truncate(DRAWN);
        let draw = move || sketches.iter().map(Sketch::picture).collect();
        let drawing = tokio::task::spawn_blocking(draw);
        Self {
            // What cannot be drawn is not shown: the rest of the page matters more.
            pictures: drawing.await.unwrap_or_default(),
            more,
        }
    }
}

/// The part of the page.
pub(super) fn section(html: &mut Html, routes: &Routes) {
    html.element(
        "section",
        &[("class", &"card"), ("id", &"polling")],
        |html| {
            html.say("h2", &[], "Polling");
            if routes.pictures.is_empty() {
                let words = "No exchange has begun since the start.";
                html.say("p", &[("class", &"quiet")], words);
                return;
            }
            html.say("p", &[("class", &"quiet")], about(&routes.pictures));
            for picture in &routes.pictures {
                route(html, picture);
            }
            if routes.more > 0 {
                html.element("p", &[("class", &"quiet")], |html| {
                    html.text(format_args!(
                        "{} more routes, which have had fewer exchanges: ",
                        routes.more
                    ));
                    html.say("code", &[("class", &"command")], "holdline polling");
                });
            }
        },
    );
}

fn about(pictures: &[Picture]) -> &'static str {
    let learns = |picture: &Picture| picture.schedule == ScheduleKind::Learned;
    if pictures.iter().any(learns) {
        "Fewer polls or earlier answers: the curve is the least delay that any schedule reaches with so \
         many polls, by how long tasks were seen to take. polling.price moves the plan along it."
    } else {
        "The schedule does not learn how long tasks take, so what is possible is not known. With \
         polling.schedule = \"learned\" it is drawn here."
    }
}

fn route(html: &mut Html, picture: &Picture) {
    html.element("article", &[("class", &"route")], |html| {
        html.plain("div", |html| {
            html.plain("h3", |html| {
                html.text(&picture.gateway);
                html.text(" ");
                html.text(&picture.route);
                html.text(" ");
                if let Some(learned) = &picture.learned {
                    let (class, word) = pill(learned.confidence);
                    html.say("span", &[("class", &class)], word);
                }
            });
            html.plain("dl", |html| {
                for (name, value) in numbers(picture) {
                    html.plain("div", |html| {
                        html.say("dt", &[], name);
                        html.say("dd", &[], value);
                    });
                }
            });
            if let Some(learned) = &picture.learned {
                corners(html, picture, learned);
            }
        });
        if let Some(learned) = &picture.learned {
            curve::curve(html, picture, learned);
            curve::law(html, learned);
        }
    });
}

const fn pill(confidence: Confidence) -> (&'static str, &'static str) {
    match confidence {
        Confidence::Cold => ("pill warn", "nothing learned yet"),
        Confidence::Doubted => ("pill warn", "doubted"),
        Confidence::Sure => ("pill good", "learned"),
    }
}

/// The numbers of a route, each with its name.
fn numbers(picture: &Picture) -> Vec<(&'static str, String)> {
    let every = Seconds(picture.interval_seconds);
    let mut lines = match picture.schedule {
        ScheduleKind::Fixed => vec![("Schedule", format!("fixed, every {every}"))],
        ScheduleKind::Exponential => vec![("Schedule", format!("exponential, from {every} on"))],
        ScheduleKind::Learned => Vec::new(),
    };
    let measured = picture.measured;
    let none = || "no result yet".to_owned();
    lines.push((
        "Measured",
        measured.map_or_else(none, |it| curve::said(it.brings)),
    ));
    let Some(learned) = &picture.learned else {
        let exchanges = measured.map_or(0, |it| it.exchanges);
        lines.push(("Exchanges since the start", exchanges.to_string()));
        return lines;
    };
    lines.push(("Plan, expected", curve::said(learned.plan)));
    let least = measured.and_then(|it| learned.least_delay(it.brings.polls));
    if let Some(least) = least {
        lines.push((
            "Least delay at the measured polls",
            Seconds(least).to_string(),
        ));
    }
    if let Some(fixed) = learned.fixed {
        lines.push((
            "If it were fixed, by the law",
            format!("{}, every {every}", curve::said(fixed)),
        ));
    }
    lines.push((
        "Delay × polls over the limit, N·D/K",
        format!("{:.2}", learned.over_limit),
    ));
    lines.push(("Price of a poll", price(learned)));
    if let Some(budget) = learned.budget {
        let (rate, limit) = (budget.per_second, budget.max_per_second);
        lines.push((
            "Gateway's budget",
            format!("{rate:.1} of {limit:.0} polls a second"),
        ));
    }
    let (exchanges, weight) = (learned.exchanges, learned.weight);
    let words = match learned.confidence {
        Confidence::Cold => format!("{exchanges} exchanges, too few: the law is a guess"),
        Confidence::Doubted | Confidence::Sure => {
            format!("{exchanges} exchanges, which count {weight:.0}")
        }
    };
    lines.push(("Learned from", words));
    let quantiles = curve::quantiles(learned).map(|(name, value)| format!("{name} {value}"));
    lines.push(("Tasks", quantiles.join(", ")));
    lines
}

fn price(learned: &Learned) -> String {
    let (in_force, configured) = (learned.price_in_force_seconds, learned.price_seconds);
    if learned.is_price_moved() {
        format!(
            "{} now, {} configured",
            Seconds(in_force),
            Seconds(configured)
        )
    } else {
        Seconds(in_force).to_string()
    }
}

/// The curve as a table, for whoever cannot see it or wants to copy it.
fn corners(html: &mut Html, picture: &Picture, learned: &Learned) {
    let id = format!("curve-{}-{}", picture.gateway, picture.route);
    html.element("details", &[("id", &id)], |html| {
        html.say("summary", &[], "The curve in numbers");
        let names = ["Price of a poll", "Polls", "Least delay"];
        let rows = learned.curve.iter().map(|corner| {
            [
                Seconds(corner.price_seconds).to_string(),
                format!("{:.1}", corner.brings.polls),
                Seconds(corner.brings.delay_seconds).to_string(),
            ]
        });
        tables::numbers(html, names, rows);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_its_numbers_and_its_drawings() {
        let routes = Routes {
            pictures: Picture::samples(),
            more: 2,
        };
        let document = Html::document(|html| section(html, &routes));
        insta::assert_snapshot!(document.replace("><", ">\n<"));
    }

    #[test]
    fn a_sharp_poll_is_told_apart() {
        let mut routes = Routes {
            pictures: Picture::samples(),
            more: 0,
        };
        let learned = routes.pictures[0].learned.as_mut().unwrap();
        learned.sharp_seconds = vec![learned.instants_seconds[1]];
        let document = Html::document(|html| section(html, &routes));
        assert!(document.contains("sharply, right behind most tasks"));
        assert_eq!(document.matches("poll c1").count(), 1);
    }

    #[test]
    fn nothing_is_drawn_before_the_first_exchange() {
        let document = Html::document(|html| section(html, &Routes::default()));
        assert!(document.contains("No exchange has begun"), "{document}");
        assert!(!document.contains("<svg"), "{document}");
    }
}
