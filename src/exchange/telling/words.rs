//! What an exchange awaits, and why it is in doubt, in words for the operator.
use super::glance::Glance;
use crate::exchange::machine::{Doubt, RecordKind, State, Timer, Withdrawal};

impl Doubt {
    /// The cause as a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SubmitTimeout => "the gateway did not answer the submit within submit.timeout",
            Self::SubmitLost => "the connection ended before the submit was answered",
            Self::SubmitHeadTooLarge => {
                "the head of the gateway's answer to the submit is larger than holdline reads"
            }
            Self::SubmitTooLarge => {
                "the gateway's answer to the submit is larger than limits.answer"
            }
            Self::SubmitMalformed => "the gateway's answer to the submit is not HTTP",
            Self::SubmitUnclear => "the gateway's answer to the submit says neither yes nor no",
            Self::ResubmitRefused => {
                "a repeat of the submit was refused, which says nothing of the first"
            }
            Self::TaskUnknown => "the gateway took the task and then did not know it any more",
            Self::Driver => "a fault of holdline's own ended its task",
            Self::Restart => "holdline ended while the submit was under way",
            Self::OriginChanged => "its gateway is at another origin now, and is not asked there",
            Self::GatewayGone => "its gateway is not configured any more",
            Self::SealBroken => "its answer was kept, and does not open",
            Self::Executed => "the operator has said that it was executed",
        }
    }
}

impl Withdrawal {
    /// Why nothing was submitted.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Connect => "no connection to the gateway",
            Self::Start => "submit.start passed before a connection to the gateway was there",
            Self::Draining => "the process was stopping",
            Self::Journal => "the journal did not take it in time",
            Self::Driver => "a fault of holdline's own",
        }
    }
}

impl RecordKind {
    /// What is recorded, as an object of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Submitted => "that a submit may leave",
            Self::Resubmitted => "that the submit may be repeated",
            Self::Accepted => "that the gateway took the task",
            Self::Candidate => "an answer that may be the result",
            Self::TakenBack => "that an answer was not the result",
            Self::Completed => "the answer",
            Self::Delivered => "that the client has its answer",
            Self::InDoubt => "that it is in doubt",
            Self::Withdrawn => "that nothing was sent",
            Self::Refused => "the gateway's refusal",
            Self::Closed => "that it is over",
        }
    }
}

impl Glance {
    /// What leads on.
    pub const fn awaits(&self) -> &'static str {
        match self.state {
            State::Recording(_) => "the journal",
            State::Connecting => "a connection to the gateway",
            State::Submitting => "the gateway's acceptance",
            State::Waiting if matches!(self.next, Some((_, Timer::Poll))) => "the next poll",
            // Without credentials nobody can be asked: an earlier process began it.
            State::Waiting => "its client's repeat",
            State::Polling => "a poll's answer",
            State::Asking => "a search at the gateway",
            State::Doubtful if matches!(self.doubt, Some(Doubt::OriginChanged)) => {
                "its gateway's origin of before, or you"
            }
            State::Doubtful if matches!(self.doubt, Some(Doubt::GatewayGone)) => {
                "its gateway, or you"
            }
            State::Doubtful => "its client's repeat, or you",
            State::Undelivered => "its client",
            State::Delivered | State::Ended => "nothing",
        }
    }
}
