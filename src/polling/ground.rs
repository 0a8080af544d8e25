//! What learners that wait as long share: the axis that their laws are told on, and the law of who knows
//! nothing.
use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::focus::Focus;
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
        Self::focused(horizon, None)
    }

    /// That of clients who wait so long, for a law that is narrow.
    pub(super) fn focused(horizon: Duration, focus: Option<Focus>) -> Arc<Self> {
        let axis = Axis::new(horizon, focus);
        let prior = Arc::new(Law::prior(&axis));
        Arc::new(Self { axis, prior })
    }
}
