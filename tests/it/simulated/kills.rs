//! What is left of a process that was killed: nothing that reaches anything.
use std::time::Duration;

use super::host::Host;
use super::life::{Death, Doom};
use super::world::{Ask, Setting};

/// A payment by a process that dies before its n-th step; false if it lived to its end.
async fn killed_at(n: u64) -> bool {
    let host = Host::new(&Setting::default());
    let life = host.start(Doom::At(n), Death::Killed);
    let reply = host.pay(&Ask::payment("")).await;
    let Some(ending) = life.ending() else {
        assert!(reply.is_some(), "it lives, and answers");
        return false;
    };
    assert!(reply.is_none(), "the dead tell nothing: {reply:?}");
    host.bury();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let wires = host.network().wires();
    let pieces = wires.iter().flat_map(|wire| wire.up.iter());
    let after = pieces.filter(|(at, _)| *at > ending.at);
    assert_eq!(after.count(), 0, "nothing leaves after the end");
    assert!(
        life.chronicle()
            .last()
            .is_some_and(|(at, ..)| *at == ending.at)
    );
    true
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_at_any_step_reaches_nothing_more() {
    let mut n = 0;
    while killed_at(n).await {
        n += 1;
    }
    assert!(n > 8, "it was killed at {n} steps");
}
