//! `holdline probe` before simulated gateways that differ in what the documentation leaves open.
use std::process::{Command, Output};
use std::time::Duration;

use holdline::config::{File, Flags, resolve};
use holdline::simulator::{
    DEMO_KEY, DEMO_SHOP, Gateway, Latency, PollUrls, Running, Settings, TaskRepeat, Validation,
};
use holdline::timing::Clock;

use crate::stage::bench::ms;
use crate::stage::tap::Tap;

/// Long enough that a task still runs when it is asked for.
const WORK: Duration = Duration::from_millis(700);

fn settings() -> Settings {
    Settings {
        latency: Latency::Fixed(WORK),
        ..Settings::default()
    }
}

/// What a probe of such a gateway says.
async fn probed(settings: Settings) -> (Output, Tap) {
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdline"));
    command
        .args(["probe", "--test-shop", "--secret", "env:SHOP_KEY"])
        .args(["--upstream", &format!("http://{}", tap.address)])
        .args(["--shop", DEMO_SHOP])
        .env("SHOP_KEY", DEMO_KEY);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    (output.await.unwrap(), tap)
}

#[track_caller]
fn report(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    let report = String::from_utf8(output.stdout.clone()).unwrap();
    for secret in [DEMO_KEY, "4200000000000000"] {
        assert!(!report.contains(secret) && !complaint.contains(secret));
    }
    report
}

#[track_caller]
fn says(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.lines().any(|it| it == *line), "{line}\n{report}");
    }
}

#[tokio::test]
async fn a_gateway_as_it_is_documented() {
    let (output, tap) = probed(settings()).await;
    let report = report(&output);
    says(
        &report,
        &[
            "# - a submit is accepted with 200",
            "# - the poll URL is at the gateway's own origin",
            "# - the result of a running task is answered 425",
            "# - the status of a running task is answered 200",
            "# - a poll without credentials is answered 401",
            "# - a search finds a running payment: no",
            "# - its result is 200, of a known shape",
            "# - read once more it is the same",
            "# - a search finds a finished payment: yes",
            "# - a wrong secret key is answered 401",
            "# - a repeat under the same key while it runs: the first one's task is given again",
            "# - a repeat under the same key after its end: the first one's task is given again",
            "# - a repeated refund under the same key while it runs: the first one's task is given again",
            "# - a repeated refund under the same key after its end: the first one's task is given again",
            "# - a refund of an unknown payment has a result of 404, given once",
            "# - a payment without an amount is refused at the submit with 422",
            "# - a declined payment has a result of 200",
            "# - a failed result, once its status was asked for, is gone: the status gave it, and gave it \
             once (status 404)",
            "resubmits = 1",
            "unknown_grace = \"5s\"",
        ],
    );
    // Two payments and a refund succeeded, though the second and the third were submitted three times.
    let ledger = tap.gateway.ledger();
    let successful = ledger.charges.iter().filter(|it| it.status == "successful");
    assert_eq!(successful.count(), 3);
    let file = File {
        path: "probe.toml".into(),
        text: report,
    };
    let resolved = resolve(Some(&file), [], &Flags::default());
    assert_eq!(resolved.unwrap().config.exchange.resubmits, 1);
}

#[tokio::test]
async fn a_gateway_with_every_switch_the_other_way() {
    let other = Settings {
        accepted_code: 202,
        running_status_code: 425,
        running_result_code: 200,
        poll_authorization: false,
        status_spends: false,
        task_repeat: TaskRepeat::Conflict,
        validation: Validation::Result,
        running: Running::Incomplete,
        poll_urls: PollUrls::Foreign,
        ..settings()
    };
    let (output, _tap) = probed(other).await;
    says(
        &report(&output),
        &[
            "# - a submit is accepted with 202",
            "# - the poll URL is elsewhere",
            "#   Take care: holdline asks at the configured origin alone; see that it answers there.",
            "# - the result of a running task is answered 200",
            "# - the status of a running task is answered 425",
            "# - a poll without credentials is answered 425, as any other",
            "# - a search finds a running payment: yes",
            "# - a repeat under the same key while it runs: refused with 409",
            "# - a payment without an amount has a result of 422, given once",
            "# - a failed result, once its status was asked for, is there still (status 200)",
            "resubmits = 1",
        ],
    );
}

#[tokio::test]
async fn a_key_that_is_ignored_is_found_out_whether_or_not_another_filter_hides_it() {
    for (duplicate_window, told) in [
        (Duration::ZERO, "ANOTHER TRANSACTION: the key is ignored"),
        (
            Duration::from_secs(30),
            "another task, which ended with 422: the key is ignored",
        ),
    ] {
        let ignoring = Settings {
            task_repeat: TaskRepeat::Ignored,
            duplicate_window,
            ..settings()
        };
        let (output, _tap) = probed(ignoring).await;
        let running = format!("# - a repeat under the same key while it runs: {told}");
        says(&report(&output), &[&running, "resubmits = 0"]);
    }
}

#[tokio::test]
async fn a_key_that_is_ignored_for_refunds_alone_is_found_out() {
    let ignoring = Settings {
        task_repeat: TaskRepeat::SameButChildren,
        ..settings()
    };
    let (output, _tap) = probed(ignoring).await;
    says(
        &report(&output),
        &[
            "# - a repeat under the same key while it runs: the first one's task is given again",
            "# - a repeated refund under the same key while it runs: ANOTHER TRANSACTION: the key is ignored",
            "# A repeated refund under the same RequestID was not seen to be safe: a resubmit may refund twice.",
            "resubmits = 0",
        ],
    );
}

#[tokio::test]
async fn what_was_done_at_once_is_not_claimed() {
    let quick = Settings {
        latency: Latency::Fixed(ms(0)),
        ..settings()
    };
    let (output, _tap) = probed(quick).await;
    says(
        &report(&output),
        &[
            "# - a repeat under the same key while it runs: not found out: the first one was done at once",
            "resubmits = 0",
        ],
    );
}

/// The command, with these words alone.
fn said(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdline"));
    let output = command
        .arg("probe")
        .args(words)
        .env("SHOP_KEY", "wrong")
        .output();
    let output = output.unwrap();
    assert!(output.stdout.is_empty());
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_secret_is_never_given_nor_told_in_words() {
    let (code, complaint) = said(&["--test-shop", "--shop", "361", "--secret", "hunter2"]);
    assert_eq!(code, Some(64));
    assert!(complaint.contains("never the secret itself"), "{complaint}");
}

#[test]
fn nobody_pays_without_the_word_that_it_is_a_test() {
    let (code, complaint) = said(&["--shop", "361", "--secret", "env:SHOP_KEY"]);
    assert_eq!(code, Some(64));
    assert!(complaint.contains("--test-shop"), "{complaint}");
}

#[tokio::test]
async fn a_shop_that_the_gateway_does_not_know_ends_the_probe() {
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings(), clock), clock).await;
    let upstream = format!("http://{}", tap.address);
    let said = tokio::task::spawn_blocking(move || {
        said(&[
            "--test-shop",
            "--shop=361",
            "--secret=env:SHOP_KEY",
            "--upstream",
            &upstream,
        ])
    });
    let (code, complaint) = said.await.unwrap();
    assert_eq!(code, Some(1), "{complaint}");
    assert!(
        complaint.contains("does not know these credentials (401)"),
        "{complaint}"
    );
    assert_eq!(tap.gateway.ledger().charges.len(), 0);
}
