//! What some runs came to, in numbers.
use std::fmt;
use std::time::Duration;

use super::buyer::Said;
use super::judge::Evidence;

#[derive(Debug, Default)]
pub(super) struct Figures {
    runs: usize,
    broken: usize,
    ends: usize,
    submits: usize,
    charges: usize,
    answered: usize,
    in_doubt: usize,
    /// Of those in doubt, how many were charged.
    charged_in_doubt: usize,
    slowest: Duration,
}

impl Figures {
    pub(super) fn add(&mut self, evidence: &Evidence, is_broken: bool) {
        self.runs += 1;
        self.broken += usize::from(is_broken);
        self.ends += evidence.outages.len();
        self.submits += evidence.ledger.submits.len();
        self.charges += evidence.ledger.charges.len();
        self.slowest = self.slowest.max(evidence.slowest);
        for told in evidence.told.iter().filter(|told| told.is_last) {
            match told.said {
                Some(Said::Answer { .. }) => self.answered += 1,
                Some(Said::InDoubt) => {
                    let id = &evidence.intents[told.intent].tracking_id;
                    self.in_doubt += 1;
                    let charges = evidence.ledger.charges_of(id).count();
                    // Every round before this one ended with an answer.
                    let earlier = usize::try_from(told.round).unwrap();
                    self.charged_in_doubt += usize::from(charges > earlier);
                }
                Some(Said::NotSubmitted | Said::InProgress | Said::Spent) | None => {}
            }
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            broken,
            ends,
            submits,
            charges,
            answered,
            in_doubt,
            charged_in_doubt,
            slowest,
        } = self;
        write!(
            formatter,
            "{runs} runs, {broken} of which break a rule; the process ended or stood still {ends} times; {submits} \
             submits, {charges} charges; {answered} buyers ended with an answer, {in_doubt} in doubt \
             ({charged_in_doubt} of them over a charge); the machine was late by {slowest:?} at most"
        )
    }
}
