//! The findings as a configuration, with the reasons in its comments.
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::findings::Findings;

/// How long `polling.unknown_grace` is where nothing speaks for more.
const USUAL_GRACE: Duration = Duration::from_secs(5);

/// A replica that lags once may lag longer the next time.
const SAFETY: u32 = 4;

/// What was found of one gateway, to be written as TOML.
pub struct Report<'a> {
    /// The gateway's name.
    pub name: &'a str,
    /// Where its clients connect to.
    pub listen: SocketAddr,
    /// Its origin.
    pub upstream: &'a str,
    /// What was found.
    pub findings: &'a Findings,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "# What {} does:", self.upstream)?;
        for line in &self.findings.lines {
            writeln!(formatter, "# - {} {}", line.question, line.answer)?;
            if let Some(concern) = line.concern {
                writeln!(formatter, "#   Take care: {concern}.")?;
            }
        }
        writeln!(formatter, "\n[[gateway]]")?;
        writeln!(formatter, "name = {:?}", self.name)?;
        writeln!(formatter, "listen = \"{}\"", self.listen)?;
        writeln!(formatter, "upstream = {:?}", self.upstream)?;
        self.resubmits(formatter)?;
        self.unknown_grace(formatter)
    }
}

impl Report<'_> {
    fn resubmits(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings {
            repeated_payment,
            repeated_refund,
            ..
        } = self.findings;
        let (reason, resubmits) = match (repeated_payment, repeated_refund) {
            (Some(payment), _) if !payment.are_safe() => (
                "A repeat under the same RequestID was not seen to be safe: a resubmit may charge twice.",
                0,
            ),
            (Some(_), Some(refund)) if refund.are_safe() => (
                "A repeat under the same RequestID, of a payment or of its refund, moved no money, while the \
                 first ran and after it.",
                1,
            ),
            (Some(_), Some(_)) => (
                "A repeated refund under the same RequestID was not seen to be safe: a resubmit may refund \
                 twice.",
                0,
            ),
            (Some(_), None) => (
                "What a repeated refund under the same RequestID does was not found out.",
                0,
            ),
            (None, _) => (
                "What a repeat under the same RequestID does was not found out.",
                0,
            ),
        };
        writeln!(formatter, "\n[submit]\n# {reason}\nresubmits = {resubmits}")
    }

    fn unknown_grace(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reason, grace) = match self.findings.unknown_for {
            None => (
                "No task was unknown after its acceptance.".to_owned(),
                USUAL_GRACE,
            ),
            Some(span) => (
                format!(
                    "A task was unknown for {} ms after its acceptance.",
                    span.as_millis()
                ),
                USUAL_GRACE.max(span.saturating_mul(SAFETY)),
            ),
        };
        let seconds = grace.as_secs_f64().ceil();
        writeln!(
            formatter,
            "\n[polling]\n# {reason}\nunknown_grace = \"{seconds}s\""
        )
    }
}
