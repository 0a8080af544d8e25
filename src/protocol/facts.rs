//! The few facts of a request by which its transaction is known from another.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::outline::{Object, object, text};
use super::profile::Conversion;

/// The last four digits of a card's number, in ASCII.
pub type LastFour = [u8; 4];

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
    /// The `uid` of the transaction that it acts on, as a refund on a payment.
    pub parent_uid: Option<Box<str>>,
    /// The last four digits of the card's number.
    pub last_four: Option<LastFour>,
    /// The last four digits of the card that a payout goes to.
    pub recipients_last_four: Option<LastFour>,
    /// `duplicate_check: false`: the merchant wants equal transactions side by side.
    pub duplicates_wanted: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    request: Object<Request<'a>>,
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
    parent_uid: Option<&'a RawValue>,
    #[serde(borrow)]
    credit_card: Option<&'a RawValue>,
    #[serde(borrow)]
    recipient_credit_card: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Card<'a> {
    #[serde(borrow)]
    number: Option<&'a RawValue>,
}

impl MatchFacts {
    /// The facts of a request's body; an unreadable body has none.
    pub fn of(conversion: &Conversion, body: &[u8]) -> Self {
        let transaction_type = conversion.transaction_type;
        let Some(Envelope {
            request: Object(request),
        }) = object(body)
        else {
            return Self {
                transaction_type,
                ..Self::default()
            };
        };
        let digits = |card: Option<&RawValue>| {
            let card: Card<'_> = object(card?.get().as_bytes())?;
            last_four(card.number?)
        };
        Self {
            transaction_type,
            amount: request.amount.and_then(scalar),
            currency: request.currency.and_then(owned_text),
            tracking_id: request
                .tracking_id
                .and_then(own_id)
                .filter(|id| !id.is_empty()),
            parent_uid: request
                .parent_uid
                .and_then(scalar)
                .filter(|uid| !uid.is_empty()),
            last_four: digits(request.credit_card),
            recipients_last_four: digits(request.recipient_credit_card),
            duplicates_wanted: request
                .duplicate_check
                .is_some_and(|check| check.get() == "false"),
        }
    }
}

impl MatchFacts {
    /// True if the transaction may tell the token alone of its card, as the vendor's example of a
    /// tokenization does.
    pub(super) fn card_may_hide(&self) -> bool {
        self.transaction_type == "tokenization"
    }

    /// True if the transactions of two requests of one type, amount and `tracking_id` may look alike.
    pub fn may_be_mistaken_for(&self, other: &Self) -> bool {
        // What is not told may be the same.
        fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        // With a currency to know it by, a transaction that tells no parent is taken for any parent's.
        let by_currency = self.currency.is_some() || other.currency.is_some();
        let hides = self.card_may_hide();
        let (to, others_to) = (&self.recipients_last_four, &other.recipients_last_four);
        agree(self.currency.as_ref(), other.currency.as_ref())
            && (by_currency || agree(self.parent_uid.as_ref(), other.parent_uid.as_ref()))
            && (hides || agree(self.last_four.as_ref(), other.last_four.as_ref()))
            && agree(to.as_ref(), others_to.as_ref())
    }
}

/// The longest fact that is remembered, in bytes: far more than the vendor's 255 characters for a
/// tracking id in any script would need, and little beside what an exchange costs anyway.
const LONGEST_FACT: usize = 1024;

fn remembered(fact: &str) -> Option<Box<str>> {
    (fact.len() <= LONGEST_FACT).then(|| fact.into())
}

fn owned_text(value: &RawValue) -> Option<Box<str>> {
    remembered(&text(value)?)
}

/// The text of a string, or a number as it is written.
pub(super) fn scalar(value: &RawValue) -> Option<Box<str>> {
    number(value).map_or_else(|| owned_text(value), remembered)
}

/// An id of the merchant's own: a text, or a whole number.
fn own_id(value: &RawValue) -> Option<Box<str>> {
    owned_text(value).or_else(|| remembered(whole_number(value)?))
}

/// A number as it is written.
fn number(value: &RawValue) -> Option<&str> {
    let is_number =
        |it: &&str| it.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    Some(value.get()).filter(is_number)
}

/// A whole number as it is written. `7.0` and `7e0` may come back as 7.
fn whole_number(value: &RawValue) -> Option<&str> {
    number(value).filter(|it| !it.contains(['.', 'e', 'E']))
}

/// The last four digits of a card's number: of a text, or of a whole number. No more of it is copied.
fn last_four(card_number: &RawValue) -> Option<LastFour> {
    let written = text(card_number).or_else(|| Some(whole_number(card_number)?.into()))?;
    let mut digits = written.bytes().rev().filter(u8::is_ascii_digit);
    let mut tail = [0; 4];
    for digit in tail.iter_mut().rev() {
        *digit = digits.next()?;
    }
    Some(tail)
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
                last_four: Some(*b"0042"),
                ..MatchFacts::default()
            }
        );
    }

    #[test]
    fn a_cards_last_digits_are_read_of_a_text_or_a_whole_number_wherever_it_stands() {
        let told = |member: &str, written: &str| {
            let body = format!(r#"{{"request":{{"{member}":{{"number":{written}}}}}}}"#);
            let facts = facts(&body);
            (facts.last_four, facts.recipients_last_four)
        };
        for (written, digits) in [
            (r#""4200 0000 0000 0042""#, Some(*b"0042")),
            ("4200000000000042", Some(*b"0042")),
            ("4200000000000042.0", None),
            ("42e15", None),
            ("[4200000000000042]", None),
            ("true", None),
            ("42", None),
        ] {
            assert_eq!(told("credit_card", written), (digits, None), "{written}");
            assert_eq!(told("recipient_credit_card", written), (None, digits));
        }
    }

    #[test]
    fn a_card_that_is_an_array_is_none() {
        for card in [r#"["4200000000000042"]"#, "[4200000000000042]"] {
            let body = format!(r#"{{"request":{{"credit_card":{card}}}}}"#);
            assert_eq!(facts(&body).last_four, None, "{card}");
        }
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
        for no_request in [
            "[]",
            r#"[{"tracking_id":"a"}]"#,
            r#"{"request":[1000,"USD","a",false,"1-p"]}"#,
        ] {
            assert_eq!(facts(no_request), facts("{}"), "{no_request}");
        }
        assert!(facts(r#"{"request":{"duplicate_check":false}}"#).duplicates_wanted);
    }
}
