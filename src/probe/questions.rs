//! The questions, in the order in which they are asked.
use std::time::Duration;

use http::StatusCode;
use uuid::Uuid;

use super::findings::{Findings, not_found_out};
use super::repeats::{self, Repeats};
use super::shop::{Bearer, Ended, Page, Shop, Submitted, Task, Why};
use super::trial::{Cards, Kind, Trial, Trials};
use crate::protocol::{
    BEGATEWAY, Conversion, MatchFacts, PollAnswer, Search, SubmitAnswer, gateway_time, listed,
};
use crate::timing::wall_clock;

/// A gateway's clock that is further off than this is told: `created_at` is compared with its `Date`
/// alone, but a reader of both logs would be led astray.
const CLOCK_IS_OFF: Duration = Duration::from_secs(5);

/// Asks everything, and tells `progress` of each step.
///
/// # Errors
/// In words, where not even the first payment was accepted.
pub async fn interview(
    shop: &Shop,
    cards: Cards,
    mut progress: impl FnMut(&str),
) -> Result<Findings, String> {
    let mut trials = Trials::of(cards);
    let mut findings = Findings::default();
    progress("a payment, from its acceptance to its result");
    payment(shop, &mut trials, &mut findings).await?;
    progress("the same payment, and then the same refund of it, three times under one key");
    repeated(shop, &mut trials, &mut findings).await;
    progress("requests that fail");
    failures(shop, &mut trials, &mut findings).await;
    Ok(findings)
}

fn fresh_key() -> String {
    Uuid::new_v4().to_string()
}

async fn payment(shop: &Shop, trials: &mut Trials, findings: &mut Findings) -> Result<(), Why> {
    let trial = trials.make(Kind::Approved).ok_or("no such operation")?;
    let submitted = shop.submit(&trial, &fresh_key()).await?;
    let task = accepted(shop, &submitted, findings)?;
    running(shop, &task, &trial, findings).await;
    let ended = shop.wait(&task).await?;
    finished(shop, &task, &ended, findings).await;
    searched(shop, &trial, &ended, findings).await;
    Ok(())
}

/// The acceptance: its code, and where it sends its caller.
fn accepted(shop: &Shop, submitted: &Submitted, findings: &mut Findings) -> Result<Task, Why> {
    let code = submitted.answer.status;
    if code == StatusCode::UNAUTHORIZED {
        return Err("the gateway does not know these credentials (401)".to_owned());
    }
    let task = submitted.task()?;
    findings.note("a submit is accepted with", code.as_u16().to_string());
    let own = shop.client.origin();
    let announced = task.ticket.announced_url.as_deref();
    match announced.map(str::parse::<http::Uri>) {
        None => findings.note(
            "the poll URL is",
            "not given; it is built from the task's id",
        ),
        Some(Ok(url)) if url.authority().is_none() => findings.note("the poll URL is", "relative"),
        Some(Ok(url)) if own.has(&url) => {
            findings.note("the poll URL is", "at the gateway's own origin");
        }
        Some(Ok(_) | Err(_)) => findings.concern(
            "the poll URL is",
            "elsewhere",
            "holdline asks at the configured origin alone; see that it answers there",
        ),
    }
    Ok(task)
}

/// What is told while the task runs.
async fn running(shop: &Shop, task: &Task, trial: &Trial, findings: &mut Findings) {
    for (page, question) in [
        (Page::Result, "the result of a running task is answered"),
        (Page::Status, "the status of a running task is answered"),
    ] {
        let answer = shop.poll(task, page, Bearer::Shop).await;
        findings.told(question, answer.map(|it| code_while_running(task, &it)));
    }
    let nobody = shop.poll(task, Page::Status, Bearer::Nobody).await;
    findings.told(
        "a poll without credentials is answered",
        nobody.map(|it| match task.class(&it) {
            PollAnswer::Pending => format!("{}, as any other", it.status.as_u16()),
            PollAnswer::Unknown
            | PollAnswer::Firm
            | PollAnswer::Soft
            | PollAnswer::Odd
            | PollAnswer::Broken
            | PollAnswer::Transient => it.status.as_u16().to_string(),
        }),
    );
    let found = search(shop, trial, None).await;
    findings.told(
        "a search finds a running payment:",
        found.map(|found| if found { "yes" } else { "no" }.to_owned()),
    );
}

