//! What a connection's state says, moment by moment.
use std::time::Duration;

use super::{Overdue, Verdict, Watch};
use crate::listener::config::Config;
use crate::listener::evidence::{Evidence, Progress, Unread};
use crate::listener::metrics::Why;
use crate::listener::receipt::Receipt;
use crate::timing::Moment;

fn at(millis: u64) -> Moment {
    Moment::after_start(Duration::from_millis(millis))
}

fn config() -> Config {
    Config {
        write_timeout: Duration::from_secs(30),
        quiet: Duration::from_secs(1),
        ..Config::default()
    }
}

fn counted(acknowledged: u64, received: u64) -> Progress {
    Progress {
        acknowledged,
        received,
        ended: false,
    }
}

/// A request of 10 bytes was read at 0 and its answer of 100 bytes was written at once.
fn answered() -> Watch {
    let config = config();
    let mut watch = Watch::new(Evidence::Acknowledgement, at(0), &config);
    watch.was_read(10, at(0), &config);
    assert!(watch.request_came(Some(counted(0, 10))).is_empty());
    watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(0), &config);
    watch.was_written(100);
    watch.flushed(at(0), Some(counted(0, 10)), Unread::Nothing);
    watch
}

fn verdict(watch: &mut Watch, now: Moment) -> Option<Verdict> {
    let decided = watch.decided(now, false, &config());
    decided.map(|(_, verdict)| verdict)
}

#[test]
fn an_answer_counts_after_its_acknowledgement_and_its_quiet_time() {
    let mut watch = answered();
    watch.progressed(at(5), counted(99, 10), &config());
    assert_eq!(verdict(&mut watch, at(2_000)), None);
    watch.progressed(at(2_000), counted(100, 10), &config());
    assert_eq!(verdict(&mut watch, at(2_999)), None);
    assert_eq!(watch.wake(&config()), Some(at(3_000)));
    assert_eq!(verdict(&mut watch, at(3_000)), Some(Verdict::Delivered));
}

#[test]
fn a_break_within_the_quiet_time_says_no_and_so_does_a_flush_that_never_came() {
    let mut watch = answered();
    watch.progressed(at(5), counted(100, 10), &config());
    watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(6), &config());
    watch.broke(None);
    let missed = Some(Verdict::Missed(Why::Reset));
    assert_eq!(verdict(&mut watch, at(6)), missed);
    assert_eq!(verdict(&mut watch, at(6)), Some(Verdict::Missed(Why::Cut)));

    let mut watch = answered();
    watch.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(6), &config());
    assert_eq!(watch.serves_no_more().len(), 1);
    assert!(watch.is_watching(), "what was sent is watched on");
}

#[test]
fn without_progress_for_the_write_timeout_an_answer_is_given_up() {
    let mut watch = answered();
    watch.progressed(at(20_000), counted(50, 10), &config());
    assert_eq!(verdict(&mut watch, at(49_999)), None);
    watch.progressed(at(49_999), counted(50, 10), &config());
    let missed = Some(Verdict::Missed(Why::Deadline));
    assert_eq!(verdict(&mut watch, at(50_000)), missed);
}

#[test]
fn only_a_request_that_came_after_the_answer_proves_it() {
    let mut watch = answered();
    watch.progressed(at(5), counted(100, 10), &config());
    // It was in hyper's buffer all the while.
    assert!(watch.request_came(Some(counted(100, 10))).is_empty());
    watch.was_read(10, at(6), &config());
    assert_eq!(watch.request_came(Some(counted(100, 20))).len(), 1);

    let mut unacknowledged = answered();
    unacknowledged.was_read(10, at(6), &config());
    assert!(
        unacknowledged
            .request_came(Some(counted(99, 20)))
            .is_empty()
    );
}

#[test]
fn a_request_is_late_by_its_first_byte_its_fields_or_its_turn() {
    let config = config();
    let mut watch = Watch::new(Evidence::Acknowledgement, at(0), &config);
    assert_eq!(watch.wake(&config), Some(at(10_000)));
    watch.was_read(1, at(9_000), &config);
    watch.was_read(1, at(18_000), &config);
    assert_eq!(watch.overdue(at(18_999), &config), None);
    assert_eq!(watch.overdue(at(19_000), &config), Some(Overdue::Fields));
    watch.request_came(None);
    assert_eq!(watch.overdue(at(90_000), &config), None);
    watch.answer_buffered(None, None, at(90_000), &config);
    assert_eq!(watch.wake(&config), Some(at(165_000)));
    watch.write_stalled(at(91_000));
    assert_eq!(watch.overdue(at(121_000), &config), Some(Overdue::Write));
    watch.was_written(1);
    assert_eq!(watch.overdue(at(121_000), &config), None);
}

#[test]
fn a_reset_counts_unless_it_answers_a_goodbye_that_met_nobody() {
    let parted = || {
        let mut watch = answered();
        assert!(watch.holds_goodbye());
        watch.progressed(at(5), counted(100, 10), &config());
        assert!(!watch.holds_goodbye());
        watch.parted(24);
        watch
    };
    let mut gone = parted();
    gone.broke(Some(counted(123, 10)));
    assert!(gone.was_goodbye_unheard());
    assert_eq!(verdict(&mut gone, at(6)), Some(Verdict::Delivered));

    // Who had the goodbye was there, and gave up over what it had not read.
    let mut gave_up = parted();
    gave_up.broke(Some(counted(124, 10)));
    let missed = Some(Verdict::Missed(Why::Reset));
    assert_eq!(verdict(&mut gave_up, at(500)), missed);

    let mut unknown = parted();
    unknown.broke(None);
    assert_eq!(verdict(&mut unknown, at(6)), missed);

    let mut quiet = parted();
    assert_eq!(verdict(&mut quiet, at(1004)), None);
    assert_eq!(verdict(&mut quiet, at(1005)), Some(Verdict::Delivered));
}

#[test]
fn a_goodbye_waits_longer_for_a_client_that_said_its_own_after_the_answer() {
    let mut watch = answered();
    watch.progressed(at(5), counted(100, 10), &config());
    watch.was_read(0, at(6), &config());
    assert!(watch.holds_goodbye());

    let config = config();
    let mut half_closed = Watch::new(Evidence::Acknowledgement, at(0), &config);
    half_closed.was_read(10, at(0), &config);
    half_closed.was_read(0, at(0), &config);
    half_closed.answer_buffered(Some(Receipt::new(|_| ())), Some(10), at(0), &config);
    half_closed.was_written(100);
    half_closed.flushed(at(0), Some(counted(0, 10)), Unread::Nothing);
    half_closed.progressed(at(5), counted(100, 10), &config);
    assert!(!half_closed.holds_goodbye(), "it may be waiting for ours");
    assert!(half_closed.is_half_closed());
    assert!(!watch.is_half_closed(), "it ended afterwards");
}
