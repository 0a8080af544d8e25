//! What one exchange told of the time of its task.
use std::time::Duration;

/// The time of one task, in seconds: it was not done at the first, and it was at the second, which is
/// infinite for one that was never seen done. Seven digits are more than clocks and networks keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::polling) struct Span {
    after: f32,
    by: f32,
}

impl Span {
    pub(in crate::polling) fn new(after: Duration, by: Option<Duration>) -> Self {
        let by = by.map_or(f32::INFINITY, |by| by.as_secs_f32());
        Self {
            after: after.as_secs_f32().min(by),
            by,
        }
    }

    /// Between two numbers; `None` where these are no times, or the second is before the first.
    pub(in crate::polling) fn between(after: f32, by: f32) -> Option<Self> {
        (after.is_finite() && after >= 0.0 && after <= by).then_some(Self { after, by })
    }

    pub(in crate::polling) fn after(self) -> f64 {
        self.after.into()
    }

    pub(in crate::polling) fn by(self) -> f64 {
        self.by.into()
    }

    /// The two ends as they are kept.
    pub(in crate::polling) const fn ends(self) -> [f32; 2] {
        [self.after, self.by]
    }
}
