//! The few facts of a request and of a transaction by which one is known from another.
use std::borrow::Cow;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::text;
use super::profile::Conversion;

/// What is remembered of a request, so that its transaction can be found again. No card number,
/// only its last four digits; what is absent or stands twice in the request is absent here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchFacts {
    /// The `type` of the transaction that the request makes.
    pub transaction_type: &'static str,
    /// The amount as the request wrote it, in minor units.
    pub amount: Option<Box<str>>,
    /// The currency's code.
    pub currency: Option<Box<str>>,
    /// The merchant's own id.
    pub tracking_id: Option<Box<str>>,
    /// The last four digits of the card's number.
    pub last_four: Option<Box<str>>,
    /// `duplicate_check: false`: the merchant wants equal transactions side by side.
    pub duplicates_wanted: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    tracking_id: Option<&'a RawValue>,
    #[serde(borrow)]
    duplicate_check: Option<&'a RawValue>,
    #[serde(borrow)]
    credit_card: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Card<'a> {
    #[serde(borrow)]
    number: Option<&'a RawValue>,
}

impl MatchFacts {
    /// The facts of a request's body; an unreadable body has none.
    pub fn of(conversion: &Conversion, body: &[u8]) -> Self {
        let transaction_type = conversion.transaction_type;
        let Ok(Envelope { request }) = serde_json::from_slice::<Envelope<'_>>(body) else {
            return Self {
                transaction_type,
                ..Self::default()
            };
        };
        let card: Card<'_> = request
            .credit_card
            .and_then(|card| serde_json::from_str(card.get()).ok())
            .unwrap_or_default();
        Self {
            transaction_type,
            amount: request.amount.and_then(scalar),
            currency: request.currency.and_then(owned_text),
            tracking_id: request
                .tracking_id
                .and_then(own_id)
                .filter(|id| !id.is_empty()),
            last_four: card
                .number
                .and_then(text)
                .and_then(|number| last_four(&number)),
            duplicates_wanted: request
                .duplicate_check
                .is_some_and(|check| check.get() == "false"),
        }
    }
}

impl MatchFacts {
    /// True if the transactions of two requests of one type, amount and `tracking_id` may look alike.
    pub fn may_be_mistaken_for(&self, other: &Self) -> bool {
        // What is not told may be the same.
        let differ = |one: &Option<Box<str>>, other: &Option<Box<str>>| {
            one.as_ref()
                .zip(other.as_ref())
                .is_some_and(|(one, other)| one != other)
        };
        !differ(&self.currency, &other.currency) && !differ(&self.last_four, &other.last_four)
    }
}

/// The longest fact that is remembered, in bytes: far more than the vendor's 255 characters for a
/// tracking id in any script would need, and little beside what an exchange costs anyway.
const LONGEST_FACT: usize = 1024;

fn owned_text(value: &RawValue) -> Option<Box<str>> {
    let fact = text(value)?;
    (fact.len() <= LONGEST_FACT).then(|| fact.into())
}

/// The text of a string, or a number as it is written.
fn scalar(value: &RawValue) -> Option<Box<str>> {
    let is_number = value
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number {
        let digits = value.get();
        (digits.len() <= LONGEST_FACT).then(|| digits.into())
    } else {
        owned_text(value)
    }
}

/// An id of the merchant's own: a text, or a whole number as it is written. `7.0` and `7e0` may come back
/// as 7.
fn own_id(value: &RawValue) -> Option<Box<str>> {
    let is_text = value.get().starts_with('"');
    scalar(value).filter(|id| is_text || !id.contains(['.', 'e', 'E']))
}

fn last_four(number: &str) -> Option<Box<str>> {
    let mut digits = number.bytes().rev().filter(u8::is_ascii_digit);
    let mut tail = [0; 4];
    for digit in tail.iter_mut().rev() {
        *digit = digits.next()?;
    }
    std::str::from_utf8(&tail).ok().map(Into::into)
}

/// A transaction as the gateway tells it; a member that is absent or of another kind is `None`.
#[derive(Debug, Default, Deserialize)]
pub struct Transaction<'a> {
    #[serde(borrow)]
    uid: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    tracking_id: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow)]
    redirect_url: Option<&'a RawValue>,
    #[serde(borrow)]
    credit_card: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Nested<'a> {
    #[serde(borrow)]
    transaction: Option<Transaction<'a>>,
    #[serde(borrow)]
    response: Option<Transaction<'a>>,
}

#[derive(Deserialize)]
struct AnsweredCard<'a> {
    #[serde(borrow)]
    last_4: Option<&'a RawValue>,
}

