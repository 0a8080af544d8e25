//! A holdline between a client of bare bytes and a gateway on which every byte is noted.
use holdline::config::Config;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP, Gateway, Ledger};
use holdline::timing::Clock;

use crate::stage::asking::{Line, basic};
use crate::stage::bench::{Bench, holdline, simulator};
use crate::stage::tap::Tap;

/// A running holdline, and the gateway behind it.
pub(super) struct World {
    pub(super) bench: Bench,
    tap: Tap,
}

pub(super) async fn world() -> World {
    configured(|_| {}).await
}

pub(super) async fn configured(change: impl FnOnce(&mut Config) + 'static) -> World {
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(simulator().into_settings(), clock), clock).await;
    let origin = format!("http://{}", tap.address);
    let setup = holdline().gateway(origin.as_str()).configure(change);
    World {
        bench: setup.start().await,
        tap,
    }
}

impl World {
    /// `HOST` is holdline's own address, `AUTH` the demo shop's credentials.
    pub(super) fn spelled(&self, request: &str) -> Vec<u8> {
        let host = self.bench.address.to_string();
        let credentials = format!("Authorization: {}", basic(DEMO_SHOP, DEMO_KEY));
        let spelled = request.replace("HOST", &host).replace("AUTH", &credentials);
        spelled.into_bytes()
    }

    /// Every byte that the client gets for these, on a connection of their own.
    pub(super) async fn answers(&self, request: &[u8]) -> String {
        let mut line = Line::connect(self.bench.address).await;
        line.send(request).await;
        line.half_close().await;
        String::from_utf8_lossy(&line.read_to_end().await).into_owned()
    }

    /// What the gateway read on each connection.
    pub(super) fn upstream(&self) -> Vec<String> {
        let wires = self.tap.wires();
        let read = wires.iter().map(|wire| {
            let pieces: Vec<&[u8]> = wire.up.iter().map(|(_, piece)| &piece[..]).collect();
            String::from_utf8_lossy(&pieces.concat()).into_owned()
        });
        read.filter(|read| !read.is_empty()).collect()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.tap.gateway.ledger()
    }

    /// After all that was refused, the next client is served, and the gateway has read its request
    /// alone.
    pub(super) async fn still_serves(&self) {
        let before = self.upstream();
        assert!(before.is_empty(), "the gateway read {before:?}");
        self.bench.pay("after").send().await.is_gateway(200);
        assert_eq!(self.ledger().submits.len(), 1);
        self.bench.settled().await;
    }
}

/// The codes of all answers in what a client read.
pub(super) fn statuses(read: &str) -> Vec<u16> {
    let lines = read.split("HTTP/1.").skip(1);
    lines.map(|it| it[2..5].parse().unwrap()).collect()
}
