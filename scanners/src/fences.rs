//! The lines that part the body of a MIME multipart (RFC 2046 section 5.1.1): where they stand, so
//! that no mask covers one.
//!
//! The text is scanned as one, across the fences: who chooses the boundary must not choose what is
//! seen. A mask that would cover a fence makes the text unmaskable, and the caller refuses.
//!
//! Deliberately absent: the parts themselves. Their headers, names and file names, the preamble and
//! the epilogue are text like any other, and an encoding of a part (base64, quoted-printable) shows
//! in its bytes.

use std::ops::Range;

/// The lookout for the fences of one body.
pub(crate) struct Fences {
    /// Two dashes and the boundary.
    fence: Vec<u8>,
    /// How much of a fence was read, if a line starts with it.
    matched: Option<usize>,
    /// How many bytes were read.
    read: u64,
    /// The fences read and not yet put out.
    found: Vec<Range<u64>>,
}

impl Fences {
    pub(crate) fn of(boundary: &[u8]) -> Fences {
        Fences {
            fence: [b"--", boundary].concat(),
            matched: Some(0),
            read: 0,
            found: Vec::new(),
        }
    }

    /// Reads on.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(matched) = self.matched else {
                let line = memchr::memchr(b'\n', rest).map(|at| at + 1);
                self.matched = line.map(|_| 0);
                rest = rest.get(line.unwrap_or(rest.len())..).unwrap_or_default();
                continue;
            };
            let wanted = self.fence.get(matched..).unwrap_or_default();
            let length = wanted.len().min(rest.len());
            let same = rest
                .iter()
                .zip(wanted)
                .take_while(|(one, other)| one == other);
            let same = same.count();
            let end = self.read + (bytes.len() - rest.len() + same) as u64;
            self.matched = (same == length).then_some(matched + same);
            if matched + same == self.fence.len() {
                self.found.push(end - self.fence.len() as u64..end);
                self.matched = None;
            }
            rest = rest.get(same..).unwrap_or_default();
        }
        self.read += bytes.len() as u64;
    }

    /// The first position that may belong to a fence not read to its end.
    pub(crate) fn hold(&self) -> u64 {
        self.read - self.matched.unwrap_or_default() as u64
    }

    /// Whether any of these stretches covers a byte of a fence. Forgets fences that end before
    /// `until`.
    pub(crate) fn are_covered(&mut self, stretches: &[Range<u64>], until: u64) -> bool {
        let covered = self.found.iter().any(|fence| {
            let mut stretches = stretches.iter();
            stretches.any(|stretch| stretch.start < fence.end && stretch.end > fence.start)
        });
        self.found.retain(|fence| fence.end > until);
        covered
    }
}
