//! Numbers of people and firms in Asia, Oceania and Africa.

use super::numbers::{
    compact, digits, groups, is_date, is_repeated, luhn, number, pair, verhoeff, weighted,
};
use super::short::Short;

fn exactly(value: &[u8], length: usize) -> Option<Short<u32>> {
    digits(value).filter(|digits| digits.len() == length && !is_repeated(digits))
}

/// Indian Aadhaar: Verhoeff; never starts with 0 or 1, never a palindrome.
pub(super) fn aadhaar(value: &[u8]) -> bool {
    exactly(value, 12).is_some_and(|digits| {
        let palindrome = digits.iter().eq(digits.iter().rev());
        verhoeff(&digits)
            && !matches!(digits.first(), Some(0 | 1))
            && !palindrome
            && matches!(groups(value).as_slice(), [12] | [4, 4, 4])
    })
}

/// Indian PAN: five letters of which the fourth names the holder's kind, four digits, a letter.
pub(super) fn pan(value: &[u8]) -> bool {
    value.len() == 10
        && value
            .get(3)
            .is_some_and(|kind| b"ABCFGHJKLPT".contains(kind))
        && value.get(5..9).is_some_and(|serial| serial != b"0000")
}

/// Indian GSTIN: state, PAN, and a mod 36 check character.
pub(super) fn gstin(value: &[u8]) -> bool {
    let values: Option<Vec<u32>> = value
        .iter()
        .map(|byte| char::from(*byte).to_digit(36))
        .collect();
    let Some(values) = values.filter(|values| values.len() == 15) else {
        return false;
    };
    let sum: u32 = values
        .iter()
        .take(14)
        .zip([1, 2].iter().cycle())
        .map(|(value, weight)| value * weight)
        .map(|product| product / 36 + product % 36)
        .sum();
    let state = value
        .get(..2)
        .and_then(digits)
        .map_or(0, |state| number(&state));
    let holder = value.get(2..12).is_some_and(pan);
    holder && values.last() == Some(&((36 - sum % 36) % 36)) && matches!(state, 1..=38 | 97 | 99)
}

/// Chinese resident identity number: region, birth date, ISO 7064 mod 11-2.
pub(super) fn cn_resident(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else {
        return false;
    };
    let Some(digits) = digits(body).filter(|digits| digits.len() == 17) else {
        return false;
    };
    let check = if *check == b'X' {
        Some(10)
    } else {
        char::from(*check).to_digit(10)
    };
    let sum = weighted(
        &digits,
        &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2],
    );
    check == Some((12 - sum % 11) % 11)
        && matches!(pair(&digits, 0), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
        && matches!(pair(&digits, 6), 18..=20)
        && is_date(pair(&digits, 12), pair(&digits, 10))
}

/// Japanese individual number (My Number): weights mod 11.
pub(super) fn jp_my_number(value: &[u8]) -> bool {
    exactly(value, 12).is_some_and(|digits| {
        let rest = weighted(&digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        digits.last() == Some(&if rest < 2 { 0 } else { 11 - rest })
            && matches!(groups(value).as_slice(), [12] | [4, 4, 4])
    })
}

/// Korean resident number: birth date, century digit, and weights mod 11, which numbers issued
/// since October 2020 need not keep.
pub(super) fn kr_rrn(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        let rest = weighted(&digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
        let recent = pair(&digits, 0) >= 20 && matches!(digits.get(6), Some(3 | 4 | 7 | 8));
        is_date(pair(&digits, 4), pair(&digits, 2))
            && digits
                .get(6)
                .is_some_and(|century| (0..=9).contains(century))
            && (recent || digits.last() == Some(&((11 - rest) % 10)))
            && matches!(groups(value).as_slice(), [13] | [6, 7])
    })
}

/// Singapore NRIC and FIN: weights, an offset by series, a letter by table.
pub(super) fn sg_nric(value: &[u8]) -> bool {
    let (Some(series), Some(body), Some(check)) = (
        value.first(),
        value.get(1..8).and_then(digits),
        value.get(8),
    ) else {
        return false;
    };
    let (offset, letters) = match series {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    let rest = (weighted(&body, &[2, 7, 6, 5, 4, 3, 2]) + offset) % 11;
    let rest = if *series == b'M' { 10 - rest } else { rest };
    let letters: &[u8] = if *series == b'M' {
        b"KLJNPQRTUWX"
    } else {
        letters
    };
    value.len() == 9 && letters.get(rest as usize) == Some(check)
}

/// Thai citizen number: weights 13 to 2, mod 11.
pub(super) fn th_citizen(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        let rest = weighted(&digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        digits.last() == Some(&((11 - rest) % 10))
            && !matches!(digits.first(), Some(0 | 9))
            && matches!(groups(value).as_slice(), [13] | [1, 4, 5, 2, 1])
    })
}

