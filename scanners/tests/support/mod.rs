//! What the tests of the scanner share: a small catalog, ways of cutting a text, and readable
//! failures.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::sync::Arc;

use egret_scanners::{
    ByteSet, Carrier, Catalog, Class, Context, Examples, Finding, FingerprintKey, Glue, Home,
    KnownSecrets, MaskSet, Part, ScanError, Scanner, Segment, SessionOptions, Severity, Shape,
    Side, Signature, Sink,
};
use proptest::prelude::prop;

pub(crate) const GITHUB: &str = "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";
pub(crate) const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
pub(crate) const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAxyzABCDEFGHIJKLMNOPQRSTUVWX\nabcdefghijklmnop\n-----END RSA PRIVATE KEY-----";
pub(crate) const PEM_JSON: &str = "-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEAxyzABCDEFGHIJKLMNOPQRSTUVWX\\nabcd==\\n-----END PRIVATE KEY-----\\n";
pub(crate) const EMAIL: &str = "jane.doe+x@mail.example.org";
pub(crate) const URL: &str = "postgres://admin:hunter2hunter2@db:5432/x";
pub(crate) const CARD: &str = "4111 1111 1111 1111";
pub(crate) const KEYWORD: &str = "datadog_key = 0123456789abcdef0123456789abcdef";
pub(crate) const ESCAPED: &str = "gh\\u0070_ZJDeVREhkptGF7Wvep0N\\u0077JWlPEQP7a0t2nxL";
pub(crate) const UNIQUE: [&str; 10] = [
    GITHUB,
    JWT,
    PEM,
    PEM_JSON,
    EMAIL,
    URL,
    CARD,
    KEYWORD,
    ESCAPED,
    "x\\ud83d\\ude00y",
];

pub(crate) fn row(id: &str, shape: Shape, context: Option<Context>) -> Arc<Signature> {
    Arc::new(Signature {
        id: id.into(),
        name: id.into(),
        class: Class::Secret,
        severity: Severity::High,
        shape,
        context,
        check: None,
        glue: Glue::default(),
        home: Home::default(),
        examples: Examples::default(),
    })
}

pub(crate) fn token(anchors: &[&str], segments: Vec<Segment>) -> Shape {
    Shape::Token {
        anchors: anchors
            .iter()
            .map(|anchor| anchor.as_bytes().into())
            .collect(),
        left: ByteSet::ALNUM,
        segments,
        right: ByteSet::ALNUM,
    }
}

pub(crate) fn run(alphabet: ByteSet, min: u32, max: u32) -> Segment {
    Segment::Run { alphabet, min, max }
}

pub(crate) fn scanner() -> Arc<Scanner> {
    let dotted = ByteSet::URL_SAFE.with(b".");
    let hex = Some(Context {
        keywords: vec!["datadog".into()],
        window: 40,
        bare_only: false,
    });
    let rows = vec![
        row(
            "github-token",
            token(&["ghp_", "gho_"], vec![run(ByteSet::ALNUM, 36, 36)]),
            None,
        ),
        row(
            "jwt",
            token(
                &["eyJ"],
                vec![
                    run(ByteSet::URL_SAFE, 10, 200),
                    Segment::Literal((*b".eyJ").into()),
                    run(dotted, 20, u32::MAX),
                ],
            ),
            None,
        ),
        row("private-key", Shape::PrivateKey, None),
        row("email-address", Shape::Email, None),
        row("url-userinfo", Shape::UserInfo, None),
        row(
            "card",
            token(
                &[],
                vec![Segment::Digits {
                    min: 13,
                    max: 19,
                    separators: ByteSet::EMPTY.with(b" -"),
                }],
            ),
            None,
        ),
        row(
            "datadog",
            token(&[], vec![run(ByteSet::HEX_LOWER, 32, 32)]),
            hex,
        ),
        row(
            "twilio",
            token(&["AC"], vec![run(ByteSet::HEX_LOWER, 32, 32)]),
            None,
        ),
    ];
    let key = FingerprintKey::new([7; 32]);
    Arc::new(Scanner::new(Catalog::new(rows), KnownSecrets::none(), key).unwrap())
}

pub(crate) fn options(carrier: Carrier) -> SessionOptions {
    SessionOptions {
        part: Part::body(Side::Request),
        carrier,
        mask: Arc::new(MaskSet::all()),
    }
}

