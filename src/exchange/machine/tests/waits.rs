//! When the machine polls where the schedule does not say.
use std::time::Duration;

use super::super::{Event, Polled, RecordKind, Searched, State, Submitted, Terms};
use super::story::{Story, begin, payment, terms};
use crate::polling::{Mark, Schedule, Step};
use crate::timing::{GRID, Moment};

/// The moments of polls or lookups that all end like this, while the client of a payment waits.
fn asked_in_vain(with: &Event<&'static str>) -> Vec<Duration> {
    let mut story = match with {
        Event::LookedUp(_) => payment().sent().lost().then(with.clone()),
        _ => payment().sent().accepted("A").recorded(),
    };
    let mut moments = Vec::new();
    while story.now < story.machine.hold_until() {
        story = story.woken();
        moments.push(story.now.since_start());
        story = story.then(with.clone());
    }
    moments
}

fn missing(retry_after: Option<Duration>) -> Event<&'static str> {
    Event::LookedUp(Searched::NotFound { retry_after })
}

fn failing(retry_after: Option<Duration>) -> Event<&'static str> {
    Event::PollAnswered(Polled::Transient { retry_after })
}

#[test]
fn however_long_questions_fail_one_is_asked_just_before_the_hold_ends() {
    let last = Duration::from_millis(29_500);
    for with in [failing(None), Event::PollLost, missing(None)] {
        let moments = asked_in_vain(&with);
        let mut near = moments.iter().filter(|it| it.abs_diff(last) <= GRID);
        assert!(near.next().is_some() && moments.len() < 10, "{moments:?}");
    }
}

#[test]
fn a_gateway_that_asks_for_time_is_given_it_even_where_the_hold_ends_meanwhile() {
    let long = Duration::from_secs(9);
    for with in [failing(Some(long)), missing(Some(long))] {
        let moments = asked_in_vain(&with);
        let mut pairs = moments.windows(2);
        assert!(pairs.all(|pair| pair[1] >= pair[0] + long), "{moments:?}");
    }
}

#[test]
fn searches_that_began_together_are_not_made_together_again() {
    let moments = asked_in_vain(&missing(None));
    let first = Duration::from_millis(500);
    assert!(
        moments.iter().all(|it| it.abs_diff(first) > GRID),
        "{moments:?}"
    );
}

#[test]
fn a_submit_is_not_put_off_beyond_its_start() {
    let put_off = |seconds| {
        payment().sent().answered(Submitted::TooMany {
            answer: "429",
            retry_after: Some(Duration::from_secs(seconds)),
        })
    };
    let again = put_off(4);
    assert_eq!(again.machine.state(), State::Connecting);
    assert_eq!(again.woken().now, Moment::START + Duration::from_secs(4));
    for seconds in [5, 6, 86_400] {
        let refused = State::Recording(RecordKind::Refused);
        assert_eq!(put_off(seconds).machine.state(), refused, "{seconds}");
    }
}

/// Its next poll would be at the end of the hold.
#[test]
fn after_a_result_that_may_be_none_the_gateway_is_asked_again_soon_and_then_more_rarely() {
    let step = |seconds| Step {
        at: Duration::from_secs(seconds),
        spread: Duration::ZERO,
        is_sharp: false,
    };
    let schedule = Schedule::Planned {
        steps: [step(1), step(25)].into(),
        longest: Duration::from_secs(10),
        mark: Mark::NONE,
    };
    let begun = begin(
        Terms {
            schedule,
            ..terms(0)
        },
        false,
        true,
    );
    let mut story = begun.sent().accepted("A").recorded().woken();
    let soft = |story: Story, answer| {
        let story = story.polled(Polled::Soft(answer)).recorded();
        let asked = story.now;
        let story = story.woken();
        let wait = story.now.since(asked);
        (story, wait)
    };
    for (answer, most) in [("one", 600), ("another", 1_200), ("a third", 2_300)] {
        let wait;
        (story, wait) = soft(story, answer);
        let range = Duration::from_millis(most * 3 / 4)..=Duration::from_millis(most);
        assert!(range.contains(&wait), "{answer}: {wait:?}");
    }
    assert!(story.now < Moment::after_start(Duration::from_secs(6)));
}
