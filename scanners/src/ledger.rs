//! What was found and is not yet accounted for: which bytes are painted over, which findings are
//! due.
//!
//! Both follow rules that do not depend on how the text was cut. A byte is painted by the match
//! that starts first among those that cover it. Findings are due in the order of their ends, and
//! only when no other match could still end before; of overlapping matches of one signature only
//! the first is reported.

use crate::mask::{mask_byte, write_mask};
use crate::pen::{Pen, Runs, Writer};
use crate::search::Found;
use crate::view::Open;
use crate::{MaskSet, Signature};
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// The books of one session.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Found, not yet reported, with the path of each.
    pending: Vec<Due>,
    /// Found, not yet painted to the end.
    painted: Vec<Stretch>,
    /// For each signature lately reported, where its last match ended.
    reported: Vec<(u32, u64)>,
    /// The rest of an encoded character that the last mask starts in, and where that is.
    half: Half,
    half_from: u64,
    /// The masks under way, sorted by where they start and by signature.
    written: Vec<Written>,
}

/// What a mask shows where it starts inside an encoded character, so that the character stays one:
/// it stands for a letter, which is no boundary to what stands before.
#[derive(Clone, Copy, Default)]
struct Half(&'static [u8]);

impl Half {
    /// What belongs to a character that starts before the byte with this index. The bytes are those
    /// that were read, and those after them are looked at too: nothing may depend on what is put out
    /// together.
    fn of((before, bytes): (&[u8], &[u8]), index: usize) -> Half {
        let byte = |back: usize| match index.checked_sub(back) {
            Some(index) => bytes.get(index).copied(),
            None => before.iter().rev().nth(back - index - 1).copied(),
        };
        let digits = |count: usize| {
            let there = bytes.iter().skip(index).take(count);
            there.filter(|byte| byte.is_ascii_hexdigit()).count() == count
        };
        let (last, second) = (byte(1), byte(2));
        if last == Some(b'%') && digits(2) {
            Half(b"58")
        } else if second == Some(b'%') && digits(1) && last.is_some_and(|c| c.is_ascii_hexdigit()) {
            Half(b"A")
        } else if last == Some(b'\\') && bytes.get(index) == Some(&b'u') {
            Half(b"u0058")
        } else if last == Some(b'\\') {
            Half(b"n")
        } else {
            Half(b"")
        }
    }

    fn byte(self, offset: u64) -> Option<u8> {
        self.0.get(usize::try_from(offset).ok()?).copied()
    }
}

/// A match and the path at which it stands.
pub(crate) type Due = (Found, Option<String>);

/// A stretch of bytes to be painted over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stretch {
    /// Where the match starts that it belongs to.
    pub(crate) of: u64,
    pub(crate) signature: u32,
    pub(crate) start: u64,
    /// How much of the mask was shown before: in the pieces before this one. Of two that start
    /// together the one that shows more of its label is painted; how long they are may not be known.
    pub(crate) shown: u64,
    /// How the mask is written.
    pub(crate) pen: Pen,
    pub(crate) end: u64,
}

/// A mask under way: how it is written, and how far it was.
///
/// Of a value that is seen in several ways, all go on as the first of them began.
#[derive(Clone, Copy)]
struct Written {
    start: u64,
    signature: u32,
    pen: Pen,
    writer: Writer,
    until: u64,
}

impl Stretch {
    fn key(&self) -> (u64, u32) {
        (self.start, self.signature)
    }
}

impl Written {
    /// A mask that was not written before this position.
    fn begin(stretch: &Stretch, pen: Pen, from: u64) -> Written {
        Written {
            start: stretch.start,
            signature: stretch.signature,
            pen,
            writer: Writer::default(),
            until: from,
        }
    }

    fn key(&self) -> (u64, u32) {
        (self.start, self.signature)
    }

    /// The one of this key among those that are sorted; else where it belongs.
    fn find(sorted: &[Written], key: (u64, u32)) -> Result<usize, usize> {
        // Mostly it comes after all of them.
        if sorted.last().is_none_or(|last| last.key() < key) {
            return Err(sorted.len());
        }
        sorted.binary_search_by_key(&key, Written::key)
    }

