//! Travel documents, vehicles, devices, telephones and addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::europe::weights_731;
use super::numbers::{compact, digits, groups, is_date, is_repeated, luhn, pair};

/// Machine readable zone of a passport (ICAO 9303, TD3), its second line of 44 characters: four
/// check digits and one over all.
pub(super) fn mrz(value: &[u8]) -> bool {
    let line = value
        .get(value.len().saturating_sub(44)..)
        .unwrap_or_default();
    let holds = |from: usize, to: usize| {
        let check = line.get(to).and_then(|byte| match byte {
            b'<' => Some(0),
            byte => char::from(*byte).to_digit(10),
        });
        let sum = || line.get(from..to).and_then(weights_731);
        check.is_some_and(|check| sum().is_some_and(|sum| sum % 10 == check))
    };
    let all = || {
        let parts = [line.get(..10), line.get(13..20), line.get(21..43)];
        let joined: Vec<u8> = parts.into_iter().flatten().flatten().copied().collect();
        let check = line.get(43).and_then(|byte| char::from(*byte).to_digit(10));
        weights_731(&joined).map(|sum| sum % 10) == check
    };
    line.len() == 44 && holds(0, 9) && holds(13, 19) && holds(21, 27) && holds(28, 42) && all()
}

/// Whether a machine readable zone may start here: in its second line, which up to three bytes part from the first
/// one, check digits stand at fixed places, the last of them for certain.
pub(super) fn may_be_mrz(there: &[u8]) -> bool {
    const LINE: usize = 44;
    let is_check = |byte: &u8| byte.is_ascii_digit() || *byte == b'<';
    (LINE..=LINE + 3).any(|start| {
        let Some(line) = there.get(start..start + LINE) else {
            return true;
        };
        line.last().is_some_and(u8::is_ascii_digit)
            && [9, 19, 27, 42]
                .iter()
                .all(|place| line.get(*place).is_some_and(is_check))
    })
}

/// Vehicle identification number (ISO 3779, check digit of North America): transliterated
/// letters, weights, mod 11 with X for 10 in ninth place.
pub(super) fn vin(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let transliterated = |byte: &u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'H' => Some(u32::from(byte - b'A') + 1),
        b'J'..=b'N' => Some(u32::from(byte - b'J') + 1),
        b'P' => Some(7),
        b'R' => Some(9),
        b'S'..=b'Z' => Some(u32::from(byte - b'S') + 2),
        _ => None,
    };
    let Some(values) = value
        .iter()
        .map(transliterated)
        .collect::<Option<Vec<u32>>>()
    else {
        return false;
    };
    let rest = values
        .iter()
        .zip(WEIGHTS)
        .map(|(value, weight)| value * weight)
        .sum::<u32>()
        % 11;
    let check = value.get(8).map(|byte| {
        if *byte == b'X' {
            Some(10)
        } else {
            char::from(*byte).to_digit(10)
        }
    });
    values.len() == 17 && check == Some(Some(rest)) && value.iter().any(u8::is_ascii_uppercase)
}

/// IMEI (3GPP TS 23.003): fifteen digits, Luhn.
pub(super) fn imei(value: &[u8]) -> bool {
    digits(value).is_some_and(|digits| {
        digits.len() == 15
            && luhn(&digits)
            && !is_repeated(&digits)
            && matches!(
                groups(value).as_slice(),
                [15] | [2, 6, 6, 1] | [6, 2, 6, 1] | [8, 6, 1]
            )
    })
}

/// SIM card number (ITU-T E.118): 89, Luhn, 19 or 20 digits.
pub(super) fn iccid(value: &[u8]) -> bool {
    digits(value).is_some_and(|digits| {
        matches!(digits.len(), 19 | 20) && digits.starts_with(&[8, 9]) && luhn(&digits)
    })
}

/// Telephone number with its country code (ITU-T E.164): a code that is assigned, 8 to 15 digits,
/// a North American number with a possible area and exchange. Of what follows the code only `(0)` and
/// numbers of the few countries that write it start with a zero; the end of a decimal number is none.
pub(super) fn phone(value: &[u8]) -> bool {
    let Some(digits) = digits(value) else {
        return false;
    };
    let Some((code, national)) = digits.split_at_checked(code_length(&digits)) else {
        return false;
    };
    let plausible = match code {
        [1] => north_american(national),
        [7] => national.len() == 10,
        [2..=4, _] => (10..=13).contains(&digits.len()),
        // Not assigned.
        [2, 8, _] | [8, 3 | 9, _] | [9, 7, 8] | [9, 9, 0 | 1 | 7 | 9] => false,
        _ => (9..=14).contains(&digits.len()),
    };
    let writes_zero = matches!(code, [3, 9] | [2, 2, 5] | [2, 4, 1 | 2] | [3, 7, 8]);
    let zero = national.first() == Some(&0) && !writes_zero && !has_trunk_zero(value);
    let is_decimal = matches!(value, [.., b'.', _]);
    plausible && !zero && !is_decimal && !digits.get(3..).is_some_and(is_repeated)
}

/// How many digits the country code has.
fn code_length(digits: &[u32]) -> usize {
    match digits {
        [1 | 7, ..] => 1,
        [2, 0 | 7, ..]
        | [3, 0..=4 | 6 | 9, ..]
        | [4, 0 | 1 | 3..=9, ..]
        | [5, 1..=8, ..]
        | [6, 0..=6, ..]
        | [8, 1 | 2 | 4 | 6, ..]
        | [9, 0..=5 | 8, ..] => 2,
        _ => 3,
    }
}

