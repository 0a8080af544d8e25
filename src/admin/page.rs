//! The page that one looks at during an incident: what it is made of, and what stands around it.
use super::figures::{Seconds, time_of_day};
use super::html::{Html, Ours};
use super::view::View;
use super::{health, overview, polling, tables};

/// The only style sheet and the only script; the page's policy names them by their hashes.
pub(super) const STYLE: Ours = Ours(include_str!("page/style.css"));
/// Fetches the page again and puts the new one in the place of the old.
pub(super) const SCRIPT: Ours = Ours(include_str!("page/refresh.js"));

/// The page.
pub(super) fn overview(view: &View<'_>) -> String {
    let title = match &view.fault {
        Some(_) => "not ready · holdline",
        None => "holdline",
    };
    document(title, true, |html| {
        header(html, view);
        overview::verdicts(html, view);
        overview::tiles(html, view);
        overview::plots(html, view);
        tables::attention(html, view);
        tables::routes(html, view);
        polling::section(html, &view.routes);
        health::cards(html, view);
        configuration(html, view);
    })
}

/// A document of ours; `refreshes` says whether it fetches itself again.
pub(super) fn document(title: &str, refreshes: bool, content: impl FnOnce(&mut Html)) -> String {
    Html::document(|html| {
        html.plain("head", |html| {
            html.empty("meta", &[("charset", &"utf-8")]);
            let scale = "width=device-width, initial-scale=1";
            html.empty("meta", &[("name", &"viewport"), ("content", &scale)]);
            html.empty(
                "meta",
                &[("name", &"color-scheme"), ("content", &"light dark")],
            );
            html.empty("meta", &[("name", &"robots"), ("content", &"noindex")]);
            html.say("title", &[], title);
            html.ours("style", STYLE);
            if refreshes {
                html.plain("noscript", |html| {
                    html.empty("meta", &[("http-equiv", &"refresh"), ("content", &"5")]);
                });
            }
        });
        html.plain("body", |html| {
            html.plain("main", content);
            if refreshes {
                html.element(
                    "p",
                    &[("id", &"stale"), ("role", &"alert"), ("hidden", &"hidden")],
                    |html| {
                        html.text("holdline does not answer. What you see is old: ");
                        html.say("span", &[("id", &"since")], "");
                    },
                );
                html.ours("script", SCRIPT);
            }
        });
    })
}

fn header(html: &mut Html, view: &View<'_>) {
    html.plain("header", |html| {
        html.say("h1", &[], "holdline");
        let (class, word) = match &view.fault {
            None => ("pill good", "ready"),
            Some(fault) if fault == "draining" => ("pill warn", "draining"),
            Some(_) => ("pill bad", "not ready"),
        };
        html.say("span", &[("class", &class)], word);
        html.element("p", &[("class", &"quiet")], |html| {
            html.text(format_args!(
                "version {} · up {} · ",
                env!("CARGO_PKG_VERSION"),
                Seconds(view.census.now.since_start().as_secs_f64())
            ));
            html.say("time", &[("id", &"told")], time_of_day(view.time));
        });
    });
}

fn configuration(html: &mut Html, view: &View<'_>) {
    html.element("details", &[("id", &"configuration"), ("class", &"card")], |html| {
        html.say("summary", &[], "Configuration in force");
        let note = "Every key with its value. No credential is part of it: clients bring theirs with each request.";
        html.say("p", &[("class", &"quiet")], note);
        html.element("pre", &[("tabindex", &"0")], |html| {
            html.say("code", &[], &view.about.config);
        });
    });
    html.element("footer", &[("class", &"quiet")], |html| {
        for (path, words) in [
            ("/tasks", "what has not ended, as JSON"),
            ("/metrics", "every metric"),
            ("/readyz", "whether new payments are taken"),
            ("/livez", "whether the process lives"),
        ] {
            html.say("a", &[("href", &path), ("title", &words)], path);
            html.text(" ");
        }
    });
}
