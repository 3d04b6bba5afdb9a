//! Text made to have as much decoded as possible ends in a refusal, soon, and in every cut.

mod support;

use egret_scanners::{Carrier, ScanError};
use proptest::prelude::*;
use support::*;

/// What is encoded in every way, also in what it decodes to.
const PIECES: [&str; 14] = [
    "%25", "%2", "\\u0025", "&#37;", "=25", "=3D", "%3D", "&amp;", "%26", "\\u0026", "#38;", "5",
    "+ACU-", "\u{200b}",
];

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn what_decodes_to_more_and_more_is_refused_or_read_in_every_cut(
        pieces in proptest::collection::vec(0..PIECES.len(), 1..600),
        size in 1_usize..5000,
    ) {
        let text: String = pieces.iter().filter_map(|piece| PIECES.get(*piece).copied()).collect();
        let scanner = scanner();
        let whole = scan(&scanner, &Carrier::Text, [text.as_bytes()]);
        let split = scan(&scanner, &Carrier::Text, text.as_bytes().chunks(size));
        let refused = [Err(ScanError::WorkBudget), Err(ScanError::Depth)];
        let (whole, split) = (brief(&whole).map(drop), brief(&split).map(drop));
        prop_assert!(whole == split || refused.contains(&whole) && refused.contains(&split));
    }
}
