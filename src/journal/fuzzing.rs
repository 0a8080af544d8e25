//! What must hold of the bytes of a record, and of those of the log.
use std::path::Path;

use bytes::Bytes;

use super::files::frame::{clear, entries};
use super::files::log::{Log, TakenIn};
use super::records::codec::{encode, fold_entries, unfold};
use super::records::seal::{FrameKey, RecordKey};
use super::{AnswerKey, Number, Place, Sealed};

/// A record. True if it is one.
pub(crate) fn record(data: &[u8]) -> bool {
    let place = Place {
        number: Number(1),
        step: 0,
    };
    let sealed = Sealed(Bytes::copy_from_slice(data));
    let answer = AnswerKey::new([1; 32]).open(uuid::Uuid::nil(), place, &sealed);
    assert!(answer.is_err(), "nobody sealed it");
    if let Ok(key) = RecordKey::new(&[1; 32], 7) {
        assert!(key.open(place, data).is_err(), "nobody sealed it");
    }
    let Ok(entries) = unfold(place, data) else {
        return false;
    };
    let again = match entries.as_slice() {
        [one] => encode(one.stamp, &one.change),
        folded => fold_entries(folded),
    };
    assert_eq!(again.as_slice(), data);
    true
}

/// The log, as the file that it is and as what is sealed in a frame of it. True if it is the latter.
pub(crate) fn log(data: &[u8]) -> bool {
    let Ok(key) = FrameKey::new(&[1; 32], 7) else {
        return false;
    };
    let number = data.first_chunk().map_or(1, |it| u64::from_be_bytes(*it));
    let sealed = key.seal(number, data);
    let Ok(log) = Log::read(None, Path::new("a.redb"), key, TakenIn::default()) else {
        return false;
    };
    for at in 0..data.len().min(64) {
        assert!(log.frame(data, at, number).is_none(), "nobody sealed it");
    }
    if let Ok(sealed) = sealed {
        framed(&log, number, &sealed, data);
    }
    let Some(entries) = entries(data) else {
        return false;
    };
    assert_eq!(clear(&entries).as_slice(), data);
    true
}

/// A frame is taken whole, under its own number, and unchanged; or not at all.
fn framed(log: &Log, number: u64, sealed: &[u8], data: &[u8]) {
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    let mut frame = [&number.to_be_bytes()[..], &length.to_be_bytes(), sealed].concat();
    let found = log.frame(&frame, 0, number);
    let is_whole =
        found.is_some_and(|(length, clear)| length == frame.len() && clear.as_slice() == data);
    assert!(is_whole, "it does not read back");
    assert!(log.frame(&frame, 0, number ^ 1).is_none(), "another number");
    let cut = frame.split_last().map_or(&[][..], |(_, rest)| rest);
    assert!(log.frame(cut, 0, number).is_none(), "it is torn");
    let at = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % frame.len();
    if let Some(byte) = frame.get_mut(at) {
        *byte ^= 1;
    }
    assert!(log.frame(&frame, 0, number).is_none(), "it was changed");
}
