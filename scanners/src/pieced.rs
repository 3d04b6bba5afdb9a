//! A text that stands in pieces of another one: the deltas of an event stream, the items of an
//! array, the values of a form.
//!
//! It is a [`Layer`] of its own over the pieces put together, and remembers where every byte of it
//! stands, so that a match over several pieces is masked inside each of them and nothing between
//! them is touched. Which bytes are pieces of which text is the caller's.

use crate::ScanError;
use crate::layer::Layer;
use crate::ledger::Stretch;
use crate::pen::Pen;
use crate::scanner::Scanner;
use crate::search::{Found, Harvest};
use crate::text::give_back;
use crate::view::Open;
use std::ops::Range;

/// One text that stands in pieces.
pub(crate) struct PiecedText {
    pub(crate) layer: Layer,
    /// Where the bytes of the layer's window stand, by stretches of them.
    runs: Vec<Run>,
    opens: Vec<OpenPieces>,
    /// What stands before this may have gone out, and is not painted.
    pub(crate) gone: u64,
    /// The same, of what waited for another piece when there is none: a match starts where it did all the same.
    pub(crate) let_go: u64,
}

/// Bytes that stand in a row, up to where the next run begins.
#[derive(Clone, Copy)]
struct Run {
    /// Where it begins in the text put together.
    from: u64,
    /// Where it stands.
    place: u64,
}

/// A match being swallowed.
struct OpenPieces {
    /// Where it starts in the text put together, and of which signature it is.
    key: (u64, u32),
    /// Where it starts among the pieces.
    start: Start,
    /// Up to where it is painted, in the text put together.
    painted: u64,
}

/// Where a match starts, as far as it may be painted.
#[derive(Clone, Copy, Default)]
struct Start {
    place: u64,
    /// How many bytes of it are gone.
    lost: u64,
}

impl PiecedText {
    pub(crate) fn new(layer: Layer) -> PiecedText {
        PiecedText {
            layer,
            runs: Vec::new(),
            opens: Vec::new(),
            gone: 0,
            let_go: 0,
        }
    }

    /// Adds bytes that stand in a row from a position on.
    pub(crate) fn push(&mut self, bytes: &[u8], at: u64) {
        let from = self.layer.end();
        let goes_on = |last: &Run| last.place + (from - last.from) == at;
        if !bytes.is_empty() && !self.runs.last().is_some_and(goes_on) {
            self.runs.push(Run { from, place: at });
        }
        self.layer.push(bytes);
    }

