//! A card, its code and a secret that are nowhere else, and every place in which they must not be:
//! outputs, what the operator sees, files, command line, environment and memory.
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use holdline::simulator::{Gateway, Latency, Settings, Shop};
use holdline::timing::Clock;

use super::holdline::Holdline;
use crate::stage::asking::{Asking, basic};
use crate::stage::bench::{PATIENCE, ms, until};
use crate::stage::tap::Tap;

const CARD: &str = "4917610493826157";
const CODE: &str = "83726159";
const SHOP: &str = "361";
/// With characters that every way of writing it changes.
const SECRET: &str = "cÄnary/\"+&=91c7e05bd2";
/// As much of the memory as is searched at once.
const PIECE: usize = 1 << 20;

/// A secret in one way of writing it.
struct Canary {
    what: String,
    bytes: Vec<u8>,
}

/// Every secret in every way of writing it.
fn canaries() -> Vec<Canary> {
    let authorization = basic(SHOP, SECRET);
    let secrets = [
        ("card", CARD),
        ("code", CODE),
        ("secret", SECRET),
        ("authorization", &*authorization),
        ("credentials", authorization.trim_start_matches("Basic ")),
    ];
    secrets
        .iter()
        .flat_map(|(name, secret)| {
            spellings(secret)
                .into_iter()
                .map(move |(how, bytes)| Canary {
                    what: format!("{name} {how}"),
                    bytes,
                })
        })
        .collect()
}

fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| {
        secret.bytes().fold(String::new(), |mut text, byte| {
            let written = if upper {
                write!(text, "{byte:02X}")
            } else {
                write!(text, "{byte:02x}")
            };
            written.unwrap();
            text
        })
    };
    let url = secret.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    });
    let json = serde_json::to_string(secret).unwrap();
    let debug = format!("{secret:?}");
    let mut all = vec![
        ("as it is", secret.as_bytes().to_vec()),
        ("in hex", hex(false).into_bytes()),
        ("in upper-case hex", hex(true).into_bytes()),
        ("for a URL", url.into_bytes()),
        ("in JSON", json.trim_matches('"').as_bytes().to_vec()),
        ("for debugging", debug.trim_matches('"').as_bytes().to_vec()),
    ];
    for start in 0..3 {
        for text in [in_base64(secret, start), in_url_base64(secret, start)] {
            all.push(("in base64", text));
        }
    }
    all
}

/// What of the base64 of a text does not depend on what stands around the secret, which begins
/// `start` bytes after a group of three.
fn in_base64(secret: &str, start: usize) -> Vec<u8> {
    let whole = [&vec![0; start][..], secret.as_bytes()].concat();
    let text = STANDARD_NO_PAD.encode(&whole).into_bytes();
    sure_part(&text, start, whole.len())
}

fn in_url_base64(secret: &str, start: usize) -> Vec<u8> {
    let whole = [&vec![0; start][..], secret.as_bytes()].concat();
    let text = URL_SAFE_NO_PAD.encode(&whole).into_bytes();
    sure_part(&text, start, whole.len())
}

fn sure_part(text: &[u8], start: usize, length: usize) -> Vec<u8> {
    // Four characters hold three bytes; those that share bits with a neighbour are left out.
    let from = (start * 4).div_ceil(3);
    let to = length / 3 * 4;
    text[from..to].to_vec()
}

/// What is found in these bytes.
fn found_in(bytes: &[u8], canaries: &[Canary]) -> Vec<String> {
    // The memory of a process is large, so every byte of it is looked at once.
    let mut begins = [false; 256];
    for canary in canaries {
        begins[usize::from(canary.bytes[0])] = true;
    }
    let mut found = BTreeSet::new();
    for (at, byte) in bytes.iter().enumerate() {
        if begins[usize::from(*byte)] {
            let here = |canary: &&Canary| bytes[at..].starts_with(&canary.bytes);
            found.extend(canaries.iter().filter(here).map(|it| it.what.clone()));
        }
    }
    found.into_iter().collect()
}

