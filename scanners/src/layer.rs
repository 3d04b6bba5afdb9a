//! One text and everything that is looked for in it: its own search, and its decoded views, which
//! are layers again.

use crate::ScanError;
use crate::confirm::Swallow;
use crate::scanner::Scanner;
use crate::search::{Found, Search};
use crate::text::{LEFT_CONTEXT, Text};
use crate::units::{self, Unit, UnitFn};
use crate::view::{Open, View};

/// How deep encodings may be nested.
const DEPTH_MAX: u8 = 3;

/// The encodings that replace single characters.
const ENCODINGS: [Encoding; 1] = [Encoding {
    announces: b'\\',
    unit: units::escape,
}];

/// One text being scanned.
pub(crate) struct Layer {
    window: Vec<u8>,
    base: u64,
    depth: u8,
    search: Search,
    /// One for each encoding, none where no deeper view may be opened.
    watches: Vec<Watch>,
}

/// The lookout for one encoding.
struct Watch {
    /// The view, while there is one.
    view: Option<Box<View>>,
    /// The next position at which to look for an encoded character, while there is none.
    from: u64,
    /// Where the next view may start at the earliest: after what the last one decoded.
    earliest: u64,
}

impl Watch {
    fn starting_at(position: u64) -> Watch {
        Watch {
            view: None,
            from: position,
            earliest: position,
        }
    }

    /// Advances the view, and closes it when it has nothing more to say.
    fn advance(
        &mut self,
        scanner: &Scanner,
        text: &Text<'_>,
        found: &mut Vec<Found>,
    ) -> Result<(), ScanError> {
        if let Some(view) = &mut self.view
            && view.advance(scanner, text, found)?
        {
            self.earliest = view.quiet_since;
            self.from = view.fed;
            self.view = None;
        }
        Ok(())
    }

    /// Up to where it is known what is encoded.
    fn known(&self) -> u64 {
        if self.view.is_some() {
            u64::MAX
        } else {
            self.from
        }
    }

    fn hold(&self) -> u64 {
        self.view.as_ref().map_or(self.from, |view| view.hold())
    }
}

/// An encoding that replaces single characters.
struct Encoding {
    /// The byte every encoded character starts with.
    announces: u8,
    unit: UnitFn,
}

/// Where an encoded character stands.
enum Trigger {
    /// Here.
    At(u64),
    /// Not before this position, where more bytes are needed.
    NotBefore(u64),
}

impl Encoding {
    fn find(&self, text: &Text<'_>, mut from: u64) -> Trigger {
        while let Some(offset) = memchr::memchr(self.announces, text.from(from)) {
            let position = from + offset as u64;
            match (self.unit)(text.from(position), text.ended) {
                Unit::Encoded { opens: true, .. } => return Trigger::At(position),
                Unit::Unknown => return Trigger::NotBefore(position),
                Unit::Encoded { length, .. } => from = position + u64::from(length),
                Unit::Literal => from = position + 1,
            }
        }
        Trigger::NotBefore(text.end())
    }
}

/// The first place at which a view is to be opened, and of which encoding.
fn next_trigger(watches: &mut [Watch], text: &Text<'_>) -> Option<(usize, u64)> {
    let mut first = None;
    for (kind, (watch, encoding)) in watches.iter_mut().zip(&ENCODINGS).enumerate() {
        if watch.view.is_some() {
            continue;
        }
        match encoding.find(text, watch.from) {
            Trigger::NotBefore(position) => watch.from = position,
            Trigger::At(position) => {
                watch.from = position;
                if first.is_none_or(|(_, earlier)| position < earlier) {
                    first = Some((kind, position));
                }
            }
        }
    }
    first
}

impl Layer {
    /// A text whose first byte is at position `base`.
    pub(crate) fn new(base: u64, depth: u8) -> Layer {
        let deeper = if depth < DEPTH_MAX {
            ENCODINGS.len()
        } else {
            0
        };
        Layer {
            window: Vec::new(),
            base,
            depth,
            search: Search::starting_at(base),
            watches: (0..deeper).map(|_| Watch::starting_at(base)).collect(),
        }
    }

    /// The position of the first byte of the window.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The position after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.window.len() as u64
    }

    /// The bytes between two positions of the window.
    pub(crate) fn slice(&self, start: u64, end: u64) -> &[u8] {
        Text {
            bytes: &self.window,
            base: self.base,
            ended: false,
        }
        .slice(start, end)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.window.extend_from_slice(bytes);
    }

    /// Goes on with a match that is being swallowed in the encoded text, from the end on.
    pub(crate) fn adopt(&mut self, mut swallow: Swallow) {
        swallow.at = self.end();
        self.search.adopt(swallow);
    }

    /// Scans what was pushed.
    ///
    /// The search runs up to each encoded character before its view is opened, so that the view
    /// can take over what is under way there. It does not run past bytes that may turn out to be
    /// an encoded character: they would end candidates that belong to the view.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        ended: bool,
        found: &mut Vec<Found>,
    ) -> Result<(), ScanError> {
        let Layer {
            window,
            base,
            depth,
            search,
            watches,
        } = self;
        let text = Text {
            bytes: window,
            base: *base,
            ended,
        };
        for watch in watches.iter_mut() {
            watch.advance(scanner, &text, found)?;
        }
        while let Some((kind, trigger)) = next_trigger(watches, &text) {
            search.advance(scanner, &text.until(trigger), found);
            let (Some(watch), Some(encoding)) = (watches.get_mut(kind), ENCODINGS.get(kind)) else {
                break;
            };
            let earliest = trigger.saturating_sub(LEFT_CONTEXT as u64);
            let start = earliest
                .min(search.hold(trigger))
                .max(watch.earliest)
                .max(*base);
            let mut view = View::new(encoding.unit, trigger, start, *depth + 1);
            view.take_over(scanner, &text.until(trigger), search.swallows(), found)?;
            watch.view = Some(Box::new(view));
            watch.advance(scanner, &text, found)?;
        }
        let known = watches.iter().map(Watch::known).fold(text.end(), u64::min);
        search.advance(scanner, &text.until(known), found);
        Ok(())
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> u64 {
        let end = self.end();
        self.watches
            .iter()
            .map(Watch::hold)
            .fold(self.search.hold(end), u64::min)
    }

    /// The matches being swallowed, here and in views.
    pub(crate) fn opens(&self) -> Vec<Open> {
        let own = self.search.swallows().iter().map(Open::of);
        let views = self.watches.iter().filter_map(|watch| watch.view.as_ref());
        own.chain(views.flat_map(|view| view.opens())).collect()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.watches.iter().all(|watch| watch.view.is_none())
            && self.search.is_idle(self.end())
            && self.hold() == self.end()
    }

    /// Forgets what is no longer needed; returns how many bytes.
    pub(crate) fn trim(&mut self) -> usize {
        let keep_from = self.hold().saturating_sub(LEFT_CONTEXT as u64);
        let count = usize::try_from(keep_from.saturating_sub(self.base)).unwrap_or_default();
        let count = count.min(self.window.len());
        self.window.drain(..count);
        self.base += count as u64;
        count
    }
}
