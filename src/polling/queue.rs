//! The turns of a gateway's polls: in any second no more of them are sent than it takes, and the rest
//! wait, the oldest first.
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::timing::Moment;

/// The bound is kept in any span of this length, wherever it begins.
const SPAN: Duration = Duration::from_secs(1);

/// By so much the last poll before the end of a hold goes before others, as if it had been due
/// earlier: its client gets the answer now or not at all. It is no more, so that none waits for ever.
const HEAD_START: Duration = Duration::from_secs(10);

/// A poll's place among those that wait: by when it was due, then by when it asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    due: Moment,
    number: u64,
}

/// The polls of a gateway that were sent within the last span, and those that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Polls in any span; `None` without a limit.
    limit: Option<usize>,
    /// When they were sent, the oldest first. It holds no more than the limit.
    sent: VecDeque<Moment>,
    waiting: BTreeSet<Place>,
    asked: u64,
}

/// What a poll is told that asks for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is to be sent now, and counts as sent.
    Now,
    /// It is to ask again then, from this place.
    At(Moment, Place),
}

impl Queue {
    /// A queue for so many polls a second; 0 is no limit.
    pub(super) fn new(max_per_second: u32) -> Self {
        let mut queue = Self::default();
        queue.limit(max_per_second);
        queue
    }

    /// Puts another limit in force; who waits learns of it when it asks again.
    pub(super) fn limit(&mut self, max_per_second: u32) {
        let limit = usize::try_from(max_per_second).unwrap_or(usize::MAX);
        self.limit = (limit > 0).then_some(limit);
        if self.limit.is_none() {
            self.sent.clear();
        }
    }

    /// A poll asks for its turn that was due at `due`; `place` is the one that it has, if it asked
    /// before. An urgent one is the last before the end of a hold.
    pub(super) fn ask(
        &mut self,
        place: Option<Place>,
        due: Moment,
        is_urgent: bool,
        now: Moment,
    ) -> Turn {
        if let Some(place) = place {
            self.waiting.remove(&place);
        }
        let Some(limit) = self.limit else {
            return Turn::Now;
        };
        let number = place.map_or(self.asked, |place| place.number);
        self.asked = self.asked.max(number + 1);
        let place = Place {
            due: if is_urgent { due } else { due + HEAD_START },
            number,
        };
        while self.sent.front().is_some_and(|&sent| sent + SPAN <= now) {
            self.sent.pop_front();
        }
        let before = self.waiting.range(..place).count();
        let free = limit.saturating_sub(self.sent.len());
        if before < free {
            self.sent.push_back(now);
            return Turn::Now;
        }
        self.waiting.insert(place);
        Turn::At(self.slot(before - free, limit, now), place)
    }

    /// When the place becomes free that so many who wait have before them, beyond those that are free
    /// now: one after each poll that was sent, and after those that are sent until then.
    fn slot(&self, place: usize, limit: usize, now: Moment) -> Moment {
        let sent = self.sent.get(place % limit).copied().unwrap_or(now);
        let spans = u32::try_from(place / limit).unwrap_or(u32::MAX);
        sent + SPAN.saturating_mul(spans.saturating_add(1))
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, place: Place) {
        self.waiting.remove(&place);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    /// A poll that is due, and in which of its polls a hold's end is near.
    #[derive(Clone, Copy, Debug)]
    struct Due {
        at: u64,
        is_urgent: bool,
    }

    /// Lets each ask when it is due, and again when it was told to; when each is sent.
    fn sent(queue: &mut Queue, polls: &[Due]) -> Vec<u64> {
        let mut asks: BTreeSet<(Moment, usize)> = (0..)
            .zip(polls)
            .map(|(poll, due)| (at(due.at), poll))
            .collect();
        let mut places = vec![None; polls.len()];
        let mut sent = vec![0; polls.len()];
        while let Some((now, poll)) = asks.pop_first() {
            let Due { at: due, is_urgent } = polls[poll];
            match queue.ask(places[poll], at(due), is_urgent, now) {
                Turn::Now => {
                    sent[poll] = u64::try_from(now.since_start().as_millis()).unwrap();
                }
                Turn::At(then, place) => {
                    assert!(then > now, "it would ask for ever");
                    places[poll] = Some(place);
                    asks.insert((then, poll));
                }
            }
        }
        sent
    }

    const fn usual(at: u64) -> Due {
        Due {
            at,
            is_urgent: false,
        }
    }

    #[test]
    fn polls_beyond_the_limit_wait_until_a_second_after_those_before_them() {
        let polls = [0, 100, 200, 300, 400, 500, 1_500].map(usual);
        let sent = sent(&mut Queue::new(2), &polls);
        assert_eq!(sent, [0, 100, 1_000, 1_100, 2_000, 2_100, 3_000]);
    }

    #[test]
    fn the_last_poll_before_the_end_of_a_hold_goes_first() {
        let mut polls = [0; 6].map(usual).to_vec();
        polls.push(Due {
            at: 500,
            is_urgent: true,
        });
        let sent = sent(&mut Queue::new(1), &polls);
        assert_eq!(sent, [0, 2_000, 3_000, 4_000, 5_000, 6_000, 1_000]);
    }

    #[test]
    fn who_gives_up_its_place_lets_the_others_go_sooner_and_a_lifted_limit_all() {
        let mut queue = Queue::new(1);
        assert_eq!(queue.ask(None, at(0), false, at(0)), Turn::Now);
        let Turn::At(_, first) = queue.ask(None, at(0), false, at(0)) else {
            panic!("beyond the limit");
        };
        let Turn::At(then, second) = queue.ask(None, at(0), false, at(0)) else {
            panic!("beyond the limit");
        };
        assert_eq!((then, queue.waiting()), (at(2_000), 2));
        queue.leave(first);
        assert_eq!(queue.ask(Some(second), at(0), false, at(1_000)), Turn::Now);
        assert_eq!(queue.waiting(), 0);
        queue.limit(0);
        assert_eq!(queue.ask(None, at(0), false, at(1_000)), Turn::Now);
    }

    proptest! {
        /// Whatever comes when: never more in a second, none before it is due, none for ever, and none
        /// while there is room.
        #[test]
        fn the_limit_holds_in_every_second_and_nobody_starves(
            limit in 1_u32..6,
            polls in proptest::collection::vec((0_u64..6_000, proptest::bool::weighted(0.2)), 1..60),
        ) {
            let polls: Vec<Due> = polls
                .into_iter()
                .map(|(at, is_urgent)| Due { at, is_urgent })
                .collect();
            let sent = sent(&mut Queue::new(limit), &polls);
            let per_second = usize::try_from(limit).unwrap();
            let mut order = sent.clone();
            order.sort_unstable();
            for pair in order.windows(per_second + 1) {
                prop_assert!(pair[per_second] >= pair[0] + 1_000, "{order:?}");
            }
            for (poll, &sent) in polls.iter().zip(&sent) {
                prop_assert!(sent >= poll.at);
                let before = order.iter().filter(|&&it| it < sent && it + 1_000 > sent - 1).count();
                prop_assert!(sent == poll.at || before + 1 >= per_second, "it waited for nothing");
            }
            // Among those that are not urgent, who was due first goes first.
            for (poll, when) in polls.iter().zip(&sent).filter(|(poll, _)| !poll.is_urgent) {
                for (other, then) in polls.iter().zip(&sent).filter(|(poll, _)| !poll.is_urgent) {
                    prop_assert!(poll.at >= other.at || when <= then, "{poll:?} {other:?}");
                }
            }
        }
    }
}
