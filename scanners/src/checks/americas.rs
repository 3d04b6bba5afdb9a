//! Numbers of people and firms in the Americas.

use super::numbers::{
    compact, digits, grouped_as, grouping, groups, is_date, is_repeated, luhn, number, pair,
    weighted,
};

/// US social security number: area not 000, 666 or 900 and above, no group or serial of zeros,
/// not one of the numbers made famous by advertisements. Source: SSA, randomization rules.
pub(super) fn ssn(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| digits.len() == 9) else {
        return false;
    };
    let whole = number(&digits);
    let (area, group, serial) = (whole / 1_000_000, whole / 10_000 % 100, whole % 10_000);
    grouped_as(value, &[&[3, 2, 4]])
        && !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !matches!(whole, 78_051_120 | 219_099_999 | 123_456_789)
        && !is_repeated(&digits)
}

/// US individual taxpayer number: 9xx and a middle pair that the IRS assigns.
pub(super) fn itin(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| digits.len() == 9) else {
        return false;
    };
    grouped_as(value, &[&[3, 2, 4]])
        && digits.first() == Some(&9)
        && matches!(pair(&digits, 3), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// US employer number: a prefix that an IRS campus assigns. Source: IRS, EIN prefixes.
pub(super) fn ein(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| digits.len() == 9) else {
        return false;
    };
    let prefix = pair(&digits, 0);
    let unassigned =
        matches!(prefix, 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97);
    grouped_as(value, &[&[2, 7]]) && !unassigned && !is_repeated(&digits)
}

/// US provider number: Luhn over 80840 and the ten digits. Source: CMS.
pub(super) fn npi(value: &[u8]) -> bool {
    digits(value).is_some_and(|digits| {
        let prefixed = [&[8, 0, 8, 4, 0], digits.as_slice()].concat();
        digits.len() == 10 && matches!(digits.first(), Some(1 | 2)) && luhn(&prefixed)
    })
}

/// US Medicare beneficiary identifier: a class of character at each of eleven positions; letters
/// without S, L, O, I, B, Z. Source: CMS, MBI format.
pub(super) fn mbi(value: &[u8]) -> bool {
    let text = compact(value);
    let letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    let fits = |class: u8, byte: u8| match class {
        b'1' => (b'1'..=b'9').contains(&byte),
        b'A' => letter(byte),
        b'N' => byte.is_ascii_digit(),
        _ => letter(byte) || byte.is_ascii_digit(),
    };
    text.len() == 11
        && b"1AXNAXNAANN"
            .iter()
            .zip(&text)
            .all(|(class, byte)| fits(*class, *byte))
        && grouped_as(value, &[&[4, 3, 4]])
}

/// US DEA registration: (1st + 3rd + 5th) + 2 (2nd + 4th + 6th) ends in the 7th digit.
pub(super) fn dea(value: &[u8]) -> bool {
    let text = compact(value);
    let Some(digits) = text
        .get(2..)
        .and_then(digits)
        .filter(|digits| digits.len() == 7)
    else {
        return false;
    };
    let sum = weighted(&digits, &[1, 2, 1, 2, 1, 2]);
    text.first()
        .is_some_and(|kind| b"ABCDEFGHJKLMPRSTUX".contains(kind))
        && digits.last() == Some(&(sum % 10))
        && number(&digits) != 0
}

/// Canadian social insurance number: Luhn; never starts with 0 or 8.
pub(super) fn sin(value: &[u8]) -> bool {
    digits(value).is_some_and(|digits| {
        digits.len() == 9
            && luhn(&digits)
            && !matches!(digits.first(), Some(0 | 8))
            && !is_repeated(&digits)
            && grouped_as(value, &[&[3, 3, 3]])
    })
}

/// Brazilian CPF: two mod 11 check digits.
pub(super) fn cpf(value: &[u8]) -> bool {
    if !matches!(grouping(value), Some(0xB | 0x3332 | 0x92)) {
        return false;
    }
    let Some(digits) = digits(value).filter(|digits| digits.len() == 11) else {
        return false;
    };
    !is_repeated(&digits)
        && mod_11_low(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2])
        && mod_11_low(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
}

