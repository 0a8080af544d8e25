//! Requests that are not converted: what passing one on costs, and how much later its answer comes.
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Failure;
use crate::client::{Door, Payment};
use crate::contestant::{Contestant, Place, Running};
use crate::gateway::Gateway;
use crate::held::{as_float, quantile};
use crate::process::{Process, Usage};

/// Connections of the second part, all of them busy.
pub(crate) const TOGETHER: usize = 32;

/// Requests on each connection before anything is measured.
const WARM: usize = 50;

/// What was seen.
pub(crate) struct Seen {
    /// Processor time of a request, one after another on one connection, in µs.
    pub(crate) cpu_alone: f64,
    /// The same with many connections, as fast as it goes.
    pub(crate) cpu_together: f64,
    /// From the request to the whole answer, one after another, in µs.
    pub(crate) median: f64,
    pub(crate) late_99: f64,
    /// What the median has above that without anybody between, in µs; set by who knows both.
    pub(crate) added: f64,
}

/// A gateway that answers at once, reached by whoever is measured, or without anybody between.
pub(crate) async fn run(
    contestant: Option<Contestant>,
    place: &Place<'_>,
    count: usize,
) -> Result<Seen, Failure> {
    let gateway = Gateway::start(place.holdline, place.scratch).await?;
    let place = Place {
        upstream: gateway.address,
        ..*place
    };
    let running = match contestant {
        Some(contestant) => Some(contestant.start(&place).await?),
        None => None,
    };
    let address = running.as_ref().map_or(gateway.address, |it| it.address);
    let door = Door::new(address, None)?;
    let used = || {
        let process = running.as_ref().map(|it: &Running| &it.process);
        process.map_or_else(|| Ok(Usage::default()), Process::usage)
    };
    series(&door, 0, WARM).await?;
    let before = used()?;
    let mut spans = series(&door, 0, count).await?;
    let between = used()?;
    spans.sort_by(f64::total_cmp);
    let before_many = {
        together(&door, WARM * TOGETHER).await?;
        used()?
    };
    together(&door, count).await?;
    let last = used()?;
    let each = |from: Usage, to: Usage| {
        to.cpu.saturating_sub(from.cpu).as_secs_f64() * 1e6 / as_float(count)
    };
    Ok(Seen {
        cpu_alone: each(before, between),
        cpu_together: each(before_many, last),
        median: quantile(&spans, 0.5),
        late_99: quantile(&spans, 0.99),
        added: 0.0,
    })
}

/// Requests one after another on one connection; returns how long each took, in µs.
async fn series(door: &Door, number: usize, count: usize) -> Result<Vec<f64>, Failure> {
    let mut connection = door.connect(number).await?;
    let mut spans = Vec::with_capacity(count);
    for index in 0..count {
        let payment = Payment {
            tracking_id: format!("relay-{number}-{index}"),
            work: Duration::ZERO,
        };
        let began = Instant::now();
        connection.pay(&payment).await?;
        spans.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(spans)
}

async fn together(door: &Door, count: usize) -> Result<(), Failure> {
    let mut clients = JoinSet::new();
    for number in 0..TOGETHER {
        let door = door.clone();
        let part = count / TOGETHER;
        clients.spawn(async move { series(&door, number, part).await.map(drop) });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}