fn code_while_running(task: &Task, answer: &crate::message::StoredResponse) -> String {
    let code = answer.status.as_u16();
    match task.class(answer) {
        PollAnswer::Pending => code.to_string(),
        PollAnswer::Unknown => format!("{code}, not known yet"),
        PollAnswer::Firm
        | PollAnswer::Soft
        | PollAnswer::Odd
        | PollAnswer::Broken
        | PollAnswer::Transient => not_found_out(&format!("it was done already ({code})")),
    }
}

/// The result of a payment that succeeded.
async fn finished(shop: &Shop, task: &Task, ended: &Ended, findings: &mut Findings) {
    findings.was_unknown(ended.unknown_for);
    findings.note(
        "the payment took",
        format!("{:.1} s", ended.after.as_secs_f64()),
    );
    let code = ended.answer.status.as_u16();
    match ended.class {
        PollAnswer::Firm => findings.note("its result is", format!("{code}, of a known shape")),
        PollAnswer::Soft
        | PollAnswer::Odd
        | PollAnswer::Pending
        | PollAnswer::Unknown
        | PollAnswer::Broken
        | PollAnswer::Transient => findings.concern(
            "its result is",
            format!("{code}, of a shape that is not known"),
            "answers like this one are delivered only when nothing else comes",
        ),
    }
    let again = shop.poll(task, Page::Result, Bearer::Shop).await;
    findings.told(
        "read once more it is",
        again.map(|again| {
            if again.body == ended.answer.body {
                "the same"
            } else {
                "gone"
            }
            .to_owned()
        }),
    );
    clock(ended, findings);
}

/// How far the gateway's clock is from this machine's.
fn clock(ended: &Ended, findings: &mut Findings) {
    let question = "the gateway's clock is";
    let Some(date) = gateway_time(&ended.answer.fields) else {
        findings.concern(
            question,
            "not told (no Date)",
            "a lost answer cannot be searched for, and stays in doubt",
        );
        return;
    };
    let now = wall_clock();
    let (off, way) = match now.duration_since(date) {
        Ok(behind) => (behind, "behind"),
        Err(ahead) => (ahead.duration(), "ahead of"),
    };
    if off > CLOCK_IS_OFF {
        findings.note(
            question,
            format!("{} s {way} this machine's", off.as_secs()),
        );
    } else {
        findings.note(question, "this machine's");
    }
}

/// The search by which a lost answer is found again.
async fn searched(shop: &Shop, trial: &Trial, ended: &Ended, findings: &mut Findings) {
    let question = "a search finds a finished payment:";
    let uid = repeats::uid(&ended.answer.body);
    match search(shop, trial, uid.as_deref()).await {
        Ok(true) => findings.note(question, "yes"),
        Ok(false) => findings.concern(
            question,
            "no",
            "a payment whose answer is lost stays in doubt until a person looks it up",
        ),
        Err(why) => findings.note(question, not_found_out(&why)),
    }
    let (Some(uid), question) = (uid, "a wrong secret key is answered") else {
        return;
    };
    let path = format!("{}{uid}", BEGATEWAY.lookup.by_uid).try_into();
    let Ok(path) = path else { return };
    let answer = shop.get(path, Bearer::WrongKey).await;
    findings.told(question, answer.map(|it| it.status.as_u16().to_string()));
}

/// Whether the search by tracking id leads to exactly one transaction, and to `uid` if that is known.
async fn search(shop: &Shop, trial: &Trial, uid: Option<&str>) -> Result<bool, Why> {
    let conversion: &Conversion = trial.conversion;
    let facts = MatchFacts::of(conversion, &trial.body);
    let search = Search {
        facts: &facts,
        times: None,
    };
    let path = search.path(&BEGATEWAY).ok_or("it makes no path")?;
    let list = shop.get(path, Bearer::Shop).await?;
    let listed = listed(&list.body).unwrap_or_default();
    let found = search.choose(&listed, |_| false);
    Ok(found.is_some_and(|found| uid.is_none_or(|uid| *found.uid == *uid)))
}

/// The words for what is asked of the repeats of one trial.
struct OfRepeats {
    running: &'static str,
    waited: &'static str,
    ended: &'static str,
    /// For all three, where none was found out.
    whole: &'static str,
}

const OF_PAYMENT: OfRepeats = OfRepeats {
    running: "a repeat under the same key while it runs:",
    waited: "such a repeat was answered after",
    ended: "a repeat under the same key after its end:",
    whole: "a repeat under the same key:",
};

