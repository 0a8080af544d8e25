//! Seals: what is written can neither be read nor changed without the key.
//!
//! ```text
//! | 1 byte  | 12 bytes | the clear bytes, encrypted | 16 bytes |
//! | version | nonce    |                            | tag      |
//! ```
//!
//! AES-256-GCM-SIV (RFC 8452) with nonces counted from a random one. What is sealed is bound to its place: the place (of
//! a frame in the log its number), the version and the key's id are associated data, so a seal that
//! was moved does not open.
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::journal::{Place, Sealed};

/// The version of what is sealed; its first byte.
pub(in crate::journal) const VERSION: u8 = 1;

/// What a seal is longer than what is sealed: its version, its nonce and its tag.
pub(in crate::journal) const OVERHEAD: usize = 1 + NONCE_LEN + 16;

/// A place, in the order of the file's keys.
const PLACE_LENGTH: usize = 12;

/// A seal could not be made or does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The version is not known.
    #[error("the seal has version {0}, which this version does not read")]
    Version(u8),
    /// The key is another one, the place is another one, or the bytes were changed.
    #[error("the seal does not open")]
    Broken,
    /// The system's random numbers.
    #[error("failed to read random bytes from the operating system")]
    Random,
}

/// The key of one client's answers: derived from its credentials and the journal's own key, and
/// erased when it is dropped.
#[derive(Clone)]
pub struct AnswerKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for AnswerKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AnswerKey(…)")
    }
}

impl AnswerKey {
    /// A key of these bytes, which the keyed hash of the credentials gives.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Seals an answer for its place in its exchange.
    pub fn seal(&self, exchange: Uuid, place: Place, clear: &[u8]) -> Result<Sealed, SealError> {
        let key = cipher(&self.0)?;
        seal(&key, &answer_place(exchange, place), clear).map(|it| Sealed(Bytes::from(it)))
    }

    /// Opens an answer. The clear bytes are erased when the last handle on them is dropped.
    pub fn open(&self, exchange: Uuid, place: Place, sealed: &Sealed) -> Result<Bytes, SealError> {
        let key = cipher(&self.0)?;
        let clear = open(&key, &answer_place(exchange, place), &sealed.0)?;
        Ok(Bytes::from_owner(clear))
    }
}

/// The key of every record of one file.
pub(in crate::journal) struct RecordKey {
    key: LessSafeKey,
    id: u64,
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecordKey(…)")
    }
}

impl RecordKey {
    pub(in crate::journal) fn new(bytes: &[u8; 32], id: u64) -> Result<Self, SealError> {
        let key = cipher(bytes)?;
        Ok(Self { key, id })
    }

    pub(in crate::journal) fn seal(
        &self,
        place: Place,
        clear: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        seal(&self.key, &self.record_place(place), clear)
    }

    pub(in crate::journal) fn open(
        &self,
        place: Place,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        open(&self.key, &self.record_place(place), sealed)
    }

    fn record_place(&self, place: Place) -> Vec<u8> {
        bound("record", &[&place_bytes(place), &self.id.to_be_bytes()])
    }
}

/// The key of the frames of one log.
pub(in crate::journal) struct FrameKey(RecordKey);

impl std::fmt::Debug for FrameKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FrameKey(…)")
    }
}

impl FrameKey {
    pub(in crate::journal) fn new(bytes: &[u8; 32], id: u64) -> Result<Self, SealError> {
        RecordKey::new(bytes, id).map(Self)
    }

    pub(in crate::journal) fn seal(
        &self,
        sequence: u64,
        clear: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        seal(&self.0.key, &self.frame_place(sequence), clear)
    }

    pub(in crate::journal) fn open(
        &self,
        sequence: u64,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        open(&self.0.key, &self.frame_place(sequence), sealed)
    }

    fn frame_place(&self, sequence: u64) -> Vec<u8> {
        bound(
            "frame",
            &[&sequence.to_be_bytes(), &self.0.id.to_be_bytes()],
        )
    }
}

fn answer_place(exchange: Uuid, place: Place) -> Vec<u8> {
    bound("answer", &[&place_bytes(place), exchange.as_bytes()])
}

/// All parts but the purpose have lengths of their own, so no two lists look alike.
fn bound(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(64);
    bound.push(VERSION);
    bound.extend_from_slice(purpose.as_bytes());
    for part in parts {
        bound.extend_from_slice(part);
    }
    bound
}

