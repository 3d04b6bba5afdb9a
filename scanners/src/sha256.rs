//! SHA-256 of short texts, one block each.
//!
//! Where thousands of findings follow each other, half the time of a hash by the crate's own interface goes into
//! copying and wiping its buffers. What is longer than a block, or comes in pieces, takes that interface.

use sha2::block_api::compress256;

/// The state before the first block (FIPS 180-4, section 5.3.3).
pub(crate) const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// What is kept between two blocks.
pub(crate) type State = [u32; 8];

/// How many bytes a block has.
pub(crate) const BLOCK: usize = 64;

/// The hash of a text of which so many blocks have left this state and these bytes are the rest; `None` if they
/// need more than a block, with the length of the text behind them.
pub(crate) fn finish((mut state, blocks): (State, u64), rest: &[u8]) -> Option<[u8; 32]> {
    let mut block = [0; BLOCK];
    let (text, length) = block.split_last_chunk_mut::<8>()?;
    let (there, after) = text.split_at_mut_checked(rest.len())?;
    there.copy_from_slice(rest);
    *after.first_mut()? = 0x80;
    *length = ((blocks * BLOCK as u64 + rest.len() as u64) * 8).to_be_bytes();
    compress256(&mut state, &[block]);
    let mut hash = [0; 32];
    for (to, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    Some(hash)
}

/// The state after one more block.
pub(crate) fn after(mut state: State, block: &[u8; BLOCK]) -> State {
    compress256(&mut state, &[*block]);
    state
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    proptest! {
        #[test]
        fn hashes_are_those_of_the_crate(text in proptest::collection::vec(any::<u8>(), 0..140)) {
            let crates: [u8; 32] = Sha256::digest(&text).into();
            let state = text.first_chunk().map(|first| (after(START, first), 1));
            let blocks = if state.is_some() { BLOCK } else { 0 };
            let said = finish(state.unwrap_or((START, 0)), &text[blocks..]);
            prop_assert_eq!(said, (text.len() - blocks < 56).then_some(crates));
        }
    }
}
