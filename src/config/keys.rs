//! The one list of the sections and their keys: whose field each is, and within which range. The keys of
//! a `[[gateway]]` are in `gateway.rs`. Reading, showing and the tests walk this list, so that none of
//! them can know another one.
use std::time::Duration;

use super::kind::{
    Address, Bytes, Choice, Count, FilePath, KeyField, Kind, Level, OwnFile, Switch, Within,
};
use super::price::PollPrice;
use super::resolve::Config;
use crate::journal;
use crate::polling::ScheduleKind;
use crate::protocol::{Disposition, Operation};
use crate::proxy;
use crate::telemetry::Format;
use crate::timing::GRID;

/// Somebody who walks over the keys.
pub(super) trait Visitor {
    /// Comes by the key `name` of `section`, whose value is in `slot`.
    fn key<K: Kind>(
        &mut self,
        section: &'static str,
        name: &'static str,
        slot: &mut K::Value,
        kind: &K,
    );
}

/// A section, and who walks over its keys.
struct Section<'a, V>(&'static str, &'a mut V);

impl<V: Visitor> Section<'_, V> {
    fn key<K: Kind>(&mut self, name: &'static str, slot: &mut K::Value, kind: &K) {
        self.1.key(self.0, name, slot, kind);
    }
}

const DISPOSITIONS: Choice<Disposition> = Choice(&[
    ("convert", Disposition::Convert),
    ("relay", Disposition::Relay),
    ("refuse", Disposition::Refuse),
]);

const SCHEDULES: Choice<ScheduleKind> = Choice(&[
    ("fixed", ScheduleKind::Fixed),
    ("exponential", ScheduleKind::Exponential),
    ("learned", ScheduleKind::Learned),
]);

const FORMATS: Choice<Format> = Choice(&[("json", Format::Json), ("text", Format::Text)]);

/// The least deadline of a network step: below it every gateway fails.
const STEP: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Also how long the gateway remembers a key and keeps a result.
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// More connections, requests and exchanges than one process serves.
const MILLION: usize = 1_000_000;

/// Walks over every key of every section, in the order in which they are shown.
pub(super) fn visit(config: &mut Config, visitor: &mut impl Visitor) {
    routes(config, &mut Section("routes", visitor));
    hold(config, &mut Section("hold", visitor));
    submit(config, &mut Section("submit", visitor));
    upstream(config, &mut Section("upstream", visitor));
    polling(config, &mut Section("polling", visitor));
    coalesce(config, &mut Section("coalesce", visitor));
    cache(config, &mut Section("cache", visitor));
    journal(config, &mut Section("journal", visitor));
    limits(config, &mut Section("limits", visitor));
    listener(config, &mut Section("listener", visitor));
    admin(config, &mut Section("admin", visitor));
    control(config, &mut Section("control", visitor));
    log(config, &mut Section("log", visitor));
    drain(config, &mut Section("drain", visitor));
}

fn routes(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    for operation in Operation::ALL {
        let mut disposition = config.proxy.routes.disposition(operation);
        section.key(operation.name(), &mut disposition, &DISPOSITIONS);
        config.proxy.routes.set(operation, disposition);
    }
}

fn hold(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    section.key("timeout", &mut config.proxy.hold, &Within(SECOND, DAY));
}

fn submit(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let exchange = &mut config.exchange;
    let start = Within(STEP, 5 * MINUTE);
    section.key("start", &mut exchange.submit_start, &start);
    section.key("timeout", &mut exchange.submit_timeout, &Within(STEP, HOUR));
    section.key("resubmits", &mut exchange.resubmits, &Count(0, 10));
}

fn upstream(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let upstream = &mut config.upstream;
    let step = Within(STEP, 5 * MINUTE);
    section.key("connect_timeout", &mut upstream.connect_timeout, &step);
    section.key("handshake_timeout", &mut upstream.handshake_timeout, &step);
    section.key("fail_fast", &mut upstream.fail_fast, &Within(SECOND, DAY));
    section.key("answer_timeout", &mut upstream.answer_timeout, &step);
    let idle = Within(STEP, HOUR);
    section.key("idle_timeout", &mut upstream.idle_timeout, &idle);
    section.key("connections", &mut upstream.connections, &Count(1, 65_535));
}

