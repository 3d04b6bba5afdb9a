//! How much honest documents ask to be decoded.

use std::sync::Arc;

use super::*;
use crate::{Catalog, FingerprintKey, KnownSecrets, Side};

/// Bytes decoded for each byte of a text, in tenths, and whether it was too much.
fn decoded(text: &str, carrier: Carrier) -> (u64, Result<(), ScanError>) {
    let key = FingerprintKey::new([1; 32]);
    let scanner = Scanner::new(Catalog::builtin(), KnownSecrets::none(), key).unwrap();
    let options = SessionOptions {
        part: Part::body(Side::Request),
        carrier,
        mask: Arc::new(MaskSet::none()),
    };
    let mut session = Arc::new(scanner).session(options);
    let mut sink = Sink::default();
    let result = session.push(text.as_bytes(), &mut sink);
    let result = result.and_then(|()| session.finish(&mut sink));
    (session.decoded * 10 / text.len() as u64, result)
}

/// So many lines, each by its number, so that no two are the same.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// Lines of a web page.
fn page(count: usize) -> String {
    lines(count, |n| {
        format!(
            "<td width=50><a href=\"/w/index.php?title=Main%20page%2F{n}&amp;action=edit&amp;section=2{n}&amp;q=a+b\">It\u{2019}s \u{2013} the \u{a0}page\u{2026} &quot;number {n}&quot;</a> &copy; caf\u{e9}</td>\n"
        )
    })
}

/// The same in Cyrillic, with little that is encoded.
fn russian(count: usize) -> String {
    lines(count, |n| {
        format!(
            "<p id=20{n}>Съешь ещё этих мягких французских булок &amp; выпей 100%25 чаю, строка {n}.</p>\n"
        )
    })
}

/// With punctuation of full width.
fn chinese(count: usize) -> String {
    lines(count, |n| {
        format!(
            "<p id=20{n}>\u{6211}\u{80fd}\u{541e}\u{4e0b}\u{73bb}\u{7483}\u{800c}\u{4e0d}\u{4f24}\u{8eab}\u{4f53}\u{3002}\u{ff08}{n}\u{ff09} &nbsp; \u{4f60}\u{597d}%20\u{4e16}\u{754c}</p>\n"
        )
    })
}

/// With regular expressions, paths and escapes.
fn code(count: usize) -> String {
    lines(count, |n| {
        format!(
            "\tif (re.match(\"^\\\\d+\\\\.\\\\w{{{n}}}\\n\", path + \"C:\\\\users\\\\x{n}\\\\u00e9\") && a%20 == 0x{n:x}) {{ url=\"https://x.y/?a=1&b=%2B{n}&c=\\u0041\\x42\"; }} // it\u{2019}s\n"
        )
    })
}

/// As Python writes strings of JSON.
fn python(text: &str) -> String {
    let mut out = String::from("{\"content\": \"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(letter),
            _ => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out + "\"}"
}

/// As Go does.
fn go(text: &str) -> String {
    let mut out = String::from("{\"content\":\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out + "\"}"
}

/// As a mail carries it.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for byte in text.bytes() {
        let piece = match byte {
            b'\n' => "\n".to_owned(),
            b'=' | 0x7F.. => format!("={byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        if byte == b'\n' {
            column = 0;
        } else if column + piece.len() > 75 {
            out.push_str("=\n");
            column = piece.len();
        } else {
            column += piece.len();
        }
        out.push_str(&piece);
    }
    out
}

/// As a browser sends a form.
fn form(text: &str) -> String {
    let mut out = String::from("text=");
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[test]
fn honest_documents_ask_for_far_less_than_they_may() {
    type Write = fn(&str) -> String;
    let writings: [(&str, Write); 10] = [
        ("as it is", str::to_owned),
        ("python", python),
        ("go", go),
        ("python twice", |text| python(&python(text))),
        ("go twice", |text| go(&go(text))),
        ("go in python", |text| python(&go(text))),
        ("quoted-printable", quoted_printable),
        ("form", form),
        ("python in form", |text| form(&python(text))),
        ("quoted-printable in python", |text| {
            python(&quoted_printable(text))
        }),
    ];
    let documents = [
        ("page", page(150)),
        ("russian", russian(150)),
        ("chinese", chinese(200)),
        ("code", code(150)),
    ];
    for (what, text) in documents {
        for (how, write) in writings {
            let carrier = match how {
                "form" => Carrier::Form,
                _ => Carrier::Unlabelled,
            };
            let (tenths, result) = decoded(&write(&text), carrier);
            assert_eq!(result, Ok(()));
            assert!(
                tenths < DECODED_PER_BYTE * 10 / 2,
                "{what}, {how}: {tenths}"
            );
        }
    }
}
