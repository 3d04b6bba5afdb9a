//! The first pass: the places of a text at which something could start.
//!
//! Sixty-four bytes at a time: words after a boundary, `@`, `://` and bytes that open an anchor.
//! Of those, the places whose first bytes some anchor has, and those at which a row without an
//! anchor could start by the kind of bytes that follow; and in long words the places within them at which
//! an anchor could stand whose values may be glued to letters. All others cost nothing further.

use crate::ByteSet;
use crate::anchors::Anchors;
use crate::glued::{Glued, GluedPlaces};
use crate::number::{DIGITS, Number};
use crate::rows::{
    ASSIGNING, BASE64_LONG, BESIDES, Before, CAPITAL, Could, Foretold, LONG, PHRASE, Rows, Runs,
    WIDE, WORDS, Word, WordsNear,
};

use crate::simd::{AsciiSet, BLOCK, low, masks, masks_into};

/// How many sets there are.
const SETS: usize = 11;

/// The sets of the first pass.
#[derive(Debug)]
pub(crate) struct FirstPass {
    /// Letters and digits; backslash; other bytes at which something starts; the sets of the gates;
    /// what credentials have besides letters and digits.
    sets: [AsciiSet; SETS],
    /// Anchors that may stand within words.
    glued: GluedPlaces,
    /// Whether rows are to be looked for at every start, or at all that are long.
    everywhere: bool,
    wherever_long: bool,
}

impl FirstPass {
    pub(crate) fn new(anchors: &Anchors, rows: &Rows, glued: &Glued) -> FirstPass {
        let special = anchors.odd_first.with(b"@:");
        let backslash = ByteSet::EMPTY.with(b"\\");
        let [token, plus, slash, dotted] = BESIDES;
        let sets = [
            ByteSet::ALNUM,
            backslash,
            special,
            CAPITAL,
            WIDE,
            WORDS,
            ASSIGNING,
            token,
            plus,
            slash,
            dotted,
        ];
        FirstPass {
            sets: sets.map(AsciiSet::new),
            glued: glued.places(),
            everywhere: rows.everywhere,
            wherever_long: rows.wherever_long,
        }
    }

    /// The places in `bytes` from an index on, and whether the text ends with them.
    pub(crate) fn places<'a>(
        &'a self,
        (anchors, rows): (&'a Anchors, &'a Rows),
        (bytes, ended): (&'a [u8], bool),
        from: usize,
    ) -> Places<'a> {
        let before = from.checked_sub(1).and_then(|before| bytes.get(before));
        let mut places = Places {
            pass: self,
            anchors,
            rows_of: rows,
            bytes,
            ended,
            base: from,
            next: from,
            mask: 0,
            anchored: 0,
            rows: 0,
            here: Masks::default(),
            ahead: Masks::default(),
            beyond: Masks::default(),
            deep: (false, false),
            long: (0, 0),
            joined: before.is_some_and(u8::is_ascii_alphanumeric),
            after_escape: 0,
            escaped: 0b11,
            assigned: before.is_none_or(|byte| ASSIGNING.contains(*byte)),
            spaced: before.is_none_or(|byte| *byte == b' '),
            digits: 0,
            digits_at: usize::MAX,
            known: 0,
            is_quiet: false,
            numbers: u64::MAX,
        };
        places.ahead.read(self, (bytes, ended), from);
        places.beyond.read(self, (bytes, ended), from + BLOCK);
        places
    }
}

/// Which bytes of a block are of which set.
#[derive(Clone, Copy, Default)]
struct Masks {
    /// As [`FirstPass::sets`]. They are written where they stay, and read one by one until the next block is at hand: what
    /// was just written in parts and is read as a whole has to be waited for.
    sets: [u64; SETS],
    /// What is not there yet.
    open: u64,
    /// Whether all bytes are known to be of base64, and of tokens.
    is_base64: bool,
    is_token: bool,
}

impl Masks {
    /// Those of bytes that are not there yet, which may be of the sets of the gates.
    const UNKNOWN: Masks = Masks {
        sets: Masks::GATES,
        open: u64::MAX,
        is_base64: false,
        is_token: false,
    };

    /// The sets of the gates.
    const GATES: [u64; SETS] = [0, 0, 0, u64::MAX, u64::MAX, u64::MAX, 0, 0, 0, 0, 0];

