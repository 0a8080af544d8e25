//! A buyer over real sockets: it times out, hangs up, loses answers, and repeats until it knows.
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use holdline::timing::{Clock, Moment};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::kernel::since_last_bytes;
use super::pace::Pace;
use super::plan::Intent;
use crate::stage::asking::{Answer, Asking};
use crate::stage::bench::ms;

/// So long a buyer waits for an answer once all is well: longer than any hold.
const PATIENCE: Duration = Duration::from_secs(8);
/// A doubt that is told so long after the first one, while all is well, is the last word. It is
/// longer than a hold: the first one may have been spent on a task that is not known any more.
const DOUBTED: Duration = ms(1_500);
/// It gives up after so many other things that it was told while all is well.
const CALM_ATTEMPTS: u32 = 6;
/// It gives up when so many attempts were met by silence while all is well.
const CALM_SILENCES: u32 = 400;
/// Longer than an answer must lie without a reset to count as delivered. Who asks for the same thing
/// sooner may be given the same answer.
pub(super) const UNTIL_DELIVERED: Duration = ms(600);
/// `coalesce.quiet`, less a tick of the kernel's clock: an answer that lay in the kernel for so long
/// may count as delivered, though its buyer then resets the connection.
const LAIN: Duration = ms(190);

/// How the world around holdline breaks a rule, to see that the judges find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Harness {
    /// It does not.
    #[default]
    Honest,
    /// A box before the buyer takes the answer, and counts what it wrote as delivered.
    WriteIsDelivery,
    /// A doubt is told as "not submitted".
    DoubtIsDenied,
    /// A decline is told instead of the answer.
    Declines,
    /// An answer is told as a doubt.
    Doubts,
    /// An answer that comes again is told in other words.
    Restates,
}

/// What a buyer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The gateway's words.
    Answer { status: u16, body: Vec<u8> },
    /// Nothing of it left.
    NotSubmitted,
    /// The task runs.
    InProgress,
    /// It may have been executed.
    InDoubt,
    /// It was executed, and the answer is no longer kept.
    Spent,
}

/// One attempt, with what came of it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) intent: usize,
    pub(super) client: u32,
    pub(super) round: u32,
    pub(super) began: Moment,
    pub(super) at: Moment,
    /// The exchange, where it was told.
    pub(super) exchange: Option<String>,
    /// The idempotency key, where it was told.
    pub(super) key: Option<String>,
    /// `None`: it heard nothing.
    pub(super) said: Option<Said>,
    /// It was the last word of this round.
    pub(super) is_last: bool,
    /// It was slow to lose what it heard, as on a machine that stands still: holdline may call that
    /// delivered.
    pub(super) may_count: bool,
}

/// What an attempt heard.
#[derive(Default)]
struct Heard {
    answer: Option<Answer>,
    may_count: bool,
}

/// What every buyer of a run knows of the world.
#[derive(Clone)]
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) address: SocketAddr,
    /// True once nothing goes wrong any more.
    pub(super) is_calm: Rc<Cell<bool>>,
    pub(super) pace: Pace,
    pub(super) harness: Harness,
}

/// How one attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Waits.
    Patient,
    /// Ends its sending after the request, and waits.
    HalfClosed,
    /// Hangs up after so long.
    Impatient(Duration),
    /// Leaves in the middle of the request, after so many bytes of it.
    Torn(usize),
    /// Stays connected after so long, but never reads.
    Deaf(Duration),
    /// Lets the answer come, and resets the connection with the answer unread.
    Loses,
}

/// A buyer of one intent.
pub(super) struct Buyer {
    pub(super) world: World,
    pub(super) number: usize,
    pub(super) client: u32,
    pub(super) intent: Intent,
    pub(super) rng: Rng,
}

impl Buyer {
    /// Buys, round after round, and says what it was told.
    pub(super) async fn buy(mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for round in 0..self.intent.rounds {
            let pause = ms(self.rng.u64(..300));
            let since = if round == 0 {
                Duration::ZERO
            } else {
                UNTIL_DELIVERED
            };
            tokio::time::sleep(pause + since).await;
            if !self.round(round, &mut told).await {
                break;
            }
        }
        told
    }

    /// One purchase; false if it ended without an answer.
    async fn round(&mut self, round: u32, log: &mut Vec<Told>) -> bool {
        let mut deaf = Vec::new();
        let (mut calm_attempts, mut calm_silences) = (0, 0);
        let mut doubted = None;
        loop {
            let is_calm = self.world.is_calm.get();
            let manner = self.manner(is_calm);
            let began = self.world.clock.now();
            let heard = self.attempt(manner, &mut deaf).await.unwrap_or_default();
            let answer = heard.answer.as_ref();
            calm_silences += u32::from(is_calm && answer.is_none());
            let mut told = self.told(round, began, answer);
            told.may_count = heard.may_count;
            let is_doubt = told.said == Some(Said::InDoubt);
            calm_attempts += u32::from(is_calm && answer.is_some() && !is_doubt);
            if is_calm && is_doubt {
                doubted.get_or_insert(began);
            }
            let patience = DOUBTED + 4 * self.world.pace.slowest();
            let is_sure = is_doubt && doubted.is_some_and(|from| told.at.since(from) >= patience);
            let has_answer = matches!(told.said, Some(Said::Answer { .. }));
            let is_over = has_answer
                || told.said == Some(Said::Spent)
                || is_sure
                || calm_attempts == CALM_ATTEMPTS
                || calm_silences == CALM_SILENCES;
            if has_answer && self.loses_what_it_has(is_calm).await {
                told.said = None;
                log.push(told);
                continue;
            }
            told.is_last = is_over;
            log.push(told);
            if is_over {
                return has_answer;
            }
            let pause = if is_doubt && is_calm { 300 } else { 60 };
            tokio::time::sleep(ms(self.rng.u64(5..pause))).await;
        }
    }