    fn of(sorted: &[Written], key: (u64, u32)) -> Option<&Written> {
        sorted.get(Written::find(sorted, key).ok()?)
    }
}

/// The bytes that are about to be put out.
struct Canvas<'a> {
    /// Where they start.
    from: u64,
    bytes: &'a mut [u8],
    /// They as they were, and what is at hand of the text after them.
    original: Vec<u8>,
    painted: Vec<bool>,
    /// Where that is, stretch by stretch.
    masks: Vec<Range<u64>>,
}

impl Canvas<'_> {
    fn index(&self, position: u64) -> usize {
        usize::try_from(position.saturating_sub(self.from)).unwrap_or(usize::MAX)
    }

    /// Which of the bytes here are of a stretch.
    fn indexes(&self, stretch: &Stretch) -> Range<usize> {
        let first = self.index(stretch.start.max(self.from));
        first..self.index(stretch.end).min(self.bytes.len()).max(first)
    }

    /// Notes that a stretch is painted; whether none of it was.
    fn is_bare(&mut self, places: &Range<usize>) -> bool {
        if places.is_empty() {
            return false;
        }
        let span = [places.start, places.end].map(|index| self.from + index as u64);
        let [start, end] = span;
        match self.masks.last_mut() {
            Some(last) if last.start <= start && start <= last.end => last.end = last.end.max(end),
            _ => self.masks.push(start..end),
        }
        let painted = self.painted.get(places.clone());
        painted.is_some_and(|painted| !painted.contains(&true))
    }

    /// Paints the bytes of a stretch that are here and not painted yet; goes on with its mask.
    fn paint(
        &mut self,
        stretch: &Stretch,
        id: &str,
        (mask, half, half_from): (&mut Written, Half, u64),
    ) {
        let places = self.indexes(stretch);
        let new = match mask.pen {
            Pen::Runs(runs) => self.shown(stretch, id, (mask, runs)),
            Pen::Plain | Pen::Over => Vec::new(),
        };
        let from = self.from + places.start as u64;
        let label_from = stretch.shown + (from - stretch.start);
        let is_bare = self.is_bare(&places);
        let bytes = self.bytes.get_mut(places.clone()).unwrap_or_default();
        let painted = self.painted.get_mut(places).unwrap_or_default();
        if is_bare && new.is_empty() && half.0.is_empty() {
            write_mask(id, label_from, bytes);
            painted.fill(true);
            return;
        }
        let there = bytes.iter_mut().zip(painted).enumerate();
        for (index, (byte, painted)) in there.filter(|(_, (_, painted))| !**painted) {
            let position = from + index as u64;
            let half_offset = position.checked_sub(half_from);
            let half = half_offset.and_then(|offset| half.byte(offset));
            let label = || mask_byte(id, label_from + index as u64);
            *byte = half.unwrap_or_else(|| new.get(index).copied().unwrap_or_else(label));
            *painted = true;
        }
    }

    /// The bytes of a stretch that are here, as a mask shows them that is written in runs; goes on with it.
    fn shown(&self, stretch: &Stretch, id: &str, (mask, runs): (&mut Written, Runs)) -> Vec<u8> {
        let Range {
            start: first,
            end: last,
        } = self.indexes(stretch);
        let there = self.index(stretch.end).min(self.original.len());
        let there = self.original.get(first..there).unwrap_or_default();
        let runs = match stretch.pen {
            Pen::Runs(own) if own.is_same(&runs) => own,
            _ => runs.without_end(),
        };
        let mut shown = mask.writer.written(&runs, there, id);
        shown.truncate(last - first);
        let until = self.from + last as u64;
        if until > mask.until {
            mask.writer.pass(&runs, there, last - first);
            mask.until = until;
        }
        shown
    }
}

