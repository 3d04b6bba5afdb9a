//! What can be proved later: Record, chain, sink.
//!
//! Nouns: a [`Draft`] is a record before it has its place in the chain; a [`Record`] is one chained
//! line; [`Log`] is the file; [`Writer`] is the one thread that appends to it.
//!
//! This crate uses `std::io` and threads and knows no runtime. It does not decide, does not
//! rotate files, and never asks what time it is except through the clock it is given.

mod chain;
mod draft;
mod line;
mod log;
mod sanitise;
mod tail;
mod verify;
mod writer;

pub use chain::{GENESIS, Hash, Seq};
pub use draft::{
    Destination, Draft, Event, Failure, Fault, FindingEntry, Judged, Outcome, Reason, Request,
};
pub use line::Reload;
pub use log::{Durability, Log, OpenError};
pub use tail::{
    Record, RecordDestination, RecordFailure, RecordFinding, RecordGap, RecordGrant, RecordOutcome,
    RecordReload, RecordRepair, RecordRequest, RecordRotation, tail,
};
pub use verify::{Break, BreakKind, Report, verify, verify_after};
pub use writer::{Ack, AuditError, Clock, Writer};
