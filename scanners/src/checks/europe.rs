//! Numbers of people in Europe. Vectors: the issuing authorities' published examples.

use super::numbers::{
    compact, digits, grouping, groups, is_date, is_repeated, luhn, mod_11_10, number, pair,
    weighted,
};
use super::short::Short;

/// The digits of a value of exactly `length`, not all equal.
#[inline]
fn exactly(value: &[u8], length: usize) -> Option<Short<u32>> {
    let digits = digits(value)?;
    (digits.len() == length && !is_repeated(&digits)).then_some(digits)
}

/// UK NHS number: weights 10 to 2, mod 11; 10 is never issued.
pub(super) fn nhs(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        let rest = 11 - weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        digits.last() == Some(&(rest % 11)) && matches!(groups(value).as_slice(), [10] | [3, 3, 4])
    })
}

/// UK national insurance number: prefix letters that are issued, six digits, A to D.
pub(super) fn nino(value: &[u8]) -> bool {
    let text = compact(value);
    let (Some(prefix), Some(body), Some(suffix)) = (text.get(..2), text.get(2..8), text.get(8..))
    else {
        return false;
    };
    let barred: [&[u8]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    text.len() == 9
        && prefix
            .iter()
            .all(|letter| letter.is_ascii_uppercase() && !b"DFIQUV".contains(letter))
        && prefix.last() != Some(&b'O')
        && !barred.contains(&prefix)
        && body.iter().all(u8::is_ascii_digit)
        && suffix.iter().all(|letter| b"ABCD".contains(letter))
        && matches!(groups(value).as_slice(), [9] | [2, 2, 2, 2, 1] | [2, 6, 1])
}

/// UK taxpayer reference: the first digit checks the other nine.
pub(super) fn utr(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        let body = digits.get(1..).unwrap_or_default();
        let rest = weighted(body, &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
        let expected = [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1];
        digits.first() == expected.get(rest as usize)
    })
}

/// UK driving licence: five letters of the name, decade, month (women + 50), day, year digit,
/// initials.
pub(super) fn uk_licence(value: &[u8]) -> bool {
    let text = compact(value);
    let Some(date) = text.get(5..11).and_then(digits) else {
        return false;
    };
    let month = pair(&date, 1);
    let name = text.get(..5).unwrap_or_default();
    let padded = name.iter().skip_while(|byte| byte.is_ascii_uppercase());
    text.len() == 16
        && is_date(pair(&date, 3), if month > 50 { month - 50 } else { month })
        && name.first().is_some_and(u8::is_ascii_uppercase)
        && padded.into_iter().all(|byte| *byte == b'9')
}

/// German tax id: ISO 7064 mod 11, 10; no leading zero; in the first ten digits one occurs two or
/// three times, the others at most once.
pub(super) fn de_tax_id(value: &[u8]) -> bool {
    let Some(digits) = exactly(value, 11) else {
        return false;
    };
    if !mod_11_10(&digits) || digits.first() == Some(&0) {
        return false;
    }
    let body = digits.get(..10).unwrap_or_default();
    let count = |wanted: u32| body.iter().filter(|digit| **digit == wanted).count();
    let counts: Vec<usize> = (0..10).map(count).filter(|count| *count > 1).collect();
    matches!(counts.as_slice(), [2 | 3])
}

/// German pension insurance number: area, birth date, letter, serial, check digit.
pub(super) fn de_pension(value: &[u8]) -> bool {
    let text = compact(value);
    let (Some(head), Some(letter), Some(tail)) = (text.get(..8), text.get(8), text.get(9..12))
    else {
        return false;
    };
    let (Some(head), Some(tail)) = (digits(head), digits(tail)) else {
        return false;
    };
    if text.len() != 12 || !letter.is_ascii_uppercase() {
        return false;
    }
    let date = is_date(pair(&head, 2), pair(&head, 4));
    let letter = u32::from(letter - b'A') + 1;
    let head = head.iter().copied();
    let all: Short<u32> = head
        .chain([letter / 10, letter % 10])
        .chain(tail.iter().copied())
        .collect();
    let sum: u32 = all
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| digit * weight)
        .map(|product| product / 10 + product % 10)
        .sum();
    date && all.last() == Some(&(sum % 10))
}

/// German identity card and passport numbers: letters C F G H J K L M N P R T V W X Y Z and
/// digits, weights 7-3-1, check digit last.
pub(super) fn de_document(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((check, body)) = text.split_last() else {
        return false;
    };
    body.len() == 9
        && body
            .first()
            .is_some_and(|byte| b"CFGHJKLMNPRTVWXYZ".contains(byte))
        && body
            .iter()
            .all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte))
        && weights_731(body).is_some_and(|sum| char::from(*check).to_digit(10) == Some(sum % 10))
}

