//! One text that goes on over pieces.
//!
//! It begins with what the last piece has of a value, and follows what starts there and nothing else: what
//! starts in a later piece has a text of its own, where no other piece hides its boundary. While what is
//! there is less than is worth waiting for, only the bytes are kept, and each next piece is asked whether it
//! goes on with it; most do not. The rest is made only then.

use super::{HELD_MAX, Key};
use crate::layer::{Floors, Layer};
use crate::opening::{Begun, may_encode};
use crate::pieced::PiecedText;
use crate::scanner::Scanner;
use crate::search::{Harvest, SHOWN, Seam};
use crate::text::Text;
use crate::view::Open;
use crate::{Carrier, ScanError};

/// A text that goes on.
pub(super) struct Joined {
    pub(super) key: Key,
    /// None while only the bytes of `early` are there.
    pub(super) text: Option<Box<PiecedText>>,
    /// The first bytes and what stands before them, how much that is, and where each of the first bytes stands.
    early: Vec<u8>,
    context: usize,
    places: Vec<u64>,
    /// What stands before this in the body may have gone out.
    gone: u64,
    /// Where its first piece ends in it, if it has ended.
    first_end: Option<u64>,
    /// What was whole in its piece, by start and signature.
    whole: Vec<(u64, u32)>,
    /// How many bytes of the piece under way were added, if it is one of this text.
    pub(super) added: Option<u64>,
    /// In the body: where its last piece ends, and where what is worth waiting for begins.
    ended_at: u64,
    waits_from: Option<u64>,
    pub(super) is_over: bool,
}

/// What a text is looked at with.
pub(super) struct At<'a> {
    pub(super) scanner: &'a Scanner,
    /// The body.
    pub(super) text: &'a Text<'a>,
    pub(super) carrier: &'a Carrier,
}

/// So many bytes after its first piece tell whether something encoded began there.
const TOLD_BY: u64 = 64;
/// So often within a piece it is asked whether anything is under way.
const ASKED: u64 = 512;

impl Joined {
    /// Makes this one new, to begin at a position of the body. What it had set aside is used again.
    pub(super) fn begin_at(&mut self, key: Key, at: u64) {
        let mut early = std::mem::take(&mut self.early);
        let mut places = std::mem::take(&mut self.places);
        early.clear();
        places.clear();
        *self = Joined {
            early,
            places,
            ..Joined::within(key, at)
        };
    }

    /// A text that begins within a piece, at this position of the body.
    pub(super) fn within(key: Key, at: u64) -> Joined {
        Joined {
            key,
            text: None,
            early: Vec::new(),
            places: Vec::new(),
            context: 0,
            gone: at,
            first_end: None,
            whole: Vec::new(),
            added: Some(0),
            ended_at: at,
            waits_from: None,
            is_over: false,
        }
    }

    /// Its first bytes, which end the piece, and what stands before them.
    pub(super) fn begin(&mut self, context: &[u8], shown: &[u8]) {
        self.context = context.len();
        self.early.extend_from_slice(context);
        self.add_early(shown, self.gone);
    }

    fn add_early(&mut self, bytes: &[u8], at: u64) {
        self.early.extend_from_slice(bytes);
        self.places.extend((at..).take(bytes.len()));
    }

    /// Makes a text of the first bytes.
    pub(super) fn awake(&mut self, carrier: &Carrier) {
        let mut text = PiecedText::new(Layer::of(carrier));
        text.gone = self.gone;
        let (context, shown) = self.early.split_at(self.context);
        if let Some(first) = self.places.first().filter(|_| !context.is_empty()) {
            text.layer.look_from(&Floors::all_at(context.len() as u64));
            text.push(context, first - context.len() as u64);
        }
        for (byte, at) in shown.iter().zip(&self.places) {
            text.push(&[*byte], *at);
        }
        self.early.clear();
        self.places.clear();
        self.text = Some(Box::new(text));
    }

    /// The next piece of it starts here.
    pub(super) fn start_piece(
        &mut self,
        start: u64,
        at: &At<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if self.is_stale(start) {
            self.let_go(start);
            return self.end(at.scanner, harvest);
        }
        let waited = self.waits_from.filter(|from| start < from + HELD_MAX);
        self.gone = waited.unwrap_or(start);
        if let Some(text) = &mut self.text {
            text.gone = self.gone;
        }
        self.added = Some(0);
        Ok(())
    }

