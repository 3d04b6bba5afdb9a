//! The texts the scanner is timed on: ordinary ones, and the worst that can be thought of.

use anyhow::Context as _;
use egret_scanners::{Carrier, ExampleMaker};

/// The size of one pushed chunk where a class does not say otherwise.
pub(crate) const CHUNK: usize = 16 * 1024;
/// So many bytes of each synthetic class.
const SYNTHETIC: usize = 4 << 20;
/// So many where each byte is a push of its own.
const SYNTHETIC_BY_BYTE: usize = 1 << 20;

/// One row of the table.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) texts: Vec<Vec<u8>>,
    pub(crate) chunk: usize,
    /// Whether the session settles after each chunk: what a reader costs who waits for every one of them.
    pub(crate) settles: bool,
    pub(crate) carrier: Carrier,
}

impl Class {
    /// How many bytes one run scans.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }
}

/// A class of one text that repeats a piece; name, piece, carrier.
type Repeated = (&'static str, &'static str, Carrier);

const PROSE: &str = "The quick brown fox jumps over the lazy dog, and the egret looks on. ";
const JSON: &str = "{\"id\":\"a1b2\",\"object\":\"chat\",\"n\":17,\"ok\":true,\"t\":[1.25,2.5]},";
const EVENT: &str =
    "data: {\"id\":\"c-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";

/// What traffic looks like.
const ORDINARY: &[Repeated] = &[
    ("prose", PROSE, Carrier::Text),
    ("json", JSON, Carrier::Json),
    ("events", EVENT, Carrier::Sse),
    ("floats", "0.0123456789,-0.98765432,", Carrier::Json),
    (
        "cyrillic",
        "Съешь ещё этих мягких французских булок, да выпей чаю. ",
        Carrier::Text,
    ),
];

