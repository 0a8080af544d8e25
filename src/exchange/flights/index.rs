//! Flights by something that several may have in common.
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use super::flight::Flight;
use crate::results::KeyedMap;

/// Flights by a common property: their task, their key, the facts of their transaction.
pub(in crate::exchange) struct Index<K>(KeyedMap<K, Vec<Arc<Flight>>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(KeyedMap::default())
    }
}

impl<K: Eq + Hash> Index<K> {
    /// Adds a flight; all that are there now, it the last.
    pub(in crate::exchange) fn insert(&mut self, key: K, flight: &Arc<Flight>) -> &[Arc<Flight>] {
        let flights = self.0.entry(key).or_insert_with(|| Vec::with_capacity(1));
        flights.push(Arc::clone(flight));
        flights
    }

    /// How many properties some flight has.
    pub(in crate::exchange) fn len(&self) -> usize {
        self.0.len()
    }

    /// The flights with a property.
    pub(in crate::exchange) fn of(&self, key: &K) -> &[Arc<Flight>] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The flights with a property, but for `flight` itself.
    pub(in crate::exchange) fn others(
        &self,
        key: &K,
        flight: &Arc<Flight>,
    ) -> impl Iterator<Item = &Arc<Flight>> {
        let others = self.of(key).iter();
        others.filter(move |other| !Arc::ptr_eq(other, flight))
    }

    /// Removes a flight.
    pub(in crate::exchange) fn remove(&mut self, key: K, flight: &Arc<Flight>) {
        if let Entry::Occupied(mut entry) = self.0.entry(key) {
            entry.get_mut().retain(|other| !Arc::ptr_eq(other, flight));
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}
