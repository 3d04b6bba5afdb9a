//! What the digits of a number add up to if its check holds: a quick no, before the check is asked.
//!
//! A number could start at every digit of a text, and for each row whose word stands near, the check of each of
//! them is asked. Nine of ten fail by a sum, which takes a nanosecond where the digits are at hand.

use super::numbers::product_11_10;
use crate::number::Number;

/// So many digits are weighed.
const WEIGHED: usize = 16;

/// The first digits of a number, read once for all checks, and what Luhn makes of each of them where it
/// counts twice.
pub(crate) struct Figures {
    plain: [u8; WEIGHED],
    doubled: [u8; WEIGHED],
}

impl Figures {
    /// The first digits of the number at the start of `there`.
    pub(crate) fn of(number: Number, there: &[u8]) -> Figures {
        let mut plain = [0; WEIGHED];
        for (to, digit) in plain.iter_mut().zip(number.digits_in(there)) {
            *to = digit;
        }
        Figures {
            plain,
            doubled: plain.map(|digit| digit * 2 - if digit > 4 { 9 } else { 0 }),
        }
    }

    /// Whether ISO 7064 mod 11, 10 holds for the first so many of them.
    fn hold_product(&self, length: usize) -> bool {
        let digits = self.plain.get(..length).and_then(<[u8]>::split_last);
        digits.is_some_and(|(check, body)| {
            let next = |product, digit: &u8| product_11_10(product, u32::from(*digit));
            let product = body.iter().fold(10, next);
            (product + u32::from(*check)) % 10 == 1
        })
    }
}

/// What a check asks of the digits of numbers, by how many there are.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    sums: Vec<Sum>,
    /// For each length the number of its sum, from one on; zero where nothing is asked.
    by_length: [u8; WEIGHED + 1],
}

impl Sums {
    /// What the check of this name asks.
    pub(super) fn of(check: &str) -> Sums {
        let sums = Sum::of(check);
        let mut by_length = [0; WEIGHED + 1];
        for (number, sum) in (1..).zip(&sums) {
            if let Some(place) = by_length.get_mut(sum.length) {
                *place = number;
            }
        }
        Sums { sums, by_length }
    }

    /// What is asked of numbers of so many digits.
    #[inline]
    pub(crate) fn of_length(&self, length: usize) -> Option<&Sum> {
        let number = usize::from(*self.by_length.get(length)?);
        self.sums.get(number.checked_sub(1)?)
    }
}

/// The sum of the weighted digits of numbers of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many digits they have.
    pub(crate) length: usize,
    plain: [u8; WEIGHED],
    doubled: [u8; WEIGHED],
    modulus: u16,
    /// The rests that a number for which the check holds leaves, as bits.
    rests: u16,
    /// The first two digits that it may have, as bits.
    openings: u128,
    /// Whether it is no sum, but the product of ISO 7064 mod 11, 10 over all digits.
    is_product: bool,
}

impl Sum {
    /// Whether the check may hold for a number that starts like this.
    #[inline]
    pub(crate) fn may_open(&self, there: &[u8]) -> bool {
        let value = |digit: &u8| u32::from(digit.wrapping_sub(b'0'));
        match there {
            [tens, ones, ..] if ones.is_ascii_digit() => {
                let opening = value(tens) * 10 + value(ones);
                self.openings >> opening.min(127) & 1 == 1
            }
            _ => true,
        }
    }

    /// Whether the check may hold for a number of this length that starts with these digits.
    #[inline]
    pub(crate) fn may_hold(&self, figures: &Figures) -> bool {
        if self.is_product {
            return figures.hold_product(self.length);
        }
        let of = |digits: &[u8; WEIGHED], weights: &[u8; WEIGHED]| {
            let terms = digits.iter().zip(weights);
            let terms = terms.map(|(digit, weight)| u16::from(*digit) * u16::from(*weight));
            terms.sum::<u16>()
        };
        let mut sum = of(&figures.plain, &self.plain);
        sum += of(&figures.doubled, &self.doubled);
        self.rests >> (sum % self.modulus) & 1 == 1
    }

    fn new(weights: &[u8], modulus: u16, rests: &[u16]) -> Sum {
        let mut plain = [0; WEIGHED];
        for (to, weight) in plain.iter_mut().zip(weights) {
            *to = *weight;
        }
        Sum {
            length: weights.len(),
            plain,
            doubled: [0; WEIGHED],
            modulus,
            rests: rests.iter().fold(0, |rests, rest| rests | 1 << rest),
            openings: u128::MAX,
            is_product: false,
        }
    }

    /// The product of ISO 7064 mod 11, 10 over so many digits.
    fn product(length: usize) -> Sum {
        Sum {
            length,
            is_product: true,
            ..Sum::new(&[], 10, &[1])
        }
    }

    /// Luhn over the last `count` of so many digits, with this rest.
    fn luhn(length: usize, count: usize, rest: u16) -> Sum {
        let (mut plain, mut doubled) = ([0; WEIGHED], [0; WEIGHED]);
        for place in length - count..length {
            let weights = match (length - place) % 2 {
                1 => &mut plain,
                _ => &mut doubled,
            };
            if let Some(weight) = weights.get_mut(place) {
                *weight = 1;
            }
        }
        Sum {
            plain,
            doubled,
            length,
            ..Sum::new(&[], 10, &[rest])
        }
    }

    /// Only with these first digits.
    fn starting(self, first: impl Fn(u32) -> bool) -> Sum {
        let openings = (0..100).filter(|opening| first(opening / 10));
        Sum {
            openings: openings.fold(0, |all, opening| all | 1 << opening),
            ..self
        }
    }

