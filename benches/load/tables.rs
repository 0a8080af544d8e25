//! Which runs make which table.
use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::contestant::{Contestant, Pair, Place};
use crate::held::{self, Plan};
use crate::table::{Column, Row, compare, markdown, ratio_of, show};
use crate::{Arguments, Failure, Wanted, relayed, resting};

/// Whom ratios are to.
const BASE: Contestant = Contestant::NginxLua;

const PLAIN: Contestant = Contestant::Holdline {
    journal: false,
    learned: false,
};

/// Who holds requests.
const HOLDERS: [Contestant; 7] = [
    Contestant::NginxLua,
    Contestant::HaproxyLua,
    Contestant::Node,
    PLAIN,
    Contestant::Holdline {
        journal: true,
        learned: false,
    },
    Contestant::Holdline {
        journal: false,
        learned: true,
    },
    Contestant::Holdline {
        journal: true,
        learned: true,
    },
];

/// Who passes them on.
const RELAYS: [Contestant; 3] = [
    Contestant::NginxRelay,
    Contestant::HaproxyRelay,
    Contestant::HoldlineRelay,
];

/// How much more is held to see how the cost grows.
const GROWTH: u16 = 4;

/// What a run may take for each exchange of a connection, and beyond that.
const EACH: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(60);

/// What all runs have in common.
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) scratch: &'a Path,
    pub(crate) pair: &'a Pair,
}

