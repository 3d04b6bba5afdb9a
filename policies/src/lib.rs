//! What may pass, and because of what: Facts -> Verdict.
//!
//! Nouns: [`Policy`] is the operator's file, compiled and immutable; [`Facts`] is everything known
//! so far about one exchange; [`Verdict`] is the decision with its reasons. [`Host`] is the one
//! normaliser of names for every way in which a name can arrive.
//!
//! This crate is pure. It knows no socket, clock, file, environment or runtime: the text of the
//! policy, the random identifiers and the resolved address are arguments.

mod address;
mod disposition;
mod entries;
mod explain;
mod facts;
mod flow;
mod host;
mod judge;
mod own;
mod path;
mod policy;
mod problem;
mod reach;
mod read;
mod spec;
mod verdict;
pub mod yaml;

// The words of `scanners` that facts and verdicts are made of: who reads a verdict needs them too.
pub use egret_scanners::{Class, Finding, Part, Place, Side, Signature};

pub use address::{AddressKind, address_kind, is_public};
pub use facts::{Facts, RequestHead, Trouble, Version};
pub use flow::{ClientAddr, ExchangeId, Flow, FlowId, OriginalDst, Via};
pub use host::{Host, HostError};
pub use own::{KnownIds, Loaded, RuleFileReader, Surroundings, rule_files};
pub use policy::{Mode, Policy};
pub use problem::{Problem, Problems};
pub use verdict::{Action, Code, Disposition, Verdict, VerdictAction};