/// What is made to hurt: each piece is bait for one step of the scan.
const HOSTILE: &[Repeated] = &[
    (
        "worst: false prefixes",
        "ghp_abc sk-x AKIA12 eyJx.eyJ xoxb-1 glpat-y ",
        Carrier::Text,
    ),
    (
        "worst: long false prefixes",
        "ghp_ZJDeVREhkptGF7Wvep0NwJWlPEQP7a0t2nx0 ",
        Carrier::Text,
    ),
    (
        "worst: quadratic bait",
        "eyJ-sk-eyJ_ghp_sk-ant-eyJ.",
        Carrier::Text,
    ),
    ("worst: eyJeyJ", "eyJ", Carrier::Text),
    (
        "worst: grouped digits",
        "4929 1234 5678 9012 ",
        Carrier::Text,
    ),
    (
        "worst: single digits",
        "1 2 3 4 5 6 7 8 9 0 ",
        Carrier::Text,
    ),
    ("worst: pairs of digits", "12 34 56 78 ", Carrier::Text),
    ("worst: dates", "2024-01-02 1999/12/31 ", Carrier::Text),
    (
        "worst: account numbers",
        "DE89 3704 0044 0532 0130 01 ",
        Carrier::Text,
    ),
    ("worst: all digits", "1234567890", Carrier::Text),
    (
        "worst: hexadecimal",
        "deadbeef0123456789abcdef",
        Carrier::Text,
    ),
    (
        "worst: digests",
        "0123456789abcdef0123456789abcdef ",
        Carrier::Text,
    ),
    (
        "worst: bearers",
        "bearer aaaaaaaaaaaaaaaaaaaaaaaa ",
        Carrier::Text,
    ),
    (
        "worst: digests of text",
        "32323232323232323232323232323232 ",
        Carrier::Text,
    ),
    (
        "worst: long digests",
        "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f8091a2b3c4d5e6f7f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f8091a2b3 ",
        Carrier::Text,
    ),
    (
        "worst: short base32",
        "mfrggzdfmztwq2lknnwg23tpob ",
        Carrier::Text,
    ),
    (
        "worst: short pairs",
        "61:62:63:64:65:66:67:68:69:6a:6b:6c; ",
        Carrier::Text,
    ),
    (
        "worst: wide hexadecimal",
        "6\x001\x002\x00f\x00",
        Carrier::Text,
    ),
    ("worst: full width digits", "４ ９ ２ ", Carrier::Text),
    (
        "worst: digits after words",
        "card 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 ",
        Carrier::Text,
    ),
    (
        "worst: glued prefixes",
        "sk-ghp_glpat-xoxb-AKIAeyJ",
        Carrier::Text,
    ),
    (
        "worst: tokens in tokens",
        "eyJhbGciOiJIUzI1NiJ9.",
        Carrier::Text,
    ),
    ("worst: deep json", "[[[[{\"a\":", Carrier::Json),
    ("worst: escapes", "\\u0041\\u0042\\n\\/", Carrier::Json),
    (
        "worst: escaped escapes",
        "\\\\u0041\\\\u0042",
        Carrier::Json,
    ),
    ("worst: percent", "%41%42%20%2525", Carrier::Form),
    ("worst: entities", "&#65;&#x42;&amp;#67;", Carrier::Xml),
    ("worst: addresses", "a@b.co", Carrier::Text),
    ("worst: at signs", "a@b.c@d.e@", Carrier::Text),
    ("worst: schemes", "a://b:c://d:e@", Carrier::Text),
    (
        "worst: extended keys",
        "zprv9zprvzprv9zprv9zprvzprv9zprvzprv9",
        Carrier::Text,
    ),
    (
        "worst: dashes",
        "-----BEGIN RSA PRIVATE KEY-----",
        Carrier::Text,
    ),
    (
        "worst: keywords",
        "password=token=secret=api_key=",
        Carrier::Text,
    ),
    (
        "worst: keywords, values",
        "\"api_key\": \"social security iban phone 1234567\", ",
        Carrier::Text,
    ),
    (
        "worst: introduced values",
        "twitch: buuchjeaikrfjlfldlcgndoikrmat7_",
        Carrier::Text,
    ),
    (
        "worst: short base64",
        "BBDC-ODY5MzE0OTU0MzExO=",
        Carrier::Text,
    ),
    (
        "worst: base64 of prefixes",
        "c2stZ2hwX2dscGF0LXhveGI ",
        Carrier::Text,
    ),
    (
        "worst: base64 of percent",
        "JTYxJTYyJTYzJTY0JTY1JTY2 ",
        Carrier::Text,
    ),
    (
        "worst: base64 of a phone",
        "cGhvbmU9MzMyLTIyMC02NzY ",
        Carrier::Text,
    ),
    (
        "worst: base64 in base64",
        "WVdKalpHVm1aMmhwYW10c2JXNXZjSEZ5YzNR ",
        Carrier::Text,
    ),
    (
        "worst: base64 in hex",
        "59574a6a5a47566d5a326870616d74736257357663484679633351 ",
        Carrier::Text,
    ),
    (
        "worst: base64 of a number",
        "NDkyOTEyMzQ1Njc4OTAxMg ",
        Carrier::Text,
    ),
    (
        "worst: percent in base32",
        "EU3DCJJWGISTMMZFGY2CKNRVEU3DM ",
        Carrier::Text,
    ),
    (
        "worst: wide base64",
        "Y\x00W\x00J\x00j\x00Z\x00G\x00V\x00m\x00Z\x002\x00h\x00p\x00a\x00m\x00t\x00s\x00b\x00W\x005\x00v\x00c\x00H\x00F\x00y\x00c\x003\x00Q\x00 \x00",
        Carrier::Text,
    ),
    ("worst: look-alikes", "раssword ехаmрlе ", Carrier::Text),
    (
        "worst: broken numbers",
        "phone=332-220-676 sort code=88-83-3 ",
        Carrier::Text,
    ),
    ("worst: colons", "pa:pa:5:", Carrier::Text),
    ("worst: machine readable", "P<", Carrier::Text),
    (
        "worst: two encodings",
        "national insurance990d-f164-cb50-axkey2@personnummer18-321097622o1248b74;live_B-UD0 30.11.207%409=85847997606003906:=fw_@dob, ",
        Carrier::Text,
    ),
    ("worst: one letter", "a", Carrier::Text),
    ("worst: full width", "４９２９１２３４", Carrier::Text),
    ("worst: small events", "data: 1\n\n", Carrier::Sse),
];

/// What is found over and over: each finding is fingerprinted, masked and reported.
const FOUND: &[Repeated] = &[
    ("worst: mnemonics, found", "seed phrase ", Carrier::Text),
    (
        "worst: phone numbers, found",
        "phone: 332-220-6762 ",
        Carrier::Text,
    ),
    (
        "worst: numbers, found",
        "npi aba nin tin utr nif bsn oib cnp 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 ",
        Carrier::Text,
    ),
    ("worst: addresses, found", "jane@corp.com ", Carrier::Text),
];

