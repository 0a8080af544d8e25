//! What the operator sees: the page, well-formed, escaped and under a strict policy, and the tasks.
use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use holdline::polling::ScheduleKind;

use crate::stage::asking::{Answer, Asking};
use crate::stage::bench::{Bench, holdline, ms};

/// Tracking ids of clients that mean no good, or that are only unusual.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "\u{202e}gpj.exe\u{2066}",
    "</main></body>&lt;",
    "line\u{2028}break",
    "日本の注文",
];

/// Reads a document and says what is not well-formed in it. It knows what XML asks of tags,
/// attributes and text; the style and the script are taken as they are.
fn fault(document: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = document.strip_prefix("<!DOCTYPE html>\n")?;
    while let Some((text, tag)) = rest.split_once('<') {
        if let Some(fault) = fault_of_text(text) {
            return Some(fault);
        }
        let Some((tag, after)) = tag.split_once('>') else {
            return Some(format!("a tag without an end: {tag}"));
        };
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Some(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let is_empty = tag.ends_with('/');
        let (name, attributes) = tag
            .trim_end_matches('/')
            .split_at_checked(tag.find([' ', '/']).unwrap_or(tag.len()))?;
        if let Some(fault) = fault_of_attributes(attributes) {
            return Some(format!("<{name}>: {fault}"));
        }
        if !is_empty {
            open.push(name);
        }
        if matches!(name, "style" | "script") {
            let end = format!("</{name}>");
            rest = &rest[rest.find(&end)?..];
        }
    }
    (!open.is_empty()).then(|| format!("left open: {open:?}"))
}

fn fault_of_text(text: &str) -> Option<String> {
    let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    let is_bad = |after: &str| !entities.iter().any(|entity| after.starts_with(entity));
    let bad = text.split('&').skip(1).find(|after| is_bad(after));
    let control = text.chars().find(|it| it.is_control() && *it != '\n');
    bad.map(|after| format!("an & that is none: {after}"))
        .or_else(|| control.map(|it| format!("a control: {it:?}")))
}

fn fault_of_attributes(text: &str) -> Option<String> {
    let mut parts = text.split('"');
    loop {
        let before = parts.next()?;
        if before.trim().is_empty() {
            return None;
        }
        let name = before.strip_prefix(' ').and_then(|it| it.strip_suffix('='));
        let is_name = |it: &str| {
            it.bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte.is_ascii_digit())
        };
        if !name.is_some_and(is_name) {
            return Some(format!("no attribute: {before}"));
        }
        let fault = parts
            .next()
            .map_or_else(|| Some("no value".to_owned()), fault_of_text);
        if fault.is_some() {
            return fault;
        }
    }
}

#[test]
fn the_reader_of_documents_finds_what_is_wrong() {
    let sound = "<!DOCTYPE html>\n<html><p id=\"a\" class=\"b\">1 &lt; 2<br/></p></html>\n";
    assert_eq!(fault(sound), None);
    for (from, to) in [
        ("<br/>", "<br>"),
        ("</p>", ""),
        ("&lt;", "&less"),
        ("\"a\"", "a"),
        ("class=", "onclick=\"x\" cla;ss="),
        ("1", "\u{1b}"),
    ] {
        assert!(fault(&sound.replace(from, to)).is_some(), "{to}");
    }
}

/// What stands between the first tag of this name and its end.
fn inside<'a>(document: &'a str, tag: &str) -> &'a str {
    let (_, after) = document.split_once(&format!("<{tag}")).unwrap();
    let (_, after) = after.split_once('>').unwrap();
    after.split_once(&format!("</{tag}>")).unwrap().0
}

/// A gateway that holds every payment, and a payment with each id.
async fn held(ids: &[&str]) -> (Bench, Vec<crate::stage::asking::Line>) {
    let bench = holdline().start().await;
    let mut lines = Vec::new();
    for id in ids {
        // The bench writes it between quotes as it is.
        let id = serde_json::to_string(id).unwrap();
        let id = id
            .strip_prefix('"')
            .and_then(|it| it.strip_suffix('"'))
            .unwrap();
        lines.push(bench.pay(id).words("hold").open().await);
    }
    bench.accepted(ids.len()).await;
    (bench, lines)
}