    /// What the check of this name asks of numbers of each length that it may hold for; nothing is said of other
    /// lengths. A check digit that is to be the rest of a sum weighs one less than the modulus.
    fn of(check: &str) -> Vec<Sum> {
        let elevens = |weights: &[u8], rests: &[u16]| vec![Sum::new(weights, 11, rests)];
        let tens = |weights: &[u8]| vec![Sum::new(weights, 10, &[0])];
        match check {
            "aba" => tens(&[3, 7, 1, 3, 7, 1, 3, 7, 1]),
            "npi" => vec![Sum::luhn(10, 10, 6).starting(|first| matches!(first, 1 | 2))],
            "nit" => vec![
                Sum::new(&[37, 29, 23, 19, 17, 13, 7, 3, 1], 11, &[0, 2]),
                Sum::new(&[41, 37, 29, 23, 19, 17, 13, 7, 3, 1], 11, &[0, 2]),
            ],
            "au-medicare" => [
                &[1, 3, 7, 9, 1, 3, 7, 9, 9, 0],
                &[1, 3, 7, 9, 1, 3, 7, 9, 9, 0, 0][..],
            ]
            .map(|weights| Sum::new(weights, 10, &[0]).starting(|first| (2..=6).contains(&first)))
            .into(),
            "il-id" | "sin" => vec![Sum::luhn(9, 9, 0)],
            "imei" => vec![Sum::luhn(15, 15, 0)],
            "card" | "card-bare" => (12..=WEIGHED)
                .map(|length| Sum {
                    openings: super::money::ISSUED,
                    ..Sum::luhn(length, length, 0)
                })
                .collect(),
            "hr-oib" => vec![Sum::product(11)],
            "de-tax-id" => vec![Sum::product(11).starting(|first| first > 0)],
            "za-id" => vec![Sum::luhn(13, 13, 0)],
            "gr-amka" => vec![Sum::luhn(11, 11, 0)],
            "se-personal" => vec![Sum::luhn(10, 10, 0), Sum::luhn(12, 10, 0)],
            "nhs" => elevens(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], &[0]),
            "utr" => elevens(&[1, 6, 7, 8, 9, 10, 5, 4, 3, 2], &[0, 2]),
            "at-svnr" => elevens(&[3, 7, 9, 10, 5, 8, 4, 2, 1, 6], &[0]),
            "ch-ahv" => {
                vec![
                    Sum::new(&[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1], 10, &[0])
                        .starting(|first| first == 7),
                ]
            }
            "pt-nif" => elevens(&[9, 8, 7, 6, 5, 4, 3, 2, 1], &[0, 1]),
            "nl-bsn" => elevens(&[9, 8, 7, 6, 5, 4, 3, 2, 10], &[0]),
            "pl-pesel" => tens(&[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]),
            "pl-nip" => elevens(&[6, 5, 7, 2, 3, 4, 5, 6, 7, 10], &[0]),
            "pl-regon" => elevens(&[8, 9, 2, 3, 4, 5, 6, 7, 10], &[0, 10]),
            "no-fnr" => elevens(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], &[0]),
            "ro-cnp" => elevens(&[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9, 10], &[0, 9]),
            "bg-egn" => elevens(&[2, 4, 8, 5, 10, 9, 7, 3, 6, 10], &[0, 10]),
            "si-emso" => elevens(&[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], &[0, 1]),
            "tr-tckn" => tens(&[7, 9, 7, 9, 7, 9, 7, 9, 7, 9, 0]),
            "jp-my-number" => elevens(&[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], &[0, 1]),
            "th-citizen" => elevens(&[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], &[0, 1]),
            "au-tfn" => elevens(&[1, 4, 3, 7, 5, 8, 6, 9, 10], &[0]),
            "au-acn" => tens(&[8, 7, 6, 5, 4, 3, 2, 1, 1]),
            "cuit" => elevens(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], &[0, 10]),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checks::{Verdict, all};

    /// No number for which a check holds is ruled out: all checks that weigh, over numbers of their lengths
    /// that are made to hold by trying the last digits.
    #[test]
    fn no_number_is_ruled_out_for_which_the_check_holds() {
        let mut maker = crate::ExampleMaker::new(3);
        let mut seen = 0;
        for check in all() {
            let (sums, mut held) = (Sum::of(check.name()), 0);
            for sum in &sums {
                assert_eq!(Sums::of(check.name()).of_length(sum.length), Some(sum));
                for _ in 0..20_000 {
                    let digits: String = (0..sum.length)
                        .map(|_| char::from(b'0' + u8::try_from(maker.below(10)).unwrap()))
                        .collect();
                    let digits = if check.name() == "ch-ahv" {
                        format!("756{}", &digits[3..])
                    } else {
                        digits
                    };
                    if check.verdict(digits.as_bytes()) == Verdict::Holds {
                        held += 1;
                        let figures =
                            Figures::of(Number::at(digits.as_bytes(), true), digits.as_bytes());
                        let may_hold = sum.may_open(digits.as_bytes()) && sum.may_hold(&figures);
                        assert!(may_hold, "{} {digits}", check.name());
                    }
                }
            }
            assert!(sums.is_empty() || held > 0, "{}", check.name());
            seen += usize::from(!sums.is_empty());
        }
        assert!(seen > 25, "{seen}");
    }

    proptest! {
        #[test]
        fn figures_are_the_digits(text in "[0-9]([ -]?[0-9]){0,30}") {
            let figures = Figures::of(Number::at(text.as_bytes(), true), text.as_bytes());
            let digits = text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0');
            let naive: Vec<u8> = digits.chain([0; WEIGHED]).take(WEIGHED).collect();
            prop_assert_eq!(&figures.plain[..], &naive[..]);
        }
    }
}