fn place_bytes(place: Place) -> [u8; PLACE_LENGTH] {
    let mut bytes = [0; PLACE_LENGTH];
    let parts = place.number.0.to_be_bytes().into_iter();
    let all = parts.chain(place.step.to_be_bytes());
    bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    bytes
}

fn cipher(bytes: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    let key = UnboundKey::new(&AES_256_GCM_SIV, bytes).map_err(|_| SealError::Broken)?;
    Ok(LessSafeKey::new(key))
}

/// A nonce that this process has used for nothing yet. Only the first is drawn, since that costs more
/// than a short seal; two processes meet as seldom as random nonces do, and what two that are equal
/// would tell is whether one record was sealed twice (RFC 8452, section 1).
fn fresh_nonce() -> Result<[u8; NONCE_LEN], SealError> {
    static FIRST: OnceLock<[u8; NONCE_LEN]> = OnceLock::new();
    static USED: AtomicU64 = AtomicU64::new(0);
    let mut nonce = [0; NONCE_LEN];
    if let Some(first) = FIRST.get() {
        nonce = *first;
    } else {
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::Random)?;
        nonce = *FIRST.get_or_init(|| nonce);
    }
    let used = USED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let counted = nonce.iter_mut().rev().zip(used.iter().rev());
    counted.for_each(|(byte, used)| *byte ^= used);
    Ok(nonce)
}

fn seal(key: &LessSafeKey, bound: &[u8], clear: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = fresh_nonce()?;
    // Of the final size from the start: what grows leaves clear bytes behind in freed memory.
    let mut sealed = Vec::with_capacity(clear.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(clear);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let (_, body) = sealed
        .split_at_mut_checked(1 + NONCE_LEN)
        .ok_or(SealError::Broken)?;
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(bound), body)
        .map_err(|_| SealError::Broken)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn open(key: &LessSafeKey, bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (version, rest) = sealed.split_first().ok_or(SealError::Broken)?;
    if *version != VERSION {
        return Err(SealError::Version(*version));
    }
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
    let mut body = body.to_vec();
    let clear = key.open_in_place(nonce, Aad::from(bound), &mut body);
    let length = clear.map_err(|_| SealError::Broken)?.len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::Number;

    const fn place(number: u64, step: u32) -> Place {
        Place {
            number: Number(number),
            step,
        }
    }

    #[test]
    fn an_answer_opens_with_its_key_at_its_place_in_its_exchange_only() {
        let (key, other) = (AnswerKey::new([1; 32]), AnswerKey::new([2; 32]));
        let (exchange, stranger) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = key.seal(exchange, place(3, 4), b"an answer").unwrap();
        assert!(!sealed.0.windows(6).any(|it| it == b"answer"));
        assert_eq!(
            key.open(exchange, place(3, 4), &sealed).unwrap(),
            b"an answer".as_slice()
        );
        for opened in [
            other.open(exchange, place(3, 4), &sealed),
            key.open(stranger, place(3, 4), &sealed),
            key.open(exchange, place(4, 4), &sealed),
            key.open(exchange, place(3, 5), &sealed),
        ] {
            assert_eq!(opened, Err(SealError::Broken));
        }
    }

    #[test]
    fn a_record_opens_under_its_key_and_id_only_and_two_seals_of_one_differ() {
        let key = RecordKey::new(&[1; 32], 7).unwrap();
        let sealed = key.seal(place(1, 2), b"record").unwrap();
        assert_ne!(sealed, key.seal(place(1, 2), b"record").unwrap());
        assert_eq!(
            key.open(place(1, 2), &sealed).unwrap().as_slice(),
            b"record"
        );
        let other = RecordKey::new(&[1; 32], 8).unwrap();
        assert!(other.open(place(1, 2), &sealed).is_err());
        assert!(key.open(place(2, 1), &sealed).is_err());
    }

    #[test]
    fn another_version_is_told_as_such() {
        let key = RecordKey::new(&[1; 32], 7).unwrap();
        let mut sealed = key.seal(place(1, 2), b"record").unwrap();
        sealed[0] = 9;
        assert_eq!(
            key.open(place(1, 2), &sealed).err(),
            Some(SealError::Version(9))
        );
    }

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_is_found(clear: Vec<u8>, at: prop::sample::Index, bit in 0..8_u32) {
            let key = RecordKey::new(&[1; 32], 7).unwrap();
            let mut sealed = key.seal(place(1, 2), &clear).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(place(1, 2), &sealed).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            let key = RecordKey::new(&[1; 32], 7).unwrap();
            prop_assert!(key.open(place(1, 2), &bytes).is_err());
        }
    }
}