const OF_REFUND: OfRepeats = OfRepeats {
    running: "a repeated refund under the same key while it runs:",
    waited: "such a refund was answered after",
    ended: "a repeated refund under the same key after its end:",
    whole: "a repeated refund under the same key:",
};

/// A gateway may honour the keys of payments, and not those of what acts on them.
async fn repeated(shop: &Shop, trials: &mut Trials, findings: &mut Findings) {
    findings.repeated_payment =
        repeats_of(shop, trials, Kind::Approved, &OF_PAYMENT, findings).await;
    if let Some(paid) = &findings.repeated_payment {
        let payment = paid.transaction.clone();
        let kind = Kind::Refund(&payment);
        findings.repeated_refund = repeats_of(shop, trials, kind, &OF_REFUND, findings).await;
    }
}

async fn repeats_of(
    shop: &Shop,
    trials: &mut Trials,
    kind: Kind<'_>,
    asked: &OfRepeats,
    findings: &mut Findings,
) -> Option<Repeats> {
    let trial = trials.make(kind)?;
    match repeats::ask(shop, &trial, &fresh_key()).await {
        Ok(repeats) => {
            findings.note(asked.running, repeats.running.words());
            findings.note(asked.waited, format!("{} ms", repeats.waited.as_millis()));
            findings.note(asked.ended, repeats.ended.words());
            Some(repeats)
        }
        Err(why) => {
            findings.note(asked.whole, not_found_out(&why));
            None
        }
    }
}

/// Which failures are told where, and whether a failed result is given once only.
async fn failures(shop: &Shop, trials: &mut Trials, findings: &mut Findings) {
    let mut failing = None;
    for kind in [Kind::Orphan, Kind::Invalid, Kind::Declined] {
        let outcome = failure(shop, trials, kind, findings).await;
        match outcome {
            Ok(told) => {
                if told.is_a_failed_result && failing.is_none() {
                    failing = Some(kind);
                }
                findings.note(kind.words(), told.words);
            }
            Err(why) => findings.note(kind.words(), not_found_out(&why)),
        }
    }
    let question = "a failed result, once its status was asked for,";
    match failing {
        None => findings.note(question, not_found_out("no request made a failed result")),
        Some(kind) => findings.told(question, spent_by_status(shop, trials, kind).await),
    }
}

/// How a failure is told.
struct Told {
    words: String,
    is_a_failed_result: bool,
}

async fn failure(
    shop: &Shop,
    trials: &mut Trials,
    kind: Kind<'_>,
    findings: &mut Findings,
) -> Result<Told, Why> {
    let trial = trials.make(kind).ok_or("no such operation")?;
    let submitted = shop.submit(&trial, &fresh_key()).await?;
    let code = submitted.answer.status.as_u16();
    if submitted.class == SubmitAnswer::Refused {
        return Ok(Told {
            words: format!("is refused at the submit with {code}"),
            is_a_failed_result: false,
        });
    }
    let task = submitted.task()?;
    let ended = shop.wait(&task).await?;
    findings.was_unknown(ended.unknown_for);
    let code = ended.answer.status;
    if code == StatusCode::OK {
        return Ok(Told {
            words: "has a result of 200".to_owned(),
            is_a_failed_result: false,
        });
    }
    let again = shop.poll(&task, Page::Result, Bearer::Shop).await?;
    let once = if task.class(&again) == PollAnswer::Unknown {
        "given once"
    } else {
        "given again and again"
    };
    Ok(Told {
        words: format!("has a result of {}, {once}", code.as_u16()),
        is_a_failed_result: true,
    })
}

/// Whether asking for the status of a task that failed spends its only answer.
async fn spent_by_status(shop: &Shop, trials: &mut Trials, kind: Kind<'_>) -> Result<String, Why> {
    let trial = trials.make(kind).ok_or("no such operation")?;
    let task = shop.submit(&trial, &fresh_key()).await?.task()?;
    let status = shop.wait_by_status(&task).await?;
    let result = shop.poll(&task, Page::Result, Bearer::Shop).await?;
    let told = match task.class(&result) {
        PollAnswer::Unknown => "is gone: the status gave it, and gave it once",
        PollAnswer::Firm | PollAnswer::Soft | PollAnswer::Odd => "is there still",
        PollAnswer::Pending | PollAnswer::Broken | PollAnswer::Transient => "is in neither place",
    };
    Ok(format!("{told} (status {})", status.status.as_u16()))
}
