//! Two secrets of one shop under `kill -9`: neither sees what the other bought, in any life (I7).
use holdline::simulator::{Gateway, Latency, Settings, Shop};
use holdline::timing::Clock;

use super::holdline::Holdline;
use crate::stage::asking::Asking;
use crate::stage::bench::{ms, until};
use crate::stage::tap::Tap;

const SHOP: &str = "1";
const OWN: &str = "one";
const OTHER: &str = "rotated";

async fn before_a_gateway() -> (Tap, Holdline) {
    let shop = |key: &str| Shop {
        id: SHOP.to_owned(),
        key: key.to_owned(),
    };
    let settings = Settings {
        shops: vec![shop(OWN), shop(OTHER)],
        latency: Latency::Fixed(ms(50)),
        duplicate_window: std::time::Duration::ZERO,
        ..Settings::default()
    };
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    // No span of the process may end before the test has looked.
    for key in ["SUBMIT__TIMEOUT", "HOLD__TIMEOUT"] {
        holdline.keys.push((key, "10s".to_owned()));
    }
    holdline.start().await;
    (tap, holdline)
}

fn payment(holdline: &Holdline, words: &str, secret: &str, key: Option<&str>) -> Asking {
    let asking = Asking::new(holdline.address(), "POST", "/transactions/payments")
        .tracking("order")
        .words(words)
        .of_shop(SHOP, secret);
    match key {
        Some(key) => asking.key(key),
        None => asking,
    }
}

async fn the_other_is_told_nothing(tap: &Tap, holdline: &Holdline, words: &str, key: Option<&str>) {
    let told = payment(holdline, words, OTHER, key).send().await;
    told.is_in_doubt();
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
}

/// Kills the process once the payment stands there, and once more after the other one has asked.
async fn only_its_own_secret_gets_it(
    words: &str,
    key: Option<&str>,
    stands: impl Fn(&Tap) -> bool,
) {
    let (tap, mut holdline) = before_a_gateway().await;
    let line = payment(&holdline, words, OWN, key).open().await;
    until("the payment stands there", || stands(&tap)).await;
    the_other_is_told_nothing(&tap, &holdline, words, key).await;
    for _ in 0..2 {
        holdline.kill();
        holdline.start().await;
        the_other_is_told_nothing(&tap, &holdline, words, key).await;
    }
    drop(line);
    tap.gateway.finish_held();
    let answer = payment(&holdline, words, OWN, key).send().await;
    answer.is_gateway(200);
    let ledger = tap.gateway.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (1, 1));
}

#[tokio::test]
async fn a_task_that_runs_is_its_own_secrets_alone() {
    for key in [None, Some("key")] {
        let is_polled = |tap: &Tap| {
            let ledger = tap.gateway.ledger();
            ledger.tasks.iter().any(|task| !task.polls.is_empty())
        };
        only_its_own_secret_gets_it("hold", key, is_polled).await;
    }
}

#[tokio::test]
async fn a_payment_in_doubt_is_its_own_secrets_alone() {
    // Its answer comes never; the search finds it once it has ended.
    for key in [None, Some("key")] {
        let has_left = |tap: &Tap| !tap.gateway.ledger().submits.is_empty();
        only_its_own_secret_gets_it("hold late=60000", key, has_left).await;
    }
}

#[tokio::test]
async fn an_answer_that_waits_is_its_own_secrets_alone() {
    for key in [None, Some("key")] {
        let (tap, mut holdline) = before_a_gateway().await;
        let line = payment(&holdline, "", OWN, key).open().await;
        until("it was submitted", || {
            !tap.gateway.ledger().charges.is_empty()
        })
        .await;
        line.reset();
        let mut is_kept = || {
            let (_, listed) = holdline.ask_journal(&["ls", "--undelivered", "--json"]);
            listed.contains("\"order\"")
        };
        until("the answer waits", &mut is_kept).await;
        for _ in 0..2 {
            the_other_is_told_nothing(&tap, &holdline, "", key).await;
            holdline.kill();
            holdline.start().await;
        }
        payment(&holdline, "", OWN, key)
            .send()
            .await
            .is_gateway(200);
        assert_eq!(tap.gateway.ledger().submits.len(), 1);
    }
}
