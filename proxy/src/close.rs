//! Stop 8: the guards hand their last record to the ledger.
//!
//! Deliberately no work here: whatever is written was prepared on the way; dropping only hands over.

use egret_audit::Outcome;

use crate::open::{OpenExchange, OpenFlow, Stage, lock};

impl Drop for OpenFlow {
    fn drop(&mut self) {
        let due = lock(&self.pending).take();
        if let Some(draft) = due {
            self.shared.ledger.note(draft);
        }
        self.shared.metrics.flow_closed();
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        let books = lock(&self.books);
        let ledger = &self.flow.shared.ledger;
        match books.stage {
            Stage::Refused => {}
            Stage::Undecided => ledger.note(books.draft.clone()),
            Stage::Forwarded => {
                let unanswered = books.outcome.status.is_none();
                let failure = unanswered.then(|| self.flow.shared.departure());
                let outcome = Outcome {
                    duration: self.started.elapsed(),
                    failure: books.outcome.failure.or(failure),
                    ..books.outcome
                };
                ledger.note(books.draft.clone().ended(outcome));
            }
        }
    }
}
