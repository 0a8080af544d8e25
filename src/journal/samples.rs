//! Entries for this room's tests.
use super::{Change, Entry, Head, LastRecord, Number, Place, Remembered};
use crate::timing::Stamp;

pub(super) fn head(seed: u8) -> Head {
    Head {
        exchange: uuid::Uuid::from_u128(u128::from(seed)),
        gateway: "begateway".into(),
        origin: "https://gateway.example".into(),
        operation: "payments".into(),
        owner: [seed; 32],
        credential: [seed; 32],
        fingerprint: [seed; 32],
        beside: None,
        key: "3f1d2a6e-0c57-4a43-9b11-6f0f7a3f5a10".into(),
        explicit: seed % 2 == 1,
        amount: Some("100".into()),
        currency: Some("USD".into()),
        reference: Some("order-1".into()),
    }
}

pub(super) fn entry(number: u64, step: u32, change: Change) -> Entry {
    Entry {
        place: Place {
            number: Number(number),
            step,
        },
        stamp: Stamp {
            wall: 1_000 * number + u64::from(step),
            since_boot: 10 * number,
            boot: 7,
        },
        change,
    }
}

pub(super) fn remembered(number: u64, last_record: LastRecord) -> Remembered {
    let submitted = entry(number, 0, Change::Submitted(Box::new(head(1))));
    let book = super::records::book::Book::begin(submitted).unwrap();
    Remembered {
        last_record,
        ..book.close()
    }
}
