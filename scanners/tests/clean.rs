//! What is no leak: lock files, lists of commits, tables, examples of documentation. Beside each, the
//! text that differs by what makes it one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egret_scanners::{
    Carrier, Catalog, Class, FingerprintKey, KnownSecrets, MaskSet, Part, ScanError, Scanner,
    SessionOptions, Side,
};

fn scanner() -> Arc<Scanner> {
    let key = FingerprintKey::new([7; 32]);
    Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap())
}

/// The ids of the secrets and personal data in a text.
fn found(scanner: &Arc<Scanner>, text: &str) -> Result<Vec<String>, ScanError> {
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::none()),
    };
    let findings = scanner.scan(text.as_bytes(), options)?.findings.into_iter();
    let findings = findings.filter(|finding| finding.signature.class != Class::Generic);
    Ok(findings
        .map(|finding| finding.signature.id.to_string())
        .collect())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_clean_is_clean_and_what_is_beside_it_is_found() {
    const SHA: &str = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad";
    const UUID: &str = "6b1f4c2e-8a37-4d59-9c04-2f7e1a3b5d68";
    const KEY: &str = "x7Kq2mPz9LbVtR4nWcYs5HdJ8gFa3TeQ";
    let pairs = [
        (
            format!(
                "resolved \"https://registry.yarnpkg.com/@datadog/core/-/core-1.0.0.tgz#{SHA}\""
            ),
            format!("datadog app key: {SHA}"),
        ),
        (
            format!("datadog: bump client (cherry picked from commit {SHA})"),
            format!("the datadog app key that I use is {SHA}"),
        ),
        (
            format!("- uses: wandb/action@{SHA}"),
            format!("- wandb: {SHA}"),
        ),
        (
            format!(":100644 100644 {SHA} 0000000 M\tsrc/wandb/a.rs\n:100644 100644 {SHA}"),
            format!("src/wandb/a.rs: {SHA}"),
        ),
        (
            format!("{{\"provider\": \"snyk\", \"requestId\": \"{UUID}\"}}"),
            format!("{{\"provider\": \"snyk\", \"token\": \"{UUID}\"}}"),
        ),
        (
            format!("mistral v1.2.0 h1:{KEY}"),
            format!("mistral api key {KEY}"),
        ),
        (
            format!("mistral v1.2.0 sum: ab/{KEY}+c="),
            format!("MISTRAL_API_KEY={KEY}"),
        ),
        (
            "see .travis.yml and test_unique_ptr_bind".to_owned(),
            "travis token x7Kq2mPz9LbVtR4nWcYs5H".to_owned(),
        ),
        (
            "https://user:pass@proxy.corp.internal/ and https://u:$PROXY_PASSWORD@host/".to_owned(),
            "https://user:pass7word@proxy.corp.internal/".to_owned(),
        ),
        (
            "STRIPE_KEY=sk_live_xxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
            [
                "STRIPE_KEY=sk_",
                "live_4eC39HqLyjWDarjtT1zdp7dcxxxxxxxxxxxxxxxxxxxx",
            ]
            .concat(),
        ),
        (
            "(4951948911778577463, 4455213431234)".to_owned(),
            "visa card 4951948911778577463".to_owned(),
        ),
        (
            "b f f 601 601 16 1525 0".to_owned(),
            "ssn 601 16 1525".to_owned(),
        ),
        (
            "Decimal('+35236450.6') at +2550-09730".to_owned(),
            "call +352 364 506 77".to_owned(),
        ),
        (
            "set(CMAKE_Swift_COMPILER x) # ARABIC SMALL HIGH MEEM ISOLATED FORM".to_owned(),
            "BIC: DEUTDEFF500".to_owned(),
        ),
    ];
    let scanner = scanner();
    for (clean, leak) in pairs {
        assert_eq!(found(&scanner, &clean), Ok(Vec::new()), "{clean}");
        assert!(!found(&scanner, &leak).unwrap().is_empty(), "{leak}");
    }
}

#[test]
fn a_web_page_full_of_characters_that_could_be_encoded_is_read_to_its_end() {
    let row = "<a width=50 href=\"/x?id=42&amp;q=a%20b&#39;\">caf\u{e9} &lt;b&gt; 100%25 off</a> the text goes on\n";
    let page = row.repeat(1600);
    assert_eq!(found(&scanner(), &page), Ok(Vec::new()));
}

#[test]
fn noise_three_encodings_deep_is_no_deeper_text() {
    // As an image in JSON that writes `\/`, in a form: base64 of noise below two encodings.
    let mut state = 5_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.take(150_000).collect();
    let scanner = scanner();
    for part in noise.chunks(30_000) {
        let image = format!(
            "{{\"a\":\"{}\"}}",
            STANDARD.encode(part).replace('/', "\\/")
        );
        let form: String = image
            .bytes()
            .map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        assert_eq!(found(&scanner, &form), Ok(Vec::new()));
    }
}