    /// Reads the block at an index. What is not there yet may be of the sets of the gates.
    fn read(&mut self, pass: &FirstPass, (bytes, ended): (&[u8], bool), index: usize) {
        let rest = bytes.get(index..).unwrap_or_default();
        if rest.is_empty() {
            *self = if ended {
                Masks::default()
            } else {
                Masks::UNKNOWN
            };
            return;
        }
        masks_into(rest, &pass.sets, &mut self.sets);
        self.open = 0;
        if rest.len() < BLOCK && !ended {
            self.open = u32::try_from(rest.len()).map_or(0, |length| u64::MAX << length);
            for (mask, gate) in self.sets.iter_mut().zip(Masks::GATES) {
                *mask |= self.open & gate;
            }
        }
        let [alnum, .., token, plus, slash, _] = self.sets;
        self.is_token = alnum | token == u64::MAX;
        self.is_base64 = alnum | token | plus | slash == u64::MAX;
    }

    fn alnum(&self) -> u64 {
        let [alnum, ..] = self.sets;
        alnum
    }

    fn capital(&self) -> u64 {
        let [_, _, _, capital, ..] = self.sets;
        capital
    }

    fn wide(&self) -> u64 {
        let [_, _, _, _, wide, ..] = self.sets;
        wide
    }

    fn words(&self) -> u64 {
        let [_, _, _, _, _, words, ..] = self.sets;
        words
    }

    fn besides(&self) -> [u64; BESIDES.len()] {
        let [.., token, plus, slash, dotted] = self.sets;
        [token, plus, slash, dotted]
    }

    /// Which bytes are letters and digits, or not known.
    fn word(&self) -> u64 {
        self.alnum() | self.open
    }

    /// Which bytes are of [`TIGHT`](crate::rows::TIGHT), or not known.
    fn tight(&self) -> u64 {
        let [token, plus, _, dotted] = self.besides();
        self.word() | token | plus | dotted
    }

    /// Which bytes are of base64, or not known.
    fn base64(&self) -> u64 {
        let [token, plus, slash, _] = self.besides();
        self.word() | token | plus | slash
    }
}

/// A place at which something could start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its index.
    pub(crate) index: usize,
    /// Whether an anchor could.
    pub(crate) is_anchored: bool,
    /// The rows without an anchor that could, if any.
    pub(crate) row: Option<Could>,
}

/// The places of a text, in order. At some of them nothing starts; nothing starts anywhere else.
pub(crate) struct Places<'a> {
    pass: &'a FirstPass,
    anchors: &'a Anchors,
    rows_of: &'a Rows,
    bytes: &'a [u8],
    /// Whether the text ends with them.
    ended: bool,
    /// The index of the first bit of `mask`.
    base: usize,
    /// The index of the block in `ahead`.
    next: usize,
    mask: u64,
    anchored: u64,
    rows: u64,
    /// The block at `base`.
    here: Masks,
    ahead: Masks,
    /// The block after it.
    beyond: Masks,
    /// Whether base64 goes on from all places at `base` for longer than is told, and tokens do.
    deep: (bool, bool),
    /// At which of them [`LONG`] bytes of [`TIGHT`](crate::rows::TIGHT) may start, and [`BASE64_LONG`] of base64.
    long: (u64, u64),
    /// Whether the byte before `next` is a letter or digit.
    joined: bool,
    /// Which of the places at `base` follow the letter of an escape, and the first ones at `next`.
    after_escape: u64,
    escaped: u64,
    /// Whether a value may be assigned at `next`, and whether a space stands before it.
    assigned: bool,
    spaced: bool,
    /// Which bytes of a block and the next one are digits, and the index of the block.
    digits: u128,
    digits_at: usize,
    /// What is known of the words before the next places, this one excluded: whether there are none, and which
    /// rows of digits ask for any.
    known: usize,
    is_quiet: bool,
    numbers: u64,
}

impl Iterator for Places<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        loop {
            while self.mask == 0 {
                if self.next >= self.bytes.len() {
                    return None;
                }
                self.read_block();
            }
            let bit = self.mask.trailing_zeros();
            self.mask &= self.mask - 1;
            let row = self.row(bit);
            let is_anchored = self.anchored >> bit & 1 == 1;
            if is_anchored || row.is_some() {
                return Some(Place {
                    index: self.base + bit as usize,
                    is_anchored,
                    row,
                });
            }
        }
    }
}

