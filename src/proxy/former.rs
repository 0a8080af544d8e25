//! A payment of a route that is converted no more: a reload or a restart may have taken it out while
//! payments ran, and the repeat of one of those joins it. Passed on, it would be a second charge.
use std::ops::ControlFlow;

use bytes::Bytes;
use hyper::body::Incoming;

use super::config::Config;
use super::order::{Asked, Holding, PartialBody, Unordered};
use super::problem::Problem;
use super::service::{Incomer, Proxy};
use crate::exchange::{Admission, Order, Refusal};
use crate::listener::Reply;
use crate::protocol::{Conversion, Disposition};
use crate::timing::Moment;

impl Proxy {
    /// Joins what was begun while the route was converted. A request that repeats none of it is treated
    /// as the route says.
    pub(super) async fn former(
        self,
        incomer: Incomer,
        conversion: &'static Conversion,
        disposition: Disposition,
    ) -> Reply {
        let Incomer {
            head,
            body: mut rest,
            gateway,
            arrived_at,
        } = incomer;
        let read = match self.asked(&head, &gateway) {
            Ok(asked) => {
                let looked = self.look_for(asked, conversion, &mut rest, arrived_at);
                match Box::pin(looked).await {
                    ControlFlow::Continue(read) => read,
                    ControlFlow::Break(Ok((admission, holding))) => {
                        let slot = self.shared.metrics.slot(self.config.held);
                        return self.admitted(admission, holding, slot, rest);
                    }
                    ControlFlow::Break(Err(it)) => {
                        return self.answer_with(it.problem, &it.about).into();
                    }
                }
            }
            // What has no credentials could not have been converted.
            Err(_) => Bytes::new(),
        };
        match disposition {
            Disposition::Refuse => self.refuse(Problem::RouteRefused).into(),
            Disposition::Relay | Disposition::Convert => {
                let body = self.relayed(read, rest);
                self.pass(head, &gateway, body).await.into()
            }
        }
    }

    /// Looks for what a request repeats. Where it repeats nothing, what was read of its body goes on:
    /// all of it, since a fingerprint is made of the whole, unless no limit has ever allowed as much.
    /// The limit in force tells nothing: it may have been lowered since.
    async fn look_for(
        &self,
        asked: Asked<'_>,
        conversion: &'static Conversion,
        rest: &mut Incoming,
        arrived_at: Moment,
    ) -> ControlFlow<Result<(Admission, Holding), Unordered>, Bytes> {
        match self.read_body(rest, Config::LARGEST_BODY).await {
            Ok(body) => {
                let (order, holding) = self.ordered(asked, conversion, body.clone(), arrived_at);
                let order = Order {
                    barred: Some(Refusal::Route),
                    ..order
                };
                match self.shared.flights.request(order).opened().await {
                    Admission::Refused(_) => ControlFlow::Continue(body),
                    admission => ControlFlow::Break(Ok((admission, holding))),
                }
            }
            Err(PartialBody::TooLarge { read }) => ControlFlow::Continue(read),
            Err(unread) => ControlFlow::Break(Err(self.unread(unread, &asked, rest).await)),
        }
    }
}
