//! The scanners that are measured: all that comes with Egret, and known secrets or an operator's
//! own signatures beside it.

use std::sync::Arc;

use egret_scanners::{
    ByteSet, Catalog, ExampleMaker, FingerprintKey, KnownSecret, KnownSecrets, Scanner,
    SignatureSpec,
};

/// Every signature and so many known secrets of 16 to 64 characters.
pub(crate) fn with_known_secrets(count: usize) -> anyhow::Result<Arc<Scanner>> {
    scanner(Catalog::builtin(), count)
}

/// Every signature, so many more that are all different, and a hundred known secrets.
#[allow(dead_code, reason = "each bench uses its part")]
pub(crate) fn with_own_signatures(count: usize) -> anyhow::Result<Arc<Scanner>> {
    let mut maker = ExampleMaker::new(2);
    let mut catalog = Catalog::builtin();
    for number in 0..count {
        catalog.extend([own_signature(&mut maker, number).compile()?])?;
    }
    scanner(catalog, 100)
}

fn scanner(catalog: Catalog, known: usize) -> anyhow::Result<Arc<Scanner>> {
    let mut maker = ExampleMaker::new(1);
    let secrets = (0..known).map(|number| {
        let length = 16 + maker.below(49);
        KnownSecret::new(
            format!("SECRET_{number}"),
            letters(&mut maker, ByteSet::ALNUM, length),
        )
    });
    let known = KnownSecrets::new(secrets.collect::<Vec<_>>())?;
    Ok(Arc::new(Scanner::new(
        catalog,
        known,
        FingerprintKey::new([1; 32]),
    )?))
}

/// Three in four have a prefix of their own, the others stand behind a word of their own, as in
/// the catalog that comes with Egret.
fn own_signature(maker: &mut ExampleMaker, number: usize) -> SignatureSpec {
    let lower = ByteSet::EMPTY.range(b'a', b'z');
    let word = text(letters(maker, lower, 6));
    let mut spec = SignatureSpec {
        id: format!("own-{number}"),
        ..SignatureSpec::default()
    };
    if number % 4 == 3 {
        spec.pattern = Some("[0-9a-f]{32}".to_owned());
        spec.keywords = vec![word];
    } else {
        let tail = 20 + maker.below(30);
        spec.pattern = Some(format!("{word}_[0-9A-Za-z]{{{tail}}}"));
    }
    spec
}

fn letters(maker: &mut ExampleMaker, alphabet: ByteSet, count: u64) -> Vec<u8> {
    let all: Vec<u8> = alphabet.iter().collect();
    (0..count)
        .filter_map(|_| {
            let place = usize::try_from(maker.below(all.len() as u64)).ok()?;
            all.get(place).copied()
        })
        .collect()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
