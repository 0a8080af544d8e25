//! Finding the one transaction that a lost request made, by its `tracking_id`.
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use serde::Deserialize;

use super::facts::MatchFacts;
use super::outline::{Object, object};
use super::profile::Profile;
use super::transaction::Transaction;

/// `created_at` and `Date` may tell whole seconds: a transaction may seem this much older than its submit, or
/// younger than the list that tells it.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// The facts of the request.
    pub facts: &'a MatchFacts,
    /// The times between which its transaction was made; `None` where any time will do.
    pub times: Option<Times>,
}

/// Two times of a search, by the gateway's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the first submit left.
    pub submitted_at: SystemTime,
    /// When the gateway told its list.
    pub told_at: SystemTime,
}

/// What is longer is no uid of a transaction.
pub const LONGEST_UID: usize = 128;

/// A transaction that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The gateway's id of the transaction.
    pub uid: Box<str>,
}

impl Found {
    /// The transaction that an answer tells of, where it can be asked for by its uid.
    pub fn of(answer: &[u8]) -> Option<Self> {
        let uid = Transaction::of(answer)?.uid()?;
        is_path_safe(&uid).then(|| Self { uid: uid.into() })
    }

    /// This transaction as an answer tells it; `None` where it tells of another, or of none.
    pub fn told_in<'a>(&self, answer: &'a [u8]) -> Option<Transaction<'a>> {
        Transaction::of(answer).filter(|it| it.uid().as_deref() == Some(&*self.uid))
    }
}

/// A transaction that looks like the one that is searched for, and for its time alone was not taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The gateway's id of the transaction.
    pub uid: Box<str>,
    /// What is wrong with the times.
    pub why: Untimely,
    /// By how much its time is too early, or the other one's has yet to come.
    pub by: Duration,
}

/// What keeps a transaction from being the one that is searched for, though it looks like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untimely {
    /// It was made before the submit.
    TooEarly,
    /// The time of one in its list has yet to come: the gateway's clocks differ.
    YetToCome,
}

#[derive(Deserialize)]
struct Matches<'a> {
    #[serde(borrow)]
    transactions: Vec<Object<Transaction<'a>>>,
}

impl Search<'_> {
    /// The path of the lookup by `tracking_id`; `None` where the request had none.
    pub fn path(&self, profile: &Profile) -> Option<PathAndQuery> {
        let tracking_id = self.facts.tracking_id.as_deref()?;
        let encoded = percent_encoded(tracking_id);
        PathAndQuery::try_from(format!("{}{encoded}", profile.lookup.by_tracking_id)).ok()
    }

    /// The transaction among all that were `listed` that is this request's: exactly one that matches
    /// its facts, was made after the submit and is no other exchange's (`taken`). Two are none. Where the
    /// time of any has yet to come, none is: the gateway's clocks differ, and an older transaction may seem to
    /// be made after the submit.
    pub fn choose(
        &self,
        listed: &[Transaction<'_>],
        taken: impl Fn(&str) -> bool,
    ) -> Option<Found> {
        if listed
            .iter()
            .any(|transaction| self.has_yet_to_come(transaction))
        {
            return None;
        }
        let mut candidates = listed
            .iter()
            .filter(|transaction| self.is_ours(transaction))
            .filter_map(Transaction::uid)
            .filter(|uid| is_path_safe(uid) && !taken(uid));
        let uid = candidates.next()?;
        candidates
            .next()
            .is_none()
            .then(|| Found { uid: uid.into() })
    }

    /// What looks like this request's transaction where a list that was `listed` led to none: one that is ahead
    /// of the list's own time, or the last that was made before the submit. `None` where more than its time
    /// keeps it from being chosen.
    pub fn left_out(
        &self,
        listed: &[Transaction<'_>],
        taken: impl Fn(&str) -> bool,
    ) -> Option<LeftOut> {
        let times = self.times?;
        let is_alike = |it: &&Transaction<'_>| {
            let uid = it.uid().filter(|uid| is_path_safe(uid) && !taken(uid));
            uid.is_some() && it.matches(self.facts)
        };
        let (uid, made_at) = latest(listed.iter().filter(is_alike))?;
        let ahead = listed.iter().filter(|it| self.has_yet_to_come(it));
        let (why, by) = if let Some((_, at)) = latest(ahead) {
            (Untimely::YetToCome, at.duration_since(times.told_at))
        } else {
            let by = times.submitted_at.duration_since(made_at);
            (Untimely::TooEarly, by)
        };
        let by = by.ok().filter(|by| *by > CLOCK_GRAIN)?;
        Some(LeftOut { uid, why, by })
    }

    /// True if the whole answer to the query by uid is that transaction's, and it is finished:
    /// "incomplete" is finished only when the payer has somewhere to go.
    pub fn accepts(&self, profile: &Profile, found: &Found, answer: &[u8]) -> bool {
        found.told_in(answer).is_some_and(|transaction| {
            let is_answer = transaction.is_finished(profile)
                || (transaction.awaits_payer() && transaction.has_redirect());
            self.is_ours(&transaction) && is_answer
        })
    }

    fn is_ours(&self, transaction: &Transaction<'_>) -> bool {
        let is_late_enough = |at| {
            self.times
                .is_none_or(|times| at + CLOCK_GRAIN >= times.submitted_at)
        };
        transaction.matches(self.facts) && transaction.created_at().is_some_and(is_late_enough)
    }

    fn has_yet_to_come(&self, transaction: &Transaction<'_>) -> bool {
        let times = self.times.zip(transaction.created_at());
        times.is_some_and(|(times, at)| at > times.told_at + CLOCK_GRAIN)
    }
}