pub(crate) type Answer = Result<(Vec<u8>, Vec<Finding>), ScanError>;

/// Scans pieces, settling after each, so that everything is looked at in every state in between; and says that it comes
/// to the same where nothing settles, and where it does now and then.
pub(crate) fn scan<'a>(
    scanner: &Arc<Scanner>,
    carrier: &Carrier,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Answer {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    let settled = scan_settling(scanner, carrier, &pieces, |_| true);
    let never = scan_settling(scanner, carrier, &pieces, |_| false);
    assert_eq!(brief(&settled), brief(&never), "settling never");
    if pieces.len() > 1 {
        // As good as drawn, and the same in each run.
        let at_times = |number: usize| {
            let drawn = number + pieces.len() + pieces.first().map_or(0, |piece| piece.len());
            drawn.wrapping_mul(0x9E37_79B1) >> 8 & 7 == 0
        };
        let at_times = scan_settling(scanner, carrier, &pieces, at_times);
        assert_eq!(brief(&settled), brief(&at_times), "settling at times");
    }
    settled
}

/// Scans pieces, settling after those with such a number.
pub(crate) fn scan_settling(
    scanner: &Arc<Scanner>,
    carrier: &Carrier,
    pieces: &[&[u8]],
    settles: impl Fn(usize) -> bool,
) -> Answer {
    let mut session = scanner.session(options(carrier.clone()));
    let mut sink = Sink::default();
    let mut pushed = 0;
    for (number, piece) in pieces.iter().enumerate() {
        session.push(piece, &mut sink)?;
        if settles(number) {
            session.settle(&mut sink)?;
        }
        pushed += piece.len();
        assert_eq!(pushed, sink.cleared.len() + session.held());
    }
    session.finish(&mut sink)?;
    assert_eq!(pushed, sink.cleared.len());
    Ok((sink.cleared, sink.findings))
}

/// Compares every way of cutting in two, and cutting everywhere, with the whole.
pub(crate) fn hold_all_cuts(scanner: &Arc<Scanner>, carrier: &Carrier, text: &[u8]) -> Answer {
    let whole = scan(scanner, carrier, [text]);
    let shown = String::from_utf8_lossy(text);
    assert_eq!(
        whole,
        scan(scanner, carrier, text.chunks(1)),
        "cut everywhere: {shown}"
    );
    for cut in 0..text.len() {
        let (left, right) = text.split_at(cut);
        for settles_at_end in [true, false] {
            let settles = |number| number == 0 || settles_at_end;
            assert_eq!(
                whole,
                scan_settling(scanner, carrier, &[left, right], settles),
                "cut at {cut}: {shown}"
            );
        }
    }
    whole
}

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    let cases = wanted.and_then(|cases| cases.parse().ok());
    proptest::test_runner::Config {
        cases: cases.unwrap_or(usual),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}

/// What a failing test shows of an answer.
pub(crate) fn brief(answer: &Answer) -> Result<(String, Vec<String>), ScanError> {
    let (cleared, findings) = answer.as_ref().map_err(|error| *error)?;
    let findings = findings.iter().map(|finding| {
        let Finding {
            signature,
            span,
            path,
            fingerprint,
            ..
        } = finding;
        format!("{} {span:?} {path:?} {fingerprint}", signature.id)
    });
    Ok((cleared.escape_ascii().to_string(), findings.collect()))
}

pub(crate) fn ids(answer: &Answer) -> Vec<&str> {
    let (_, findings) = answer.as_ref().unwrap();
    findings
        .iter()
        .map(|finding| finding.signature.id.as_ref())
        .collect()
}

/// A text that a failing test shows readably.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Vec<u8>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0.escape_ascii())
    }
}

pub(crate) fn cut<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.sort_unstable();
    at.push(text.len());
    let mut from = 0;
    at.into_iter()
        .map(|to| &text[std::mem::replace(&mut from, to)..to])
        .collect()
}

/// A byte as percent-encoding writes it.
pub(crate) fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// A byte as an escape of JSON.
pub(crate) fn json_escape(byte: u8) -> String {
    format!("\\u{byte:04x}")
}

/// A byte as quoted-printable writes it.
pub(crate) fn quoted_printable(byte: u8) -> String {
    format!("={byte:02X}")
}
