//! Values that are cut over the pieces of a body: the values of a form, the strings of a JSON
//! document, the parts of a multipart.
//!
//! Where a piece ends in what could be the beginning of a value, its last bytes begin a text of their own
//! ([`PiecedText`]) that goes on in the next piece, for as long as something is under way in it that began
//! there. In all other places nothing is joined and nothing is kept. Pieces
//! follow each other in the order of the body; those of one name in a form, and in JSON at one path
//! without the numbers of the items (`$.messages[*].text`), are other texts.
//!
//! What is found is what crosses from one piece into another, of the signatures that are told by an
//! anchor, and of known secrets. A value that is whole in its piece is the other layers' business.
//!
//! A piece waits for the next one where eight bytes or more of a value have begun, and not for
//! longer than [`HELD_MAX`] bytes of the body. Else what it has of the value goes out, and the rest
//! is masked when it comes.

mod form;
mod joined;
mod json;
mod parts;

use crate::json_path::JsonPath;
use crate::opening::{Begun, REACH};
use crate::pieced::PiecedText;
use crate::scanner::Scanner;
use crate::search::{Harvest, SHOWN};
use crate::text::{Text, give_back};
use crate::view::Open;
use crate::{Carrier, ScanError};
use form::FormValues;
use joined::{At, Joined};
use json::JsonStrings;
use parts::Parts;
use std::collections::{HashMap, VecDeque};

/// More texts at once than this, each in the midst of a value, are no honest body.
const TEXTS_MAX: usize = 64;
/// So many texts of which little is there are set aside.
const ASLEEP_MAX: usize = 1024;
/// So many bytes of the body a piece waits for the next.
pub(crate) const HELD_MAX: u64 = 16 * 1024;

/// So many of those may be of one key, and as many again that private keys go on in.
const OF_KEY_MAX: usize = 16;
/// So many bytes of the body before a text tell whether a word starts there, and which words stand before it.
const CONTEXT: u64 = 128;
/// So many bytes of its piece before a key belong to its text.
const BEFORE_KEY: u64 = 64;
/// So many texts are kept for their memory.
const SPARE_MAX: usize = 4;

/// What tells the pieces of one text from those of another.
pub(crate) type Key = u64;

/// The key of all pieces in the order of the body.
const IN_ORDER: Key = 0;

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: two paths or names with one hash are one text,
/// and no more comes of it.
const SEED: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0100_0000_01B3;

/// What a reader of pieces says of the next bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// They belong to a piece: from where to where, and of which text besides the one in order.
    Text { from: u64, to: u64, key: Key },
    /// The piece has ended.
    End,
}

/// A reader of pieces.
enum Pieces {
    Form(FormValues),
    Json(JsonStrings),
    Parts(Parts),
}

/// The texts of one body that go on over its pieces.
#[expect(
    clippy::vec_box,
    reason = "texts are large, and come and go with every piece"
)]
pub(crate) struct Joins {
    pieces: Pieces,
    /// What was read and not yet looked at.
    events: Vec<Event>,
    /// The piece under way: where it starts, up to where it was read, and of which text it is.
    piece: Option<(u64, u64, Key)>,
    texts: Vec<Box<Joined>>,
    /// Texts of which little is there, set aside until a piece of their key comes, by key, and their keys in the order in
    /// which they were.
    asleep: HashMap<Key, Vec<Box<Joined>>>,
    asleep_since: VecDeque<Key>,
    /// Texts that are over, for their memory.
    spare: Vec<Box<Joined>>,
    carrier: Carrier,
    /// Where in the piece under way keys start that the scan of the body has told, and whether each has a text.
    heads: Vec<(u64, bool)>,
    /// The next position to read.
    at: u64,
    /// Where a piece that may have ended would wait from.
    may_wait_from: Option<u64>,
}

