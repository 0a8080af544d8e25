//! From the machine's records to the journal's entries: numbered, stamped, their answers sealed.
use bytes::Bytes;

use super::context::Context;
use super::flights::{Answer, Flight};
use super::machine::{Closing, Record};
use super::order::Credentials;
use super::recorder::Appending;
use crate::journal::{self, Change, Entry, Head, Place, Sealed};

impl Context {
    /// Appends a record of a flight; `None` when it is already as durable as it will be. For memory
    /// alone no entry is made and nothing is sealed. The credentials seal what only they may open.
    pub(super) fn append(
        &self,
        flight: &Flight,
        record: &Record<Answer>,
        credentials: Option<&Credentials>,
    ) -> Option<Appending> {
        if !self.recorder.is_durable() {
            return None;
        }
        let place = flight.next_place();
        let seal = |answer: &Answer| self.sealed(flight, place, answer, credentials);
        let change = match record {
            Record::Submitted => Change::Submitted(Box::new(head(flight))),
            Record::Resubmitted(number) => Change::Resubmitted(*number),
            Record::Accepted(id) => Change::Accepted(id.as_str().into()),
            Record::Candidate(answer) => Change::Candidate(Some(seal(answer))),
            Record::TakenBack => {
                flight.core().sealed_step = None;
                Change::Candidate(None)
            }
            Record::Completed(answer) => {
                flight.core().answer_step = Some(place.step);
                Change::Completed(Some(seal(answer)))
            }
            Record::Delivered => Change::Delivered,
            Record::InDoubt(doubt) => Change::InDoubt(journal::WrittenDoubt {
                cause: doubt.name().into(),
                reason: reason(flight),
            }),
            Record::Withdrawn(_) => Change::Withdrawn,
            Record::Refused(_) => Change::Refused,
            // After a reason it would be read as the operator's word that it was not executed.
            Record::Closed(Closing::Expired) => Change::Closed(None),
            Record::Closed(Closing::NotExecuted) => Change::Closed(reason(flight)),
        };
        self.recorder.append(Entry {
            place,
            stamp: self.stamps.now(),
            change,
        })
    }

    /// An answer that only these credentials open. Without them it must not be written: a seal of
    /// no bytes opens to nobody, and its exchange is in doubt after a restart.
    fn sealed(
        &self,
        flight: &Flight,
        place: Place,
        answer: &Answer,
        credentials: Option<&Credentials>,
    ) -> Sealed {
        let key = credentials.map(|it| it.answer_key(&self.hash_key, flight.gateway_name()));
        let clear = answer.encode();
        let sealed = key.map(|key| key.seal(flight.id, place, &clear));
        if let Some(Ok(sealed)) = sealed {
            return sealed;
        }
        tracing::error!(exchange = %flight.id, "an answer could not be sealed for the journal");
        Sealed(Bytes::new())
    }
}

/// The operator's reason, where it was the operator who settled the exchange.
fn reason(flight: &Flight) -> Option<Box<str>> {
    flight.core().word.as_ref()?.reason.clone()
}

fn head(flight: &Flight) -> Head {
    let (identity, facts) = (flight.identity, flight.facts());
    let gateway = flight.home.gateway();
    let origin = gateway.map_or_else(String::new, |it| it.client.origin().to_string());
    Head {
        exchange: flight.id,
        gateway: flight.gateway_name().into(),
        origin: origin.into(),
        operation: flight.conversion.operation.name().into(),
        owner: identity.owner.to_bytes(),
        credential: identity.credential.to_bytes(),
        fingerprint: identity.fingerprint.to_bytes(),
        beside: flight.kin.beside.map(super::Fingerprint::to_bytes),
        key: flight.key.value.to_str().unwrap_or_default().into(),
        explicit: flight.key.explicit,
        amount: facts.amount.clone(),
        currency: facts.currency.clone(),
        reference: facts.tracking_id.clone(),
    }
}
