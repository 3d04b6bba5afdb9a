//! A decoded view of a stretch of a text: a text of its own, with the way back.
//!
//! A view is opened where its encoding first occurs, starts a little earlier (for boundaries and
//! context), and is closed at a break once nothing encoded has been seen for a while and nothing
//! is under way in it: at places that the text fixes, but what is under way there may still be
//! undecided in one cut and pruned in another. What is found must not depend on it. A match
//! in a view is handed out as the span of the encoded bytes.

mod decode;
mod seam;
mod way;

use crate::ScanError;
use crate::confirm::Swallow;
use crate::depth::{DEPTH_MAX, Depth};
use crate::inflate::{BEHIND, Inflater};
use crate::layer::{Around, Encoding, Floors, Layer, OPEN, Older, Standing, UNIT_ENCODINGS};
use crate::pen::Pen;
use crate::runs::{RunKind, RunState};
use crate::scanner::Scanner;
use crate::search::{Found, Harvest};
use crate::text::Text;
pub(crate) use decode::{QUIET, is_break};
use decode::{Stop, Streak};
use way::Source;
pub(crate) use way::Way;

/// Where a view could not be closed, so many bytes are decoded before it is tried again.
pub(crate) const BREAKS_APART: u64 = 128;

/// A view under way.
pub(crate) struct View {
    decoder: Decoder,
    /// Where the first encoded character stands.
    opened_at: u64,
    /// The position after the last encoded character.
    pub(crate) quiet_since: u64,
    /// Of an encoding of characters: from here on all that was decoded stands for itself.
    plain_since: u64,
    /// The next position of the encoded text to decode.
    pub(crate) fed: u64,
    /// Where the bytes in the child's window are encoded.
    way: Way,
    /// For each match being swallowed in the child: where it starts there and here.
    opens: Vec<(Open, u64)>,
    /// What was found in a compressed stream: it goes on to the end of the stream.
    until_end: Vec<Found>,
    child: Layer,
    /// For a part of a run: what came last.
    streak: Option<Streak>,
    /// The view is not closed before this position.
    next_break: u64,
    /// Of an encoding of characters: up to where older views beside it see to characters.
    older: Older,
}

/// How the encoded text is read.
pub(crate) enum Decoder {
    /// Character by character; what is not encoded stands for itself.
    Units(&'static Encoding),
    /// One run of an encoding, up to its end.
    Run(RunKind, RunState),
    /// One compressed stream, up to its end.
    Inflate(Box<Inflater>),
}

/// A match being swallowed, in the positions of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Open {
    pub(crate) start: u64,
    pub(crate) signature: u32,
    /// The match will not end before this.
    pub(crate) at: u64,
    /// How many encodings were undone to see it.
    pub(crate) level: u8,
    /// How its mask is written.
    pub(crate) pen: Pen,
}

impl Open {
    /// Whether both are the same match.
    pub(crate) fn is_same(&self, other: &Open) -> bool {
        self.start == other.start && self.signature == other.signature
    }

    pub(crate) fn of(swallow: &Swallow) -> Open {
        Open {
            start: swallow.start,
            signature: swallow.signature,
            at: swallow.at,
            level: 0,
            pen: Pen::Plain,
        }
    }
}

impl View {
    /// Opens a view for the encoded character at `trigger`, starting a little earlier.
    pub(crate) fn new(decoder: Decoder, trigger: u64, start: u64, depth: Depth) -> View {
        View {
            decoder,
            opened_at: trigger,
            quiet_since: trigger,
            plain_since: start,
            fed: start,
            way: Way::at(start),
            opens: Vec::new(),
            until_end: Vec::new(),
            child: Layer::new(start, depth),
            streak: None,
            next_break: start,
            older: [0; UNIT_ENCODINGS],
        }
    }

    /// Says which views beside it are older. Only before the first advance.
    pub(crate) fn see_beside(&mut self, older: Older) {
        self.older = older;
    }

