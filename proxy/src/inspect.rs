//! Between the stops and the inspected bodies: how a body of this exchange is to be read, and what
//! its findings and its end mean for the books.
//!
//! Nouns: [`Terms`] (the rule that decided the head, and the masks that follow from it), [`Witness`]
//! (the observer of one body).

use std::sync::Arc;

use egret_audit::Failure;
use egret_policies::{Code, Host, Mode, Trouble, Verdict, VerdictAction};
use egret_scanners::{Carrier, Finding, Part, Side};
use http::header::{self, HeaderMap};
use hyper::body::{Body as _, Incoming};

use crate::body::{
    BodyError, BodyOptions, BodyReport, Decision, Ending, Fault, Held, HoldFailed, Inspected,
    Observer, Patience,
};
use crate::decode::{Codings, Expansion};
use crate::framing;
use crate::heads::Masks;
use crate::line::Line;
use crate::open::OpenExchange;
use crate::snapshot::Snapshot;

/// What the verdict on the head settled for everything that follows it.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) snapshot: Arc<Snapshot>,
    rule: Option<Arc<str>>,
    host: Option<Host>,
}

impl Terms {
    pub(crate) fn new(exchange: &OpenExchange, verdict: &Verdict) -> Self {
        Self {
            snapshot: Arc::clone(&exchange.flow.snapshot),
            rule: verdict.rule.clone(),
            host: exchange.with_known(|known| known.proven_host().cloned()),
        }
    }

    /// What is overwritten, by part.
    pub(crate) fn masks(&self) -> Masks {
        let terms = self.clone();
        Arc::new(move |part| {
            terms
                .snapshot
                .mask(terms.rule.as_deref(), part, terms.host.as_ref())
        })
    }

    /// Whether anything found on this side could change what passes.
    pub(crate) fn matters(&self, side: Side) -> bool {
        self.snapshot
            .policy
            .scan_matters(self.rule.as_deref(), side)
    }

    /// Whether anything found on this side changes what passes: as [`Terms::matters`], but where the policy only tells
    /// what it would do.
    pub(crate) fn enforces(&self, side: Side) -> bool {
        self.matters(side) && self.snapshot.policy.mode() == Mode::Enforce
    }

    /// Whether a finding is to be overwritten where it stands, or not to pass.
    pub(crate) fn overwrites(&self, finding: &Finding) -> bool {
        let (signature, part) = (&finding.signature, &finding.part);
        let policy = &self.snapshot.policy;
        policy.masks(self.rule.as_deref(), signature, part, self.host.as_ref())
    }

    /// How a body with these headers is to be read.
    fn options(
        &self,
        side: Side,
        headers: &HeaderMap,
        declared: Option<u64>,
    ) -> Result<BodyOptions, BodyError> {
        let codings = match self.matters(side) {
            true => Codings::from_headers(headers)?,
            false => Codings::default(),
        };
        let mask = self
            .snapshot
            .mask(self.rule.as_deref(), &Part::body(side), self.host.as_ref());
        Ok(BodyOptions {
            side,
            scanner: Arc::clone(&self.snapshot.scanner),
            carrier: carrier(headers),
            mask,
            trailer_masks: self.masks(),
            codings,
            expansion: Expansion::default(),
            opens: self.matters(side),
            declared,
        })
    }
}

/// The body of one message, to be inspected.
pub(crate) struct Subject<'a> {
    pub(crate) side: Side,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Incoming,
    /// Where it comes from, to be kept open for as long as it flows.
    pub(crate) source: Option<Arc<Line>>,
}

