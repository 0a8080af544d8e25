//! Many held at once: each connection pays, waits for its answer, and pays again, so that as many are
//! held all the time. Measured is a window in the middle.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use holdline::simulator::Latency;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Failure;
use crate::client::{Connection, Door, Payment, after};
use crate::contestant::{Contestant, Place, Running};
use crate::gateway::{Gateway, Ledger};

/// Connections that are opened in a second.
pub(crate) const OPENED_A_SECOND: f64 = 1000.0;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How often memory is, in looks.
const MEMORY_LOOKS: u32 = 10;

/// How long after a failure a client tries again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Requests that are held at once.
    pub(crate) held: usize,
    /// Answers before the window: twice as many as are held, so that who learns has learned.
    pub(crate) warm: usize,
    /// Answers in the window.
    pub(crate) measured: usize,
    /// How long the gateway works on a payment.
    pub(crate) law: Latency,
    pub(crate) seed: u64,
    /// When a run that does not end is given up.
    pub(crate) limit: Duration,
}

/// What was seen in the window.
pub(crate) struct Seen {
    /// From the moment in which the result was ready to that in which the client had it, in ms.
    pub(crate) late_mean: f64,
    pub(crate) late_median: f64,
    pub(crate) late_99: f64,
    /// Polls for one exchange.
    pub(crate) polls: f64,
    /// Processor time of one exchange, in µs.
    pub(crate) cpu: f64,
    /// Memory of one held connection at the peak, in KiB.
    pub(crate) memory: f64,
    /// Exchanges a second.
    pub(crate) rate: f64,
    /// What went wrong, over the whole run.
    pub(crate) failures: BTreeMap<String, usize>,
    /// Payments charged more than once, over the whole run.
    pub(crate) twice: usize,
}

impl Seen {
    /// How many requests had no answer, or a wrong one.
    pub(crate) fn failed(&self) -> f64 {
        as_float(self.failures.values().sum())
    }

    /// True if every request had its answer, and none was charged twice.
    pub(crate) fn is_sound(&self) -> bool {
        self.failures.is_empty() && self.twice == 0
    }

    pub(crate) fn tell_failures(&self) {
        for (why, count) in &self.failures {
            eprintln!("{count} requests failed: {why}");
        }
    }
}

/// What the clients of a run share.
pub(crate) struct Run {
    plan: Plan,
    tally: Mutex<Tally>,
}

pub(crate) struct Tally {
    random: fastrand::Rng,
    begun: usize,
    pub(crate) answered: usize,
    pub(crate) failures: BTreeMap<String, usize>,
    /// Whether answers are being measured.
    open: bool,
    /// Whether the clients are to end.
    pub(crate) over: bool,
    /// Of each measured payment its `tracking_id` and its lateness in ms.
    late: Vec<(String, f64)>,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            tally: Mutex::new(Tally {
                random: fastrand::Rng::with_seed(plan.seed),
                begun: 0,
                answered: 0,
                failures: BTreeMap::new(),
                open: false,
                over: false,
                late: Vec::with_capacity(plan.measured),
            }),
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next payment; `None` once there are enough.
    fn next(&self) -> Option<Payment> {
        let mut tally = self.tally();
        if tally.over {
            return None;
        }
        tally.begun += 1;
        Some(Payment {
            tracking_id: format!("load-{}", tally.begun),
            work: self.plan.law.draw(&mut tally.random),
        })
    }

    fn ended(&self, payment: Payment, answered: &Result<f64, Failure>) {
        let mut tally = self.tally();
        match answered {
            Ok(late) => {
                tally.answered += 1;
                if tally.open {
                    tally.late.push((payment.tracking_id, *late));
                }
            }
            Err(why) => *tally.failures.entry(why.to_string()).or_default() += 1,
        }
    }

    /// One client, from its first payment to its last.
    async fn client(self: Arc<Self>, door: Door, number: usize, begin: Instant) {
        sleep_until(begin).await;
        let mut connection: Option<Connection> = None;
        while let Some(payment) = self.next() {
            let answered = paid(&mut connection, &door, number, &payment).await;
            self.ended(payment, &answered);
            if answered.is_err() {
                connection = None;
                sleep(PAUSE).await;
            }
        }
    }

    /// Waits until so many were answered; returns how many were, and the peak of the memory.
    async fn answered(&self, count: usize, running: &Running) -> Result<(usize, usize), Failure> {
        let mut peak = 0;
        for look in 0_u32.. {
            if look.is_multiple_of(MEMORY_LOOKS) {
                peak = peak.max(running.process.usage()?.own);
            }
            let answered = self.tally().answered;
            if answered >= count {
                return Ok((answered, peak));
            }
            sleep(LOOK).await;
        }
        Err("nobody waits that long".into())
    }
}

