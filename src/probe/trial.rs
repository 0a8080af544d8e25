//! The requests that a probe makes: test payments, each of its own amount, so that no filter of
//! duplicates takes one for another.
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::protocol::{BEGATEWAY, Conversion, Operation};

/// The test cards and the currency that the shop takes.
#[derive(Clone, Debug)]
pub struct Cards {
    /// A card whose payments succeed.
    pub approved: String,
    /// A card whose payments are declined.
    pub declined: String,
    /// Three letters.
    pub currency: String,
}

/// One request of a probe.
pub(super) struct Trial {
    pub(super) conversion: &'static Conversion,
    pub(super) body: Vec<u8>,
}

/// What a trial is made to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A payment that succeeds.
    Approved,
    /// A refund of a part of the payment with this uid.
    Refund(&'a str),
    /// A refund of a payment that does not exist.
    Orphan,
    /// A payment without an amount.
    Invalid,
    /// A payment that the bank declines.
    Declined,
}

impl Kind<'_> {
    /// What the trial is, as a reader is told.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Approved => "a payment",
            Self::Refund(_) => "a refund",
            Self::Orphan => "a refund of an unknown payment",
            Self::Invalid => "a payment without an amount",
            Self::Declined => "a declined payment",
        }
    }

    const fn operation(self) -> Operation {
        match self {
            Self::Refund(_) | Self::Orphan => Operation::Refund,
            Self::Approved | Self::Invalid | Self::Declined => Operation::Payment,
        }
    }
}

/// Makes trials, no two alike.
pub(super) struct Trials {
    cards: Cards,
    made: u32,
}

impl Trials {
    pub(super) const fn of(cards: Cards) -> Self {
        Self { cards, made: 0 }
    }

    /// The next trial of a kind; `None` only if the gateway family has no such operation.
    pub(super) fn make(&mut self, kind: Kind<'_>) -> Option<Trial> {
        self.made = self.made.saturating_add(1);
        let conversion = BEGATEWAY
            .conversions
            .iter()
            .find(|it| it.operation == kind.operation() && it.method == Method::POST)?;
        let mut request = json!({
            "amount": 100 + self.made,
            "currency": self.cards.currency,
            "description": "a question of holdline probe",
            "tracking_id": format!("probe-{}", Uuid::new_v4()),
            // Where the shop is a live one after all, nobody is charged.
            "test": true,
        });
        let more = match kind {
            Kind::Approved => card(&self.cards.approved),
            Kind::Declined => card(&self.cards.declined),
            Kind::Invalid => {
                remove(&mut request, "amount");
                card(&self.cards.approved)
            }
            Kind::Refund(payment) => {
                json!({"parent_uid": payment, "reason": "probe", "amount": 10 + self.made})
            }
            Kind::Orphan => json!({"parent_uid": Uuid::new_v4().to_string(), "reason": "probe"}),
        };
        add(&mut request, more);
        Some(Trial {
            conversion,
            body: json!({ "request": request }).to_string().into_bytes(),
        })
    }
}

fn card(number: &str) -> Value {
    json!({"credit_card": {
        "number": number,
        "verification_value": "123",
        "holder": "Test Holder",
        "exp_month": "12",
        "exp_year": "2035",
    }})
}

fn add(request: &mut Value, more: Value) {
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
}

fn remove(request: &mut Value, member: &str) {
    if let Some(request) = request.as_object_mut() {
        request.remove(member);
    }
}
