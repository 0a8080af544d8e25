//! The trace of which a request is a part: W3C Trace Context (Level 2), its `traceparent`. It is passed
//! on and told in the log; beyond its shape nothing of it is believed.
use std::fmt::Write as _;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00, with which every later version begins (§3.2.2).
const LENGTH: usize = 55;

/// The flags of Level 2: sampled, and a random trace id (§3.2.2.5). Others are sent as zero.
const FLAGS: u8 = 0b11;

/// A `traceparent` that has the shape of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    parent: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// The one `traceparent` of these fields; none if there is another, or it is malformed.
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut lines = fields.get_all(TRACEPARENT).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => Self::parse(line.as_bytes()),
            (None | Some(_), _) => None,
        }
    }

    /// Leaves the fields of a trace as they may be sent on: one that is malformed is dropped, and
    /// `tracestate` with it (§3.2.4 of the specification: without the one the other says nothing). Of
    /// a later version, what version 00 has of it is sent (§3.2.2.1).
    pub fn settle(fields: &mut HeaderMap) {
        let is_ours = |line: &HeaderValue| line.as_bytes().starts_with(b"00");
        match Self::of(fields) {
            // As it came, to the byte.
            Some(_) if fields.get(TRACEPARENT).is_some_and(is_ours) => {}
            Some(parent) => {
                fields.insert(TRACEPARENT, parent.to_value());
            }
            None => {
                fields.remove(TRACEPARENT);
                fields.remove(TRACESTATE);
            }
        }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (known, more) = line.split_at_checked(LENGTH)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let [version] = hex(parts.next()?)?;
        let parsed = Self {
            trace: hex(parts.next()?)?,
            parent: hex(parts.next()?)?,
            flags: u8::from_be_bytes(hex(parts.next()?)?),
        };
        let fits = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        // All zeros is no id (§3.2.2.3, §3.2.2.4).
        let named = parsed.trace != [0; 16] && parsed.parent != [0; 8];
        (fits && named && parts.next().is_none()).then_some(parsed)
    }

    /// The field's name.
    pub const fn name() -> HeaderName {
        TRACEPARENT
    }

    /// The field's value in version 00.
    pub fn to_value(self) -> HeaderValue {
        let (trace, parent, flags) = (self.trace_id(), self.parent_id(), self.flags & FLAGS);
        let written = format!("00-{trace}-{parent}-{flags:02x}");
        HeaderValue::try_from(written).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The id of the whole trace.
    pub fn trace_id(&self) -> String {
        written(&self.trace)
    }

    /// The id of the client's own part of it.
    pub fn parent_id(&self) -> String {
        written(&self.parent)
    }
}

fn written(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes in lower-case hex (§3.2.2: upper case is malformed).
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settled(lines: &[&str]) -> (Option<String>, bool) {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        fields.insert(TRACESTATE, HeaderValue::from_static("rojo=1"));
        TraceParent::settle(&mut fields);
        let mut sent = fields.get_all(TRACEPARENT).iter();
        let first = sent.next().map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(sent.next(), None);
        (first, fields.contains_key(TRACESTATE))
    }

    #[test]
    fn a_well_formed_one_is_passed_on_as_it_is() {
        let parent = TraceParent::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.parent_id(), "00f067aa0ba902b7");
        assert_eq!(parent.to_value(), EXAMPLE);
        assert_eq!(settled(&[EXAMPLE]), (Some(EXAMPLE.to_owned()), true));
        let unknown_flags = EXAMPLE.replace("-01", "-f1");
        assert_eq!(settled(&[&unknown_flags]).0, Some(unknown_flags));
    }

    #[test]
    fn a_later_version_is_sent_as_the_version_that_we_know() {
        let later = EXAMPLE.replacen("00", "cc", 1).replace("-01", "-ff");
        let as_ours = Some(EXAMPLE.replace("-01", "-03"));
        assert_eq!(settled(&[&later]), (as_ours.clone(), true));
        assert_eq!(
            settled(&[&format!("{later}-what-the-future-brings")]).0,
            as_ours
        );
    }

    #[test]
    fn a_malformed_one_is_dropped_and_the_state_with_it() {
        for malformed in [
            String::new(),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replacen("00", "ff", 1),
            format!("{EXAMPLE}-00"),
            EXAMPLE.replacen("00-", "cc-", 1) + "00",
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("-00f0", "0-0f0"),
            format!("{EXAMPLE},{EXAMPLE}"),
            "é".repeat(28),
        ] {
            assert_eq!(settled(&[&malformed]), (None, false), "{malformed}");
        }
        assert_eq!(settled(&[]), (None, false));
        assert_eq!(settled(&[EXAMPLE, EXAMPLE]), (None, false));
    }
}
