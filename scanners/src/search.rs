//! Candidate search in one text: which signatures could start where, which of them match.
//!
//! The state of a search is what it has not decided: candidates under way, matches being
//! swallowed, and the first position not yet looked at. Everything decided is handed out as a
//! [`Found`] at once; putting it in order is the caller's.

mod seam;

pub(crate) use seam::{IsFollowed, Pending, SHOWN, Seam};

use crate::anchors::{Following, Lookup};
use crate::confirm::{Candidate, Step, Swallow};
use crate::context::{Asks, Told};
use crate::inner::Absence;
use crate::known::NeedleSearch;
use crate::layer::Trial;
use crate::ledger::Stretch;
use crate::pen::Pen;
use crate::places::local_part_start;
use crate::rows::{Before, Could, RUN_MAX, Survivor};
use crate::scanner::Scanner;
use crate::seen::Seen;
use crate::starts::Place;
use crate::text::{Text, give_back};
use crate::vocabulary::{Nearby, Surroundings};
use crate::{Anchor, Fingerprint, MaskSet, Shape};

/// A match, in the positions of the text searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) signature: u32,
    pub(crate) doubtful: bool,
    /// How many encodings were undone to see it.
    pub(crate) level: u8,
    /// Up to where it was read when it was known to be one: of a match without end, so much is at hand
    /// in every cut.
    pub(crate) told_at: u64,
    /// Whether only the byte after it, or the end of the text, told where it ends.
    pub(crate) ran_on: bool,
    /// How its mask is written.
    pub(crate) pen: Pen,
    pub(crate) fingerprint: Fingerprint,
}

/// What a scan gives: matches, and how much was decoded for them.
#[derive(Default)]
pub(crate) struct Harvest {
    /// More decoded bytes than these are too many whatever comes, if it is said.
    most: Option<u64>,
    pub(crate) found: Vec<Found>,
    /// Matches that stand in pieces, which are painted one by one.
    pub(crate) pieced: Vec<Found>,
    /// What is to be painted of those.
    pub(crate) painted: Vec<Stretch>,
    /// What is encoded deeper than is looked: from where to where.
    pub(crate) deep: Vec<(u64, u64)>,
    /// Bytes decoded into views, at all depths.
    pub(crate) decoded: u64,
    /// Whether nothing is asked but if there is anything.
    pub(crate) trial: Trial,
    /// Room for the rows that could start at one place.
    rows: Vec<Survivor>,
}

impl Harvest {
    /// An empty one that takes so many decoded bytes.
    pub(crate) fn up_to(most: u64) -> Harvest {
        Harvest {
            most: Some(most),
            ..Harvest::default()
        }
    }

    /// An empty one for a text that is read within this one, which lends its room.
    pub(crate) fn inner(&mut self) -> Harvest {
        Harvest {
            rows: std::mem::take(&mut self.rows),
            most: self.most.map(|most| most.saturating_sub(self.decoded)),
            ..Harvest::default()
        }
    }

    /// Whether so much was decoded that the text will be refused.
    pub(crate) fn is_too_much(&self) -> bool {
        self.most.is_some_and(|most| self.decoded > most)
    }

    /// Takes back the room that was lent.
    pub(crate) fn take_room(&mut self, inner: &mut Harvest) {
        self.rows = std::mem::take(&mut inner.rows);
    }
}

/// The state of a search.
#[derive(Clone, Default)]
pub(crate) struct Search {
    /// The first position at which nothing was looked for yet.
    next: u64,
    /// Whether an anchor could start at `next`, which more bytes will tell.
    undecided: bool,
    /// Whether more of the text follows soon.
    more_follows: bool,
    /// Nothing that starts before this position is looked for.
    earliest: u64,
    /// Nor what starts from this position on, if it is set.
    latest: Option<u64>,
    /// Where the local part of an e-mail address at the end of the text would start.
    open_local: u64,
    live: Vec<Candidate>,
    /// Where no literal that stands inside a value was found.
    absence: Absence,
    swallows: Vec<Swallow>,
    known: NeedleSearch,
    /// The words before the last place at which a row asked for one.
    nearby: Nearby,
}

impl Search {
    /// A search that starts at this position of a text that starts at `base`.
    pub(crate) fn starting_at(position: u64, base: u64) -> Search {
        Search {
            next: position,
            earliest: position,
            open_local: position,
            known: NeedleSearch::starting_at(position),
            nearby: Nearby::starting_at(base),
            ..Search::default()
        }
    }

    /// Takes over a match that is being swallowed.
    pub(crate) fn adopt(&mut self, swallow: Swallow) {
        self.swallows.push(swallow);
    }

