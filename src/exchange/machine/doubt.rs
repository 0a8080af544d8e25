//! Why an exchange is in doubt, and by which name each reason is written down.

/// Why it may have been executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The submit was not answered in `submit.timeout`.
    SubmitTimeout,
    /// The submit's connection ended without a whole answer.
    SubmitLost,
    /// The submit's answer had a larger head than is read.
    SubmitHeadTooLarge,
    /// The submit's answer was larger than `limits.answer`.
    SubmitTooLarge,
    /// The submit was answered with something that is not HTTP.
    SubmitMalformed,
    /// The submit was answered with something that says neither yes nor no.
    SubmitUnclear,
    /// A repeat of the submit was refused, which says nothing of the first.
    ResubmitRefused,
    /// The gateway took the task and then did not know it: its answer may have been lost.
    TaskUnknown,
    /// The task that drove the exchange died.
    Driver,
    /// The process ended before the submit's answer was on record.
    Restart,
    /// The gateway is at another origin now, and is not asked there.
    OriginChanged,
    /// The gateway is no longer configured.
    GatewayGone,
    /// Its answer was kept, and its seal does not open.
    SealBroken,
    /// The operator says that it was executed: it is settled, and no repeat asks again.
    Executed,
}

impl Doubt {
    /// Every reason, for the table of what is told.
    pub const ALL: [Self; 14] = [
        Self::SubmitTimeout,
        Self::SubmitLost,
        Self::SubmitHeadTooLarge,
        Self::SubmitTooLarge,
        Self::SubmitMalformed,
        Self::SubmitUnclear,
        Self::ResubmitRefused,
        Self::TaskUnknown,
        Self::Driver,
        Self::Restart,
        Self::OriginChanged,
        Self::GatewayGone,
        Self::SealBroken,
        Self::Executed,
    ];

    /// The name under which it is written, in the journal and for the operator. It never changes:
    /// an older journal has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SubmitTimeout => "submit-timeout",
            Self::SubmitLost => "submit-lost",
            Self::SubmitHeadTooLarge => "submit-head-too-large",
            Self::SubmitTooLarge => "submit-too-large",
            Self::SubmitMalformed => "submit-malformed",
            Self::SubmitUnclear => "submit-unclear",
            Self::ResubmitRefused => "resubmit-refused",
            Self::TaskUnknown => "task-unknown",
            Self::Driver => "driver-lost",
            Self::Restart => "restart",
            Self::OriginChanged => "origin-changed",
            Self::GatewayGone => "gateway-gone",
            Self::SealBroken => "seal-broken",
            Self::Executed => "executed",
        }
    }

    /// The reason of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doubt| doubt.name() == name)
    }

    /// True if nobody is asked any more: no rung of the ladder could tell, or the operator has.
    pub const fn is_settled(self) -> bool {
        match self {
            Self::SubmitTimeout
            | Self::SubmitLost
            | Self::SubmitHeadTooLarge
            | Self::SubmitTooLarge
            | Self::SubmitMalformed
            | Self::SubmitUnclear
            | Self::ResubmitRefused
            | Self::TaskUnknown
            | Self::Driver
            | Self::Restart
            | Self::SealBroken => false,
            Self::OriginChanged | Self::GatewayGone | Self::Executed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_is_found_by_it() {
        for doubt in Doubt::ALL {
            assert_eq!(Doubt::of_name(doubt.name()), Some(doubt));
        }
        assert_eq!(Doubt::of_name("SubmitLost"), None);
    }
}
