//! Any way of cutting a text gives the findings and the cleared bytes of the whole: over every
//! carrier, with and without masks. And of a short text without pieces a second scan finds nothing of what is masked.
//!
//! The first bytes of an input choose the carrier, the mask and the cuts; the rest is the text, in
//! which `0xFE n e` stands for the made-up value of signature `n` in encoding `e`, so that values
//! that take a checksum to be found are within the fuzzer's reach.
#![no_main]

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use egret_scanners::{
    Carrier, Catalog, ExampleMaker, FingerprintKey, KnownSecret, KnownSecrets, MaskSet, Part,
    ScanError, Scanned, Scanner, SessionOptions, Side, Sink,
};
use libfuzzer_sys::fuzz_target;

/// The longest text, in bytes: more costs time and finds nothing else.
const LONGEST: usize = 4096;
/// Of so many bytes all can wait for what a mask uncovers; of longer values the start may have gone.
const WAITS: usize = 256;

static SCANNER: LazyLock<Arc<Scanner>> = LazyLock::new(|| {
    let known = KnownSecrets::new([
        KnownSecret::new("LONG", *b"correct horse battery staple"),
        KnownSecret::new("SHORT", *b"hunter2+"),
    ]);
    let key = FingerprintKey::new([7; 32]);
    Arc::new(Scanner::new(Catalog::builtin(), known.unwrap(), key).unwrap())
});

/// A text of each signature, and the known secrets.
static VALUES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut maker = ExampleMaker::new(1);
    let mut values: Vec<Vec<u8>> = SCANNER
        .signatures()
        .iter()
        .filter_map(|signature| maker.text(signature))
        .collect();
    values.push(b"correct horse battery staple".to_vec());
    values.push(b"hunter2+".to_vec());
    values
});

fuzz_target!(|input: &[u8]| {
    let [carrier, mask, cuts, last, rest @ ..] = input else {
        return;
    };
    let text = unfold(rest);
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: carrier_of(*carrier),
        mask: Arc::new(mask_of(*mask)),
    };
    let whole = SCANNER.scan(&text, options.clone());
    let seed = u64::from(*cuts) << 8 | u64::from(*last);
    let pieces = in_pieces(&text, options.clone(), seed, rest);
    assert_eq!(whole, pieces, "{:?}", String::from_utf8_lossy(&text));
    if let Ok(scanned) = whole {
        assert_eq!(scanned.cleared.len(), text.len(), "a mask keeps the length");
        let has_pieces = !matches!(options.carrier, Carrier::Text | Carrier::Header | Carrier::Url);
        if !has_pieces && text.len() <= WAITS {
            let shown = String::from_utf8_lossy(&text);
            assert!(is_fixed(&scanned.cleared, options), "{shown:?}");
        }
    }
});

/// Whether another scan changes nothing, and finds nothing that is masked.
fn is_fixed(cleared: &[u8], options: SessionOptions) -> bool {
    let mask = Arc::clone(&options.mask);
    let Ok(again) = SCANNER.scan(cleared, options) else {
        return false;
    };
    let masked = |id: &str| {
        let mut signatures = SCANNER.signatures().iter().enumerate();
        signatures.any(|(index, row)| &*row.id == id && mask.contains(index))
    };
    again.cleared == cleared && again.findings.iter().all(|found| !masked(&found.signature.id))
}

fn carrier_of(byte: u8) -> Carrier {
    match byte % 9 {
        0 if byte > 127 => Carrier::Unlabelled,
        0 => Carrier::Text,
        1 => Carrier::Json,
        2 => Carrier::Ndjson,
        3 => Carrier::Sse,
        4 => Carrier::Form,
        5 => Carrier::Multipart {
            boundary: (*b"b").into(),
        },
        6 => Carrier::Url,
        7 => Carrier::Header,
        _ => Carrier::Xml,
    }
}

fn mask_of(byte: u8) -> MaskSet {
    let mut place = 0_u8;
    match byte {
        0 => MaskSet::none(),
        255 => MaskSet::all(),
        step => MaskSet::from_fn(&SCANNER, |_| {
            place = place.wrapping_add(step);
            place >= 128
        }),
    }
}

/// The text an input stands for.
fn unfold(input: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = input;
    while let Some((byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (0xfe, [first, second, encoding, behind @ ..]) => {
                let number = usize::from(*first) << 8 | usize::from(*second);
                text.extend(encoded(&VALUES[number % VALUES.len()], *encoding));
                behind
            }
            _ => {
                text.push(*byte);
                behind
            }
        };
        if text.len() > LONGEST {
            break;
        }
    }
    text.truncate(LONGEST);
    text
}

fn encoded(value: &[u8], encoding: u8) -> Vec<u8> {
    let each = |write: fn(&u8) -> String| value.iter().map(write).collect::<String>().into_bytes();
    match encoding % 10 {
        1 => STANDARD.encode(value).into_bytes(),
        2 => URL_SAFE_NO_PAD.encode(value).into_bytes(),
        3 => each(|byte| format!("%{byte:02x}")),
        4 => each(|byte| format!("\\u{byte:04x}")),
        5 => each(|byte| format!("{byte:02x}")),
        6 => each(|byte| format!("&#{byte};")),
        7 => value.iter().flat_map(|byte| [*byte, 0]).collect(),
        8 => value.iter().rev().copied().collect(),
        9 => encoded(&encoded(value, 1), 1),
        _ => value.to_vec(),
    }
}

/// The scan of the text in pieces: single bytes, or cuts drawn from the seed. After which of them the session settles,
/// bits of the input say, over and over.
fn in_pieces(
    text: &[u8],
    options: SessionOptions,
    seed: u64,
    settles: &[u8],
) -> Result<Scanned, ScanError> {
    let mut settles = settles.iter().cycle();
    let mut maker = ExampleMaker::new(seed);
    let mut session = SCANNER.session(options);
    let mut sink = Sink::default();
    let mut rest = text;
    while !rest.is_empty() {
        let length = match seed {
            0 => 1,
            seed => 1 + usize::try_from(maker.below(seed.min(300))).unwrap_or(0),
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        session.push(piece, &mut sink)?;
        if settles.next().is_some_and(|byte| byte & 4 == 0) {
            session.settle(&mut sink)?;
        }
        rest = behind;
    }
    session.finish(&mut sink)?;
    Ok(Scanned {
        cleared: sink.cleared,
        findings: sink.findings,
    })
}