    /// Says whether more of the text follows soon: what starts near the end of what is at hand waits for it.
    pub(crate) fn more_follows(&mut self, follows: bool) {
        self.more_follows = follows;
    }

    /// Looks at everything at hand.
    pub(crate) fn advance(&mut self, scanner: &Scanner, text: &Text<'_>, found: &mut Harvest) {
        self.advance_swallows(text, found);
        self.advance_live(scanner, text, found);
        self.look(scanner, text, found);
        self.look_known(scanner, text, found);
        give_back(&mut self.live);
        self.nearby.rest();
        self.open_local = if scanner.index.email.is_empty() || text.ended {
            text.end()
        } else {
            // An address is told by its `@`, of which none was looked at from `next` on.
            self.local_part_start(text, self.next)
        };
    }

    /// Up to where everything was looked at.
    pub(crate) fn looked_until(&self, end: u64) -> u64 {
        if self.undecided { self.next } else { end }
    }

    /// The first position that may still belong to a match not yet handed out (swallowed matches
    /// apart, whose bytes are known to belong to one).
    pub(crate) fn hold(&self, end: u64) -> u64 {
        let undecided = if self.undecided { self.next } else { end };
        let live = self
            .live
            .iter()
            .map(|candidate| candidate.start)
            .min()
            .unwrap_or(end);
        let known = self.known.hold(end);
        // What follows a match without end may be half of an escape that belongs to it or does not.
        let swallowed = self.swallows.iter().map(|swallow| swallow.at);
        let undecided = swallowed.fold(undecided, u64::min);
        undecided.min(live).min(known).min(self.open_local).min(end)
    }

    /// The first undecided candidate that would be masked and that a prefix has shown.
    pub(crate) fn begun(&self, end: u64, (scanner, mask): (&Scanner, &MaskSet)) -> Option<u64> {
        let begun = self.live.iter().filter(|candidate| {
            let row = candidate.signature as usize;
            let shape = scanner.signatures().get(row).map(|row| &row.shape);
            let shown = match shape {
                Some(Shape::Token { anchors, .. }) => {
                    let anchor = anchors.get(candidate.anchor as usize);
                    anchor.is_some_and(|anchor| candidate.start + anchor.len() as u64 <= end)
                }
                Some(Shape::Pattern {
                    anchor: Anchor::Prefix(prefixes),
                    ..
                }) => {
                    let shortest = prefixes.iter().map(|prefix| prefix.len()).min();
                    shortest.is_some_and(|length| candidate.start + length as u64 <= end)
                }
                Some(Shape::PrivateKey) => true,
                _ => false,
            };
            shown && mask.contains(row)
        });
        begun.map(|candidate| candidate.start).min()
    }

