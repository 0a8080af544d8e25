//! A frame of the log: the entries of one commit, in the clear and as they go to the disk.
//!
//! ```text
//! | 8 bytes         | 4 bytes       | the entries, sealed (`seal.rs`); each in the clear:  |
//! | number, big end | sealed length | | 8 bytes  | 4 bytes | 4 bytes | record (`codec.rs`) |
//! |                 |               | | exchange | step    | length  |                     |
//! ```
use crate::journal::records::codec::{decode, encode_onto, size};
use crate::journal::{Entry, Number, Place};

/// What a disk may tear, and what Linux writes at once.
pub(in crate::journal) const PAGE: usize = 4096;

/// What stands before what is sealed.
pub(in crate::journal) const HEADER: usize = 12;

/// What stands before an entry's record.
const PREFIX: usize = 16;

/// What a frame takes of the log.
pub(in crate::journal) fn pages(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(PAGE)
}

/// A frame as it goes to the disk, and where it begins: whole pages at a page of the memory, which can
/// pass the cache, and of which Linux need not read what the frame leaves of the last one.
pub(in crate::journal) fn in_pages(number: u64, sealed: &[u8], pages: usize) -> (Vec<u8>, usize) {
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    let mut memory: Vec<u8> = Vec::with_capacity(PAGE + pages);
    let start = memory.as_ptr().align_offset(PAGE);
    memory.resize(start, 0);
    memory.extend_from_slice(&number.to_be_bytes());
    memory.extend_from_slice(&length.to_be_bytes());
    memory.extend_from_slice(sealed);
    memory.resize(start + pages, 0);
    (memory, start)
}

/// A frame's number and what is sealed in it, if bytes have the form of one.
pub(in crate::journal) fn parts(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let sealed = rest.get(..length)?;
    Some((u64::from_be_bytes(*number), sealed))
}

/// What is sealed in a frame.
pub(in crate::journal) fn clear(entries: &[Entry]) -> Vec<u8> {
    let length = entries.iter().map(|it| PREFIX + size(&it.change)).sum();
    let mut clear = Vec::with_capacity(length);
    let mut record = Vec::new();
    for entry in entries {
        record.clear();
        encode_onto(&mut record, entry.stamp, &entry.change);
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        clear.extend_from_slice(&entry.place.number.0.to_be_bytes());
        clear.extend_from_slice(&entry.place.step.to_be_bytes());
        clear.extend_from_slice(&length.to_be_bytes());
        clear.extend_from_slice(&record);
    }
    clear
}

/// The records of a frame and their places. What has no such form ends them.
pub(in crate::journal) fn records(clear: &[u8]) -> impl Iterator<Item = (Place, &[u8])> {
    let mut rest = clear;
    std::iter::from_fn(move || {
        let (place, record, after) = first(rest)?;
        rest = after;
        Some((place, record))
    })
}

/// The entries of a frame, if it is one.
pub(in crate::journal) fn entries(clear: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = clear;
    while !rest.is_empty() {
        let (place, record, after) = first(rest)?;
        let (stamp, change) = decode(record).ok()?;
        entries.push(Entry {
            place,
            stamp,
            change,
        });
        rest = after;
    }
    Some(entries)
}

/// The first record of some, and what comes after it.
fn first(records: &[u8]) -> Option<(Place, &[u8], &[u8])> {
    let (number, after) = records.split_first_chunk()?;
    let (step, after) = after.split_first_chunk()?;
    let (length, after) = after.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (record, after) = after.split_at_checked(length)?;
    let place = Place {
        number: Number(u64::from_be_bytes(*number)),
        step: u32::from_be_bytes(*step),
    };
    Some((place, record, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_fills_pages_of_the_memory_and_of_the_file() {
        for sealed in [0, 1, PAGE - HEADER, PAGE] {
            let length = pages(HEADER + sealed).unwrap();
            let (memory, start) = in_pages(9, &vec![5; sealed], length);
            let frame = &memory[start..];
            assert_eq!(frame.as_ptr().align_offset(PAGE), 0);
            assert_eq!(frame.len(), length);
            assert_eq!(parts(frame).unwrap(), (9, &*vec![5; sealed]));
        }
    }

    proptest! {
        #[test]
        fn entries_that_are_read_are_written_as_they_were(bytes: Vec<u8>) {
            if let Some(entries) = entries(&bytes) {
                prop_assert_eq!(&*clear(&entries), &bytes);
            }
        }
    }
}
