//! What was learned, as the bytes of a file: outcomes as pairs of times, and whose they are. No ids, and
//! nothing of a payment.
//!
//! ```text
//! "holdline law"  version u16  routes u32
//! each route:     gateway (length u16, text)  operation (length u16, text)  outcomes u16
//! each outcome:   after f32    by f32         seconds, the second infinite for never; the newest first
//! at the end:     BLAKE3 of all before it, 32 bytes
//! ```
//! Numbers are big-endian.
use crate::polling::laws::outcomes::REMEMBERED;
use crate::polling::laws::span::Span;

/// How the file's name ends, after the journal's.
pub const SUFFIX: &str = ".law";

const MAGIC: &[u8; 12] = b"holdline law";

/// The layout.
const VERSION: u16 = 2;

/// What was learned of one route of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::polling) struct Kept {
    pub(in crate::polling) gateway: Box<str>,
    pub(in crate::polling) route: Box<str>,
    /// The newest first.
    pub(in crate::polling) outcomes: Vec<Span>,
}

/// Why bytes are not what was learned; the text follows "the file".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// It begins otherwise.
    #[error("is not one of learned laws")]
    Foreign,
    /// Another version wrote it.
    #[error("has the layout {0}, and this version reads {VERSION}")]
    Version(u16),
    /// It is cut, or was changed.
    #[error("is damaged")]
    Damaged,
}

/// The bytes of what was learned.
pub(in crate::polling) fn encode(all: &[Kept]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(count::<u32>(all.len()).to_be_bytes());
    for kept in all {
        for name in [&kept.gateway, &kept.route] {
            bytes.extend(count::<u16>(name.len()).to_be_bytes());
            bytes.extend(name.as_bytes());
        }
        bytes.extend(count::<u16>(kept.outcomes.len()).to_be_bytes());
        for end in kept.outcomes.iter().flat_map(|span| span.ends()) {
            bytes.extend(end.to_be_bytes());
        }
    }
    let sum = blake3::hash(&bytes);
    bytes.extend(sum.as_bytes());
    bytes
}

/// A number of things that are known to be few.
fn count<N: TryFrom<usize> + Default>(number: usize) -> N {
    N::try_from(number).unwrap_or_default()
}

/// What was learned, from its bytes.
pub(in crate::polling) fn decode(bytes: &[u8]) -> Result<Vec<Kept>, KeptError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(KeptError::Foreign);
    };
    let mut reader = Reader(rest);
    let version = u16::from_be_bytes(reader.array()?);
    if version != VERSION {
        return Err(KeptError::Version(version));
    }
    let (summed, sum) = bytes
        .split_last_chunk::<{ blake3::OUT_LEN }>()
        .ok_or(KeptError::Damaged)?;
    if blake3::hash(summed) != *sum {
        return Err(KeptError::Damaged);
    }
    let routes = u32::from_be_bytes(reader.array()?);
    let all = (0..routes).map(|_| reader.kept());
    let all = all.collect::<Result<Vec<_>, _>>()?;
    if reader.0.len() == sum.len() {
        Ok(all)
    } else {
        Err(KeptError::Damaged)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], KeptError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(KeptError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KeptError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| KeptError::Damaged)
    }

    fn number(&mut self) -> Result<u16, KeptError> {
        self.array().map(u16::from_be_bytes)
    }

    fn name(&mut self) -> Result<Box<str>, KeptError> {
        let length = self.number()?;
        let name = str::from_utf8(self.take(length.into())?);
        name.map(Box::from).map_err(|_| KeptError::Damaged)
    }

    fn kept(&mut self) -> Result<Kept, KeptError> {
        let (gateway, route) = (self.name()?, self.name()?);
        let outcomes = self.number()?;
        if usize::from(outcomes) > REMEMBERED {
            return Err(KeptError::Damaged);
        }
        let outcomes = (0..outcomes).map(|_| {
            let (after, by) = (self.array()?, self.array()?);
            let span = Span::between(f32::from_be_bytes(after), f32::from_be_bytes(by));
            span.ok_or(KeptError::Damaged)
        });
        let outcomes = outcomes.collect::<Result<_, _>>()?;
        Ok(Kept {
            gateway,
            route,
            outcomes,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        let ends = (0.0_f32..1e5, proptest::option::of(0.0_f32..1e5));
        ends.prop_map(|(after, more)| {
            let by = more.map_or(f32::INFINITY, |more| after + more);
            Span::between(after, by).unwrap()
        })
    }

    fn kept() -> impl Strategy<Value = Kept> {
        let outcomes = proptest::collection::vec(span(), 0..60);
        (".{0,20}", "[a-z]{0,9}", outcomes).prop_map(|(gateway, route, outcomes)| Kept {
            gateway: gateway.into(),
            route: route.into(),
            outcomes,
        })
    }

    proptest! {
        #[test]
        fn what_was_learned_is_read_as_it_was_written(all in proptest::collection::vec(kept(), 0..5)) {
            prop_assert_eq!(decode(&encode(&all)), Ok(all));
        }

        #[test]
        fn bytes_that_are_cut_or_changed_are_refused(
            all in proptest::collection::vec(kept(), 0..5),
            place in any::<proptest::sample::Index>(),
            flip in 1..=u8::MAX,
        ) {
            let bytes = encode(&all);
            let place = place.index(bytes.len());
            prop_assert!(decode(&bytes[..place]).is_err());
            let mut changed = bytes;
            changed[place] ^= flip;
            prop_assert!(decode(&changed).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let mut summed = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &bytes].concat();
            summed.extend(*blake3::hash(&summed).as_bytes());
            let _ = decode(&summed);
        }
    }

    #[test]
    fn each_refusal_says_what_the_bytes_are() {
        assert_eq!(decode(b"a journal"), Err(KeptError::Foreign));
        let mut newer = encode(&[]);
        newer[13] = 9;
        assert_eq!(decode(&newer), Err(KeptError::Version(9)));
        assert_eq!(decode(&encode(&[])[..20]), Err(KeptError::Damaged));
    }
}
