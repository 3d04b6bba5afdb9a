//! How much memory one session takes: itself, and what it keeps on the heap between two pushes.
//!
//! `cargo bench -p egret-benches --bench state`
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "scan/scanners.rs"]
mod scanners;

use std::sync::Arc;

use allocation_counter::measure;
use egret_scanners::{Carrier, MaskSet, Part, Scanner, Session, SessionOptions, Side, Sink};

const PROSE: &str = "The quick brown fox jumps over the lazy dog, and the egret looks on. ";
const JSON: &str = "{\"id\":\"a1b2\",\"object\":\"chat\",\"n\":17,\"ok\":true,\"t\":[1.25,2.5]},";
const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";

fn main() -> anyhow::Result<()> {
    let scanner = scanners::with_known_secrets(100)?;
    println!("the session itself: {} bytes", size_of::<Session>());
    println!(
        "{:<12} {:>9} {:>12} {:>12}",
        "heap, bytes", "new", "idle", "at most"
    );
    for (name, piece, carrier) in [
        ("prose", PROSE, Carrier::Text),
        ("json", JSON, Carrier::Json),
        ("events", EVENT, Carrier::Sse),
        ("one letter", "a", Carrier::Text),
        ("base64", "q83vEjRWeJq83vEj", Carrier::Text),
    ] {
        let text: Vec<u8> = piece.bytes().cycle().take(1 << 20).collect();
        let [new, idle, most] = heap(&scanner, &text, &carrier);
        println!("{name:<12} {new:>9} {idle:>12} {most:>12}");
    }
    Ok(())
}

/// The heap of a new session, of one between two pushes, and the most it had while it worked.
fn heap(scanner: &Arc<Scanner>, text: &[u8], carrier: &Carrier) -> [i64; 3] {
    let mut sink = Sink::default();
    sink.cleared.reserve(text.len() * 2);
    let mut session = None;
    let new = measure(|| session = Some(scanner.session(options(carrier)))).bytes_current;
    let Some(session) = &mut session else {
        return [0; 3];
    };
    let mut failed = false;
    let pushed = measure(|| {
        for chunk in text.chunks(16 * 1024) {
            sink.cleared.clear();
            sink.findings.clear();
            failed |= session.push(chunk, &mut sink).is_err();
        }
    });
    if failed {
        println!("the scan of the next line was refused");
    }
    let most = i64::try_from(pushed.bytes_max).unwrap_or(i64::MAX);
    [new, new + pushed.bytes_current, new + most]
}

fn options(carrier: &Carrier) -> SessionOptions {
    SessionOptions {
        part: Part::body(Side::Request),
        carrier: carrier.clone(),
        mask: Arc::new(MaskSet::none()),
    }
}
