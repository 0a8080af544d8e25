//! What has not ended, as JSON: ids, keys, ages and causes, never a body or a credential.
use std::sync::Arc;

use serde::Serialize;

use crate::exchange::machine::{Doubt, Standing, Timer};
use crate::exchange::{Flight, Flights, Glance, Group};
use crate::timing::Moment;

/// How many are listed at once: a page for eyes and small programs, not a copy of the memory.
const MOST: usize = 1_000;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Only those that count here.
    group: Option<Group>,
    /// How many are left out at the beginning.
    skip: usize,
}

/// What is wrong with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the query is none of state=running, state=interrupted, state=undelivered, state=in-doubt, \
     state=settled and skip=N"
)]
pub(super) struct NoQuery;

impl Query {
    /// Reads the part behind the question mark.
    pub(super) fn read(text: Option<&str>) -> Result<Self, NoQuery> {
        let mut query = Self::default();
        for pair in text.into_iter().flat_map(|text| text.split('&')) {
            match pair.split_once('=') {
                Some(("state", name)) => query.group = Some(Group::of_name(name).ok_or(NoQuery)?),
                Some(("skip", number)) => query.skip = number.parse().map_err(|_| NoQuery)?,
                _ if pair.is_empty() => {}
                _ => return Err(NoQuery),
            }
        }
        Ok(query)
    }

    fn next(self, skip: usize) -> String {
        match self.group {
            Some(group) => format!("/tasks?state={}&skip={skip}", group.name()),
            None => format!("/tasks?skip={skip}"),
        }
    }
}

/// Every exchange that has not ended, each with what it was when all were looked at.
pub(super) struct Census {
    /// The oldest first.
    pub(super) all: Vec<(Arc<Flight>, Glance)>,
    pub(super) now: Moment,
}

impl Census {
    pub(super) fn take(flights: &Flights, now: Moment) -> Self {
        let mut all: Vec<_> = flights
            .all()
            .into_iter()
            .map(|flight| {
                let glance = flight.glance();
                (flight, glance)
            })
            .collect();
        all.sort_by_key(|(flight, _)| (flight.read_at(), flight.id()));
        Self { all, now }
    }

    /// Those that count somewhere, the oldest first.
    pub(super) fn of(&self, group: Group) -> impl Iterator<Item = &(Arc<Flight>, Glance)> {
        self.all
            .iter()
            .filter(move |(_, glance)| glance.group == group)
    }

    pub(super) fn count(&self, group: Group) -> usize {
        self.of(group).count()
    }
}

#[derive(Serialize)]
struct Listing {
    running: usize,
    interrupted: usize,
    undelivered: usize,
    in_doubt: usize,
    settled: usize,
    listed: usize,
    /// How many come after those that are listed.
    more: usize,
    /// Where they are.
    next: Option<String>,
    /// Why they are not here.
    why: Option<String>,
    tasks: Vec<Task>,
}

/// One exchange, for programs.
#[derive(Serialize)]
pub(super) struct Task {
    exchange: String,
    request_id: Option<String>,
    idempotency_key: Option<String>,
    tracking_id: Option<String>,
    parent_uid: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    gateway: String,
    operation: &'static str,
    /// The same word as in `journal ls` and `explain`.
    state: &'static str,
    /// What leads on.
    awaits: &'static str,
    /// Absent once there is an answer.
    standing: Option<&'static str>,
    cause: Option<&'static str>,
    waiters: usize,
    polls: u32,
    /// Until the next poll; absent where none is due.
    next_poll_seconds: Option<f64>,
    age_seconds: f64,
}

/// A page of what a census found.
pub(super) fn json(census: &Census, query: Query) -> String {
    let wanted = |glance: &Glance| query.group.is_none_or(|group| glance.group == group);
    let all: Vec<_> = census
        .all
        .iter()
        .filter(|(_, glance)| wanted(glance))
        .collect();
    let tasks: Vec<Task> = all
        .iter()
        .skip(query.skip)
        .take(MOST)
        .map(|(flight, glance)| Task::of(flight, glance, census.now))
        .collect();
    let upto = query.skip.saturating_add(tasks.len());
    let more = all.len().saturating_sub(upto);
    let listing = Listing {
        running: census.count(Group::Running),
        interrupted: census.count(Group::Interrupted),
        undelivered: census.count(Group::Undelivered),
        in_doubt: census.count(Group::InDoubt),
        settled: census.count(Group::Settled),
        listed: tasks.len(),
        more,
        next: (more > 0).then(|| query.next(upto)),
        why: (more > 0).then(|| {
            format!(
                "at most {MOST} are listed at once, the oldest first; they end and begin \
                 meanwhile, so that two pages may overlap or leave a gap"
            )
        }),
        tasks,
    };
    serde_json::to_string(&listing).unwrap_or_default()
}

impl Task {
    pub(super) fn of(flight: &Flight, glance: &Glance, now: Moment) -> Self {
        let facts = flight.facts();
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let standing = match glance.standing {
            Standing::InProgress => "in-progress",
            Standing::InDoubt => "in-doubt",
        };
        Self {
            exchange: flight.id().to_string(),
            request_id: glance.ticket.clone(),
            idempotency_key: flight.key().value.to_str().ok().map(str::to_owned),
            tracking_id: owned(&facts.tracking_id),
            parent_uid: owned(&facts.parent_uid),
            amount: owned(&facts.amount),
            currency: owned(&facts.currency),
            gateway: flight.gateway_name().to_owned(),
            operation: flight.conversion().operation.name(),
            state: glance.group.name(),
            awaits: glance.awaits(),
            standing: (glance.group != Group::Undelivered).then_some(standing),
            cause: glance.doubt.map(Doubt::name),
            waiters: glance.waiters,
            polls: glance.polls_sent,
            next_poll_seconds: match glance.next {
                Some((at, Timer::Poll)) => Some(at.since(now).as_secs_f64()),
                Some((
                    _,
                    Timer::Start
                    | Timer::Connect
                    | Timer::Submit
                    | Timer::Lookup
                    | Timer::Asking
                    | Timer::Retention,
                ))
                | None => None,
            },
            age_seconds: now.since(flight.read_at()).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let group = Some(Group::InDoubt);
        let sound = Query { group, skip: 7 };
        assert_eq!(Query::read(Some("state=in-doubt&skip=7")), Ok(sound));
        assert_eq!(sound.next(1_007), "/tasks?state=in-doubt&skip=1007");
        assert_eq!(Query::read(None), Ok(Query::default()));
        for foreign in ["state=", "skip=-1", "skip", "limit=5", "state=Running"] {
            assert_eq!(Query::read(Some(foreign)), Err(NoQuery), "{foreign}");
        }
    }
}
