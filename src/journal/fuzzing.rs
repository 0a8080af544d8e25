//! What must hold of the bytes of a record.
use bytes::Bytes;

use super::codec::{decode, encode};
use super::seal::RecordKey;
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
    let Ok((stamp, change)) = decode(data) else {
        return false;
    };
    assert_eq!(encode(stamp, &change).as_slice(), data);
    true
}
