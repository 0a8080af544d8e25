//! The price in force at a gateway: what is configured, and more while polls are too many for it.
use std::time::Duration;

use crate::elementary::Elementary;
use crate::timing::Moment;

/// The time over which the rate of polls is measured.
const MEASURED: f64 = 5.0;

/// How fast the price follows: the share by which the rate is over the budget, a second.
const STIFFNESS: f64 = 0.5;

/// What one poll that the gateway pushed back adds to the price, as a factor.
const PUSHED_BACK: f64 = 1.1;

/// After this time what was pushed back counts only e times less.
const FORGIVEN: f64 = 30.0;

/// What was pushed back raises it by this factor at most: polls are four times rarer then. Many running
/// exchanges can say so at once, and who begins after an outage keeps to its plan.
const PUSHED_FARTHEST: f64 = 16.0;

/// The price is not raised beyond this, as a factor: polls are a hundred times rarer then.
const DEAREST: f64 = 10_000.0;

/// Plans are made anew when the price has changed by this factor.
const STEP: f64 = 1.25;

/// A gateway's rate of polls, and what it does to their price.
///
/// The factor is the multiplier of the constraint "so many polls a second" (a dual price): every plan
/// drops the polls that gain less than the price, so that of all polls of the gateway those that gain
/// most stay.
#[derive(Clone, Copy, Debug)]
pub(in crate::polling) struct Budget {
    /// Polls a second; `None` without a limit.
    limit: Option<f64>,
    rate: f64,
    /// Polls that are due and wait for their turn.
    waiting: f64,
    /// The logarithm of the factor by which the budget raises the price.
    over: f64,
    /// The logarithm of the factor by which the gateway's refusals raise it.
    pushed: f64,
    changed: Moment,
}

impl Budget {
    /// A budget of so many polls a second; 0 is none.
    pub(in crate::polling) fn new(max_per_second: u32) -> Self {
        Self {
            limit: bound(max_per_second),
            rate: 0.0,
            waiting: 0.0,
            over: 0.0,
            pushed: 0.0,
            changed: Moment::START,
        }
    }

    /// Puts another limit in force. What the one before has raised falls as the rate allows, and at
    /// once where there is none now.
    pub(in crate::polling) fn limit(&mut self, max_per_second: u32) {
        self.limit = bound(max_per_second);
        if self.limit.is_none() {
            self.over = 0.0;
        }
    }

    /// A poll was sent.
    pub(in crate::polling) fn polled(&mut self, now: Moment) {
        self.pass(now);
        self.rate += 1.0 / MEASURED;
    }

    /// So many polls are due and wait for their turn: without the limit they would have been sent.
    pub(in crate::polling) fn waiting(&mut self, polls: usize) {
        self.waiting = f64::from(u32::try_from(polls).unwrap_or(u32::MAX));
    }

    /// The gateway said that there are too many, or that it cannot.
    pub(in crate::polling) fn pushed_back(&mut self, now: Moment) {
        self.pass(now);
        self.pushed = (self.pushed + PUSHED_BACK.logarithm()).min(PUSHED_FARTHEST.logarithm());
    }

    /// Lets the time pass: the rate falls, and the price with it.
    pub(in crate::polling) fn pass(&mut self, now: Moment) {
        let seconds = now.since(self.changed).as_secs_f64();
        self.changed = self.changed.max(now);
        self.rate *= (-seconds / MEASURED).exponential();
        self.pushed *= (-seconds / FORGIVEN).exponential();
        if let Some(limit) = self.limit {
            let asked = self.rate + self.waiting / MEASURED;
            let excess = (asked / limit - 1.0).clamp(-1.0, 4.0);
            self.over = (self.over + STIFFNESS * excess * seconds).clamp(0.0, DEAREST.logarithm());
        }
    }

    /// The price in force, in steps, so that plans are not made anew for every poll.
    pub(in crate::polling) fn price(&self, configured: Duration) -> Duration {
        let raised = (self.over + self.pushed).min(DEAREST.logarithm());
        let steps = (raised / STEP.logarithm()).floor();
        configured.mul_f64((steps * STEP.logarithm()).exponential())
    }

    /// The polls a second that are allowed and those that are sent; `None` without a limit.
    pub(in crate::polling) fn rates(&self) -> Option<(f64, f64)> {
        self.limit.map(|limit| (limit, self.rate))
    }

    /// The share of the budget that is used; `None` without one.
    pub(in crate::polling) fn used(&self) -> Option<f64> {
        self.limit.map(|limit| self.rate / limit)
    }
}

fn bound(max_per_second: u32) -> Option<f64> {
    (max_per_second > 0).then(|| f64::from(max_per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Duration = Duration::from_millis(50);

    fn at(seconds: f64) -> Moment {
        Moment::after_start(Duration::from_secs_f64(seconds))
    }

    /// Twenty seconds of polls at a rate that falls with the root of the price, as plans have it.
    fn polled(budget: &mut Budget, free: f64) -> f64 {
        let (mut now, mut last) = (0.0, 0.0);
        while now < 120.0 {
            let factor = budget.price(PRICE).as_secs_f64() / PRICE.as_secs_f64();
            last = free / factor.sqrt();
            now += 1.0 / last;
            budget.polled(at(now));
        }
        last
    }

    #[test]
    fn a_budget_that_binds_raises_the_price_until_it_is_kept() {
        let mut budget = Budget::new(10);
        let rate = polled(&mut budget, 100.0);
        assert!((8.0..12.5).contains(&rate), "{rate}");
    }

    #[test]
    fn a_budget_that_does_not_bind_and_none_leave_the_price_alone() {
        for limit in [0, 1000] {
            let mut budget = Budget::new(limit);
            assert!((polled(&mut budget, 100.0) - 100.0).abs() < 1e-6);
            assert_eq!(budget.price(PRICE), PRICE);
        }
    }

    #[test]
    fn polls_that_wait_for_their_turn_raise_the_price_and_it_falls_when_they_are_gone() {
        let mut budget = Budget::new(10);
        // Ten seconds of as many polls as are allowed, and no more.
        let mut price = |from: u64, waiting| {
            budget.waiting(waiting);
            for poll in 10 * from..10 * (from + 10) {
                budget.polled(Moment::after_start(Duration::from_millis(100 * poll)));
            }
            budget.price(PRICE)
        };
        assert_eq!(price(0, 0), PRICE);
        let raised = price(10, 20);
        assert!(raised > PRICE * 4 && raised < PRICE * 20, "{raised:?}");
        assert!(price(20, 0) <= raised);
        budget.polled(at(120.0));
        assert_eq!(budget.price(PRICE), PRICE);
    }

    #[test]
    fn an_outage_of_many_exchanges_makes_polls_a_few_times_rarer_and_no_more() {
        let mut budget = Budget::new(0);
        for poll in 0..100 {
            budget.pushed_back(at(0.3 * f64::from(poll)));
        }
        let price = budget.price(PRICE);
        assert!(price > PRICE * 10 && price <= PRICE * 16, "{price:?}");
    }

    #[test]
    fn what_the_gateway_pushes_back_raises_the_price_for_a_while() {
        let mut budget = Budget::new(0);
        for _ in 0..20 {
            budget.pushed_back(at(1.0));
        }
        assert!(budget.price(PRICE) > PRICE * 5);
        budget.polled(at(200.0));
        assert_eq!(budget.price(PRICE), PRICE);
    }
}
