//! A task that is asked for by hand, by its id.
use http::Response;

use super::key::{Requester, answer_key};
use super::problem::Problem;
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy};
use crate::exchange::{Answer, OnDisk, TaskAnswer};
use crate::message::Body;
use crate::protocol::RequestId;

impl Proxy {
    /// A task asked for by hand: "too early" while a flight of its shop polls it, because a second reader
    /// could spend a once-only answer, which a gateway may give in place of the status too, and to whoever
    /// asks. So nothing is asked without credentials, which name the shop. Then its kept result, for the
    /// credentials that it was asked for with; the gateway's word otherwise.
    pub(super) async fn task(self, incomer: Incomer, id: RequestId) -> Response<Body> {
        let flights = &self.shared.flights;
        let gateway = &incomer.gateway.name;
        let requester = Requester::of(flights.hash_key(), gateway, &incomer.head.headers);
        let requester = match requester {
            Ok(requester) => requester,
            Err(fault) => return self.refuse(Problem::Key(fault)),
        };
        let about = About {
            request_id: Some(id.to_string()),
            ..About::default()
        };
        let profile = incomer.gateway.profile;
        let asks_result = profile.task_of(incomer.head.uri.path()).is_some();
        match flights.task(requester.owner, requester.credential, &id) {
            TaskAnswer::Kept(stored) if asks_result => {
                respond::answer(&stored, &about, Given::again(false))
            }
            TaskAnswer::OnDisk(on_disk) if asks_result => {
                match self.read_from_disk(on_disk, &incomer).await {
                    Some(stored) => respond::answer(&stored, &about, Given::again(false)),
                    None => self.relay(incomer).await,
                }
            }
            TaskAnswer::Running => self.answer_with(Problem::TooEarly, &about),
            TaskAnswer::Kept(_) | TaskAnswer::OnDisk(_) | TaskAnswer::Unknown => {
                self.relay(incomer).await
            }
        }
    }

    async fn read_from_disk(&self, on_disk: OnDisk, incomer: &Incomer) -> Option<Answer> {
        let flights = &self.shared.flights;
        let fields = &incomer.head.headers;
        let key = answer_key(flights.hash_key(), &incomer.gateway.name, fields)?;
        flights.read(on_disk, &key).await
    }
}
