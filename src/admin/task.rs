//! One exchange, step by step: as JSON for programs, as a timeline for browsers.
use http::HeaderMap;
use http::header::ACCEPT;

use super::about::About;
use super::figures::Seconds;
use super::html::Html;
use super::page::document;
use super::tables::heading;
use crate::exchange::{Group, Story, ToldStep};
use crate::telemetry::counted;

/// True if the request is a browser's: it names HTML, which no program does by default.
pub(super) fn wants_html(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(ACCEPT).iter();
    lines.any(|line| line.to_str().is_ok_and(|it| it.contains("text/html")))
}

/// The timeline.
pub(super) fn page(ours: &About, id: &str, stories: &[Story]) -> String {
    document("exchange · holdline", true, |html| {
        html.plain("header", |html| {
            html.plain("h1", |html| {
                html.say("a", &[("href", &"/")], "holdline");
            });
        });
        if stories.is_empty() {
            html.element("section", &[("class", &"card")], |html| {
                nothing(html, ours, id);
            });
        }
        for story in stories {
            html.element("section", &[("class", &"card")], |html| {
                about(html, ours, story);
            });
            html.element("section", &[("class", &"card")], |html| steps(html, story));
        }
    })
}

/// Where else it may be asked for.
fn nothing(html: &mut Html, ours: &About, id: &str) {
    html.say("h2", &[], "Not in memory");
    html.plain("p", |html| {
        html.text("No exchange that is under way, or ended a moment ago, has the id ");
        html.strangers(id);
        html.text(".");
        if let Some(line) = ours.command("explain ID") {
            html.text(" The journal may remember it: ");
            html.say("code", &[("class", &"command")], line);
        }
    });
}

fn about(html: &mut Html, ours: &About, story: &Story) {
    html.plain("h2", |html| {
        html.say("code", &[], &story.exchange);
        html.text(" ");
        let class = match story.state {
            Group::InDoubt => "pill bad",
            Group::Interrupted | Group::Undelivered => "pill warn",
            Group::Running | Group::Settled | Group::Delivered | Group::Ended => "pill good",
        };
        html.say("span", &[("class", &class)], story.state.name());
    });
    if let Some(now) = &story.now {
        html.say("p", &[], now);
    }
    if story.state == Group::InDoubt
        && let Some(line) = ours.resolve(&story.exchange)
    {
        html.plain("p", |html| {
            html.text("Once you know what became of it: ");
            html.say("code", &[("class", &"command")], line);
            html.text(" with executed or not-executed as VERDICT.");
        });
    }
    let lines = [
        ("Verdict", story.verdict.as_ref()),
        ("Reason", story.reason.as_ref()),
        ("Settled", story.settled.as_ref()),
        ("Tracking id", story.tracking_id.as_ref()),
        ("Parent", story.parent_uid.as_ref()),
        ("Amount", story.amount.as_ref()),
        ("Currency", story.currency.as_ref()),
        ("Key", Some(&story.idempotency_key)),
        ("Task", story.request_id.as_ref()),
        ("Gateway", Some(&story.gateway)),
        ("Operation", Some(&story.operation)),
        ("Began", Some(&story.began)),
    ];
    html.plain("dl", |html| {
        for (name, value) in lines {
            if let Some(value) = value {
                html.plain("div", |html| {
                    html.say("dt", &[], name);
                    html.plain("dd", |html| html.strangers(value));
                });
            }
        }
    });
}

fn steps(html: &mut Html, story: &Story) {
    html.say("h2", &[], "What happened");
    html.element("table", &[("class", &"steps")], |html| {
        heading(html, ["After", "What", "Why"].into_iter());
        html.plain("tbody", |html| {
            for told in &story.steps {
                html.plain("tr", |html| step(html, told));
            }
        });
    });
}

fn step(html: &mut Html, told: &ToldStep) {
    html.element("td", &[("data-label", &"After")], |html| {
        html.element(
            "time",
            &[("datetime", &told.at), ("title", &told.at)],
            |html| {
                html.text(Seconds(told.after_seconds));
            },
        );
    });
    html.element("td", &[("data-label", &"What")], |html| {
        if told.missing > 0 {
            let words = format!(
                "{} before this one not kept. ",
                counted(told.missing, "step")
            );
            html.say("span", &[("class", &"quiet")], words);
        }
        html.text(&told.what);
        if told.times > 1 {
            let end = Seconds(told.after_seconds + told.span_seconds);
            let every = Seconds(told.span_seconds / f64::from(told.times - 1));
            let words = format!(" · {} times until {end}, every {every}", told.times);
            html.say("span", &[("class", &"quiet")], words);
        }
    });
    html.element(
        "td",
        &[("data-label", &"Why"), ("class", &"quiet")],
        |html| {
            html.text(told.why.as_deref().unwrap_or("–"));
        },
    );
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_browser_names_html_and_a_program_does_not() {
        let wants = |accept: Option<&'static str>| {
            let mut fields = HeaderMap::new();
            if let Some(accept) = accept {
                fields.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            wants_html(&fields)
        };
        assert!(wants(Some("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants(Some("*/*")));
        assert!(!wants(Some("application/json")));
        assert!(!wants(None));
    }
}
