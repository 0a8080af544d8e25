//! Which answers count as delivered: every kind of client, at every moment, in every framing.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdline::listener::Evidence;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

use crate::downstream::{
    Client, Downstream, FRAMINGS, Framing, Setup, all_ways, arrived, listener, settled,
};

/// Long enough that a busy machine does not put a client's reset after it.
const QUIET: Duration = Duration::from_millis(500);

/// What a client does about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    ReadsAndStays,
    ReadsAndCloses,
    HalfClosesAndReads,
    ReadsAndResets,
    ClosesBefore,
    ResetsBefore,
    HalfClosesThenResetsBefore,
    ClosesOverUnread,
    ResetsOverUnread,
    ReadsHalfAndCloses,
    PipelinesAndReads,
    PipelinesAndLeaves,
}

use Behaviour as B;

const BEHAVIOURS: [Behaviour; 12] = [
    B::ReadsAndStays,
    B::ReadsAndCloses,
    B::HalfClosesAndReads,
    B::ReadsAndResets,
    B::ClosesBefore,
    B::ResetsBefore,
    B::HalfClosesThenResetsBefore,
    B::ClosesOverUnread,
    B::ResetsOverUnread,
    B::ReadsHalfAndCloses,
    B::PipelinesAndReads,
    B::PipelinesAndLeaves,
];

impl Behaviour {
    /// What has to be said of an answer; `None` where both may be. Over TLS two behaviours are others:
    /// what reads some of an answer takes its whole record from the kernel, so nothing unread is left
    /// to reset over; and who reads to the end of a connection has the goodbye too, which its kernel may
    /// acknowledge before the reset, or not.
    fn is_delivered(self, tls: bool, framing: &str) -> Option<bool> {
        let to_the_end = matches!(framing, "Http10" | "CloseDelimited");
        let either = tls && to_the_end && self == Self::ReadsAndResets;
        (!either).then(|| self.reads_all(tls))
    }

    const fn reads_all(self, tls: bool) -> bool {
        match self {
            Self::ReadsHalfAndCloses if tls => true,
            Self::ReadsAndStays
            | Self::ReadsAndCloses
            | Self::HalfClosesAndReads
            | Self::PipelinesAndReads => true,
            Self::ReadsAndResets
            | Self::ClosesBefore
            | Self::ResetsBefore
            | Self::HalfClosesThenResetsBefore
            | Self::ClosesOverUnread
            | Self::ResetsOverUnread
            | Self::ReadsHalfAndCloses
            | Self::PipelinesAndLeaves => false,
        }
    }

    const fn leaves_before(self) -> bool {
        matches!(
            self,
            Self::ClosesBefore | Self::ResetsBefore | Self::HalfClosesThenResetsBefore
        )
    }

    const fn requests(self) -> usize {
        1 + matches!(self, Self::PipelinesAndReads | Self::PipelinesAndLeaves) as usize
    }

    /// Behaves up to the moment when the answer may leave.
    async fn begin(self, client: &mut Client, framing: Framing) {
        let paths = (0..self.requests()).map(|n| framing.path(&format!("{self:?}/{n}")));
        let text: String = paths.map(|path| framing.request(&path)).collect();
        client.send(&text).await;
        if matches!(
            self,
            Self::HalfClosesAndReads | Self::HalfClosesThenResetsBefore
        ) {
            client.half_close().await;
        }
    }

    /// Behaves from then on; a client that stays is given back.
    async fn end(self, mut client: Client, framing: Framing) -> Option<Client> {
        match self {
            Self::ClosesBefore => client.close().await,
            Self::ResetsBefore | Self::HalfClosesThenResetsBefore => client.reset(),
            Self::ReadsAndStays | Self::HalfClosesAndReads => {
                client.answers(framing, 1).await.unwrap();
                return Some(client);
            }
            Self::ReadsAndCloses => {
                client.answers(framing, 1).await.unwrap();
                client.close().await;
            }
            Self::ReadsAndResets => {
                client.answers(framing, 1).await.unwrap();
                client.reset();
            }
            Self::ClosesOverUnread | Self::PipelinesAndLeaves => {
                client.answer_arrives().await;
                client.close().await;
            }
            Self::ResetsOverUnread => {
                client.answer_arrives().await;
                client.reset();
            }
            Self::ReadsHalfAndCloses => {
                client.stream.read_exact(&mut [0; 20]).await.unwrap();
                client.close().await;
            }
            Self::PipelinesAndReads => {
                client.answers(framing, 2).await.unwrap();
                return Some(client);
            }
        }
        None
    }
}

