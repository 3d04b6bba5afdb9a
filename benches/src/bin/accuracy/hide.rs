//! Ways to hide a text: an encoding, then a carrier.

use egret_scanners::Carrier;

/// One way to hide a text.
pub(crate) struct Hiding {
    pub(crate) name: &'static str,
    pub(crate) carrier: fn() -> Carrier,
    pub(crate) hide: fn(&[u8]) -> Vec<u8>,
}

/// Not hidden at all.
pub(crate) const PLAIN: Hiding = Hiding {
    name: "plain text",
    carrier: || Carrier::Text,
    hide: <[u8]>::to_vec,
};

/// Those that cut a value in two, which is looked for where an anchor tells it.
pub(crate) const SPLITS: [&str; 3] = [
    "cut over JSON array items",
    "cut over form values",
    "cut over multipart parts",
];

/// All of them.
pub(crate) const HIDINGS: &[Hiding] = &[
    PLAIN,
    Hiding {
        name: "JSON string",
        carrier: || Carrier::Json,
        hide: json,
    },
    Hiding {
        name: SPLITS[0],
        carrier: || Carrier::Json,
        hide: split_items,
    },
    Hiding {
        name: SPLITS[1],
        carrier: || Carrier::Form,
        hide: split_form,
    },
    Hiding {
        name: SPLITS[2],
        carrier: || Carrier::from_content_type("multipart/mixed; boundary=edge"),
        hide: split_parts,
    },
    Hiding {
        name: "JSON, every character \\u",
        carrier: || Carrier::Json,
        hide: json_escaped,
    },
    Hiding {
        name: "JSON in a JSON string",
        carrier: || Carrier::Json,
        hide: json_twice,
    },
    Hiding {
        name: "base64 in JSON",
        carrier: || Carrier::Json,
        hide: base64_in_json,
    },
    Hiding {
        name: "form field",
        carrier: || Carrier::Form,
        hide: form,
    },
    Hiding {
        name: "URL query, every byte %",
        carrier: || Carrier::Url,
        hide: query,
    },
    Hiding {
        name: "percent twice",
        carrier: || Carrier::Text,
        hide: percent_twice,
    },
    Hiding {
        name: "XML, decimal entities",
        carrier: || Carrier::Xml,
        hide: entities,
    },
    Hiding {
        name: "base64",
        carrier: || Carrier::Text,
        hide: |text| base64(text, b"+/"),
    },
    Hiding {
        name: "base64url",
        carrier: || Carrier::Text,
        hide: |text| base64(text, b"-_"),
    },
    Hiding {
        name: "base64, shifted by one",
        carrier: || Carrier::Text,
        hide: base64_shifted,
    },
    Hiding {
        name: "base64 twice",
        carrier: || Carrier::Text,
        hide: base64_twice,
    },
    Hiding {
        name: "hex",
        carrier: || Carrier::Text,
        hide: hex,
    },
    Hiding {
        name: "UTF-16, little end first",
        carrier: || Carrier::Text,
        hide: utf16,
    },
    Hiding {
        name: "full-width digits",
        carrier: || Carrier::Text,
        hide: full_width,
    },
    Hiding {
        name: "server-sent event",
        carrier: || Carrier::Sse,
        hide: event,
    },
    Hiding {
        name: "header value",
        carrier: || Carrier::Header,
        hide: <[u8]>::to_vec,
    },
];

fn json(text: &[u8]) -> Vec<u8> {
    let text = serde_json::Value::from(String::from_utf8_lossy(text));
    format!("{{\"messages\":[{{\"content\":{text}}}]}}").into_bytes()
}

/// Cut in the middle, which is in the value.
fn split_items(text: &[u8]) -> Vec<u8> {
    let (left, right) = text.split_at(text.len() / 2);
    let quoted = |half| serde_json::Value::from(String::from_utf8_lossy(half));
    format!("{{\"parts\":[{},{}]}}", quoted(left), quoted(right)).into_bytes()
}

fn split_form(text: &[u8]) -> Vec<u8> {
    let (left, right) = text.split_at(text.len() / 2);
    [form(left), form(right)].join(&b'&')
}

fn split_parts(text: &[u8]) -> Vec<u8> {
    let (left, right) = text.split_at(text.len() / 2);
    let head = b"--edge\r\nContent-Type: text/plain\r\n\r\n".as_slice();
    let part = |half| [head, half, b"\r\n"].concat();
    [part(left), part(right), b"--edge--\r\n".to_vec()].concat()
}

fn json_twice(text: &[u8]) -> Vec<u8> {
    json(&json(text))
}

fn json_escaped(text: &[u8]) -> Vec<u8> {
    let escaped: String = text.iter().map(|byte| format!("\\u{byte:04x}")).collect();
    format!("{{\"a\":\"{escaped}\"}}").into_bytes()
}

fn base64_in_json(text: &[u8]) -> Vec<u8> {
    json(&base64(text, b"+/"))
}

fn form(text: &[u8]) -> Vec<u8> {
    let mut body = b"a=1&b=".to_vec();
    for byte in text {
        match byte {
            b' ' => body.push(b'+'),
            byte if byte.is_ascii_alphanumeric() => body.push(*byte),
            byte => body.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    body
}

fn percent(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|byte| format!("%{byte:02x}").into_bytes())
        .collect()
}

fn query(text: &[u8]) -> Vec<u8> {
    [b"/search?q=", percent(text).as_slice(), b"&lang=en"].concat()
}

fn percent_twice(text: &[u8]) -> Vec<u8> {
    percent(&percent(text))
}

fn entities(text: &[u8]) -> Vec<u8> {
    let text: String = text.iter().map(|byte| format!("&#{byte};")).collect();
    format!("<a>{text}</a>").into_bytes()
}

/// Base64 with these two last characters and padding.
fn base64(text: &[u8], &[first, second]: &[u8; 2]) -> Vec<u8> {
    let letter = |value: u32| match value as u8 & 63 {
        value @ 0..26 => b'A' + value,
        value @ 26..52 => b'a' + value - 26,
        value @ 52..62 => b'0' + value - 52,
        62 => first,
        _ => second,
    };
    let mut encoded = Vec::with_capacity(text.len() * 4 / 3 + 4);
    for block in text.chunks(3) {
        let bits = block
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - block.len()));
        for place in 0..4 {
            let padding = place > block.len();
            encoded.push(if padding {
                b'='
            } else {
                letter(bits >> (18 - 6 * place))
            });
        }
    }
    encoded
}

fn base64_shifted(text: &[u8]) -> Vec<u8> {
    base64(&[b"\n", text].concat(), b"+/")
}

fn base64_twice(text: &[u8]) -> Vec<u8> {
    base64(&base64(text, b"+/"), b"+/")
}

fn hex(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}

fn utf16(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn full_width(text: &[u8]) -> Vec<u8> {
    let wide = |letter: char| match letter.to_digit(10) {
        Some(digit) => char::from_u32(0xff10 + digit).unwrap_or(letter),
        None => letter,
    };
    String::from_utf8_lossy(text)
        .chars()
        .map(wide)
        .collect::<String>()
        .into_bytes()
}

fn event(text: &[u8]) -> Vec<u8> {
    let text = serde_json::Value::from(String::from_utf8_lossy(text));
    format!("event: message\ndata: {{\"text\":{text}}}\n\n").into_bytes()
}
