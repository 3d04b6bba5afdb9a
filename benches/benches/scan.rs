//! Scanner throughput by input class: medians and spread of repeated runs, one core, streaming.
//!
//! `cargo bench -p egret-benches --bench scan [-- FILTER]`. With `EGRET_CORPUS=DIR` every file of
//! that folder is a class of its own, `corpus`; without it the synthetic classes run alone, so that
//! the bench works on any machine. The worst-case classes are built to hurt: many false prefixes,
//! quadratic bait, runs that never end, escapes everywhere.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use egret_scanners::{
    Carrier, Catalog, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner, SessionOptions, Side,
    Sink,
};

/// The size of one pushed chunk where a class does not say otherwise.
const CHUNK: usize = 16 * 1024;
/// So many bytes of each synthetic class.
const SYNTHETIC: usize = 4 << 20;
/// Each class is run until this time has passed, three times at least.
const BUDGET: Duration = Duration::from_millis(1500);

/// One row of the table.
struct Class {
    name: &'static str,
    texts: Vec<Vec<u8>>,
    chunk: usize,
    carrier: Carrier,
}

fn main() -> anyhow::Result<()> {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let started = Instant::now();
    let catalog = Catalog::builtin();
    let key = FingerprintKey::new([1; 32]);
    let scanner = Arc::new(Scanner::new(catalog, KnownSecrets::none(), key)?);
    println!(
        "{} signatures compiled in {:.1} ms",
        scanner.signatures().len(),
        started.elapsed().as_secs_f64() * 1e3
    );
    println!(
        "{:<24} {:>9} {:>9} {:>9} {:>8} {:>9}",
        "class", "median", "min", "max", "MB", "findings"
    );
    for class in classes()? {
        if filter
            .as_ref()
            .is_none_or(|filter| class.name.contains(filter.as_str()))
        {
            measure(&scanner, &class)?;
        }
    }
    Ok(())
}

/// Runs one class and prints its row, in MB/s.
fn measure(scanner: &Arc<Scanner>, class: &Class) -> anyhow::Result<()> {
    let bytes: usize = class.texts.iter().map(Vec::len).sum();
    let megabytes = bytes as f64 / 1e6;
    let mut speeds = Vec::new();
    let mut findings = 0;
    let started = Instant::now();
    while speeds.len() < 3 || (started.elapsed() < BUDGET && speeds.len() < 15) {
        let run = Instant::now();
        findings = scan_all(scanner, class).context(class.name)?;
        speeds.push(megabytes / run.elapsed().as_secs_f64());
    }
    speeds.sort_by(f64::total_cmp);
    let at = |place: usize| speeds.get(place).copied().unwrap_or_default();
    println!(
        "{:<24} {:>9.0} {:>9.0} {:>9.0} {:>8.1} {:>9}",
        class.name,
        at(speeds.len() / 2),
        at(0),
        at(speeds.len() - 1),
        megabytes,
        findings
    );
    Ok(())
}

fn scan_all(scanner: &Arc<Scanner>, class: &Class) -> anyhow::Result<usize> {
    let mask = Arc::new(MaskSet::all());
    let mut findings = 0;
    let mut sink = Sink::default();
    for text in &class.texts {
        let part = Part::body(Side::Request);
        let options = SessionOptions {
            part,
            carrier: class.carrier.clone(),
            mask: Arc::clone(&mask),
        };
        let mut session = scanner.session(options);
        for chunk in text.chunks(class.chunk) {
            sink.cleared.clear();
            session.push(chunk, &mut sink)?;
        }
        session.finish(&mut sink)?;
        findings += sink.findings.len();
        sink.findings.clear();
        std::hint::black_box(&sink.cleared);
    }
    Ok(findings)
}

fn classes() -> anyhow::Result<Vec<Class>> {
    let text = |name, piece: &str, chunk| Class {
        name,
        texts: vec![piece.bytes().cycle().take(SYNTHETIC).collect()],
        chunk,
        carrier: Carrier::Text,
    };
    let mut classes = corpus()?;
    let prose = "The quick brown fox jumps over the lazy dog, and the egret looks on. ";
    classes.extend([
        text("prose", prose, CHUNK),
        text("prose, 1 byte", prose, 1),
        text(
            "json",
            "{\"id\":\"a1b2\",\"object\":\"chat\",\"n\":17,\"ok\":true,\"t\":[1.25,2.5]},",
            CHUNK,
        ),
        text(
            "false prefixes",
            "ghp_abc sk-x AKIA12 eyJx.eyJ xoxb-1 glpat-y ",
            CHUNK,
        ),
        text("quadratic bait", "eyJ-sk-eyJ_ghp_sk-ant-eyJ.", CHUNK),
        text("eyJeyJ", "eyJ", CHUNK),
        text("digits", "4929 1234 5678 9012 ", CHUNK),
        text("all digits", "1234567890", CHUNK),
        text("floats", "0.0123456789,-0.98765432,", CHUNK),
        text("hexadecimal", "deadbeef0123456789abcdef", CHUNK),
        text("deep json", "[[[[{\"a\":", CHUNK),
        text("escapes", "\\u0041\\u0042\\n\\/", CHUNK),
        text("percent", "%41%42%20%2525", CHUNK),
        text("at signs", "a@b.c@d.e@", CHUNK),
        text("schemes", "a://b:c://d:e@", CHUNK),
        text("dashes", "-----BEGIN RSA PRIVATE KEY-----", CHUNK),
        text("keywords", "password=token=secret=api_key=", CHUNK),
        text(
            "Cyrillic",
            "Съешь ещё этих мягких французских булок, да выпей чаю. ",
            CHUNK,
        ),
    ]);
    classes.push(Class {
        name: "base64 of noise",
        texts: vec![base64_noise(SYNTHETIC)],
        chunk: CHUNK,
        carrier: Carrier::Text,
    });
    classes.push(Class {
        name: "noise",
        texts: vec![noise(SYNTHETIC)],
        chunk: CHUNK,
        carrier: Carrier::Text,
    });
    Ok(classes)
}

fn corpus() -> anyhow::Result<Vec<Class>> {
    let Some(folder) = std::env::var_os("EGRET_CORPUS") else {
        return Ok(Vec::new());
    };
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        texts.push(std::fs::read(entry?.path())?);
    }
    let class = |name, chunk, carrier| Class {
        name,
        texts: texts.clone(),
        chunk,
        carrier,
    };
    Ok(vec![
        class("corpus", CHUNK, Carrier::Text),
        class("corpus as json", CHUNK, Carrier::Json),
        class("corpus, 1 byte", 1, Carrier::Text),
    ])
}

/// Bytes without pattern (xorshift), the same every time.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes().get(3).copied().unwrap_or_default()
    };
    (0..count).map(|_| next()).collect()
}

fn base64_noise(count: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    noise(count)
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)).copied())
        .collect()
}