/// What is found in the memory of a process, with the region and what stands around it.
fn found_in_memory(id: u32, canaries: &[Canary]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{id}/mem")).unwrap();
    let mut found = Vec::new();
    for region in maps.lines() {
        let mut words = region.split_ascii_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let name = words.nth(3).unwrap_or("anonymous");
        let (from, to) = range.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let to = u64::from_str_radix(to, 16).unwrap();
        memory.seek(SeekFrom::Start(from)).unwrap();
        let mut bytes = Vec::new();
        // Some pages of the kernel's own cannot be read; they hold nothing of ours.
        let _partly = (&mut memory).take(to - from).read_to_end(&mut bytes);
        assert!(bytes.len() < 256 * PIECE, "{region}");
        let here = found_in(&bytes, canaries);
        found.extend(here.iter().map(|what| format!("{what} in {name}")));
    }
    found
}

fn files_in(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = files.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    read.collect()
}

async fn operator_sees(holdline: &Holdline) -> Vec<(String, Vec<u8>)> {
    let mut seen = Vec::new();
    for path in ["/metrics", "/tasks", "/livez", "/readyz", "/", "/nothing"] {
        let asking = Asking::new(holdline.operator(), "GET", path).anonymous();
        let answer = asking.send().await;
        let fields = format!("{:?}", answer.fields).into_bytes();
        seen.push((path.to_owned(), [fields, answer.body].concat()));
    }
    seen
}

fn payment(holdline: &Holdline, number: u64, words: &str) -> Asking {
    let body = format!(
        "{{\"request\":{{\"amount\":{},\"currency\":\"USD\",\"tracking_id\":\"order-{number}\",\
         \"description\":\"{words}\",\"credit_card\":{{\"number\":\"{CARD}\",\
         \"verification_value\":\"{CODE}\",\"holder\":\"Zoë\"}}}}}}",
        100 + number
    );
    Asking::new(holdline.address(), "POST", "/transactions/payments")
        .of_shop(SHOP, SECRET)
        .body(body)
}

async fn before_a_gateway() -> (Tap, Holdline) {
    let settings = Settings {
        shops: vec![Shop {
            id: SHOP.to_owned(),
            key: SECRET.to_owned(),
        }],
        latency: Latency::Fixed(ms(60)),
        ..Settings::default()
    };
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    // The search takes its time, and the gateway waits for it.
    for key in [
        "HOLD__TIMEOUT",
        "SUBMIT__TIMEOUT",
        "UPSTREAM__ANSWER_TIMEOUT",
    ] {
        holdline.keys.push((key, "5s".to_owned()));
    }
    starts(&mut holdline).await;
    (tap, holdline)
}

/// Starts, and is told over the control socket to tell everything.
async fn starts(holdline: &mut Holdline) {
    holdline.start().await;
    let told = holdline.command(&["log", "trace"]).output().unwrap();
    assert_eq!(told.stdout, b"trace\n", "{told:?}");
}

/// Payments that end in every way, reads, relayed requests, and requests that are refused.
/// Pays for orders from `first` on. Orders of their own: a lost payment that equals one which ended in
/// the last seconds stays in doubt, and is searched for long.
async fn trade(holdline: &Holdline, first: u64) {
    let ways = [
        "",
        "once",
        "decline",
        "fail=422",
        "swallow",
        "refuse=403",
        "id=path",
        "cut-body=20",
    ];
    let pay =
        |(number, words): (usize, &&str)| payment(holdline, first + number as u64, words).send();
    futures_util::future::join_all(ways.iter().enumerate().map(pay)).await;
    for path in [
        "/transactions/none",
        "/v2/transactions/tracking_id/none",
        "/elsewhere",
    ] {
        let asking = Asking::new(holdline.address(), "GET", path);
        asking.of_shop(SHOP, SECRET).send().await;
    }
    let relayed = payment(holdline, 50, "");
    let relayed = Asking::new(holdline.address(), "POST", "/elsewhere")
        .of_shop(SHOP, SECRET)
        .body(relayed.body_bytes());
    relayed.send().await;
    let encoded = payment(holdline, 51, "").field("Content-Encoding", "gzip");
    assert_eq!(encoded.send().await.status, 415);
    let keyed = payment(holdline, 52, "").key("a key");
    let [one, two] = [keyed.clone().send().await, keyed.send().await];
    two.is_same_as(&one);
}

