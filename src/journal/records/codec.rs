//! Records as bytes, before they are sealed.
//!
//! ```text
//! | 1 byte | 8 bytes | 8 bytes    | 8 bytes | the change     |
//! | kind   | wall    | since boot | boot    | see below      |
//!
//! kind                content
//!  1 Submitted        exchange 16 | gateway | origin | operation | owner 32 | credential 32
//!                     | fingerprint 32 | beside? 32 | key | explicit 1 | amount? | currency?
//!                     | reference?
//!  2 Resubmitted      which 4
//!  3 Accepted         task
//!  4 Candidate        sealed answer: the rest; none where the one before it was not the result
//!  5 Completed        sealed answer: the rest; kind 6 where it was dropped
//!  6 Completed, empty –
//!  7 Delivered        –
//!  8 InDoubt          cause | reason?
//!  9 Withdrawn        –
//! 10 Refused          –
//! 11 Closed           reason?
//! ```
//!
//! Several records of one exchange are folded into one where they can be:
//!
//! ```text
//! | 1 byte | for each record: | 4 bytes | 4 bytes | the record |
//! | 12     |                  | step    | length  |            |
//! ```
//!
//! Numbers are little-endian. A text is its length in 4 bytes and UTF-8. What has a `?` stands behind
//! a byte that is 1, or is missing and that byte is 0. Nothing may follow. A changed kind needs a new
//! version of the seal (`seal.rs`), a new one a new format of the file (`store.rs`); what was before is
//! read on.
use bytes::Bytes;
use uuid::Uuid;

use crate::journal::{Change, Entry, Head, Place, Sealed, WrittenDoubt};
use crate::timing::Stamp;

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no record")]
pub(in crate::journal) struct Malformed;

/// A record's bytes. They are erased when dropped, since they tell of a payment.
pub(in crate::journal) fn encode(stamp: Stamp, change: &Change) -> Vec<u8> {
    let mut record = Vec::with_capacity(size(change));
    encode_onto(&mut record, stamp, change);
    record
}

/// Writes a record's bytes behind others.
pub(in crate::journal) fn encode_onto(record: &mut Vec<u8>, stamp: Stamp, change: &Change) {
    let mut encoder = Encoder(record);
    encoder.byte(kind(change));
    for part in [stamp.wall, stamp.since_boot, stamp.boot] {
        encoder.fixed(&part.to_le_bytes());
    }
    match change {
        Change::Submitted(head) => encoder.head(head),
        Change::Resubmitted(which) => encoder.fixed(&which.to_le_bytes()),
        Change::Accepted(task) => encoder.text(task),
        Change::Candidate(Some(sealed)) | Change::Completed(Some(sealed)) => {
            encoder.fixed(&sealed.0);
        }
        Change::InDoubt(doubt) => {
            encoder.text(&doubt.cause);
            encoder.maybe_text(doubt.reason.as_deref());
        }
        Change::Closed(reason) => encoder.maybe_text(reason.as_deref()),
        Change::Candidate(None)
        | Change::Completed(None)
        | Change::Delivered
        | Change::Withdrawn
        | Change::Refused => {}
    }
}

/// The kinds that say what a record means for those beside it.
const SUBMITTED: u8 = 1;
const CANDIDATE: u8 = 4;
const COMPLETED: u8 = 5;
const COMPLETED_EMPTY: u8 = 6;

const fn kind(change: &Change) -> u8 {
    match change {
        Change::Submitted(_) => SUBMITTED,
        Change::Resubmitted(_) => 2,
        Change::Accepted(_) => 3,
        Change::Candidate(_) => CANDIDATE,
        Change::Completed(Some(_)) => COMPLETED,
        Change::Completed(None) => COMPLETED_EMPTY,
        Change::Delivered => 7,
        Change::InDoubt(_) => 8,
        Change::Withdrawn => 9,
        Change::Refused => 10,
        Change::Closed(_) => 11,
    }
}

/// Enough for all but the longest, so that few records are moved while they are written.
pub(in crate::journal) fn size(change: &Change) -> usize {
    match change {
        Change::Candidate(Some(sealed)) | Change::Completed(Some(sealed)) => 32 + sealed.0.len(),
        Change::Submitted(_) => 512,
        Change::Resubmitted(_)
        | Change::Accepted(_)
        | Change::Candidate(None)
        | Change::Completed(None)
        | Change::Delivered
        | Change::InDoubt(_)
        | Change::Withdrawn
        | Change::Refused
        | Change::Closed(_) => 128,
    }
}

