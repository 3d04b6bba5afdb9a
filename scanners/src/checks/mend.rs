//! Making a check hold: the other direction, for examples and canaries.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{base58, crc, marvin, money, wallets};

/// Rewrites a value of the right shape so that the check of this name holds. Values of checks
/// that are not named here are drawn until one passes.
pub(super) fn mend(name: &str, value: &mut Vec<u8>) {
    match name {
        "github-crc32" | "github-crc32-inferred" => crc::sign_base62(value),
        "grafana-crc32" => crc::sign_grafana(value),
        "gitlab-crc32" => crc::sign_gitlab(value),
        "atlassian-crc32" => crc::sign_atlassian(value),
        "nkey-crc16" => crc::sign_nkey(value),
        "bech32" => base58::sign_bech32(value),
        "iban" => money::sign_iban(value),
        "eip55" => wallets::sign_eip55(value),
        "bip39" => wallets::sign_bip39(value),
        "azure-marvin" => marvin::sign_azure_key(value),
        "azure-common-marvin" => marvin::sign_azure_common_key(value),
        "wif" => base58::sign(value, &[0x80], 33),
        "bitcoin-address" => base58::sign(value, &[0], 20),
        "base58check" => base58::sign(value, &[0x04, 0x88, 0xad, 0xe4], 74),
        _ => mend_encoded(name, value),
    }
}

/// Checks of what is encoded: the random bytes of the value are put into the structure.
fn mend_encoded(name: &str, value: &mut Vec<u8>) {
    let random = value.get(value.len() / 2..).unwrap_or_default();
    let noise = String::from_utf8_lossy(random).replace(['"', '\\'], "x");
    let digits: String = random
        .iter()
        .map(|byte| char::from(b'0' + byte % 10))
        .collect();
    let digits = digits.get(..digits.len().min(10)).unwrap_or_default();
    let made = match name {
        "jwt" => [JWT_HEADER, behind_first_part(value)].concat(),
        "discord" => {
            let id = STANDARD_NO_PAD.encode(format!("{digits:1<18}"));
            [id.as_bytes(), behind_first_part(value)].concat()
        }
        "sentry" => sentry(value, &noise),
        "digits-colon" => digits_colon(value, digits, &noise),
        "mrz" => mrz(digits),
        "test-card" => b"4242424242424242".to_vec(),
        _ => match wrapped(name, digits, &noise) {
            Some(made) => made.into_bytes(),
            None => return,
        },
    };
    *value = made;
}

const JWT_HEADER: &[u8] = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The value from its first dot on.
fn behind_first_part(value: &[u8]) -> &[u8] {
    let dot = value.iter().position(|byte| *byte == b'.').unwrap_or(0);
    value.get(dot..).unwrap_or_default()
}

/// Formats that are a prefix and a text in base64.
fn wrapped(name: &str, digits: &str, noise: &str) -> Option<String> {
    let (prefix, text) = match name {
        "grafana-cloud" => (
            "glc_",
            format!(r#"{{"o":"123456","n":"stack","k":"{noise:x<48.48}","m":{{"r":"us"}}}}"#),
        ),
        "grafana-key" => (
            "",
            format!(r#"{{"k":"{noise:x<32.32}","n":"agent","id":1}}"#),
        ),
        "jfrog" => ("", format!("reftkn:01:{digits:1<10}:{noise:x<27.27}")),
        "bedrock" => (
            "ABSK",
            format!("BedrockAPIKey-{noise:x<8.8}-at-123456789012:{noise:x<48.48}"),
        ),
        "bedrock-short" => (
            "bedrock-api-key-",
            format!("bedrock.amazonaws.com/?Action=CallWithBearerToken&x={noise}"),
        ),
        "basic" => ("Basic ", format!("user-{digits}:{noise:x<12.12}")),
        _ => return None,
    };
    let padded = STANDARD.encode(text);
    let keeps_padding = matches!(name, "grafana-cloud" | "grafana-key" | "bedrock" | "basic");
    let body = if keeps_padding {
        padded.as_str()
    } else {
        padded.trim_end_matches('=')
    };
    Some(format!("{prefix}{body}"))
}

fn sentry(value: &[u8], noise: &str) -> Vec<u8> {
    let json =
        format!(r#"{{"iat":1700000000.5,"url":"https://sentry.io","org":"{noise:x<16.16}"}}"#);
    let tail = value
        .rsplit(|byte| *byte == b'_')
        .next()
        .unwrap_or_default();
    [b"sntrys_", STANDARD.encode(json).as_bytes(), b"_", tail].concat()
}

fn digits_colon(value: &[u8], digits: &str, noise: &str) -> Vec<u8> {
    let prefix: &[u8] = if value.starts_with(b"BBDC-") {
        b"BBDC-"
    } else {
        b""
    };
    let raw = format!("{digits:1<12}:{noise:x<40}");
    let body = STANDARD_NO_PAD.encode(raw.get(..33).unwrap_or_default());
    [prefix, body.as_bytes()].concat()
}

/// A passport of nobody: document number and personal number from the digits.
fn mrz(digits: &str) -> Vec<u8> {
    let check = |text: &str| {
        super::europe::weights_731(text.as_bytes())
            .map_or(0, |sum| sum % 10)
            .to_string()
    };
    let number = format!("{digits:1<9.9}");
    let personal = format!("{digits:1<9.9}<<<<<");
    let (birth, expiry) = ("740812", "320415");
    let parts = [
        format!("{number}{}", check(&number)),
        format!("{birth}{}", check(birth)),
        format!("{expiry}{}{personal}{}", check(expiry), check(&personal)),
    ];
    let [document, born, rest] = &parts;
    let all = check(&parts.concat());
    let names = "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
    format!("P<UTO{names}\n{document}UTO{born}F{rest}{all}").into_bytes()
}
