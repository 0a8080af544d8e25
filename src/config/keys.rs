//! The one list of the sections and their keys: whose field each is, and within which range.
//! Reading, showing and the tests walk this list, so that none of them can know another one.
use std::time::Duration;

use super::kind::{
    Address, Choice, FilePath, KeyField, Kind, Level, OwnFile, Switch, Within, bytes, count,
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
    routes(config, visitor);
    hold(config, visitor);
    submit(config, visitor);
    upstream(config, visitor);
    polling(config, visitor);
    coalesce(config, visitor);
    cache(config, visitor);
    journal(config, visitor);
    limits(config, visitor);
    listener(config, visitor);
    admin(config, visitor);
    control(config, visitor);
    log(config, visitor);
    drain(config, visitor);
}

fn routes(config: &mut Config, visitor: &mut impl Visitor) {
    for operation in Operation::ALL {
        let mut disposition = config.proxy.routes.disposition(operation);
        visitor.key("routes", operation.name(), &mut disposition, &DISPOSITIONS);
        config.proxy.routes.set(operation, disposition);
    }
}

fn hold(config: &mut Config, visitor: &mut impl Visitor) {
    visitor.key(
        "hold",
        "timeout",
        &mut config.proxy.hold,
        &Within(SECOND, DAY),
    );
}

fn submit(config: &mut Config, visitor: &mut impl Visitor) {
    let exchange = &mut config.exchange;
    let section = "submit";
    visitor.key(
        section,
        "start",
        &mut exchange.submit_start,
        &Within(STEP, 5 * MINUTE),
    );
    visitor.key(
        section,
        "timeout",
        &mut exchange.submit_timeout,
        &Within(STEP, HOUR),
    );
    visitor.key(section, "resubmits", &mut exchange.resubmits, &count(0, 10));
}

fn upstream(config: &mut Config, visitor: &mut impl Visitor) {
    let upstream = &mut config.upstream;
    let (section, step) = ("upstream", Within(STEP, 5 * MINUTE));
    visitor.key(
        section,
        "connect_timeout",
        &mut upstream.connect_timeout,
        &step,
    );
    visitor.key(
        section,
        "handshake_timeout",
        &mut upstream.handshake_timeout,
        &step,
    );
    visitor.key(
        section,
        "fail_fast",
        &mut upstream.fail_fast,
        &Within(SECOND, DAY),
    );
    visitor.key(
        section,
        "answer_timeout",
        &mut upstream.answer_timeout,
        &step,
    );
    visitor.key(
        section,
        "idle_timeout",
        &mut upstream.idle_timeout,
        &Within(STEP, HOUR),
    );
    visitor.key(
        section,
        "connections",
        &mut upstream.connections,
        &count(1, 65_535),
    );
}

fn polling(config: &mut Config, visitor: &mut impl Visitor) {
    let polling = &mut config.polling;
    // Wake-ups are gathered on a grid: a shorter interval would not be a shorter wait.
    let (section, wait) = ("polling", Within(GRID, HOUR));
    visitor.key(section, "schedule", &mut polling.schedule, &SCHEDULES);
    visitor.key(section, "interval", &mut polling.interval, &wait);
    visitor.key(section, "max_interval", &mut polling.max_interval, &wait);
    let price = PollPrice(Within(Duration::from_millis(1), MINUTE));
    visitor.key(section, "price", &mut polling.price, &price);
    visitor.key(section, "min_interval", &mut polling.min_interval, &wait);
    let rate = &mut polling.max_per_second;
    visitor.key(section, "max_per_second", rate, &count(0, 1_000_000));
    let grace = Within(Duration::ZERO, HOUR);
    visitor.key(section, "unknown_grace", &mut polling.unknown_grace, &grace);
}

fn coalesce(config: &mut Config, visitor: &mut impl Visitor) {
    let section = "coalesce";
    visitor.key(
        section,
        "quiet",
        &mut config.listener.quiet,
        &Within(STEP, MINUTE),
    );
    visitor.key(
        section,
        "reclaim",
        &mut config.exchange.reclaim,
        &Within(SECOND, YEAR),
    );
    visitor.key(section, "key_field", &mut config.proxy.key_field, &KeyField);
}

