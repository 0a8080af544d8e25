//! SIGHUP: what is taken over at once, what waits for a restart, and what is refused as a whole.
use holdline::simulator::DEMO_SHOP;
use serde_json::Value;

use crate::killed::holdline::Holdline;
use crate::stage::asking::Asking;
use crate::stage::bench::{ROTATED_KEY, ms, until};
use crate::stage::upstream::{Upstream, upstream};

/// A holdline that holds for long, before a gateway that takes its time.
async fn holding(work: u64) -> (Upstream, Holdline) {
    let upstream = upstream(ms(work)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline
        .write("[hold]\ntimeout = \"20s\"\n[polling]\nschedule = \"fixed\"\ninterval = \"50ms\"\n");
    holdline.start().await;
    (upstream, holdline)
}

fn pay(holdline: &Holdline, tracking_id: &str) -> Asking {
    Asking::new(holdline.address(), "POST", "/transactions/payments").tracking(tracking_id)
}

async fn metrics(holdline: &Holdline) -> String {
    let asking = Asking::new(holdline.operator(), "GET", "/metrics");
    asking.anonymous().send().await.text()
}

/// SIGHUP, until what came of it is in the log; the lines about it.
async fn reload(holdline: &Holdline) -> Vec<Value> {
    let begins = |line: &Value| line["message"] == "reading the configuration again";
    let count = |log: &[Value]| log.iter().filter(|line| begins(line)).count();
    let before = count(&holdline.log());
    holdline.signal("-HUP");
    let mut about = Vec::new();
    until("the reload ends", || {
        let log = holdline.log();
        let begin = log.iter().rposition(begins).map_or(log.len(), |at| at + 1);
        about = log[begin..].to_vec();
        let ends = |line: &Value| line["message"].as_str().unwrap().starts_with("reload");
        let end = about.iter().position(ends);
        end.is_some_and(|end| {
            about.truncate(end + 1);
            count(&log) > before
        })
    })
    .await;
    about
}

fn said(lines: &[Value], message: &str) -> Vec<String> {
    let about = lines.iter().filter(|line| line["message"] == message);
    about
        .map(|line| line["key"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_may_change_is_in_force_at_once_and_what_is_held_keeps_what_it_began_with() {
    let (upstream, holdline) = holding(400).await;
    let mut held = pay(&holdline, "before").open().await;
    crate::told::stop::submitted(&upstream, 1).await;
    holdline.write("[hold]\ntimeout = \"1s\"\n[submit]\nstart = \"1s\"\n[routes]\nrefunds = \"refuse\"\n[limits]\nbody = \"1KiB\"\n[log]\nlevel = \"debug\"\n");
    let lines = reload(&holdline).await;
    let mut changed = said(&lines, "in force from now on");
    changed.sort_unstable();
    assert_eq!(
        changed,
        [
            "hold.timeout",
            "limits.body",
            "log.level",
            "polling.interval",
            "polling.schedule",
            "routes.refunds",
            "submit.start"
        ]
    );
    assert_eq!(said(&lines, "needs a restart"), [""; 0]);
    held.answer().await.is_gateway(200);
    let refund = Asking::new(holdline.address(), "POST", "/transactions/refunds").body("{}");
    assert_eq!(refund.send().await.status, 403);
    let large = pay(&holdline, "large").body(vec![b' '; 2048]);
    assert_eq!(large.send().await.status, 413);
    let waits = pay(&holdline, "waits").words("hold").send().await;
    assert_eq!(waits.status, 504, "the new hold is one second");
    let metrics = metrics(&holdline).await;
    assert!(
        metrics.contains("holdline_config_reloads_total{result=\"applied\"} 1\n"),
        "{metrics}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "other levels from now on" && line["to"] == "debug")
    );
}

/// Returns once no answer waits for its client.
async fn delivered(holdline: &Holdline) {
    let tasks = || Asking::new(holdline.operator(), "GET", "/tasks").anonymous();
    while tasks().send().await.json()["undelivered"] != 0 {
        tokio::time::sleep(ms(5)).await;
    }
}

/// Another way of payments, and every key of the file that `holding` writes.
fn routed(payments: &str) -> String {
    format!("[hold]\ntimeout = \"20s\"\n[routes]\npayments = \"{payments}\"\n")
}

#[tokio::test]
async fn the_repeat_of_what_runs_joins_it_though_its_route_is_converted_no_more() {
    for (payments, other) in [("relay", 200), ("refuse", 403)] {
        let (upstream, holdline) = holding(1_000).await;
        let mut held = pay(&holdline, "runs").open().await;
        crate::told::stop::submitted(&upstream, 1).await;
        holdline.write(&routed(payments));
        assert!(
            said(&reload(&holdline).await, "in force from now on")
                .contains(&"routes.payments".to_owned())
        );
        let mut repeat = pay(&holdline, "runs").open().await;
        let (first, again) = (held.answer().await, repeat.answer().await);
        assert_eq!(
            first.is_gateway(200).uid(),
            again.is_gateway(200).uid(),
            "{payments}"
        );
        assert_eq!(upstream.gateway.ledger().charges.len(), 1, "{payments}");
        assert_eq!(pay(&holdline, "other").send().await.status, other);
    }
}

#[tokio::test]
async fn the_repeat_of_what_is_kept_is_given_it_though_its_route_is_converted_no_more() {
    let (upstream, mut holdline) = holding(50).await;
    let keyed = |holdline: &Holdline| pay(holdline, "keyed").key("order-7");
    let first = keyed(&holdline).send().await;
    holdline.kill();
    holdline.write(&routed("relay"));
    holdline.start().await;
    let again = keyed(&holdline).send().await;
    assert_eq!(first.is_gateway(200).uid(), again.is_gateway(200).uid());
    assert_eq!(upstream.gateway.ledger().charges.len(), 1);
    assert_eq!(pay(&holdline, "other").send().await.status, 200);
    assert_eq!(
        upstream.gateway.ledger().charges.len(),
        2,
        "it was passed on"
    );
}

#[tokio::test]
async fn the_repeat_of_what_its_payer_had_yet_to_finish_is_answered_whatever_its_route() {
    for payments in ["relay", "refuse"] {
        let (upstream, mut holdline) = holding(50).await;
        let keyed = |holdline: &Holdline| {
            let asking = pay(holdline, "3-D Secure").card("4012000000003010");
            asking.key("order-7")
        };
        let first = keyed(&holdline).send().await;
        assert_eq!(first.json()["transaction"]["status"], "incomplete");
        delivered(&holdline).await;
        assert_eq!(holdline.stop().await, Some(0));
        holdline.write(&routed(payments));
        holdline.start().await;
        let again = keyed(&holdline).send().await;
        again.is_gateway(200).is_same_as(&first);
        assert_eq!(upstream.gateway.ledger().submits.len(), 1, "{payments}");
    }
}

#[tokio::test]
async fn the_repeat_of_what_runs_is_not_too_large_though_the_limit_was_lowered() {
    let (upstream, holdline) = holding(1_000).await;
    let note = format!("\"note\":\"{}\",", "x".repeat(2048));
    let paid = || pay(&holdline, "paid").key("order-7").members(&note);
    paid().send().await.is_gateway(200);
    delivered(&holdline).await;
    let mut held = pay(&holdline, "large").members(&note).open().await;
    crate::told::stop::submitted(&upstream, 2).await;
    holdline.write("[hold]\ntimeout = \"20s\"\n[limits]\nbody = \"1KiB\"\nbodies = \"1MiB\"\n");
    reload(&holdline).await;
    let repeat = pay(&holdline, "large").members(&note).send().await;
    repeat.is_ours(504, "P.1019", "in-progress");
    paid().send().await.is_ours(504, "F.1000", "completed");
    let other = pay(&holdline, "other").members(&note).send().await;
    assert_eq!(other.status, 413);
    let chunked = |tracking_id: &str, note: &str| {
        let whole = pay(&holdline, tracking_id).members(note).body_bytes();
        let asking = pay(&holdline, tracking_id).field("Transfer-Encoding", "chunked");
        asking.body(in_chunks(&whole))
    };
    let repeat = chunked("large", &note).send().await;
    repeat.is_ours(504, "P.1019", "in-progress");
    let others = chunked("large", &note).of_shop(DEMO_SHOP, ROTATED_KEY);
    others.send().await.is_in_doubt();
    assert_eq!(chunked("other", &note).send().await.status, 413);
    let beyond_the_room = format!("\"note\":\"{}\",", "x".repeat(1 << 21));
    let unknown = chunked("other", &beyond_the_room).send().await;
    unknown.is_in_doubt();
    assert!(unknown.text().contains("with a Content-Length"));
    held.answer().await.is_gateway(200);
    assert_eq!(upstream.gateway.ledger().submits.len(), 2);
}

/// The limit in force tells nothing of what runs.
#[tokio::test]
async fn a_repeat_that_is_too_large_now_joins_though_its_route_is_converted_no_more() {
    let (upstream, holdline) = holding(1_500).await;
    let note = format!("\"note\":\"{}\",", "x".repeat(2048));
    let large = |tracking_id: &str| pay(&holdline, tracking_id).members(&note);
    let mut held = large("large").open().await;
    crate::told::stop::submitted(&upstream, 1).await;
    let limits = "[limits]\nbody = \"1KiB\"\nbodies = \"1MiB\"\n";
    holdline.write(&format!("{}{limits}", routed("relay")));
    reload(&holdline).await;
    let mut sized = large("large").open().await;
    let chunked = |asking: Asking| {
        let whole = asking.body_bytes();
        let asking = asking.field("Transfer-Encoding", "chunked");
        asking.body(in_chunks(&whole))
    };
    let mut in_pieces = chunked(large("large")).open().await;
    // What repeats nothing is passed on, however it is framed.
    assert_eq!(large("other").send().await.status, 200);
    assert_eq!(chunked(large("another")).send().await.status, 200);
    let uid = held.answer().await.is_gateway(200).uid();
    assert_eq!(sized.answer().await.is_gateway(200).uid(), uid);
    assert_eq!(in_pieces.answer().await.is_gateway(200).uid(), uid);
    assert_eq!(upstream.gateway.ledger().charges.len(), 3);
}

/// A body without its length, in chunks of 700 bytes.
fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut chunked = Vec::new();
    for chunk in body.chunks(700) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    chunked
}

#[tokio::test]
async fn a_broken_file_is_told_with_every_fault_and_the_old_one_stays() {
    let (_upstream, holdline) = holding(50).await;
    let secret = "Xanary-4917610493826157";
    holdline.write(&format!(
        "[hold]\ntimeout = \"soon\"\n[routes]\nrefund = \"refuse\"\npassword = \"{secret}\"\n"
    ));
    let lines = reload(&holdline).await;
    let told: Vec<&str> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(
        told[0].contains("line 10: hold.timeout \"soon\" is no duration"),
        "{told:?}"
    );
    assert!(
        told[1].contains("line 12: routes.refund is not known; did you mean refunds?"),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|it| it.contains("routes.password is not known")),
        "{told:?}"
    );
    assert_eq!(
        told.last(),
        Some(&"reload refused: the old configuration stays")
    );
    pay(&holdline, "still").send().await.is_gateway(200);
    for broken in [
        format!("[hold]\ntimeout = \"{secret}\n"),
        format!("upstream = \"https://shop:{secret}@gateway.example\"\n"),
        format!("= {secret}\n"),
        format!(
            "[[gateway]]\nname = \"b\"\nlisten = \"127.0.0.1:1\"\nupstream = \"https://shop:{secret}@gateway.example\"\n"
        ),
        "\u{0}".to_owned(),
    ] {
        holdline.write(&broken);
        let lines = reload(&holdline).await;
        assert_eq!(
            lines.last().unwrap()["message"],
            "reload refused: the old configuration stays"
        );
    }
    std::fs::remove_file(holdline.config()).unwrap();
    let lines = reload(&holdline).await;
    assert!(
        lines[0]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be read")
    );
    pay(&holdline, "and still").send().await.is_gateway(200);
    let metrics = metrics(&holdline).await;
    assert!(
        metrics.contains("holdline_config_reloads_total{result=\"refused\"} 7\n"),
        "{metrics}"
    );
    assert!(!holdline.said().contains(secret), "{}", holdline.said());
}

#[tokio::test]
async fn what_needs_a_restart_is_told_key_by_key_and_the_rest_is_in_force() {
    let (upstream, mut holdline) = holding(50).await;
    let (admin, text) = (holdline.operator(), holdline.configured());
    let text = text
        .replace(&admin.to_string(), "127.0.0.1:9")
        .replace(&upstream.address.to_string(), "127.0.0.1:7")
        .replace("20s", "19s");
    std::fs::write(holdline.config(), text).unwrap();
    let lines = reload(&holdline).await;
    assert_eq!(said(&lines, "in force from now on"), ["hold.timeout"]);
    assert_eq!(
        said(&lines, "needs a restart"),
        ["gateway.upstream", "admin.listen"]
    );
    let still = lines
        .iter()
        .find(|line| line["key"] == "gateway.upstream")
        .unwrap();
    assert_eq!(still["still"], format!("\"http://{}\"", upstream.address));
    let read_already = |key: &str| {
        let line = lines.iter().find(|line| line["key"] == key).unwrap();
        line["note"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(read_already("gateway.upstream"), "");
    assert!(read_already("admin.listen").contains("holdline healthcheck"));
    pay(&holdline, "same gateway").send().await.is_gateway(200);
    let metrics = metrics(&holdline).await;
    assert!(
        metrics.contains("holdline_config_keys_awaiting_restart 2\n"),
        "{metrics}"
    );
    assert_eq!(holdline.stop().await, Some(0));
}

/// At a start and at a reload alike.
#[tokio::test]
async fn too_few_descriptors_for_what_is_raised_are_told() {
    let upstream = upstream(ms(50)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.by = vec!["prlimit".to_owned(), "--nofile=200:200".to_owned()];
    let held = |held: u32| {
        format!("[upstream]\nconnections = 10\n[limits]\nconnections = 50\nheld = {held}\n")
    };
    holdline.write(&held(40));
    holdline.start().await;
    let is_told = |lines: &[Value]| {
        let told = "the limit of descriptors is below";
        let mut messages = lines.iter().filter_map(|line| line["message"].as_str());
        messages.any(|it| it.starts_with(told))
    };
    assert!(!is_told(&holdline.log()));
    holdline.write(&held(400));
    assert!(is_told(&reload(&holdline).await));
}

#[tokio::test]
async fn a_raised_limit_lets_in_who_waits_and_a_lowered_one_cuts_nobody_off() {
    let (_upstream, holdline) = holding(50).await;
    holdline
        .write("[limits]\nconnections = 1\n[hold]\ntimeout = \"20s\"\n[submit]\nstart = \"5s\"\n");
    reload(&holdline).await;
    let held = pay(&holdline, "first").words("hold").open().await;
    // The second client is in the backlog: nobody reads its request.
    let mut waits = pay(&holdline, "second").open().await;
    holdline
        .write("[limits]\nconnections = 2\n[hold]\ntimeout = \"20s\"\n[submit]\nstart = \"5s\"\n");
    reload(&holdline).await;
    waits.answer().await.is_gateway(200);
    drop(held);
}

#[tokio::test]
async fn issuers_are_read_again_and_a_file_without_any_is_refused() {
    let upstream = upstream(ms(50)).await;
    let mut holdline = Holdline::before(upstream.address);
    let issuer = rcgen::generate_simple_self_signed(["issuer.example".to_owned()]).unwrap();
    let file = holdline.directory().join("ca.pem");
    std::fs::write(&file, issuer.cert.pem()).unwrap();
    let text = holdline
        .configured()
        .replacen("[admin]", "ca_file = \"ca.pem\"\n[admin]", 1);
    std::fs::write(holdline.config(), text).unwrap();
    holdline.start().await;
    std::fs::write(&file, "nothing").unwrap();
    let lines = reload(&holdline).await;
    assert!(
        lines[0]["message"]
            .as_str()
            .unwrap()
            .contains("it has no certificate in it")
    );
    std::fs::write(&file, issuer.cert.pem()).unwrap();
    let lines = reload(&holdline).await;
    assert_eq!(lines.last().unwrap()["message"], "reloaded: 0 keys changed");
}

#[tokio::test]
async fn the_learned_schedule_is_taken_over_with_its_price_and_given_up_again() {
    let (_upstream, holdline) = holding(50).await;
    let polling = |keys: &str| {
        holdline.write(&format!("[hold]\ntimeout = \"20s\"\n[polling]\n{keys}\n"));
    };
    let price = |metrics: &str| {
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with("holdline_polling_price_seconds{"));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    for (name, keys, expected) in [
        ("learned", "schedule = \"learned\"", Some("0.05")),
        (
            "dearer",
            "schedule = \"learned\"\nprice = \"80ms\"",
            Some("0.08"),
        ),
        ("fixed", "schedule = \"fixed\"", None),
    ] {
        polling(keys);
        reload(&holdline).await;
        pay(&holdline, name).send().await.is_gateway(200);
        let metrics = metrics(&holdline).await;
        assert_eq!(price(&metrics).as_deref(), expected, "{metrics}");
    }
}