    /// A view of this encoding beside it was closed here. If it was older, it saw to characters up to there.
    pub(crate) fn is_older_until(&mut self, kind: usize, until: u64) {
        if let Some(older) = self.older.get_mut(kind).filter(|older| **older == OPEN) {
            *older = until;
        }
    }

    /// Decodes and scans up to where the view was opened, and goes on with what is being swallowed
    /// there. What starts before `floors` is decided in the encoded text, and only context here.
    pub(crate) fn take_over(
        &mut self,
        outer: Option<&Around<'_>>,
        (scanner, text): (&Scanner, &Text<'_>),
        (floors, swallows): (Floors, &[Swallow]),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let to = self.opened_at;
        self.decode(text, to, harvest);
        let floors = floors.map(|floor| self.way.first_from(floor));
        self.child.look_from(&floors);
        if swallows.is_empty() {
            // What stands there is looked at together with what follows.
            return Ok(());
        }
        self.scan(outer, (scanner, false), harvest)?;
        for swallow in swallows {
            let open = Open::of(swallow);
            let known = self
                .opens
                .iter()
                .any(|(seen, start)| (*start, seen.signature) == (open.start, open.signature));
            if !known {
                self.opens.push((open, open.start));
                let at = self.way.first_from(swallow.at);
                self.child.adopt(swallow.clone(), at);
            }
        }
        Ok(())
    }

    /// Decodes up to `to`, and looks for nothing that starts before the floors.
    pub(crate) fn start_at(
        &mut self,
        floors: Floors,
        (text, to): (&Text<'_>, u64),
        harvest: &mut Harvest,
    ) {
        self.decode(text, to, harvest);
        let floors = floors.map(|floor| self.way.first_from(floor));
        self.child.look_from(&floors);
    }

    /// Decodes and scans what is at hand. True when the view can be closed.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        text: &Text<'_>,
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        self.advance_within(None, (scanner, text), harvest)
    }

    /// The same, of characters of a text that is seen through views of characters itself.
    pub(crate) fn advance_within(
        &mut self,
        outer: Option<&Around<'_>>,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        loop {
            let stop = self.decode(text, text.end(), harvest);
            if stop == Stop::TooMuch {
                return Err(ScanError::WorkBudget);
            }
            let ended = stop == Stop::RunEnd || text.ended && self.fed == text.end();
            self.scan(outer, (scanner, ended), harvest)?;
            if ended || (stop == Stop::Break && self.may_close()) {
                let end = self.fed;
                let found = self.until_end.drain(..);
                harvest
                    .found
                    .extend(found.map(|found| Found { end, ..found }));
                self.quiet_since = if stop == Stop::RunEnd {
                    self.fed
                } else {
                    self.quiet_since
                };
                return Ok(true);
            }
            if stop == Stop::Starved {
                return Ok(false);
            }
            if stop == Stop::Break {
                self.next_break = self.fed + BREAKS_APART;
            }
        }
    }

    /// Whether nothing is under way, or nothing that is not under way in the encoded text as well: for all
    /// it depends on, both are the same.
    fn may_close(&self) -> bool {
        let plain = self.fed - self.plain_since;
        let is_alike = || match self.decoder {
            Decoder::Units(_) => self
                .child
                .is_alike_from(self.child.end().saturating_sub(plain)),
            Decoder::Run(..) | Decoder::Inflate(_) => false,
        };
        self.child.is_idle() || is_alike()
    }

    /// Where the first encoded character stands.
    pub(crate) fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// The view is of a part of a run, and closed where nothing telling comes any more.
    pub(crate) fn be_quiet(&mut self) {
        self.streak = Some(Streak::default());
    }

    /// Nothing but compressed streams is looked for. Only before the first advance.
    pub(crate) fn look_for_streams_only(&mut self) {
        self.child.look_for_streams_only();
    }

    /// How many characters of the run were read.
    pub(crate) fn characters(&self) -> u64 {
        match &self.decoder {
            Decoder::Run(_, state) => state.read,
            Decoder::Units(_) | Decoder::Inflate(_) => 0,
        }
    }

