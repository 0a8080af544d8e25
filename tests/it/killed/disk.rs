//! A disk that is full, fails or may not be written, under the built binary: nothing new is sent, what
//! runs is answered from memory, and all is well again when the disk is.
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use holdline::simulator::{Gateway, Latency, Settings};
use holdline::timing::Clock;

use super::holdline::Holdline;
use super::tracer::{SYNCS, Tracer, WRITES, is_there};
use crate::stage::asking::{Answer, Asking};
use crate::stage::bench::{PATIENCE, ms};
use crate::stage::tap::Tap;

pub(super) async fn before_a_gateway() -> (Tap, Holdline) {
    let settings = Settings {
        latency: Latency::Fixed(ms(50)),
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    };
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.keys.push(("SUBMIT__TIMEOUT", "5s".to_owned()));
    holdline.keys.push(("HOLD__TIMEOUT", "10s".to_owned()));
    (tap, holdline)
}

pub(super) fn payment(holdline: &Holdline, tracking_id: &str) -> Asking {
    Asking::new(holdline.address(), "POST", "/transactions/payments").tracking(tracking_id)
}

pub(super) async fn ready(holdline: &Holdline) -> Answer {
    let asking = Asking::new(holdline.operator(), "GET", "/readyz");
    asking.anonymous().send().await
}

