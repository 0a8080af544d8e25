//! What outlives a delivered exchange: small facts for its repeat, and the places of answers on disk.
use std::collections::VecDeque;

use uuid::Uuid;

use crate::exchange::identity::{Credential, CredentialTag};
use crate::exchange::on_disk::OnDisk;
use crate::journal::{Number, Place};
use crate::results::{Bounded, KeyedMap, ResultKey};
use crate::timing::Moment;

/// Under which name a fact is found: a keyed hash of the request, its shop and its key.
pub(in crate::exchange) type FactName = [u8; 16];

/// Under which name the result of a task is asked for by hand: a keyed hash of the task and the full
/// credentials.
pub(in crate::exchange) type AskedName = [u8; 16];

/// Answers on disk that are remembered by their task, for whoever asks for one by hand.
const MOST_ANSWERS: usize = 65_536;

/// What is remembered of a delivered exchange that had a key. A million of them are kept, so each
/// byte is one too many.
#[derive(Clone, Copy, Debug)]
pub(in crate::exchange) struct Fact {
    pub(in crate::exchange) exchange: Uuid,
    pub(in crate::exchange) result: ResultKey,
    number: Number,
    /// The step of its answer's entry in the journal; the highest number where there is none.
    step: u32,
    credential: CredentialTag,
    pub(in crate::exchange) expires_at: Moment,
}

const NO_STEP: u32 = u32::MAX;

impl Fact {
    pub(in crate::exchange) fn new(
        exchange: Uuid,
        credential: Credential,
        result: ResultKey,
        place: Option<Place>,
        expires_at: Moment,
    ) -> Self {
        Self {
            exchange,
            credential: credential.tag(),
            result,
            number: place.map_or(Number(0), |place| place.number),
            step: place.map_or(NO_STEP, |place| place.step),
            expires_at,
        }
    }

    /// True if it was asked for with these credentials: no others are given its answer.
    pub(in crate::exchange) fn is_of(&self, credential: Credential) -> bool {
        self.credential == credential.tag()
    }

    /// Its answer on disk, if there is one.
    pub(in crate::exchange) fn on_disk(&self) -> Option<OnDisk> {
        (self.step != NO_STEP).then_some(OnDisk {
            exchange: self.exchange,
            result: self.result,
            place: Place {
                number: self.number,
                step: self.step,
            },
            expires_at: self.expires_at,
        })
    }
}

/// The facts in the order in which they came, which is nearly the one in which they expire: what was delivered
/// long after its beginning expires before those that stand ahead of it, and leaves with them. One map finds them by a number
/// that counts them, so that each stands in memory once.
#[derive(Default)]
pub(in crate::exchange) struct Facts {
    numbers: KeyedMap<FactName, u32>,
    order: VecDeque<(FactName, Fact)>,
    /// The number of the oldest one.
    first: u32,
}

impl Facts {
    pub(in crate::exchange) fn insert(&mut self, name: FactName, fact: Fact) {
        // They are bounded far below what a number can count, and it may begin anew.
        let count = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name, self.first.wrapping_add(count));
        self.order.push_back((name, fact));
    }

    pub(in crate::exchange) fn len(&self) -> usize {
        self.order.len()
    }

    pub(in crate::exchange) fn find(&self, name: &FactName, now: Moment) -> Option<Fact> {
        let number = self.numbers.get(name)?.wrapping_sub(self.first);
        let (_, fact) = self.order.get(usize::try_from(number).ok()?)?;
        (now < fact.expires_at).then_some(*fact)
    }

    /// Forgets what has expired, and says how many are left.
    pub(in crate::exchange) fn purge(&mut self, now: Moment) -> usize {
        while let Some((name, _)) = self.order.pop_front_if(|(_, fact)| fact.expires_at <= now) {
            // A later one of the same request has another number.
            if self.numbers.get(&name) == Some(&self.first) {
                self.numbers.remove(&name);
            }
            self.first = self.first.wrapping_add(1);
        }
        self.order.len()
    }
}

