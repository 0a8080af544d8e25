//! A payment of a route that is converted no more: a reload or a restart may have taken it out while
//! payments ran, and the repeat of one of those joins it. Passed on, it would be a second charge.
use http_body::Body as _;
use hyper::body::Incoming;

use super::problem::Problem;
use super::service::{Incomer, Proxy};
use crate::listener::Reply;
use crate::message::Body;
use crate::protocol::{Conversion, Disposition};

impl Proxy {
    /// Joins what was begun while the route was converted. A request that repeats none of it is treated
    /// as the route says.
    pub(super) async fn former(
        self,
        mut incomer: Incomer,
        conversion: &'static Conversion,
        disposition: Disposition,
    ) -> Reply {
        let Incomer {
            head,
            body,
            gateway,
            arrived_at,
        } = &mut incomer;
        // What has no credentials or is too large could not have been converted.
        let asked = self.asked(head, gateway).ok();
        let Some(asked) = asked.filter(|_| self.fits(body)) else {
            return self.otherwise(incomer, None, disposition).await;
        };
        let ordered = self.ordered(asked, conversion, body, *arrived_at).await;
        let (order, holding) = match ordered {
            Ok(ordered) => ordered,
            Err(problem) => return self.refuse(problem).into(),
        };
        let body = Body::from(order.submission.body.clone());
        match self.shared.flights.rejoin(order) {
            None => self.otherwise(incomer, Some(body), disposition).await,
            Some(admission) => {
                let admission = Box::pin(admission.opened()).await;
                let place = self.shared.metrics.place(self.config.held);
                self.admitted(admission, holding, place, incomer.body)
            }
        }
    }

    fn fits(&self, body: &Incoming) -> bool {
        let length = body.size_hint().lower();
        usize::try_from(length).is_ok_and(|length| length <= self.config.max_body)
    }

    /// Treats a request as its route says; `read` is its body, if that was read.
    async fn otherwise(
        self,
        incomer: Incomer,
        read: Option<Body>,
        disposition: Disposition,
    ) -> Reply {
        match (disposition, read) {
            (Disposition::Refuse, _) => self.refuse(Problem::RouteRefused).into(),
            (Disposition::Relay | Disposition::Convert, None) => self.relay(incomer).await.into(),
            (Disposition::Relay | Disposition::Convert, Some(body)) => {
                let Incomer { head, gateway, .. } = incomer;
                self.pass(head, &gateway, body).await.into()
            }
        }
    }
}
