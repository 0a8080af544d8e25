//! The other side of the table: every state, once for each guard that the table of transitions knows in it.
use super::super::{
    Doubt, Event, Polled, RecordKind, Restored, Searched, Stood, Submitted, Verdict,
};
use super::story::{
    Story, keyed, payment, restored, restored_as, resubmitting, task, unrecorded, untracked,
};

/// A state, told by how the exchange came there.
type Named = (&'static str, fn() -> Story);

/// Every state that the table prints.
pub(super) fn every_state() -> Vec<Named> {
    [
        recording(),
        connecting(),
        submitting(),
        waiting(),
        polling(),
        asking(),
        doubtful(),
        settled(),
        restarted(),
    ]
    .concat()
}

const PENDING: Polled<&str> = Polled::Pending { retry_after: None };
const NOT_FOUND: Event<&str> = Event::LookedUp(Searched::NotFound { retry_after: None });
const TOO_MANY: Submitted<&str> = Submitted::TooMany {
    answer: "429",
    retry_after: None,
};
const LOWERED: Event<&str> = Event::ResubmitsLowered { most: 0 };
const FOR_GOOD: Event<&str> = Event::ConnectFailed { passing: false };
const PASSING: Event<&str> = Event::ConnectFailed { passing: true };

fn recording() -> Vec<Named> {
    vec![
        ("the intent is being recorded", payment),
        ("the intent is being recorded, draining", || {
            payment().draining(30)
        }),
        (
            "the intent is being recorded, submit.start has passed",
            || payment().after(6),
        ),
        ("the resubmit is being recorded, the submit lost", || {
            resubmitting().sent().lost()
        }),
        ("the resubmit is being recorded, the submit open", || {
            resubmitting().sent().woken()
        }),
        ("the resubmit is being recorded, draining", || {
            resubmitting().sent().lost().draining(30)
        }),
        ("the resubmit is being recorded, its key shared", || {
            resubmitting().sent().lost().then(Event::KeyShared)
        }),
        (
            "the resubmit is being recorded, and not allowed any more",
            || resubmitting().sent().lost().then(LOWERED),
        ),
        ("the acceptance is being recorded", || {
            payment().sent().accepted("A")
        }),
        ("a Soft answer is being recorded", || {
            payment().polling().polled(Polled::Soft("perhaps"))
        }),
        ("the result is being recorded", || {
            payment().polling().polled(Polled::Firm("result"))
        }),
        ("the doubt is being recorded", || untracked().sent().lost()),
        ("the doubt is being recorded, the submit open", || {
            untracked().sent().woken()
        }),
        ("the withdrawal is being recorded", || {
            payment().recorded().then(FOR_GOOD)
        }),
        ("the refusal is being recorded", || {
            payment().sent().answered(Submitted::Refused("4xx"))
        }),
        ("the end is being recorded", || {
            untracked().sent().lost().recorded().woken()
        }),
    ]
}

fn connecting() -> Vec<Named> {
    vec![
        ("connecting", || payment().recorded()),
        ("connecting, submit.start has passed", || {
            payment().recorded().after(6)
        }),
        ("connecting again after a failure", || {
            payment().recorded().then(PASSING)
        }),
        ("connecting again after a 429", || {
            payment().sent().answered(TOO_MANY)
        }),
        ("connecting a resubmit, the submit lost", || {
            resubmitting().sent().lost().recorded()
        }),
        ("connecting a resubmit, the submit open", || {
            resubmitting().sent().woken().recorded()
        }),
        ("connecting a resubmit after task A was lost", || {
            resubmitting().denied().joined().recorded()
        }),
    ]
}

fn submitting() -> Vec<Named> {
    vec![
        ("submitted", || payment().sent()),
        ("submitted without a tracking id", || untracked().sent()),
        ("submitted, submit.start has passed", || {
            payment().sent().after(6)
        }),
        ("submitted, draining", || payment().sent().draining(30)),
        ("submitted, draining, without a journal", || {
            unrecorded().sent().draining(30)
        }),
        ("submitted, a resubmit left", || resubmitting().sent()),
        ("submitted, a resubmit left, 23 h ago", || {
            resubmitting().sent().after(82_800)
        }),
        ("submitted, a resubmit left, its key shared", || {
            resubmitting().sent().then(Event::KeyShared)
        }),
        ("submitted, a resubmit not allowed any more", || {
            resubmitting().sent().then(LOWERED)
        }),
        ("resubmitted, the submit open", || {
            resubmitting().sent().woken().recorded().handed_over()
        }),
        ("resubmitted, the submit lost", || {
            resubmitting().sent().lost().recorded().handed_over()
        }),
        ("resubmitted, the submit refused meanwhile", || {
            resubmitting()
                .sent()
                .woken()
                .recorded()
                .handed_over()
                .answered(Submitted::Refused("4xx"))
        }),
        ("resubmitted after task A was lost, its key shared", || {
            resubmitting()
                .denied()
                .joined()
                .recorded()
                .handed_over()
                .then(Event::KeyShared)
        }),
        ("resubmitted after task A was lost", || {
            resubmitting().denied().joined().recorded().handed_over()
        }),
    ]
}

fn waiting() -> Vec<Named> {
    vec![
        ("waiting for the first poll's time", || {
            payment().sent().accepted("A").recorded()
        }),
        ("waiting, a poll pending before", || {
            payment().polling().polled(PENDING)
        }),
        ("waiting, draining, a poll fits", || {
            payment().polling().polled(PENDING).draining(30)
        }),
        ("waiting, draining, no poll fits", || {
            payment().polling().polled(PENDING).draining(5)
        }),
        ("waiting, the resubmit open", || {
            resubmitting()
                .sent()
                .woken()
                .recorded()
                .handed_over()
                .accepted("A")
                .recorded()
        }),
        ("waiting, the acceptance not durable", || {
            payment()
                .sent()
                .accepted("A")
                .record_failed(RecordKind::Accepted)
        }),
    ]
}

fn polling() -> Vec<Named> {
    vec![
        ("polling", || payment().polling()),
        ("polling, Unknown before, within the grace", || {
            payment().polling().polled(Polled::Unknown).woken()
        }),
        ("polling, Unknown for the grace, nothing kept", || {
            payment().polling().unknown_for_the_grace()
        }),
        ("polling, Unknown for the grace, a Soft answer kept", || {
            payment()
                .polling()
                .polled(Polled::Soft("perhaps"))
                .recorded()
                .woken()
                .unknown_for_the_grace()
        }),
        ("polling, a Soft answer kept", || {
            payment()
                .polling()
                .polled(Polled::Soft("perhaps"))
                .recorded()
                .woken()
        }),
        ("polling, an odd answer before", || {
            payment().polling().polled(Polled::Odd("odd")).woken()
        }),
        ("polling, the submit given up and accepted late", || {
            untracked()
                .sent()
                .woken()
                .recorded()
                .accepted("A")
                .recorded()
                .woken()
        }),
    ]
}

fn asking() -> Vec<Named> {
    vec![
        ("asking, a lookup under way", || payment().sent().lost()),
        ("asking, between lookups", || {
            payment().sent().lost().then(NOT_FOUND)
        }),
        ("asking, the submit open", || payment().sent().woken()),
        ("asking after task A was lost, a resubmit left", || {
            resubmitting().denied()
        }),
        ("asking after the resubmit's record failed", || {
            resubmitting()
                .sent()
                .woken()
                .record_failed(RecordKind::Resubmitted)
        }),
        ("asking after task A was lost, its key shared", || {
            payment().denied().then(Event::KeyShared)
        }),
        ("asking, the resubmit open, task A lost", || {
            resubmitting()
                .sent()
                .woken()
                .recorded()
                .handed_over()
                .accepted("A")
                .recorded()
                .woken()
                .unknown_for_the_grace()
                .polled(Polled::Unknown)
        }),
    ]
}

fn doubtful() -> Vec<Named> {
    vec![
        ("in doubt", || payment().sent().lost().woken().recorded()),
        ("in doubt, 10 s after the ladder", || {
            payment().sent().lost().draining(1).recorded().after(10)
        }),
        (
            "in doubt, a tracking id, 10 s after the driver was lost",
            || payment().sent().then(Event::DriverLost).after(10),
        ),
        ("in doubt about task A, its key shared", || {
            untracked().denied().recorded().then(Event::KeyShared)
        }),
        (
            "in doubt about task A, its key shared, executed says the operator",
            || {
                untracked()
                    .denied()
                    .recorded()
                    .then(Event::KeyShared)
                    .then(Event::Resolved(Verdict::Executed))
                    .recorded()
            },
        ),
        ("in doubt, no tracking id, 10 s after the ladder", || {
            untracked().sent().lost().recorded().after(10)
        }),
        ("in doubt, the submit open", || {
            untracked().sent().woken().recorded()
        }),
        ("in doubt, the key not shared, a resubmit left", || {
            resubmitting().sent().then(Event::DriverLost).after(10)
        }),
        (
            "in doubt, executed says the operator, the submit open",
            || {
                untracked()
                    .sent()
                    .woken()
                    .recorded()
                    .then(Event::Resolved(Verdict::Executed))
                    .recorded()
            },
        ),
        ("in doubt, executed says the operator", || {
            untracked()
                .sent()
                .lost()
                .recorded()
                .then(Event::Resolved(Verdict::Executed))
                .recorded()
                .after(10)
        }),
    ]
}

fn settled() -> Vec<Named> {
    vec![
        ("undelivered, no key", || {
            payment()
                .polling()
                .polled(Polled::Firm("result"))
                .recorded()
        }),
        ("undelivered, a key", || {
            keyed().polling().polled(Polled::Firm("result")).recorded()
        }),
        ("delivered, no key", || {
            payment()
                .polling()
                .polled(Polled::Firm("result"))
                .recorded()
                .then(Event::Acknowledged)
        }),
        ("delivered, a key", || {
            keyed()
                .polling()
                .polled(Polled::Firm("result"))
                .recorded()
                .then(Event::Acknowledged)
        }),
        ("ended, not submitted", || {
            payment().recorded().then(FOR_GOOD).recorded()
        }),
        ("ended, its submit open", || {
            untracked()
                .sent()
                .woken()
                .recorded()
                .then(Event::Resolved(Verdict::NotExecuted))
                .recorded()
        }),
    ]
}

/// What a process finds of those before it, a second after their last record.
fn restarted() -> Vec<Named> {
    let mut states = restarted_in_doubt();
    states.extend(restarted_with_an_answer());
    states
}

const RESTART: Stood = Stood::InDoubt(Doubt::Restart);

fn restarted_in_doubt() -> Vec<Named> {
    vec![
        ("restarted, the submit on record", || restored(RESTART)),
        ("restarted, the last resubmit on record", || {
            restored_as(RESTART, |it| it.resubmits = 1)
        }),
        ("restarted, a submit of 23 h ago on record", || {
            restored(RESTART).after(22 * 3600)
        }),
        ("restarted, a submit of nobody knows when on record", || {
            restored_as(RESTART, |it| it.age_is_sure = false)
        }),
        (
            "restarted, a submit without a tracking id on record",
            || {
                restored_as(RESTART, |it| {
                    (it.has_tracking_id, it.resubmits) = (false, 1);
                })
            },
        ),
        ("restarted, the doubt about task A on record", || {
            restored_as(Stood::InDoubt(Doubt::TaskUnknown), |it| {
                it.ticket = Some(task("A"));
            })
        }),
        ("restarted, the doubt after a lost driver on record", || {
            restored_as(Stood::InDoubt(Doubt::Driver), |it| {
                it.ticket = Some(task("A"));
            })
        }),
        ("restarted, executed says the operator", || {
            restored(Stood::InDoubt(Doubt::Executed))
        }),
        ("restarted, the gateway elsewhere", || {
            restored_as(Stood::InDoubt(Doubt::OriginChanged), |it| {
                it.ticket = Some(task("A"));
            })
        }),
    ]
}

fn restarted_with_an_answer() -> Vec<Named> {
    fn accepted() -> Story {
        restored_as(Stood::Accepted, |it| it.ticket = Some(task("A")))
    }
    fn completed() -> Story {
        restored_as(Stood::Completed, |it| it.ticket = Some(task("A")))
    }
    vec![
        ("restarted, task A on record", accepted),
        ("restarted, task A on record, the repeat there", || {
            accepted().joined()
        }),
        (
            "restarted, executed said the operator and task A is on record, Unknown for the grace",
            || {
                let ruled = |it: &mut Restored| {
                    (it.ticket, it.ruled) = (Some(task("A")), Some(Doubt::Executed));
                };
                restored_as(Stood::Accepted, ruled)
                    .joined()
                    .woken()
                    .unknown_for_the_grace()
            },
        ),
        ("restarted, a Soft answer opened", || {
            accepted().then(Event::Opened("perhaps")).joined()
        }),
        (
            "restarted, pending elsewhere before a Soft answer opened, Unknown for the grace",
            || {
                accepted()
                    .then(Event::AnsweredElsewhere(PENDING))
                    .then(Event::Opened("perhaps"))
                    .joined()
                    .woken()
                    .unknown_for_the_grace()
            },
        ),
        (
            "restarted, pending elsewhere before a Soft answer did not open, Unknown for the grace",
            || {
                accepted()
                    .then(Event::AnsweredElsewhere(PENDING))
                    .then(Event::SealBroken)
                    .joined()
                    .woken()
                    .unknown_for_the_grace()
            },
        ),
        (
            "restarted, a Soft answer opened after pending elsewhere and another, Unknown for the grace",
            || {
                accepted()
                    .then(Event::AnsweredElsewhere(PENDING))
                    .joined()
                    .woken()
                    .polled(Polled::Soft("later"))
                    .recorded()
                    .then(Event::Opened("perhaps"))
                    .woken()
                    .unknown_for_the_grace()
            },
        ),
        ("restarted, a Soft answer that does not open", || {
            accepted().then(Event::SealBroken).joined()
        }),
        ("restarted, a result under its seal", completed),
        ("restarted, a result opened", || {
            completed().then(Event::Opened("result"))
        }),
        ("restarted, a result that does not open", || {
            completed().then(Event::SealBroken).recorded()
        }),
        ("restarted, a result that does not open, 10 s ago", || {
            completed().then(Event::SealBroken).recorded().after(10)
        }),
    ]
}
