//! How long a scanner takes to be ready, and what known secrets cost: `cargo run --release
//! --package egret-scanners --example ready`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part, Scanner,
    SessionOptions, Side, Sink,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let best = (0..20).map(|_| build(Catalog::builtin, 0).map(|(_, time)| time));
    let best = best
        .collect::<Result<Vec<Duration>, _>>()?
        .into_iter()
        .min();
    report(&format!(
        "catalog read and compiled in {:.1?}",
        best.unwrap_or_default()
    ));
    let words: Vec<u8> = (0..4_000_000_u32).map(letter).collect();
    for count in [0, 1, 100, 10_000] {
        let before = resident();
        let (scanner, time) = build(|| Catalog::new(Vec::new()), count)?;
        let grown = resident().saturating_sub(before);
        let speed = speed(&scanner, &words)?;
        report(&format!(
            "{count} known secrets: {time:.1?}, {grown} KiB, {speed:.0} MB/s"
        ));
    }
    Ok(())
}

fn build(
    catalog: impl FnOnce() -> Catalog,
    count: u32,
) -> Result<(Arc<Scanner>, Duration), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let secret = |number: u32| {
        let spread = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        KnownSecret::new(format!("S{number}"), format!("{spread:016x}-{spread:o}"))
    };
    let known = KnownSecrets::new((0..count).map(secret))?;
    let scanner = Scanner::new(catalog(), known, FingerprintKey::new([0; 32]))?;
    Ok((Arc::new(scanner), started.elapsed()))
}

fn speed(scanner: &Arc<Scanner>, text: &[u8]) -> Result<f64, Box<dyn std::error::Error>> {
    let mask = Arc::new(MaskSet::none());
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask,
    };
    let started = Instant::now();
    let mut session = scanner.session(options);
    let mut sink = Sink::default();
    for chunk in text.chunks(16 * 1024) {
        session.push(chunk, &mut sink)?;
        sink.cleared.clear();
    }
    session.finish(&mut sink)?;
    Ok(text.len() as f64 / 1e6 / started.elapsed().as_secs_f64())
}

/// Something like prose.
fn letter(number: u32) -> u8 {
    let mixed = number.wrapping_mul(0x9e37_79b1) >> 7;
    if mixed.is_multiple_of(6) {
        b' '
    } else {
        b'a' + (mixed % 26) as u8
    }
}

/// The resident memory of this process in KiB; 0 where `/proc` does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[expect(clippy::print_stdout, reason = "a program for a terminal")]
fn report(line: &str) {
    println!("{line}");
}