    /// Nothing that starts before this position is looked for.
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest
    }

    /// The matches being swallowed.
    pub(crate) fn swallows(&self) -> &[Swallow] {
        &self.swallows
    }

    /// Whether nothing at all is under way.
    pub(crate) fn is_idle(&self, end: u64) -> bool {
        self.swallows.is_empty() && self.hold(end) == end
    }

    fn advance_swallows(&mut self, text: &Text<'_>, found: &mut Harvest) {
        self.swallows.retain_mut(|swallow| {
            let ended = swallow.advance(text);
            if ended {
                found.found.push(Found::swallowed(swallow));
            }
            !ended
        });
    }

    fn advance_live(&mut self, scanner: &Scanner, text: &Text<'_>, found: &mut Harvest) {
        let (mut live, mut seen) = (std::mem::take(&mut self.live), Seen::with(&self.swallows));
        live.retain_mut(|candidate| self.stays(scanner, (text, &mut seen), candidate, found));
        live.append(&mut self.live);
        self.live = live;
    }

    /// Steps a candidate; true if it stays undecided.
    fn stays(
        &mut self,
        scanner: &Scanner,
        (text, seen): (&Text<'_>, &mut Seen),
        candidate: &mut Candidate,
        found: &mut Harvest,
    ) -> bool {
        match candidate.step(text, scanner, seen) {
            Step::More => return true,
            Step::No => {}
            Step::Match { end, doubtful } => {
                let stretch = candidate.start..end;
                let fingerprint = seen.fingerprint(text, stretch, &scanner.key);
                let matched = Found::of(candidate, (end, doubtful), fingerprint);
                found.found.push(matched);
            }
            Step::Open(mut swallow) => {
                let which = (swallow.signature, swallow.doubtful);
                if seen.is_swallowed(which, &(swallow.start..swallow.at)) {
                    return false;
                }
                let ended = swallow.advance(text);
                seen.note(&swallow, ended);
                if ended {
                    found.found.push(Found::swallowed(&swallow));
                } else {
                    self.swallows.push(*swallow);
                }
            }
        }
        false
    }

    /// Looks for new candidates in the rest of the text.
    fn look(&mut self, scanner: &Scanner, text: &Text<'_>, found: &mut Harvest) {
        self.undecided = false;
        let (from, mut seen) = (text.index(self.next), Seen::with(&self.swallows));
        let waits = self.more_follows && !text.ended;
        let clear = text.end().saturating_sub(RUN_MAX as u64);
        let mut places = scanner.index.places((text.bytes, text.ended), from);
        let (until, is_quiet, numbers) = self.nearby.known_until();
        places.know_words_until(text.index(until + 1), is_quiet, numbers);
        while let Some(place) = places.next() {
            self.next = text.base + place.index as u64;
            if self.next >= clear && waits {
                // There each row whose run is cut would be tried, now and again.
                self.undecided = true;
                return;
            }
            if self.latest.is_some_and(|latest| self.next >= latest) {
                break;
            }
            let byte = text.bytes.get(place.index).copied();
            if byte == Some(b':') && !self.look_scheme(scanner, (text, &mut seen), found) {
                // What a scheme announces starts behind it, but an anchor may open with the colon.
                self.undecided = scanner.index.anchors.odd_first.contains(b':');
                return;
            }
            if !self.look_start(scanner, (text, &mut seen), place, found) {
                self.undecided = true;
                return;
            }
            if byte == Some(b'@') {
                self.look_at_sign(scanner, (text, &mut seen), found);
            }
            let (until, is_quiet, numbers) = self.nearby.known_until();
            places.know_words_until(text.index(until + 1), is_quiet, numbers);
        }
        self.next = self.next.max(text.end());
    }

    /// Looks for known secrets; their fingerprint is that of the value, however it is encoded.
    fn look_known(&mut self, scanner: &Scanner, text: &Text<'_>, found: &mut Harvest) {
        let known = &scanner.known;
        let mut needles = Vec::new();
        let at = (text, self.more_follows);
        self.known.advance(&known.needles, at, &mut needles);
        found.found.extend(needles.into_iter().filter_map(|needle| {
            Some(Found {
                start: needle.start,
                end: needle.end,
                told_at: needle.end,
                signature: known.first + needle.secret,
                doubtful: false,
                level: 0,
                ran_on: false,
                pen: needle.pen,
                fingerprint: *known.fingerprints.get(needle.secret as usize)?,
            })
        }));
    }

    fn local_part_start(&self, text: &Text<'_>, at: u64) -> u64 {
        local_part_start(text, at).max(self.earliest.min(at))
    }

    fn look_at_sign(
        &mut self,
        scanner: &Scanner,
        (text, seen): (&Text<'_>, &mut Seen),
        found: &mut Harvest,
    ) {
        let start = self.local_part_start(text, self.next);
        if start < self.next {
            for signature in &scanner.index.email {
                let candidate = Candidate::around(start, *signature, self.next);
                self.try_candidate(scanner, (text, seen), candidate, found);
            }
        }
    }

    /// False if a `://` could stand here and more bytes will tell.
    fn look_scheme(
        &mut self,
        scanner: &Scanner,
        (text, seen): (&Text<'_>, &mut Seen),
        found: &mut Harvest,
    ) -> bool {
        let there = text.from(self.next);
        let length = there.len().min(3);
        if there.get(..length) != b"://".get(..length) {
            return true;
        }
        if length < 3 {
            return text.ended;
        }
        for signature in &scanner.index.user_info {
            let candidate = Candidate::new(self.next + 3, *signature, 0);
            self.try_candidate(scanner, (text, seen), candidate, found);
        }
        true
    }

    /// False if an anchor could stand here and more bytes will tell.
    fn look_start(
        &mut self,
        scanner: &Scanner,
        (text, seen): (&Text<'_>, &mut Seen),
        place: Place,
        found: &mut Harvest,
    ) -> bool {
        let there = text.from(self.next);
        let first = there.first().copied().unwrap_or_default();
        let starts = starts_here(text, self.next, first);
        let is_odd = scanner.index.anchors.odd_first.contains(first);
        let is_within = !starts && !is_odd && first.is_ascii_alphanumeric();
        if !(starts || is_odd || is_within && place.is_anchored) {
            return true;
        }
        if let Some(could) = place.row.filter(|_| starts && !place.is_anchored) {
            self.look_rows((scanner, &could), (text, seen), found);
            return true;
        }
        let Lookup::Entries(entries) = scanner.index.anchors.lookup(there, text.ended) else {
            return false;
        };
        let mut following = Following::default();
        for entry in entries.iter().filter(|entry| entry.may_stand(there)) {
            let is_glued = is_within || !may_start(scanner, text, entry.signature, self.next);
            if (!is_glued || scanner.may_be_glued(entry.signature))
                && following.may_follow(entry, there, text.ended)
            {
                let candidate = Candidate::new(self.next, entry.signature, entry.anchor);
                self.try_candidate(scanner, (text, seen), candidate.glued(is_glued), found);
            }
        }
        if let Some(could) = place.row.filter(|_| starts) {
            self.look_rows((scanner, &could), (text, seen), found);
        }
        true
    }

    /// Looks for signatures without an anchor.
    fn look_rows(
        &mut self,
        (scanner, could): (&Scanner, &Could),
        (text, seen): (&Text<'_>, &mut Seen),
        found: &mut Harvest,
    ) {
        let (at, index) = (self.next, &scanner.index);
        let mut place = Surroundings {
            text,
            at,
            vocabulary: &index.vocabulary,
            nearby: &mut self.nearby,
        };
        let before = Before {
            last: text.before(at).filter(|_| !after_escape(text, at)),
            second: at.checked_sub(1).and_then(|last| text.before(last)),
        };
        let mut rows = std::mem::take(&mut found.rows);
        let number = index.rows.survivors((before, could), &mut place, &mut rows);
        seen.number = number.map(|number| (at, number));
        if rows.iter().any(|row| row.has_inner)
            && index.inner.is_absent(text, at, &mut self.absence)
        {
            rows.retain(|row| !row.has_inner);
        }
        rows.retain_mut(|row| {
            if let Some(words) = scanner.words(row.signature) {
                row.told = match row.asks {
                    Asks::Nothing => Told::Nothing,
                    Asks::NearWord => Told::by(words.stand_before(text, at)),
                    Asks::Word if !place.is_read() => Told::by(words.stand_before(text, at)),
                    Asks::Word | Asks::WordIfBare => {
                        let reach = at.saturating_sub(words.window);
                        let there = place.context().words_for(row.signature, reach);
                        words.told(text, at, there)
                    }
                };
            }
            row.told != Told::Absent || row.asks == Asks::WordIfBare
        });
        for row in rows.drain(..) {
            let candidate = Candidate::without_anchor(at, row.signature, row.told);
            self.try_candidate(scanner, (text, seen), candidate, found);
        }
        found.rows = rows;
    }

    fn try_candidate(
        &mut self,
        scanner: &Scanner,
        at: (&Text<'_>, &mut Seen),
        mut candidate: Candidate,
        found: &mut Harvest,
    ) {
        if self.stays(scanner, at, &mut candidate, found) {
            self.live.push(candidate);
        }
    }
}

impl Found {
    /// A match that ends here.
    fn of(candidate: &Candidate, (end, doubtful): (u64, bool), fingerprint: Fingerprint) -> Found {
        Found {
            start: candidate.start,
            end,
            told_at: end,
            signature: candidate.signature,
            doubtful,
            level: 0,
            ran_on: false,
            pen: Pen::Plain,
            fingerprint,
        }
    }

    fn swallowed(swallow: &Swallow) -> Found {
        Found {
            start: swallow.start,
            end: swallow.at,
            told_at: swallow.told_at,
            signature: swallow.signature,
            doubtful: swallow.doubtful,
            level: 0,
            ran_on: !swallow.is_closed(),
            pen: Pen::Plain,
            fingerprint: swallow.fingerprint(),
        }
    }
}

/// Whether a word starts at `position`: a letter or digit that follows none, or one that follows
/// an escaped letter (the `n` of `\n` stands for a line end).
fn starts_here(text: &Text<'_>, position: u64, first: u8) -> bool {
    first.is_ascii_alphanumeric()
        && (!text
            .before(position)
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
            || after_escape(text, position))
}

/// Whether the left boundary of the signature with this index holds.
fn may_start(scanner: &Scanner, text: &Text<'_>, signature: u32, position: u64) -> bool {
    let shape = scanner
        .signatures()
        .get(signature as usize)
        .map(|signature| &signature.shape);
    let Some(Shape::Token { left, .. } | Shape::Pattern { left, .. }) = shape else {
        return shape.is_some();
    };
    text.before(position)
        .is_none_or(|byte| !left.contains(byte))
        || after_escape(text, position)
}

/// Whether the byte before is the letter of a simple escape.
fn after_escape(text: &Text<'_>, position: u64) -> bool {
    let index = text.index(position);
    let before = index
        .checked_sub(2)
        .and_then(|from| text.bytes.get(from..index));
    matches!(before, Some([b'\\', b'n' | b'r' | b't' | b'b' | b'f']))
}
