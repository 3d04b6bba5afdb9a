//! Every row of the builtin catalog under cuts: a made-up value in four surroundings, byte by byte and in random
//! pieces, must give the findings and the cleared bytes of the whole.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use egret_scanners::{
    Carrier, Catalog, ExampleMaker, Finding, FingerprintKey, KnownSecrets, MaskSet, Part, Scanner,
    Session, SessionOptions, Side, Sink,
};

#[test]
fn every_signature_is_the_same_under_every_cut() {
    let key = FingerprintKey::new([7; 32]);
    let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key);
    let scanner = Arc::new(scanner.expect("the catalog compiles"));
    let mut maker = ExampleMaker::new(20_261_121);
    let mut held = 0;
    for signature in scanner.signatures() {
        let text = maker.text(signature).expect("a value can be made up");
        for (carrier, before, after) in surroundings() {
            let text = [before.as_bytes(), &text, after.as_bytes()].concat();
            let whole = pushed(&scanner, &carrier, [text.as_slice()]);
            assert!(!whole.1.is_empty(), "{}: nothing found", signature.id);
            let bytes = pushed(&scanner, &carrier, text.chunks(1));
            assert_eq!(bytes, whole, "{}: byte by byte", signature.id);
            for _ in 0..4 {
                let (first, second) = (at(&mut maker, text.len()), at(&mut maker, text.len()));
                let (first, second) = (first.min(second), first.max(second));
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let cut = pushed(&scanner, &carrier, pieces);
                assert_eq!(cut, whole, "{}: cut at {first} and {second}", signature.id);
            }
            held += 1;
        }
    }
    assert!(held > 1000, "only {held} texts were held");
}

fn surroundings() -> [(Carrier, &'static str, &'static str); 4] {
    [
        (Carrier::Text, "", ""),
        (Carrier::Text, "see ", " there.\n"),
        (Carrier::Json, "{\"a\":[\"", "\"],\"b\":1}"),
        (Carrier::Text, "line\\n", "\\nline"),
    ]
}

/// Cleared bytes and findings of a text pushed in these pieces, everything masked.
fn pushed<'a>(
    scanner: &Arc<Scanner>,
    carrier: &Carrier,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Vec<Finding>) {
    let mut sink = Sink::default();
    let mut session: Session = scanner.session(SessionOptions {
        part: Part::body(Side::Request),
        carrier: carrier.clone(),
        mask: Arc::new(MaskSet::all()),
    });
    for piece in pieces {
        session.push(piece, &mut sink).expect("no limit is near");
        session.settle(&mut sink).expect("no limit is near");
    }
    session.finish(&mut sink).expect("no limit is near");
    (
        String::from_utf8_lossy(&sink.cleared).into_owned(),
        sink.findings,
    )
}

fn at(maker: &mut ExampleMaker, length: usize) -> usize {
    let limit = u64::try_from(length).expect("a short text") + 1;
    usize::try_from(maker.below(limit)).expect("a short text")
}
