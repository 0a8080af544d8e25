//! Answers to polls that began to come and are not read: their status is told all the same, as there may
//! be no other answer.
use std::time::Duration;

use holdline::upstream::{Cause, Config, Sent};

use super::peer::{gateway, get};

const HEAD: &str = "HTTP/1.1 422 Wrong\r\n";

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_names_its_status_wherever_it_ends() {
    for (rest, cause) in [
        ("Content-Ty", Cause::Terminated),
        ("Content-Length: 2\r\n\r\n{", Cause::Terminated),
        ("Content-Length: 11\r\n\r\n", Cause::AnswerTooLarge),
        ("Transfer-Encoding: gzip\r\n\r\n", Cause::Malformed),
        ("Transfer-Encoding: chunked\r\n\r\nx", Cause::Malformed),
    ] {
        let (client, mut gateway) = gateway(Config {
            max_answer: 10,
            ..Config::default()
        });
        let serve = async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            peer.send(format!("{HEAD}{rest}")).await;
        };
        let (answer, ()) = tokio::join!(client.fetch(get("/")), serve);
        let error = answer.unwrap_err();
        let status = error.status.map(|status| status.as_u16());
        assert_eq!(
            (error.cause, error.sent, status),
            (cause, Sent::Maybe, Some(422)),
            "{rest}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stays_away_in_the_middle_names_its_status() {
    for (bytes, status) in [
        ("HTTP/1.1 42", None),
        ("HTTP/1.1 422", Some(422)),
        ("HTTP/1.1 422 Wrong\r\nContent-Ty", Some(422)),
        (
            "HTTP/1.1 422 Wrong\r\nContent-Length: 2\r\n\r\n{",
            Some(422),
        ),
    ] {
        let (client, mut gateway) = gateway(Config::default());
        let serve = async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            for byte in bytes.as_bytes() {
                peer.send([*byte]).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            peer.closed().await;
        };
        let (answer, ()) = tokio::join!(client.fetch(get("/")), serve);
        let error = answer.unwrap_err();
        let told = error.status.map(|status| status.as_u16());
        assert_eq!(
            (error.cause, told),
            (Cause::AnswerTimeout, status),
            "{bytes}"
        );
    }
}
