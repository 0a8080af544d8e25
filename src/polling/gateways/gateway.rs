//! What is kept of one gateway: the budget and the turns of its polls, and what is known of each of its
//! routes.
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::budget::Budget;
use super::gauges::{OfGateway, OfRoute};
use super::lately::Lately;
use super::named::Named;
use super::queue::{Need, Queue, Rank, Turn};
use crate::polling::laws::ground::Ground;
use crate::polling::learning::drift::Mark;
use crate::polling::learning::learner::Learner;
use crate::polling::learning::took::Took;
use crate::polling::metrics::{At, Metrics, On};
use crate::polling::planning::rules::Rules;
use crate::polling::planning::step::Step;
use crate::timing::Moment;

/// What is kept of one gateway.
#[derive(Debug)]
pub(in crate::polling) struct Gateway {
    budget: Budget,
    queue: Queue,
    routes: Named<Route>,
    gauges: OfGateway,
    /// When it was asked or told last: an exchange learns right after one of its polls.
    now: Moment,
}

impl Gateway {
    /// A gateway that takes so many polls a second; 0 is any number.
    pub(in crate::polling) fn new(max_per_second: u32, name: &str, metrics: &Metrics) -> Self {
        let mut gateway = Self {
            budget: Budget::new(max_per_second),
            queue: Queue::new(max_per_second),
            routes: Named::new(),
            gauges: OfGateway::new(metrics, name),
            now: Moment::START,
        };
        gateway.limit(max_per_second);
        gateway
    }

    /// Its budget as it is now, however long nothing was asked of it.
    pub(in crate::polling) fn budget(&self, now: Moment) -> Budget {
        let mut budget = self.budget;
        budget.pass(now);
        budget
    }

    /// How it is called, and the share of its budget that is used; `None` without one.
    pub(in crate::polling) fn used(&self, now: Moment) -> Option<(At, f64)> {
        let used = self.budget(now).used()?;
        Some((self.gauges.at().clone(), used))
    }

    /// The prices at which exchanges of its routes would be planned now.
    pub(in crate::polling) fn prices(
        &self,
        rules: &Rules,
        now: Moment,
    ) -> impl Iterator<Item = (On, Duration)> {
        let price = self.budget(now).price(rules.price);
        self.routes.iter().filter_map(move |(_, route)| {
            let learner = route.learner.as_ref()?;
            Some((route.gauges.on().clone(), learner.price_at(rules, price)))
        })
    }

    /// Its routes, by name.
    pub(in crate::polling) fn routes(&self) -> impl Iterator<Item = (&Box<str>, &Route)> {
        self.routes.iter()
    }

    /// One of its routes, if anything was asked or told of it.
    pub(in crate::polling) fn find(&self, route: &str) -> Option<&Route> {
        self.routes.find(route)
    }

    /// Puts another limit in force.
    pub(in crate::polling) fn limit(&mut self, max_per_second: u32) {
        self.budget.limit(max_per_second);
        self.queue.limit(max_per_second);
        if self.budget.used().is_some() {
            self.gauges.bounded();
        }
    }

    /// Tells what is known where exchanges learn from now on. Where they do not it stays, and is told no
    /// longer.
    pub(in crate::polling) fn tell(&mut self, learns: bool) {
        for route in self.routes.all() {
            match (learns, &route.learner) {
                (true, Some(learner)) => route.gauges.planned(learner),
                (true, None) => {}
                (false, _) => route.gauges.forget_learned(),
            }
        }
    }

    /// The steps of an exchange that begins now, and its mark.
    pub(in crate::polling) fn begin(
        &mut self,
        route: &str,
        given: &Given,
        now: Moment,
    ) -> (Arc<[Step]>, Mark) {
        self.pass(now);
        let price = self.budget.price(given.rules.price);
        self.with_route(route, |route| {
            let learner = following(&mut route.learner, &mut route.gauges, given, price);
            learner.begin(now)
        })
    }

