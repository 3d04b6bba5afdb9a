//! How much memory one session takes: itself, and what it keeps on the heap between two pushes, when it has settled
//! and when it waits for more to look at.
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

/// So many bytes are pushed one by one: more than a session looks at together.
const WAITING: usize = 20_000;

fn main() -> anyhow::Result<()> {
    let scanner = scanners::with_known_secrets(100)?;
    println!("the session itself: {} bytes", size_of::<Session>());
    println!(
        "{:<12} {:>9} {:>12} {:>12} {:>12}",
        "heap, bytes", "new", "settled", "waiting", "at work"
    );
    for (name, piece, carrier) in [
        ("prose", PROSE, Carrier::Text),
        ("json", JSON, Carrier::Json),
        ("events", EVENT, Carrier::Sse),
        ("one letter", "a", Carrier::Text),
        ("base64", "q83vEjRWeJq83vEj", Carrier::Text),
    ] {
        let text: Vec<u8> = piece.bytes().cycle().take(1 << 20).collect();
        // The first time, tables are made that all sessions share.
        heap(&scanner, &text, &carrier);
        let [new, settled, waiting, most] = heap(&scanner, &text, &carrier);
        println!("{name:<12} {new:>9} {settled:>12} {waiting:>12} {most:>12}");
    }
    Ok(())
}

/// The heap of a new session, of one that has settled, the most of one between two of many small pushes, and the most it
/// had while it worked.
fn heap(scanner: &Arc<Scanner>, text: &[u8], carrier: &Carrier) -> [i64; 4] {
    let mut sink = Sink::default();
    sink.cleared.reserve(text.len() * 2);
    let mut session = None;
    let new = measure(|| session = Some(scanner.session(options(carrier)))).bytes_current;
    let Some(session) = &mut session else {
        return [0; 4];
    };
    let mut failed = false;
    let pushed = measure(|| {
        for chunk in text.chunks(16 * 1024) {
            sink.cleared.clear();
            sink.findings.clear();
            failed |= session.push(chunk, &mut sink).is_err();
        }
    });
    let settled = measure(|| failed |= session.settle(&mut sink).is_err());
    let settled = new + pushed.bytes_current + settled.bytes_current;
    let (mut now, mut waiting) = (settled, settled);
    for byte in text.chunks(1).take(WAITING) {
        sink.cleared.clear();
        now += measure(|| failed |= session.push(byte, &mut sink).is_err()).bytes_current;
        waiting = waiting.max(now);
    }
    if failed {
        println!("the scan of the next line was refused");
    }
    let most = i64::try_from(pushed.bytes_max).unwrap_or(i64::MAX);
    [new, settled, waiting, new + most]
}

fn options(carrier: &Carrier) -> SessionOptions {
    SessionOptions {
        part: Part::body(Side::Request),
        carrier: carrier.clone(),
        mask: Arc::new(MaskSet::none()),
    }
}