/// Indonesian NIK: province, birth date (women add 40 to the day), serial.
pub(super) fn id_nik(value: &[u8]) -> bool {
    exactly(value, 16).is_some_and(|digits| {
        let day = pair(&digits, 6);
        matches!(pair(&digits, 0), 11..=21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97)
            && is_date(if day > 40 { day - 40 } else { day }, pair(&digits, 8))
            && digits.get(12..).is_some_and(|serial| number(serial) != 0)
    })
}

/// Malaysian identity card: birth date and birthplace code.
pub(super) fn my_card(value: &[u8]) -> bool {
    exactly(value, 12).is_some_and(|digits| {
        is_date(pair(&digits, 4), pair(&digits, 2))
            && matches!(pair(&digits, 6), 1..=16 | 21..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99)
            && matches!(groups(value).as_slice(), [12] | [6, 2, 4])
    })
}

/// South African identity number: birth date, citizenship, Luhn.
pub(super) fn za_id(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        luhn(&digits)
            && is_date(pair(&digits, 4), pair(&digits, 2))
            && matches!(digits.get(10), Some(0..=2))
    })
}

/// Australian tax file number: weights mod 11.
pub(super) fn au_tfn(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| {
        weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
            && matches!(groups(value).as_slice(), [9] | [3, 3, 3])
    })
}

/// Australian business number: weights mod 89 after subtracting 1 from the first digit.
pub(super) fn au_abn(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| {
        let sum = weighted(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
        digits.first() != Some(&0)
            && sum % 89 == 10
            && matches!(groups(value).as_slice(), [11] | [2, 3, 3, 3])
    })
}

/// Australian company number: weights 8 to 1, mod 10.
pub(super) fn au_acn(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| {
        let rest = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10;
        digits.last() == Some(&((10 - rest) % 10))
            && matches!(groups(value).as_slice(), [9] | [3, 3, 3])
    })
}

/// Australian Medicare card: starts with 2 to 6, weights 1-3-7-9 mod 10 in ninth place.
pub(super) fn au_medicare(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| matches!(digits.len(), 10 | 11)) else {
        return false;
    };
    let check = weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(digits.first(), Some(2..=6)) && digits.get(8) == Some(&check)
}

/// New Zealand tax number: weights in two rounds, mod 11.
pub(super) fn nz_ird(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| matches!(digits.len(), 8 | 9)) else {
        return false;
    };
    let zeros = std::iter::repeat_n(0, 9 - digits.len());
    let padded: Short<u32> = zeros.chain(digits.iter().copied()).collect();
    let rest = |weights: &[u32]| (11 - weighted(&padded, weights) % 11) % 11;
    let check = match rest(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => rest(&[7, 4, 3, 2, 5, 2, 7, 6]),
        first => first,
    };
    (10_000_000..150_000_000).contains(&number(&padded)) && padded.last() == Some(&check)
}

/// Israeli identity number: Luhn over nine digits.
pub(super) fn il_id(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| luhn(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asia() {
        assert!(aadhaar(b"2341 2341 2346") && !aadhaar(b"2341 2341 2347"));
        assert!(pan(b"ACUPA7085R") && !pan(b"ACUXA7085R"));
        assert!(gstin(b"27AAPFU0939F1ZV") && !gstin(b"27AAPFU0939F1ZO"));
        assert!(cn_resident(b"360426199101010071") && !cn_resident(b"360426199101010072"));
        assert!(jp_my_number(b"6214 9832 0257") && !jp_my_number(b"6214 9832 0258"));
        assert!(kr_rrn(b"971013-9019902") && !kr_rrn(b"971013-9019903"));
        assert!(sg_nric(b"S1234567D") && !sg_nric(b"S1234567E"));
        assert!(th_citizen(b"1-2345-45678-78-1") && !th_citizen(b"1234545678780"));
        assert!(id_nik(b"3171011708450001") && !id_nik(b"3171013208450001"));
        assert!(my_card(b"770305-02-1234") && !my_card(b"771305-02-1234"));
    }

    #[test]
    fn the_south() {
        assert!(za_id(b"7503305044089") && !za_id(b"7503305044088"));
        assert!(au_tfn(b"876 543 210") && !au_tfn(b"876 543 211"));
        assert!(au_abn(b"83 914 571 673") && !au_abn(b"99 999 999 999"));
        assert!(au_acn(b"004 085 616") && !au_acn(b"004 085 617"));
        assert!(au_medicare(b"2123 45670 1") && !au_medicare(b"2123 45671 1"));
        assert!(nz_ird(b"49-091-850") && nz_ird(b"136410132") && !nz_ird(b"136410133"));
        assert!(il_id(b"039337423") && !il_id(b"039337424"));
    }
}