    /// An exchange's result was found.
    pub(in crate::polling) fn found(&mut self, route: &str, polls: u32, waited: Duration) {
        self.with_route(route, |route| {
            route.lately.found(polls, waited);
            route.gauges.measured(&route.lately);
        });
    }

    /// Learns what an exchange tells.
    pub(in crate::polling) fn learn(&mut self, route: &str, given: &Given, took: Took) {
        let (price, now) = (self.budget.price(given.rules.price), self.now);
        self.with_route(route, |route| {
            let learner = following(&mut route.learner, &mut route.gauges, given, price);
            if learner.observe(took, now) {
                route.gauges.planned(learner);
            }
            route.gauges.least_delay(learner, &route.lately);
        });
    }

    /// Takes what another process learned of a route; it is told if it is in force.
    pub(in crate::polling) fn restore(&mut self, route: &str, learner: Learner, is_in_force: bool) {
        self.with_route(route, |route| {
            if is_in_force {
                route.gauges.planned(&learner);
            }
            route.learner = Some(learner);
        });
    }

    /// A poll is sent.
    pub(in crate::polling) fn polled(&mut self, now: Moment) {
        self.pass(now);
        self.budget.polled(now);
    }

    /// A poll was answered with 429 or with a fault of the gateway's own.
    pub(in crate::polling) fn pushed_back(&mut self, now: Moment) {
        self.pass(now);
        self.budget.pushed_back(now);
    }

    /// A poll asks for its turn that was due then, and may be the last before the end of a hold. It is
    /// woken where its turn comes earlier than it was told.
    pub(in crate::polling) fn ask(
        &mut self,
        rank: Option<Rank>,
        due: (Moment, Need),
        now: Moment,
        waker: &Waker,
    ) -> Turn {
        let turn = self.queue.ask(rank, due, now, waker);
        if matches!(turn, Turn::At(..)) && rank.is_none() {
            self.gauges.deferred();
        }
        self.wait();
        turn
    }

    /// A poll that waited does so no more.
    pub(in crate::polling) fn leave(&mut self, rank: Rank) {
        self.queue.leave(rank);
        self.wait();
    }

    fn wait(&mut self) {
        self.budget.waiting(self.queue.waiting());
    }

    fn pass(&mut self, now: Moment) {
        self.now = self.now.max(now);
        self.budget.pass(now);
    }

    fn with_route<T>(&mut self, name: &str, change: impl FnOnce(&mut Route) -> T) -> T {
        let gauges = &self.gauges;
        let make = || Route {
            learner: None,
            lately: Lately::default(),
            gauges: gauges.of_route(name),
        };
        self.routes.with(name, make, change)
    }
}

/// What exchanges of a route are given to learn by.
#[derive(Clone, Debug)]
pub(in crate::polling) struct Given {
    pub(in crate::polling) rules: Rules,
    /// That up to the horizon of the rules.
    pub(in crate::polling) ground: Arc<Ground>,
}

/// The learner of a route, by the rules and at the price in force. Where a reload changed them this is when
/// it takes them up: a law may have to be fitted anew, and no exchange waits for those of other routes.
fn following<'a>(
    learner: &'a mut Option<Learner>,
    gauges: &mut OfRoute,
    given: &Given,
    price: Duration,
) -> &'a mut Learner {
    let make = || Learner::on(Arc::clone(&given.ground), given.rules);
    let learner = learner.get_or_insert_with(make);
    if learner.follow(&given.ground, given.rules, price) {
        gauges.planned(learner);
    }
    learner
}

/// What is known of one route.
#[derive(Debug)]
pub(in crate::polling) struct Route {
    /// Absent until an exchange is to learn.
    learner: Option<Learner>,
    /// What polls really brought.
    lately: Lately,
    gauges: OfRoute,
}

impl Route {
    /// What was learned, if anything was.
    pub(in crate::polling) const fn learner(&self) -> Option<&Learner> {
        self.learner.as_ref()
    }

    /// What polls really brought.
    pub(in crate::polling) const fn lately(&self) -> Lately {
        self.lately
    }
}
