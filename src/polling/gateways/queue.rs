//! The turns of a gateway's polls: in any second no more of them are sent than it takes, and the rest
//! wait, the oldest first.
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use crate::timing::Moment;

/// The bound is kept in any span of this length, wherever it begins.
const SPAN: Duration = Duration::from_secs(1);

/// By so much the last poll before the end of a hold goes before others, as if it had been due
/// earlier: its client gets the answer now or not at all. It is no more, so that none waits for ever.
const HEAD_START: Duration = Duration::from_secs(10);

/// By so much a poll that no client waits for goes behind others.
const HANDICAP: Duration = Duration::from_secs(60);

/// How badly a poll is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::polling) enum Need {
    /// A client whose hold is nearly over: it is the last poll before.
    Urgent,
    /// A client that waits.
    Held,
    /// Nobody at the moment: the hold is over.
    Unattended,
}

/// A poll's rank among those that wait: by when it was due, then by when it asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::polling) struct Rank {
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
    waiting: BTreeMap<Rank, Seat>,
    /// How many of the waiting polls a client waits for.
    attended: usize,
    asked: u64,
}

/// A poll that waits at a rank.
#[derive(Clone, Debug)]
struct Seat {
    /// When it is to ask again. Polls before it may have gone by then.
    told: Moment,
    /// Has it ask earlier.
    waker: Waker,
    need: Need,
}

/// The reply to a poll that asks for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::polling) enum Turn {
    /// It is to be sent now, and counts as sent.
    Now,
    /// It is to ask again then, with this rank.
    At(Moment, Rank),
}

impl Queue {
    /// A queue for so many polls a second; 0 is no limit.
    pub(super) fn new(max_per_second: u32) -> Self {
        let mut queue = Self::default();
        queue.limit(max_per_second);
        queue
    }

    /// Puts another limit in force.
    pub(super) fn limit(&mut self, max_per_second: u32) {
        let limit = usize::try_from(max_per_second).unwrap_or(usize::MAX);
        self.limit = (limit > 0).then_some(limit);
        if self.limit.is_none() {
            self.sent.clear();
        }
        self.hurry();
    }

    /// Gives a poll its turn, or says when to ask again. `due`: since when it is due, and how badly it is
    /// needed. `rank`: its rank, if it asked before. `waker` is woken if its turn comes earlier than was said.
    pub(super) fn ask(
        &mut self,
        rank: Option<Rank>,
        due: (Moment, Need),
        now: Moment,
        waker: &Waker,
    ) -> Turn {
        if let Some(rank) = rank {
            self.remove(rank);
        }
        let turn = self.turn(rank, due, now, waker);
        self.hurry();
        turn
    }

    fn turn(
        &mut self,
        rank: Option<Rank>,
        (due, need): (Moment, Need),
        now: Moment,
        waker: &Waker,
    ) -> Turn {
        let Some(limit) = self.limit else {
            return Turn::Now;
        };
        let number = rank.map_or(self.asked, |rank| rank.number);
        self.asked = self.asked.max(number + 1);
        let rank = Rank {
            due: match need {
                Need::Urgent => due,
                Need::Held => due + HEAD_START,
                Need::Unattended => due + HEAD_START + HANDICAP,
            },
            number,
        };
        while self.sent.front().is_some_and(|&sent| sent + SPAN <= now) {
            self.sent.pop_front();
        }
        let before = self.waiting.range(..rank).count();
        let free = limit.saturating_sub(self.sent.len());
        if before < free {
            self.sent.push_back(now);
            return Turn::Now;
        }
        let told = self.slot(before - free, limit, now);
        let waker = waker.clone();
        self.attended += usize::from(need != Need::Unattended);
        self.waiting.insert(rank, Seat { told, waker, need });
        Turn::At(told, rank)
    }

    /// When a poll may go that has `before` others ahead of it beyond the free places. Each poll sent frees
    /// its place after one [`SPAN`]; every `limit` polls ahead cost one more.
    fn slot(&self, before: usize, limit: usize, now: Moment) -> Moment {
        let sent = self.sent.get(before % limit).copied().unwrap_or(now);
        let spans = u32::try_from(before / limit).unwrap_or(u32::MAX);
        sent + SPAN.saturating_mul(spans.saturating_add(1))
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, rank: Rank) {
        self.remove(rank);
        self.hurry();
    }

    fn remove(&mut self, rank: Rank) {
        if let Some(seat) = self.waiting.remove(&rank) {
            self.attended -= usize::from(seat.need != Need::Unattended);
        }
    }

    /// Wakes the first waiting poll if its turn comes earlier than it was told. The next one is woken when
    /// this one has gone.
    fn hurry(&mut self) {
        let free_at = self.free_at();
        if let Some(mut first) = self.waiting.first_entry()
            && first.get().told > free_at
        {
            first.get_mut().told = free_at;
            first.get().waker.wake_by_ref();
        }
    }

