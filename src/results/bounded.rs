//! A map that remembers the last so many keys.
use std::collections::VecDeque;
use std::hash::Hash;

use super::keyed::KeyedMap;

/// A map by keyed hashes that holds `MOST` entries: the key that came first goes first.
#[derive(Debug)]
pub struct Bounded<K, V, const MOST: usize> {
    known: KeyedMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V, const MOST: usize> Default for Bounded<K, V, MOST> {
    fn default() -> Self {
        Self {
            known: KeyedMap::default(),
            order: VecDeque::default(),
        }
    }
}

impl<K: Copy + Eq + Hash, V, const MOST: usize> Bounded<K, V, MOST> {
    /// Adds an entry. A key that is there already gets the new value, and keeps its place.
    pub fn insert(&mut self, key: K, value: V) {
        if self.known.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_the_oldest_goes_first() {
        let key = |number: u8| [number; 16];
        let mut bounded = Bounded::<_, _, 3>::default();
        for number in [1, 2, 3, 1, 4] {
            bounded.insert(key(number), number);
        }
        let there: Vec<_> = (1..=4)
            .filter(|it| bounded.get(&key(*it)).is_some())
            .collect();
        assert_eq!(there, [2, 3, 4]);
        bounded.insert(key(2), 20);
        assert_eq!(bounded.get(&key(2)), Some(&20));
        assert_eq!((bounded.known.len(), bounded.order.len()), (3, 3));
    }
}
