//! Whether a request's client is still there: asked when it matters, so that waiting costs nothing.
use std::sync::{Arc, Weak};

use super::line::Line;

/// The client of a request, which finds it among the request's extensions. It keeps nothing of the
/// connection alive.
#[derive(Clone, Default)]
pub struct Presence(Weak<Line>);

impl Presence {
    pub(super) fn of(line: &Arc<Line>) -> Self {
        Self(Arc::downgrade(line))
    }

    /// True once the client has ended its side, in order or with a reset. It may still read: no server
    /// can tell a client that closed from one that only has no more to say. False where nobody can
    /// tell any more, or never could (the default).
    pub fn has_ended(&self) -> bool {
        self.0.upgrade().is_some_and(|line| line.has_ended())
    }
}