fn polling(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let polling = &mut config.polling;
    // Wake-ups are gathered on a grid: a shorter interval would not be a shorter wait.
    let wait = Within(GRID, HOUR);
    section.key("schedule", &mut polling.schedule, &SCHEDULES);
    section.key("interval", &mut polling.interval, &wait);
    section.key("max_interval", &mut polling.max_interval, &wait);
    let price = PollPrice(Within(Duration::from_millis(1), MINUTE));
    section.key("price", &mut polling.price, &price);
    section.key("min_interval", &mut polling.min_interval, &wait);
    let rate = &mut polling.max_per_second;
    section.key("max_per_second", rate, &Count(0, 1_000_000));
    let grace = Within(Duration::ZERO, HOUR);
    section.key("unknown_grace", &mut polling.unknown_grace, &grace);
}

fn coalesce(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    section.key("quiet", &mut config.listener.quiet, &Within(STEP, MINUTE));
    let reclaim = Within(SECOND, YEAR);
    section.key("reclaim", &mut config.exchange.reclaim, &reclaim);
    section.key("key_field", &mut config.proxy.key_field, &KeyField);
}

fn cache(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let results = &mut config.results;
    section.key("retention", &mut results.retention, &Within(DAY, YEAR));
    let weight = Bytes(1 << 20, 1 << 40);
    section.key("max_bytes", &mut results.max_bytes, &weight);
}

fn journal(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let journal = &mut config.journal;
    section.key("in_memory", &mut journal.in_memory, &Switch);
    section.key("path", &mut journal.path, &OwnFile);
    let size = Bytes(journal::Config::LEAST_MAX_BYTES, 1 << 40);
    section.key("max_bytes", &mut journal.max_bytes, &size);
}

fn limits(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let many = Count(1, MILLION);
    section.key("connections", &mut config.listener.connections, &many);
    section.key("held", &mut config.proxy.held, &many);
    let exchange = &mut config.exchange;
    section.key("running", &mut exchange.running, &many);
    section.key("undelivered", &mut exchange.undelivered, &many);
    section.key("per_owner", &mut exchange.per_owner, &many);
    section.key("facts", &mut exchange.facts, &Count(1, 100 * MILLION));
    let body = Bytes(KIB, proxy::Config::LARGEST_BODY);
    section.key("body", &mut config.proxy.max_body, &body);
    let all = Bytes(MIB, 1024 * 1024 * MIB);
    section.key("bodies", &mut config.proxy.bodies, &all);
    let answer = Bytes(KIB, 256 * MIB);
    section.key("answer", &mut config.upstream.max_answer, &answer);
    section.key("answers", &mut config.exchange.answers, &all);
    section.key("fields", &mut config.listener.max_fields, &Count(10, 1_000));
    // hyper reads heads into a buffer of no less than 8 KiB.
    let head = Bytes(8 * KIB, MIB);
    section.key("fields_size", &mut config.listener.max_fields_size, &head);
}

fn listener(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let (listener, wait) = (&mut config.listener, Within(STEP, HOUR));
    section.key("handshake_timeout", &mut listener.handshake_timeout, &wait);
    section.key("fields_timeout", &mut listener.fields_timeout, &wait);
    section.key("body_timeout", &mut config.proxy.body_timeout, &wait);
    section.key("write_timeout", &mut listener.write_timeout, &wait);
    section.key("idle_timeout", &mut listener.idle_timeout, &wait);
}

fn admin(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    section.key("listen", &mut config.admin.listen, &Address);
}

fn control(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    section.key("socket", &mut config.control.socket, &FilePath);
}

fn log(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    section.key("format", &mut config.log.format, &FORMATS);
    section.key("level", &mut config.log.level, &Level);
}

fn drain(config: &mut Config, section: &mut Section<'_, impl Visitor>) {
    let stop = Within(Duration::ZERO, DAY);
    section.key("timeout", &mut config.drain.timeout, &stop);
}
