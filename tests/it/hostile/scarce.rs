//! Room, descriptors and memory run out: what is new is refused before its intent, and what runs goes
//! on.
use crate::app::asking::Asking;
use crate::app::bench::{Bench, holdline, simulator, until};
use crate::app::scripted::{accepted, json, processing, raw, script};

/// A payment with a body of about 100 KiB.
fn large(bench: &Bench, tracking_id: &str) -> Asking {
    let note = format!("\"note\":\"{}\",", "x".repeat(100 * 1024));
    bench.pay(tracking_id).members(&note)
}

fn chunked(asking: Asking) -> Asking {
    let body = asking.body_bytes();
    let size = format!("{:x}\r\n", body.len()).into_bytes();
    let body = [&size, &body[..], b"\r\n0\r\n\r\n"].concat();
    asking.field("Transfer-Encoding", "chunked").body(body)
}

#[tokio::test]
async fn where_bodies_have_no_room_a_new_one_is_refused_and_a_repeat_is_known_all_the_same() {
    let says = |heard: &crate::app::scripted::Heard| match heard.method.as_str() {
        // The first payment's submit is never answered, so its body stays.
        "POST" if heard.body.windows(9).any(|it| it == b"\"hanging\"") => raw("").hanging(),
        "POST" => accepted(),
        _ if heard.is_poll() => processing(),
        _ => json(200, r#"{"transactions":[]}"#),
    };
    let setup = holdline().gateway(script(says));
    let setup = setup.configure(|config| config.proxy.bodies = 150 * 1024);
    let bench = setup.start().await;
    // What the gateway has taken needs no room any more.
    let mut lines = Vec::new();
    for number in 1..=3 {
        let asking = large(&bench, &format!("taken-{number}"));
        lines.push(asking.open().await);
        let polls = |bench: &Bench| bench.heard().iter().filter(|it| it.is_poll()).count();
        let before = polls(&bench);
        until("it is polled", || {
            bench.submits_heard_so_far() == number && polls(&bench) > before
        })
        .await;
    }
    let _held = large(&bench, "hanging").open().await;
    until("it is submitted", || bench.submits_heard_so_far() == 4).await;

    for asking in [large(&bench, "new"), large(&bench, "new").key("k")] {
        asking.send().await.is_refusal(503);
    }
    // What is known runs; what cannot be told apart may run.
    let repeat = large(&bench, "hanging").send().await;
    repeat.is_in_progress();
    let rotated = large(&bench, "hanging").of_shop("361", crate::app::bench::ROTATED_KEY);
    rotated.send().await.is_in_doubt();
    chunked(large(&bench, "new")).send().await.is_in_doubt();
    assert_eq!(bench.submits_heard_so_far(), 4, "nothing of them was sent");
    // Ordinary bodies need no room, and their repeats join.
    let _small = bench.pay("small").open().await;
    let _again = bench.pay("small").open().await;
    bench.metric("holdline_joined_total 1").await;
    assert_eq!(bench.submits_heard_so_far(), 5);
}

#[tokio::test]
async fn where_answers_wait_in_too_much_memory_a_new_payment_is_refused_and_a_repeat_is_not() {
    let setup = holdline().gateway(simulator().latency(crate::app::bench::ms(50)));
    let setup = setup.configure(|config| config.exchange.answers = 1);
    let bench = setup.start().await;
    bench.pay("left").open().await.reset();
    bench.at_rest().await;
    bench.pay("new").send().await.is_refusal(503);
    bench.submits_of("new").is(0);
    bench.pay("left").send().await.is_gateway(200);
    bench.settled().await;
    bench.pay("new").send().await.is_gateway(200);
}