/// The sum with weights 7-3-1, letters as 10 to 35 (ICAO 9303).
pub(super) fn weights_731(text: &[u8]) -> Option<u32> {
    text.iter()
        .zip([7, 3, 1].iter().cycle())
        .map(|(byte, weight)| match byte {
            b'<' => Some(0),
            byte => char::from(*byte).to_digit(36).map(|value| value * weight),
        })
        .sum()
}

/// Austrian social insurance number: weights around the check digit in fourth place, birth date.
pub(super) fn at_svnr(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        let rest = weighted(&digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
        digits.get(3) == Some(&rest)
            && digits.first() != Some(&0)
            && is_date(pair(&digits, 4), pair(&digits, 6))
    })
}

/// Swiss AHV number: country prefix 756 and the EAN-13 check digit.
pub(super) fn ch_ahv(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        digits.starts_with(&[7, 5, 6])
            && weighted(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
            && matches!(groups(value).as_slice(), [13] | [3, 4, 4, 2])
    })
}

/// French social security number (NIR): 97 minus the number mod 97; Corsica's 2A and 2B count as
/// 19 and 18.
pub(super) fn fr_nir(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((body, key)) = text.split_at_checked(13).filter(|(_, key)| key.len() == 2) else {
        return false;
    };
    let mut plain = body.to_vec();
    if let Some(department @ ([b'2', b'A'] | [b'2', b'B'])) = body.get(5..7) {
        let replacement = if department == b"2A" { *b"19" } else { *b"18" };
        plain.splice(5..7, replacement);
    }
    let (Some(body), Some(key)) = (digits(&plain), digits(key)) else {
        return false;
    };
    let month = pair(&body, 3);
    matches!(body.first(), Some(1 | 2 | 7 | 8))
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - number(&body) % 97 == number(&key)
}

/// Spanish NIF and NIE: the letter is the number mod 23; X, Y, Z of an NIE count as 0, 1, 2.
pub(super) fn es_nif(value: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let text = compact(value);
    let Some((letter, body)) = text.split_last().filter(|(_, body)| body.len() == 8) else {
        return false;
    };
    let mut plain = body.to_vec();
    if let Some(first @ (b'X' | b'Y' | b'Z')) = plain.first_mut() {
        *first -= b'X' - b'0';
    }
    digits(&plain).is_some_and(|digits| {
        number(&digits) != 0 && LETTERS.get((number(&digits) % 23) as usize) == Some(letter)
    })
}

/// Italian codice fiscale: odd places by a table, even places by value, mod 26.
pub(super) fn it_fiscal(value: &[u8]) -> bool {
    /// The values of A to Z at odd places; digits count as the first ten.
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let text = compact(value);
    let Some((check, body)) = text.split_last().filter(|(_, body)| body.len() == 15) else {
        return false;
    };
    let ordinal = |byte: &u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        byte => u32::from(byte.saturating_sub(b'A')),
    };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(index, byte)| match index % 2 {
            0 => ODD.get(ordinal(byte) as usize).copied().unwrap_or(0),
            _ => ordinal(byte),
        })
        .sum();
    let day = body.get(9..11).unwrap_or_default();
    let day = day
        .iter()
        .fold(0, |day, byte| day * 10 + substituted(*byte));
    matches!(day % 40, 1..=31) && day <= 71 && u32::from(*check) == u32::from(b'A') + sum % 26
}

/// A digit, or the letter that stands for it where two people would have the same code.
fn substituted(byte: u8) -> u32 {
    const LETTERS: &[u8] = b"LMNPQRSTUV";
    let letter = LETTERS.iter().position(|letter| *letter == byte);
    let value = letter.unwrap_or(usize::from(byte.wrapping_sub(b'0')));
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Portuguese NIF: weights 9 to 2, mod 11.
pub(super) fn pt_nif(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| {
        let rest = 11 - weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        !matches!(digits.as_slice(), [0, ..] | [4, 0..=4 | 6..=9, ..])
            && digits.last() == Some(&if rest > 9 { 0 } else { rest })
    })
}

/// Dutch BSN: the eleven test, 9 to 2 and -1.
pub(super) fn nl_bsn(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| {
        let last = digits.last().copied().unwrap_or(0);
        (weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 - last).is_multiple_of(11)
    })
}

/// Belgian national number: 97 minus the nine digits mod 97, with a 2 in front from 2000 on.
pub(super) fn be_nrn(value: &[u8]) -> bool {
    if !matches!(grouping(value), Some(0xB | 0x2_2232 | 0x632)) {
        return false;
    }
    exactly(value, 11).is_some_and(|digits| {
        let body = number(digits.get(..9).unwrap_or_default());
        let check = pair(&digits, 9);
        let month = pair(&digits, 2) % 20;
        (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
            && matches!(month, 0..=12)
            && pair(&digits, 4) <= 31
    })
}

/// Polish PESEL: birth date (month shifted by the century), weights 1-3-7-9.
pub(super) fn pl_pesel(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| {
        weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
            && is_date(pair(&digits, 4), pair(&digits, 2) % 20)
    })
}

