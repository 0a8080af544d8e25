//! Numbers as a person reads them at a glance: counts, spans, sizes, times of day.
use std::fmt::{self, Display};
use std::time::SystemTime;

use jiff::{Timestamp, Unit};

use super::samples::Quantile;

/// A count, in thousands from ten thousand on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) f64);

impl Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sum of nothing is a zero with a sign.
        match self.0 + 0.0 {
            whole if whole < 10.0 && whole.fract() > 0.0 => write!(formatter, "{whole:.1}"),
            small if small < 10_000.0 => write!(formatter, "{small:.0}"),
            large if large < 10_000_000.0 => write!(formatter, "{:.0} k", large / 1e3),
            huge => write!(formatter, "{:.0} M", huge / 1e6),
        }
    }
}

/// A span, in its largest unit or two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds(pub(super) f64);

impl Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0.0);
        if seconds < 0.000_5 {
            return formatter.write_str("0 s");
        }
        if seconds < 0.01 {
            return write!(formatter, "{:.1} ms", seconds * 1e3);
        }
        if seconds < 0.999_5 {
            return write!(formatter, "{:.0} ms", seconds * 1e3);
        }
        if seconds < 9.95 && seconds.fract() > 0.05 {
            return write!(formatter, "{seconds:.1} s");
        }
        let whole = std::time::Duration::try_from_secs_f64(seconds.round())
            .unwrap_or_default()
            .as_secs();
        let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(formatter, "{whole} s"),
            (0, 0, _) if whole.is_multiple_of(60) => write!(formatter, "{minutes} min"),
            (0, 0, _) => write!(formatter, "{minutes} min {} s", whole % 60),
            (0, _, 0) => write!(formatter, "{hours} h"),
            (0, _, _) => write!(formatter, "{hours} h {minutes} min"),
            (_, _, _) => write!(formatter, "{days} d {hours} h"),
        }
    }
}

/// A size, in binary units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes(pub(super) f64);

impl Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut size, mut unit) = (self.0, "B");
        for larger in ["KiB", "MiB", "GiB"] {
            if size < 1024.0 {
                break;
            }
            (size, unit) = (size / 1024.0, larger);
        }
        if size < 10.0 && unit != "B" {
            write!(formatter, "{size:.1} {unit}")
        } else {
            write!(formatter, "{size:.0} {unit}")
        }
    }
}

/// A quantile of a span; a dash where nothing was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans(pub(super) Option<Quantile>);

impl Display for Spans {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Quantile::About(seconds)) => Seconds(seconds).fmt(formatter),
            Some(Quantile::Above(seconds)) => write!(formatter, "over {}", Seconds(seconds)),
            None => formatter.write_str("–"),
        }
    }
}

/// A time of day in UTC, to the second.
pub(super) fn time_of_day(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or_default();
    let rounded = stamp.round(Unit::Second).unwrap_or(stamp);
    rounded.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn numbers_are_short() {
        let spans = [
            0.0, 0.0049, 0.25, 1.0, 1.24, 59.6, 60.0, 92.0, 3_600.0, 3_720.0, 90_000.0,
        ];
        let shown = spans.map(|span| Seconds(span).to_string());
        assert_eq!(
            shown.join(", "),
            "0 s, 4.9 ms, 250 ms, 1 s, 1.2 s, 1 min, 1 min, 1 min 32 s, 1 h, 1 h 2 min, 1 d 1 h"
        );
        let counts = [-0.0, 3.0, 3.94, 9_999.0, 12_345.0, 25e6].map(|it| Count(it).to_string());
        assert_eq!(counts.join(", "), "0, 3, 3.9, 9999, 12 k, 25 M");
        let sizes = [0.0, 900.0, 1_536.0, 5e8].map(|it| Bytes(it).to_string());
        assert_eq!(sizes.join(", "), "0 B, 900 B, 1.5 KiB, 477 MiB");
    }

    #[test]
    fn a_time_of_day_says_its_zone() {
        let time = UNIX_EPOCH + Duration::from_millis(1_790_000_000_400);
        assert_eq!(time_of_day(time), "2026-09-21 14:13:20 UTC");
    }
}
