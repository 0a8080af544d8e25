//! What is known of the tasks of one route: the outcomes, and the law that is fitted to them.
use std::sync::Arc;
use std::time::Duration;

use crate::polling::laws::axis::Axis;
use crate::polling::laws::focus::Focus;
use crate::polling::laws::ground::Ground;
use crate::polling::laws::law::Law;
use crate::polling::laws::outcomes::{Observed, Outcomes};
use crate::polling::laws::span::Span;

/// Outcomes below which a law is sought from the prior anew, and the rounds that takes; with more it
/// goes on from the last law.
const FEW: usize = 40;
const ROUNDS_ANEW: usize = 30;

/// The rounds from the last law, at least. They make out again what its bell blurred.
const ROUNDS_ON: usize = 8;

/// Each so many outcomes are worth a round: of few, more rounds would make out the gaps between them.
const FOR_A_ROUND: usize = 50;

/// The rounds from the prior to a law of many outcomes at once.
const ROUNDS_FAR: usize = 100;

/// The outcomes of one route, and their law.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The ground that every learner of this horizon shares.
    shared: Arc<Ground>,
    /// The ground that the law is told on: another than the shared one if the law is narrow.
    ground: Arc<Ground>,
    law: Arc<Law>,
    outcomes: Outcomes,
}

impl Known {
    /// Nothing is known yet.
    pub(super) fn nothing(ground: Arc<Ground>) -> Self {
        Self {
            law: Arc::clone(&ground.prior),
            shared: Arc::clone(&ground),
            ground,
            outcomes: Outcomes::default(),
        }
    }

    /// Takes what an earlier process had seen, the newest first.
    pub(super) fn restore(&mut self, seen: Vec<Span>) {
        let axis = &self.ground.axis;
        let outcomes = seen.into_iter().map(|span| Observed::new(axis, span));
        self.outcomes = outcomes.collect();
        self.fit_from_afar();
    }

    /// What was seen, the newest first.
    pub(super) fn seen(&self) -> impl Iterator<Item = Span> {
        self.outcomes.iter().map(Observed::span)
    }

    /// Adds the newest outcome.
    pub(super) fn add(&mut self, span: Span) -> Observed {
        let observed = Observed::new(&self.ground.axis, span);
        self.outcomes.push(observed);
        observed
    }

    /// The law's shares below the two ends of an outcome.
    pub(super) fn shares(&self, observed: Observed) -> (f64, f64) {
        shares(&self.law, observed)
    }

    /// The share of the prior law between the two ends of an outcome.
    pub(super) fn prior_share(&self, observed: Observed) -> f64 {
        let (low, high) = shares(&self.ground.prior, observed);
        high - low
    }

    /// Forgets the law and all but the newest outcomes.
    pub(super) fn drop_law(&mut self, newest: usize) {
        self.outcomes.keep(newest);
        self.stand_on(Arc::clone(&self.shared));
    }

    /// Fits the law to all outcomes on the ground of another horizon.
    pub(super) fn move_to(&mut self, ground: &Arc<Ground>) {
        self.shared = Arc::clone(ground);
        self.stand_on(Arc::clone(ground));
        self.fit_from_afar();
    }

    /// Fits the law anew, on an axis up to `horizon` that is finer where the law is narrow.
    pub(super) fn fit(&mut self, horizon: Duration) {
        let Ground { axis, prior } = &*self.ground;
        let law = if self.outcomes.len() < FEW {
            self.outcomes.law(axis, prior, prior, ROUNDS_ANEW)
        } else {
            let rounds = (self.outcomes.len() / FOR_A_ROUND).max(ROUNDS_ON);
            self.outcomes.law(axis, prior, &self.law, rounds)
        };
        self.law = Arc::new(law);
        self.focus(horizon);
    }

    /// Looks closer where the law is narrow, and no longer where it is not.
    fn focus(&mut self, horizon: Duration) {
        let axis = &self.ground.axis;
        let focus = Focus::of(&self.law, axis).filter(|_| self.outcomes.len() >= FEW);
        if focus == axis.focus() {
            return;
        }
        self.stand_on(match focus {
            Some(_) => Ground::focused(horizon, focus),
            None => Arc::clone(&self.shared),
        });
        self.fit_from_afar();
    }

    /// Tells the outcomes on another ground, where the prior is the law until the next fit.
    fn stand_on(&mut self, ground: Arc<Ground>) {
        if !Arc::ptr_eq(&self.ground, &ground) {
            self.outcomes.move_to(&ground.axis);
            self.ground = ground;
        }
        self.law = Arc::clone(&self.ground.prior);
    }

    /// Fits the law to many outcomes at once.
    fn fit_from_afar(&mut self) {
        let Ground { axis, prior } = &*self.ground;
        self.law = Arc::new(self.outcomes.law(axis, prior, prior, ROUNDS_FAR));
    }

    /// The axis that the law is told on.
    pub(super) fn axis(&self) -> &Axis {
        &self.ground.axis
    }

    /// The law: the prior, until the first fit.
    pub(super) fn law(&self) -> &Law {
        &self.law
    }

    /// The latest outcomes.
    pub(super) const fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }
}

fn shares(law: &Law, observed: Observed) -> (f64, f64) {
    (
        law.below_edge(observed.after()),
        law.below_edge(observed.by()),
    )
}
