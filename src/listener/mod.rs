//! Connections of downstream clients: accepted, bounded in time, and watched until each answer is
//! known to have reached its reader. Knows no payments.
//!
//! From below: `evidence` asks the kernel, `watch` judges by it without any I/O, `line` is the socket,
//! `tls`, `rewound` and `scrutiny` stand between it and hyper, `answer` and `parking` are the service as
//! hyper sees it, `attendant` and `parting` move a connection besides hyper, `connection` is its task,
//! and `server` accepts.
//!
//! Words of this room:
//! - A *line* is one connection's socket with all that is known of it; its *wire* is what hyper, or a TLS
//!   session, reads and writes.
//! - The *watch* of a line holds the deadlines of its requests and the verdict on each of its answers.
//! - A *receipt* comes with an answer and is settled once: the answer reached its reader, or it did not.
//! - A connection is *parked* while its request is held: hyper is taken apart, and the socket stays. The
//!   *slot* is where the awaited answer appears.
//! - The *manner* is the part of a request's head that decides how hyper writes the answer.
//! - The *attendant* waits for what is not hyper's: deadlines, the drain, a broken socket. A *notice* is
//!   what it tells the connection's task; a *turn* is why that task takes hyper apart.
//! - The *part* says what came last of a client's requests: whole ones only, some of a head, some of a
//!   body.
//! - The *goodbye* is the last thing we say on a connection: with TLS the `close_notify`.
mod answer;
mod attendant;
mod config;
mod connection;
mod evidence;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod line;
mod metrics;
mod parking;
mod parting;
mod presence;
mod receipt;
mod rewound;
mod scrutiny;
mod server;
mod tls;
#[cfg(all(test, target_os = "linux"))]
mod untold;
mod watch;

pub use attendant::LAST_WRITES;
pub use config::Config;
pub use evidence::Evidence;
pub use metrics::Metrics;
pub use parking::{Delivery, Later, Reply};
pub use presence::Presence;
pub use receipt::Receipt;
pub use scrutiny::Malformed;
pub use server::{Server, bind};
pub use tls::{Certificates, Clients, Error, Keyring, Pair, Tls};
