//! A line that says how far a long scan is, if somebody is looking at a terminal.

use crate::terminal::{Stream, coloured, overwrite_line, printable};
use std::time::{Duration, Instant};

const FIRST_AFTER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(250);

/// The progress of one input.
#[derive(Debug)]
pub(super) struct Progress {
    name: String,
    length: Option<u64>,
    done: u64,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Nothing is shown before the scan has taken a second, nor ever where standard error is no terminal.
    pub(super) fn start(name: &str, length: Option<u64>) -> Self {
        let watched =
            coloured(Stream::Stderr) || std::io::IsTerminal::is_terminal(&std::io::stderr());
        Progress {
            name: printable(name).into_owned(),
            length,
            done: 0,
            next: watched.then(|| Instant::now() + FIRST_AFTER),
            shown: false,
        }
    }

    /// This many more bytes are done.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.done += bytes as u64;
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            overwrite_line(&self.text());
            self.next = Some(now + EVERY);
            self.shown = true;
        }
    }

    /// Takes the line away where other output is about to be written.
    pub(super) fn clear_before_output(&mut self, output: bool) {
        if output && self.shown {
            overwrite_line("");
            self.shown = false;
        }
    }

    fn text(&self) -> String {
        let mebibytes = |bytes: u64| bytes / (1 << 20);
        let done = mebibytes(self.done);
        match self.length {
            Some(length) if length > 0 => {
                let percent = self.done.saturating_mul(100) / length;
                let length = mebibytes(length);
                format!(
                    "scanning {}: {done} of {length} MiB ({percent} %)",
                    self.name
                )
            }
            _ => format!("scanning {}: {done} MiB", self.name),
        }
    }
}

/// The input is at its end, or an error is about to be told.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear_before_output(true);
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn it_says_how_far_it_is() {
        let mut progress = Progress::start("a\u{1b}b", Some(4 << 20));
        progress.advance(1 << 20);
        assert_eq!(progress.text(), "scanning a\\u{1b}b: 1 of 4 MiB (25 %)");
        progress.length = None;
        assert_eq!(progress.text(), "scanning a\\u{1b}b: 1 MiB");
    }
}