fn cache(config: &mut Config, visitor: &mut impl Visitor) {
    let results = &mut config.results;
    visitor.key(
        "cache",
        "retention",
        &mut results.retention,
        &Within(DAY, YEAR),
    );
    let weight = bytes(1 << 20, 1 << 40);
    visitor.key("cache", "max_bytes", &mut results.max_bytes, &weight);
}

fn journal(config: &mut Config, visitor: &mut impl Visitor) {
    let (section, journal) = ("journal", &mut config.journal);
    visitor.key(section, "in_memory", &mut journal.in_memory, &Switch);
    visitor.key(section, "path", &mut journal.path, &OwnFile);
    let size = bytes(journal::Config::LEAST_MAX_BYTES, 1 << 40);
    visitor.key(section, "max_bytes", &mut journal.max_bytes, &size);
}

fn limits(config: &mut Config, visitor: &mut impl Visitor) {
    let (section, many) = ("limits", count(1, MILLION));
    visitor.key(
        section,
        "connections",
        &mut config.listener.connections,
        &many,
    );
    visitor.key(section, "held", &mut config.proxy.held, &many);
    let exchange = &mut config.exchange;
    visitor.key(section, "running", &mut exchange.running, &many);
    visitor.key(section, "undelivered", &mut exchange.undelivered, &many);
    visitor.key(section, "per_owner", &mut exchange.per_owner, &many);
    visitor.key(
        section,
        "facts",
        &mut exchange.facts,
        &count(1, 100 * MILLION),
    );
    visitor.key(
        section,
        "body",
        &mut config.proxy.max_body,
        &bytes(KIB, proxy::Config::LARGEST_BODY),
    );
    visitor.key(
        section,
        "bodies",
        &mut config.proxy.bodies,
        &bytes(MIB, 1024 * 1024 * MIB),
    );
    visitor.key(
        section,
        "answer",
        &mut config.upstream.max_answer,
        &bytes(KIB, 256 * MIB),
    );
    visitor.key(
        section,
        "answers",
        &mut config.exchange.answers,
        &bytes(MIB, 1024 * 1024 * MIB),
    );
    visitor.key(
        section,
        "fields",
        &mut config.listener.max_fields,
        &count(10, 1_000),
    );
    // hyper reads heads into a buffer of no less than 8 KiB.
    let head = bytes(8 * KIB, MIB);
    visitor.key(
        section,
        "fields_size",
        &mut config.listener.max_fields_size,
        &head,
    );
}

fn listener(config: &mut Config, visitor: &mut impl Visitor) {
    let (section, patience) = ("listener", Within(STEP, HOUR));
    let listener = &mut config.listener;
    visitor.key(
        section,
        "handshake_timeout",
        &mut listener.handshake_timeout,
        &patience,
    );
    visitor.key(
        section,
        "fields_timeout",
        &mut listener.fields_timeout,
        &patience,
    );
    visitor.key(
        section,
        "body_timeout",
        &mut config.proxy.body_timeout,
        &patience,
    );
    visitor.key(
        section,
        "write_timeout",
        &mut listener.write_timeout,
        &patience,
    );
    visitor.key(
        section,
        "idle_timeout",
        &mut listener.idle_timeout,
        &patience,
    );
}

fn admin(config: &mut Config, visitor: &mut impl Visitor) {
    visitor.key("admin", "listen", &mut config.admin.listen, &Address);
}

fn control(config: &mut Config, visitor: &mut impl Visitor) {
    visitor.key("control", "socket", &mut config.control.socket, &FilePath);
}

fn log(config: &mut Config, visitor: &mut impl Visitor) {
    visitor.key("log", "format", &mut config.log.format, &FORMATS);
    visitor.key("log", "level", &mut config.log.level, &Level);
}

fn drain(config: &mut Config, visitor: &mut impl Visitor) {
    let stop = Within(Duration::ZERO, DAY);
    visitor.key("drain", "timeout", &mut config.drain.timeout, &stop);
}