/// Reads a record; any other bytes are refused.
pub(in crate::journal) fn decode(bytes: &[u8]) -> Result<(Stamp, Change), Malformed> {
    let mut decoder = Decoder(bytes);
    let kind = decoder.byte()?;
    let stamp = Stamp {
        wall: decoder.number()?,
        since_boot: decoder.number()?,
        boot: decoder.number()?,
    };
    let change = match kind {
        SUBMITTED => Change::Submitted(Box::new(decoder.head()?)),
        2 => Change::Resubmitted(u32::from_le_bytes(decoder.fixed()?)),
        3 => Change::Accepted(decoder.text()?),
        CANDIDATE => Change::Candidate(Some(decoder.rest()).filter(|it| !it.0.is_empty())),
        COMPLETED => Change::Completed(Some(decoder.rest())),
        COMPLETED_EMPTY => Change::Completed(None),
        7 => Change::Delivered,
        8 => Change::InDoubt(WrittenDoubt {
            cause: decoder.text()?,
            reason: decoder.maybe(Decoder::text)?,
        }),
        9 => Change::Withdrawn,
        10 => Change::Refused,
        11 => Change::Closed(decoder.maybe(Decoder::text)?),
        _ => return Err(Malformed),
    };
    if decoder.0.is_empty() {
        Ok((stamp, change))
    } else {
        Err(Malformed)
    }
}

/// What a record means for those beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Role {
    /// It begins its exchange.
    Head,
    /// A soft answer: another takes its place.
    Soft,
    /// It takes the place of a soft answer.
    Result,
    /// It stands for itself.
    Other,
}

/// The role of a record, by its kind.
pub(in crate::journal) fn role(record: &[u8]) -> Role {
    match record.first() {
        Some(&SUBMITTED) => Role::Head,
        Some(&CANDIDATE) => Role::Soft,
        Some(&(COMPLETED | COMPLETED_EMPTY)) => Role::Result,
        Some(_) | None => Role::Other,
    }
}

/// The kind of a record into which others are folded.
const FOLDED: u8 = 12;

/// Some records of one exchange as one.
pub(in crate::journal) fn fold(records: &[(Place, &[u8])]) -> Vec<u8> {
    let length: usize = records.iter().map(|(_, record)| 8 + record.len()).sum();
    let mut folded = Vec::with_capacity(1 + length);
    folded.push(FOLDED);
    for (place, record) in records {
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        folded.extend_from_slice(&place.step.to_le_bytes());
        folded.extend_from_slice(&length.to_le_bytes());
        folded.extend_from_slice(record);
    }
    folded
}

/// Some entries of one exchange as one record.
pub(in crate::journal) fn fold_entries(entries: &[Entry]) -> Vec<u8> {
    let encoded = |it: &Entry| (it.place, encode(it.stamp, &it.change));
    let records: Vec<_> = entries.iter().map(encoded).collect();
    let records: Vec<_> = records
        .iter()
        .map(|(place, it)| (*place, it.as_slice()))
        .collect();
    fold(&records)
}

/// The entries of the record at a place: one, or all that are folded into it.
pub(in crate::journal) fn unfold(place: Place, bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let one = |step, bytes: &[u8]| {
        let (stamp, change) = decode(bytes)?;
        let place = Place { step, ..place };
        Ok(Entry {
            place,
            stamp,
            change,
        })
    };
    let Some((&FOLDED, rest)) = bytes.split_first() else {
        return Ok(vec![one(place.step, bytes)?]);
    };
    let mut decoder = Decoder(rest);
    let mut entries = Vec::new();
    while !decoder.0.is_empty() {
        let step = u32::from_le_bytes(decoder.fixed()?);
        let length = u32::from_le_bytes(decoder.fixed()?);
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        entries.push(one(step, decoder.take(length)?)?);
    }
    // One alone is never folded, and none is no record.
    if entries.len() < 2 {
        return Err(Malformed);
    }
    Ok(entries)
}

struct Encoder<'a>(&'a mut Vec<u8>);

impl Encoder<'_> {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A text of more than 4 GiB does not exist here; one would be written as an empty one.
    fn text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).unwrap_or_default();
        self.fixed(&length.to_le_bytes());
        if length > 0 {
            self.fixed(text.as_bytes());
        }
    }

    fn maybe_text(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn head(&mut self, head: &Head) {
        self.fixed(head.exchange.as_bytes());
        self.text(&head.gateway);
        self.text(&head.origin);
        self.text(&head.operation);
        self.fixed(&head.owner);
        self.fixed(&head.credential);
        self.fixed(&head.fingerprint);
        self.byte(u8::from(head.beside.is_some()));
        if let Some(beside) = &head.beside {
            self.fixed(beside);
        }
        self.text(&head.key);
        self.byte(u8::from(head.explicit));
        self.maybe_text(head.amount.as_deref());
        self.maybe_text(head.currency.as_deref());
        self.maybe_text(head.reference.as_deref());
    }
}

struct Decoder<'a>(&'a [u8]);

