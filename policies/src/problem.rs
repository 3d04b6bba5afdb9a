//! One mistake in a policy file: where it is, what is wrong, and what to do next.

use std::fmt;
use std::ops::Range;

/// One mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The name of the file as the caller gave it.
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the text that are wrong; never empty unless the text ends there.
    pub span: Range<usize>,
    /// What is wrong: lower case, no full stop, the operator's words in backticks.
    pub message: String,
    /// What to do next.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}

impl std::error::Error for Problem {}

/// Every mistake in a policy file, in the order of the file; never empty as an error.
pub type Problems = Vec<Problem>;
