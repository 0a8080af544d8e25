//! What a repeated submit does under the same key: the question on which a second charge hangs.
use std::time::Duration;

use super::shop::{Bearer, Page, Shop, Submitted, Task, Why};
use super::trial::Trial;
use crate::protocol::{PollAnswer, Transaction};

/// What became of a repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It was given the first one's task.
    SameTask,
    /// It was given a task of its own, with the first one's transaction.
    SameTransaction,
    /// It was refused with this code, and made nothing.
    Refused(u16),
    /// It made a transaction of its own: a second charge.
    Another,
    /// It was a request of its own, and failed with this code: another filter than the key's may have
    /// kept it from being a charge.
    Apart(u16),
    /// Nobody can tell.
    Unclear(Why),
}

/// Repeats while the first submit's task ran, and after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeats {
    /// The uid of the first one's transaction.
    pub(super) transaction: String,
    pub(super) running: Repeat,
    pub(super) ended: Repeat,
    /// How long the repeat's answer took while the task ran.
    pub(super) waited: Duration,
}

impl Repeats {
    /// True if no repeat made a transaction, and the later one led to the first one's.
    ///
    /// The earlier one may be refused, but with 409 alone, which is said of a key whose request still runs
    /// (draft-ietf-httpapi-idempotency-key-header, 2.7). A limit of requests (429), a firewall (403) and a
    /// filter of duplicates (422) refuse whatever the gateway does with the key.
    pub(super) fn are_safe(&self) -> bool {
        let leads = |repeat: &Repeat| matches!(repeat, Repeat::SameTask | Repeat::SameTransaction);
        leads(&self.ended) && (leads(&self.running) || self.running == Repeat::Refused(409))
    }
}

impl Repeat {
    pub(super) fn words(&self) -> String {
        match self {
            Self::SameTask => "the first one's task is given again".to_owned(),
            Self::SameTransaction => "another task, with the first one's transaction".to_owned(),
            Self::Refused(code) => format!("refused with {code}"),
            Self::Another => "ANOTHER TRANSACTION: the key is ignored".to_owned(),
            Self::Apart(code) => {
                format!("another task, which ended with {code}: the key is ignored")
            }
            Self::Unclear(why) => super::findings::not_found_out(why),
        }
    }
}

/// Submits a trial, and the same once more while it runs and once after.
pub(super) async fn ask(shop: &Shop, trial: &Trial, key: &str) -> Result<Repeats, Why> {
    let first = shop.submit(trial, key).await?.task()?;
    let before = shop.poll(&first, Page::Result, Bearer::Shop).await?;
    let ran = first.class(&before) == PollAnswer::Pending;
    let asked = shop.clock.now();
    let second = shop.submit(trial, key).await;
    let waited = shop.clock.now().since(asked);
    // A result that is given once is not waited for a second time.
    let transaction = match uid(&before.body) {
        Some(uid) if !ran => uid,
        Some(_) | None => transaction(shop, &first).await?,
    };
    let running = if ran {
        judge(shop, &first, &transaction, second).await
    } else {
        Repeat::Unclear("the first one was done at once".to_owned())
    };
    let third = shop.submit(trial, key).await;
    let ended = judge(shop, &first, &transaction, third).await;
    Ok(Repeats {
        transaction,
        running,
        ended,
        waited,
    })
}

async fn judge(
    shop: &Shop,
    first: &Task,
    its_transaction: &str,
    repeat: Result<Submitted, Why>,
) -> Repeat {
    let submitted = match repeat {
        Ok(submitted) => submitted,
        Err(why) => return Repeat::Unclear(why),
    };
    if let Some(uid) = uid(&submitted.answer.body) {
        return by_transaction(its_transaction, &uid);
    }
    if submitted.answer.status.is_client_error() {
        return Repeat::Refused(submitted.answer.status.as_u16());
    }
    match submitted.task() {
        Ok(task) if task.ticket.request_id == first.ticket.request_id => Repeat::SameTask,
        Ok(task) => match shop.wait(&task).await {
            Ok(ended) => match uid(&ended.answer.body) {
                Some(uid) => by_transaction(its_transaction, &uid),
                None => Repeat::Apart(ended.answer.status.as_u16()),
            },
            Err(why) => Repeat::Unclear(why),
        },
        Err(why) => Repeat::Unclear(why),
    }
}

fn by_transaction(first: &str, other: &str) -> Repeat {
    if first == other {
        Repeat::SameTransaction
    } else {
        Repeat::Another
    }
}

/// Waits for a task's transaction.
async fn transaction(shop: &Shop, task: &Task) -> Result<String, Why> {
    let ended = shop.wait(task).await?;
    match uid(&ended.answer.body) {
        Some(uid) if ended.class == PollAnswer::Firm => Ok(uid),
        Some(_) | None => Err(format!(
            "the task ended with {} and no transaction",
            ended.answer.status.as_u16()
        )),
    }
}

pub(super) fn uid(body: &[u8]) -> Option<String> {
    Some(Transaction::of(body)?.uid()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_may_be_of_something_else_than_the_key_proves_nothing() {
        let safe = |running, ended| {
            let waited = Duration::ZERO;
            Repeats {
                transaction: String::new(),
                running,
                ended,
                waited,
            }
            .are_safe()
        };
        assert!(safe(Repeat::SameTask, Repeat::SameTask));
        assert!(safe(Repeat::Refused(409), Repeat::SameTransaction));
        for code in [401, 403, 408, 422, 429] {
            assert!(!safe(Repeat::Refused(code), Repeat::SameTask), "{code}");
        }
        assert!(!safe(Repeat::SameTask, Repeat::Refused(409)));
    }
}
