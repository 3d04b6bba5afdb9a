//! How a body ended, and whose fault it was if it did not end well.

use egret_policies::Code;
use egret_scanners::{Finding, ScanError, Side};
use thiserror::Error;

use crate::decode::DecodeError;

/// Why a body cannot go on. After one of these the body never completes: the message it belongs to
/// is cut, never ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Its content coding cannot be undone.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The scanner gave up on it.
    #[error(transparent)]
    Unscannable(#[from] ScanError),
    /// A finding in it is denied.
    #[error("the body holds what the policy denies")]
    Denied,
    /// A trailer cannot be passed on.
    #[error("a trailer is not valid")]
    Trailer,
    /// It ended before its `Content-Length`.
    #[error("the body has {received} of the {declared} bytes it declared")]
    Short {
        /// Bytes promised.
        declared: u64,
        /// Bytes received.
        received: u64,
    },
    /// It goes on after its `Content-Length`.
    #[error("the body has more than the {declared} bytes it declared")]
    Long {
        /// Bytes promised.
        declared: u64,
    },
    /// Frame after frame without a byte in it.
    #[error("the body is made of empty frames")]
    EmptyFrames,
    /// The audit log cannot be written: nothing may pass.
    #[error("the audit log cannot be written")]
    Unrecorded,
    /// The peer closed, reset or broke the stream in the middle; the transport's words.
    #[error("the peer ended the body early: {0}")]
    Aborted(Box<str>),
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The agent's side.
    Client,
    /// The origin's side.
    Upstream,
    /// Ours: a policy decision.
    Egret,
}

impl BodyError {
    /// Whose fault it is, for a body that flows in this direction.
    pub(crate) fn fault(&self, side: Side) -> Fault {
        match (self, side) {
            (BodyError::Denied | BodyError::Unrecorded, _) => Fault::Egret,
            (_, Side::Request) => Fault::Client,
            (_, Side::Response) => Fault::Upstream,
        }
    }

    /// The code a client is shown, where it can still be shown one. `None` for [`Self::Denied`]:
    /// the verdict has it.
    pub(crate) fn code(&self, side: Side) -> Option<Code> {
        Some(match (self, side) {
            (BodyError::Denied, _) => return None,
            (BodyError::Unrecorded, _) => Code::AuditUnavailable,
            (BodyError::Undecodable(_), _) => Code::UndecodableBody,
            (BodyError::Unscannable(ScanError::Malformed | ScanError::Depth), _) => {
                Code::UndecodableBody
            }
            (BodyError::Unscannable(_) | BodyError::EmptyFrames, _) => Code::Limit,
            (_, Side::Request) => Code::BadRequest,
            (_, Side::Response) => Code::UpstreamUnreachable,
        })
    }
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was passed on.
    Complete,
    /// It failed.
    Failed(BodyError),
    /// Whoever was reading it stopped: the receiver went away, or the exchange was cancelled.
    Abandoned,
}

/// The account of one body, delivered exactly once, whatever happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyReport {
    /// The direction it flowed in.
    pub(crate) side: Side,
    /// Bytes received, as coded.
    pub(crate) received: u64,
    /// Bytes after undoing the content coding.
    pub(crate) decoded: u64,
    /// Bytes passed on.
    pub(crate) sent: u64,
    /// Findings seen, those of the held part and of trailers included.
    pub(crate) findings: u64,
    /// How it ended.
    pub(crate) ending: Ending,
}

/// What is to happen after a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Go on; what is to be overwritten has been.
    Continue,
    /// Cut the body.
    Cut,
}

/// The exchange a body belongs to: it is asked about findings and told the end.
pub(crate) trait Observer: Send + 'static {
    /// Judges what was found while streaming, before the bytes around it are released. Not called
    /// for what is found while the body is held: that is judged by whoever holds it.
    fn found(&mut self, findings: &[Finding]) -> Decision;

    /// The same for what was found where nothing can be overwritten: only what may pass as it is may pass.
    fn found_sealed(&mut self, findings: &[Finding]) -> Decision;

    /// Takes the account. Called exactly once, also when the body is dropped.
    fn ended(&mut self, report: BodyReport);
}