    /// The first position that what is decoded next may come from.
    fn next_start(&self) -> u64 {
        match self.decoder {
            Decoder::Inflate(_) => self.fed.saturating_sub(BEHIND).max(self.opened_at),
            Decoder::Units(_) | Decoder::Run(..) => self.fed,
        }
    }

    fn scan(
        &mut self,
        outer: Option<&Around<'_>>,
        how: (&Scanner, bool),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let mut inner = harvest.inner();
        let around = around((&self.decoder, &self.way), &self.older, outer);
        self.child
            .advance_within(around.as_ref(), how, &mut inner)?;
        harvest.take_room(&mut inner);
        self.hand_out(outer, inner, harvest);
        self.child.trim(u64::MAX);
        self.way.forget(self.child.base());
        Ok(())
    }

    /// Hands out what was found in the child.
    fn hand_out(&mut self, outer: Option<&Around<'_>>, mut inner: Harvest, harvest: &mut Harvest) {
        self.make_deep(outer, &mut inner);
        for open in self.child.opens() {
            let known = self.opens.iter().any(|(seen, _)| seen.is_same(&open));
            if !known {
                let start = self.outer_start(open.start);
                self.opens.push((open, start));
            }
        }
        harvest.decoded += inner.decoded;
        let encoded_here = inner.deep.iter().filter(|span| self.decodes(span));
        let deep = encoded_here.map(|span| self.outer_span(*span));
        harvest.deep.extend(deep);
        for inner in inner.found {
            let outer = self.outer(inner);
            if matches!(self.decoder, Decoder::Inflate(_)) {
                self.until_end.push(outer);
            // What ends before the first encoded character is found in the encoded text itself.
            } else if outer.end > self.opened_at {
                harvest.found.push(outer);
            }
        }
        // Several matches of one start may be open, here and in views of views.
        let open = self.child.opens();
        self.opens
            .retain(|(seen, _)| open.iter().any(|open| open.is_same(seen)));
    }

    /// Matches that are deeper than is looked are none: they show that there is something deeper. Those
    /// without end are told by what confirmed them: how much more of them is at hand depends on the cut.
    fn make_deep(&self, outer: Option<&Around<'_>>, inner: &mut Harvest) {
        let depth = self.child.depth();
        if !depth.may_be_too_deep() {
            return;
        }
        let around = around((&self.decoder, &self.way), &self.older, outer);
        let standing = Standing::within(depth, around.as_ref());
        let is_known = |start, signature| {
            let mut opens = self.opens.iter();
            opens.any(|(seen, _)| (seen.start, seen.signature) == (start, signature))
        };
        // What was taken over starts where nothing is encoded.
        let is_deep = |start, signature, told_at| {
            !is_known(start, signature)
                && (depth.is_too_deep() || standing.deep((start, told_at)) > DEPTH_MAX)
        };
        let mut deep = Vec::new();
        inner.found.retain(|found| {
            let is_deep = is_deep(found.start, found.signature, found.told_at);
            if is_deep {
                deep.push((found.start, found.told_at));
            }
            !is_deep && !depth.is_too_deep()
        });
        let swallows = self.child.swallows().iter();
        let swallows = swallows.filter(|one| is_deep(one.start, one.signature, one.told_at));
        deep.extend(swallows.map(|one| (one.start, one.told_at)));
        inner.deep.append(&mut deep);
    }

    /// Whether any byte of a span of the child is encoded in this text.
    fn decodes(&self, (start, end): &(u64, u64)) -> bool {
        let Decoder::Units(_) = self.decoder else {
            return true;
        };
        let longer = self.outer_end(*end) - self.outer_start(*start) > end - start;
        longer || self.way.any_longer((*start, *end))
    }