/// One payment, on a connection that is open or is opened for it; returns its lateness in ms.
async fn paid(
    connection: &mut Option<Connection>,
    door: &Door,
    number: usize,
    payment: &Payment,
) -> Result<f64, Failure> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(door.connect(number).await?),
    };
    let body = open.pay(payment).await?;
    let now = SystemTime::now();
    lateness(&body, payment.work, now)
}

/// What has passed since the gateway had the result: it wrote into it when it had begun, and was told
/// in whole milliseconds how long to work.
fn lateness(body: &Bytes, work: Duration, now: SystemTime) -> Result<f64, Failure> {
    let rest = after(body, "\"created_at\":\"").unwrap_or_default();
    let text = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
    let created: Timestamp = std::str::from_utf8(text)?.parse()?;
    let work = Duration::from_millis(u64::try_from(work.as_millis())?);
    let ready = SystemTime::from(created) + work;
    let late = now
        .duration_since(ready)
        .map_err(|_| "answered before the result was ready")?;
    Ok(late.as_secs_f64() * 1e3)
}

/// Runs the plan with one contestant at a gateway of its own.
pub(crate) async fn run(
    contestant: Contestant,
    place: &Place<'_>,
    plan: Plan,
) -> Result<Seen, Failure> {
    let gateway = Gateway::start(place.holdline, place.scratch).await?;
    let place = Place {
        upstream: gateway.address,
        ..*place
    };
    let running = contestant.start(&place).await?;
    let door = Door::new(running.address, place.pair.map(|pair| &*pair.authority))?;
    timeout(plan.limit, loaded(&gateway, &running, &door, plan))
        .await
        .map_err(|_| {
            let said = running.process.said();
            format!("{} did not come to the end: {said}", contestant.name())
        })?
}

async fn loaded(
    gateway: &Gateway,
    running: &Running,
    door: &Door,
    plan: Plan,
) -> Result<Seen, Failure> {
    let idle = running.process.usage()?;
    let run = Arc::new(Run::new(plan));
    let mut clients = opened(&run, door);
    let (first, earlier_peak) = run.answered(plan.warm, running).await?;
    run.tally().open = true;
    let (opened, before) = (Instant::now(), running.process.usage()?);
    let (last, later_peak) = run.answered(first + plan.measured, running).await?;
    let after = running.process.usage()?;
    let span = opened.elapsed();
    {
        let mut tally = run.tally();
        tally.open = false;
        tally.over = true;
    }
    while let Some(ended) = clients.join_next().await {
        ended?;
    }
    let window = Window {
        answered: last - first,
        span,
        cpu: after.cpu.saturating_sub(before.cpu),
        memory: earlier_peak.max(later_peak).saturating_sub(idle.own),
    };
    Ok(window.seen(&run, &gateway.ledger().await?))
}

/// The clients of a run, who come one after another.
pub(crate) fn opened(run: &Arc<Run>, door: &Door) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let begin = Instant::now();
    for number in 0..run.plan.held {
        let later = Duration::from_secs_f64(as_float(number) / OPENED_A_SECOND);
        clients.spawn(run.clone().client(door.clone(), number, begin + later));
    }
    clients
}

/// What was measured of the process.
struct Window {
    answered: usize,
    span: Duration,
    cpu: Duration,
    memory: usize,
}

impl Window {
    fn seen(&self, run: &Run, ledger: &Ledger) -> Seen {
        let tally = run.tally();
        let mut late: Vec<f64> = tally.late.iter().map(|(_, late)| *late).collect();
        late.sort_by(f64::total_cmp);
        let polls: usize = tally
            .late
            .iter()
            .filter_map(|(tracking_id, _)| ledger.polls.get(tracking_id))
            .sum();
        let measured = as_float(late.len().max(1));
        Seen {
            late_mean: late.iter().sum::<f64>() / measured,
            late_median: quantile(&late, 0.5),
            late_99: quantile(&late, 0.99),
            polls: as_float(polls) / measured,
            cpu: self.cpu.as_secs_f64() * 1e6 / as_float(self.answered),
            memory: as_float(self.memory) / as_float(run.plan.held),
            rate: as_float(self.answered) / self.span.as_secs_f64(),
            failures: tally.failures.clone(),
            twice: ledger.twice,
        }
    }
}

/// The value below which this share of the sorted ones is.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = as_float(sorted.len().saturating_sub(1));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index that lies between 0 and the last one"
    )]
    let index = (last * share).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn as_float(count: usize) -> f64 {
    count as f64
}