/// Every behaviour in every framing at once. Those that leave before the answer leave before the
/// gate opens.
async fn table(downstream: &mut Downstream, behaviours: &[Behaviour]) -> HashMap<String, bool> {
    let cells: Vec<_> = behaviours
        .iter()
        .flat_map(|behaviour| FRAMINGS.map(|framing| (*behaviour, framing)))
        // A pipelining client keeps its connection, which HTTP/1.0 does not.
        .filter(|(behaviour, framing)| {
            behaviour.requests() == 1
                || !matches!(framing, Framing::Http10 | Framing::CloseDelimited)
        })
        .collect();
    let mut clients = Vec::new();
    for (behaviour, framing) in &cells {
        let mut client = Client::connect(downstream).await;
        behaviour.begin(&mut client, *framing).await;
        let path = framing.path(&format!("{behaviour:?}/0"));
        assert_eq!(downstream.event().await, arrived(&path));
        clients.push((*behaviour, *framing, client));
    }
    downstream.parks(clients.len()).await;
    let (before, after): (Vec<_>, Vec<_>) = clients
        .into_iter()
        .partition(|(behaviour, ..)| behaviour.leaves_before());
    for (behaviour, framing, client) in before {
        assert!(behaviour.end(client, framing).await.is_none());
    }
    open(&downstream.gate);
    let acting = after
        .into_iter()
        .map(|(behaviour, framing, client)| behaviour.end(client, framing));
    let staying = join_all(acting).await;
    let mut verdicts = HashMap::new();
    let answers: usize = cells
        .iter()
        .map(|(behaviour, _)| behaviour.requests())
        .sum();
    // A pipelining client may leave before its second request was read.
    let unread = cells
        .iter()
        .filter(|(behaviour, _)| *behaviour == B::PipelinesAndLeaves)
        .count();
    while verdicts.len() < answers {
        let verdict = tokio::time::timeout(QUIET * 4, downstream.verdict()).await;
        let Ok((path, delivered)) = verdict else {
            assert!(
                verdicts.len() >= answers - unread,
                "no more verdicts: {verdicts:#?}"
            );
            break;
        };
        assert_eq!(verdicts.insert(path, delivered), None);
    }
    drop(staying);
    verdicts
}

fn open(gate: &Arc<Semaphore>) {
    gate.add_permits(1 << 20);
}

fn assert_verdicts(verdicts: &HashMap<String, bool>, tls: bool) {
    let wrong: Vec<_> = verdicts
        .iter()
        .filter(|(path, delivered)| {
            let mut parts = path.split('/').skip(3);
            let (framing, name) = (parts.next().unwrap(), parts.next().unwrap());
            let behaviour = BEHAVIOURS
                .iter()
                .find(|behaviour| format!("{behaviour:?}") == name)
                .unwrap();
            let expected = behaviour.is_delivered(tls, framing);
            expected.is_some_and(|expected| expected != **delivered)
        })
        .collect();
    assert!(wrong.is_empty(), "wrong verdicts: {wrong:#?}");
}

#[tokio::test]
async fn each_client_is_told_apart_at_each_moment_in_each_framing() {
    for setup in all_ways() {
        let tls = setup.authority.is_some();
        let mut downstream = setup.quiet(QUIET).holding().start();
        assert_verdicts(&table(&mut downstream, &BEHAVIOURS).await, tls);
        let metrics = downstream.metrics();
        assert!(
            metrics.contains("not_acknowledged_total{why=\"reset\"}"),
            "{metrics}"
        );
    }
}

/// Once a client that has half-closed has our FIN too, its kernel tells of nothing any more.
#[tokio::test]
async fn who_half_closes_and_gives_up_over_an_unread_answer_does_not_have_it() {
    let framing = Framing::ContentLength;
    let path = framing.path("unread");
    let held = listener().configure(|config| config.goodbye = QUIET);
    let mut downstream = held.quiet(QUIET).holding().start();
    let mut client = Client::connect(&downstream).await;
    client.send(&framing.request(&path)).await;
    client.half_close().await;
    assert_eq!(downstream.event().await, arrived(&path));
    downstream.parks(1).await;
    open(&downstream.gate);
    client.answer_arrives().await;
    client.close().await;
    assert_eq!(downstream.verdict().await, (path, false));
}

#[tokio::test]
async fn without_acknowledgements_only_an_orderly_end_or_a_next_request_proves() {
    for setup in all_ways() {
        let tls = setup.authority.is_some();
        let mut downstream = setup
            .evidence(Evidence::Portable)
            .quiet(QUIET)
            .holding()
            .start();
        let behaviours = [
            B::ReadsAndCloses,
            B::ClosesBefore,
            B::ResetsBefore,
            B::ClosesOverUnread,
            B::ResetsOverUnread,
            B::ReadsHalfAndCloses,
            B::PipelinesAndLeaves,
        ];
        assert_verdicts(&table(&mut downstream, &behaviours).await, tls);
    }
}

#[tokio::test]
async fn without_acknowledgements_an_end_before_the_answer_proves_nothing() {
    let mut downstream = listener().evidence(Evidence::Portable).quiet(QUIET).start();
    let mut client = Client::connect(&downstream).await;
    for path in ["/whole/9/one", "/whole/9/two"] {
        client.ask(Framing::ContentLength, path).await;
        client.answers(Framing::ContentLength, 1).await.unwrap();
    }
    assert_eq!(downstream.verdict().await, ("/whole/9/one".into(), true));

    let mut half_closing = Client::connect(&downstream).await;
    half_closing
        .ask(Framing::ContentLength, "/whole/9/half")
        .await;
    half_closing.half_close().await;
    half_closing
        .answers(Framing::ContentLength, 1)
        .await
        .unwrap();
    assert_eq!(downstream.verdict().await, ("/whole/9/half".into(), false));
}