/// Wraps a body and holds it as long as the rules of `body` say.
pub(crate) async fn hold(
    exchange: &Arc<OpenExchange>,
    terms: &Terms,
    subject: Subject<'_>,
) -> Result<Held<Incoming>, HoldFailed> {
    let Subject {
        side,
        headers,
        body,
        source,
    } = subject;
    let declared = (!body.is_end_stream())
        .then(|| framing::declared_length(headers))
        .flatten();
    let limit = exchange.flow.shared.limits.hold_body;
    let patience = Patience::of(side, declared, &carrier(headers), limit);
    let options = terms.options(side, headers, declared);
    let options = options.map_err(|error| HoldFailed {
        error,
        findings: Vec::new(),
    })?;
    let sealed = side == Side::Request && framing::seal_of(headers).is_some();
    let witness = Witness {
        exchange: Arc::clone(exchange),
        sealed,
        terms: terms.clone(),
        _source: source,
    };
    Inspected::new(body, options, Box::new(witness))
        .hold(limit, patience)
        .await
}

/// The observer of one body: tells the books.
struct Witness {
    exchange: Arc<OpenExchange>,
    /// Overwriting would break a promise about the bytes.
    sealed: bool,
    terms: Terms,
    _source: Option<Arc<Line>>,
}

impl Observer for Witness {
    fn found(&mut self, findings: &[Finding]) -> Decision {
        let verdict = self.exchange.found(findings);
        let broken = self.sealed && verdict.action == VerdictAction::Redact && verdict.enforced;
        if verdict.refuses() || broken {
            Decision::Cut
        } else {
            Decision::Continue
        }
    }

    fn found_sealed(&mut self, findings: &[Finding]) -> Decision {
        let verdict = self.exchange.found(findings);
        let stuck = findings.iter().any(|found| self.terms.overwrites(found));
        if verdict.refuses() || (stuck && verdict.enforced) {
            Decision::Cut
        } else {
            Decision::Continue
        }
    }

    fn ended(&mut self, report: BodyReport) {
        let failure = match &report.ending {
            Ending::Complete => None,
            Ending::Failed(error) => Some(failure(error, report.side)),
            Ending::Abandoned => abandoned(report.side),
        };
        self.exchange.outcome(|outcome| {
            match report.side {
                Side::Request => outcome.bytes_sent = report.sent,
                Side::Response => outcome.bytes_received = report.sent,
            }
            outcome.failure = outcome.failure.or(failure);
        });
        if let Ending::Failed(error) = &report.ending
            && let Some(trouble) = trouble(error, report.side)
        {
            self.exchange.fail(trouble);
        }
    }
}

/// What a body's failure is to the policy. `None`: the verdict has it already, or the peer went away,
/// which is an outcome and no verdict.
pub(crate) fn trouble(error: &BodyError, side: Side) -> Option<Trouble> {
    match error.code(side)? {
        Code::UndecodableBody => Some(Trouble::UndecodableBody),
        Code::Limit => Some(Trouble::Limit),
        Code::AuditUnavailable => Some(Trouble::AuditUnavailable),
        Code::BadRequest if !matches!(error, BodyError::Aborted(_)) => Some(Trouble::BadRequest),
        _ => None,
    }
}

/// Whose fault, in our words.
fn failure(error: &BodyError, side: Side) -> Failure {
    let fault = match error.fault(side) {
        Fault::Client => egret_audit::Fault::Client,
        Fault::Upstream => egret_audit::Fault::Upstream,
        Fault::Egret => egret_audit::Fault::Egret,
    };
    let reason = match error {
        BodyError::Undecodable(_) => "the body could not be decoded",
        BodyError::Unscannable(_) => "the body could not be scanned",
        BodyError::Denied => "cut by the policy",
        BodyError::Trailer => "a trailer is not valid",
        BodyError::Short { .. } | BodyError::Long { .. } => "the body belies its length",
        BodyError::EmptyFrames => "the body is made of empty frames",
        BodyError::Unrecorded => "the audit log could not be written",
        BodyError::Aborted(_) => "the body was broken off",
    };
    Failure { fault, reason }
}

/// An upstream may answer before it has read everything; a client that stops reading has gone.
fn abandoned(side: Side) -> Option<Failure> {
    let reason = "the client stopped reading";
    (side == Side::Response).then_some(Failure {
        fault: egret_audit::Fault::Client,
        reason,
    })
}

fn carrier(headers: &HeaderMap) -> Carrier {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.map_or(Carrier::Unlabelled, Carrier::from_content_type)
}