impl Joins {
    /// Those of a text of this layout from this position on, if it has pieces.
    pub(crate) fn of(carrier: &Carrier, at: u64) -> Option<Joins> {
        let pieces = match carrier {
            Carrier::Form => Pieces::Form(FormValues::new()),
            Carrier::Json | Carrier::Ndjson => Pieces::Json(JsonStrings::default()),
            Carrier::Multipart { boundary } => Pieces::Parts(Parts::of(boundary)),
            _ => return None,
        };
        Some(Joins {
            pieces,
            events: Vec::new(),
            piece: None,
            texts: Vec::new(),
            asleep: HashMap::new(),
            asleep_since: VecDeque::new(),
            spare: Vec::new(),
            carrier: carrier.clone(),
            heads: Vec::new(),
            at,
            may_wait_from: None,
        })
    }

    /// Reads on.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        match &mut self.pieces {
            Pieces::Form(form) => form.read(bytes, self.at, &mut self.events),
            Pieces::Parts(parts) => parts.read(bytes, &mut self.events),
            Pieces::Json(json) => json.read(bytes, self.at, &mut self.events),
        }
        self.at += bytes.len() as u64;
    }

    /// Moves a reader of the structure of the body on from a position, up to another one at most, if that is read here
    /// too: to where it is then.
    pub(crate) fn lead(&mut self, path: &mut JsonPath, (from, to): (u64, u64)) -> u64 {
        match &mut self.pieces {
            Pieces::Json(json) => json.lead(path, (from, to)),
            Pieces::Form(_) | Pieces::Parts(_) => from,
        }
    }

    /// The first position that may belong to a line that parts the body, not read to its end.
    pub(crate) fn fence_hold(&self) -> Option<u64> {
        match &self.pieces {
            Pieces::Parts(parts) => Some(parts.hold()),
            Pieces::Form(_) | Pieces::Json(_) => None,
        }
    }

    /// The lines that part the body, if it has such lines.
    pub(crate) fn parts(&mut self) -> Option<&mut Parts> {
        match &mut self.pieces {
            Pieces::Parts(parts) => Some(parts),
            Pieces::Form(_) | Pieces::Json(_) => None,
        }
    }

    /// Looks at what was read up to a position, before which everything was looked at in the body. The harvest is that
    /// of the body so far, in which these matches are being swallowed.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        (text, opens, until): (&Text<'_>, &[Open], u64),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        self.note_heads(scanner, opens, harvest);
        let carrier = self.carrier.clone();
        let at = At {
            scanner,
            text,
            carrier: &carrier,
        };
        let mut events = std::mem::take(&mut self.events);
        let mut rest = None;
        let mut count = 0;
        for event in &events {
            match *event {
                Event::Text { from, to, key } => {
                    let there = to.min(until).max(from);
                    if from < there {
                        self.add((from, there, key), &at, harvest)?;
                    }
                    if there < to {
                        let from = there;
                        rest = Some(Event::Text { from, to, key });
                        break;
                    }
                }
                Event::End => self.end_piece(&at, harvest)?,
            }
            count += 1;
        }
        events.drain(..count);
        if let (Some(first), Some(rest)) = (events.first_mut(), rest) {
            *first = rest;
        }
        give_back(&mut events);
        self.events = events;
        let start = self.piece.map_or(self.next_piece(), |(start, _, _)| start);
        self.heads.retain(|(head, _)| *head >= start);
        let next_piece = self.next_piece();
        for joined in &mut self.texts {
            if text.ended || joined.is_stale(next_piece) {
                joined.let_go(next_piece);
            }
        }
        if text.ended {
            self.end_piece(&at, harvest)?;
        }
        for joined in &mut self.texts {
            if text.ended || joined.is_stale(next_piece) {
                joined.end(scanner, harvest)?;
            } else if joined.added.is_some() {
                joined.scan(scanner, false, harvest)?;
            }
        }
        self.set_aside();
        self.may_wait_from = self.may_wait(&at);
        Ok(())
    }

    /// Takes down where keys start. One may be longer than what is looked at where its piece ends, and encoded in any way.
    fn note_heads(&mut self, scanner: &Scanner, opens: &[Open], harvest: &Harvest) {
        let found = harvest.found.iter();
        let found = found.map(|found| (found.start, found.signature));
        let opens = opens.iter().map(|open| (open.start, open.signature));
        for (start, signature) in found.chain(opens) {
            let is_known = || self.heads.iter().any(|(head, _)| *head == start);
            if scanner.has_lines(signature) && !is_known() {
                self.heads.push((start, false));
            }
        }
        self.heads.sort_unstable();
    }

    /// Where the next piece may start at the earliest.
    fn next_piece(&self) -> u64 {
        if let Some(Event::Text { from, .. }) = self.events.first() {
            return *from;
        }
        match &self.pieces {
            Pieces::Parts(parts) => parts.next_piece(),
            Pieces::Form(_) | Pieces::Json(_) => self.at,
        }
    }

    /// Where a piece that may have ended would wait from, at the earliest.
    fn may_wait(&self, at: &At<'_>) -> Option<u64> {
        let (start, _, _) = self.piece?;
        let Pieces::Parts(parts) = &self.pieces else {
            return None;
        };
        let end = parts.may_end()?;
        let first = end.saturating_sub(REACH as u64).max(start);
        let begun = at.scanner.begun(at.text.slice(first, end)).map(|_| first);
        let goes_on = self.texts.iter().any(|joined| joined.added.is_some());
        begun.or(Some(end).filter(|_| goes_on))
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self, end: u64) -> u64 {
        let next = self.next_piece();
        let holds = self.texts.iter().filter_map(|joined| joined.hold(next));
        // A line break may be the first byte of the next piece.
        let begins = Some(next).filter(|_| !self.texts.is_empty() || !self.asleep.is_empty());
        // The end of a piece is at hand and not looked at yet: its last bytes may be the beginning of a value.
        let waits = (self.events.len() > 1).then(|| self.needs());
        let holds = holds.chain(self.may_wait_from).chain(begins).chain(waits);
        holds.fold(end, u64::min)
    }

    /// What is needed from here on of the piece under way: its last bytes are asked when it ends.
    pub(crate) fn needs(&self) -> u64 {
        let next = self.next_piece();
        let start = self.piece.map_or(next, |(start, _, _)| start);
        start.max(next.saturating_sub(REACH as u64))
    }

    /// The matches being swallowed: where they start, and before where they cannot end.
    pub(crate) fn open<'a>(&'a self, scanner: &'a Scanner) -> impl Iterator<Item = Open> + 'a {
        let texts = self.texts.iter();
        let texts = texts.filter_map(|joined| joined.text.as_deref());
        let open = texts.flat_map(PiecedText::open);
        open.filter(|open| scanner.is_joined(open.signature))
    }

    /// Adds bytes of a piece to the texts that go on.
    fn add(
        &mut self,
        (from, to, key): (u64, u64, Key),
        at: &At<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        if self.piece.is_none() {
            if !self.asleep.is_empty() {
                self.texts
                    .extend(self.asleep.remove(&key).into_iter().flatten());
            }
            let of_this = |joined: &&mut Box<Joined>| [IN_ORDER, key].contains(&joined.key);
            for joined in self.texts.iter_mut().filter(of_this) {
                joined.start_piece(from, at, harvest)?;
            }
        }
        let (start, _, _) = *self.piece.get_or_insert((from, to, key));
        self.piece = Some((start, to, key));
        for joined in &mut self.texts {
            joined.add((from, to), at, harvest)?;
        }
        self.set_aside();
        let mut heads = std::mem::take(&mut self.heads);
        for (head, has_text) in &mut heads {
            if (start..to).contains(head) && !std::mem::replace(has_text, true) {
                // Where it is encoded, a group of characters may begin before it.
                let from = head.saturating_sub(BEFORE_KEY).max(start);
                self.follow_key((from, to, key), at, harvest)?;
            }
        }
        self.heads = heads;
        Ok(())
    }

    /// Begins texts with a key that starts in the piece under way, from here on.
    fn follow_key(
        &mut self,
        (from, to, key): (u64, u64, Key),
        at: &At<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        for key in keys_of(key) {
            self.make_room(key, (at.scanner, harvest))?;
            let mut joined = Box::new(Joined::within(key, from));
            joined.awake(at.carrier);
            joined.add((from, to), at, harvest)?;
            self.texts.push(joined);
        }
        Ok(())
    }

    /// Makes room for another text of this key.
    ///
    /// Where there are many of one key, the oldest gives way: a value whose pieces follow each other is among the
    /// last that began. A private key goes on over what is none of it, and gives way to other keys only, which go
    /// on over it. There is a limit on all of them, too, and there what is worth waiting for is not forgotten: a
    /// cap is no place to hide behind.
    fn make_room(
        &mut self,
        key: Key,
        (scanner, harvest): (&Scanner, &mut Harvest),
    ) -> Result<(), ScanError> {
        if self.texts.iter().filter(|joined| joined.key == key).count() >= OF_KEY_MAX {
            for is_key in [false, true] {
                let is_one =
                    |joined: &Joined| joined.key == key && joined.is_key(scanner) == is_key;
                if self.texts.iter().filter(|joined| is_one(joined)).count() >= OF_KEY_MAX {
                    self.forget(is_one, scanner, harvest)?;
                }
            }
        }
        if self.texts.len() >= TEXTS_MAX
            && !self.forget(Joined::waits_for_nothing, scanner, harvest)?
        {
            return Err(ScanError::TooLong);
        }
        Ok(())
    }

    /// Ends the oldest of these texts, if there is one. A match that goes on in it ends there.
    fn forget(
        &mut self,
        which: impl Fn(&Joined) -> bool,
        scanner: &Scanner,
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        let oldest = self.texts.iter().position(|joined| which(joined));
        let Some(oldest) = oldest else {
            return Ok(false);
        };
        let mut forgotten = self.texts.remove(oldest);
        if forgotten.is_little() && self.texts.len() + 1 >= TEXTS_MAX {
            self.lay_asleep(forgotten);
            return Ok(true);
        }
        forgotten.let_go(self.at);
        forgotten.end(scanner, harvest)?;
        Ok(true)
    }

    /// Sets a text aside of which little is there; the one that slept longest is forgotten for it, where they are many.
    fn lay_asleep(&mut self, joined: Box<Joined>) {
        if self.asleep_since.len() >= ASLEEP_MAX
            && let Some(key) = self.asleep_since.pop_front()
        {
            self.asleep.remove(&key);
        }
        self.asleep_since.push_back(joined.key);
        self.asleep.entry(joined.key).or_default().push(joined);
    }

    /// Takes out the texts that are over.
    fn set_aside(&mut self) {
        let mut at = 0;
        while let Some(joined) = self.texts.get(at) {
            if !joined.is_over {
                at += 1;
                continue;
            }
            let over = self.texts.remove(at);
            if self.spare.len() < SPARE_MAX {
                self.spare.push(over);
            }
        }
    }

    fn end_piece(&mut self, at: &At<'_>, harvest: &mut Harvest) -> Result<(), ScanError> {
        let Some((start, end, key)) = self.piece.take() else {
            return Ok(());
        };
        for joined in &mut self.texts {
            joined.end_piece(end, at, harvest)?;
        }
        self.set_aside();
        let first = end.saturating_sub(REACH as u64).max(start);
        let tail = at.text.slice(first, end);
        let Some(begun) = at.scanner.begun(tail) else {
            return Ok(());
        };
        let starts = match begun {
            Begun::Plain(starts) => starts,
            Begun::Encoded => 0,
        };
        let first = first + starts as u64;
        let context = at.text.slice(first.saturating_sub(CONTEXT), first);
        let shown = tail.get(starts..).unwrap_or_default();
        let is_short = begun != Begun::Encoded && (shown.len() as u64) < SHOWN;
        for key in keys_of(key) {
            let spare = self.spare.pop();
            let mut joined = spare.unwrap_or_else(|| Box::new(Joined::within(key, first)));
            joined.begin_at(key, first);
            joined.begin(context, shown);
            if !is_short {
                joined.awake(at.carrier);
            }
            joined.end_piece(end, at, harvest)?;
            if !joined.is_over {
                self.make_room(key, (at.scanner, harvest))?;
                self.texts.push(joined);
            }
        }
        Ok(())
    }
}

/// The texts that a piece of this key belongs to.
fn keys_of(key: Key) -> impl Iterator<Item = Key> {
    let at_path = Some(key).filter(|key| *key != IN_ORDER);
    [IN_ORDER].into_iter().chain(at_path)
}
