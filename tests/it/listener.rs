//! What bounds a downstream connection, and how it ends.
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::downstream::{Client, Framing, all_ways, arrived, dropped, listener, settled};
use crate::stage::bench::until;

const HOUR: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(150);
const LENGTH: Framing = Framing::ContentLength;

#[tokio::test]
async fn a_reset_while_held_drops_the_service_future() {
    for setup in all_ways() {
        let mut downstream = setup.holding().start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/whole/9/held").await;
        assert_eq!(downstream.event().await, arrived("/whole/9/held"));
        downstream.parks(1).await;
        client.reset();
        let events = [downstream.event().await, downstream.event().await];
        assert!(events.contains(&dropped("/whole/9/held")), "{events:?}");
        assert!(
            events.contains(&settled("/whole/9/held", false)),
            "{events:?}"
        );
        downstream.parks(0).await;
    }
}

#[tokio::test]
async fn a_client_that_half_closes_and_waits_gets_its_answer() {
    for setup in all_ways() {
        let mut downstream = setup.holding().start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/whole/9/half").await;
        client.half_close().await;
        assert_eq!(downstream.event().await, arrived("/whole/9/half"));
        downstream.parks(1).await;
        downstream.gate.add_permits(1);
        client.answers(LENGTH, 1).await.unwrap();
        assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_client_that_closes_is_known_to_have_ended_whatever_it_sent_before() {
    for more in [false, true] {
        for setup in all_ways() {
            let mut downstream = setup.holding().start();
            let mut client = Client::connect(&downstream).await;
            client.ask(LENGTH, "/whole/9/left").await;
            assert_eq!(downstream.event().await, arrived("/whole/9/left"));
            downstream.parks(1).await;
            if more {
                client.ask(LENGTH, "/whole/9/more").await;
            }
            let presence = downstream.client();
            assert!(!presence.has_ended());
            client.close().await;
            // The kernel may take its time. Nothing else runs meanwhile: what has gone tells of nothing.
            let mut looks = std::iter::repeat_with(|| presence.has_ended()).take(1_000_000);
            assert!(looks.any(|has_ended| has_ended));
        }
    }
}

#[tokio::test]
async fn a_client_that_never_reads_meets_the_write_deadline() {
    for path in ["/whole/60000000/stuck", "/streamed/60000000/stuck"] {
        for setup in all_ways() {
            let mut downstream = setup
                .configure(|config| config.write_timeout = SHORT)
                .holding()
                .start();
            let mut client = Client::narrow(&downstream).await;
            client.ask(LENGTH, path).await;
            assert_eq!(downstream.event().await, arrived(path));
            downstream.parks(1).await;
            downstream.gate.add_permits(1);
            assert_eq!(downstream.verdict().await, (path.into(), false));
            // What is left ends in a reset, so that the cut is seen in every framing.
            let mut rest = Vec::new();
            assert!(client.stream.read_to_end(&mut rest).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_silent_client_and_a_trickled_head_are_closed() {
    let downstream = listener()
        .configure(|config| {
            config.fields_timeout = SHORT;
            config.idle_timeout = HOUR;
        })
        .start();
    let mut silent = Client::connect(&downstream).await;
    assert_eq!(silent.stream.read(&mut [0]).await.unwrap(), 0);

    let mut trickling = Client::connect(&downstream).await;
    trickling.send("GET / HTTP/1.1\r\nhost: ").await;
    let mut buffer = [0];
    loop {
        tokio::select! {
            read = trickling.stream.read(&mut buffer) => {
                assert_eq!(read.unwrap(), 1);
                break;
            }
            () = tokio::time::sleep(SHORT / 10) => trickling.send("x").await,
        }
    }
    let mut rest = String::new();
    trickling.stream.read_to_string(&mut rest).await.unwrap();
    let answer = [str::from_utf8(&buffer).unwrap(), &rest].concat();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_fields_deadline_and_ends_at_its_own() {
    for setup in all_ways() {
        let downstream = setup
            .configure(|config| {
                config.fields_timeout = SHORT;
                config.idle_timeout = SHORT * 6;
            })
            .delay(SHORT / 10)
            .start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/whole/9/first").await;
        downstream.parks(1).await;
        client.answers(LENGTH, 1).await.unwrap();
        tokio::time::sleep(SHORT * 3).await;
        client.ask(LENGTH, "/whole/9/second").await;
        downstream.parks(1).await;
        client.answers(LENGTH, 1).await.unwrap();
        assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_held_request_outlives_every_deadline_of_the_connection() {
    for setup in all_ways() {
        let downstream = setup
            .configure(|config| {
                config.fields_timeout = SHORT;
                config.idle_timeout = SHORT;
                config.write_timeout = SHORT;
            })
            .delay(SHORT * 4)
            .start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/whole/9/held").await;
        downstream.parks(1).await;
        client.answers(LENGTH, 1).await.unwrap();
    }
}

#[tokio::test]
async fn too_many_fields_or_too_large_ones_are_refused() {
    let downstream = listener().start();
    let many = "a: b\r\n".repeat(100);
    let large = format!("a: {}\r\n", "b".repeat(33 * 1024));
    for fields in [many, large] {
        let mut client = Client::connect(&downstream).await;
        client
            .send(&format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n"))
            .await;
        let answer = client.answers(Framing::Empty, 1).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut client = Client::connect(&downstream).await;
    let fields = format!("a: {}\r\n", "b".repeat(31 * 1024)) + &"a: b\r\n".repeat(90);
    client
        .send(&format!(
            "GET /empty HTTP/1.1\r\nhost: test\r\n{fields}\r\n"
        ))
        .await;
    let answer = client.answers(Framing::Empty, 1).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_when_its_body_is_wanted() {
    let mut downstream = listener().holding().start();
    let mut client = Client::connect(&downstream).await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
             content-length: 3\r\n\r\n",
        )
        .await;
    assert_eq!(downstream.event().await, arrived("/echo"));
    downstream.gate.add_permits(1);
    let interim = client.answers(Framing::Empty, 1).await.unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("END").await;
    client.answers(LENGTH, 1).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_half_way_never_looks_whole() {
    for setup in all_ways() {
        let mut downstream = setup.delay(SHORT).start();
        let mut client = Client::connect(&downstream).await;
        let path = "/broken/2000/cut";
        client.ask(Framing::CloseDelimited, path).await;
        downstream.parks(1).await;
        let mut received = Vec::new();
        assert!(client.stream.read_to_end(&mut received).await.is_err());
        assert_eq!(downstream.verdict().await, (path.into(), false));
    }
}

#[tokio::test]
async fn an_answer_that_is_shorter_than_it_says_is_not_delivered() {
    for setup in all_ways() {
        let mut downstream = setup.quiet(SHORT).delay(SHORT).start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/short/9/lie").await;
        downstream.parks(1).await;
        assert_eq!(downstream.verdict().await, ("/short/9/lie".into(), false));
        drop(client);
        downstream.drain.end();
        downstream.drain.finished().await;
    }
}

#[tokio::test]
async fn what_a_client_still_sends_does_not_take_the_answer_with_it() {
    let downstream = listener().start();
    let mut client = Client::narrow(&downstream).await;
    client
        .send(
            "POST /plain/300000/early HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-length: 1000000\r\n\r\n",
        )
        .await;
    client.answer_arrives().await;
    // Time for a wrong close: what comes after it is answered with a reset, and the part of the
    // answer that waits in our kernel for its reader is lost.
    tokio::time::sleep(SHORT).await;
    client.send(&"x".repeat(1000)).await;
    tokio::time::sleep(SHORT).await;
    client.answers(LENGTH, 1).await.unwrap();
}

#[tokio::test]
async fn at_the_limit_a_client_waits_until_another_connection_ends() {
    let mut downstream = listener()
        .configure(|config| config.connections = 1)
        .start();
    let mut first = Client::connect(&downstream).await;
    first.ask(LENGTH, "/whole/9/first").await;
    first.answers(LENGTH, 1).await.unwrap();
    let mut second = Client::connect(&downstream).await;
    second.ask(LENGTH, "/whole/9/second").await;
    first.ask(LENGTH, "/whole/9/third").await;
    first.answers(LENGTH, 1).await.unwrap();
    drop(first);
    second.answers(LENGTH, 1).await.unwrap();
    let mut arrivals = Vec::new();
    while arrivals.len() < 3 {
        if let crate::downstream::Event::Arrived(path) = downstream.event().await {
            arrivals.push(path);
        }
    }
    assert_eq!(
        arrivals,
        ["/whole/9/first", "/whole/9/third", "/whole/9/second"]
    );
}

/// The client gets an answer that says that the connection ends, and it does.
async fn is_answered_for_the_last_time(client: &mut Client) {
    let answer = client.answers(LENGTH, 1).await.unwrap();
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
}

/// What was sent is read, and what can be written is.
async fn others_go_on() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_drain_ends_idle_connections_and_lets_a_held_request_have_its_answer() {
    for setup in all_ways() {
        let mut downstream = setup.quiet(SHORT).holding().start();
        let mut idle = Client::connect(&downstream).await;
        idle.ask(LENGTH, "/whole/9/idle").await;
        downstream.gate.add_permits(1);
        idle.answers(LENGTH, 1).await.unwrap();
        let mut held = Client::connect(&downstream).await;
        held.ask(LENGTH, "/whole/9/held").await;
        let mut arrivals = 0;
        while arrivals < 2 {
            let event = downstream.event().await;
            arrivals += usize::from(matches!(event, crate::downstream::Event::Arrived(_)));
        }
        downstream.parks(1).await;
        downstream.drain.begin();
        assert_eq!(idle.stream.read(&mut [0]).await.unwrap(), 0);
        downstream.gate.add_permits(1);
        let answer = held.answers(LENGTH, 1).await.unwrap();
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        drop((idle, held));
        downstream.drain.end();
        downstream.drain.finished().await;
    }
}

#[tokio::test]
async fn who_came_before_the_drain_and_asks_during_it_is_answered_and_nobody_waits_for_the_silent()
{
    for setup in all_ways() {
        let mut downstream = setup.quiet(SHORT).start();
        let mut early = Client::connect(&downstream).await;
        let mut silent = Client::connect(&downstream).await;
        while !downstream.metrics().contains("accepted_total 2\n") {
            tokio::task::yield_now().await;
        }
        downstream.drain.begin();
        until("nobody waits for them", || {
            downstream.metrics.open_before() == 0
        })
        .await;
        early.ask(LENGTH, "/whole/9/early").await;
        is_answered_for_the_last_time(&mut early).await;
        assert_eq!(downstream.verdict().await, ("/whole/9/early".into(), true));
        downstream.drain.end();
        assert_eq!(silent.stream.read(&mut [0]).await.unwrap(), 0);
        drop((early, silent));
        downstream.drain.finished().await;
    }
}

#[tokio::test]
async fn a_request_that_has_come_when_the_drain_begins_is_answered_though_nobody_has_read_it() {
    let downstream = listener().quiet(SHORT).start();
    let mut client = Client::connect(&downstream).await;
    client.ask(LENGTH, "/whole/9/one").await;
    client.answers(LENGTH, 1).await.unwrap();
    // Nothing else runs in between.
    let request = b"GET /whole/9/two HTTP/1.1\r\nhost: test\r\n\r\n";
    let written = client.stream.tcp().try_write(request).unwrap();
    downstream.drain.begin();
    assert_eq!(written, request.len());
    is_answered_for_the_last_time(&mut client).await;
    downstream.drain.end();
    downstream.drain.finished().await;
}

#[tokio::test]
async fn a_request_of_which_a_part_was_read_when_the_drain_begins_is_answered() {
    let first = "GET /whole/9/one HTTP/1.1\r\nhost: test\r\n\r\n";
    let part = "GET /whole/9/two HTTP/1.1\r\nho";
    for together in [false, true] {
        for setup in all_ways() {
            let downstream = setup.quiet(SHORT).start();
            let mut client = Client::connect(&downstream).await;
            if together {
                client.send(&format!("{first}{part}")).await;
                client.answers(LENGTH, 1).await.unwrap();
            } else {
                client.send(first).await;
                client.answers(LENGTH, 1).await.unwrap();
                client.send(part).await;
            }
            others_go_on().await;
            downstream.drain.begin();
            until("nobody waits for it", || {
                downstream.metrics.open_before() == 0
            })
            .await;
            client.send("st: test\r\n\r\n").await;
            is_answered_for_the_last_time(&mut client).await;
            downstream.drain.end();
            downstream.drain.finished().await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_the_socket_has_no_room_for_is_whole_though_the_drain_begins() {
    let downstream = listener().quiet(SHORT).start();
    let mut client = Client::narrow(&downstream).await;
    client.ask(LENGTH, "/whole/8000000/one").await;
    client.answer_arrives().await;
    others_go_on().await;
    // Nothing else runs in between.
    let request = b"GET /whole/9/two HTTP/1.1\r\nhost: test\r\n\r\n";
    client.stream.tcp().try_write(request).unwrap();
    downstream.drain.begin();
    let answers = client.answers(LENGTH, 1).await.unwrap();
    assert!(answers.len() > 8_000_000, "{}", answers.len());
    downstream.drain.end();
    drop(client);
    downstream.drain.finished().await;
}

#[tokio::test]
async fn who_comes_while_it_drains_is_answered_once_and_the_silent_are_let_go_at_its_end() {
    for setup in all_ways() {
        let mut downstream = setup.quiet(SHORT).start();
        downstream.drain.begin();
        let mut late = Client::connect(&downstream).await;
        late.ask(LENGTH, "/whole/9/late").await;
        is_answered_for_the_last_time(&mut late).await;
        assert_eq!(downstream.verdict().await, ("/whole/9/late".into(), true));
        let mut silent = Client::connect(&downstream).await;
        while !downstream.metrics().contains("accepted_total 2\n") {
            tokio::task::yield_now().await;
        }
        downstream.drain.end();
        assert_eq!(silent.stream.read(&mut [0]).await.unwrap(), 0);
        drop((late, silent));
        downstream.drain.finished().await;
        assert!(
            tokio::net::TcpStream::connect(downstream.address)
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn when_the_process_ends_an_acknowledged_answer_counts_without_its_quiet_time() {
    let mut downstream = listener().quiet(HOUR).start();
    let mut client = Client::connect(&downstream).await;
    client.ask(LENGTH, "/whole/9/last").await;
    client.answers(LENGTH, 1).await.unwrap();
    downstream.drain.begin();
    assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
    downstream.drain.end();
    assert_eq!(downstream.verdict().await, ("/whole/9/last".into(), true));
    downstream.drain.finished().await;
}

#[tokio::test]
async fn a_client_that_gives_up_after_the_drain_and_before_the_end_has_no_answer() {
    let mut downstream = listener().quiet(HOUR).start();
    let mut client = Client::connect(&downstream).await;
    client.ask(LENGTH, "/whole/9/last").await;
    client.answers(LENGTH, 1).await.unwrap();
    downstream.drain.begin();
    downstream.drain.end();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.reset();
    assert_eq!(downstream.verdict().await, ("/whole/9/last".into(), false));
    downstream.drain.finished().await;
}

#[tokio::test]
async fn when_the_drain_is_over_a_request_that_is_never_answered_is_let_go() {
    for setup in all_ways() {
        let mut downstream = setup.holding().start();
        let mut client = Client::connect(&downstream).await;
        client.ask(LENGTH, "/whole/9/stuck").await;
        assert_eq!(downstream.event().await, arrived("/whole/9/stuck"));
        downstream.parks(1).await;
        downstream.drain.end();
        downstream.drain.finished().await;
        assert!(client.answers(LENGTH, 1).await.is_err());
    }
}
