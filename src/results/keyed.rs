//! Maps whose keys are keyed hashes: those are as good as random already, and nobody without the key can
//! choose them, so they are not hashed once more.
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by keyed hashes.
pub type KeyedMap<K, V> = HashMap<K, V, ByFirstBytes>;

/// Finds the place of a keyed hash by its own bytes.
pub(super) type ByFirstBytes = BuildHasherDefault<FirstBytes>;

/// Takes the first eight bytes of a key for its hash. Only for keys that are 16 or 32 bytes and nothing
/// else.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    /// The length of an array, which is the same for all keys of a map.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn such_a_map_is_as_any_other(keys: Vec<(u8, [u8; 16])>) {
            let expected: HashMap<[u8; 16], u8> = keys.iter().map(|(value, key)| (*key, *value)).collect();
            let map: KeyedMap<[u8; 16], u8> = keys.iter().map(|(value, key)| (*key, *value)).collect();
            prop_assert_eq!(map.len(), expected.len());
            for (key, value) in &expected {
                prop_assert_eq!(map.get(key), Some(value));
            }
        }

        #[test]
        fn keys_that_differ_early_have_other_hashes(one: [u8; 32], other: [u8; 32]) {
            use std::hash::BuildHasher;
            let hash = |key: &[u8; 32]| ByFirstBytes::default().hash_one(key);
            prop_assert_eq!(hash(&one) == hash(&other), one[..8] == other[..8]);
        }
    }
}
