//! A truststore for Java: PKCS #12 (RFC 7292) with certificates alone, neither encrypted nor sealed.
//!
//! Certificates are public, and the reader takes a store without MacData, so there is no key derivation and no
//! cipher here: only DER. Java regards a certificate as trusted if its bag has the attribute that its own
//! `keytool` writes (`trustedKeyUsage` of Oracle); without it the store would seem empty.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const EXPLICIT_0: u8 = 0xa0;

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.12.10.1.3
const CERTIFICATE_BAG: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03,
];
/// 1.2.840.113549.1.9.22.1
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
/// 1.2.840.113549.1.9.20
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14];
/// 2.16.840.1.113894.746875.1.1
const TRUSTED_KEY_USAGE: &[u8] = &[
    0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01,
];
/// 2.5.29.37.0
const ANY_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// A store of trusted certificates (alias, DER).
pub(super) fn truststore(certificates: &[(String, &[u8])]) -> Vec<u8> {
    let bags: Vec<Vec<u8>> = certificates
        .iter()
        .map(|(alias, certificate)| bag(alias, certificate))
        .collect();
    let contents = element(SEQUENCE, &bags);
    let safe = element(SEQUENCE, &[content(&contents)]);
    let version = element(INTEGER, &[vec![3]]);
    element(SEQUENCE, &[version, content(&safe)])
}

/// ContentInfo of type `data`.
fn content(octets: &[u8]) -> Vec<u8> {
    let octets = element(OCTETS, &[octets.to_vec()]);
    element(SEQUENCE, &[object(DATA), element(EXPLICIT_0, &[octets])])
}

fn bag(alias: &str, certificate: &[u8]) -> Vec<u8> {
    let octets = element(OCTETS, &[certificate.to_vec()]);
    let value = element(SEQUENCE, &[object(X509), element(EXPLICIT_0, &[octets])]);
    let name: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // DER orders a set by its encodings; the friendly name (2a...) sorts after nothing longer here.
    let mut attributes = [
        attribute(FRIENDLY_NAME, element(BMP_STRING, &[name])),
        attribute(TRUSTED_KEY_USAGE, object(ANY_EXTENDED_KEY_USAGE)),
    ];
    attributes.sort();
    let parts = [
        object(CERTIFICATE_BAG),
        element(EXPLICIT_0, &[value]),
        element(SET, &attributes),
    ];
    element(SEQUENCE, &parts)
}

fn attribute(kind: &[u8], value: Vec<u8>) -> Vec<u8> {
    element(SEQUENCE, &[object(kind), element(SET, &[value])])
}

fn object(identifier: &[u8]) -> Vec<u8> {
    element(OBJECT, &[identifier.to_vec()])
}

/// Tag, length (short or long form), parts.
fn element(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let length: usize = parts.iter().map(Vec::len).sum();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let digits: Vec<u8> = length
                .to_be_bytes()
                .into_iter()
                .skip_while(|digit| *digit == 0)
                .collect();
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            bytes.extend_from_slice(&digits);
        }
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(element(4, &[vec![1, 2]]), [4, 2, 1, 2]);
        assert_eq!(element(4, &[vec![0; 0x80]])[..3], [4, 0x81, 0x80]);
        assert_eq!(element(4, &[vec![0; 0x1234]])[..4], [4, 0x82, 0x12, 0x34]);
    }
}
