//! Host names in addresses.

/// Top-level domains of more than two letters in common use. Two letters are taken for a country.
/// Sorted. Source: IANA root zone database; names that are also ordinary words of code are left out.
const TOP_LEVEL: &[&[u8]] = &[
    b"academy",
    b"agency",
    b"app",
    b"art",
    b"asia",
    b"audio",
    b"bank",
    b"berlin",
    b"best",
    b"bio",
    b"biz",
    b"blog",
    b"business",
    b"cafe",
    b"capital",
    b"care",
    b"cat",
    b"chat",
    b"church",
    b"city",
    b"clinic",
    b"cloud",
    b"club",
    b"coach",
    b"com",
    b"community",
    b"company",
    b"consulting",
    b"coop",
    b"cymru",
    b"dental",
    b"design",
    b"dev",
    b"digital",
    b"direct",
    b"edu",
    b"education",
    b"email",
    b"energy",
    b"engineering",
    b"estate",
    b"eus",
    b"expert",
    b"family",
    b"farm",
    b"finance",
    b"fitness",
    b"foundation",
    b"fun",
    b"fund",
    b"gal",
    b"gallery",
    b"games",
    b"global",
    b"gmbh",
    b"gov",
    b"group",
    b"guru",
    b"hamburg",
    b"health",
    b"help",
    b"homes",
    b"hospital",
    b"host",
    b"house",
    b"inc",
    b"info",
    b"ink",
    b"institute",
    b"insurance",
    b"int",
    b"international",
    b"jobs",
    b"koeln",
    b"land",
    b"law",
    b"legal",
    b"life",
    b"live",
    b"llc",
    b"london",
    b"ltd",
    b"management",
    b"market",
    b"marketing",
    b"media",
    b"mil",
    b"mobi",
    b"museum",
    b"name",
    b"net",
    b"network",
    b"news",
    b"ngo",
    b"ninja",
    b"nyc",
    b"one",
    b"ong",
    b"online",
    b"org",
    b"page",
    b"paris",
    b"partners",
    b"photography",
    b"photos",
    b"plus",
    b"press",
    b"pro",
    b"productions",
    b"properties",
    b"pub",
    b"quebec",
    b"rocks",
    b"run",
    b"school",
    b"scot",
    b"services",
    b"shop",
    b"site",
    b"ski",
    b"social",
    b"software",
    b"solutions",
    b"space",
    b"store",
    b"studio",
    b"support",
    b"swiss",
    b"systems",
    b"team",
    b"tech",
    b"technology",
    b"tel",
    b"tips",
    b"today",
    b"tokyo",
    b"top",
    b"tours",
    b"town",
    b"training",
    b"travel",
    b"tv",
    b"university",
    b"vegas",
    b"ventures",
    b"vip",
    b"wales",
    b"wang",
    b"website",
    b"wien",
    b"wiki",
    b"wine",
    b"work",
    b"works",
    b"world",
    b"wtf",
    b"xyz",
    b"yoga",
    b"zone",
];

/// The longest of them.
const LONGEST: usize = 16;
/// The names as numbers, in the same order: one comparison each.
const NUMBERS: [u128; TOP_LEVEL.len()] = {
    let mut numbers = [0; TOP_LEVEL.len()];
    let (mut names, mut left) = (TOP_LEVEL, numbers.as_mut_slice());
    while let ([name, others @ ..], [first, rest @ ..]) = (names, left) {
        *first = number(name);
        (names, left) = (others, rest);
    }
    numbers
};

/// A name of at most [`LONGEST`] letters as a number, whatever their case, in the order of names.
const fn number(mut name: &[u8]) -> u128 {
    let (mut number, mut room) = (0, u128::BITS);
    while let [first, rest @ ..] = name {
        room -= u8::BITS;
        number |= (first.to_ascii_lowercase() as u128) << room;
        name = rest;
    }
    number
}

/// An e-mail address whose domain ends in a country code, a common top-level domain, or an
/// internationalised one: `via@agent.tool` is code.
pub(super) fn email(address: &[u8]) -> bool {
    let last = address
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default();
    match last.len() {
        2 => last.iter().all(u8::is_ascii_alphabetic),
        3..=LONGEST if NUMBERS.binary_search(&number(last)).is_ok() => true,
        _ => last
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"xn--")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted() {
        assert!(TOP_LEVEL.is_sorted() && NUMBERS.is_sorted());
        assert!(TOP_LEVEL.iter().all(|name| name.len() <= LONGEST));
    }

    #[test]
    fn code_is_no_address() {
        assert!(email(b"jane@corp.co.uk") && email(b"jane@corp.COM") && email(b"a@b.xn--p1ai"));
        assert!(!email(b"via@agent.tool") && !email(b"a@b.py3") && !email(b"x@y.instructions"));
    }
}
