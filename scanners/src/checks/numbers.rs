//! The arithmetic most check digits are made of.

use super::short::Short;

/// The digits of a value written with separators, as numbers; `None` if a letter is among them.
#[inline]
pub(super) fn digits(value: &[u8]) -> Option<Short<u32>> {
    if value.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit());
    Some(digits.map(|digit| u32::from(digit - b'0')).collect())
}

/// The value without separators, letters in upper case.
pub(super) fn compact(value: &[u8]) -> Short<u8> {
    value
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_uppercase)
        .collect()
}

/// The lengths of the groups between separators, up to what a byte holds.
pub(super) fn groups(value: &[u8]) -> Short<u8> {
    let (mut groups, mut length) = (Short::default(), 0_u8);
    for byte in value {
        if byte.is_ascii_alphanumeric() {
            length = length.saturating_add(1);
        } else {
            groups.push(length);
            length = 0;
        }
    }
    groups.push(length);
    groups
}

/// The lengths of the groups between separators, a hexadecimal digit each; `None` of what starts with
/// a separator or has longer or more of them.
pub(super) fn grouping(value: &[u8]) -> Option<u32> {
    let (mut groups, mut length) = (0_u32, 0_u32);
    for byte in value {
        if byte.is_ascii_alphanumeric() {
            length += 1;
        } else if length > 15 || groups >> 24 != 0 || groups | length == 0 {
            return None;
        } else {
            groups = groups << 4 | length;
            length = 0;
        }
    }
    (length <= 15).then_some(groups << 4 | length)
}

/// Nothing is written in more groups than this.
const GROUPS_MAX: usize = 8;

/// Whether the value is written in one piece or in groups of one of these lengths, with one and
/// the same separator throughout.
pub(super) fn grouped_as(value: &[u8], allowed: &[&[usize]]) -> bool {
    let Some(first) = value.iter().position(|byte| !byte.is_ascii_alphanumeric()) else {
        return true;
    };
    let separator = value.get(first);
    let mut lengths = [0; GROUPS_MAX];
    let mut group = 0;
    for byte in value {
        match lengths.get_mut(group) {
            None => return false,
            Some(length) if byte.is_ascii_alphanumeric() => *length += 1,
            Some(_) if Some(byte) != separator => return false,
            Some(_) => group += 1,
        }
    }
    let lengths = lengths.get(..=group).unwrap_or_default();
    // Compared one by one: they are few, and a call for each costs more.
    let same = |allowed: &&[usize]| {
        allowed.len() == lengths.len()
            && allowed.iter().zip(lengths).all(|(one, other)| one == other)
    };
    allowed.iter().any(same)
}

/// Whether all separators in the value are the same byte.
pub(super) fn same_separator(value: &[u8]) -> bool {
    let mut separators = value.iter().filter(|byte| !byte.is_ascii_alphanumeric());
    let first = separators.next();
    separators.all(|byte| Some(byte) == first)
}

/// The number the digits spell; at most 19 digits are sensible.
pub(super) fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |sum: u64, digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(*digit))
    })
}

/// The sum of each digit times its weight; digits beyond the weights count nothing.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// Whether all digits are equal: `000000000` passes many checks and is never a real number.
pub(super) fn is_repeated(digits: &[u32]) -> bool {
    digits
        .windows(2)
        .all(|pair| matches!(pair, [left, right] if left == right))
}

/// Luhn (ISO/IEC 7812-1): every second digit from the right doubled, digits summed, mod 10.
pub(super) fn luhn(digits: &[u32]) -> bool {
    luhn_sum(digits).is_multiple_of(10)
}

fn luhn_sum(digits: &[u32]) -> u32 {
    digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum()
}

/// ISO 7064 mod 11, 10 over all digits, the last one being the check digit.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, body)) = digits.split_last() else {
        return false;
    };
    let product = body
        .iter()
        .fold(10, |product, digit| product_11_10(product, *digit));
    (product + check) % 10 == 1
}

/// The next product of ISO 7064 mod 11, 10: of one that is ten at most, and a digit.
#[inline]
pub(super) fn product_11_10(product: u32, digit: u32) -> u32 {
    // The rest by ten, ten where there is none, and twice that by eleven, without a division: a product is never zero.
    let sum = product + digit;
    let double = 2 * if sum > 10 { sum - 10 } else { sum };
    if double > 10 { double - 11 } else { double }
}

/// Verhoeff's check over the dihedral group of order ten.
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (index, digit)| {
            dihedral(sum, permuted(*digit, index))
        });
    sum == 0
}

/// The product in the dihedral group D5: 0 to 4 are rotations, 5 to 9 reflections.
fn dihedral(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right) % 5 + 5,
        (false, true) => (left + 5 - right) % 5 + 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

/// Verhoeff's permutation applied `times` times.
fn permuted(digit: u32, times: usize) -> u32 {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    (0..times % 8).fold(digit, |digit, _| {
        PERMUTATION.get(digit as usize).copied().unwrap_or(digit)
    })
}

/// The value mod 97 with letters as 10 to 35, of a run of upper-case letters and digits.
pub(super) fn mod_97(text: impl Iterator<Item = u8>) -> Option<u32> {
    text.map(|byte| char::from(byte).to_digit(36))
        .try_fold(0, |rest, value| {
            let value = value?;
            Some(if value < 10 {
                (rest * 10 + value) % 97
            } else {
                (rest * 100 + value) % 97
            })
        })
}

/// Whether day, month and a two-digit year can be a date.
pub(super) fn is_date(day: u64, month: u64) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// The number in two digits at `at`.
pub(super) fn pair(digits: &[u32], at: usize) -> u64 {
    digits.get(at..at + 2).map_or(u64::MAX, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        let of = |text: &str| digits(text.as_bytes()).unwrap();
        assert!(luhn(&of("79927398713")) && !luhn(&of("79927398710")));
        assert!(verhoeff(&of("2363")) && !verhoeff(&of("2364")));
        assert!(mod_11_10(&of("33392005961")) && !mod_11_10(&of("33392005962")));
        assert_eq!(
            mod_97(b"3214282912345698765432161182".iter().copied()),
            Some(1)
        );
    }
}
