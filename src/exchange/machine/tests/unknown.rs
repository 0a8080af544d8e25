//! When "unknown" is believed: once the gateway has said nothing else for as long as the grace lasts.
use std::time::Duration;

use super::super::{Event, Polled, RecordKind, Standing, State};
use super::story::{Story, payment};
use crate::timing::Moment;

/// A page that crashed is kept, and then the gateway said once that it does not know the task.
fn unknown_once() -> Story {
    let kept = payment()
        .polling()
        .polled(Polled::Soft("perhaps"))
        .recorded();
    kept.woken().polled(Polled::Unknown)
}

#[test]
fn unknown_before_an_outage_and_after_it_is_not_believed() {
    let transient = || Polled::Transient { retry_after: None };
    for outage in [
        Event::PollLost,
        Event::PollAnswered(transient()),
        Event::AnsweredElsewhere(transient()),
    ] {
        let story = unknown_once().woken().then(outage.clone()).after(60);
        let mut story = story.woken().polled(Polled::Unknown);
        let since = story.now;
        assert_eq!(story.machine.state(), State::Waiting, "{outage:?}");
        while story.machine.state() == State::Waiting {
            story = story.woken().polled(Polled::Unknown);
        }
        let believed = State::Recording(RecordKind::Completed);
        assert_eq!(story.machine.state(), believed, "{outage:?}");
        let grace = story.machine.terms.policy.unknown_grace;
        assert!(story.now.since(since) >= grace, "{outage:?}");
    }
}

#[test]
fn a_task_that_is_unknown_and_out_of_reach_by_turns_is_in_progress_until_it_is_forgotten() {
    let mut story = unknown_once();
    let mut is_unknown = false;
    while story.machine.state() == State::Waiting {
        assert_eq!(story.machine.standing(), Standing::InProgress);
        story = story.woken();
        if story.machine.state() == State::Polling {
            let turn = Event::PollAnswered(Polled::Unknown);
            story = story.then(if is_unknown { turn } else { Event::PollLost });
            is_unknown = !is_unknown;
        }
    }
    let forgotten = State::Recording(RecordKind::Closed);
    assert_eq!(story.machine.state(), forgotten);
    assert_eq!(story.now, Moment::START + Duration::from_hours(24));
}