    /// Adds bytes of the piece under way, if it is one of this text.
    pub(super) fn add(
        &mut self,
        (mut from, to): (u64, u64),
        at: &At<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        while let Some(added) = self.added.filter(|_| from < to && !self.is_over) {
            // What is under way is asked at places that the piece fixes.
            let asked = if self.text.is_some() { ASKED } else { SHOWN };
            let until = to.min(from + asked - added % asked);
            let bytes = at.text.slice(from, until);
            let added = added + until - from;
            self.added = Some(added);
            match &mut self.text {
                Some(text) => text.push(bytes, from),
                None => self.add_early(bytes, from),
            }
            from = until;
            if !added.is_multiple_of(asked) {
                continue;
            }
            match &self.text {
                Some(_) => {
                    self.scan(at.scanner, false, harvest)?;
                    self.is_over = !self.is_under_way(at.scanner);
                }
                None if self.early_may_go_on(at.scanner) => self.awake(at.carrier),
                None => self.is_over = true,
            }
        }
        Ok(())
    }

    fn is_under_way(&self, scanner: &Scanner) -> bool {
        let is_followed = starts_before(self.first_end);
        let text = self.text.as_ref();
        text.is_some_and(|text| text.layer.pending(scanner, &is_followed).is_any)
    }

    /// The first bytes, after two that tell whether a word starts there; and how many stand before these.
    fn shown(&self) -> (u64, &[u8]) {
        let before = self.context.saturating_sub(2);
        (before as u64, self.early.get(before..).unwrap_or_default())
    }

    /// Where a value could start in the first bytes.
    fn first_early(&self, scanner: &Scanner) -> Option<u64> {
        let (before, shown) = self.shown();
        let start = before + scanner.first_begun(shown)? as u64;
        Some(start).filter(|start| starts_before(self.first_end)(*start, 0))
    }

    /// Whether one could go on in them, in encoded characters too.
    fn early_may_go_on(&self, scanner: &Scanner) -> bool {
        may_encode(self.shown().1) || self.first_early(scanner).is_some()
    }

    /// Between two pieces, of which the next would start at `next` or later: what of it does not wait may have gone out.
    pub(super) fn let_go(&mut self, next: u64) {
        if self.added.is_none()
            && let Some(text) = &mut self.text
        {
            let waits = self.waits_from.filter(|from| next < from + HELD_MAX);
            text.let_go = waits.unwrap_or(self.ended_at);
        }
    }

    /// Nothing more comes. What goes on in it has ended, and is handed out.
    pub(super) fn end(
        &mut self,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        self.is_over = true;
        self.scan(scanner, true, harvest)
    }

    /// Scans what was added.
    pub(super) fn scan(
        &mut self,
        scanner: &Scanner,
        ended: bool,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let Some(text) = &mut self.text else {
            return Ok(());
        };
        let crosses = crossing(self.first_end);
        let of = joined(scanner, &self.whole, self.first_end);
        text.scan((scanner, ended), (of, crosses), harvest)?;
        let base = text.layer.base();
        if self.whole.iter().any(|(start, _)| *start < base) {
            let opens = text.layer.opens();
            let opens = |key| opens.iter().any(|open| (open.start, open.signature) == key);
            self.whole.retain(|key| key.0 >= base || opens(*key));
        }
        Ok(())
    }