impl Places<'_> {
    fn read_block(&mut self) {
        self.here = self.ahead;
        self.base = self.next;
        self.next += BLOCK;
        self.ahead = self.beyond;
        let text = (self.bytes, self.ended);
        self.beyond.read(self.pass, text, self.next + BLOCK);
        let (one, two, three) = (&self.here, &self.ahead, &self.beyond);
        self.deep = (
            one.is_base64 & two.is_base64 & three.is_base64,
            one.is_token & two.is_token & three.is_token,
        );
        let here = &self.here;
        let [alnum, backslash, special, _, _, words, assigning, ..] = here.sets;
        self.after_escape = backslash << 2 | self.escaped;
        let boundary = !(alnum << 1 | u64::from(self.joined)) | self.after_escape;
        let starts = alnum & boundary;
        let assigned = assigning << 1 | u64::from(self.assigned) | self.after_escape;
        let spaces = words & !here.word();
        let introduced = assigned | spaces << 1 | u64::from(self.spaced);
        let (gates, tight, base64) = self.gates((assigned, introduced));
        self.rows = starts & gates;
        self.long = (tight, base64);
        let within = alnum & !starts & tight;
        let glued = if within == 0 { 0 } else { self.glued(within) };
        let words = starts & !special | glued;
        self.anchored = self.anchored_of((words, special), assigning);
        self.mask = self.rows | self.anchored;
        self.joined = alnum >> 63 == 1;
        self.escaped = backslash >> 62;
        self.assigned = assigning >> 63 == 1;
        self.spaced = spaces >> 63 == 1;
    }

    /// Before the next places, this one excluded, no word of any context stands, or only such as these rows of digits
    /// ask for.
    pub(crate) fn know_words_until(&mut self, place: usize, is_quiet: bool, numbers: u64) {
        (self.known, self.is_quiet, self.numbers) = (place, is_quiet, numbers);
    }

    /// The rows that could start at a place of the block, by the runs and the first bytes, if a gate is open
    /// there.
    #[inline]
    fn row(&mut self, bit: u32) -> Option<Could> {
        if self.rows >> bit & 1 == 0 {
            return None;
        }
        let index = self.base + bit as usize;
        let there = self.bytes.get(index..).unwrap_or_default();
        let byte = |back| index.checked_sub(back).and_then(|at| self.bytes.get(at));
        // After the letter of an escape every boundary holds.
        let is_after_escape = self.after_escape >> bit & 1 == 1;
        let before = Before {
            last: byte(1).copied().filter(|_| !is_after_escape),
            second: byte(2).copied(),
        };
        let words_near = if index < self.known {
            WordsNear {
                are_none: self.is_quiet,
                numbers: self.numbers,
            }
        } else {
            WordsNear::UNKNOWN
        };
        let before = (before, words_near);
        let words = [&self.here, &self.ahead, &self.beyond].map(Masks::word);
        let word = Word::from_masks(words, bit, (there, self.ended));
        let (tight, base64) = self.long;
        let is_long = (tight >> bit & 1 == 1, base64 >> bit & 1 == 1);
        let foretold = Foretold::of(self.deep, is_long);
        let runs = || self.runs(bit, there);
        let could = self
            .rows_of
            .could_start(before, there, (word, foretold), runs);
        let is_digit = there.first().is_some_and(u8::is_ascii_digit);
        let number = if is_digit {
            self.number(bit, before)
        } else {
            None
        };
        let could = could.with_number(number);
        could.any().then_some(could)
    }

    /// The runs at a place of the block.
    #[inline]
    fn runs(&self, bit: u32, there: &[u8]) -> Runs {
        let blocks = [&self.here, &self.ahead, &self.beyond];
        let blocks = blocks.map(|block| (block.word(), block.besides()));
        Runs::from_masks(blocks, bit, (there.len(), self.ended))
    }

    /// The number at a place of the block at which a digit stands, if it could be one that is looked for.
    #[inline(never)]
    fn number(&mut self, bit: u32, before: (Before, WordsNear)) -> Option<Number> {
        let index = self.base + bit as usize;
        let there = self.bytes.get(index..).unwrap_or_default();
        if let [_, second, third, ..] = there
            && !second.is_ascii_digit()
            && !third.is_ascii_digit()
            && !self.rows_of.has_short_numbers()
        {
            return None;
        }
        let number = Number::of(self.digits(bit), (there.len(), self.ended));
        let could = self.rows_of.could_be_number(before, (there, number));
        could.then_some(number)
    }

    /// Which of the bytes from a place of the block on are digits.
    #[inline]
    fn digits(&mut self, bit: u32) -> u64 {
        if self.digits_at != self.base {
            let there = self.bytes.get(self.base..).unwrap_or_default();
            let next = there.get(BLOCK..).unwrap_or_default();
            let ([here], [ahead]) = (masks(there, &DIGITS), masks(next, &DIGITS));
            self.digits = u128::from(here) | u128::from(ahead) << BLOCK;
            self.digits_at = self.base;
        }
        low(self.digits >> bit)
    }

    /// Those of these places, within words, at which an anchor could stand that may be glued to what
    /// stands before it. Few texts have such places, so it is kept apart from what all need.
    #[inline(never)]
    fn glued(&self, places: u64) -> u64 {
        let there = self.bytes.get(self.base..).unwrap_or_default();
        let separators = self.both(|block| {
            let [token, ..] = block.besides();
            token | block.open
        });
        self.pass
            .glued
            .of(places, (there, self.here.open), separators)
    }

    /// Which bytes of this block and the next one are of a set.
    #[inline]
    fn both(&self, of: fn(&Masks) -> u64) -> u128 {
        u128::from(of(&self.here)) | u128::from(of(&self.ahead)) << 64
    }

    /// Where some gate is open, where [`LONG`] bytes of [`TIGHT`](crate::rows::TIGHT) begin, and where [`BASE64_LONG`] of
    /// base64.
    fn gates(&self, (assigned, introduced): (u64, u64)) -> (u64, u64, u64) {
        let long = |run: u128| run & run >> (LONG - 8);
        let tight = || low(long(run_of(self.both(Masks::tight), 8)));
        if self.pass.everywhere {
            return (u64::MAX, tight(), u64::MAX);
        }
        let both = |of| self.both(of);
        let capital = low(run_of(both(Masks::capital), 4)) | self.phrases();
        let (is_base64, is_token) = self.deep;
        // All of that is `WIDE`.
        let wide = if is_base64 {
            u128::MAX
        } else {
            run_of(both(Masks::wide), 8)
        };
        let gates = capital | low(wide) & assigned;
        // What else rows are made of is `WIDE`, too.
        let long_wide = low(long(wide));
        if long_wide == 0 {
            return (gates, 0, 0);
        }
        let tight = if is_token { u64::MAX } else { tight() };
        let wide = if self.pass.wherever_long {
            u64::MAX
        } else {
            introduced
        };
        let base64 = if is_base64 {
            0
        } else {
            low(run_of(both(Masks::base64), BASE64_LONG))
        };
        (gates | tight | base64 | long_wide & wide, tight, base64)
    }

    /// Where [`PHRASE`] small letters and spaces begin.
    fn phrases(&self) -> u64 {
        // Wherever in the block they do, they are there at its middle or at its end and behind it.
        let (here, ahead) = (self.here.words(), self.ahead.words());
        let is_within = here & WITHIN_PHRASES == WITHIN_PHRASES;
        if !is_within && (here >> (u64::BITS - 1) & ahead & 1 == 0) {
            return 0;
        }
        let phrase = run_of(self.both(Masks::words), 32);
        low(phrase & phrase >> (PHRASE - 32))
    }

    /// Those of the places at which the first bytes are those of an anchor, or too few; the first of them letters and
    /// digits, the others anything.
    fn anchored_of(&self, (words, others): (u64, u64), assigning: u64) -> u64 {
        let there = self.bytes.get(self.base..).unwrap_or_default();
        // Of `@` nothing is asked here. It is in none of these sets.
        let [token, plus, ..] = self.here.besides();
        let told = words | others & (token | plus | assigning);
        let mut places = match there.first_chunk() {
            Some(block) => self.anchors.may_start_in(block, told) | others & !told,
            None => words | others,
        };
        let mut kept = 0;
        while places != 0 {
            let bit = places.trailing_zeros();
            places &= places - 1;
            let there = there.get(bit as usize..).unwrap_or_default();
            let keep = there.first() == Some(&b'@') || self.anchors.may_stand(there);
            kept |= u64::from(keep) << bit;
        }
        kept
    }
}

/// Which bytes of a block belong to all phrases of [`PHRASE`] bytes that end in it.
const WITHIN_PHRASES: u64 = u64::MAX >> (u64::BITS - PHRASE) & u64::MAX << (u64::BITS - PHRASE);

/// Where `count` bits in a row are set; `count` is a power of two.
fn run_of(mask: u128, count: u32) -> u128 {
    let mut run = mask;
    let mut length = 1;
    while length < count {
        run &= run >> length;
        length *= 2;
    }
    run
}