#[tokio::test]
async fn the_page_is_well_formed_whatever_clients_send() {
    let long = "x".repeat(250);
    let ids: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let (bench, _lines) = held(&ids).await;
    let answer = bench.operator("/").await;
    let page = answer.text();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.field("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(fault(&page), None, "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    for never in [
        "<script>alert",
        "onerror='",
        "\u{202e}",
        "\u{2066}",
        "\u{2028}",
        &long,
    ] {
        assert!(!page.contains(never), "{never}");
    }
    for secret in ["4200000000000000", "Basic ", holdline::simulator::DEMO_KEY] {
        assert!(!page.contains(secret), "{secret}");
    }
    assert!(page.contains("日本の注文"), "what is only unusual is shown");
}

#[tokio::test]
async fn the_page_lets_in_nothing_but_its_own_style_and_script() {
    let (bench, _lines) = held(&["order"]).await;
    let answer = bench.operator("/").await;
    let page = answer.text();
    let policy = answer.field("content-security-policy").unwrap();
    for tag in ["style", "script"] {
        let hash = STANDARD.encode(digest(&SHA256, inside(&page, tag).as_bytes()));
        assert!(
            policy.contains(&format!("{tag}-src 'sha256-{hash}'")),
            "{policy}"
        );
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1);
    }
    for closed in [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(closed), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    // A style in an attribute would not be let in, and nothing of it comes from elsewhere.
    for never in [" style=\"", " onclick", "http://", "https://", "src=\""] {
        assert!(
            !page.replace(inside(&page, "pre"), "").contains(never),
            "{never}"
        );
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.field(name), Some(value));
    }
}

#[tokio::test]
async fn every_metric_of_the_page_is_exposed() {
    let (bench, _lines) = held(&["order"]).await;
    // One that failed, so that the page tells of failures as well.
    bench.pay("lost").words("swallow").send().await;
    let page = bench.operator("/").await.text();
    let metrics = bench.operator("/metrics").await.text();
    let marked = page.split("data-metric=\"").skip(1);
    let shown: BTreeSet<&str> = marked.filter_map(|it| it.split('"').next()).collect();
    assert!(shown.len() > 20, "{shown:?}");
    for name in shown {
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{name}");
    }
}

#[tokio::test]
async fn a_head_request_is_told_the_length_and_nothing_else() {
    let bench = holdline().start().await;
    for path in ["/", "/livez", "/readyz", "/metrics", "/tasks"] {
        let head = Asking::new(bench.admin, "HEAD", path).anonymous();
        let head = head.field("connection", "close");
        let mut line = crate::stage::asking::Line::connect(bench.admin).await;
        line.send(&head.bytes()).await;
        let bytes = String::from_utf8(line.read_to_end().await).unwrap();
        let (fields, body) = bytes.split_once("\r\n\r\n").unwrap();
        assert!(fields.starts_with("HTTP/1.1 200 "), "{path}: {fields}");
        assert!(fields.contains("content-length: "), "{path}: {fields}");
        assert_eq!(body, "", "{path}");
    }
}

#[tokio::test]
async fn connections_that_say_nothing_shut_nobody_out_for_long() {
    let bench = holdline().start().await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        let mut line = crate::stage::asking::Line::connect(bench.admin).await;
        line.send(&Asking::new(bench.admin, "GET", "/livez").bytes())
            .await;
        assert_eq!(line.answer().await.status, 200);
        idle.push(line);
    }
    assert_eq!(bench.operator("/livez").await.status, 200);
}

#[tokio::test]
async fn what_is_in_doubt_is_on_the_page_and_where_no_command_reaches_it_is_told() {
    let bench = holdline().start().await;
    // Without an id to search by there is nothing to ask the gateway.
    let body = r#"{"request":{"amount":1,"currency":"USD","description":"swallow","credit_card":{"number":"4200000000000000","exp_month":"01","exp_year":"2030","verification_value":"123","holder":"J"}}}"#;
    let told = bench.post("/transactions/payments").body(body).send().await;
    told.is_in_doubt();
    let tasks = bench.operator("/tasks?state=in-doubt").await.json();
    assert_eq!(tasks["in_doubt"], 1);
    let id = tasks["tasks"][0]["exchange"].as_str().unwrap().to_owned();
    assert_eq!(tasks["tasks"][0]["cause"], "submit-lost");
    let page = bench.operator("/").await.text();
    assert!(page.contains("1 exchange is in doubt"), "{page}");
    let doubts = page.split("<section").find(|it| it.contains(&id)).unwrap();
    assert!(doubts.contains("payments"), "{doubts}");
    assert!(page.contains(&format!("/tasks/{id}")), "{page}");
    assert!(page.contains("there is no control socket"), "{page}");
}

#[tokio::test]
async fn a_refund_in_doubt_is_told_with_the_transaction_that_it_acts_on() {
    let bench = holdline().start().await;
    let body = r#"{"request":{"amount":1,"parent_uid":"1-parent","reason":"swallow"}}"#;
    let told = bench.post("/transactions/refunds").body(body).send().await;
    assert_eq!(told.is_in_doubt().json()["parent_uid"], "1-parent");
    let tasks = bench.operator("/tasks?state=in-doubt").await.json();
    assert_eq!(tasks["tasks"][0]["parent_uid"], "1-parent");
    let path = format!("/tasks/{}", tasks["tasks"][0]["exchange"].as_str().unwrap());
    let stories = bench.operator(&path).await.json();
    assert_eq!(stories[0]["parent_uid"], "1-parent");
    let page = bench.operator("/").await.text();
    assert!(page.contains("refunds of <bdi>1-parent"), "{page}");
}