#[tokio::test]
async fn the_next_request_settles_the_answer_before_the_service_sees_it() {
    let mut downstream = listener().quiet(Duration::from_hours(1)).start();
    let mut client = Client::connect(&downstream).await;
    for framing in [Framing::ContentLength, Framing::Chunked, Framing::Empty] {
        let (one, two) = (framing.path("one"), framing.path("two"));
        client.ask(framing, &one).await;
        client.answers(framing, 1).await.unwrap();
        client.ask(framing, &two).await;
        client.answers(framing, 1).await.unwrap();
        client.ask(Framing::Empty, "/empty/0/last").await;
        client.answers(Framing::Empty, 1).await.unwrap();
        let mut events = Vec::new();
        for _ in 0..5 {
            events.push(downstream.event().await);
        }
        events.retain(|event| *event != settled("/empty/0/last", true));
        if events.len() < 5 {
            events.push(downstream.event().await);
        }
        assert_eq!(
            events,
            [
                arrived(&one),
                settled(&one, true),
                arrived(&two),
                settled(&two, true),
                arrived("/empty/0/last"),
            ]
        );
    }
}

#[tokio::test]
async fn a_large_answer_is_delivered_when_its_slow_reader_has_all_of_it() {
    let mut downstream = listener().quiet(Duration::from_millis(50)).start();
    let mut client = Client::narrow(&downstream).await;
    client
        .ask(Framing::ContentLength, "/whole/1000000/slow")
        .await;
    let mut received = 0;
    let mut buffer = [0; 16_384];
    while received < 1_000_000 {
        received += client.stream.read(&mut buffer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let early = downstream.events.try_recv();
        assert!(
            !matches!(early, Ok(crate::downstream::Event::Settled(..))) || received >= 900_000,
            "{early:?} after {received} bytes"
        );
    }
    assert_eq!(
        downstream.verdict().await,
        ("/whole/1000000/slow".into(), true)
    );
}

#[tokio::test]
async fn an_answer_whose_first_half_alone_was_taken_is_not_delivered() {
    let quiet = Duration::from_millis(50);
    for path in ["/whole/1000000/half", "/streamed/1000000/half"] {
        let mut downstream = listener().quiet(quiet).start();
        let mut client = Client::narrow(&downstream).await;
        client.ask(Framing::ContentLength, path).await;
        {
            client.stream.read_exact(&mut [0; 10_000]).await.unwrap();
        }
        // Time for a wrong verdict, which would come after the quiet time.
        tokio::time::sleep(quiet * 4).await;
        drop(client);
        assert_eq!(downstream.verdict().await, (path.into(), false));
    }
}

#[tokio::test]
async fn who_gives_up_over_an_unread_answer_long_after_the_goodbye_does_not_have_it() {
    for setup in all_ways() {
        let mut downstream = setup.quiet(2 * QUIET).start();
        let mut client = Client::connect(&downstream).await;
        client.ask(Framing::Http10, "/whole/2000/unread").await;
        client.answer_arrives().await;
        // A client's patience: far beyond the goodbye and what its kernel puts off, within the quiet.
        tokio::time::sleep(QUIET / 2).await;
        client.reset();
        assert!(!downstream.verdict().await.1);
    }
}

#[tokio::test]
async fn clients_that_time_out_around_the_answer_are_never_told_wrong() {
    for setup in all_ways() {
        time_out_around_the_answer(setup).await;
    }
}

async fn time_out_around_the_answer(setup: Setup) {
    const CLIENTS: u64 = 400;
    const ANSWER: Duration = Duration::from_millis(30);
    let mut downstream = setup.quiet(QUIET).delay(ANSWER).start();
    let mut has = HashMap::new();
    for batch in 0..8 {
        let clients = (0..CLIENTS / 8).map(|n| {
            let number = batch * (CLIENTS / 8) + n;
            let path = format!("/whole/2000/{number}");
            // From well before the answer to well after it, most within 3 ms of it.
            let patience = match n {
                0 => ANSWER / 2,
                1 => ANSWER * 20,
                _ => Duration::from_micros(28_000 + n * 120),
            };
            let downstream = &downstream;
            async move {
                let mut client = Client::connect(downstream).await;
                client.ask(Framing::ContentLength, &path).await;
                let answer = client.answers(Framing::ContentLength, 1);
                let read = tokio::time::timeout(patience, answer).await;
                if read.is_err() {
                    // A client closes a while after it gave up, and its kernel takes and
                    // acknowledges what comes meanwhile.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (path, matches!(read, Ok(Ok(_))))
            }
        });
        has.extend(join_all(clients).await);
    }
    for _ in 0..CLIENTS {
        let (path, delivered) = downstream.verdict().await;
        assert_eq!(has.remove(&path), Some(delivered), "{path}");
    }
}