/// The same bytes in stretches that do not touch, in their order.
pub(crate) fn merged(mut stretches: Vec<Range<u64>>) -> Vec<Range<u64>> {
    if !stretches.is_sorted_by_key(|stretch| stretch.start) {
        stretches.sort_unstable_by_key(|stretch| stretch.start);
    }
    stretches.dedup_by(|next, before| {
        let touches = next.start <= before.end;
        if touches {
            before.end = before.end.max(next.end);
        }
        touches
    });
    stretches
}

impl Ledger {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.painted.is_empty()
    }

    pub(crate) fn add(&mut self, found: Vec<Found>, path: impl Fn(&Found) -> Option<String>) {
        self.painted.reserve(found.len());
        for found in &found {
            let Found {
                start,
                end,
                signature,
                pen,
                ..
            } = *found;
            self.painted.push(Stretch {
                of: start,
                start,
                signature,
                end,
                shown: 0,
                pen,
            });
        }
        let found = found.into_iter().map(|found| {
            let path = path(&found);
            (found, path)
        });
        self.pending.extend(found);
    }

    /// Adds matches that stand in pieces, and the pieces.
    pub(crate) fn add_pieced(
        &mut self,
        found: Vec<Found>,
        paths: Vec<Option<String>>,
        pieces: Vec<Stretch>,
    ) {
        self.pending.extend(found.into_iter().zip(paths));
        self.painted.extend(pieces);
    }

    /// What the mask covers, of matches found and of matches being swallowed.
    pub(crate) fn covered(&self, opens: &[Open], mask: &MaskSet) -> Vec<Range<u64>> {
        let found = self
            .painted
            .iter()
            .map(|one| (one.signature, one.start..one.end));
        let open = opens.iter().map(|one| (one.signature, one.start..u64::MAX));
        found
            .chain(open)
            .filter(|(signature, _)| mask.contains(*signature as usize))
            .map(|(_, stretch)| stretch)
            .collect()
    }

    /// Paints over `bytes`, which start at position `from` and are about to be put out; `before` and
    /// `after` are the bytes at hand beside them. Gives where it painted.
    pub(crate) fn paint(
        &mut self,
        (before, bytes, after): (&[u8], &mut [u8], &[u8]),
        from: u64,
        opens: &[Open],
        (mask, signatures): (&MaskSet, &[Arc<Signature>]),
    ) -> Vec<Range<u64>> {
        let to = from + bytes.len() as u64;
        let mut canvas = Canvas {
            from,
            original: [bytes, after].concat(),
            painted: vec![false; bytes.len()],
            masks: Vec::new(),
            bytes,
        };
        let known = std::mem::take(&mut self.written);
        let stretches = self.stretches(opens, mask).into_iter();
        let mut stretches = stretches.filter(|stretch| stretch.start < to).peekable();
        let mut last = None;
        while let Some(stretch) = stretches.next() {
            let row = signatures.get(stretch.signature as usize);
            let id = row.map_or("", |row| &row.id);
            // A match may start in the middle of an encoded character, whose start stays.
            let first = canvas.index(stretch.start);
            if stretch.start >= from && canvas.painted.get(first) == Some(&false) {
                self.half = Half::of((before, &canvas.original), first);
                self.half_from = stretch.start;
            }
            // Of what is here as a whole and seen in one way there is nothing to remember.
            let next = stretches.peek().map(Stretch::key);
            let is_alone = ![last.replace(stretch.key()), next].contains(&Some(stretch.key()));
            let is_whole = stretch.start >= from && stretch.end <= to;
            if is_alone && is_whole && !matches!(stretch.pen, Pen::Runs(_)) {
                let mut mask = Written::begin(&stretch, stretch.pen, from);
                canvas.paint(&stretch, id, (&mut mask, self.half, self.half_from));
                continue;
            }
            let mut mask = self.begun(&stretch, &known, from);
            canvas.paint(&stretch, id, (&mut mask, self.half, self.half_from));
            self.go_on(mask);
        }
        let masks = merged(canvas.masks);
        self.forget_painted(to);
        masks
    }

    /// What was to be painted before a position has been.
    pub(crate) fn forget_painted(&mut self, to: u64) {
        self.painted.retain(|stretch| stretch.end > to);
    }

    /// The mask of a stretch as it was up to `from`.
    fn begun(&self, stretch: &Stretch, known: &[Written], from: u64) -> Written {
        let now = Written::of(&self.written, stretch.key());
        let pen = now.map_or(stretch.pen, |now| now.pen);
        let known = Written::of(known, stretch.key()).copied();
        known.unwrap_or_else(|| Written::begin(stretch, pen, from))
    }

    /// Takes down how far a mask is written, by the longest of the ways to see the value.
    fn go_on(&mut self, mask: Written) {
        match Written::find(&self.written, mask.key()) {
            Ok(place) => {
                let now = self.written.get_mut(place);
                if let Some(now) = now.filter(|now| now.until < mask.until) {
                    *now = mask;
                }
            }
            Err(place) => self.written.insert(place, mask),
        }
    }

    /// What is to be painted, in the order in which it is.
    fn stretches(&self, opens: &[Open], mask: &MaskSet) -> Vec<Stretch> {
        let open = opens.iter().map(|open| Stretch {
            of: open.start,
            start: open.start,
            signature: open.signature,
            end: u64::MAX,
            shown: 0,
            pen: open.pen,
        });
        let mut stretches: Vec<Stretch> = self.painted.iter().copied().chain(open).collect();
        stretches.retain(|stretch| mask.contains(stretch.signature as usize));
        stretches.sort_unstable();
        stretches
    }

    /// The findings that are due when nothing undecided starts before `hold`.
    pub(crate) fn due(&mut self, hold: u64, opens: &[Open]) -> Vec<Due> {
        let limit = opens.iter().map(|open| open.at).min().unwrap_or(u64::MAX);
        let is_due = |(found, _): &Due| found.end <= hold && found.end < limit;
        let mut due = std::mem::take(&mut self.pending);
        // Mostly all are.
        if !due.iter().all(is_due) {
            (due, self.pending) = due.into_iter().partition(is_due);
        }
        self.drop_shorter_twins(&mut due, opens);
        let order = |(found, _): &Due| {
            // Of twins of one length, the one with the most encodings undone.
            let twin = (Reverse(found.level), found.fingerprint);
            (found.end, found.start, found.signature, twin)
        };
        if !due.is_sorted_by_key(order) {
            due.sort_by_key(order);
        }
        due.retain(|(found, _)| self.report(found));
        let open = opens.iter().map(|open| open.start);
        let pending = self.pending.iter().map(|(found, _)| found.start);
        let kept_from = open.chain(pending).fold(hold, u64::min);
        self.reported.retain(|(_, end)| *end > kept_from);
        due
    }

    /// A match may be found in the text and again, longer, in a view of it: the longer one counts.
    fn drop_shorter_twins(&self, due: &mut Vec<Due>, opens: &[Open]) {
        if due.is_empty() {
            return;
        }
        let found = due.iter().chain(&self.pending).map(|(found, _)| found);
        let found = found.map(|found| (found.start, found.signature, found.end));
        let opens = opens.iter();
        let opens = opens.map(|open| (open.start, open.signature, u64::MAX));
        let mut known: Vec<(u64, u32, u64)> = found.chain(opens).collect();
        known.sort_unstable();
        let mut pairs = known.array_windows();
        if !pairs.any(|[one, next]| (one.0, one.1) == (next.0, next.1)) {
            return;
        }
        due.retain(|(found, _)| {
            let this = (found.start, found.signature, found.end);
            let longer = known.partition_point(|other| *other <= this);
            let next = known
                .get(longer)
                .map(|(start, signature, _)| (*start, *signature));
            next != Some((found.start, found.signature))
        });
    }

    /// Whether the match is to be reported: not if it overlaps the last of its signature.
    fn report(&mut self, found: &Found) -> bool {
        match self
            .reported
            .iter_mut()
            .find(|(signature, _)| *signature == found.signature)
        {
            Some((_, end)) if *end > found.start => false,
            Some((_, end)) => {
                *end = found.end;
                true
            }
            None => {
                self.reported.push((found.signature, found.end));
                true
            }
        }
    }
}
