//! A listener with a service of the test's choice, and clients that behave as they are told.
mod client;
mod service;

pub(crate) use client::{Client, FRAMINGS, Framing};
pub(crate) use service::{
    Downstream, Event, Promise, Setup, all_ways, arrived, dropped, listener, settled, tls_listener,
};
