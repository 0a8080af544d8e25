//! The pool: what is used again, what is not, and how many there are.
use std::time::Duration;

use futures_util::future::join_all;
use holdline::upstream::{Cause, Config, Sent};
use tokio::io::AsyncReadExt;

use super::peer::{Gateway, client, gateway, get, ok};

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_after_each_framing() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n")
            .await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
            .await;
        peer.send("5\r\nthird\r\n0\r\nX-End: 1\r\n\r\n").await;
        peer.head().await;
        peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        peer.answer("fifth").await;
        (gateway, peer)
    };
    let calls = async {
        for body in ["first", "second", "third", "", "fifth"] {
            assert_eq!(client.fetch(get("/")).await.unwrap().body, body);
        }
    };
    let ((gateway, _peer), ()) = tokio::join!(serve, calls);
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_closed_between_uses_costs_nothing_and_the_request_leaves_once() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        drop(peer);
        let mut peer = gateway.accept().await;
        let head = peer.head().await;
        assert!(head.starts_with("GET /second "));
        peer.send(ok("second")).await;
        (gateway, peer)
    };
    let calls = async {
        client.fetch(get("/first")).await.unwrap();
        client.fetch(get("/second")).await.unwrap()
    };
    let ((gateway, _peer), answer) = tokio::join!(serve, calls);
    assert_eq!(answer.body, "second");
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_maybe_sent_is_not_sent_again() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        peer.head().await;
        drop(peer);
        gateway
    };
    let calls = async {
        client.fetch(get("/first")).await.unwrap();
        client.fetch(get("/second")).await.unwrap_err()
    };
    let (gateway, error) = tokio::join!(serve, calls);
    assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Maybe));
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_after_an_answer_do_not_reach_the_next_request() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut first = gateway.accept().await;
        first.head().await;
        first.send(ok("first") + &ok("smuggled")).await;
        let mut second = gateway.accept().await;
        second.answer("second").await;
        (first, second)
    };
    let calls = async {
        assert_eq!(client.fetch(get("/")).await.unwrap().body, "first");
        assert_eq!(client.fetch(get("/")).await.unwrap().body, "second");
    };
    tokio::join!(serve, calls);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_while_a_connection_waits_end_it() {
    let (client, mut gateway) = gateway(Config::default());
    let (answer, mut first) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        peer
    });
    answer.unwrap();
    first.send(ok("smuggled")).await;
    let (answer, _second) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = gateway.accept().await;
        peer.answer("second").await;
        peer
    });
    assert_eq!(answer.unwrap().body, "second");
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_open_than_allowed_and_who_waits_too_long_is_told() {
    let config = Config {
        connections: 3,
        ..Config::default()
    };
    let (client, mut gateway) = gateway(config);
    let calls = join_all((0..5).map(|_| client.fetch(get("/"))));
    let serve = async {
        let mut peers = Vec::new();
        for _ in 0..3 {
            let mut peer = gateway.accept().await;
            peer.head().await;
            peers.push(peer);
        }
        (gateway, peers)
    };
    let (answers, (gateway, _peers)) = tokio::join!(calls, serve);
    let count = |cause, sent| {
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        errors
            .filter(|error| error.cause == cause && error.sent == sent)
            .count()
    };
    assert_eq!(count(Cause::AnswerTimeout, Sent::Maybe), 3);
    assert_eq!(count(Cause::Exhausted, Sent::Never), 2);
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_has_little_time_left_for_its_answer_does_not_leave() {
    let config = Config {
        connections: 1,
        ..Config::default()
    };
    let almost = config.answer_timeout * 9 / 10;
    let (client, mut gateway) = gateway(config);
    let calls = join_all((0..2).map(|_| client.fetch(get("/"))));
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        tokio::time::sleep(almost).await;
        peer.send(ok("one")).await;
        let asked_once_more = tokio::time::timeout(almost, peer.head()).await.is_ok();
        (asked_once_more, gateway, peer)
    };
    let (answers, (asked_once_more, gateway, _peer)) = tokio::join!(calls, serve);
    assert!(answers[0].is_ok());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Exhausted, Sent::Never));
    assert!(!asked_once_more, "its answer could be given only once");
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_connection_gets_the_next_free_one() {
    let config = Config {
        connections: 1,
        ..Config::default()
    };
    let (client, mut gateway) = gateway(config);
    let calls = join_all((0..20).map(|_| client.fetch(get("/"))));
    let serve = async {
        let mut peer = gateway.accept().await;
        for _ in 0..20 {
            peer.answer("one").await;
        }
        (gateway, peer)
    };
    let (answers, (gateway, _peer)) = tokio::join!(calls, serve);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_too_long_is_closed() {
    let config = Config::default();
    let idle_timeout = config.idle_timeout;
    let (client, mut gateway) = gateway(config);
    let (answer, mut peer) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        peer
    });
    answer.unwrap();
    let almost = idle_timeout.mul_f64(0.99);
    assert!(
        tokio::time::timeout(almost, peer.0.read_u8())
            .await
            .is_err()
    );
    let end = tokio::time::timeout(Duration::from_secs(1), peer.closed()).await;
    assert!(end.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_before_a_reload_carries_no_further_request() {
    let (connector, mut gateway) = Gateway::in_memory();
    let config = Config::default();
    let soon = config.idle_timeout / 2;
    let client = client("http://gateway.example", connector.clone(), config);
    let reload = || client.reconfigure(Config::default(), connector.clone());
    for is_used in [false, true, false] {
        let (answer, mut peer) = tokio::join!(client.fetch(get("/")), async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            if is_used {
                reload();
            }
            peer.send(ok("one")).await;
            peer
        });
        assert_eq!(answer.unwrap().body, "one");
        if !is_used {
            reload();
        }
        let end = tokio::time::timeout(soon, peer.closed()).await;
        assert!(end.is_ok(), "{is_used}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_given_up_in_time() {
    let (client, mut gateway) = gateway(Config::default());
    let trickle = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
            .await;
        peer.closed().await;
    };
    let (answer, ()) = tokio::join!(client.fetch(get("/")), trickle);
    let error = answer.unwrap_err();
    assert_eq!(
        (error.cause, error.sent),
        (Cause::AnswerTimeout, Sent::Maybe)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_let_go_closes_its_connection_and_frees_its_place() {
    let config = Config {
        connections: 1,
        ..Config::default()
    };
    let (client, mut gateway) = gateway(config);
    let call = client.fetch(get("/"));
    let short = tokio::time::timeout(Duration::from_millis(50), call);
    let (ended, mut peer) = tokio::join!(short, async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer
    });
    assert!(ended.is_err());
    peer.closed().await;
    let (answer, _peer) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = gateway.accept().await;
        peer.answer("second").await;
        peer
    });
    assert_eq!(answer.unwrap().body, "second");
}