impl Decoder<'_> {
    fn take(&mut self, length: usize) -> Result<&[u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.fixed()?;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    fn text(&mut self) -> Result<Box<str>, Malformed> {
        let length = u32::from_le_bytes(self.fixed()?);
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)?;
        Ok(text.into())
    }

    /// One byte that is 0 or 1.
    fn truth(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.truth()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    fn rest(&mut self) -> Sealed {
        Sealed(Bytes::copy_from_slice(std::mem::take(&mut self.0)))
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        Ok(Head {
            exchange: Uuid::from_bytes(self.fixed()?),
            gateway: self.text()?,
            origin: self.text()?,
            operation: self.text()?,
            owner: self.fixed()?,
            credential: self.fixed()?,
            fingerprint: self.fixed()?,
            beside: self.maybe(Self::fixed)?,
            key: self.text()?,
            explicit: self.truth()?,
            amount: self.maybe(Self::text)?,
            currency: self.maybe(Self::text)?,
            reference: self.maybe(Self::text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::Number;

    prop_compose! {
        fn a_stamp()(wall: u64, since_boot: u64, boot: u64) -> Stamp {
            Stamp { wall, since_boot, boot }
        }
    }

    fn a_text() -> impl Strategy<Value = Box<str>> {
        any::<String>().prop_map(String::into_boxed_str)
    }

    fn maybe_text() -> impl Strategy<Value = Option<Box<str>>> {
        prop::option::of(a_text())
    }

    prop_compose! {
        fn a_head()(
            (exchange, gateway, origin, operation) in (any::<u128>(), a_text(), a_text(), a_text()),
            (owner, credential, fingerprint) in any::<([u8; 32], [u8; 32], [u8; 32])>(),
            beside in any::<Option<[u8; 32]>>(),
            (key, explicit) in (a_text(), any::<bool>()),
            (amount, currency, reference) in (maybe_text(), maybe_text(), maybe_text()),
        ) -> Head {
            let exchange = Uuid::from_u128(exchange);
            Head {
                exchange, gateway, origin, operation, owner, credential, fingerprint, beside, key,
                explicit, amount, currency, reference,
            }
        }
    }

    fn a_seal() -> impl Strategy<Value = Sealed> {
        let bytes = prop::collection::vec(any::<u8>(), 1..100);
        bytes.prop_map(|it| Sealed(Bytes::from(it)))
    }

    fn a_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            a_head().prop_map(|it| Change::Submitted(Box::new(it))),
            any::<u32>().prop_map(Change::Resubmitted),
            a_text().prop_map(Change::Accepted),
            prop::option::of(a_seal()).prop_map(Change::Candidate),
            prop::option::of(a_seal()).prop_map(Change::Completed),
            Just(Change::Delivered),
            (a_text(), maybe_text())
                .prop_map(|(cause, reason)| Change::InDoubt(WrittenDoubt { cause, reason })),
            Just(Change::Withdrawn),
            Just(Change::Refused),
            maybe_text().prop_map(Change::Closed),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(stamp in a_stamp(), change in a_change()) {
            let bytes = encode(stamp, &change);
            prop_assert_eq!(decode(&bytes), Ok((stamp, change)));
        }

        #[test]
        fn what_is_cut_or_longer_is_refused_or_another_answer(
            stamp in a_stamp(), change in a_change(), cut: prop::sample::Index,
            more in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let bytes = encode(stamp, &change);
            let cut = &bytes[..cut.index(bytes.len())];
            let longer = [bytes.as_slice(), more.as_slice()].concat();
            for spoilt in [cut, longer.as_slice()] {
                if let Ok((_, read)) = decode(spoilt) {
                    prop_assert!(matches!(read, Change::Candidate(_) | Change::Completed(Some(_))));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_what_is_read_is_written_the_same(
            kind in 0..13_u8, bytes: Vec<u8>,
        ) {
            let bytes = [&[kind], bytes.as_slice()].concat();
            if let Ok((stamp, change)) = decode(&bytes) {
                let written = encode(stamp, &change);
                prop_assert_eq!(written.as_slice(), bytes.as_slice());
            }
        }
    }

    proptest! {
        #[test]
        fn records_that_are_folded_are_read_as_they_were(stamp in a_stamp(), task: String) {
            let place = |step| Place { number: Number(7), step };
            let entries: Vec<_> = [Change::Accepted(task.into()), Change::Completed(None), Change::Delivered]
                .into_iter()
                .zip([1, 4, 5])
                .map(|(change, step)| Entry { place: place(step), stamp, change })
                .collect();
            let folded = fold_entries(&entries);
            prop_assert_eq!(unfold(place(0), &folded), Ok(entries));
            prop_assert_eq!(unfold(place(0), &folded[..folded.len() - 1]), Err(Malformed));
        }

        #[test]
        fn any_bytes_behind_the_kind_are_folded_records_or_none(bytes: Vec<u8>) {
            let place = Place { number: Number(7), step: 0 };
            let folded = [&[FOLDED], bytes.as_slice()].concat();
            if let Ok(entries) = unfold(place, &folded) {
                prop_assert_eq!(fold_entries(&entries), folded);
            }
        }
    }

    #[test]
    fn nothing_is_no_record() {
        assert_eq!(decode(&[]), Err(Malformed));
        assert_eq!(decode(&[0; 25]), Err(Malformed));
        assert_eq!(decode(&[12; 25]), Err(Malformed));
    }
}