impl Bench<'_> {
    /// Runs and prints everything that is wanted; false if a run failed.
    pub(crate) async fn tables(&self) -> Result<bool, Failure> {
        let wanted = |table| self.arguments.tables.contains(&table);
        let mut whole = true;
        if wanted(Wanted::Held) || wanted(Wanted::Growth) {
            whole &= self.held().await?;
        }
        if wanted(Wanted::Memory) {
            whole &= self.memory().await?;
        }
        if wanted(Wanted::Relay) {
            whole &= self.relay().await?;
        }
        Ok(whole)
    }

    /// Those of `all` that are asked for and are there. Where CI asks, what is not there is not tried,
    /// and what was not tried has not passed.
    fn present(&self, all: &[Contestant]) -> Result<Vec<Contestant>, Failure> {
        let only = &self.arguments.only;
        let asked = |it: &&Contestant| {
            let name = it.name().to_lowercase();
            only.is_empty() || only.iter().any(|word| name.contains(&word.to_lowercase()))
        };
        let mut present = Vec::new();
        for &contestant in all.iter().filter(asked) {
            let name = contestant.name();
            match contestant.missing() {
                None => present.push(contestant),
                Some(what) if env::var_os("CI").is_some() => {
                    return Err(format!("{name} is missing: install {what}").into());
                }
                Some(what) => println!("{name} is left out: install {what}.\n"),
            }
        }
        Ok(present)
    }

    fn place<'a>(&'a self, pair: Option<&'a Pair>) -> Place<'a> {
        Place {
            holdline: &self.arguments.holdline,
            scratch: self.scratch,
            // Each run has a gateway of its own.
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pair,
            price: self.arguments.price.as_deref(),
        }
    }

    async fn held(&self) -> Result<bool, Failure> {
        let mut subjects = Vec::new();
        let times = |factor: u16| self.arguments.held.saturating_mul(factor);
        if self.arguments.tables.contains(&Wanted::Held) {
            let all = self.present(&HOLDERS)?;
            subjects.extend(all.into_iter().map(|it| (it, times(1))));
        }
        let growing = self.arguments.tables.contains(&Wanted::Growth);
        if growing && !self.present(&[PLAIN])?.is_empty() {
            if !subjects.contains(&(PLAIN, times(1))) {
                subjects.push((PLAIN, times(1)));
            }
            subjects.push((PLAIN, times(GROWTH)));
        }
        let names = subjects
            .iter()
            .map(|(it, held)| format!("{}, {held} held", it.name()));
        let mut rows: Vec<Row<held::Seen>> = names.map(Row::new).collect();
        for round in 0..self.arguments.rounds {
            for (row, &(contestant, held)) in rows.iter_mut().zip(&subjects) {
                let place = self.place(None);
                let ran = held::run(contestant, &place, self.plan(held, round)).await;
                if let Ok(seen) = &ran {
                    seen.tell_failures();
                }
                row.add(ran);
            }
        }
        println!("### Converted requests\n");
        println!(
            "{}",
            markdown(
                &format!("{}, {} held", BASE.name(), times(1)),
                &HELD_COLUMNS,
                &rows
            )
        );
        self.tell_growth(&rows);
        let sound = |row: &Row<held::Seen>| row.seen().all(held::Seen::is_sound);
        Ok(rows.iter().all(|row| row.is_whole() && sound(row)))
    }

    fn tell_growth(&self, rows: &[Row<held::Seen>]) {
        let of = |held: u16| {
            let name = format!("{}, {held} held", PLAIN.name());
            rows.iter().find(|row| row.name == name)
        };
        let (few, many) = (
            self.arguments.held,
            self.arguments.held.saturating_mul(GROWTH),
        );
        if let (Some(before), Some(after)) = (of(few), of(many)) {
            println!(
                "Processor time of an exchange at {many} held against {few}: {}\n",
                ratio_of(after, before, |seen| seen.cpu)
            );
        }
    }

    fn plan(&self, held: u16, round: usize) -> Plan {
        let times = usize::from(held / self.arguments.held);
        let (held, measured) = (usize::from(held), self.arguments.total * times);
        let each = u32::try_from(measured / held).unwrap_or(u32::MAX);
        Plan {
            held,
            warm: held * 2,
            measured,
            law: self.arguments.law.latency,
            seed: self.arguments.seed + round as u64,
            limit: GRACE + EACH.saturating_mul(each.saturating_add(3)),
        }
    }

    async fn memory(&self) -> Result<bool, Failure> {
        let mut subjects = Vec::new();
        for contestant in self.present(&HOLDERS[..4])? {
            subjects.push((contestant, None));
            if matches!(
                contestant,
                Contestant::NginxLua | Contestant::Holdline { .. }
            ) {
                subjects.push((contestant, Some(self.pair)));
            }
        }
        let names = subjects.iter().map(|(it, pair)| {
            let listener = if pair.is_some() { ", TLS" } else { "" };
            format!("{}{listener}", it.name())
        });
        let mut rows: Vec<Row<resting::Seen>> = names.map(Row::new).collect();
        for _ in 0..self.arguments.rounds {
            for (row, &(contestant, pair)) in rows.iter_mut().zip(&subjects) {
                let held = self.arguments.held.into();
                let settling = self.arguments.settling();
                row.add(resting::run(contestant, &self.place(pair), held, settling).await);
            }
        }
        println!("### Memory with {} held\n", self.arguments.held);
        println!("{}", markdown(BASE.name(), &MEMORY_COLUMNS, &rows));
        Ok(rows.iter().all(Row::is_whole))
    }

    async fn relay(&self) -> Result<bool, Failure> {
        let mut subjects = vec![None];
        subjects.extend(self.present(&RELAYS)?.into_iter().map(Some));
        let names = subjects
            .iter()
            .map(|it| it.map_or("nobody between", Contestant::name).to_owned());
        let mut rows: Vec<Row<relayed::Seen>> = names.map(Row::new).collect();
        let count = self.arguments.total.next_multiple_of(relayed::TOGETHER);
        for _ in 0..self.arguments.rounds {
            let mut direct = None;
            for (row, &contestant) in rows.iter_mut().zip(&subjects) {
                let mut ran = relayed::run(contestant, &self.place(None), count).await;
                if let Ok(seen) = &mut ran {
                    seen.added = seen.median - *direct.get_or_insert(seen.median);
                }
                row.add(ran);
            }
        }
        println!("### Relayed requests\n");
        println!(
            "{}",
            markdown(Contestant::NginxRelay.name(), &RELAY_COLUMNS, &rows)
        );
        let of = |it: Contestant| rows.iter().find(|row| row.name == it.name());
        if let (Some(own), Some(other)) =
            (of(Contestant::HoldlineRelay), of(Contestant::HaproxyRelay))
        {
            println!(
                "Added to the median by holdline against HAProxy: {}\n",
                ratio_of(own, other, |seen| seen.added)
            );
        }
        Ok(rows.iter().all(Row::is_whole))
    }
}

const HELD_COLUMNS: [Column<held::Seen>; 9] = [
    compare("CPU µs", |seen| seen.cpu, 0),
    compare("late, mean ms", |seen| seen.late_mean, 0),
    show("median", |seen| seen.late_median, 0),
    show("99 %", |seen| seen.late_99, 0),
    compare("polls", |seen| seen.polls, 2),
    compare("peak KiB a connection", |seen| seen.memory, 1),
    show("a second", |seen| seen.rate, 0),
    show("failed", held::Seen::failed, 0),
    show("charged twice", |seen| held::as_float(seen.twice), 0),
];

const MEMORY_COLUMNS: [Column<resting::Seen>; 2] = [
    compare("KiB a held connection", |seen| seen.held, 1),
    show("idle MiB", |seen| seen.idle, 1),
];

const RELAY_COLUMNS: [Column<relayed::Seen>; 5] = [
    compare("CPU µs, one after another", |seen| seen.cpu_alone, 0),
    compare("CPU µs, 32 at once", |seen| seen.cpu_together, 0),
    show("median µs", |seen| seen.median, 0),
    show("added µs", |seen| seen.added, 0),
    show("99 % µs", |seen| seen.late_99, 0),
];