/// The uid of the transaction that was made last, and when that was.
fn latest<'a>(
    transactions: impl Iterator<Item = &'a Transaction<'a>>,
) -> Option<(Box<str>, SystemTime)> {
    let told = transactions.filter_map(|it| Some((it.uid()?.into(), it.created_at()?)));
    told.max_by_key(|(_, made_at)| *made_at)
}

/// The transactions that an answer to a search tells: a list, or the one that there is, as a query by
/// uid tells it. `None` for an answer that does not say.
pub fn listed(answer: &[u8]) -> Option<Vec<Transaction<'_>>> {
    let list = object(answer).map(|Matches { transactions }| {
        let told = transactions.into_iter().map(|Object(it)| it);
        told.collect()
    });
    list.or_else(|| Some(vec![Transaction::of(answer)?]))
}

/// The path of the query for one transaction.
pub fn transaction_by_uid(profile: &Profile, found: &Found) -> Option<PathAndQuery> {
    PathAndQuery::try_from(format!("{}{}", profile.lookup.by_uid, found.uid)).ok()
}

fn is_path_safe(uid: &str) -> bool {
    !uid.is_empty()
        && uid.len() <= LONGEST_UID
        && uid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Encodes everything but RFC 3986's unreserved characters; a lone dot segment is encoded as well,
/// so that nothing can resolve it away.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let dots = matches!(text, "." | "..");
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'~')
            || (byte == b'.' && !dots);
        if plain {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BEGATEWAY;

    fn facts() -> MatchFacts {
        MatchFacts {
            transaction_type: "payment",
            amount: Some("10".into()),
            currency: Some("USD".into()),
            tracking_id: Some("заказ 1/2".into()),
            ..MatchFacts::default()
        }
    }

    fn one(uid: &str, created_at: &str) -> String {
        format!(
            r#"{{"uid":"{uid}","type":"payment","status":"successful","amount":10,"currency":"USD",
            "tracking_id":"заказ 1/2","created_at":"{created_at}"}}"#
        )
    }

    fn search(facts: &MatchFacts) -> Search<'_> {
        let submitted_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_230_000);
        let times = Some(Times {
            submitted_at,
            told_at: submitted_at + Duration::from_secs(9),
        });
        Search { facts, times }
    }

    fn choose(list: &[String]) -> Option<Found> {
        let facts = facts();
        let search = search(&facts);
        let body = format!(r#"{{"transactions":[{}]}}"#, list.join(","));
        search.choose(&listed(body.as_bytes()).unwrap(), |uid| uid == "taken")
    }

    const AFTER: &str = "2026-11-21T03:00:05Z";
    const BEFORE: &str = "2026-11-21T02:59:50Z";

    #[test]
    fn exactly_one_match_made_after_the_submit_is_found() {
        assert_eq!(
            choose(&[one("1-a", AFTER)]),
            Some(Found { uid: "1-a".into() })
        );
        assert_eq!(
            choose(&[one("1-a", AFTER), one("1-b", BEFORE), one("taken", AFTER)]),
            Some(Found { uid: "1-a".into() })
        );
    }

    #[test]
    fn one_that_tells_whole_seconds_may_seem_a_second_older_than_its_submit() {
        assert!(choose(&[one("1-a", "2026-11-21T02:59:59Z")]).is_some());
        assert_eq!(choose(&[one("1-a", "2026-11-21T02:59:58Z")]), None);
    }

    #[test]
    fn none_two_an_older_one_or_one_that_is_taken_is_not_found() {
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&[one("1-a", AFTER), one("1-b", AFTER)]), None);
        assert_eq!(choose(&[one("1-a", BEFORE)]), None);
        assert_eq!(choose(&[one("taken", AFTER)]), None);
        assert_eq!(choose(&[one("../balance", AFTER)]), None);
        assert_eq!(choose(&[one("1-a", "yesterday")]), None);
    }

    #[test]
    fn where_the_time_of_one_has_yet_to_come_none_is_found() {
        let other = |at: &str| one("other", at).replace(":10,", ":20,");
        assert!(choose(&[one("1-a", "2026-11-21T03:00:10Z")]).is_some());
        assert!(choose(&[one("1-a", AFTER), other("2026-11-21T03:00:10Z")]).is_some());
        // An older one that was made past this process, by a clock that is half an hour ahead.
        assert_eq!(choose(&[one("1-a", "2026-11-21T03:00:11Z")]), None);
        for ahead in ["taken", "1-b"] {
            let ahead = one(ahead, "2026-11-21T03:30:00Z");
            assert_eq!(choose(&[one("1-a", AFTER), ahead]), None);
        }
        assert_eq!(
            choose(&[one("1-a", AFTER), other("2026-11-21T03:30:00Z")]),
            None
        );
    }

    #[test]
    fn what_is_left_out_for_its_time_alone_is_told() {
        let left_out = |list: &[String]| {
            let body = format!(r#"{{"transactions":[{}]}}"#, list.join(","));
            let facts = facts();
            let search = search(&facts);
            search.left_out(&listed(body.as_bytes()).unwrap(), |uid| uid == "taken")
        };
        let told = |uid: &str, why, seconds| {
            let by = Duration::from_secs(seconds);
            let uid = uid.into();
            Some(LeftOut { uid, why, by })
        };
        let (earlier, ahead) = ("2026-11-21T02:59:00Z", "2026-11-21T03:30:09Z");
        let early = [one("1-a", earlier), one("1-b", BEFORE), one("taken", AFTER)];
        assert_eq!(left_out(&early), told("1-b", Untimely::TooEarly, 10));
        let yet = [one("1-a", BEFORE), one("taken", ahead)];
        assert_eq!(left_out(&yet), told("1-a", Untimely::YetToCome, 1800));
        let other = |at: &str| one("other", at).replace(":10,", ":20,");
        assert_eq!(left_out(&[]), None);
        assert_eq!(left_out(&[other(BEFORE), one("taken", ahead)]), None);
        assert_eq!(left_out(&[one("1-a", "yesterday"), other(ahead)]), None);
        // Two are none, whatever their time.
        assert_eq!(
            left_out(&[one("1-a", AFTER), one("1-b", AFTER), one("1-c", BEFORE)]),
            None
        );
    }

    #[test]
    fn a_list_is_told_from_one_transaction_and_from_what_does_not_say() {
        let one = one("1-a", AFTER);
        let count = |answer: &str| listed(answer.as_bytes()).map(|it| it.len());
        assert_eq!(count(r#"{"transactions":[]}"#), Some(0));
        assert_eq!(
            count(&format!(r#"{{"transactions":[{one},{one}]}}"#)),
            Some(2)
        );
        assert_eq!(count(&format!(r#"{{"transaction":{one}}}"#)), Some(1));
        assert_eq!(count(&one), Some(1));
        let beside = one.replace("1-a", "1-b");
        for answer in [
            format!("[{one}]"),
            format!("[{one},{beside}]"),
            format!("[[{one},{beside}]]"),
            format!(r#"{{"transactions":[{one},[]]}}"#),
        ] {
            assert_eq!(count(&answer), None, "{answer}");
        }
        for answer in [
            "",
            "[]",
            "<html>",
            r#"{"message":"soon"}"#,
            r#"{"transactions":null}"#,
            r#"{"transaction":{}}"#,
            r#"{"response":{"message":"Record not found"}}"#,
        ] {
            assert_eq!(count(answer), None, "{answer}");
        }
    }

    #[test]
    fn the_tracking_id_is_percent_encoded() {
        let facts = facts();
        let search = Search {
            facts: &facts,
            times: None,
        };
        assert_eq!(
            search.path(&BEGATEWAY).unwrap().as_str(),
            "/v2/transactions/tracking_id/%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7%201%2F2"
        );
    }

    #[test]
    fn an_unfinished_transaction_is_not_taken_for_an_answer() {
        let facts = facts();
        let search = Search {
            facts: &facts,
            times: None,
        };
        let found = Found { uid: "1-a".into() };
        let answer = |status: &str, more: &str| {
            let body = one("1-a", AFTER).replace("successful", status);
            format!(
                r#"{{"transaction":{}{more}}}}}"#,
                body.trim_end_matches('}')
            )
        };
        let accepts = |body: &str| search.accepts(&BEGATEWAY, &found, body.as_bytes());
        assert!(accepts(&answer("successful", "")));
        assert!(accepts(&answer("failed", "")));
        assert!(accepts(&answer(
            "incomplete",
            r#","redirect_url":"https://acs""#
        )));
        assert!(!accepts(&answer("incomplete", "")));
        assert!(!accepts(&answer("pending", "")));
        assert!(!accepts(&answer("successful", "").replace("1-a", "1-b")));
    }
}
