//! The table that the code really has, printed: every state against every event.
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Event, Standing, Submitted, Timer};
use super::every_event::every_event;
use super::every_state::every_state;
use super::story::{Story, begin, terms};
use crate::polling::{Backoff, Config};
use crate::timing::Moment;

/// The table as text: under each state its facts, its timer and what a waiter would be told; then
/// the events with the actions and the situation that follow, in the order in which they are told.
#[test]
fn every_state_answers_every_event_as_the_table_says() {
    let mut text = String::new();
    for (name, build) in every_state() {
        let story = build();
        assert_eq!(story.machine.unexpected_events(), 0, "the way to '{name}'");
        print_state(&mut text, name, build);
    }
    insta::assert_snapshot!(text);
}

fn print_state(text: &mut String, name: &str, build: fn() -> Story) {
    let before = build();
    writeln!(text, "## {name}\n   {}", situation(&before)).unwrap();
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for (event_name, event) in every_event(before.now) {
        let mut after = build();
        let actions = after.machine.on(event.clone(), after.now);
        let step = if after.machine.unexpected_events() > 0 {
            assert!(actions.is_empty(), "{name}: {event_name}");
            assert_same(&before, &after, &event);
            "unexpected".to_owned()
        } else if actions.is_empty() && situation(&before) == situation(&after) {
            "nothing".to_owned()
        } else {
            let actions = plain(&format!("{actions:?}"));
            format!("{actions}\n      {}", situation(&after))
        };
        match steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, names)) => names.push(event_name),
            None => steps.push((step, vec![event_name])),
        }
    }
    steps.sort_by_key(|(step, _)| (step == "unexpected", step == "nothing"));
    for (step, names) in steps {
        writeln!(text, "   {} -> {step}", families(&names).join(" / ")).unwrap();
    }
    text.push('\n');
}

/// The names, with a word for each family of events that is there as a whole.
fn families(names: &[String]) -> Vec<String> {
    let family = |name: &str| name.split(['(', ':']).next().unwrap_or_default().to_owned();
    let all = every_event(Moment::START);
    let mut told = Vec::new();
    for name in names {
        let whole: Vec<_> = all
            .iter()
            .filter(|(other, _)| family(other) == family(name))
            .collect();
        let missing = whole
            .iter()
            .filter(|(other, _)| !names.contains(other))
            .count();
        let word = match missing {
            0 if whole.len() > 1 => format!("every {}", family(name)),
            1 if whole.len() > 3 => format!("every other {}", family(name)),
            _ => name.clone(),
        };
        if !told.contains(&word) {
            told.push(word);
        }
    }
    told
}

/// An event that no rule expects leaves the state and every latch as they are.
fn assert_same(before: &Story, after: &Story, event: &Event<&'static str>) {
    let facts = |story: &Story| {
        let machine = &story.machine;
        (
            machine.state,
            machine.lost,
            machine.ticket.clone(),
            machine.kept,
            machine.timer(),
        )
    };
    assert_eq!(facts(before), facts(after), "after {event:?}");
}

/// The state, the facts that hold, the timer and what a waiter would be told.
fn situation(story: &Story) -> String {
    let machine = &story.machine;
    let timer = machine.timer().map_or_else(
        || "no timer".to_owned(),
        |(moment, timer)| format!("{timer:?} at {:.3} s", moment.since_start().as_secs_f64()),
    );
    let standing = match machine.standing() {
        Standing::InProgress => "in progress",
        Standing::InDoubt => "in doubt",
    };
    let facts = facts(story).join(", ");
    format!("{:?} | {facts} | {timer} | {standing}", machine.state())
}

fn facts(story: &Story) -> Vec<String> {
    let machine = &story.machine;
    let flags = [
        ("sent", machine.first_sent.is_some()),
        ("lost", machine.lost),
        ("body", machine.has_body),
        ("credentials", machine.has_credentials),
        ("unknown", machine.unknown_since.is_some()),
        ("key shared", machine.key_shared),
        (
            "resubmits lowered",
            machine.most_resubmits() < machine.terms.policy.resubmits,
        ),
        ("draining", machine.is_draining()),
        ("age unsure", !machine.age_is_sure),
        ("settled", machine.settled),
    ];
    let named = [
        (
            "ticket",
            machine.ticket.as_ref().map(|id| id.as_str().to_owned()),
        ),
        (
            "lost ticket",
            machine
                .lost_ticket
                .as_ref()
                .map(|id| id.as_str().to_owned()),
        ),
        ("kept", machine.kept.map(str::to_owned)),
        ("odd", machine.odd.map(str::to_owned)),
        ("doubt", machine.doubt().map(|doubt| format!("{doubt:?}"))),
    ];
    let counted = [
        ("open", machine.open_submits),
        ("resubmits", machine.resubmits),
        ("polls", machine.pending()),
        ("late", machine.late_answers()),
    ];
    let flags = flags
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(name, _)| (*name).to_owned());
    let named = named
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let counted = counted
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"));
    flags.chain(counted).chain(named).collect()
}

#[test]
fn a_connection_is_tried_again_in_time_however_long_polls_wait() {
    let mut terms = terms(0);
    let polling = Config {
        interval: Duration::from_secs(6),
        ..Config::default()
    };
    Arc::make_mut(&mut terms.policy).backoff = Backoff::new(&polling);
    let mut story = begin(terms, false, true).recorded();
    for _ in 0..3 {
        story = story.then(Event::ConnectFailed { passing: true }).woken();
        assert_eq!(story.machine.timer().unwrap().1, Timer::Start);
    }
    assert_eq!(story.now.since_start(), Duration::from_millis(3_750));
}

#[test]
fn a_submit_that_met_429_is_repeated_in_time_and_ever_later_however_long_polls_wait() {
    for interval in [100, 6_000] {
        let mut terms = terms(0);
        let polling = Config {
            interval: Duration::from_millis(interval),
            ..Config::default()
        };
        Arc::make_mut(&mut terms.policy).backoff = Backoff::new(&polling);
        let mut story = begin(terms, false, true).recorded();
        let mut waits = Vec::new();
        for _ in 0..3 {
            let refused = Event::SubmitAnswered(Submitted::TooMany {
                answer: "429",
                retry_after: None,
            });
            story = story.then(Event::HandedOver).then(refused);
            assert_eq!(story.machine.timer().unwrap().1, Timer::Connect);
            let before = story.now;
            story = story.woken();
            waits.push(story.now.since(before).as_millis());
        }
        let longest = waits.iter().max().copied().unwrap();
        assert!(longest < 1_400, "{waits:?}");
        if interval == 100 {
            assert!(waits[0] < 120 && waits[2] > 340, "{waits:?}");
        }
    }
}

/// Debug text without the wrapping of an id.
fn plain(text: &str) -> String {
    text.replace("RequestId(\"A\")", "A")
        .replace("RequestId(\"B\")", "B")
}
