//! What people see: standard output, standard error, colour.
//!
//! The only file that writes to the standard streams. A closed pipe on standard output ends the program quietly,
//! as it does `cat`: never with an exit code that means something else, such as "nothing found". Text that came from outside is made harmless by [`printable`] before it is shown.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes `text` to standard output as it is.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write_stdout(text.as_bytes())
}

/// Writes bytes to standard output as they are.
pub(crate) fn write_stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(CLOSED_PIPE),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
        Ok(()) => Ok(()),
    }
}

/// What a shell shows for a program that SIGPIPE ended.
const CLOSED_PIPE: i32 = 128 + 13;

/// Writes `line` and a line feed to standard error. Errors are ignored: there is nobody left to tell.
pub(crate) fn note(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{line}");
}

/// Replaces the current line of standard error, without a line feed.
pub(crate) fn overwrite_line(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r\u{1b}[K{line}");
    let _ = stderr.flush();
}

/// Shows a failure: what went wrong, and below it each cause.
pub(crate) fn complain(error: &anyhow::Error) {
    let word = paint(Stream::Stderr, Paint::Red, "error:");
    note(&format!("egret: {word} {error}"));
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !shown.contains(&cause) {
            note(&format!("  because: {cause}"));
        }
        shown = cause;
    }
}

/// One of the two streams people read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The few colours we use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    Red,
    Green,
    Yellow,
    Dim,
    Strong,
}

/// Whether colour may be used: a terminal, and neither `NO_COLOR` nor `TERM=dumb` (<https://no-color.org>).
pub(crate) fn coloured(stream: Stream) -> bool {
    let terminal = match stream {
        Stream::Stdout => std::io::stdout().is_terminal(),
        Stream::Stderr => std::io::stderr().is_terminal(),
    };
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    terminal && !refused && !dumb
}

/// `text` in a colour, if the stream may have colour.
pub(crate) fn paint(stream: Stream, paint: Paint, text: &str) -> String {
    if !coloured(stream) {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Red => "31;1",
        Paint::Green => "32",
        Paint::Yellow => "33",
        Paint::Dim => "2",
        Paint::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// `text` with everything escaped that could move a cursor, forge a line or reorder what is read: control
/// characters, bidirectional controls, line and paragraph separators.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if harmful(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn controls_are_escaped_and_text_is_kept() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n\u{202e}é"),
            "a\\u{1b}[2Jb\\r\\n\\u{202e}é"
        );
        assert_eq!(printable("plain é"), "plain é");
    }
}
