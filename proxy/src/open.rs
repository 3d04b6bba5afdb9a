//! Stop 2: from here one closing record is certain, also if the task is cancelled or panics.
//!
//! Nouns: [`OpenFlow`] guards a connection, [`OpenExchange`] one request on it. Each holds the record
//! that is due if nothing more happens; stops on the way replace it. `close` hands it over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use egret_audit::{Draft, Event, Failure, Judged, Outcome};
use egret_policies::{ExchangeId, Flow, Host, Trouble, Verdict};
use egret_scanners::{Carrier, Finding, MaskSet, Part, Place, SessionOptions, Side};
use tokio::time::Instant;

use crate::drain::Alive;
use crate::judge::Known;
use crate::ledger::Unrecorded;
use crate::serve::Shared;
use crate::snapshot::Snapshot;

/// A captured connection with its books.
pub(crate) struct OpenFlow {
    pub(crate) flow: Flow,
    pub(crate) shared: Arc<Shared>,
    /// The policy and scanner it started with, and keeps.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(super) pending: Mutex<Option<Draft>>,
    /// The shutdown waits until this is dropped.
    _alive: Alive,
}

/// One request with its books. Shared by the two directions; the last holder to let go closes them.
pub(crate) struct OpenExchange {
    pub(crate) id: ExchangeId,
    pub(crate) flow: Arc<OpenFlow>,
    pub(super) books: Mutex<Books>,
    pub(super) started: Instant,
}

/// What will be written about an exchange.
pub(super) struct Books {
    pub(super) known: Known,
    pub(super) stage: Stage,
    pub(super) draft: Draft,
    pub(super) outcome: Outcome,
    /// Findings that the decision on record is about.
    pub(super) recorded: usize,
    /// Findings that it counts beyond those.
    pub(super) counted: u64,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No decision is on record.
    Undecided,
    /// Refused, and recorded so: nothing more is due.
    Refused,
    /// Forwarding is on record: an outcome is due.
    Forwarded,
}

impl OpenFlow {
    pub(crate) fn new(flow: Flow, shared: &Arc<Shared>, alive: Alive) -> Arc<Self> {
        let opened = Self {
            flow,
            shared: Arc::clone(shared),
            snapshot: shared.snapshots.load_full(),
            pending: Mutex::new(None),
            _alive: alive,
        };
        let known = Known {
            trouble: Some(Trouble::BadRequest),
            ..opened.origin()
        };
        opened.expect(&known, None);
        shared.metrics.flow_opened();
        Arc::new(opened)
    }

    /// What the socket alone tells.
    pub(crate) fn origin(&self) -> Known {
        let original = self.flow.original;
        Known {
            address: original.map(|original| original.0.ip()),
            port: original.map_or(0, |original| original.0.port()),
            ..Known::default()
        }
    }

    /// The verdict on `known` by this flow's policy.
    pub(crate) fn judge(&self, known: &Known) -> Verdict {
        known.judge(&self.flow, &self.snapshot.policy)
    }

    /// A name can carry a secret in its labels, and resolving it would send it out: scanned before.
    pub(crate) fn scan_name(&self, known: &mut Known) {
        if let Some(host) = known.host.as_ref().map(Host::to_string) {
            self.scan_stated_name(known, &host);
        }
    }

    /// The same for a name as the client wrote it: normalised, a token has lost its upper case.
    pub(crate) fn scan_stated_name(&self, known: &mut Known, stated: &str) {
        let part = Part {
            side: Side::Request,
            place: Place::Name,
        };
        if known.findings.iter().any(|finding| finding.part == part) {
            return;
        }
        let mask = Arc::new(MaskSet::none());
        let options = SessionOptions {
            part,
            carrier: Carrier::Text,
            mask,
        };
        match self.snapshot.scanner.scan(stated.as_bytes(), options) {
            Ok(scanned) => known.findings.extend(scanned.findings),
            Err(_) => known.fail(Trouble::Limit),
        }
    }

    /// If the connection ends now, this is its record.
    pub(crate) fn expect(&self, known: &Known, failure: Option<Failure>) {
        let verdict = self.judge(known);
        let draft = self.draft((Event::Flow, None), known, &verdict, 0);
        let outcome = Outcome {
            failure,
            ..Outcome::default()
        };
        let mut pending = lock(&self.pending);
        *pending = Some(Draft {
            outcome: failure.map(|_| outcome),
            ..draft
        });
    }

    /// The records of its exchanges, or of its tunnel, speak for it.
    pub(crate) fn accounted(&self) {
        lock(&self.pending).take();
    }