/// Polish tax number: weights mod 11; 10 is never issued.
pub(super) fn pl_nip(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        digits.last() == Some(&(weighted(&digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11))
    })
}

/// Polish statistical number of nine digits: weights mod 11, 10 counts as 0.
pub(super) fn pl_regon(value: &[u8]) -> bool {
    exactly(value, 9).is_some_and(|digits| {
        digits.last() == Some(&(weighted(&digits, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10))
    })
}

/// Swedish personal number: birth date (coordination numbers add 60 to the day), Luhn.
pub(super) fn se_personal(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| matches!(digits.len(), 10 | 12)) else {
        return false;
    };
    let short = digits.get(digits.len() - 10..).unwrap_or_default();
    let century = digits.len() == 10 || matches!(pair(&digits, 0), 18..=20);
    let day = pair(short, 4);
    century && luhn(short) && is_date(if day > 60 { day - 60 } else { day }, pair(short, 2))
}

/// Finnish personal identity code: birth date, century sign, serial, number mod 31.
pub(super) fn fi_hetu(value: &[u8]) -> bool {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (Some(date), Some(sign), Some(serial), Some(check)) = (
        value.get(..6).and_then(digits),
        value.get(6),
        value.get(7..10).and_then(digits),
        value.get(10),
    ) else {
        return false;
    };
    let whole = number(&[date.as_slice(), serial.as_slice()].concat());
    value.len() == 11
        && b"+-YXWVUABCDEF".contains(sign)
        && is_date(pair(&date, 0), pair(&date, 2))
        && CHECKS.get((whole % 31) as usize) == Some(check)
}

/// Norwegian birth number: two mod 11 check digits.
pub(super) fn no_fnr(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| {
        let day = pair(&digits, 0) % 40;
        let month = pair(&digits, 2) % 40;
        weighted(&digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
            && weighted(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
            && is_date(day, month)
    })
}

/// Danish CPR number: a birth date; its mod 11 was given up in 2007.
pub(super) fn dk_cpr(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        is_date(pair(&digits, 0), pair(&digits, 2))
            && matches!(groups(value).as_slice(), [10] | [6, 4])
    })
}

/// Estonian and Lithuanian personal codes: weights in two rounds, mod 11.
pub(super) fn ee_lt_code(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| {
        let first = weighted(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
        let second = weighted(&digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
        let check = if first < 10 { first } else { second % 10 };
        matches!(digits.first(), Some(1..=8))
            && digits.last() == Some(&check)
            && is_date(pair(&digits, 5), pair(&digits, 3))
    })
}

/// Czech and Slovak birth number of ten digits: divisible by 11 (or 10 standing for 0).
pub(super) fn cz_sk_birth(value: &[u8]) -> bool {
    if !matches!(grouping(value), Some(0xA | 0x64)) {
        return false;
    }
    exactly(value, 10).is_some_and(|digits| {
        let month = pair(&digits, 2);
        let month = [0, 20, 50, 70]
            .iter()
            .filter_map(|shift| month.checked_sub(*shift))
            .find(|month| (1..=12).contains(month));
        let body = number(digits.get(..9).unwrap_or_default()) % 11 % 10;
        month.is_some_and(|month| is_date(pair(&digits, 4), month))
            && digits.last().is_some_and(|check| u64::from(*check) == body)
    })
}

/// Romanian CNP: sex and century, birth date, county, weights mod 11.
pub(super) fn ro_cnp(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        let rest = weighted(&digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
        digits.last() == Some(&if rest == 10 { 1 } else { rest })
            && digits.first() != Some(&0)
            && is_date(pair(&digits, 5), pair(&digits, 3))
            && matches!(pair(&digits, 7), 1..=52 | 70 | 80..=83)
    })
}

/// Bulgarian EGN: birth date (month shifted by the century), weights mod 11 mod 10.
pub(super) fn bg_egn(value: &[u8]) -> bool {
    exactly(value, 10).is_some_and(|digits| {
        let rest = weighted(&digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
        digits.last() == Some(&rest) && is_date(pair(&digits, 4), pair(&digits, 2) % 20)
    })
}

/// Croatian OIB: ISO 7064 mod 11, 10.
pub(super) fn hr_oib(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| mod_11_10(&digits))
}