/// Waits until it is ready, or is not.
pub(super) async fn until_ready(holdline: &Holdline, is_ready: bool) {
    let waits = async {
        while (ready(holdline).await.status == 200) != is_ready {
            // Each is a connection, and where the kernel remembers too many that ended it forgets the
            // next ones at once: a late FIN is answered with a reset then.
            tokio::time::sleep(ms(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waits).await;
    in_time.unwrap_or_else(|_| panic!("it is never ready ({is_ready}): {}", holdline.said()));
}

/// The journal and its log cannot be used from now on.
async fn failing(holdline: &Holdline, calls: &str, error: &str) -> Tracer {
    let files = [holdline.journal(), holdline.wal()];
    Tracer::fail(holdline.id(), &files, calls, error).await
}

/// I10.
async fn a_failing_disk_lets_nothing_out(calls: &str, error: &str) {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "before").send().await.is_gateway(200);
    let tracer = failing(&holdline, calls, error).await;
    for number in 0..3 {
        let tracking_id = format!("meanwhile-{number}");
        let refused = payment(&holdline, &tracking_id).send().await;
        refused.is_refusal(503);
    }
    assert_eq!(tap.gateway.ledger().submits.len(), 1, "{error}");
    until_ready(&holdline, false).await;
    tracer.end().await;
    until_ready(&holdline, true).await;
    payment(&holdline, "after").send().await.is_gateway(200);
    assert_eq!(tap.gateway.ledger().charges.len(), 2, "{error}");
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_sent_until_there_is_room() {
    if is_there() {
        a_failing_disk_lets_nothing_out(WRITES, "ENOSPC").await;
    }
}

#[tokio::test]
async fn with_a_disk_that_cannot_sync_nothing_is_sent_until_it_can() {
    if is_there() {
        a_failing_disk_lets_nothing_out(SYNCS, "EIO").await;
    }
}

#[tokio::test]
async fn with_a_disk_that_became_read_only_nothing_is_sent_until_it_is_not() {
    if is_there() {
        a_failing_disk_lets_nothing_out(&format!("{WRITES},{SYNCS}"), "EROFS").await;
    }
}

/// The disk fails once the submit has left: at acceptance, or at the result.
async fn the_client_is_answered_from_memory(words: &str, tasks: usize) {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    let asking = payment(&holdline, "order").words(words).key("key");
    let mut line = asking.clone().open().await;
    let left = || {
        let ledger = tap.gateway.ledger();
        !ledger.submits.is_empty()
            && ledger
                .tasks
                .iter()
                .filter(|it| !it.polls.is_empty())
                .count()
                == tasks
    };
    crate::stage::bench::until("the submit has left", left).await;
    let calls = format!("{WRITES},{SYNCS}");
    let tracer = failing(&holdline, &calls, "EIO").await;
    let answer = line.answer().await;
    answer.is_gateway(200);
    until_ready(&holdline, false).await;
    payment(&holdline, "another").send().await.is_refusal(503);
    tracer.end().await;
    until_ready(&holdline, true).await;
    holdline.kill();
    holdline.start().await;
    asking.send().await.is_gateway(200).is_same_as(&answer);
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_disk_that_fails_at_the_acceptance_costs_no_answer() {
    if is_there() {
        the_client_is_answered_from_memory("late=900", 0).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_the_result_costs_no_answer() {
    if is_there() {
        the_client_is_answered_from_memory("delay=900", 1).await;
    }
}

#[tokio::test]
async fn a_stop_over_a_disk_that_takes_nothing_ends_with_a_code_of_its_own() {
    if !is_there() {
        return;
    }
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    let mut line = payment(&holdline, "order").words("delay=900").open().await;
    let is_running = || holdline.log().iter().any(|it| it["message"] == "accepted");
    crate::stage::bench::until("the gateway has it", is_running).await;
    let calls = format!("{WRITES},{SYNCS}");
    let tracer = failing(&holdline, &calls, "EIO").await;
    line.answer().await.is_gateway(200);
    until_ready(&holdline, false).await;
    assert_eq!(holdline.stop().await, Some(74), "{}", holdline.said());
    let said = holdline.said();
    assert!(
        said.contains("stopped with entries that could not be written"),
        "{said}"
    );
    tracer.end().await;
}

/// It ends with 1 before it listens, and says why.
pub(super) async fn does_not_start(mut holdline: Holdline, words: &str) {
    holdline.spawn();
    assert!(!holdline.listens().await, "it listens");
    assert_eq!(holdline.ended().await, Some(1), "{}", holdline.said());
    let said = holdline.said();
    assert!(said.contains(words), "{said}");
}

#[tokio::test]
async fn a_link_in_the_journals_place_is_not_followed() {
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    holdline.kill();
    let elsewhere = holdline.directory().join("elsewhere");
    fs::rename(holdline.journal(), &elsewhere).unwrap();
    symlink(&elsewhere, holdline.journal()).unwrap();
    does_not_start(
        holdline,
        "holdline.redb: it is a symbolic link, and none is followed",
    )
    .await;
}

#[tokio::test]
async fn a_journal_without_its_directory_is_told() {
    let (_tap, mut holdline) = before_a_gateway().await;
    let path = holdline.directory().join("none/holdline.redb");
    let path = path.to_str().unwrap().to_owned();
    holdline.keys.push(("JOURNAL__PATH", path));
    does_not_start(holdline, "none").await;
}

#[tokio::test]
async fn a_file_that_others_may_read_is_told() {
    for file in [
        Holdline::journal,
        Holdline::key,
        Holdline::mark,
        Holdline::wal,
    ] {
        let (_tap, mut holdline) = before_a_gateway().await;
        holdline.start().await;
        holdline.kill();
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(file(&holdline), readable).unwrap();
        let words = format!("{} (mode 644): run chmod 600", file(&holdline).display());
        does_not_start(holdline, &words).await;
    }
}

/// The path is on a disk that is mounted read-only.
fn on_a_read_only_disk(holdline: &mut Holdline) {
    let paths = [
        holdline.journal(),
        holdline.key(),
        holdline.mark(),
        holdline.wal(),
    ];
    let paths = paths.map(|path| path.to_str().unwrap().to_owned());
    let inject = "inject=openat,open:error=EROFS";
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", inject];
    let words = strace.map(str::to_owned).into_iter();
    let on = paths.into_iter().flat_map(|path| ["-P".to_owned(), path]);
    holdline.by = words.chain(on).collect();
}

#[tokio::test]
async fn on_a_disk_that_may_not_be_written_it_does_not_start() {
    if !is_there() {
        return;
    }
    let (_tap, mut fresh) = before_a_gateway().await;
    on_a_read_only_disk(&mut fresh);
    does_not_start(fresh, "Read-only file system").await;
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    holdline.kill();
    on_a_read_only_disk(&mut holdline);
    does_not_start(holdline, "Read-only file system").await;
}

/// A mount of its own takes more than a test may do: what is opened to be read only opens there too.
#[tokio::test]
async fn a_command_that_only_reads_opens_no_file_to_write_it() {
    if !is_there() {
        return;
    }
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "order").send().await.is_gateway(200);
    holdline.kill();
    let calls = holdline.journal().with_extension("calls");
    for words in [&["journal", "ls"][..], &["journal", "verify"]] {
        let asking = holdline.command(words);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-e", "trace=openat,open", "-o"]);
        traced.arg(&calls).arg(asking.get_program());
        traced.args(asking.get_args());
        for (key, value) in asking.get_envs() {
            match value {
                Some(value) => traced.env(key, value),
                None => traced.env_remove(key),
            };
        }
        let said = traced.output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let calls = fs::read_to_string(&calls).unwrap();
        let name = holdline.journal().to_str().unwrap().to_owned();
        let opened: Vec<&str> = calls.lines().filter(|it| it.contains(&name)).collect();
        assert!(opened.len() >= 4, "{calls}");
        for line in opened {
            assert!(line.contains("O_RDONLY"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_journal_is_told_who_has_it() {
    let (tap, mut first) = before_a_gateway().await;
    first.start().await;
    let mut second = Holdline::before(tap.address);
    let path = first.journal().to_str().unwrap().to_owned();
    second.keys.push(("JOURNAL__PATH", path));
    let holder = first.id().to_string();
    does_not_start(second, &holder).await;
    payment(&first, "order").send().await.is_gateway(200);
}

#[tokio::test]
async fn a_journal_without_its_key_is_not_begun_anew() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "order").send().await.is_gateway(200);
    holdline.kill();
    fs::remove_file(holdline.key()).unwrap();
    does_not_start(holdline, "key").await;
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_journal_that_is_gone_is_not_begun_anew_beside_its_mark() {
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "order").send().await.is_gateway(200);
    holdline.kill();
    fs::remove_file(holdline.journal()).unwrap();
    does_not_start(holdline, "holdline.redb.last is there").await;
}

#[tokio::test]
async fn an_older_copy_of_the_journal_does_not_start() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "first").send().await.is_gateway(200);
    holdline.kill();
    let copy = holdline.directory().join("copy");
    fs::copy(holdline.journal(), &copy).unwrap();
    for tracking_id in ["second", "third"] {
        // At each start the journal takes in what the log holds.
        holdline.start().await;
        payment(&holdline, tracking_id).send().await.is_gateway(200);
        holdline.kill();
    }
    fs::copy(&copy, holdline.journal()).unwrap();
    let fault = holdline.fault_of_journal().unwrap();
    let whole = format!("{} away\n", holdline.wal().display());
    assert!(
        fault.contains(&whole),
        "the hint is told to its end: {fault}"
    );
    does_not_start(holdline, "the newest records of").await;
    assert_eq!(tap.gateway.ledger().submits.len(), 3);
}

#[tokio::test]
async fn a_mark_that_tells_nothing_is_warned_of() {
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "first").send().await.is_gateway(200);
    let warnings = |holdline: &Holdline| {
        let said = holdline.said();
        said.matches("the journal's mark was gone or damaged")
            .count()
    };
    holdline.kill();
    holdline.start().await;
    assert_eq!(warnings(&holdline), 0, "it tells of all that there is");
    let mark = holdline.mark();
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(&mark, "").unwrap(),
        &|| fs::write(&mark, [0; 48]).unwrap(),
        &|| fs::remove_file(&mark).unwrap(),
    ];
    for (count, damage) in (1..).zip(damages) {
        holdline.kill();
        damage();
        holdline.start().await;
        assert_eq!(warnings(&holdline), count);
    }
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let (_tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    for suffix in ["", ".key", ".last", ".wal", ".sock"] {
        let name = format!("holdline.redb{suffix}");
        let file = fs::metadata(holdline.directory().join(&name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn beyond_the_limit_of_a_files_size_nothing_is_sent_and_the_process_lives() {
    let (tap, mut holdline) = before_a_gateway().await;
    // The log goes to a file too, and has to stay below the limit.
    holdline.keys.push(("LOG__LEVEL", "off".to_owned()));
    holdline.start().await;
    payment(&holdline, "before").send().await.is_gateway(200);
    limit_files(&holdline, "1024");
    for number in 0..3 {
        let tracking_id = format!("meanwhile-{number}");
        payment(&holdline, &tracking_id)
            .send()
            .await
            .is_refusal(503);
    }
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
    until_ready(&holdline, false).await;
    limit_files(&holdline, "unlimited");
    until_ready(&holdline, true).await;
    payment(&holdline, "after").send().await.is_gateway(200);
    assert_eq!(holdline.stop().await, Some(0));
}

fn limit_files(holdline: &Holdline, bytes: &str) {
    let limit = Command::new("prlimit")
        .args(["--pid", &holdline.id().to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status();
    assert!(limit.unwrap().success());
}