    /// Where the bytes between two positions stand that are at hand, by stretches of them.
    fn stretches(&self, from: u64, to: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let from = from.max(self.layer.base());
        let to = to.min(self.layer.end());
        let first = self.runs.partition_point(|run| run.from <= from);
        let runs = self.runs.get(first.saturating_sub(1)..).unwrap_or_default();
        let nexts = runs.iter().skip(1).map(|next| next.from).chain([u64::MAX]);
        let there = runs
            .iter()
            .zip(nexts)
            .take_while(move |(run, _)| run.from < to);
        there.filter_map(move |(run, next)| {
            let start = run.from.max(from);
            let end = next.min(to);
            (start < end).then(|| run.place + (start - run.from)..run.place + (end - run.from))
        })
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> Option<u64> {
        self.place(self.layer.hold())
    }

    /// Where a byte of the window stands; `None` after the last.
    pub(crate) fn place(&self, position: u64) -> Option<u64> {
        let position = position.max(self.layer.base());
        let next = position.saturating_add(1);
        self.stretches(position, next)
            .next()
            .map(|there| there.start)
    }

    /// Where the first byte of a match stands that may be painted.
    fn first_place(&self, start: u64) -> Option<Start> {
        let mut lost = 0;
        for there in self.stretches(start, u64::MAX) {
            let gone = self.gone.saturating_sub(there.start);
            if gone < there.end - there.start {
                return Some(Start {
                    place: there.start + gone,
                    lost: lost + gone,
                });
            }
            lost += there.end - there.start;
        }
        None
    }

    /// Scans what was added. What is wanted says which matches may be painted while they go on, and
    /// which of those are handed out when they are known, told by their places in the text put
    /// together.
    pub(crate) fn scan(
        &mut self,
        (scanner, ended): (&Scanner, bool),
        wanted: (impl Fn(&Open) -> bool, impl Fn(&Open) -> bool),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let mut inner = harvest.inner();
        self.layer.advance(scanner, ended, &mut inner)?;
        harvest.take_room(&mut inner);
        self.hand_out(inner, wanted, harvest);
        self.layer.trim(u64::MAX);
        let base = self.layer.base();
        let gone = self.runs.partition_point(|run| run.from <= base);
        self.runs.drain(..gone.saturating_sub(1));
        give_back(&mut self.runs);
        Ok(())
    }

    /// Hands out what the layer found.
    pub(crate) fn hand_out(
        &mut self,
        mut inner: Harvest,
        (of, wanted): (impl Fn(&Open) -> bool, impl Fn(&Open) -> bool),
        harvest: &mut Harvest,
    ) {
        harvest.decoded += inner.decoded;
        harvest.deep.append(&mut inner.deep);
        let open = self.layer.opens();
        for open in open.iter().filter(|open| of(open)) {
            self.note(open);
            self.paint_open((open.start, open.signature), open.at, harvest);
        }
        for found in inner.found {
            let whole = Open {
                start: found.start,
                signature: found.signature,
                at: found.end,
                level: found.level,
                pen: Pen::Over,
            };
            if of(&whole) && wanted(&whole) {
                self.hand_out_one(found, harvest);
            } else if of(&whole) {
                // In another cut it was painted while it went on.
                self.paint_rest(&found, harvest);
            }
        }
        let same = |key: (u64, u32)| open.iter().any(|open| (open.start, open.signature) == key);
        self.opens.retain(|open| same(open.key));
    }

    fn note(&mut self, open: &Open) {
        let key = (open.start, open.signature);
        if !self.opens.iter().any(|known| known.key == key) {
            self.opens.push(OpenPieces {
                key,
                start: self.first_place(open.start).unwrap_or_default(),
                painted: open.start,
            });
        }
    }

    fn hand_out_one(&self, mut found: Found, harvest: &mut Harvest) {
        let key = (found.start, found.signature);
        let known = self.opens.iter().find(|open| open.key == key);
        let start = known.map(|open| open.start);
        let start = start.or_else(|| self.first_place(found.start));
        self.paint_rest(&found, harvest);
        found.start = start.unwrap_or_default().place;
        found.end = self
            .place(found.end - 1)
            .map_or(found.start, |last| last + 1);
        harvest.pieced.push(found);
    }

    /// Paints what of a match is not painted yet.
    fn paint_rest(&self, found: &Found, harvest: &mut Harvest) {
        let key = (found.start, found.signature);
        let known = self.opens.iter().find(|open| open.key == key);
        let painted = known.map_or(found.start, |open| open.painted);
        self.paint(key, (painted, found.end), harvest);
    }

    /// Paints what a match being swallowed has taken since it was last painted.
    fn paint_open(&mut self, key: (u64, u32), at: u64, harvest: &mut Harvest) {
        let Some(index) = self.opens.iter().position(|open| open.key == key) else {
            return;
        };
        let from = self.opens.get(index).map_or(at, |open| open.painted);
        self.paint(key, (from, at), harvest);
        if let Some(open) = self.opens.get_mut(index) {
            open.painted = at.max(from);
        }
    }

    /// Paints the bytes of a match, piece by piece.
    fn paint(&self, key: (u64, u32), (from, to): (u64, u64), harvest: &mut Harvest) {
        let (start, signature) = key;
        let open = self.opens.iter().find(|open| open.key == key);
        let of = open.map(|open| open.start);
        let Start { place: of, lost } = of.or_else(|| self.first_place(start)).unwrap_or_default();
        // The label starts with what is left, so that it has both its brackets: without the first one its
        // letters could go on with a value in the pieces before.
        let mut at = from.max(self.layer.base()) - start;
        let kept = self.gone.max(self.let_go);
        for there in self.stretches(from, to) {
            let length = there.end - there.start;
            let gone = kept.saturating_sub(there.start).min(length);
            if gone < length {
                harvest.painted.push(Stretch {
                    of,
                    signature,
                    start: there.start + gone,
                    end: there.end,
                    shown: (at + gone).saturating_sub(lost),
                    pen: Pen::Over,
                });
            }
            at += length;
        }
    }

    /// Whether a match is being swallowed.
    pub(crate) fn swallows(&self) -> bool {
        !self.opens.is_empty()
    }

    /// The matches being swallowed: where they start, and before where they cannot end.
    pub(crate) fn open(&self) -> impl Iterator<Item = Open> + '_ {
        self.opens.iter().map(|open| {
            let (_, signature) = open.key;
            let last = self.place(open.painted.saturating_sub(1));
            let Start { place: start, .. } = open.start;
            Open {
                start,
                signature,
                at: last.map_or(start, |last| last + 1),
                level: 0,
                pen: Pen::Over,
            }
        })
    }
}
