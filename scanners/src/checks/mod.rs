//! Offline checks of a candidate's bytes: checksums, structure, issuer ranges.
//!
//! Each is a pure function of the matched bytes, separators included.

/// What a check says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds: a finding with the signature's severity.
    Holds,
    /// It fails, and the check is documented: not a finding.
    Fails,
    /// It fails, but the check is only inferred: a finding of lower severity.
    Doubtful,
}

/// A check: a pure function of the matched bytes.
pub type Check = fn(&[u8]) -> Verdict;

/// The check with this name, as data files call it.
pub fn by_name(name: &str) -> Option<Check> {
    let _ = name;
    None
}
