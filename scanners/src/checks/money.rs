//! Cards and bank accounts.

use super::numbers::{compact, digits, mod_97, number, same_separator, weighted};

/// Issuer ranges: the first and the last six-digit prefix, and the lengths in use.
/// Sources: the networks' public BIN tables.
const ISSUERS: &[(u64, u64, &[usize])] = &[
    (400_000, 499_999, &[13, 16, 19]),                     // Visa
    (510_000, 559_999, &[16]),                             // Mastercard
    (222_100, 272_099, &[16]),                             // Mastercard, second series
    (340_000, 349_999, &[15]),                             // American Express
    (370_000, 379_999, &[15]),                             // American Express
    (300_000, 305_999, &[14]),                             // Diners Club
    (309_500, 309_599, &[14]),                             // Diners Club
    (360_000, 369_999, &[14]),                             // Diners Club
    (380_000, 399_999, &[14, 16]),                         // Diners Club
    (601_100, 601_199, &[16, 19]),                         // Discover
    (644_000, 659_999, &[16, 19]),                         // Discover
    (622_126, 622_925, &[16, 19]),                         // Discover and UnionPay
    (620_000, 629_999, &[16, 17, 18, 19]),                 // UnionPay
    (352_800, 358_999, &[16, 17, 18, 19]),                 // JCB
    (500_000, 509_999, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro, Elo
    (560_000, 589_999, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro
    (639_000, 639_099, &[16, 17, 18, 19]),                 // Maestro
    (670_000, 677_999, &[16, 17, 18, 19]),                 // Maestro
    (630_400, 630_499, &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro
    (213_100, 213_199, &[15]),                             // JCB, old series
    (180_000, 180_099, &[15]),                             // JCB, old series
    (606_282, 606_282, &[16, 19]),                         // Hipercard
    (220_000, 220_499, &[16, 17, 18, 19]),                 // Mir
];

/// Numbers that payment providers publish for tests, sorted.
const TEST_CARDS: &[u64] = &[
    4_222_222_222_222,
    30_569_309_025_904,
    36_227_206_271_667,
    38_520_000_023_237,
    371_449_635_398_431,
    378_282_246_310_005,
    378_734_493_671_000,
    2_223_000_048_400_011,
    2_223_003_122_003_222,
    3_056_930_009_020_004,
    3_530_111_333_300_000,
    3_566_002_020_360_505,
    4_000_000_000_000_002,
    4_000_000_000_000_069,
    4_000_000_000_000_077,
    4_000_000_000_000_127,
    4_000_000_000_003_220,
    4_000_000_000_009_995,
    4_000_002_500_003_155,
    4_000_056_655_665_556,
    4_005_519_200_000_004,
    4_009_348_888_881_881,
    4_012_888_888_881_881,
    4_035_501_000_000_008,
    4_111_111_111_111_111,
    4_242_424_242_424_241,
    4_242_424_242_424_242,
    4_444_333_322_221_111,
    4_917_610_000_000_000,
    5_019_717_010_103_742,
    5_105_105_105_105_100,
    5_200_828_282_828_210,
    5_431_111_111_111_111,
    5_555_555_555_554_444,
    5_610_591_081_018_250,
    6_011_000_990_139_424,
    6_011_111_111_111_117,
    6_200_000_000_000_005,
    6_304_000_000_000_000,
    6_331_101_999_990_016,
];

/// How the networks print numbers: the lengths of the groups, a hexadecimal digit each.
pub(super) const CARD_GROUPS: &[u32] =
    &[0x4444, 0x465, 0x464, 0x4_4443, 0x4441, 0x6D, 0x4442, 0x445];
/// No card has more digits.
const CARD_MAX: usize = 19;

/// A number printed as cards are: in one piece, or in groups with the same separator throughout.
struct Printed {
    digits: [u8; CARD_MAX],
    count: usize,
}

impl Printed {
    fn of(value: &[u8]) -> Option<Printed> {
        let (mut digits, mut count) = ([0; CARD_MAX], 0);
        let (mut groups, mut group, mut separator) = (0_u32, 0_u32, None);
        for byte in value {
            if byte.is_ascii_digit() {
                *digits.get_mut(count)? = byte - b'0';
                count += 1;
                group += 1;
            } else if byte.is_ascii_alphabetic()
                || groups >> 20 != 0
                || group > 15
                || *separator.get_or_insert(byte) != byte
            {
                return None;
            } else {
                groups = groups << 4 | group;
                group = 0;
            }
        }
        let printed = separator.is_none() || CARD_GROUPS.contains(&(groups << 4 | group));
        (printed && group <= 15 || separator.is_none()).then_some(Printed { digits, count })
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    fn number(&self) -> u64 {
        let digits = self.digits().iter();
        digits.fold(0, |number, digit| number * 10 + u64::from(*digit))
    }

    /// Luhn, as [`luhn`].
    fn holds(&self) -> bool {
        const DOUBLED: [u8; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
        let sum = |pair: &[u8]| match pair {
            [one, other] => {
                let doubled = DOUBLED.get(usize::from(*one)).copied();
                u32::from(doubled.unwrap_or_default()) + u32::from(*other)
            }
            rest => rest.iter().copied().map(u32::from).sum(),
        };
        self.digits()
            .rchunks(2)
            .map(sum)
            .sum::<u32>()
            .is_multiple_of(10)
    }

    /// Whether a network issues numbers of this length that start like it.
    fn is_issued(&self) -> bool {
        let first = self.digits().iter().take(6);
        let prefix = first.fold(0, |number, digit| number * 10 + u64::from(*digit));
        self.count >= 6
            && ISSUERS.iter().any(|(first, last, lengths)| {
                (*first..=*last).contains(&prefix) && lengths.contains(&self.count)
            })
    }
}

/// The first two digits of the numbers that are issued, as bits.
pub(super) const ISSUED: u128 = {
    let (mut issued, mut rest) = (0, ISSUERS);
    while let [(first, last, _), others @ ..] = rest {
        let mut opening = *first / 10_000;
        while opening <= *last / 10_000 {
            issued |= 1 << opening;
            opening += 1;
        }
        rest = others;
    }
    issued
};

/// How many numbers the first four digits can be.
const OPENINGS: usize = 10_000;

/// The first four digits of the test numbers, as bits.
static TEST_OPENINGS: [u64; OPENINGS.div_ceil(64)] = {
    let (mut openings, mut rest) = ([0; OPENINGS.div_ceil(64)], TEST_CARDS);
    while let [number, others @ ..] = rest {
        let mut opening = *number;
        while opening >= OPENINGS as u64 {
            opening /= 10;
        }
        let (word, _) = openings.split_at_mut(opening as usize / 64 + 1);
        if let [.., word] = word {
            *word |= 1 << (opening % 64);
        }
        rest = others;
    }
    openings
};

/// Whether a number that starts like this is issued by anybody.
fn may_be_issued(value: &[u8]) -> bool {
    match value {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => {
            ISSUED >> (u32::from(tens - b'0') * 10 + u32::from(ones - b'0')) & 1 == 1
        }
        _ => true,
    }
}

/// Whether a test number may start like this.
fn may_be_test(value: &[u8]) -> bool {
    let opening = value.first_chunk::<4>();
    let opening = opening.filter(|four| four.iter().all(u8::is_ascii_digit));
    opening.is_none_or(|four| {
        let digits = four.iter().map(|digit| usize::from(digit - b'0'));
        let opening = digits.fold(0, |number, digit| number * 10 + digit);
        let word = TEST_OPENINGS.get(opening / 64);
        word.is_some_and(|word| word >> (opening % 64) & 1 == 1)
    })
}

/// A payment card that is not a published test number: Luhn, issuer range and length, printed as
/// cards are, not one digit repeated.
///
/// Without separators only numbers of 15 and 16 digits: one in fifty of all others in code and tables
/// passes for a Visa card of 13 or a Maestro card of 19.
pub(super) fn card(value: &[u8]) -> bool {
    !is_unusual(value) && is_card(value)
}

/// A card number of another length than 15 and 16 that is written without separators.
pub(super) fn card_of_unusual_length(value: &[u8]) -> bool {
    is_unusual(value) && is_card(value)
}

fn is_unusual(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit) && !matches!(value.len(), 15 | 16)
}

/// A test number published by a payment provider.
pub(super) fn test_card(value: &[u8]) -> bool {
    may_be_test(value) && Printed::of(value).is_some_and(|printed| is_test_card(&printed))
}

/// A number that starts with a zero spells another one.
fn is_test_card(printed: &Printed) -> bool {
    printed.digits().first() != Some(&0) && TEST_CARDS.binary_search(&printed.number()).is_ok()
}

fn is_card(value: &[u8]) -> bool {
    may_be_issued(value)
        && Printed::of(value).is_some_and(|printed| {
            let digits = printed.digits();
            let rest = digits.get(1..).unwrap_or_default();
            printed.holds()
                && printed.is_issued()
                && !rest.windows(2).all(|pair| pair.first() == pair.last())
                && distinct(digits) > 2
                && !is_test_card(&printed)
        })
}

/// How many different digits there are: `4000 0000 0000 0002` is nobody's card.
fn distinct(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0_u32, |seen, digit| seen | 1 << digit)
        .count_ones()
}

/// The basic account number of each country: runs of digits (`n`), upper-case letters (`a`) and
/// either (`c`). Source: SWIFT IBAN registry.
const IBAN_STRUCTURES: &[(&[u8; 2], &str)] = &[
    (b"AD", "8n12c"),
    (b"AE", "19n"),
    (b"AL", "8n16c"),
    (b"AT", "16n"),
    (b"AZ", "4a20c"),
    (b"BA", "16n"),
    (b"BE", "12n"),
    (b"BG", "4a6n8c"),
    (b"BH", "4a14c"),
    (b"BI", "23n"),
    (b"BR", "23n1a1c"),
    (b"BY", "4c4n16c"),
    (b"CH", "5n12c"),
    (b"CR", "18n"),
    (b"CY", "8n16c"),
    (b"CZ", "20n"),
    (b"DE", "18n"),
    (b"DJ", "23n"),
    (b"DK", "14n"),
    (b"DO", "4c20n"),
    (b"EE", "16n"),
    (b"EG", "25n"),
    (b"ES", "20n"),
    (b"FI", "14n"),
    (b"FK", "2a12n"),
    (b"FO", "14n"),
    (b"FR", "10n11c2n"),
    (b"GB", "4a14n"),
    (b"GE", "2a16n"),
    (b"GI", "4a15c"),
    (b"GL", "14n"),
    (b"GR", "7n16c"),
    (b"GT", "24c"),
    (b"HN", "4a20n"),
    (b"HR", "17n"),
    (b"HU", "24n"),
    (b"IE", "4a14n"),
    (b"IL", "19n"),
    (b"IQ", "4a15n"),
    (b"IS", "22n"),
    (b"IT", "1a10n12c"),
    (b"JO", "4a4n18c"),
    (b"KW", "4a22c"),
    (b"KZ", "3n13c"),
    (b"LB", "4n20c"),
    (b"LC", "4a24c"),
    (b"LI", "5n12c"),
    (b"LT", "16n"),
    (b"LU", "3n13c"),
    (b"LV", "4a13c"),
    (b"LY", "21n"),
    (b"MC", "10n11c2n"),
    (b"MD", "20c"),
    (b"ME", "18n"),
    (b"MK", "3n10c2n"),
    (b"MN", "16n"),
    (b"MR", "23n"),
    (b"MT", "4a5n18c"),
    (b"MU", "4a19n3a"),
    (b"NI", "4a20n"),
    (b"NL", "4a10n"),
    (b"NO", "11n"),
    (b"OM", "3n16c"),
    (b"PK", "4a16c"),
    (b"PL", "24n"),
    (b"PS", "4a21c"),
    (b"PT", "21n"),
    (b"QA", "4a21c"),
    (b"RO", "4a16c"),
    (b"RS", "18n"),
    (b"RU", "14n15c"),
    (b"SA", "2n18c"),
    (b"SC", "4a20n3a"),
    (b"SD", "14n"),
    (b"SE", "20n"),
    (b"SI", "15n"),
    (b"SK", "20n"),
    (b"SM", "1a10n12c"),
    (b"SO", "19n"),
    (b"ST", "21n"),
    (b"SV", "4a20n"),
    (b"TL", "19n"),
    (b"TN", "20n"),
    (b"TR", "6n16c"),
    (b"UA", "6n19c"),
    (b"VA", "18n"),
    (b"VG", "4a16n"),
    (b"XK", "16n"),
    (b"YE", "4a4n18c"),
];

/// What stands at each place of a country's basic account number: `n`, `a` or `c`.
fn account_classes(country: &[u8]) -> Option<impl Iterator<Item = u8> + Clone + use<>> {
    let (_, structure) = IBAN_STRUCTURES
        .iter()
        .find(|(known, _)| known.as_slice() == country)?;
    let runs = structure.split_inclusive(|letter: char| letter.is_ascii_lowercase());
    Some(runs.flat_map(|run| {
        let (count, class) = run.split_at(run.len() - 1);
        let class = class.bytes().next().unwrap_or(b'c');
        std::iter::repeat_n(class, count.parse().unwrap_or(0))
    }))
}

/// How many characters the account numbers of each country have, head included, by its two letters; zero where
/// none are issued.
static IBAN_LENGTHS: [u8; 26 * 26] = {
    let (mut lengths, mut rest) = ([0; 26 * 26], IBAN_STRUCTURES);
    while let [([one, other], structure), others @ ..] = rest {
        let (mut length, mut run, mut bytes) = (4, 0, structure.as_bytes());
        while let [byte, next @ ..] = bytes {
            if byte.is_ascii_digit() {
                run = run * 10 + (*byte - b'0');
            } else {
                length += run;
                run = 0;
            }
            bytes = next;
        }
        let (_, from) =
            lengths.split_at_mut((*one - b'A') as usize * 26 + (*other - b'A') as usize);
        if let [there, ..] = from {
            *there = length;
        }
        rest = others;
    }
    lengths
};

/// Whether an IBAN may start here: as many characters as its country writes, with single separators, leave the rest
/// that they should.
pub(super) fn may_be_iban(there: &[u8]) -> bool {
    let Some(head @ [one, other, tens, ones]) = there.first_chunk::<4>() else {
        return true;
    };
    let letter = |letter: &u8| usize::from(letter.to_ascii_uppercase().wrapping_sub(b'A'));
    let country = letter(one) * 26 + letter(other);
    let length = IBAN_LENGTHS.get(country).copied().unwrap_or_default();
    let is_head = one.is_ascii_alphabetic() && other.is_ascii_alphabetic();
    if !is_head || length == 0 || !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return false;
    }
    let (mut rest, mut left, mut separated) = (0_u64, length - 4, false);
    for byte in there.iter().skip(head.len()) {
        if left == 0 {
            break;
        }
        let Some(value) = char::from(*byte).to_digit(36) else {
            if separated || !matches!(byte, b' ' | b'-') {
                return false;
            }
            separated = true;
            continue;
        };
        separated = false;
        left -= 1;
        rest = rest * if value < 10 { 10 } else { 100 } + u64::from(value);
        if rest >= 1 << 50 {
            rest %= 97;
        }
    }
    let letters = [one, other].map(|letter| char::from(*letter).to_digit(36).unwrap_or_default());
    let digits = u64::from(tens - b'0') * 10 + u64::from(ones - b'0');
    let [one, other] = letters.map(u64::from);
    let head = one * 10_000 + other * 100 + digits;
    left > 0 || (rest % 97 * 1_000_000 + head) % 97 == 1
}

/// IBAN (ISO 13616): two check digits, the country's account number, and mod 97 = 1 with the first
/// four characters last.
pub(super) fn iban(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((head, account)) = text.split_at_checked(4) else {
        return false;
    };
    let (country, check) = head.split_at(2);
    let fits = |(byte, class): (&u8, u8)| match class {
        b'n' => byte.is_ascii_digit(),
        b'a' => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_alphanumeric(),
    };
    account_classes(country).is_some_and(|classes| {
        classes.clone().count() == account.len()
            && account.iter().zip(classes).all(fits)
            && check.iter().all(u8::is_ascii_digit)
            && same_separator(value)
            && mod_97(account.iter().chain(head).copied()) == Some(1)
    })
}

/// An IBAN made of the bytes, in their case: the country if it is one, its account number, and
/// check digits that make [`iban`] hold.
pub(super) fn sign_iban(value: &mut Vec<u8>) {
    let text = compact(value);
    let country = text.get(..2).unwrap_or_default();
    let country = match account_classes(country) {
        Some(_) => country,
        None => b"DE",
    };
    let classes = account_classes(country).into_iter().flatten();
    let drawn = text.get(4..).unwrap_or_default().iter().cycle();
    let fit = |(class, byte): (u8, &u8)| match class {
        b'n' => b'0' + byte % 10,
        b'a' => b'A' + byte % 26,
        _ => *byte,
    };
    let account: Vec<u8> = classes.zip(drawn).map(fit).collect();
    let rest = mod_97(account.iter().chain(country).chain(b"00").copied()).unwrap_or(0);
    let lower = value.first().is_some_and(u8::is_ascii_lowercase);
    *value = [country, format!("{:02}", 98 - rest).as_bytes(), &account].concat();
    if lower {
        value.make_ascii_lowercase();
    }
}

/// US bank routing number: weights 3-7-1, and a first pair that a Federal Reserve district has.
pub(super) fn aba(value: &[u8]) -> bool {
    let Some(digits) = digits(value) else {
        return false;
    };
    let district = digits.get(..2).map_or(99, number);
    digits.len() == 9
        && matches!(district, 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// CUSIP-like check used by none of the above is left out on purpose; BIC: four letters, a
/// country of the IBAN registry or another ISO 3166 country with banks, location, branch.
pub(super) fn bic(value: &[u8]) -> bool {
    const MORE: &[&[u8; 2]] = &[
        b"US", b"CA", b"AU", b"NZ", b"JP", b"CN", b"HK", b"SG", b"IN", b"KR", b"TW", b"TH", b"MY",
        b"ID", b"PH", b"VN", b"ZA", b"NG", b"KE", b"MX", b"AR", b"CL", b"CO", b"PE", b"MA",
    ];
    let country = value.get(4..6).unwrap_or_default();
    matches!(value.len(), 8 | 11)
        && (IBAN_STRUCTURES
            .iter()
            .any(|(known, _)| known.as_slice() == country)
            || MORE.iter().any(|known| known.as_slice() == country))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_numbers_are_sorted() {
        assert!(TEST_CARDS.is_sorted());
    }

    #[test]
    fn cards_need_issuer_length_and_luhn() {
        assert!(card(b"4539 1488 0343 6467"));
        assert!(card(b"4539148803436467"));
        assert!(!card(b"4539 1488 0343 6468"));
        assert!(!card(b"4539 14880343 6467"));
        assert!(!card(b"4242 4242 4242 4242") && test_card(b"4242 4242 4242 4242"));
        assert!(!card(b"0000000000000000") && !card(b"4444444444444448"));
    }

    #[test]
    fn ibans_need_length_and_mod_97() {
        assert!(iban(b"DE89 3704 0044 0532 0130 00"));
        assert!(iban(b"GB82WEST12345698765432"));
        assert!(!iban(b"GB82WEST12345698765433"));
        assert!(!iban(b"DE8937040044053201300"));
        // The same check digits, a letter where the registry has a digit, and the other way round.
        assert!(iban(b"NL91ABNA0417164300") && iban(b"FR1420041010050500013M02606"));
        assert!(!iban(b"DE40 3704 0044 0532 01A0 00") && !iban(b"GB54123412345698765432"));
        for (country, _) in IBAN_STRUCTURES {
            let mut made = [country.as_slice(), b"00AB12CD34"].concat();
            sign_iban(&mut made);
            assert!(iban(&made), "{}", String::from_utf8_lossy(&made));
        }
    }

    #[test]
    fn routing_numbers_belong_to_a_district() {
        assert!(aba(b"021000021") && aba(b"011401533"));
        assert!(!aba(b"021000022") && !aba(b"991000029"));
    }
}
