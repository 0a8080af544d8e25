//! What the gateway writes into its ledger, and when.
use super::head::Head;
use super::ledger::{Poll, PollAnswer, Query, Stray, Submit, Task, Verdict};
use super::state::{Request, State};
use crate::timing::Moment;

impl State {
    pub(super) fn record_submit(
        &mut self,
        now: Moment,
        head: &Head,
        tracking_id: Option<&str>,
        verdict: Verdict,
        request_id: Option<String>,
    ) {
        self.ledger.submits.push(Submit {
            at: now,
            path: head.path.clone(),
            key: head.key.clone(),
            shop: head.shop.clone(),
            tracking_id: tracking_id.map(str::to_owned),
            verdict,
            request_id,
            fields: head.fields.clone(),
        });
    }

    pub(super) fn record_task(&mut self, now: Moment, request_id: &str, request: &Request<'_>) {
        let id = Some(request_id.to_owned());
        self.record_submit(
            now,
            request.head,
            request.tracking_id,
            Verdict::Accepted,
            id,
        );
        self.ledger.tasks.push(Task {
            request_id: request_id.to_owned(),
            created: now,
            path: request.head.path.clone(),
            polls: Vec::new(),
            result_reads: 0,
            spent: false,
            polls_after_result: 0,
            overlapping_polls: 0,
            in_flight: 0,
        });
    }

    pub(super) fn record_query(&mut self, now: Moment, path: &str, shop: &str) {
        self.ledger.queries.push(Query {
            at: now,
            path: path.to_owned(),
            shop: shop.to_owned(),
        });
    }

    pub(super) fn record_stray(&mut self, now: Moment, request_id: &str, unauthorized: bool) {
        self.ledger.strays.push(Stray {
            at: now,
            request_id: request_id.to_owned(),
            unauthorized,
        });
    }

    pub(super) fn record_poll(&mut self, record: usize, poll: Poll) {
        if let Some(task) = self.ledger.tasks.get_mut(record) {
            let already_read = match poll.answer {
                PollAnswer::Result => task.result_reads > 1,
                PollAnswer::Processing
                | PollAnswer::Completed
                | PollAnswer::Unknown
                | PollAnswer::Odd
                | PollAnswer::Silence => task.result_reads > 0,
            };
            task.polls_after_result += u32::from(already_read);
            task.polls.push(poll);
        }
    }

    /// The result was handed out; `spent` if that was the only time.
    pub(super) fn record_reading(&mut self, record: usize, spent: bool) {
        if let Some(task) = self.ledger.tasks.get_mut(record) {
            task.result_reads += 1;
            task.spent |= spent;
        }
    }

    pub(super) fn poll_begins(&mut self, request_id: &str) {
        if let Some(task) = self.record_of(request_id) {
            task.overlapping_polls += u32::from(task.in_flight > 0);
            task.in_flight += 1;
        }
    }

    pub(super) fn poll_ends(&mut self, request_id: &str) {
        if let Some(task) = self.record_of(request_id) {
            task.in_flight = task.in_flight.saturating_sub(1);
        }
    }

    fn record_of(&mut self, request_id: &str) -> Option<&mut Task> {
        let record = self.tasks.get(request_id)?.record;
        self.ledger.tasks.get_mut(record)
    }
}
