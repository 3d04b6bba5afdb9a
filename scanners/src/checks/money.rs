//! Cards and bank accounts.

use super::numbers::{
    compact, digits, grouped_as, is_repeated, luhn, mod_97, number, same_separator, weighted,
};

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

/// Numbers that payment providers publish for tests.
const TEST_CARDS: &[&[u8]] = &[
    b"4242424242424242",
    b"4000056655665556",
    b"5555555555554444",
    b"2223003122003222",
    b"5200828282828210",
    b"5105105105105100",
    b"378282246310005",
    b"371449635398431",
    b"6011111111111117",
    b"6011000990139424",
    b"3056930009020004",
    b"36227206271667",
    b"3566002020360505",
    b"6200000000000005",
    b"4111111111111111",
    b"4012888888881881",
    b"4222222222222",
    b"30569309025904",
    b"38520000023237",
    b"3530111333300000",
    b"378734493671000",
    b"5610591081018250",
    b"4000000000000002",
    b"4000000000009995",
    b"4242424242424241",
    b"4917610000000000",
    b"4005519200000004",
    b"4009348888881881",
    b"5431111111111111",
    b"2223000048400011",
    b"6304000000000000",
    b"4000000000000077",
    b"4000002500003155",
    b"4000000000003220",
    b"4000000000000069",
    b"4000000000000127",
    b"5019717010103742",
    b"6331101999990016",
    b"4035501000000008",
    b"4444333322221111",
];

/// How the networks print numbers.
const CARD_GROUPS: &[&[usize]] = &[
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 1],
    &[6, 13],
    &[4, 4, 4, 2],
    &[4, 4, 5],
];

/// A payment card that is not a published test number: Luhn, issuer range and length, printed as
/// cards are, not one digit repeated.
pub(super) fn card(value: &[u8]) -> bool {
    is_card(value) && !is_test_card(value)
}

/// A test number published by a payment provider.
pub(super) fn test_card(value: &[u8]) -> bool {
    grouped_as(value, CARD_GROUPS) && is_test_card(value)
}

fn is_test_card(value: &[u8]) -> bool {
    let number = compact(value);
    TEST_CARDS.contains(&number.as_slice())
}

fn is_card(value: &[u8]) -> bool {
    let Some(digits) = digits(value).filter(|digits| luhn(digits)) else {
        return false;
    };
    let prefix = digits.get(..6).map_or(0, number);
    let issued = ISSUERS.iter().any(|(first, last, lengths)| {
        (*first..=*last).contains(&prefix) && lengths.contains(&digits.len())
    });
    issued
        && grouped_as(value, CARD_GROUPS)
        && !digits.get(1..).is_some_and(is_repeated)
        && distinct(&digits) > 2
}

/// How many different digits there are: `4000 0000 0000 0002` is nobody's card.
fn distinct(digits: &[u32]) -> u32 {
    digits
        .iter()
        .fold(0_u32, |seen, digit| seen | 1 << digit)
        .count_ones()
}

/// Length of the IBAN by country. Source: SWIFT IBAN registry.
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// IBAN (ISO 13616): the country's length, and mod 97 = 1 with the first four characters last.
pub(super) fn iban(value: &[u8]) -> bool {
    let text = compact(value);
    let Some((head, rest)) = text.split_at_checked(4) else {
        return false;
    };
    let length = IBAN_LENGTHS
        .iter()
        .find(|(country, _)| head.starts_with(*country));
    length.is_some_and(|(_, length)| *length == text.len())
        && same_separator(value)
        && mod_97(rest.iter().chain(head).copied()) == Some(1)
}

/// The check digits that make [`iban`] hold, and the length its country wants.
pub(super) fn sign_iban(value: &mut Vec<u8>) {
    let mut text = compact(value).to_vec();
    let country = IBAN_LENGTHS
        .iter()
        .find(|(country, _)| text.starts_with(*country));
    let length = country.map_or(22, |(_, length)| *length);
    if country.is_none() {
        text.splice(..2, *b"DE");
    }
    text.resize(length, b'0');
    text.splice(2..4, *b"00");
    let head: Vec<u8> = text.drain(..4).collect();
    let rest = mod_97(text.iter().chain(&head).copied()).unwrap_or(0);
    let country = head.get(..2).unwrap_or_default();
    *value = [country, format!("{:02}", 98 - rest).as_bytes(), &text].concat();
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
        && (IBAN_LENGTHS
            .iter()
            .any(|(known, _)| known.as_slice() == country)
            || MORE.iter().any(|known| known.as_slice() == country))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut made = b"FR00AB12".to_vec();
        sign_iban(&mut made);
        assert!(iban(&made));
    }

    #[test]
    fn routing_numbers_belong_to_a_district() {
        assert!(aba(b"021000021") && aba(b"011401533"));
        assert!(!aba(b"021000022") && !aba(b"991000029"));
    }
}