impl<'a> Transaction<'a> {
    /// The transaction of an answer: under `transaction` (version 2), under `response`, or flat
    /// (version 3). `None` for a body that is no JSON object or names no transaction.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        let nested = serde_json::from_slice::<Nested<'a>>(body).ok();
        let nested = nested.and_then(|nested| nested.transaction.or(nested.response));
        nested
            .or_else(|| serde_json::from_slice(body).ok())
            .filter(|it| it.uid.is_some())
    }

    /// The gateway's id of the transaction.
    pub fn uid(&self) -> Option<Cow<'a, str>> {
        self.uid.and_then(text)
    }

    /// The transaction's status: "successful", "failed", "incomplete", …
    pub fn status(&self) -> Option<Cow<'a, str>> {
        self.status.and_then(text)
    }

    /// True for a transaction that the payer has yet to finish (3-D Secure).
    pub fn awaits_payer(&self) -> bool {
        self.status().is_some_and(|status| status == "incomplete")
    }

    /// When the gateway made it, by the gateway's clock.
    pub fn created_at(&self) -> Option<SystemTime> {
        let written = self.created_at.and_then(text)?;
        let written = written.trim();
        let written = match written.strip_suffix("UTC") {
            Some(local) => format!("{}Z", local.trim_end()),
            None => written.to_owned(),
        };
        written
            .parse::<jiff::Timestamp>()
            .ok()
            .map(SystemTime::from)
    }

    /// True when the payer has been sent elsewhere (3-D Secure).
    pub fn has_redirect(&self) -> bool {
        self.redirect_url
            .and_then(text)
            .is_some_and(|url| !url.is_empty())
    }

    /// True if it is the transaction that a request with these facts makes: the same type, amount
    /// and currency, the tracking id and the card's last four digits where the request had them.
    pub fn matches(&self, facts: &MatchFacts) -> bool {
        let same = |told: Option<&RawValue>, wanted: Option<&str>| {
            told.and_then(scalar).as_deref() == wanted
        };
        let same_if_known =
            |told: Option<&RawValue>, wanted: Option<&str>| wanted.is_none() || same(told, wanted);
        self.kind.and_then(text).as_deref() == Some(facts.transaction_type)
            && same(self.amount, facts.amount.as_deref())
            && same(self.currency, facts.currency.as_deref())
            && same_if_known(self.tracking_id, facts.tracking_id.as_deref())
            && self.same_card(facts)
    }

    fn same_card(&self, facts: &MatchFacts) -> bool {
        let Some(wanted) = facts.last_four.as_deref() else {
            return true;
        };
        self.credit_card
            .and_then(|card| serde_json::from_str::<AnsweredCard<'_>>(card.get()).ok())
            .and_then(|card| card.last_4.and_then(scalar))
            .is_some_and(|last_four| *last_four == *wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BEGATEWAY;

    fn facts(body: &str) -> MatchFacts {
        MatchFacts::of(&BEGATEWAY.conversions[0], body.as_bytes())
    }

    const PAYMENT: &str = r#"{"request":{"amount":1000,"currency":"USD","tracking_id":"o-1",
        "credit_card":{"number":"4200 0000 0000 0042","verification_value":"123"}}}"#;

    #[test]
    fn a_request_leaves_only_what_finds_its_transaction() {
        assert_eq!(
            facts(PAYMENT),
            MatchFacts {
                transaction_type: "payment",
                amount: Some("1000".into()),
                currency: Some("USD".into()),
                tracking_id: Some("o-1".into()),
                last_four: Some("0042".into()),
                duplicates_wanted: false,
            }
        );
    }

    #[test]
    fn a_tracking_id_is_a_text_or_a_whole_number() {
        let told = |written: &str| {
            let body = format!(r#"{{"request":{{"tracking_id":{written}}}}}"#);
            facts(&body).tracking_id
        };
        for (written, id) in [
            (r#""7""#, "7"),
            ("7", "7"),
            ("-70", "-70"),
            (r#""7.0e""#, "7.0e"),
        ] {
            assert_eq!(told(written).as_deref(), Some(id), "{written}");
        }
        for written in ["7.0", "7e0", "7E2", r#""""#, "null", "true", "[7]"] {
            assert_eq!(told(written), None, "{written}");
        }
    }

    #[test]
    fn a_tracking_id_that_stands_twice_is_absent() {
        assert_eq!(
            facts(r#"{"request":{"tracking_id":"a","tracking_id":"b"}}"#).tracking_id,
            None
        );
        assert_eq!(facts("[]").tracking_id, None);
        assert!(facts(r#"{"request":{"duplicate_check":false}}"#).duplicates_wanted);
    }

    #[test]
    fn a_transaction_is_read_in_both_shapes() {
        let nested = br#"{"transaction":{"uid":"1-a","status":"successful"}}"#;
        assert_eq!(
            Transaction::of(nested).unwrap().uid().as_deref(),
            Some("1-a")
        );
        let flat = br#"{"uid":"1-b","code":"S.0000"}"#;
        assert_eq!(Transaction::of(flat).unwrap().uid().as_deref(), Some("1-b"));
        assert!(Transaction::of(br#"{"response":{"message":"no"}}"#).is_none());
    }

    #[test]
    fn a_transaction_matches_only_with_the_same_type_amount_currency_and_card() {
        let matches = |body: &str| {
            let transaction: Transaction<'_> = serde_json::from_str(body).unwrap();
            transaction.matches(&facts(PAYMENT))
        };
        let like = |amount: &str, kind: &str, last: &str| {
            format!(
                r#"{{"uid":"1","type":"{kind}","amount":{amount},"currency":"USD",
                "tracking_id":"o-1","credit_card":{{"last_4":"{last}"}}}}"#
            )
        };
        assert!(matches(&like("1000", "payment", "0042")));
        assert!(!matches(&like("1001", "payment", "0042")));
        assert!(!matches(&like("1000", "refund", "0042")));
        assert!(!matches(&like("1000", "payment", "0043")));
    }

    #[test]
    fn the_gateways_date_formats_are_read() {
        for written in [
            "2026-11-21T03:00:00.000Z",
            "2026-11-21 03:00:00 UTC",
            "2026-11-21T06:00:00+03:00",
        ] {
            let body = format!(r#"{{"uid":"1","created_at":"{written}"}}"#);
            let at = Transaction::of(body.as_bytes())
                .unwrap()
                .created_at()
                .unwrap();
            let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            assert_eq!(seconds, 1_795_230_000, "{written}");
        }
    }
}
