//! What learners that wait as long share: the axis that their laws are told on, and the law of who knows
//! nothing.
use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::law::Law;

/// The axis up to a horizon, and the law that is believed before anything was seen.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) axis: Axis,
    pub(super) prior: Arc<Law>,
}

impl Ground {
    /// That of clients who wait so long.
    pub(super) fn up_to(horizon: Duration) -> Arc<Self> {
        let axis = Axis::new(horizon);
        let prior = Arc::new(Law::prior(&axis));
        Arc::new(Self { axis, prior })
    }
}