/// Slovenian (and former Yugoslav) EMSO: birth date, region, weights mod 11.
pub(super) fn si_emso(value: &[u8]) -> bool {
    exactly(value, 13).is_some_and(|digits| {
        let rest = weighted(&digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        let check = (11 - rest) % 11;
        digits.last() == Some(&(check % 10)) && is_date(pair(&digits, 0), pair(&digits, 2))
    })
}

/// Greek AMKA: birth date, Luhn.
pub(super) fn gr_amka(value: &[u8]) -> bool {
    exactly(value, 11)
        .is_some_and(|digits| luhn(&digits) && is_date(pair(&digits, 0), pair(&digits, 2)))
}

/// Irish PPS number: weights 8 to 2, the second letter times nine, mod 23.
pub(super) fn ie_pps(value: &[u8]) -> bool {
    let text = compact(value);
    let (Some(body), Some(check)) = (text.get(..7).and_then(digits), text.get(7)) else {
        return false;
    };
    let second = match text.get(8) {
        None | Some(b'W') => 0,
        Some(letter @ b'A'..=b'I') => u32::from(letter - b'A') + 1,
        Some(_) => return false,
    };
    let rest = (weighted(&body, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second) % 23;
    let letter = if rest == 0 {
        u32::from(b'W')
    } else {
        u32::from(b'A') + rest - 1
    };
    text.len() <= 9 && u32::from(*check) == letter
}

/// Turkish identity number: two check digits over the odd and even places.
pub(super) fn tr_tckn(value: &[u8]) -> bool {
    exactly(value, 11).is_some_and(|digits| {
        let odd = weighted(&digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let even = weighted(&digits, &[0, 1, 0, 1, 0, 1, 0, 1]);
        let first = (odd * 7 + 90 - even) % 10;
        let second = (odd + even + first) % 10;
        digits.first() != Some(&0) && digits.get(9..) == Some(&[first, second])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_islands() {
        assert!(nhs(b"943 476 5870") && !nhs(b"943 476 5871"));
        assert!(nino(b"JG 10 37 59 A") && !nino(b"QQ 12 34 56 C") && !nino(b"BG103759A"));
        assert!(utr(b"1955839661") && !utr(b"2955839661"));
        assert!(ie_pps(b"6433435F") && ie_pps(b"6433435OA") && !ie_pps(b"6433435E"));
        assert!(uk_licence(b"MORGA753116SM9IJ") && !uk_licence(b"MORGA799116SM9IJ"));
    }

    #[test]
    fn the_west() {
        assert!(de_tax_id(b"36 574 261 809") && !de_tax_id(b"36574261808"));
        assert!(de_pension(b"15 070649 C 103") && !de_pension(b"15070649C104"));
        assert!(de_document(b"T220001293") && !de_document(b"T220001294"));
        assert!(at_svnr(b"1237 010180") && !at_svnr(b"2237 010180"));
        assert!(ch_ahv(b"756.9217.0769.85") && !ch_ahv(b"756.9217.0769.84"));
        assert!(fr_nir(b"2 95 10 99 126 111 93") && !fr_nir(b"295109912611192"));
        assert!(es_nif(b"54362315K") && es_nif(b"X-2482300-W") && !es_nif(b"54362315Z"));
        assert!(it_fiscal(b"RCCMNL83S18D969H") && !it_fiscal(b"RCCMNL83S18D969I"));
        assert!(pt_nif(b"501 964 843") && !pt_nif(b"501964842"));
        assert!(nl_bsn(b"111222333") && !nl_bsn(b"111252333"));
        assert!(be_nrn(b"85.07.30-033 28") && !be_nrn(b"85073003329"));
    }

    #[test]
    fn the_north_and_east() {
        assert!(pl_pesel(b"44051401359") && !pl_pesel(b"44051401358"));
        assert!(pl_nip(b"856-734-62-15") && !pl_nip(b"8567346216"));
        assert!(pl_regon(b"192598184") && !pl_regon(b"192598183"));
        assert!(se_personal(b"880320-0016") && !se_personal(b"880320-0018"));
        assert!(fi_hetu(b"131052-308T") && !fi_hetu(b"131052-308U"));
        assert!(no_fnr(b"151086 95088") && !no_fnr(b"15108695077"));
        assert!(
            ee_lt_code(b"37605030299") && ee_lt_code(b"33309240064") && !ee_lt_code(b"37605030291")
        );
        assert!(cz_sk_birth(b"710319/2745") && !cz_sk_birth(b"710319/2746"));
        assert!(ro_cnp(b"1630615123457") && !ro_cnp(b"1630615123458"));
        assert!(bg_egn(b"7523169263") && !bg_egn(b"7523169264"));
        assert!(hr_oib(b"33392005961") && si_emso(b"0101006500006") && gr_amka(b"01013099997"));
        assert!(!si_emso(b"0101006500007") && !gr_amka(b"01013099999"));
        assert!(tr_tckn(b"17291716060") && !tr_tckn(b"17291716050"));
    }
}
