//! One side of the table: every event, each with the content that the rules tell apart.
use std::time::Duration;

use super::super::{Event, Loss, Polled, RecordKind, Searched, Submitted, Timer, Verdict};
use super::story::{joined, task};
use crate::timing::Moment;

const RECORDS: [RecordKind; 11] = [
    RecordKind::Submitted,
    RecordKind::Resubmitted,
    RecordKind::Accepted,
    RecordKind::Candidate,
    RecordKind::TakenBack,
    RecordKind::Completed,
    RecordKind::Delivered,
    RecordKind::InDoubt,
    RecordKind::Withdrawn,
    RecordKind::Refused,
    RecordKind::Closed,
];

const TIMERS: [Timer; 7] = [
    Timer::Start,
    Timer::Connect,
    Timer::Submit,
    Timer::Poll,
    Timer::Lookup,
    Timer::Asking,
    Timer::Retention,
];

/// Every event with its name, as it may come at `now`.
pub(super) fn every_event(now: Moment) -> Vec<(String, Event<&'static str>)> {
    let mut events = Vec::new();
    for kind in RECORDS {
        events.push((format!("Recorded({kind:?})"), Event::Recorded(kind)));
        events.push((format!("RecordFailed({kind:?})"), Event::RecordFailed(kind)));
    }
    for timer in TIMERS {
        events.push((format!("Timer({timer:?})"), Event::Timer(timer)));
    }
    let named = connection_events()
        .into_iter()
        .chain(submit_answers())
        .chain(poll_answers())
        .chain(events_from_downstream(now));
    events.extend(named.map(|(name, event)| (name.to_owned(), event)));
    events
}

type Named = (&'static str, Event<&'static str>);

fn connection_events() -> Vec<Named> {
    vec![
        ("HandedOver", Event::HandedOver),
        (
            "ConnectFailed(passing)",
            Event::ConnectFailed { passing: true },
        ),
        (
            "ConnectFailed(for good)",
            Event::ConnectFailed { passing: false },
        ),
    ]
}

fn submit_answers() -> Vec<Named> {
    let standard = |matches| Submitted::Standard {
        answer: "standard",
        matches,
    };
    let too_many = |seconds: Option<u64>| Submitted::TooMany {
        answer: "429",
        retry_after: seconds.map(Duration::from_secs),
    };
    vec![
        (
            "submit: accepted A",
            Event::SubmitAnswered(Submitted::Accepted(task("A"))),
        ),
        (
            "submit: accepted B",
            Event::SubmitAnswered(Submitted::Accepted(task("B"))),
        ),
        (
            "submit: standard, matches",
            Event::SubmitAnswered(standard(true)),
        ),
        (
            "submit: standard, of another",
            Event::SubmitAnswered(standard(false)),
        ),
        (
            "submit: refused",
            Event::SubmitAnswered(Submitted::Refused("4xx")),
        ),
        ("submit: too many", Event::SubmitAnswered(too_many(None))),
        (
            "submit: too many, in 2 s",
            Event::SubmitAnswered(too_many(Some(2))),
        ),
        (
            "submit: too many, in a day",
            Event::SubmitAnswered(too_many(Some(86_400))),
        ),
        ("submit: unclear", Event::SubmitAnswered(Submitted::Unclear)),
        ("submit: lost", Event::SubmitLost(Loss::Ended)),
    ]
}

fn poll_answers() -> Vec<Named> {
    let poll = Event::PollAnswered;
    let after = |seconds| Some(Duration::from_secs(seconds));
    let not_found = |seconds: Option<u64>| {
        let retry_after = seconds.map(Duration::from_secs);
        Event::LookedUp(Searched::NotFound { retry_after })
    };
    vec![
        ("poll: pending", poll(Polled::Pending { retry_after: None })),
        (
            "poll: pending, in 3 s",
            poll(Polled::Pending {
                retry_after: after(3),
            }),
        ),
        ("poll: unknown", poll(Polled::Unknown)),
        ("poll: firm", poll(Polled::Firm("result"))),
        ("poll: soft", poll(Polled::Soft("perhaps"))),
        ("poll: odd", poll(Polled::Odd("odd"))),
        ("poll: another odd", poll(Polled::Odd("odder"))),
        (
            "poll: transient",
            poll(Polled::Transient { retry_after: None }),
        ),
        (
            "poll: transient, in a day",
            poll(Polled::Transient {
                retry_after: after(86_400),
            }),
        ),
        ("poll: broken", poll(Polled::Broken)),
        ("poll: lost", Event::PollLost),
        (
            "elsewhere: pending",
            Event::AnsweredElsewhere(Polled::Pending { retry_after: None }),
        ),
        (
            "elsewhere: firm",
            Event::AnsweredElsewhere(Polled::Firm("result")),
        ),
        (
            "elsewhere: soft",
            Event::AnsweredElsewhere(Polled::Soft("perhaps")),
        ),
        (
            "elsewhere: broken",
            Event::AnsweredElsewhere(Polled::Broken),
        ),
        (
            "lookup: found",
            Event::LookedUp(Searched::Found("looked up")),
        ),
        ("lookup: not found", not_found(None)),
        ("lookup: not found, in a day", not_found(Some(86_400))),
    ]
}

fn events_from_downstream(now: Moment) -> Vec<Named> {
    let polls_until = now + Duration::from_secs(20);
    vec![
        ("Joined", joined(now)),
        ("Acknowledged", Event::Acknowledged),
        ("Draining", Event::Draining { polls_until }),
        ("KeyShared", Event::KeyShared),
        ("ResubmitsLowered", Event::ResubmitsLowered { most: 0 }),
        ("Resolved(executed)", Event::Resolved(Verdict::Executed)),
        (
            "Resolved(not executed)",
            Event::Resolved(Verdict::NotExecuted),
        ),
        ("Opened", Event::Opened("kept")),
        ("SealBroken", Event::SealBroken),
        ("DriverLost", Event::DriverLost),
    ]
}
