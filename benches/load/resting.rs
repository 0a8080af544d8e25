//! What a connection costs that is held and waits: memory with all of them held, and with none.
use std::sync::Arc;
use std::time::Duration;

use holdline::simulator::Latency;
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::client::Door;
use crate::contestant::{Contestant, Place};
use crate::gateway::Gateway;
use crate::held::{OPENED_A_SECOND, Plan, Run, as_float, opened};

/// What a run may take beyond the time that its tasks need.
const GRACE: Duration = Duration::from_secs(20);

/// What was seen.
pub(crate) struct Seen {
    /// Memory of one held connection, in KiB.
    pub(crate) held: f64,
    /// All resident memory before anybody came, in MiB.
    pub(crate) idle: f64,
}

/// Lets one contestant hold `held` requests, and looks at its memory before, and when all of them
/// have been held for `settling`.
pub(crate) async fn run(
    contestant: Contestant,
    place: &Place<'_>,
    held: usize,
    settling: Duration,
) -> Result<Seen, Failure> {
    let gateway = Gateway::start(place.holdline, place.scratch).await?;
    let place = Place {
        upstream: gateway.address,
        ..*place
    };
    let running = contestant.start(&place).await?;
    let door = Door::new(running.address, place.pair.map(|pair| &*pair.authority))?;
    let idle = running.process.usage()?;
    let opening = Duration::from_secs_f64(as_float(held) / OPENED_A_SECOND);
    // The first that came must still wait when the last one has settled.
    let work = opening + settling * 2;
    let run = Arc::new(Run::new(Plan {
        held,
        warm: 0,
        measured: 0,
        law: Latency::Fixed(work),
        seed: 0,
        limit: work * 2 + GRACE,
    }));
    let mut clients = opened(&run, &door);
    sleep(opening + settling).await;
    let full = running.process.usage()?;
    run.tally().over = true;
    let ended = async {
        while let Some(ended) = clients.join_next().await {
            ended?;
        }
        Ok::<_, Failure>(())
    };
    timeout(work * 2 + GRACE, ended).await??;
    let tally = run.tally();
    if tally.answered != held {
        return Err(format!(
            "{} of {held} answered: {:?}",
            tally.answered, tally.failures
        )
        .into());
    }
    Ok(Seen {
        held: as_float(full.own.saturating_sub(idle.own)) / as_float(held),
        idle: as_float(idle.resident) / 1024.0,
    })
}
