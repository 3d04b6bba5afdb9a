//! Findings in random text, in which there should be none.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use egret_scanners::{Carrier, Class, Glue, MaskSet, Part, Scanner, SessionOptions, Side, Sink};

/// The alphabets of the texts. The last is less common than the others, and not among those that the odds of
/// a signature are computed for.
const ALPHABETS: [(&str, &[u8]); 6] = [
    (
        "base64",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    ),
    (
        "base64url",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ),
    (
        "letters and digits",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    ),
    ("hexadecimal", b"0123456789abcdef"),
    ("hexadecimal, capitals", b"0123456789ABCDEF"),
    ("base32", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
];

/// How many bytes are made and pushed at once.
const CHUNK: usize = 16 * 1024;
/// How many bytes of a text are scanned by one session.
const TEXT: usize = 1 << 20;

/// Scans so many megabytes of each alphabet and prints how many findings there are: of signatures that may be
/// glued to letters, and of others, by class.
pub(crate) fn run(scanner: &Arc<Scanner>, megabytes: u64, seed: u64) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\n| noise, {megabytes} MB each | class | signature | boundaries | findings |\n|---|---|---|---|--:|"
    )?;
    for (name, alphabet) in ALPHABETS {
        let mut numbers = Numbers(seed);
        let mut counts: BTreeMap<(Class, Box<str>, &str), u32> = BTreeMap::new();
        for _ in 0..megabytes {
            let findings = scan(scanner, alphabet, &mut numbers).with_context(|| name)?;
            for signature in findings {
                let key = (signature.0, signature.1, signature.2);
                *counts.entry(key).or_default() += 1;
            }
        }
        if counts.is_empty() {
            writeln!(out, "| {name} | | | | 0 |")?;
        }
        for ((class, id, glue), count) in counts {
            writeln!(out, "| {name} | {class} | {id} | {glue} | {count} |")?;
        }
    }
    Ok(())
}

type Kind = (Class, Box<str>, &'static str);

/// What is found in a megabyte: class and id of the signature, and how many boundaries it asks for.
fn scan(
    scanner: &Arc<Scanner>,
    alphabet: &[u8],
    numbers: &mut Numbers,
) -> anyhow::Result<Vec<Kind>> {
    let mut session = scanner.session(SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::none()),
    });
    let mut sink = Sink::default();
    for _ in 0..TEXT / CHUNK {
        let chunk: Vec<u8> = (0..CHUNK).map(|_| numbers.of(alphabet)).collect();
        sink.cleared.clear();
        session.push(&chunk, &mut sink)?;
    }
    session.finish(&mut sink)?;
    let kinds = sink.findings.iter().map(|finding| {
        let signature = &finding.signature;
        let asks = match signature.glue {
            Glue::Apart => "both",
            Glue::OneSide => "one",
            Glue::BothSides => "none",
        };
        (signature.class, signature.id.clone(), asks)
    });
    Ok(kinds.collect())
}

/// A stream of numbers (xorshift64*, Marsaglia 2003 and Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn of(&mut self, alphabet: &[u8]) -> u8 {
        let Numbers(state) = self;
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        let number = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        let place = (number as usize * alphabet.len()) >> 32;
        alphabet.get(place).copied().unwrap_or(b'0')
    }
}