/// The zero that is dialled within the country only: `+44 (0)20`.
fn has_trunk_zero(value: &[u8]) -> bool {
    value.windows(3).any(|three| three == b"(0)")
}

/// North American number without its country code, in the groups people write.
pub(super) fn phone_nanp(value: &[u8]) -> bool {
    let Some(all) = digits(value) else {
        return false;
    };
    let national = all
        .strip_prefix(&[1])
        .filter(|rest| rest.len() == 10)
        .unwrap_or(&all);
    // Of two separators beside each other (`) `) one counts; the lengths are hexadecimal digits.
    let groups = || {
        let words = value.split(|byte| !byte.is_ascii_alphanumeric());
        let lengths = words.map(<[u8]>::len).filter(|length| *length > 0);
        lengths.fold(0_usize, |groups, length| groups << 4 | length)
    };
    all.len() <= 11
        && north_american(national)
        && matches!(groups(), 0xA | 0xB | 0x334 | 0x1334 | 0x37)
}

fn north_american(national: &[u32]) -> bool {
    matches!(national, [2..=9, 0..=8, _, 2..=9, _, _, ..] if national.len() == 10)
        && national.get(3..6) != Some(&[5, 5, 5])
        && !matches!(national, [_, 1, 1, ..] | [_, _, _, _, 1, 1, ..])
        && !is_repeated(national)
}

/// IPv4 address that is routed in public.
pub(super) fn public_ipv4(value: &[u8]) -> bool {
    let Some(address) = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse::<Ipv4Addr>().ok())
    else {
        return false;
    };
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || address.is_unspecified()
        || address.is_broadcast()
        || shared
        || first == 0
        || first >= 240)
}

/// IPv6 address in global unicast space (2000::/3), not for documentation.
pub(super) fn public_ipv6(value: &[u8]) -> bool {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse::<Ipv6Addr>().ok())
        .map(|address| address.segments())
        .is_some_and(|segments| {
            matches!(segments, [0x2000..=0x3fff, ..]) && !matches!(segments, [0x2001, 0x0db8, ..])
        })
}

/// MAC address that is neither broadcast nor all zeros, one separator throughout.
pub(super) fn mac(value: &[u8]) -> bool {
    let text = compact(value);
    text.len() == 12
        && text.iter().all(u8::is_ascii_hexdigit)
        && super::numbers::same_separator(value)
        && text.iter().any(|byte| Some(byte) != text.first())
}

/// A date of birth: day, month and year in any usual order, year from 1900 to 2029.
pub(super) fn birth_date(value: &[u8]) -> bool {
    let Some(all) = digits(value).filter(|digits| digits.len() == 8) else {
        return false;
    };
    let century = |at: usize| matches!(pair(&all, at), 19 | 20);
    match groups(value).as_slice() {
        [4, 2, 2] => century(0) && is_date(pair(&all, 6), pair(&all, 4)),
        [2, 2, 4] => {
            century(4)
                && (is_date(pair(&all, 0), pair(&all, 2)) || is_date(pair(&all, 2), pair(&all, 0)))
        }
        _ => false,
    }
}

/// A 128-bit identifier as hex with hyphens, not nil and not one digit repeated.
pub(super) fn uuid(value: &[u8]) -> bool {
    const LENGTH: usize = 36;
    if value.len() != LENGTH {
        return false;
    }
    let text = compact(value);
    groups(value).as_slice() == [8, 4, 4, 4, 12]
        && text.iter().all(u8::is_ascii_hexdigit)
        && text.iter().any(|byte| Some(byte) != text.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_devices() {
        assert!(mrz(b"L898902C36UTO7408122F1204159ZE184226B<<<<<10"));
        assert!(!mrz(b"L898902C46UTO7408122F1204159ZE184226B<<<<<10"));
        assert!(vin(b"1M8GDM9AXKP042788") && !vin(b"1M8GDM9A1KP042788"));
        assert!(imei(b"35-209900-176148-1") && !imei(b"35-209900-176148-2"));
        assert!(iccid(b"89014103211118510720") && !iccid(b"89014103211118510721"));
    }

    #[test]
    fn telephones() {
        assert!(phone(b"+49 30 901820") && phone(b"+44 20 7946 0958") && phone(b"+1 212-736-5000"));
        assert!(phone(b"+44 (0)20 7946 0958") && phone(b"+39 06 6982 1234"));
        assert!(!phone(b"+1 111 111 1111") && !phone(b"+999") && !phone(b"+999999-12-31 23"));
        assert!(!phone(b"+2550-09730") && !phone(b"+35236450.6") && !phone(b"+49 0301 23456"));
        assert!(phone_nanp(b"(212) 736-5000") && !phone_nanp(b"(012) 736-5000"));
    }

    #[test]
    fn addresses() {
        assert!(public_ipv4(b"8.8.4.4") && !public_ipv4(b"10.0.0.1") && !public_ipv4(b"1.2.3.400"));
        assert!(public_ipv6(b"2606:4700::1111") && !public_ipv6(b"2001:db8::1"));
        assert!(mac(b"00:1b:63:84:45:e6") && !mac(b"00:00:00:00:00:00"));
        assert!(birth_date(b"1984-02-29") && !birth_date(b"1984-13-41"));
    }
}
