//! What is told of a panic: where it happened, and never its message.
//!
//! A panic of the standard library or of a dependency may quote the text it stumbled over, and that text may be a
//! secret on its way. `RUST_BACKTRACE=1` adds the calls that led there; they hold no values.

use crate::terminal::note;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// From here on every panic of this process is told by [`told`].
pub(crate) fn tell_without_values() {
    std::panic::set_hook(Box::new(|panic| {
        note(&told(panic));
        let calls = Backtrace::capture();
        if calls.status() == BacktraceStatus::Captured {
            note(&calls.to_string());
        }
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" at {}:{}", place.file(), place.line())
    });
    format!("egret: a defect of Egret{place}: please report this line and what was being done")
}

#[cfg(test)]
mod tests {
    use super::told;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_place_of_a_panic_is_told_and_not_its_message() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&heard);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            lines.lock().unwrap().push(told(panic));
        }));
        let text = "\u{e9} ghp_0123456789";
        let cut = std::panic::catch_unwind(|| text.split_at(1).0.len());
        std::panic::set_hook(before);
        assert!(cut.is_err());
        let heard = heard.lock().unwrap().join("\n");
        assert!(heard.contains(".rs:"), "{heard}");
        assert!(!heard.contains("ghp_"), "{heard}");
    }
}
