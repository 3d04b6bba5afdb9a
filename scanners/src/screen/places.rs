//! The places of characters in the groups of four of base64, and rows of them, by bits.

/// The characters of each place in the groups of four of an alignment.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) first: u128,
    pub(super) second: u128,
    pub(super) third: u128,
    pub(super) fourth: u128,
}

/// The places where the first bit is of the character with this number.
#[inline]
pub(super) fn places(index: u64, alignment: usize) -> Places {
    let phase = index.wrapping_sub(alignment as u64) & 3;
    let at = |place: u64| EVERY_FOURTH << (place.wrapping_sub(phase) & 3);
    Places {
        first: at(0),
        second: at(1),
        third: at(2),
        fourth: at(3),
    }
}

/// Which characters complete bytes of a set, whatever their place in the group.
#[inline]
pub(super) fn by_place([first, second, third]: [u128; 3], places: Places) -> u128 {
    first & places.second | second & places.third | third & places.fourth
}

const EVERY_FOURTH: u128 = u128::MAX / 15;

/// Where so many bits in a row are set.
pub(crate) fn run_of<const COUNT: usize>(mask: u128) -> u128 {
    let (mut run, mut length) = (mask, 1);
    while 2 * length <= COUNT {
        run &= run >> length;
        length *= 2;
    }
    run & run >> (COUNT - length)
}

/// Where a bit is set, or one of the `REACH` after it.
pub(super) fn near<const REACH: usize>(mask: u128) -> u128 {
    let (mut near, mut length) = (mask, 1);
    while 2 * length <= REACH + 1 {
        near |= near >> length;
        length *= 2;
    }
    near | near >> (REACH + 1 - length)
}
