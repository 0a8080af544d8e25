//! Which exchange an id names: by its own id, the key that it was sent with, or its task's id.
use std::borrow::Cow;
use std::sync::Arc;

use uuid::Uuid;

use super::flights::Flight;
use super::handle::Flights;
use crate::journal::Remembered;

/// What an exchange may be named by.
#[derive(Clone, Debug)]
pub struct Names<'a> {
    /// Its own id.
    pub own: Uuid,
    /// The key that it was sent with.
    pub key: &'a [u8],
    /// Its task's id.
    pub ticket: Option<Cow<'a, str>>,
}

/// An exchange that may be named.
pub trait HasNames {
    /// What it may be named by.
    fn names(&self) -> Names<'_>;
}

impl HasNames for Arc<Flight> {
    fn names(&self) -> Names<'_> {
        Names {
            own: self.id(),
            key: self.key().value.as_bytes(),
            ticket: self.ticket().map(Cow::Owned),
        }
    }
}

impl HasNames for Remembered {
    fn names(&self) -> Names<'_> {
        Names {
            own: self.head.exchange,
            key: self.head.key.as_bytes(),
            ticket: self.ticket.as_deref().map(Cow::Borrowed),
        }
    }
}

/// The exchanges that an id names. A key is of a client's making, and may look like the own id of another
/// exchange: that one is then named alone.
#[derive(Debug)]
pub struct Picked<'a, T> {
    id: &'a str,
    /// The exchange whose own id it is.
    own: Option<T>,
    /// Those that have it for a key or a task's id.
    others: Vec<T>,
}

/// Why an id does not name one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// It names none.
    None,
    /// It names several.
    Several,
}

impl<'a, T: HasNames> Picked<'a, T> {
    /// Those of `candidates` that `id` names.
    pub fn among(id: &'a str, candidates: impl IntoIterator<Item = T>) -> Self {
        let mut picked = Self {
            id,
            own: None,
            others: Vec::new(),
        };
        picked.extend(candidates);
        picked
    }

    /// Adds those of further candidates.
    pub fn extend(&mut self, candidates: impl IntoIterator<Item = T>) {
        for candidate in candidates {
            let names = candidate.names();
            if names.own.to_string() == self.id {
                self.own = Some(candidate);
            } else if names.key == self.id.as_bytes() || names.ticket.as_deref() == Some(self.id) {
                self.others.push(candidate);
            }
        }
    }

    /// All that it names.
    pub fn all(self) -> Vec<T> {
        match self.own {
            Some(own) => vec![own],
            None => self.others,
        }
    }

    /// The one that it names.
    pub fn one(self) -> Result<T, NotOne> {
        let mut all = self.all();
        match (all.pop(), all.pop()) {
            (None, _) => Err(NotOne::None),
            (Some(_), Some(_)) => Err(NotOne::Several),
            (Some(one), None) => Ok(one),
        }
    }
}

impl Flights {
    /// The exchanges that have not ended and that an id names.
    pub(super) fn named<'a>(&self, id: &'a str) -> Picked<'a, Arc<Flight>> {
        Picked::among(id, self.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Candidate {
        own: u128,
        key: &'static str,
        ticket: Option<&'static str>,
    }

    impl HasNames for Candidate {
        fn names(&self) -> Names<'_> {
            Names {
                own: Uuid::from_u128(self.own),
                key: self.key.as_bytes(),
                ticket: self.ticket.map(Cow::Borrowed),
            }
        }
    }

    const fn candidate(own: u128, key: &'static str, ticket: Option<&'static str>) -> Candidate {
        Candidate { own, key, ticket }
    }

    const ONE: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn an_exchange_is_named_by_its_own_id_its_key_and_its_tasks_id() {
        let all = [candidate(1, "a", Some("t")), candidate(2, "b", None)];
        for (id, expected) in [
            (ONE, Ok(all[0])),
            ("t", Ok(all[0])),
            ("b", Ok(all[1])),
            ("c", Err(NotOne::None)),
            ("", Err(NotOne::None)),
        ] {
            assert_eq!(Picked::among(id, all).one(), expected, "{id}");
        }
    }

    #[test]
    fn what_several_share_names_them_all_and_none_alone() {
        let all = [candidate(1, "a", None), candidate(2, "b", Some("a"))];
        assert_eq!(Picked::among("a", all).one(), Err(NotOne::Several));
        assert_eq!(Picked::among("a", all).all(), all);
    }

    #[test]
    fn a_key_that_looks_like_the_own_id_of_another_exchange_does_not_hide_it() {
        let (own, posing) = (candidate(1, "a", None), candidate(2, ONE, Some(ONE)));
        for order in [[own, posing], [posing, own]] {
            assert_eq!(Picked::among(ONE, order).one(), Ok(own));
            assert_eq!(Picked::among(ONE, order).all(), [own]);
        }
        assert_eq!(Picked::among(ONE, [posing]).one(), Ok(posing));
    }
}
