//! The steps of an exchange in words: what happened, and why or how it is known.
use super::trail::{Answered, Ending, Heard, Step, What};
use crate::exchange::machine::{Doubt, RecordKind, Verdict};
use crate::journal::Change;
use crate::protocol::{PollAnswer, Untimely};

const RESUMED: &str = "only its client's repeat brings the credentials";
const JOINED: &str = "same shop, path, key and body: it waits for this one instead of paying again";
const KEY_SHARED: &str = "the submit is not repeated: the gateway could take one for the other";
const LOWERED: &str = "its submit is repeated only as often as the lower number allows";
const NOT_FOUND: &str = "it may have been made all the same";
const DELIVERED: &str = "its last byte was acknowledged, and no reset followed";
const NOT_DELIVERED: &str =
    "the connection ended before it was acknowledged; it is kept for a repeat";

/// What happened, and why or how it is known.
pub(in crate::exchange) struct Words(
    pub(in crate::exchange) String,
    pub(in crate::exchange) Option<String>,
);

/// What happened, of which no more is to be said.
fn say(what: &str) -> Words {
    Words(what.to_owned(), None)
}

fn because(what: &str, why: &str) -> Words {
    Words(what.to_owned(), Some(why.to_owned()))
}

/// A step of the trail.
pub(in crate::exchange) fn of_step(step: &Step) -> Words {
    match step.what {
        What::Began => because(
            "read the request",
            "no equal one is under way or remembered",
        ),
        What::Resumed => because("found in the journal by a new process", RESUMED),
        What::Joined => because("an equal request joined", JOINED),
        What::KeyShared => because("another exchange has the same key", KEY_SHARED),
        What::ResubmitsLowered => because("the operator lowered submit.resubmits", LOWERED),
        What::Draining => because("the process is stopping", "no new submit leaves"),
        What::Recorded(kind) => recorded(kind),
        What::NotRecorded(kind) => say(&format!("could not record {}", kind.words())),
        What::NoConnection(cause) => {
            let why = cause.map_or("the reason is not known", |cause| cause.text());
            because("no connection for the submit, and nothing was sent", why)
        }
        What::HandedOver => because("sent the submit", "from here on it may be executed"),
        What::Answered(answer, heard) => known(answered(answer), heard),
        What::SubmitTimedOut => say("the submit was not answered within submit.timeout"),
        What::StartPassed => because("submit.start passed", "nothing of it leaves any more"),
        What::LookedUp(true) => say("searched at the gateway and found its transaction"),
        What::LookedUp(false) => because(
            "searched at the gateway, and found none that is surely its own",
            NOT_FOUND,
        ),
        What::LeftOut(why) => because(
            "a search left out a transaction that looks like its own",
            why.words(),
        ),
        What::AskingOver => say("the searches had their time"),
        What::AsItStands => because(
            "told a client that it is in progress",
            "its hold ended first",
        ),
        What::ClientLeft => because("a client hung up", "the exchange goes on without it"),
        What::Resolved(Verdict::Executed) => say("the operator said: executed"),
        What::Resolved(Verdict::NotExecuted) => say("the operator said: not executed"),
        What::Opened => say("opened what an earlier process had kept, with a client's credentials"),
        What::SealBroken => say("what was kept of an answer does not open"),
        What::DriverLost => say("a fault of holdline's own ended the task that drove it"),
        What::Told(ending, clients) => Words(told(ending), Some(told_to(clients))),
        What::Given(clients) => Words("told again what is kept".to_owned(), Some(told_to(clients))),
        What::Delivered => because("the client has the answer", DELIVERED),
        What::NotDelivered => because("the answer may not have arrived", NOT_DELIVERED),
        What::Expired => because("no longer remembered", "its time is over"),
    }
}

/// A record, and what it is needed for.
fn recorded(kind: RecordKind) -> Words {
    let why = match kind {
        RecordKind::Submitted | RecordKind::Resubmitted => "before its first byte leaves",
        RecordKind::Accepted => "before its result is asked for",
        RecordKind::Candidate => "it may not be given again",
        RecordKind::TakenBack => "what came before was not its result",
        RecordKind::Completed => "before anybody is given it",
        RecordKind::Delivered
        | RecordKind::InDoubt
        | RecordKind::Withdrawn
        | RecordKind::Refused
        | RecordKind::Closed => return say(&format!("recorded {}", kind.words())),
    };
    because(&format!("recorded {}", kind.words()), why)
}

