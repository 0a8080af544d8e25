//! The socket itself: whose it is, what comes over it, and where it is not.
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::desk::{Desk, Said, holds_no_secret};
use crate::stage::bench::{PATIENCE, until};

const LIST: &[u8] = b"{\"ask\":\"list\",\"only\":\"all\"}\n";

fn socket(desk: &Desk) -> PathBuf {
    desk.holdline.directory().join("holdline.redb.sock")
}

/// What is answered to these bytes; a connection that is cut answers nothing.
async fn say(desk: &Desk, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(desk)).await.unwrap();
    let talk = async {
        // It may hear enough before the end.
        let _sent = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _how_it_ended = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, talk).await.unwrap();
    holds_no_secret(&answer);
    answer
}

#[tokio::test]
async fn the_socket_is_its_owners_and_goes_with_an_orderly_stop() {
    let mut desk = Desk::open().await;
    let mode = socket(&desk).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let silent = UnixStream::connect(socket(&desk)).await.unwrap();
    assert_eq!(desk.holdline.stop().await, Some(0));
    drop(silent);
    assert!(!socket(&desk).exists());
}

#[tokio::test]
async fn what_a_killed_process_left_is_passed_over_and_taken_over() {
    let mut desk = Desk::open().await;
    desk.doubtful(desk.payment(), "swallow").await;
    desk.holdline.kill();
    assert!(socket(&desk).exists());
    assert_eq!(desk.listed(&[]).len(), 1, "read from the file");
    desk.holdline.start().await;
    assert!(say(&desk, LIST).await.contains("\"exchange\""));
    assert_eq!(desk.holdline.stop().await, Some(0));
    assert!(!socket(&desk).exists());
}

#[tokio::test]
async fn what_is_no_question_is_told_so_and_harms_nobody() {
    let desk = Desk::open().await;
    desk.doubtful(desk.payment(), "swallow").await;
    for garbage in [
        &b"\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}\n",
        b"{\"ask\":\"everything\"}\n",
        b"{\"ask\":\"list\",\"only\":\"cards\"}\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
    ] {
        let answer = say(&desk, garbage).await;
        assert!(answer.starts_with("{\"failed\":"), "{answer:?}");
        assert_eq!(answer.lines().count(), 1);
    }
    for garbage in [&b"\xff\xfe\x00\n"[..], &vec![b'['; 1 << 20]] {
        let answer = say(&desk, garbage).await;
        let is_told = answer.is_empty() || answer.starts_with("{\"failed\":");
        assert!(is_told, "{answer:?}");
    }
    assert_eq!(desk.listed(&["--in-doubt"]).len(), 1);
}

#[tokio::test]
async fn a_verdict_over_the_socket_has_a_reason_and_a_short_one() {
    let desk = Desk::open().await;
    let (_, id) = desk.doubtful(desk.payment(), "swallow").await;
    for reason in [String::new(), " ".to_owned(), "x".repeat(121)] {
        let question = format!(
            "{{\"ask\":\"resolve\",\"id\":\"{id}\",\"verdict\":\"executed\",\"reason\":\"{reason}\"}}\n"
        );
        let answer = say(&desk, question.as_bytes()).await;
        assert!(answer.starts_with("{\"failed\":"), "{answer:?}");
    }
    assert_eq!(desk.only(&[])["cause"], "submit-lost");
}

#[tokio::test]
async fn who_does_not_go_on_keeps_nobody_waiting() {
    let desk = Desk::open().await;
    desk.doubtful(desk.payment(), "swallow").await;
    let mut half = Vec::new();
    for _ in 0..50 {
        let mut stream = UnixStream::connect(socket(&desk)).await.unwrap();
        stream.write_all(&LIST[..9]).await.unwrap();
        half.push(stream);
    }
    assert_eq!(desk.listed(&[]).len(), 1);
    // Nor do clients.
    desk.payment().amount(300).send().await.is_gateway(200);
    // They may still go on.
    for mut stream in half {
        stream.write_all(&LIST[9..]).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        assert!(answer.ends_with("\"done\"\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_holdline_that_stands_still_is_told_as_that() {
    let desk = Desk::open().await;
    let (_, id) = desk.doubtful(desk.payment(), "swallow").await;
    desk.holdline.signal("-STOP");
    let process = format!("process {}", desk.holdline.id());
    let questions: [(&[&str], &str); 6] = [
        (&["journal", "ls"], "it stands still"),
        (&["journal", "show", &id], "it stands still"),
        (&["journal", "verify"], "it stands still"),
        (&["explain", &id], "it stands still"),
        (&["polling"], "it stands still"),
        (
            &["resolve", &id, "--as", "executed", "--reason", "found"],
            "The verdict may hold all the same, or come to: journal show tells",
        ),
    ];
    // Each waits for some seconds, and so they wait together.
    let waiting = questions.map(|(words, why)| {
        let mut command = desk.holdline.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        (command.spawn().unwrap(), why)
    });
    for (child, why) in waiting {
        let said = Said::from(child.wait_with_output().unwrap());
        said.fails(1, why);
        said.fails(1, &process);
        said.fails(1, "holdline.redb.sock");
    }
    desk.holdline.signal("-CONT");
    until("the verdict is taken", || {
        desk.only(&[])["state"] == "settled"
    })
    .await;
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_ends_the_start() {
    let mut desk = Desk::closed().await;
    let long = desk.holdline.directory().join("x".repeat(120));
    let key = ("CONTROL__SOCKET", long.display().to_string());
    desk.holdline.keys.push(key);
    desk.holdline.spawn();
    assert_eq!(desk.holdline.ended().await, Some(78));
    let said = desk.holdline.said();
    assert!(said.contains("control.socket leads to"), "{said}");
    assert!(said.contains("the system takes 107"), "{said}");
}

#[tokio::test]
async fn without_a_journal_it_is_said_that_nothing_is_kept() {
    let mut desk = Desk::closed().await;
    desk.holdline.arguments = vec!["--in-memory".to_owned()];
    desk.holdline.start().await;
    let said = desk.ask(&["journal", "ls"]);
    said.fails(1, "with --in-memory nothing is kept");
    desk.holdline.kill();
    desk.holdline.arguments.clear();
    let socket = desk.holdline.directory().join("s").display().to_string();
    desk.holdline
        .keys
        .push(("JOURNAL__IN_MEMORY", "true".to_owned()));
    desk.holdline.start().await;
    let said = desk.ask(&["journal", "ls"]);
    said.fails(1, "keeps nothing on disk");
    desk.holdline.kill();
    desk.holdline.keys.push(("CONTROL__SOCKET", socket));
    let said = desk.ask(&["journal", "ls"]);
    said.fails(1, "keeps nothing on disk");
    desk.holdline.start().await;
    let said = desk.ask(&["journal", "ls"]);
    said.fails(1, "keeps everything in memory");
    // A verdict needs no journal.
    let (_, id) = desk.doubtful(desk.payment(), "swallow").await;
    desk.resolve(&id, "executed").fine();
}

#[tokio::test]
async fn a_second_holdline_on_the_journal_is_told_who_holds_it() {
    let desk = Desk::open().await;
    let second = Said::from(desk.holdline.command(&["run"]).output().unwrap());
    assert_eq!(second.code, Some(1), "{second:?}");
    let id = desk.holdline.id().to_string();
    assert!(second.out.contains(&id), "{id}: {second:?}");
    // The first one is asked as before.
    assert_eq!(desk.ask(&["journal", "ls"]).fine(), "");
}