#[tokio::test]
async fn tasks_are_told_with_what_they_wait_for_and_page_by_page() {
    let (bench, _lines) = held(&["one", "two", "three"]).await;
    let all = bench.operator("/tasks").await.json();
    assert_eq!(all["running"], 3);
    assert_eq!((&all["listed"], &all["more"]), (&3.into(), &0.into()));
    let task = &all["tasks"][0];
    assert_eq!(task["state"], "running");
    assert_eq!(task["waiters"], 1);
    assert!(task["request_id"].is_string(), "{task}");
    let rest = bench.operator("/tasks?state=running&skip=2").await.json();
    assert_eq!(rest["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(rest["tasks"][0]["exchange"], all["tasks"][2]["exchange"]);
    let none = bench.operator("/tasks?state=undelivered").await.json();
    assert_eq!(none["tasks"].as_array().unwrap().len(), 0);
    let wrong: Answer = bench.operator("/tasks?state=all").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("state=in-doubt"), "{}", wrong.text());
}

#[tokio::test]
async fn an_exchange_is_a_timeline_for_browsers_and_json_for_programs() {
    let (bench, _lines) = held(&[HOSTILE[0]]).await;
    let tasks = bench.operator("/tasks").await.json();
    let id = tasks["tasks"][0]["exchange"].as_str().unwrap().to_owned();
    let path = format!("/tasks/{id}");
    bench
        .metric("holdline_polls_total{answer=\"pending\"}")
        .await;
    let browser = Asking::new(bench.admin, "GET", &path).anonymous();
    let answer = browser.field("accept", "text/html,*/*").send().await;
    let page = answer.text();
    assert_eq!(answer.status, 200);
    assert!(answer.field("content-security-policy").is_some());
    assert_eq!(fault(&page), None, "{page}");
    for part in [
        "sent the submit",
        "polled: the task runs",
        "&lt;script&gt;alert(1)",
    ] {
        assert!(page.contains(part), "{page}");
    }
    let stories = bench.operator(&path).await.json();
    assert_eq!(stories[0]["exchange"], id.as_str());
    assert_eq!(stories[0]["state"], "running");
    assert_eq!(stories[0]["steps"][0]["what"], "read the request");
    let unknown = bench.operator("/tasks/%3Cscript%3E").await;
    assert_eq!((unknown.status, unknown.text().as_str()), (404, "[]"));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_counted_and_told_of() {
    let (bench, mut lines) = held(&["order"]).await;
    let tasks = bench.operator("/tasks").await.json();
    let path = format!("/tasks/{}", tasks["tasks"][0]["exchange"].as_str().unwrap());
    lines.pop().unwrap().reset();
    bench.metric("holdline_client_gone_seconds_count 1\n").await;
    let told = bench.operator(&path).await.text();
    assert!(told.contains("a client hung up"), "{told}");
    bench.simulated().finish_held();
    bench
        .metric("holdline_detection_delay_seconds_count 1\n")
        .await;
    bench.metric("holdline_undelivered 1\n").await;
    let told = bench.operator(&path).await.text();
    assert!(told.contains("no client waited"), "{told}");
}

#[tokio::test]
async fn how_each_route_is_polled_is_drawn_on_the_page() {
    // The bench's own schedule is a fixed one, and its longest interval is short.
    let bench = holdline()
        .configure(|config| {
            config.polling.schedule = ScheduleKind::Learned;
            config.polling.min_interval = ms(8);
        })
        .start()
        .await;
    let page = bench.operator("/").await.text();
    assert!(page.contains("No exchange has begun"), "{page}");
    bench.pay("order").send().await.is_gateway(200);
    bench.metric("holdline_polls_per_exchange_count 1\n").await;
    let page = bench.operator("/").await.text();
    assert_eq!(fault(&page), None, "{page}");
    let polling = page.split_once("id=\"polling\"").unwrap().1;
    for part in [
        "payments",
        "nothing learned yet",
        "Delay against polls",
        "How long tasks take",
        "The curve in numbers",
    ] {
        assert!(polling.contains(part), "{part}: {polling}");
    }
    // Each drawing says in words what it shows.
    let drawings = polling.matches("<svg").count();
    assert_eq!(drawings, 2);
    assert_eq!(polling.matches("<desc>").count(), drawings);
}