    /// A match in the encoded text's positions.
    fn outer(&self, inner: Found) -> Found {
        let key = Open {
            start: inner.start,
            signature: inner.signature,
            at: 0,
            level: 0,
            pen: Pen::Plain,
        };
        let open = self.opens.iter().find(|(seen, _)| seen.is_same(&key));
        let start = open.map_or_else(|| self.outer_start(inner.start), |(_, start)| *start);
        let end = self.outer_end(inner.end);
        let next = self.outer_start(inner.end);
        let is_units = matches!(self.decoder, Decoder::Units(_));
        let ran_on = inner.ran_on
            && match self.decoder {
                // What ended it may be of the character that encodes its last byte.
                Decoder::Units(_) => next >= end,
                Decoder::Run(..) => true,
                Decoder::Inflate(_) => false,
            };
        Found {
            start,
            // What stands for nothing after its last byte could have been in the midst of it.
            end: if ran_on && is_units { next } else { end },
            told_at: end,
            ran_on,
            level: inner.level + 1,
            pen: self.pen(
                inner.pen,
                inner.start,
                inner.end.saturating_sub(inner.start),
            ),
            ..inner
        }
    }

    /// How a mask is written over bytes of the child from this one on, if it is written like this in
    /// the child. Of an encoding of characters it takes the place of what is encoded.
    fn pen(&self, inner: Pen, start: u64, bytes: u64) -> Pen {
        match &self.decoder {
            Decoder::Run(kind, _) => Pen::of(*kind, start - self.opened_at, (inner, bytes)),
            // Its characters are masked whole, so it does not matter how many there are; and a match taken over
            // from the encoded text starts at a position of that text, which does not tell.
            Decoder::Units(encoding) if encoding.is_wide() => Pen::wide((inner, u64::MAX)),
            Decoder::Units(_) | Decoder::Inflate(_) => Pen::Over,
        }
    }

    fn outer_start(&self, position: u64) -> u64 {
        let source = self.way.source(position);
        source.map_or(self.next_start(), Source::start)
    }

    fn outer_end(&self, position: u64) -> u64 {
        if matches!(self.decoder, Decoder::Inflate(_)) {
            return self.fed;
        }
        if position <= self.child.base() {
            return self.outer_start(position);
        }
        self.way.source(position - 1).map_or(self.fed, Source::end)
    }

    /// What is too deep, in the encoded text's positions. Of a compressed stream it is where it starts:
    /// how much of the stream was read depends on the cut.
    fn outer_span(&self, (start, end): (u64, u64)) -> (u64, u64) {
        let outer = self.outer_start(start);
        match self.decoder {
            Decoder::Inflate(_) => (outer, outer + 1),
            Decoder::Units(_) | Decoder::Run(..) => (outer, self.outer_end(end)),
        }
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> u64 {
        self.outer_start(self.child.hold())
    }

    /// The matches being swallowed, in the encoded text's positions.
    pub(crate) fn opens(&self) -> impl Iterator<Item = Open> + '_ {
        let until_end = self.until_end.iter().map(|found| Open {
            start: found.start,
            signature: found.signature,
            at: self.fed,
            level: found.level + 1,
            pen: Pen::Over,
        });
        let deep = self.child.depth().is_too_deep();
        let child = self.child.opens().into_iter().filter(move |_| !deep);
        let child = child.filter_map(|open| {
            let (_, start) = self.opens.iter().find(|(seen, _)| seen.is_same(&open))?;
            Some(Open {
                start: *start,
                at: self.outer_end(open.at),
                level: open.level + 1,
                pen: self.pen(open.pen, open.start, u64::MAX),
                ..open
            })
        });
        until_end.chain(child)
    }
}

/// What the text that is decoded is seen through: nothing where it is decoded from a run.
fn around<'a>(
    (decoder, way): (&Decoder, &'a Way),
    older: &'a Older,
    outer: Option<&'a Around<'a>>,
) -> Option<Around<'a>> {
    let Decoder::Units(encoding) = decoder else {
        return None;
    };
    Some(Around {
        encoding,
        way,
        older,
        outer,
    })
}
