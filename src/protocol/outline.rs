//! The outline of an answer: which members it has, by which its class is told.
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::operation::Operation;
use super::profile::{Member, Profile, ResultRules};
use super::ticket::{RequestId, Ticket};

/// The members of an answer that tell its class. A member that stands twice makes the whole
/// unreadable, which is no class but "anything else".
#[derive(Deserialize)]
pub(super) struct Outline<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    response_url: Option<&'a RawValue>,
    #[serde(borrow)]
    status_url: Option<&'a RawValue>,
    transaction: Option<IgnoredAny>,
    transactions: Option<IgnoredAny>,
    uid: Option<IgnoredAny>,
    response: Option<IgnoredAny>,
    errors: Option<IgnoredAny>,
    code: Option<IgnoredAny>,
    result: Option<IgnoredAny>,
}

impl<'a> Outline<'a> {
    /// The outline of a whole JSON object; `None` for anything else.
    pub(super) fn of(body: &'a [u8]) -> Option<Self> {
        object(body)
    }

    const fn has(&self, member: Member) -> bool {
        match member {
            Member::Transaction => self.transaction.is_some(),
            Member::Transactions => self.transactions.is_some(),
            Member::Uid => self.uid.is_some(),
            Member::Response => self.response.is_some(),
            Member::Errors => self.errors.is_some(),
            Member::Code => self.code.is_some(),
            Member::Result => self.result.is_some(),
        }
    }

    pub(super) fn has_any(&self, members: &[Member]) -> bool {
        members.iter().any(|member| self.has(*member))
    }

    pub(super) fn is_about(&self, id: &RequestId) -> bool {
        self.request_id
            .and_then(text)
            .is_some_and(|text| text == id.as_str())
    }

    /// True if it has what only a result has, whatever its `status`.
    pub(super) fn has_result(&self, rules: &ResultRules, operation: Operation) -> bool {
        self.has_any(rules.members)
            || (operation == Operation::BalanceQuery && self.has_any(rules.balance_members))
    }

    pub(super) fn is_result(&self, rules: &ResultRules, operation: Operation) -> bool {
        self.has_result(rules, operation) || self.has_any(rules.error_members)
    }

    /// What it says of a task. A `code` beside that makes it no result: version 3 has one in a receipt.
    pub(super) fn task_status(
        &self,
        rules: &ResultRules,
        operation: Operation,
    ) -> Option<&'static str> {
        let status = self.status.and_then(text)?;
        let known = rules.task_statuses.iter().find(|known| **known == status)?;
        (!self.has_result(rules, operation)).then_some(known)
    }

    /// True if it says where the result of a task will be.
    pub(super) const fn gives_task(&self) -> bool {
        self.response_url.is_some() || self.status_url.is_some()
    }

    pub(super) fn ticket(&self, profile: &Profile) -> Option<Ticket> {
        let announced = self.response_url.and_then(text);
        let request_id = match self.request_id {
            Some(id) => text(id)?.parse().ok()?,
            None => profile.task_of(path_of(announced.as_deref()?))?,
        };
        let announced_url = announced.or_else(|| self.status_url.and_then(text));
        Some(Ticket {
            request_id,
            announced_url: announced_url.map(Into::into),
        })
    }
}

/// The path of an absolute URL, or the text itself.
fn path_of(url: &str) -> &str {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]))
}

/// The text of a JSON string; `None` for another kind of value.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    if let Ok(borrowed) = serde_json::from_str::<&str>(value.get()) {
        return Some(Cow::Borrowed(borrowed));
    }
    serde_json::from_str::<String>(value.get())
        .ok()
        .map(Cow::Owned)
}

/// True for a JSON object without its end. Where no length was told, the end of a connection that was lost
/// looks like that of the answer (RFC 9112 §8).
pub(super) fn breaks_off(body: &[u8]) -> bool {
    is_object(body) && serde_json::from_slice::<IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// What a whole JSON object has of a `T`; `None` for any other kind of value.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_slice(json).ok().map(|Object(it)| it)
}

/// A JSON object as a `T`, and no array: serde would read one into a struct too, member by member.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

/// True if the first byte is that of a JSON object.
pub(super) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}