/// What is refused as a whole where it is long, since too much would be decoded, in texts that are not.
const SHORT: &[Repeated] = &[
    (
        "worst: streaks in base64",
        "rk_live_CVDY631107HXXFYOBa2o5Vrk_ive_CVDY631NDg3MTk2MzcE1RWUNzmQbjb8sgE5H3GJlsv2_pt_M6dUqC9tcv77FLW",
        Carrier::Text,
    ),
    (
        "worst: masks in soft breaks",
        "70password=Tr0ub4do[16105529@1password=Tr=d=Trupassword=Tpassword=T0u:password=password=Tr0u:sw1passw1passApaswor2: \"\"1passwd=",
        Carrier::Text,
    ),
];
/// How long those are, and how many of them.
const SHORT_TEXT: usize = 64 * 1024;
const SHORT_TEXTS: usize = 16;

/// Every class: the corpus if there is one, ordinary texts, the worst, and single bytes.
pub(crate) fn all() -> anyhow::Result<Vec<Class>> {
    let mut classes = corpus()?;
    let repeated = ORDINARY.iter().chain(HOSTILE).chain(FOUND);
    classes.extend(repeated.map(|(name, piece, carrier)| Class {
        name,
        texts: vec![cycled(piece, SYNTHETIC)],
        chunk: CHUNK,
        settles: false,
        carrier: carrier.clone(),
    }));
    classes.extend(SHORT.iter().map(|(name, piece, carrier)| Class {
        name,
        texts: vec![cycled(piece, SHORT_TEXT); SHORT_TEXTS],
        chunk: CHUNK,
        settles: false,
        carrier: carrier.clone(),
    }));
    let made: [(&'static str, Vec<u8>); 4] = [
        ("noise", noise(SYNTHETIC)),
        ("worst: base64 of noise", base64_noise(SYNTHETIC)),
        (
            "worst: base64 of base64",
            base64_of(&base64_noise(SYNTHETIC * 3 / 4)),
        ),
        ("worst: hex of base64", hex_of(&base64_noise(SYNTHETIC / 2))),
    ];
    classes.extend(made.map(|(name, text)| Class {
        name,
        texts: vec![text],
        chunk: CHUNK,
        settles: false,
        carrier: Carrier::Text,
    }));
    classes.push(Class {
        name: "worst: boundaries",
        texts: vec![cycled("\r\n--b\r\n--b", SYNTHETIC)],
        chunk: CHUNK,
        settles: false,
        carrier: Carrier::Multipart {
            boundary: (*b"b").into(),
        },
    });
    let by_byte = [
        ("1 byte: prose", PROSE, Carrier::Text, false),
        ("1 byte: json", JSON, Carrier::Json, false),
        ("1 byte: events", EVENT, Carrier::Sse, false),
        ("settled each byte: prose", PROSE, Carrier::Text, true),
        ("settled each byte: json", JSON, Carrier::Json, true),
        ("settled each byte: events", EVENT, Carrier::Sse, true),
    ];
    classes.extend(by_byte.map(|(name, piece, carrier, settles)| Class {
        name,
        texts: vec![cycled(piece, SYNTHETIC_BY_BYTE)],
        chunk: 1,
        settles,
        carrier,
    }));
    Ok(classes)
}

fn cycled(piece: &str, count: usize) -> Vec<u8> {
    piece.bytes().cycle().take(count).collect()
}

/// The files of the folder `EGRET_CORPUS` names, each as what it is: JSON, events or text.
fn corpus() -> anyhow::Result<Vec<Class>> {
    let folder = std::env::var_os("EGRET_CORPUS").filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(&folder).context("reading the folder EGRET_CORPUS names")? {
        texts.push(std::fs::read(entry?.path())?);
    }
    let class = |name, chunk, carrier| Class {
        name,
        texts: texts.clone(),
        chunk,
        settles: false,
        carrier,
    };
    Ok(vec![
        class("corpus", CHUNK, Carrier::Text),
        class("corpus as json", CHUNK, Carrier::Json),
        class("corpus as events", CHUNK, Carrier::Sse),
        class("1 byte: corpus", 1, Carrier::Text),
    ])
}

/// Bytes without pattern, the same every time.
fn noise(count: usize) -> Vec<u8> {
    let mut maker = ExampleMaker::new(1);
    (0..count).map(|_| maker.below(256) as u8).collect()
}

fn base64_noise(count: usize) -> Vec<u8> {
    let mut text = base64_of(&noise(count * 3 / 4 + 3));
    text.truncate(count);
    text
}

/// The base64 digits of whole groups of three bytes.
fn base64_of(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |group: &[u8]| {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| ALPHABET.get(bits >> shift & 63).copied().unwrap_or(b'='))
    };
    bytes.chunks_exact(3).flat_map(digits).collect()
}

fn hex_of(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}