    /// From when on a poll may be sent.
    fn free_at(&self) -> Moment {
        let over = self
            .limit
            .and_then(|limit| self.sent.len().checked_sub(limit));
        let oldest = over.and_then(|over| self.sent.get(over));
        oldest.map_or(Moment::START, |&sent| sent + SPAN)
    }

    /// How many polls wait whose answer a client waits for.
    pub(super) const fn waiting(&self) -> usize {
        self.attended
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    /// Wakers that note who was woken.
    #[derive(Default)]
    struct Woken(Mutex<Vec<usize>>);

    struct Alarm(Arc<Woken>, usize);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.0.lock().unwrap().push(self.1);
        }
    }

    /// A poll that is due, whether a hold's end is near, and what becomes of it if it still waits then: it
    /// is due again so much later, as when its hold has ended, or is given up.
    #[derive(Clone, Copy, Debug)]
    struct Due {
        at: u64,
        is_urgent: bool,
        changes: Option<(u64, Option<u64>)>,
    }

    /// A queue, who waits in it, and who comes or asks again when.
    struct World {
        queue: Queue,
        woken: Arc<Woken>,
        polls: Vec<Due>,
        ranks: Vec<Option<Rank>>,
        asks: BTreeSet<(Moment, usize)>,
        /// When each was sent; none where it was given up.
        sent: Vec<Option<u64>>,
    }

    impl World {
        fn new(limit: u32, polls: &[Due]) -> Self {
            Self {
                queue: Queue::new(limit),
                woken: Arc::default(),
                polls: polls.to_vec(),
                ranks: vec![None; polls.len()],
                asks: (0..)
                    .zip(polls)
                    .map(|(poll, due)| (at(due.at), poll))
                    .collect(),
                sent: vec![None; polls.len()],
            }
        }

        /// Lets each ask when it is due, again when it was told to, and when it is woken.
        fn run(mut self) -> Vec<Option<u64>> {
            while let Some((now, poll)) = self.asks.pop_first() {
                self.change(now);
                self.ask(poll, now);
                let woken = std::mem::take(&mut *self.woken.0.lock().unwrap());
                self.asks.extend(woken.into_iter().map(|poll| (now, poll)));
            }
            self.sent
        }

        fn change(&mut self, now: Moment) {
            for (poll, due) in self.polls.iter_mut().enumerate() {
                let Some((when, later)) = due.changes.filter(|(when, _)| at(*when) <= now) else {
                    continue;
                };
                due.changes = None;
                let Some(rank) = self.ranks[poll].take() else {
                    continue;
                };
                self.queue.leave(rank);
                self.asks.retain(|(_, asks)| *asks != poll);
                if let Some(later) = later {
                    *due = usual(when.max(due.at) + later);
                    self.asks.insert((at(due.at), poll));
                }
            }
        }

        fn ask(&mut self, poll: usize, now: Moment) {
            let due = self.polls[poll];
            if self.sent[poll].is_some() || now < at(due.at) {
                return;
            }
            let waker = Waker::from(Arc::new(Alarm(Arc::clone(&self.woken), poll)));
            let need = if due.is_urgent {
                Need::Urgent
            } else {
                Need::Held
            };
            let turn = self
                .queue
                .ask(self.ranks[poll], (at(due.at), need), now, &waker);
            self.asks.retain(|(_, asks)| *asks != poll);
            match turn {
                Turn::Now => {
                    self.ranks[poll] = None;
                    self.sent[poll] = u64::try_from(now.since_start().as_millis()).ok();
                }
                Turn::At(then, rank) => {
                    assert!(then > now, "it would ask for ever");
                    self.ranks[poll] = Some(rank);
                    self.asks.insert((then, poll));
                }
            }
        }
    }

    /// When each is sent of polls that are not given up.
    fn sent(limit: u32, polls: &[Due]) -> Vec<u64> {
        World::new(limit, polls)
            .run()
            .into_iter()
            .map(Option::unwrap)
            .collect()
    }

    const fn usual(at: u64) -> Due {
        Due {
            at,
            is_urgent: false,
            changes: None,
        }
    }

    #[test]
    fn polls_beyond_the_limit_wait_until_a_second_after_those_before_them() {
        let polls = [0, 100, 200, 300, 400, 500, 1_500].map(usual);
        assert_eq!(sent(2, &polls), [0, 100, 1_000, 1_100, 2_000, 2_100, 3_000]);
    }

    #[test]
    fn the_last_poll_before_the_end_of_a_hold_goes_first() {
        let mut polls = [0; 6].map(usual).to_vec();
        polls.push(Due {
            is_urgent: true,
            ..usual(500)
        });
        assert_eq!(
            sent(1, &polls),
            [0, 2_000, 3_000, 4_000, 5_000, 6_000, 1_000]
        );
    }

    #[test]
    fn who_comes_when_the_holds_of_many_have_ended_does_not_wait_behind_them() {
        let mut polls = [Due {
            changes: Some((8_000, Some(10_000))),
            ..usual(0)
        }; 40]
            .to_vec();
        polls.push(usual(9_100));
        polls.push(usual(9_200));
        let sent = sent(1, &polls);
        assert_eq!(sent[40..], [9_100, 10_100]);
    }

    #[test]
    fn who_gives_up_its_place_lets_the_others_go_sooner_and_a_lifted_limit_all() {
        let mut queue = Queue::new(1);
        let ask = |queue: &mut Queue, rank, now| {
            queue.ask(rank, (at(0), Need::Held), at(now), Waker::noop())
        };
        assert_eq!(ask(&mut queue, None, 0), Turn::Now);
        let Turn::At(_, first) = ask(&mut queue, None, 0) else {
            panic!("beyond the limit");
        };
        let Turn::At(then, second) = ask(&mut queue, None, 0) else {
            panic!("beyond the limit");
        };
        assert_eq!((then, queue.waiting()), (at(2_000), 2));
        queue.leave(first);
        assert_eq!(ask(&mut queue, Some(second), 1_000), Turn::Now);
        assert_eq!(queue.waiting(), 0);
        queue.limit(0);
        assert_eq!(ask(&mut queue, None, 1_000), Turn::Now);
    }

    #[test]
    fn a_raised_limit_is_used_at_once() {
        let woken = Arc::new(Woken::default());
        let mut queue = Queue::new(1);
        let alarm = |poll| Waker::from(Arc::new(Alarm(Arc::clone(&woken), poll)));
        let ranks: Vec<_> = (0..4)
            .map(|poll| queue.ask(None, (at(0), Need::Held), at(0), &alarm(poll)))
            .collect();
        queue.limit(3);
        for (poll, rank) in ranks.into_iter().enumerate().skip(1) {
            assert_eq!(std::mem::take(&mut *woken.0.lock().unwrap()), [poll]);
            let Turn::At(_, rank) = rank else {
                panic!("beyond the limit");
            };
            let turn = queue.ask(Some(rank), (at(0), Need::Held), at(500), &alarm(poll));
            assert_eq!(turn == Turn::Now, poll < 3);
        }
    }

    fn any_poll() -> impl Strategy<Value = Due> {
        let later = proptest::option::of(1_u64..3_000);
        let changes = proptest::option::weighted(0.3, (0_u64..8_000, later));
        (0_u64..6_000, proptest::bool::weighted(0.2), changes).prop_map(
            |(at, is_urgent, changes)| Due {
                at,
                is_urgent,
                changes,
            },
        )
    }

    proptest! {
        /// Whatever comes when, is due later or given up: never more in a second, none before it is due,
        /// none for ever, and none while there is room.
        #[test]
        fn the_limit_holds_in_every_second_and_nobody_starves(
            limit in 1_u32..6,
            polls in proptest::collection::vec(any_poll(), 1..60),
        ) {
            let sent = World::new(limit, &polls).run();
            let per_second = usize::try_from(limit).unwrap();
            let mut order: Vec<u64> = sent.iter().copied().flatten().collect();
            order.sort_unstable();
            for pair in order.windows(per_second + 1) {
                prop_assert!(pair[per_second] >= pair[0] + 1_000, "{order:?}");
            }
            let is_given_up = |poll: &Due| matches!(poll.changes, Some((_, None)));
            let is_later = |poll: &Due, sent| {
                matches!(poll.changes, Some((when, Some(later))) if sent == when.max(poll.at) + later)
            };
            for (poll, sent) in polls.iter().zip(&sent) {
                let Some(sent) = *sent else {
                    prop_assert!(is_given_up(poll), "it was forgotten");
                    continue;
                };
                prop_assert!(sent >= poll.at);
                let before = order.iter().filter(|&&it| it < sent && it + 1_000 > sent - 1).count();
                let waited = sent != poll.at && !is_later(poll, sent);
                prop_assert!(!waited || before + 1 >= per_second, "it waited for nothing");
            }
            // Among those that are not urgent and wait on, who was due first goes first.
            let usual = || {
                let usual = |(poll, _): &(&Due, &Option<u64>)| !poll.is_urgent && poll.changes.is_none();
                polls.iter().zip(&sent).filter(usual)
            };
            for (poll, when) in usual() {
                for (other, then) in usual() {
                    prop_assert!(poll.at >= other.at || when <= then, "{poll:?} {other:?}");
                }
            }
        }
    }
}
