//! What a submit asks for, read from its body and checked as the gateway checks it.
use serde_json::Value;

use super::answer::Problem;

/// The kinds of transaction, each with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Payment,
    Authorization,
    Tokenization,
    Capture,
    Void,
    Refund,
    Payout,
    Checkup,
    Chargeback,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Payment,
        Self::Authorization,
        Self::Tokenization,
        Self::Capture,
        Self::Void,
        Self::Refund,
        Self::Payout,
        Self::Checkup,
        Self::Chargeback,
    ];

    /// The `type` of its transactions; its path is the plural.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Authorization => "authorization",
            Self::Tokenization => "tokenization",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Payout => "payout",
            Self::Checkup => "checkup",
            Self::Chargeback => "chargeback",
        }
    }

    /// The kind behind `payments`, `voids`, ….
    pub(super) fn of_segment(segment: &str) -> Option<Self> {
        let name = segment.strip_suffix('s')?;
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// True for what acts on an earlier transaction.
    pub(super) const fn has_parent(self) -> bool {
        match self {
            Self::Capture | Self::Void | Self::Refund | Self::Chargeback => true,
            Self::Payment
            | Self::Authorization
            | Self::Tokenization
            | Self::Payout
            | Self::Checkup => false,
        }
    }

    /// True if a transaction of this kind may be the parent of `child`.
    pub(super) const fn may_be_parent_of(self, child: Self) -> bool {
        match child {
            Self::Capture | Self::Void => matches!(self, Self::Authorization),
            Self::Refund | Self::Chargeback => matches!(self, Self::Payment | Self::Capture),
            Self::Payment
            | Self::Authorization
            | Self::Tokenization
            | Self::Payout
            | Self::Checkup => false,
        }
    }

    /// True for what the gateway's own duplicate filter looks at.
    pub(super) const fn is_filtered(self) -> bool {
        matches!(self, Self::Payment | Self::Authorization | Self::Payout)
    }
}

/// A valid submit.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) amount: Option<u64>,
    pub(super) currency: Option<String>,
    pub(super) tracking_id: Option<Value>,
    pub(super) description: Option<String>,
    pub(super) parent_uid: Option<String>,
    pub(super) card: Option<Card>,
    pub(super) duplicate_check: bool,
}

/// What is kept of a card: never its number or its verification value.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// The member of the request in which it stood, and of the transaction in which it is shown.
    pub(super) member: &'static str,
    /// Tells two cards apart without their numbers.
    pub(super) stamp: String,
    pub(super) first_1: String,
    pub(super) last_4: String,
    pub(super) holder: Option<String>,
    pub(super) exp_month: Option<Value>,
    pub(super) exp_year: Option<Value>,
    pub(super) temper: Temper,
}

/// What a test card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    Succeeds,
    Declines,
    NeedsThreeDSecure,
}

/// The text of the request in which fault words may stand.
pub(super) fn wording(body: &Value) -> &str {
    let request = body.get("request");
    ["description", "reason"]
        .into_iter()
        .find_map(|name| request?.get(name)?.as_str())
        .unwrap_or_default()
}

/// The `tracking_id` as text, if it is a text.
pub(super) fn tracking_id(body: &Value) -> Option<&str> {
    body.get("request")?.get("tracking_id")?.as_str()
}

impl Order {
    pub(super) fn read(kind: Kind, body: &Value) -> Result<Self, Problem> {
        let Some(request) = body.get("request").filter(|request| request.is_object()) else {
            return Err(Problem::new(400, "E.1000", "request is missing"));
        };
        let text = |name: &str| Some(request.get(name)?.as_str()?.to_owned());
        let order = Self {
            kind,
            amount: request.get("amount").and_then(Value::as_u64),
            currency: text("currency"),
            tracking_id: request.get("tracking_id").cloned(),
            description: text("description"),
            parent_uid: text("parent_uid"),
            card: ["credit_card", "recipient_credit_card"]
                .into_iter()
                .find_map(|member| Card::read(member, request.get(member)?)),
            duplicate_check: request.get("duplicate_check") != Some(&Value::Bool(false)),
        };
        let errors = order.errors();
        if errors.is_empty() {
            Ok(order)
        } else {
            Err(Problem::invalid(errors))
        }
    }

    fn errors(&self) -> Vec<(&'static str, &'static str)> {
        let mut errors = Vec::new();
        if self.kind != Kind::Tokenization && self.amount.is_none_or(|amount| amount == 0) {
            errors.push(("amount", "must be greater than 0"));
        }
        if self.kind.has_parent() {
            if self.parent_uid.is_none() {
                errors.push(("parent_uid", "can't be blank"));
            }
            return errors;
        }
        if self.kind != Kind::Tokenization && !self.currency.as_deref().is_some_and(is_currency) {
            errors.push(("currency", "is invalid"));
        }
        if self.card.is_none() {
            errors.push(("credit_card", "number is invalid"));
        }
        errors
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl Card {
    /// The card, if it has a number, or a token of an earlier tokenization.
    fn read(member: &'static str, card: &Value) -> Option<Self> {
        let text = |name: &str| card.get(name).and_then(Value::as_str);
        let number = text("number").filter(|number| is_card_number(number));
        let named = number.or_else(|| text("token").filter(|token| !token.is_empty()))?;
        let digits = number.unwrap_or("4200000000000000");
        Some(Self {
            member,
            stamp: blake3::hash(named.as_bytes()).to_hex().to_string(),
            first_1: digits.chars().take(1).collect(),
            last_4: digits
                .chars()
                .skip(digits.len().saturating_sub(4))
                .collect(),
            holder: text("holder").map(str::to_owned),
            exp_month: card.get("exp_month").cloned(),
            exp_year: card.get("exp_year").cloned(),
            temper: temper(digits),
        })
    }
}

fn is_card_number(number: &str) -> bool {
    (12..=19).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The vendor's test cards; any other number succeeds.
fn temper(number: &str) -> Temper {
    match number {
        "4005550000000019" => Temper::Declines,
        "4012000000003010" => Temper::NeedsThreeDSecure,
        _ => Temper::Succeeds,
    }
}