    pub(super) fn draft(
        &self,
        (event, exchange): (Event, Option<ExchangeId>),
        known: &Known,
        verdict: &Verdict,
        told: usize,
    ) -> Draft {
        let mut draft = Draft::judged(&Judged {
            time: SystemTime::now(),
            event,
            exchange,
            facts: &known.facts(&self.flow),
            verdict,
            policy: &self.snapshot.policy,
            inspected: verdict.action != egret_policies::VerdictAction::Tunnel,
            told,
        });
        draft.findings_unlisted += known.further;
        draft
    }
}

impl OpenExchange {
    /// Opens the books of a request. Until it is decided, the record due is that it broke off.
    pub(crate) fn new(flow: &Arc<OpenFlow>, id: ExchangeId, known: Known) -> Arc<Self> {
        flow.accounted();
        let draft = broken_off(flow, id, &known);
        let outcome = Outcome::default();
        Arc::new(Self {
            id,
            flow: Arc::clone(flow),
            books: Mutex::new(Books {
                known,
                stage: Stage::Undecided,
                draft,
                outcome,
                recorded: 0,
                counted: 0,
            }),
            started: Instant::now(),
        })
    }

    /// Reads or extends what is known.
    pub(crate) fn with_known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut lock(&self.books).known)
    }

    /// Takes over what looking for the upstream has shown.
    pub(crate) fn reached(&self, seen: &Known) {
        self.with_known(|known| {
            known.address = seen.address;
            known.trouble = seen.trouble;
        });
    }

    /// The verdict on what is known now.
    pub(crate) fn judge(&self) -> Verdict {
        self.flow.judge(&lock(&self.books).known)
    }

    /// Adds findings and judges again; the closing record follows.
    pub(crate) fn found(&self, findings: &[Finding]) -> Verdict {
        self.learn(|known| known.note(findings, &self.flow.snapshot.policy))
    }

    /// Notes trouble and judges again; the closing record follows.
    pub(crate) fn fail(&self, trouble: Trouble) -> Verdict {
        self.learn(|known| known.fail(trouble))
    }

    /// Something of the outcome became known.
    pub(crate) fn outcome(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut lock(&self.books).outcome);
    }

    /// Puts the verdict on record. Only after `Ok` may anything of the request be sent upstream.
    pub(crate) async fn decide(&self, verdict: &Verdict) -> Result<(), Unrecorded> {
        let draft = {
            let mut books = lock(&self.books);
            let draft = self.draft(&books.known, verdict, 0);
            books.recorded = books.known.findings.len();
            books.counted = books.known.further;
            // What is written next is what comes after.
            books.draft = Draft {
                findings: Vec::new(),
                ..draft.clone()
            };
            // Before the record is handed over: who is cancelled while waiting must not decide again.
            books.stage = match verdict.refuses() {
                true => Stage::Refused,
                false => Stage::Forwarded,
            };
            draft
        };
        let recorded = self.flow.shared.ledger.record(draft).await;
        match recorded {
            Ok(()) => {}
            // A late record may say that this was forwarded: how it ended is due all the same.
            Err(Unrecorded::Late) => lock(&self.books).stage = Stage::Forwarded,
            Err(Unrecorded::Refused) => lock(&self.books).stage = Stage::Undecided,
        }
        match recorded {
            Ok(()) => self.flow.shared.metrics.decided(verdict),
            Err(_) => self.flow.shared.metrics.unrecorded(),
        }
        recorded
    }

    /// Whether a decision is on record.
    pub(crate) fn is_decided(&self) -> bool {
        lock(&self.books).stage != Stage::Undecided
    }

    fn learn(&self, change: impl FnOnce(&mut Known)) -> Verdict {
        let mut books = lock(&self.books);
        change(&mut books.known);
        let verdict = self.flow.judge(&books.known);
        books.draft = match books.stage {
            Stage::Undecided => broken_off(&self.flow, self.id, &books.known),
            Stage::Refused | Stage::Forwarded => self.draft(&books.known, &verdict, books.recorded),
        };
        // None of them where nothing is decided yet.
        let counted = books.counted;
        let unlisted = &mut books.draft.findings_unlisted;
        *unlisted = unlisted.saturating_sub(counted);
        verdict
    }

    fn draft(&self, known: &Known, verdict: &Verdict, told: usize) -> Draft {
        let what = (Event::Decision, Some(self.id));
        self.flow.draft(what, known, verdict, told)
    }
}

/// The record of a request that ends before it is decided: nothing of it was let through.
fn broken_off(flow: &OpenFlow, id: ExchangeId, known: &Known) -> Draft {
    let mut broken = known.clone();
    broken.fail(Trouble::BadRequest);
    let what = (Event::Decision, Some(id));
    flow.draft(what, &broken, &flow.judge(&broken), 0)
}

/// A poisoned lock only means that some holder panicked; the books must still be closed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