#[tokio::test]
async fn searches_leave_connections_to_polls() {
    let (client, mut gateway) = gateway(Config {
        connections: 4,
        ..Config::default()
    });
    let searches = join_all((0..8).map(|_| client.search(get("/search"))));
    let polled = async {
        // Its answer does not come, and the others wait for their turn.
        let _search = gateway.accept().await;
        let poll = client.fetch(get("/poll"));
        let answered = async {
            let mut peer = gateway.accept().await;
            assert!(peer.head().await.starts_with("GET /poll "));
            peer.send(ok("polled")).await;
        };
        let (answer, ()) = tokio::join!(poll, answered);
        assert_eq!(answer.unwrap().body, "polled");
    };
    tokio::select! {
        _ = searches => panic!("no search is answered"),
        () = polled => {}
    }
}

#[tokio::test(start_paused = true)]
async fn polls_and_relayed_requests_share_one_bound() {
    let config = Config {
        connections: 1,
        ..Config::default()
    };
    let (client, mut gateway) = gateway(config);
    let (answer, mut first) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = gateway.accept().await;
        peer.answer("poll").await;
        peer
    });
    answer.unwrap();
    let relayed = client.relay(get("/"), Duration::from_secs(10));
    let (answer, _second) = tokio::join!(relayed, async {
        let mut peer = gateway.accept().await;
        first.closed().await;
        peer.answer("relayed").await;
        peer
    });
    assert_eq!(answer.unwrap().status(), http::StatusCode::OK);
}

/// After SIGCONT the timers are looked at before the sockets are.
#[tokio::test(start_paused = true)]
async fn an_answer_that_came_while_the_process_stood_still_is_read() {
    let config = Config::default();
    let stood_still = config.answer_timeout + Duration::from_secs(2);
    let (client, mut gateway) = gateway(config);
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        tokio::time::advance(stood_still).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        peer.send(ok("once")).await;
        peer
    };
    let (answer, _peer) = tokio::join!(client.fetch(get("/")), serve);
    assert_eq!(answer.unwrap().body, "once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_did_not_come_meanwhile_is_waited_for_no_longer_than_that() {
    let config = Config::default();
    let (timeout, late) = (config.answer_timeout, Duration::from_secs(2));
    let (client, mut gateway) = gateway(config);
    let start = tokio::time::Instant::now();
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        tokio::time::advance(timeout + late).await;
        peer
    };
    let (answer, _peer) = tokio::join!(client.fetch(get("/")), serve);
    assert_eq!(answer.unwrap_err().cause, Cause::AnswerTimeout);
    let took = start.elapsed();
    assert!(
        took >= timeout + late && took <= timeout + 3 * late,
        "{took:?}"
    );
}
