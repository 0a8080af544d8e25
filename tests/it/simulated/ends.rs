//! A process that ends at any step of one payment, by a kill or a loss of power, and the one after it: what
//! ARCHITECTURE.md says of each place ("What is sure, what is in doubt") must be seen, and one submit at most.
use std::collections::BTreeMap;
use std::time::Duration;

use holdline::journal::{LastRecord, Remembered};
use holdline::simulator::Ledger;

use super::host::Host;
use super::life::{Death, Doom, Step};
use super::world::{Answered, Ask, Reply, Setting};

/// Where a payment stood when its process ended, by what the next one finds and by the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stood {
    Nothing,
    IntentUnsent,
    Sent,
    Accepted,
    Candidate,
    Completed,
    Delivered,
}

/// One way to end.
#[derive(Clone, Copy, Debug)]
struct End {
    at: u64,
    death: Death,
    seed: u64,
}

/// The payment until its process ends, and what its client was told.
async fn play(host: &Host, ask: &Ask, doom: Doom, death: Death) -> Option<Answered> {
    let life = host.start(doom, death);
    let answered = host.pay(ask).await.map(Reply::answer);
    if let Some(answered) = &answered {
        answered.settle(true);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    life.kill();
    host.bury();
    tokio::time::sleep(Duration::from_secs(1)).await;
    answered
}

/// The steps at which the process can end so that it matters: reading changes nothing.
async fn places(ask: &Ask) -> Vec<u64> {
    let host = Host::new(&Setting::default());
    assert!(play(&host, ask, Doom::Never, Death::Killed).await.is_some());
    let steps = (0..).zip(host.chronicle());
    let matters = steps.filter(|(_, (.., step))| *step != Step::DiskRead);
    matters.map(|(number, _)| number).collect()
}

fn stood(found: &[Remembered], ledger: &Ledger) -> Stood {
    assert!(found.len() <= 1, "{found:?}");
    let Some(exchange) = found.first() else {
        return Stood::Nothing;
    };
    match &exchange.last_record {
        LastRecord::Submitted if ledger.submits.is_empty() => Stood::IntentUnsent,
        LastRecord::Submitted => Stood::Sent,
        LastRecord::Accepted if exchange.candidate.is_some() => Stood::Candidate,
        LastRecord::Accepted => Stood::Accepted,
        LastRecord::Completed => Stood::Completed,
        LastRecord::Delivered => Stood::Delivered,
        LastRecord::InDoubt(_) | LastRecord::Ended => panic!("{exchange:?}"),
    }
}

/// The client repeats until it knows.
async fn repeat(host: &Host, ask: &Ask) -> Reply {
    for _ in 0..5 {
        match host.pay(ask).await {
            Some(reply @ (Reply::Answer(_) | Reply::Refused(_))) => return reply,
            _ => tokio::time::sleep(Duration::from_secs(15)).await,
        }
    }
    host.pay(ask).await.expect("nobody kills it")
}

fn polls(ledger: &Ledger) -> usize {
    ledger.tasks.iter().map(|task| task.polls.len()).sum()
}

/// Ends at one place and starts again; where it stood.
async fn ended(ask: &Ask, end: End) -> Stood {
    let host = Host::new(&Setting {
        seed: end.seed,
        ..Setting::default()
    });
    let told = play(&host, ask, Doom::At(end.at), end.death).await;
    let before = host.ledger();
    host.start(Doom::Never, Death::Killed);
    assert_eq!(host.refused(), Vec::<String>::new(), "{end:?}");
    let stood = stood(&host.found(), &before);
    let reply = repeat(&host, ask).await;
    let after = host.ledger();
    let case = format!("{end:?} {stood:?}: {reply:?}");
    let spent = before.tasks.iter().any(|task| task.spent);
    let (answers, submits) = match stood {
        Stood::Nothing => {
            assert!(before.submits.is_empty(), "{case}");
            (true, 1)
        }
        Stood::IntentUnsent => (false, 0),
        Stood::Sent => (!after.charges.is_empty(), 1),
        // What may be read once was read, and died with its reader.
        Stood::Accepted => (!spent, 1),
        // Without a key an answer that arrived ends it: the next request is another purchase.
        Stood::Delivered if ask.key.is_none() => (true, 2),
        Stood::Candidate | Stood::Completed | Stood::Delivered => (true, 1),
    };
    assert_eq!(after.submits.len(), submits, "{case}");
    assert_eq!(matches!(reply, Reply::Answer(_)), answers, "{case}");
    assert!(answers || matches!(reply, Reply::InDoubt(_)), "{case}");
    if matches!(stood, Stood::Completed) || (stood == Stood::Delivered && ask.key.is_some()) {
        assert_eq!(polls(&before), polls(&after), "{case}");
    }
    if let (Some(first), Reply::Answer(again)) = (told, &reply)
        && submits == 1
    {
        assert_eq!(first.answer, again.answer, "{case}");
    }
    stood
}

async fn ends_well_everywhere(ask: Ask, expected: &[Stood]) {
    let ways = [
        (Death::Killed, 0),
        (Death::PowerLost, 1),
        (Death::PowerLost, 2),
    ];
    let mut seen: BTreeMap<Stood, u32> = BTreeMap::new();
    for (turn, at) in places(&ask).await.into_iter().enumerate() {
        // Every place in every way takes a minute where nothing is optimised; then they take turns.
        let turn = turn % ways.len();
        let all = std::env::var_os("HOLDLINE_CHAOS_SEEDS").is_some();
        let chosen = if all { &ways[..] } else { &ways[turn..=turn] };
        for (death, seed) in chosen.iter().copied() {
            let stood = ended(&ask, End { at, death, seed }).await;
            *seen.entry(stood).or_default() += 1;
        }
    }
    let seen: Vec<Stood> = seen.into_keys().collect();
    assert_eq!(seen, expected, "the places at which it ended");
}

#[tokio::test(start_paused = true)]
async fn a_payment_without_a_key_survives_an_end_at_any_step() {
    ends_well_everywhere(
        Ask::payment(""),
        &[
            Stood::Nothing,
            Stood::IntentUnsent,
            Stood::Sent,
            Stood::Accepted,
            Stood::Completed,
            Stood::Delivered,
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_payment_with_a_key_and_an_answer_that_is_read_once_survives_an_end_at_any_step() {
    ends_well_everywhere(
        Ask::payment("soft=406").with_key("k"),
        &[
            Stood::Nothing,
            Stood::IntentUnsent,
            Stood::Sent,
            Stood::Accepted,
            Stood::Candidate,
            Stood::Completed,
            Stood::Delivered,
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_moved_is_not_asked_for_what_another_has() {
    for (recall, is_asked) in [
        ((|_| true) as super::host::Recall, false),
        // A recovery that asks wherever the gateway is now.
        (
            |exchange| {
                exchange.head.origin = "http://elsewhere.test".into();
                true
            },
            true,
        ),
    ] {
        let host = Host::new(&Setting::default());
        let ask = Ask::payment("delay=9000");
        let life = host.start(Doom::Never, Death::Killed);
        let first = tokio::time::timeout(Duration::from_secs(5), host.pay(&ask)).await;
        assert!(first.is_err(), "it runs: {first:?}");
        life.kill();
        host.bury();
        host.move_gateway(1);
        host.recalls(recall);
        let life = host.start(Doom::Never, Death::Killed);
        let there = repeat(&host, &ask).await;
        assert!(matches!(there, Reply::InDoubt(_)), "{there:?}");
        let seen = host.elsewhere();
        let asked = seen.submits.len() + seen.strays.len() + seen.queries.len();
        assert_eq!(asked > 0, is_asked, "{seen:?}");
        if is_asked {
            continue;
        }
        life.kill();
        host.bury();
        host.move_gateway(0);
        host.start(Doom::Never, Death::Killed);
        let back = repeat(&host, &ask).await.answer();
        assert_eq!(back.uid(), host.ledger().charges[0].uid);
        assert_eq!(host.ledger().submits.len(), 1);
    }
}
