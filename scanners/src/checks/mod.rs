//! Offline checks of a candidate's bytes: checksums, structure, issuer ranges.
//!
//! Each is a pure function of the matched bytes, separators included.

use std::fmt;

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

/// A check: a name, as data files call it, and a pure function of the matched bytes.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    run: fn(&[u8]) -> Verdict,
}

impl Check {
    /// The name data files call it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the check says of the bytes of a match.
    #[must_use]
    pub fn verdict(&self, value: &[u8]) -> Verdict {
        (self.run)(value)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Check({})", self.name)
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.name == other.name
    }
}

impl Eq for Check {}

/// The check with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Check> {
    let _ = name;
    None
}
