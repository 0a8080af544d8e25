//! A transaction as an answer tells it, and whether it is the one that a request makes.
use std::borrow::Cow;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::facts::{LastFour, MatchFacts, scalar};
use super::outline::{object, text};
use super::profile::Profile;

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
    parent_uid: Option<&'a RawValue>,
    #[serde(borrow)]
    credit_card: Option<&'a RawValue>,
    /// The card of an answer in version 3.
    #[serde(borrow)]
    payment_method: Option<&'a RawValue>,
    #[serde(borrow)]
    recipient_credit_card: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Nested<'a> {
    #[serde(borrow)]
    transaction: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnsweredCard<'a> {
    #[serde(borrow)]
    last_4: Option<&'a RawValue>,
}

impl<'a> Transaction<'a> {
    /// The transaction of an answer: under `transaction` (version 2), under `response`, or flat
    /// (version 3), whichever is the first to have a `uid`. In version 3 `transaction` has none: it is what
    /// the bank answered. `None` for a body that is no JSON object or names no transaction.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        let named = |json: &'a [u8]| {
            let told: Option<Self> = object(json);
            told.filter(|it| it.uid.is_some())
        };
        object(body)
            .and_then(|it: Nested<'a>| {
                let mut members = [it.transaction, it.response].into_iter().flatten();
                members.find_map(|member| named(member.get().as_bytes()))
            })
            .or_else(|| named(body))
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

    /// True unless it is known that more is to come of it, or it has no status.
    pub fn is_finished(&self, profile: &Profile) -> bool {
        let is_last = |status: &str| !profile.results.unfinished.contains(&status);
        !self.awaits_payer() && self.status().is_some_and(|status| is_last(&status))
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

    /// True if it is the transaction that a request with these facts makes: the same type and amount,
    /// the tracking id and each card's last four digits where the request had them, and the same currency.
    pub fn matches(&self, facts: &MatchFacts) -> bool {
        self.kind.and_then(text).as_deref() == Some(facts.transaction_type)
            && is_told(self.amount, facts.amount.as_deref())
            && (facts.tracking_id.is_none()
                || is_told(self.tracking_id, facts.tracking_id.as_deref()))
            && self.has_currency_of(facts)
            && is_card(
                &[self.credit_card, self.payment_method],
                facts.last_four,
                facts.card_may_hide(),
            )
            && is_card(
                &[self.recipient_credit_card],
                facts.recipients_last_four,
                false,
            )
    }

    /// The same currency. What acts on another transaction has the currency of that, and its request names
    /// none: then it is of the same parent. A parent that both tell is the same in any case.
    fn has_currency_of(&self, facts: &MatchFacts) -> bool {
        let same_parent = || is_told(self.parent_uid, facts.parent_uid.as_deref());
        let same_currency = || is_told(self.currency, facts.currency.as_deref());
        match (&facts.parent_uid, &facts.currency) {
            (Some(_), None) => same_parent(),
            (Some(_), Some(_)) if self.parent_uid.is_some() => same_parent() && same_currency(),
            (Some(_), Some(_)) | (None, _) => same_currency(),
        }
    }
}

/// True if a member tells this, or nothing where that is wanted.
fn is_told(told: Option<&RawValue>, wanted: Option<&str>) -> bool {
    told.and_then(scalar).as_deref() == wanted
}

