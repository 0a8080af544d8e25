//! From when until when a certificate is valid, read from its DER (RFC 5280 §4.1). The library that
//! verifies certificates does not tell, and no more of one is read here.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::der::{GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, VERSION, element};

/// From when on the end of a certificate is told: later than tools that renew do so by themselves,
/// early enough to find out why they did not.
const SOON: Duration = Duration::from_hours(14 * 24);

/// How a certificate stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its span has not begun.
    Early,
    /// Nothing is to be told of it.
    Valid,
    /// It is still valid, or soon will be, and not for long.
    EndsSoon,
    /// Its span is over.
    Expired,
}

/// The span in which a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub from: Timestamp,
    /// `notAfter`.
    pub until: Timestamp,
}

impl Validity {
    /// The validity of a certificate in DER; `None` if it is none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (to_be_signed, _) = element(certificate, SEQUENCE)?;
        // The first version of the format has no field for it.
        let rest = element(to_be_signed, VERSION).map_or(to_be_signed, |(_, rest)| rest);
        let (_serial, rest) = element(rest, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, _) = element(rest, SEQUENCE)?;
        let (from, rest) = time(validity)?;
        let (until, _) = time(rest)?;
        Some(Self { from, until })
    }

    /// How it stands at `now`.
    pub fn phase(&self, now: SystemTime) -> Phase {
        match self.left(now) {
            None => Phase::Expired,
            Some(left) if left < SOON => Phase::EndsSoon,
            Some(_) if now < SystemTime::from(self.from) => Phase::Early,
            Some(_) => Phase::Valid,
        }
    }

    /// How long it is still valid at `now`; `None` if it has expired.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        SystemTime::from(self.until).duration_since(now).ok()
    }

    /// `notAfter` in seconds since 1970.
    pub fn until_seconds(&self) -> i64 {
        let until = SystemTime::from(self.until).duration_since(UNIX_EPOCH);
        until.map_or(0, |until| {
            i64::try_from(until.as_secs()).unwrap_or(i64::MAX)
        })
    }
}

/// The time that `der` begins with, and what follows it.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    if let Some((digits, rest)) = element(der, UTC_TIME) {
        let digits = std::str::from_utf8(digits).ok()?;
        // RFC 5280 §4.1.2.5.1.
        let century = if digits.get(..2)? < "50" { "20" } else { "19" };
        return Some((moment(&format!("{century}{digits}"))?, rest));
    }
    let (digits, rest) = element(der, GENERALIZED_TIME)?;
    Some((moment(std::str::from_utf8(digits).ok()?)?, rest))
}

/// A moment written as `YYYYMMDDHHMMSSZ`.
fn moment(written: &str) -> Option<Timestamp> {
    let digits = written.strip_suffix('Z')?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.starts_with("9999") {
        // "No well-defined expiration date" (RFC 5280 §4.1.2.5).
        return Some(Timestamp::MAX);
    }
    let (date, time) = digits.split_at(8);
    format!("{date}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["gateway.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 2);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_ends_are_read_in_either_form_of_time() {
        let validity = Validity::of(&certificate(1999, 2026)).unwrap();
        assert_eq!(validity.from.to_string(), "1999-01-02T00:00:00Z");
        assert_eq!(validity.until.to_string(), "2026-12-31T00:00:00Z");
        let validity = Validity::of(&certificate(2049, 2050)).unwrap();
        assert_eq!(validity.from.to_string(), "2049-01-02T00:00:00Z");
        assert_eq!(validity.until.to_string(), "2050-12-31T00:00:00Z");
        let forever = Validity::of(&certificate(2000, 9999)).unwrap();
        assert_eq!(forever.until, Timestamp::MAX);
    }

    #[test]
    fn what_is_left_is_told_by_the_time_of_day() {
        let validity = Validity::of(&certificate(2020, 2030)).unwrap();
        let at = |text: &str| SystemTime::from(text.parse::<Timestamp>().unwrap());
        for (time, phase) in [
            ("2020-01-01T23:59:59Z", Phase::Early),
            ("2020-01-02T00:00:00Z", Phase::Valid),
            ("2030-12-17T00:00:00Z", Phase::Valid),
            ("2030-12-17T00:00:01Z", Phase::EndsSoon),
            ("2030-12-31T00:00:01Z", Phase::Expired),
        ] {
            assert_eq!(validity.phase(at(time)), phase, "{time}");
        }
        let day = Some(Duration::from_hours(24));
        assert_eq!(validity.left(at("2030-12-30T00:00:00Z")), day);
        assert_eq!(validity.left(at("2031-01-01T00:00:00Z")), None);
        assert_eq!(validity.until_seconds(), 1_924_905_600);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cut: usize) {
            let _ = Validity::of(&bytes);
            let mut certificate = certificate(2020, 2030);
            certificate.truncate(cut % certificate.len());
            let _ = Validity::of(&certificate);
        }
    }
}