    /// The piece under way has ended, at this position of the body.
    pub(super) fn end_piece(
        &mut self,
        end: u64,
        at: &At<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if self.added.take().is_none() || self.is_over {
            return Ok(());
        }
        self.ended_at = end;
        self.waits_from = None;
        if self.text.is_none() && !self.end_early(at) {
            return Ok(());
        }
        self.scan(at.scanner, false, harvest)?;
        let Some(text) = &mut self.text else {
            return Ok(());
        };
        let seam = match self.first_end {
            None => Seam::First,
            Some(_) => Seam::Later,
        };
        let end = text.layer.end();
        let first_end = *self.first_end.get_or_insert_with(|| {
            text.layer.look_until(end);
            end
        });
        let is_followed = starts_before(self.first_end);
        let mut inner = Harvest::default();
        text.layer
            .end_piece(at.scanner, (seam, &is_followed), &mut inner);
        if seam == Seam::First {
            let whole = inner.found.iter();
            self.whole
                .extend(whole.map(|found| (found.start, found.signature)));
        }
        let of = joined(at.scanner, &self.whole, self.first_end);
        text.hand_out(inner, (of, crossing(self.first_end)), harvest);
        let pending = text.layer.pending(at.scanner, &is_followed);
        let waits = pending.from.and_then(|from| text.place(from));
        self.waits_from = waits.map(|from| from.max(self.gone));
        // What is encoded may be too short to tell when its first piece ends.
        let tail = text.layer.slice(first_end.saturating_sub(TOLD_BY), end);
        let may_begin = end - first_end <= TOLD_BY
            && (at.scanner.is_anchor_cut(tail) || at.scanner.begun(tail) == Some(Begun::Encoded));
        self.is_over = !pending.is_any && !may_begin;
        Ok(())
    }

    /// The same while only the first bytes are there; whether they are enough for a text.
    fn end_early(&mut self, at: &At<'_>) -> bool {
        if may_encode(self.shown().1) {
            self.awake(at.carrier);
            return true;
        }
        let Some(start) = self.first_early(at.scanner) else {
            self.is_over = true;
            return false;
        };
        let end = self.early.len() as u64;
        if end - start >= SHOWN {
            self.awake(at.carrier);
            return true;
        }
        self.first_end.get_or_insert(end);
        false
    }

    /// Whether a match being swallowed has waited for the next piece for too long.
    pub(super) fn is_stale(&self, at: u64) -> bool {
        let swallows = self.text.as_ref().is_some_and(|text| text.swallows());
        self.added.is_none() && swallows && at >= self.ended_at + HELD_MAX
    }

    /// Whether nothing is held for it, and no match goes on in it.
    pub(super) fn waits_for_nothing(&self) -> bool {
        let text = self.text.as_deref();
        self.added.is_none() && self.waits_from.is_none() && !text.is_some_and(PiecedText::swallows)
    }

    /// Whether no more than a few bytes of it are there.
    pub(super) fn is_little(&self) -> bool {
        self.text.is_none()
    }

    /// Whether a private key goes on in it.
    pub(super) fn is_key(&self, scanner: &Scanner) -> bool {
        let open = self.text.iter().flat_map(|text| text.open());
        open.into_iter()
            .any(|open| scanner.has_lines(open.signature))
    }

    /// The first position of the body that waits for what comes of this text; the next piece starts at
    /// `next` or later.
    pub(super) fn hold(&self, next: u64) -> Option<u64> {
        match (self.added, &self.text) {
            (None, _) => self.waits_from.filter(|from| next < from + HELD_MAX),
            (Some(_), Some(text)) => text.hold().map(|hold| hold.max(self.gone)),
            (Some(added), None) => Some(self.gone).filter(|_| added > 0),
        }
    }
}

/// Whether a match is looked for over several pieces, and not known to be whole in one. Of those that
/// began in the piece under way only the lines of a key go on in the next.
fn joined(
    scanner: &Scanner,
    whole: &[(u64, u32)],
    first_end: Option<u64>,
) -> impl Fn(&Open) -> bool {
    move |found| {
        scanner.is_joined(found.signature)
            && starts_before(first_end)(found.start, found.signature)
            && !whole.contains(&(found.start, found.signature))
            && (crossing(first_end)(found) || scanner.has_lines(found.signature))
    }
}

/// Whether what starts here starts in the first piece.
fn starts_before(first_end: Option<u64>) -> impl Fn(u64, u32) -> bool {
    move |start, _| first_end.is_none_or(|end| start < end)
}

/// Whether a match starts in the first piece and does not end in it.
fn crossing(first_end: Option<u64>) -> impl Fn(&Open) -> bool + Copy {
    move |found| first_end.is_some_and(|end| found.start < end && end < found.at)
}
