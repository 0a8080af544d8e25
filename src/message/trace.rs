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
    use proptest::prelude::*;

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

    /// What the specification's grammar says of a line (§3.2.2), read in another way than above: what
    /// may be sent on of it.
    fn by_the_book(line: &str) -> Option<String> {
        let parts: Vec<&str> = line.splitn(5, '-').collect();
        let lengths: Vec<usize> = parts.iter().take(4).map(|it| it.len()).collect();
        let is_hex = |it: &&str| it.chars().all(|it| "0123456789abcdef".contains(it));
        let is_zero = |at: usize| parts[at].chars().all(|it| it == '0');
        if lengths != [2, 32, 16, 2]
            || !parts.iter().take(4).all(is_hex)
            || is_zero(1)
            || is_zero(2)
            || parts[0] == "ff"
        {
            return None;
        }
        match (parts[0], parts.len()) {
            ("00", 4) => Some(line.to_owned()),
            ("00", _) => None,
            (_, _) => {
                let flags = u8::from_str_radix(parts[3], 16).unwrap() & 3;
                Some(format!("00-{}-{}-{flags:02x}", parts[1], parts[2]))
            }
        }
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            "(00|01|cc|ff)-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,8})?",
            "(00|cc)-(0{32}|[0-9a-fA]{32})-(0{16}|[0-9a-f]{16})-[0-9a-f]{2}[0-9a-f-]{0,2}",
            "[0-9a-f-]{52,58}",
            "[!-~]{0,60}",
        ]
    }

    proptest! {
        #[test]
        fn it_is_passed_on_as_it_came_or_as_version_00_or_dropped_with_its_state(
            lines in prop::collection::vec(line(), 0..3),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let expected = match lines.as_slice() {
                [line] => by_the_book(line),
                _ => None,
            };
            let is_kept = expected.is_some();
            prop_assert_eq!(settled(&lines), (expected, is_kept));
        }
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