/// A payment that is held is polled for with its credentials, so the search must find them.
async fn is_seen_while_it_is_held(holdline: &Holdline, canaries: &[Canary]) {
    let mut line = payment(holdline, 40, "delay=400").open().await;
    let id = holdline.id();
    until("the search finds what is there", || {
        !found_in_memory(id, canaries).is_empty()
    })
    .await;
    assert_eq!(line.answer().await.status, 200);
}

/// The process is killed while it holds a payment, which its next life ends.
async fn dies_in_between(holdline: &mut Holdline) {
    let asking = payment(holdline, 41, "delay=300");
    let mut held = asking.clone().open().await;
    tokio::time::sleep(ms(150)).await;
    holdline.kill();
    assert_eq!(held.try_answer().await, None);
    starts(holdline).await;
    asking.send().await.is_gateway(200);
}

/// Waits until nothing runs, and idle connections have been closed.
async fn is_at_rest(holdline: &Holdline) {
    let at_rest = async {
        loop {
            let asking = Asking::new(holdline.operator(), "GET", "/metrics");
            let metrics = asking.anonymous().send().await.text();
            let is_zero = |name: &str| metrics.lines().any(|line| line == format!("{name} 0"));
            if is_zero("holdline_running") && is_zero("holdline_upstream_connections_open") {
                return metrics;
            }
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, at_rest).await;
    in_time.expect("it is never at rest");
}

#[tokio::test]
async fn no_card_and_no_secret_is_in_any_place_that_outlives_the_exchange() {
    let (_tap, mut holdline) = before_a_gateway().await;
    let canaries = canaries();
    is_seen_while_it_is_held(&holdline, &canaries).await;
    trade(&holdline, 0).await;
    dies_in_between(&mut holdline).await;
    trade(&holdline, 20).await;
    is_at_rest(&holdline).await;
    let mut places = operator_sees(&holdline).await;
    let (is_told, listed) = holdline.ask_journal(&["ls", "--json"]);
    assert!(is_told && listed.contains("order-41"), "{listed}");
    for line in listed.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = row["exchange"].as_str().unwrap();
        for form in [&["show", id][..], &["show", id, "--json"]] {
            let (is_told, shown) = holdline.ask_journal(form);
            assert!(is_told && shown.contains(id), "{shown}");
            places.push((format!("journal show {id}"), shown.into_bytes()));
        }
    }
    places.push(("journal ls".to_owned(), listed.into_bytes()));
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{file}", holdline.id())).unwrap();
        places.push((file.to_owned(), bytes));
    }
    let in_memory = found_in_memory(holdline.id(), &canaries);
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    assert!(holdline.said().contains("TRACE") || holdline.said().contains("\"DEBUG\""));
    places.extend(files_in(holdline.directory()));
    let mut found: Vec<String> = in_memory;
    for (place, bytes) in &places {
        let here = found_in(bytes, &canaries);
        found.extend(here.iter().map(|what| format!("{what} in {place}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let canaries = canaries();
    for start in 0..3 {
        let text = [&"x".repeat(start), SECRET, "yz"].concat();
        for written in [
            text.clone(),
            STANDARD.encode(&text),
            serde_json::to_string(&text).unwrap(),
            format!("{text:?}"),
            format!("Basic {}", STANDARD.encode(format!("{SHOP}:{SECRET}"))),
        ] {
            assert!(
                !found_in(written.as_bytes(), &canaries).is_empty(),
                "{written}"
            );
        }
    }
    assert!(found_in(b"4917610493826158 and nothing else", &canaries).is_empty());
}
