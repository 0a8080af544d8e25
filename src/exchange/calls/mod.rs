//! The calls of a flight to its gateway, each a future that ends in a report.
mod call;
mod lookup;
mod poll;
mod submit;

pub(super) use call::{Call, CallKind, Report, note, open, poll_any};
pub(super) use lookup::lookup;
pub(super) use poll::{cut_a_result, poll, pushes_back};
pub(super) use submit::{await_answer, loss, submit};
