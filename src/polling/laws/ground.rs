//! What learners of one horizon share: the axis that their laws are told on, and the law that is believed
//! before anything was seen.
use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::focus::Focus;
use super::law::Law;

/// The axis up to a horizon, and the law that is believed before anything was seen.
#[derive(Debug)]
pub(in crate::polling) struct Ground {
    pub(in crate::polling) axis: Axis,
    pub(in crate::polling) prior: Arc<Law>,
}

impl Ground {
    /// The ground for clients that wait as long as `horizon`.
    pub(in crate::polling) fn up_to(horizon: Duration) -> Arc<Self> {
        Self::focused(horizon, None)
    }

    /// The ground up to `horizon`, with finer cells in a focus.
    pub(in crate::polling) fn focused(horizon: Duration, focus: Option<Focus>) -> Arc<Self> {
        let axis = Axis::new(horizon, focus);
        let prior = Arc::new(Law::prior(&axis));
        Arc::new(Self { axis, prior })
    }
}