/// Brazilian CNPJ: two mod 11 check digits.
pub(super) fn cnpj(value: &[u8]) -> bool {
    if !matches!(grouping(value), Some(0xE | 0x2_3342)) {
        return false;
    }
    let Some(digits) = digits(value).filter(|digits| digits.len() == 14) else {
        return false;
    };
    !is_repeated(&digits)
        && mod_11_low(&digits, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
        && mod_11_low(&digits, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
}

/// The digit behind the weights is 11 minus the sum mod 11, and 0 where that is above 9.
fn mod_11_low(digits: &[u32], weights: &[u32]) -> bool {
    let check = match 11 - weighted(digits, weights) % 11 {
        10 | 11 => 0,
        check => check,
    };
    digits.get(weights.len()) == Some(&check)
}

/// Mexican CURP: name letters, date, sex, state, consonants, and a mod 10 check digit.
pub(super) fn curp(value: &[u8]) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMN\u{d1}OPQRSTUVWXYZ";
    let text = compact(value);
    let values: Option<Vec<u32>> = text
        .iter()
        .map(|byte| {
            ALPHABET
                .chars()
                .position(|letter| letter == char::from(*byte))
        })
        .map(|index| index.and_then(|index| u32::try_from(index).ok()))
        .collect();
    let Some(values) = values.filter(|values| values.len() == 18) else {
        return false;
    };
    let sum: u32 = values
        .iter()
        .zip((2..=18).rev())
        .map(|(value, weight)| value * weight)
        .sum();
    let date = text.get(4..10).and_then(digits);
    date.is_some_and(|date| is_date(pair(&date, 4), pair(&date, 2)))
        && values.last() == Some(&((10 - sum % 10) % 10))
}

/// Mexican RFC of a person: four letters, date, homoclave with a mod 11 check character.
pub(super) fn rfc(value: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ ";
    let text = value.to_ascii_uppercase();
    let date = text.get(4..10).and_then(digits);
    if text.len() != 13 || !date.is_some_and(|date| is_date(pair(&date, 4), pair(&date, 2))) {
        return false;
    }
    let sum: usize = text
        .iter()
        .take(12)
        .zip((2..=13).rev())
        .filter_map(|(byte, weight)| {
            ALPHABET
                .iter()
                .position(|letter| letter == byte)
                .map(|value| value * weight)
        })
        .sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0'.wrapping_add(u8::try_from(digit).unwrap_or(0)),
    };
    text.last() == Some(&check)
}

/// Argentine CUIT and CUIL: a known type, and weights mod 11.
pub(super) fn cuit(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| digits.len() == 11) else {
        return false;
    };
    let check = match 11 - weighted(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        check => check,
    };
    matches!(pair(&digits, 0), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34)
        && digits.last() == Some(&check)
        && matches!(groups(value).as_slice(), [11] | [2, 8, 1])
}

/// Chilean RUT: mod 11 with K for 10, written with its hyphen.
pub(super) fn rut(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else {
        return false;
    };
    let Some(digits) = digits(body).filter(|digits| matches!(digits.len(), 7 | 8)) else {
        return false;
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7, 2, 3])
        .map(|(d, w)| d * w)
        .sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0'.wrapping_add(u8::try_from(digit).unwrap_or(0)),
    };
    *check == expected && !is_repeated(&digits)
}

/// Colombian NIT: prime weights mod 11.
pub(super) fn nit(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| matches!(digits.len(), 9 | 10)) else {
        return false;
    };
    let Some((check, body)) = digits.split_last() else {
        return false;
    };
    let weights = [3, 7, 13, 17, 19, 23, 29, 37, 41];
    let rest = body
        .iter()
        .rev()
        .zip(weights)
        .map(|(d, w)| d * w)
        .sum::<u32>()
        % 11;
    *check == if rest < 2 { rest } else { 11 - rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn united_states() {
        assert!(ssn(b"536-90-4399") && ssn(b"536904399"));
        for bad in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "536-00-4399",
            "536-90-0000",
        ] {
            assert!(!ssn(bad.as_bytes()), "{bad}");
        }
        assert!(!ssn(b"536-904-399") && !ssn(b"078-05-1120"));
        assert!(itin(b"912-90-3456") && !itin(b"912-93-3456"));
        assert!(ein(b"91-1144442") && !ein(b"07-1144442"));
        assert!(npi(b"1234567893") && !npi(b"1234567894"));
        assert!(mbi(b"1EG4-TE5-MK73") && !mbi(b"1SG4-TE5-MK73"));
        assert!(dea(b"AB1234563") && !dea(b"AB1234564"));
    }

    #[test]
    fn others() {
        assert!(sin(b"130 692 544") && !sin(b"130 692 545"));
        assert!(cpf(b"390.533.447-05") && !cpf(b"231.002.999-00"));
        assert!(cnpj(b"16.727.230/0001-97") && !cnpj(b"16.727.230.0001-98"));
        assert!(curp(b"BOXW310820HNERXN09") && !curp(b"BOXW310820HNERXN08"));
        assert!(cuit(b"20-05536168-2") && !cuit(b"20-05536168-3"));
        assert!(rut(b"12.531.909-2") && !rut(b"12.531.909-3"));
        assert!(nit(b"213.123.432-1") && !nit(b"213.123.432-2"));
        assert!(rfc(b"GODE561231GR8") && !rfc(b"GODE561231GR9"));
    }
}
