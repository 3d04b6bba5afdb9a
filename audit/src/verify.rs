//! Checking a chain, line by line, in constant memory.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;

use crate::chain::{Hash, Link, Seq, unseal};

/// The longest line that is read, in bytes: several times the longest that is ever written.
pub(crate) const LINE_LIMIT: usize = 1 << 20;

/// What a chain that holds is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// How many records.
    pub records: u64,
    /// The number of the last.
    pub last: Seq,
    /// The hash of the last. Keep it elsewhere: it is what a cut at the end cannot forge.
    pub hash: Hash,
}

/// Where a chain breaks first.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Break {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub kind: BreakKind,
}

/// What is wrong with a line.
#[derive(Debug)]
pub enum BreakKind {
    /// It could not be read.
    Io(io::Error),
    /// The file ends in the middle of it.
    Torn {
        /// How many bytes of it there are.
        bytes: u64,
        /// Their hash.
        hash: Hash,
    },
    /// It is longer than any record.
    TooLong,
    /// It is not a record.
    NotARecord,
    /// Its bytes do not have the hash that it states.
    Hash {
        /// What it states.
        stated: Hash,
        /// What it has.
        actual: Hash,
    },
    /// It does not continue the record before it.
    Previous {
        /// What it must state.
        expected: Hash,
    },
    /// Its number does not follow.
    Sequence {
        /// What it must be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// It begins a file that does not say that it continues the one before.
    NotContinued {
        /// The hash with which the file before ends.
        expected: Hash,
    },
}

impl fmt::Display for BreakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Torn { bytes, .. } => {
                write!(
                    f,
                    "the file ends in the middle of a record, after {bytes} bytes of it"
                )
            }
            Self::TooLong => f.write_str("longer than any record"),
            Self::NotARecord => f.write_str("not a record of an audit log"),
            Self::Hash { stated, actual } => {
                write!(
                    f,
                    "states the hash {stated} but its bytes have {actual}: it was changed"
                )
            }
            Self::Previous { expected } => write!(
                f,
                "does not continue the record before it ({expected}): a record was removed, \
                 inserted or moved"
            ),
            Self::Sequence { expected, found } => {
                write!(f, "has number {found} where {expected} must stand")
            }
            Self::NotContinued { expected } => write!(
                f,
                "does not say that this file continues the one that ends with {expected}"
            ),
        }
    }
}

/// Checks a whole log.
///
/// # Errors
/// The first break.
pub fn verify(reader: impl BufRead) -> Result<Report, Break> {
    let mut chain = Chain::new(reader);
    while chain.next_line()?.is_some() {}
    Ok(chain.report())
}

/// Checks a whole log that was begun when the file of `previous` was moved away.
///
/// # Errors
/// The first break; also when its first record does not name the last of `previous`.
pub fn verify_after(reader: impl BufRead, previous: &Report) -> Result<Report, Break> {
    let mut chain = Chain::new(reader);
    chain.next_line()?;
    let named = chain.rotation();
    let last = Link {
        seq: previous.last.0,
        hash: previous.hash,
    };
    if named != Some(last) {
        return Err(Break {
            line: 1,
            kind: BreakKind::NotContinued {
                expected: previous.hash,
            },
        });
    }
    while chain.next_line()?.is_some() {}
    Ok(chain.report())
}

/// A chain being read.
pub(crate) struct Chain<R> {
    reader: R,
    line: Vec<u8>,
    link: Link,
    offset: u64,
    /// Whether the next line may say itself what it continues.
    is_trusting: bool,
}

/// What the first record of a continued file says of the file before.
#[derive(Deserialize)]
struct Continuation {
    rotation: Previous,
}

#[derive(Deserialize)]
struct Previous {
    previous_seq: u64,
    previous_hash: String,
}

/// The members that tie a record to its place. Others are covered by the hash.
#[derive(Deserialize)]
struct Tie<'a> {
    v: u64,
    seq: u64,
    prev: &'a str,
}

impl<R: BufRead> Chain<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            link: Link::START,
            offset: 0,
            is_trusting: false,
        }
    }

    /// Begins at the first whole line after `offset`, where `reader` stands. What that line
    /// continues is taken from itself.
    pub(crate) fn from_middle(mut reader: R, offset: u64) -> Result<Self, Break> {
        let mut skipped = Vec::new();
        let limit = LINE_LIMIT as u64;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut skipped);
        let kind = match read {
            Ok(_) if skipped.ends_with(b"\n") => {
                return Ok(Self {
                    offset: offset + skipped.len() as u64,
                    is_trusting: true,
                    ..Self::new(reader)
                });
            }
            Ok(_) => BreakKind::TooLong,
            Err(error) => BreakKind::Io(error),
        };
        Err(Break { line: 1, kind })
    }

    fn report(&self) -> Report {
        Report {
            records: self.link.seq,
            last: Seq(self.link.seq),
            hash: self.link.hash,
        }
    }

    /// What the last line read says of a file before.
    fn rotation(&self) -> Option<Link> {
        let Continuation { rotation } = serde_json::from_slice(&self.line).ok()?;
        Some(Link {
            seq: rotation.previous_seq,
            hash: Hash::parse(rotation.previous_hash.as_bytes())?,
        })
    }

    /// The last record that holds.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// The bytes of all records that hold.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads and checks one more line; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<()>, Break> {
        match self.advance() {
            Ok(more) => Ok(more.then_some(())),
            Err(kind) => Err(Break {
                line: self.link.seq + 1,
                kind,
            }),
        }
    }

    fn advance(&mut self) -> Result<bool, BreakKind> {
        self.line.clear();
        let limit = LINE_LIMIT as u64 + 1;
        let read = self
            .reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.line);
        let read = read.map_err(BreakKind::Io)? as u64;
        if read == 0 {
            return Ok(false);
        }
        let Some(line) = self.line.strip_suffix(b"\n") else {
            if read == limit {
                return Err(BreakKind::TooLong);
            }
            return Err(BreakKind::Torn {
                bytes: read,
                hash: Hash::of(&self.line),
            });
        };
        let before = (!self.is_trusting).then_some(self.link);
        self.link = check(line, before)?;
        self.is_trusting = false;
        self.offset += read;
        Ok(true)
    }
}

/// `before` is what the line must continue; `None`: whatever it says.
fn check(line: &[u8], before: Option<Link>) -> Result<Link, BreakKind> {
    let (stated, actual) = unseal(line).ok_or(BreakKind::NotARecord)?;
    if stated != actual {
        return Err(BreakKind::Hash { stated, actual });
    }
    let tie: Tie<'_> = serde_json::from_slice(line).map_err(|_| BreakKind::NotARecord)?;
    if tie.v != 1 {
        return Err(BreakKind::NotARecord);
    }
    let here = Link {
        seq: tie.seq,
        hash: stated,
    };
    let Some(before) = before else {
        return Ok(here);
    };
    if Hash::parse(tie.prev.as_bytes()) != Some(before.hash) {
        return Err(BreakKind::Previous {
            expected: before.hash,
        });
    }
    if tie.seq != before.seq + 1 {
        return Err(BreakKind::Sequence {
            expected: before.seq + 1,
            found: tie.seq,
        });
    }
    Ok(here)
}