    fn manner(&mut self, is_calm: bool) -> Manner {
        if is_calm {
            return Manner::Patient;
        }
        let soon = ms(self.rng.u64(1..400));
        match self.rng.u8(..16) {
            0..3 => Manner::Impatient(soon),
            3 => Manner::Impatient(Duration::ZERO),
            4 => Manner::Torn(self.rng.usize(1..600)),
            5 if self.may_be_deaf() => Manner::Deaf(soon),
            6..8 => Manner::Loses,
            8 => Manner::HalfClosed,
            _ => Manner::Patient,
        }
    }

    /// What a deaf client's kernel took counts as delivered. Only a key brings it again.
    fn may_be_deaf(&self) -> bool {
        self.intent.key.is_some()
    }

    fn request(&self) -> Vec<u8> {
        let Intent {
            tracking_id,
            words,
            amount,
            shop: (shop, secret),
            key,
            ..
        } = &self.intent;
        let asking = Asking::new(self.world.address, "POST", "/transactions/payments")
            .tracking(tracking_id)
            .words(words)
            .amount(*amount)
            .of_shop(shop, secret);
        let asking = match key {
            Some(key) => asking.key(key),
            None => asking,
        };
        asking.bytes()
    }

    /// Asks once; `None` if the connection failed, or was left.
    async fn attempt(&mut self, manner: Manner, deaf: &mut Vec<TcpStream>) -> Option<Heard> {
        let request = self.request();
        let mut line = TcpStream::connect(self.world.address).await.ok()?;
        line.set_nodelay(true).ok()?;
        if let Manner::Torn(count) = manner {
            let part = &request[..count.min(request.len() - 1)];
            line.write_all(part).await.ok()?;
            return None;
        }
        line.write_all(&request).await.ok()?;
        let patience = match manner {
            Manner::Torn(_) => return None,
            Manner::Patient => PATIENCE,
            Manner::HalfClosed => {
                line.shutdown().await.ok()?;
                PATIENCE
            }
            Manner::Impatient(patience) => patience,
            Manner::Deaf(patience) => {
                tokio::time::sleep(patience).await;
                deaf.push(line);
                return None;
            }
            Manner::Loses => return loses(line).await,
        };
        Some(Heard {
            answer: answer(&mut line, patience).await,
            may_count: false,
        })
    }

    /// A box in between has the answer, and its buyer has not.
    async fn loses_what_it_has(&mut self, is_calm: bool) -> bool {
        let loses =
            self.world.harness == Harness::WriteIsDelivery && !is_calm && self.rng.u8(..3) == 0;
        if loses {
            tokio::time::sleep(UNTIL_DELIVERED).await;
        }
        loses
    }

    fn told(&self, round: u32, began: Moment, answer: Option<&Answer>) -> Told {
        let field = |name: &str| answer.and_then(|it| it.field(name)).map(str::to_owned);
        let key = answer
            .filter(|it| it.field("proxy-status").is_some())
            .and_then(|it| Some(it.json()["idempotency_key"].as_str()?.to_owned()));
        Told {
            intent: self.number,
            client: self.client,
            round,
            began,
            at: self.world.clock.now(),
            exchange: field("holdline-exchange"),
            key,
            said: answer.map(|answer| self.world.harness.told(said(answer), answer)),
            is_last: false,
            may_count: false,
        }
    }
}

/// Waits until something is there, and resets the connection over it.
async fn loses(line: TcpStream) -> Option<Heard> {
    let something = timeout(PATIENCE, line.readable()).await;
    let may_count = something.is_ok() && since_last_bytes(&line) >= LAIN;
    line.set_zero_linger().ok()?;
    Some(Heard {
        answer: None,
        may_count,
    })
}

/// Reads an answer; `None` if none comes whole in time.
async fn answer(line: &mut TcpStream, patience: Duration) -> Option<Answer> {
    let mut bytes = Vec::new();
    let read = async {
        loop {
            if let Some((answer, _)) = Answer::parse(&bytes) {
                return Some(answer);
            }
            match line.read_buf(&mut bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    };
    timeout(patience, read).await.ok()?
}

/// What an answer says of the exchange.
fn said(answer: &Answer) -> Said {
    let outcome = answer.field("holdline-outcome");
    let is_ours = answer.field("proxy-status").is_some();
    match (outcome, is_ours) {
        (Some("completed"), false) => Said::Answer {
            status: answer.status,
            body: answer.body.clone(),
        },
        (Some("completed"), true) => Said::Spent,
        (Some("not-submitted"), true) => Said::NotSubmitted,
        (Some("in-progress"), true) => Said::InProgress,
        (Some("in-doubt"), true) => Said::InDoubt,
        _ => panic!("an answer that says nothing: {answer:?}"),
    }
}

impl Harness {
    /// What the buyer is told instead of the truth.
    fn told(self, said: Said, answer: &Answer) -> Said {
        let is_again = answer.field("idempotency-replayed").is_some();
        match (self, said) {
            (Self::DoubtIsDenied, Said::InDoubt) => Said::NotSubmitted,
            (Self::Doubts, Said::Answer { .. }) => Said::InDoubt,
            (Self::Declines, Said::Answer { status, .. }) => declined(status),
            (Self::Restates, Said::Answer { status, .. }) if is_again => declined(status),
            (_, said) => said,
        }
    }
}

fn declined(status: u16) -> Said {
    Said::Answer {
        status,
        body: br#"{"transaction":{"status":"failed"}}"#.to_vec(),
    }
}