/// True if a card of the transaction, which stands under one of these members, has these last digits, or
/// tells none where it may hide them, or none are known.
fn is_card(told: &[Option<&RawValue>], wanted: Option<LastFour>, may_hide: bool) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let cards = told.iter().flatten();
    let cards: Vec<AnsweredCard<'_>> = cards
        .filter_map(|card| object(card.get().as_bytes()))
        .collect();
    let mut digits = cards.iter().filter_map(|card| card.last_4).peekable();
    if digits.peek().is_none() {
        return may_hide && !cards.is_empty();
    }
    digits.all(|last_four| scalar(last_four).is_some_and(|it| it.as_bytes() == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BEGATEWAY;

    fn payment() -> MatchFacts {
        MatchFacts {
            transaction_type: "payment",
            amount: Some("1000".into()),
            currency: Some("USD".into()),
            tracking_id: Some("o-1".into()),
            last_four: Some(*b"0042"),
            ..MatchFacts::default()
        }
    }

    #[test]
    fn what_acts_on_another_transaction_is_known_by_its_parent() {
        let request = |currency: &str, parent: &str| {
            let body = format!(r#"{{"request":{{"amount":40{currency}{parent}}}}}"#);
            MatchFacts::of(&BEGATEWAY.conversions[5], body.as_bytes())
        };
        let (usd, one, two) = (
            r#","currency":"USD""#,
            r#","parent_uid":"1""#,
            r#","parent_uid":"2""#,
        );
        let told = |currency: &str, parent: &str| {
            format!(r#"{{"uid":"9","type":"refund","amount":40{currency}{parent}}}"#)
        };
        let matches = |facts: &MatchFacts, told: &str| {
            let transaction: Transaction<'_> = serde_json::from_str(told).unwrap();
            transaction.matches(facts)
        };
        let child = request("", one);
        assert!(matches(&child, &told(usd, one)));
        assert!(matches(&child, &told("", one)));
        assert!(!matches(&child, &told(usd, two)));
        assert!(!matches(&child, &told(usd, "")));
        assert!(!matches(&child, &told("", "")));
        let both = request(usd, one);
        assert!(matches(&both, &told(usd, one)));
        assert!(matches(&both, &told(usd, "")));
        assert!(!matches(&both, &told(usd, two)));
        assert!(!matches(&both, &told("", one)));
        // As after a restart, until a repeat tells the parent.
        let neither = request("", "");
        assert!(!matches(&neither, &told(usd, one)));
        assert!(matches(&neither, &told("", one)));
        assert!(!child.may_be_mistaken_for(&request("", two)));
        assert!(child.may_be_mistaken_for(&neither) && child.may_be_mistaken_for(&both));
        // A transaction that tells no parent would be taken for either.
        assert!(both.may_be_mistaken_for(&request(usd, two)));
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

    /// As the vendor's own client shows it: what the bank answered stands under `transaction`.
    const OF_VERSION_THREE: &str = r#"{"payment_method":{"payment_method_type":"credit_card","last_4":"0042"},
        "transaction":{"auth_code":"654321","gateway_id":317,"status":"failed"},
        "uid":"1-c","code":"P.1000","status":"incomplete","amount":1000,"currency":"USD",
        "type":"payment","tracking_id":"o-1"}"#;

    #[test]
    fn what_names_no_transaction_hides_none_beside_it() {
        let told = Transaction::of(OF_VERSION_THREE.as_bytes()).unwrap();
        assert_eq!(told.uid().as_deref(), Some("1-c"));
        assert_eq!(told.status().as_deref(), Some("incomplete"));
        assert!(told.matches(&payment()));
        let other = OF_VERSION_THREE.replace("0042", "0043");
        let other = Transaction::of(other.as_bytes()).unwrap();
        assert!(!other.matches(&payment()));
        let under_response =
            br#"{"transaction":{"status":"failed"},"response":{"uid":"1-d"},"uid":"1-e"}"#;
        let told = Transaction::of(under_response).unwrap();
        assert_eq!(told.uid().as_deref(), Some("1-d"));
    }

    #[test]
    fn a_transaction_is_finished_when_no_more_is_to_come_of_it() {
        for (status, is_finished) in [
            ("successful", true),
            ("failed", true),
            ("expired", true),
            ("incomplete", false),
            ("pending", false),
            ("processing", false),
            ("created", false),
        ] {
            let answer = format!(r#"{{"transaction":{{"uid":"1-a","status":"{status}"}}}}"#);
            let transaction = Transaction::of(answer.as_bytes()).unwrap();
            assert_eq!(transaction.is_finished(&BEGATEWAY), is_finished, "{status}");
        }
    }

    #[test]
    fn a_transaction_matches_only_with_the_same_type_amount_currency_tracking_id_and_card() {
        let matches = |body: &str| {
            let transaction: Transaction<'_> = serde_json::from_str(body).unwrap();
            transaction.matches(&payment())
        };
        let same = r#"{"uid":"1","type":"payment","amount":1000,"currency":"USD",
            "tracking_id":"o-1","credit_card":{"last_4":"0042"}}"#;
        assert!(matches(same));
        for (member, another) in [
            (r#""amount":1000"#, r#""amount":1001"#),
            (r#""type":"payment""#, r#""type":"refund""#),
            (r#""last_4":"0042""#, r#""last_4":"0043""#),
            (r#""currency":"USD""#, r#""currency":"EUR""#),
            (r#""tracking_id":"o-1""#, r#""tracking_id":"o-2""#),
        ] {
            for other in [another, r#""member":null"#] {
                let told = same.replace(member, other);
                assert_ne!(told, same, "{member}");
                assert!(!matches(&told), "{told}");
            }
        }
    }

    #[test]
    fn the_card_of_a_tokenization_may_be_told_by_its_token_alone() {
        let of = |transaction_type, last_four: &[u8; 4]| MatchFacts {
            transaction_type,
            last_four: Some(*last_four),
            ..payment()
        };
        let matches = |facts: &MatchFacts, card: &str| {
            let body = format!(
                r#"{{"uid":"1","type":"{}","amount":1000,"currency":"USD","tracking_id":"o-1"{card}}}"#,
                facts.transaction_type
            );
            Transaction::of(body.as_bytes()).unwrap().matches(facts)
        };
        let (tokenization, payment) = (of("tokenization", b"0042"), of("payment", b"0042"));
        for card in ["credit_card", "payment_method"] {
            let token = format!(r#","{card}":{{"token":"t-1"}}"#);
            assert!(matches(&tokenization, &token));
            assert!(!matches(&payment, &token));
            let other = format!(r#","{card}":{{"token":"t-1","last_4":"0043"}}"#);
            assert!(!matches(&tokenization, &other));
        }
        assert!(!matches(&tokenization, ""));
        // A transaction that tells the token alone would be taken for either.
        assert!(tokenization.may_be_mistaken_for(&of("tokenization", b"0043")));
        assert!(!payment.may_be_mistaken_for(&of("payment", b"0043")));
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