/// What stays of delivered exchanges: a fact for the repeat of each that had a key, and where answers stand
/// on disk, for whoever asks by hand for the result of a task.
#[derive(Default)]
pub(in crate::exchange) struct Remains {
    pub(in crate::exchange) facts: Facts,
    answers: Bounded<ResultKey, OnDisk, MOST_ANSWERS>,
    /// Where the newest answer to each task is kept: several have its id where ids come again.
    newest: Bounded<AskedName, ResultKey, MOST_ANSWERS>,
}

impl Remains {
    /// Keeps the fact of a delivered exchange. Under `name` the repeat of its request finds it; without a
    /// key there is none.
    pub(in crate::exchange) fn keep(&mut self, fact: Fact, name: Option<FactName>) {
        if let Some(on_disk) = fact.on_disk() {
            self.keep_answer(on_disk);
        }
        if let Some(name) = name {
            self.facts.insert(name, fact);
        }
    }

    /// Keeps where an answer stands on disk.
    pub(in crate::exchange) fn keep_answer(&mut self, on_disk: OnDisk) {
        self.answers.insert(on_disk.result, on_disk);
    }

    /// Keeps where the newest answer to a task is kept.
    pub(in crate::exchange) fn keep_newest(&mut self, task: AskedName, result: ResultKey) {
        self.newest.insert(task, result);
    }

    /// The same of an earlier process's answer, which may not be the newest that it left.
    pub(in crate::exchange) fn keep_newest_on_disk(&mut self, task: AskedName, on_disk: OnDisk) {
        let before = self.newest.get(&task).and_then(|it| self.answers.get(it));
        if before.is_none_or(|before| before.place.number <= on_disk.place.number) {
            self.keep_newest(task, on_disk.result);
        }
    }

    /// Where the newest answer to a task is kept.
    pub(in crate::exchange) fn newest(&self, task: &AskedName) -> Option<ResultKey> {
        self.newest.get(task).copied()
    }

    /// Where an answer stands on disk.
    pub(in crate::exchange) fn answer(&self, result: &ResultKey, now: Moment) -> Option<OnDisk> {
        let found = self.answers.get(result);
        found.filter(|found| now < found.expires_at).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: u32) -> FactName {
        let mut name = [0; 16];
        name.copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..16]);
        name
    }

    fn fact(number: u32) -> Fact {
        let place = Place {
            number: Number(number.into()),
            step: 3,
        };
        let expires_at = Moment::START + Duration::from_millis(number.into());
        let credential = Credential::of_bytes([2; 32]);
        Fact::new(
            Uuid::nil(),
            credential,
            name(number),
            Some(place),
            expires_at,
        )
    }

    #[test]
    fn a_fact_is_found_until_it_expires_and_a_later_one_takes_its_place() {
        let mut facts = Facts::default();
        for number in [1, 5, 9] {
            facts.insert(name(number), fact(number));
        }
        facts.insert(name(1), fact(20));
        let at = |millis| Moment::START + Duration::from_millis(millis);
        assert_eq!(facts.purge(at(5)), 2);
        assert!(facts.find(&name(5), at(5)).is_none());
        let places = |facts: &Facts, number| {
            let fact = facts.find(&name(number), at(5));
            fact.and_then(|fact| fact.on_disk())
                .map(|it| it.place.number)
        };
        assert_eq!(places(&facts, 1), Some(Number(20)));
        assert_eq!(places(&facts, 9), Some(Number(9)));
        assert!(facts.find(&name(9), at(9)).is_none());
        assert_eq!(facts.purge(at(20)), 0);
    }

    /// What a million facts cost, by what their two homes have reserved: a map keeps a byte beside
    /// each of its places and at most seven of eight of them filled.
    #[test]
    fn a_million_facts_take_no_more_than_130_bytes_each() {
        const MILLION: u32 = 1_000_000;
        let mut facts = Facts::default();
        for number in 0..MILLION {
            facts.insert(name(number), fact(number));
        }
        let places = facts.numbers.capacity() * 8 / 7;
        let index = places * (size_of::<(FactName, u32)>() + 1);
        let kept = facts.order.capacity() * size_of::<(FactName, Fact)>();
        let each = (index + kept) / MILLION as usize;
        assert!(each <= 130, "{each} bytes a fact");
    }
}
