//! A transaction as the gateway keeps it, and as it shows it in either version.
use http::header::HeaderName;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Version};
use super::order::{Card, Kind, Order};
use crate::timing::Moment;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Successful,
    Failed,
    /// Waits for 3-D Secure; a finished answer for the caller all the same.
    Incomplete,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Successful => "S.0000",
            Self::Failed => "F.1000",
            Self::Incomplete => "P.1000",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Successful => "Successfully processed",
            Self::Failed => "Payment was declined",
            Self::Incomplete => "Waiting for 3-D Secure verification",
        }
    }
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) uid: String,
    pub(super) shop: String,
    pub(super) order: Order,
    pub(super) status: Status,
    /// As RFC 3339 writes it.
    pub(super) created_at: String,
    /// When its task ends; `None` while it is held.
    pub(super) done: Option<Moment>,
    /// When its payer finishes it, where it waits for that.
    pub(super) finished: Option<Moment>,
    /// How much of the amount captures, voids or refunds have taken.
    pub(super) taken: u64,
    pub(super) padding: usize,
}

impl Transaction {
    /// The standard answer that shows this transaction at `now`, its task being done.
    pub(super) fn answer(&self, version: Version, now: Moment) -> Answer {
        self.shown(self.paid_at(now), version)
    }

    /// The same for a query at `now`: a transaction whose task still runs is told incomplete.
    pub(super) fn answer_at(&self, version: Version, now: Moment) -> Answer {
        self.shown(self.status_at(now), version)
    }

    fn shown(&self, status: Status, version: Version) -> Answer {
        let members = self.members(status, version);
        let body = match version {
            Version::Two => json!({ "transaction": members }),
            Version::Three => Value::Object(members),
        };
        // Real answers carry this field in the message too.
        Answer::json(200, &body).with(HeaderName::from_static("status"), "200 OK".to_owned())
    }

    /// The transaction as a list shows it; one whose task still runs is told incomplete.
    pub(super) fn listed(&self, version: Version, now: Moment) -> Value {
        Value::Object(self.members(self.status_at(now), version))
    }

    /// True once its task is done.
    pub(super) fn is_done(&self, now: Moment) -> bool {
        self.done.is_some_and(|done| done <= now)
    }

    fn status_at(&self, now: Moment) -> Status {
        if self.is_done(now) {
            self.paid_at(now)
        } else {
            Status::Incomplete
        }
    }

    /// What the bank says at `now`, when the payer may have finished.
    fn paid_at(&self, now: Moment) -> Status {
        let is_finished = self.finished.is_some_and(|at| at <= now);
        if is_finished && self.status == Status::Incomplete {
            Status::Successful
        } else {
            self.status
        }
    }

    fn members(&self, status: Status, version: Version) -> Map<String, Value> {
        let order = &self.order;
        let kind = order.kind.name();
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("uid", json!(self.uid));
        set("status", json!(status.name()));
        set("message", json!(status.message()));
        set("type", json!(kind));
        set("amount", json!(order.amount));
        set("currency", json!(order.currency));
        set("description", json!(order.description));
        set(
            "tracking_id",
            order.tracking_id.clone().unwrap_or(Value::Null),
        );
        set("created_at", json!(self.created_at));
        set("updated_at", json!(self.created_at));
        set("test", json!(true));
        if let Some(parent) = &order.parent_uid {
            set("parent_uid", json!(parent));
        }
        if let Some(card) = &order.card {
            let (member, shown) = shown_card(order.kind, card, version);
            set(member, shown);
        }
        if status == Status::Incomplete {
            let url = format!("https://3ds.invalid/{}", self.uid);
            set("redirect_url", json!(url));
        } else {
            let section = match version {
                Version::Two => kind,
                Version::Three => "transaction",
            };
            set(section, processing(status));
        }
        if version == Version::Three {
            set("code", json!(status.code()));
            set("friendly_message", json!(status.message()));
        }
        if self.padding > 0 {
            set("padding", json!("x".repeat(self.padding)));
        }
        members
    }
}

/// The part that the bank answered: under the name of the transaction's type, or in version 3 under
/// `transaction`.
fn processing(status: Status) -> Value {
    json!({
        "status": status.name(),
        "message": status.message(),
        "auth_code": "654321",
        "bank_code": if status == Status::Successful { "00" } else { "05" },
        "rrn": "999000999000",
        // A bank's reference outgrows what a float can hold.
        "ref_id": 9_223_372_036_854_775_807_i64,
        "gateway_id": 317,
        "billing_descriptor": "TEST GATEWAY «Тест»",
    })
}

/// A card and the member in which it is shown: in version 3 the payer's is a method of payment.
fn shown_card(kind: Kind, card: &Card, version: Version) -> (&'static str, Value) {
    let mut shown = if kind == Kind::Tokenization {
        // As the vendor's example of one shows it.
        json!({ "token": card.stamp })
    } else {
        json!({
            "holder": card.holder,
            "stamp": card.stamp,
            "brand": "visa",
            "first_1": card.first_1,
            "last_4": card.last_4,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "token": card.stamp,
        })
    };
    if version == Version::Two || card.member != "credit_card" {
        return (card.member, shown);
    }
    if let Some(members) = shown.as_object_mut() {
        members.insert("payment_method_type".to_owned(), json!(card.member));
    }
    ("payment_method", shown)
}
