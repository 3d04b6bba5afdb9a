//! From a byte offset to a line number, in constant memory.

/// How far back an offset may lie: a finding is reported as soon as it cannot grow, so it lies near the end.
const REACH: usize = 1 << 20;

/// Counts lines as the input goes by and keeps the last of it to count in.
#[derive(Debug, Default)]
pub(super) struct Lines {
    window: Vec<u8>,
    window_start: u64,
    feeds_before_window: u64,
}

impl Lines {
    /// Takes the next bytes of the input.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.window.extend_from_slice(bytes);
        if self.window.len() >= 2 * REACH {
            let gone = self.window.len() - REACH;
            let dropped: Vec<u8> = self.window.drain(..gone).collect();
            self.feeds_before_window += feeds(&dropped);
            self.window_start += dropped.len() as u64;
        }
    }

    /// The line of this offset, from 1; `None` if it lies too far back to know.
    pub(super) fn number(&self, offset: u64) -> Option<u64> {
        let into = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        let before = self.window.get(..into)?;
        Some(self.feeds_before_window + feeds(before) + 1)
    }
}

fn feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::{Lines, REACH};

    #[test]
    fn numbers_hold_after_the_window_has_moved() {
        let mut lines = Lines::default();
        let text = b"123456\n9".repeat(REACH / 2);
        for piece in text.chunks(10_007) {
            lines.push(piece);
        }
        let near_the_end = text.len() - 100;
        let counted = text[..near_the_end].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        assert_eq!(lines.number(near_the_end as u64), Some(counted));
        assert_eq!(lines.number(5), None);
        assert!(lines.window.len() < 2 * REACH);
    }

    #[test]
    fn the_first_line_is_one() {
        let mut lines = Lines::default();
        lines.push(b"ab\ncd");
        assert_eq!(lines.number(0), Some(1));
        assert_eq!(lines.number(2), Some(1));
        assert_eq!(lines.number(3), Some(2));
    }
}