const fn answered(answer: Answered) -> &'static str {
    match answer {
        Answered::Accepted => "the gateway took the task",
        Answered::AtOnce => "the gateway gave the standard answer at once",
        Answered::Refused => "the gateway refused the submit",
        Answered::TooMany => "the gateway asked to come again later",
        Answered::Unclear => "the submit's answer says neither yes nor no",
        Answered::SubmitLost => "lost the answer to the submit",
        Answered::Poll(PollAnswer::Pending) => "polled: the task runs",
        Answered::Poll(PollAnswer::Unknown) => "polled: the gateway does not know the task",
        Answered::Poll(PollAnswer::Firm) => "polled: the result",
        Answered::Poll(PollAnswer::Soft) => {
            "polled: an error, the result only if the task is then unknown"
        }
        Answered::Poll(PollAnswer::Odd) => "polled: an answer of no known shape",
        Answered::Poll(PollAnswer::Broken) => "polled: an answer that was cut or mangled",
        Answered::Poll(PollAnswer::Transient) => "polled: nothing that speaks of the task",
        Answered::PollLost => "polled in vain",
        Answered::LookupLost => "searched at the gateway in vain: it did not say",
    }
}

fn known(what: &str, heard: Heard) -> Words {
    Words(what.to_owned(), Some(heard.words()))
}

impl Untimely {
    /// What is wrong with the times. The log has its `uid`.
    const fn words(self) -> &'static str {
        match self {
            Self::TooEarly => {
                "by the gateway's clocks it was made before the submit; the log has its uid"
            }
            Self::YetToCome => {
                "by the gateway's own Date the time of one in its list has yet to come, so its clocks differ; \
                 the log has the uid of the one that looks like its own"
            }
        }
    }
}

impl Heard {
    /// How it is known.
    pub(in crate::exchange) fn words(self) -> String {
        match self {
            Self::Status(status) => format!("status {status}"),
            Self::Failed(cause) => cause.text().to_owned(),
            Self::Elsewhere => "another exchange of the same task was told so".to_owned(),
        }
    }
}

fn told(ending: Ending) -> String {
    match ending {
        Ending::Completed(status) => format!("completed: the gateway's answer, status {status}"),
        Ending::Refused(status) => format!("refused, in the gateway's words, status {status}"),
        Ending::NotSubmitted(why) => format!("not submitted: {}", why.words()),
        Ending::InDoubt(doubt) => format!("in doubt: {}", doubt.words()),
        Ending::Expired => "expired".to_owned(),
    }
}

fn told_to(clients: u8) -> String {
    match clients {
        0 => "no client waited".to_owned(),
        1 => "to the client that waited".to_owned(),
        more => format!("to the {more} clients that waited"),
    }
}

/// A record of the journal.
pub(in crate::exchange) fn of_change(change: &Change) -> Words {
    match change {
        Change::Submitted(_) => recorded(RecordKind::Submitted),
        Change::Resubmitted(_) => recorded(RecordKind::Resubmitted),
        Change::Accepted(_) => recorded(RecordKind::Accepted),
        Change::Candidate(Some(_)) => recorded(RecordKind::Candidate),
        Change::Candidate(None) => recorded(RecordKind::TakenBack),
        Change::Completed(Some(_)) => recorded(RecordKind::Completed),
        Change::Completed(None) => because(
            "recorded the answer",
            "it was dropped since, to make room: it had been delivered",
        ),
        Change::Delivered => because("recorded that the client has its answer", DELIVERED),
        Change::InDoubt(doubt) => {
            let known = Doubt::of_name(&doubt.cause);
            let cause = known.map_or(&*doubt.cause, |known| known.words());
            let why = doubt.reason.as_deref();
            Words(
                format!("recorded that it is in doubt: {cause}"),
                why.map(|reason| format!("the operator's reason: {reason}")),
            )
        }
        Change::Withdrawn => recorded(RecordKind::Withdrawn),
        Change::Refused => recorded(RecordKind::Refused),
        Change::Closed(reason) => Words(
            "recorded that it is over".to_owned(),
            reason
                .as_deref()
                .map(|reason| format!("the operator's reason: {reason}")),
        ),
    }
}
