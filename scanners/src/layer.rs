//! One text and everything that is looked for in it: its own search, and its decoded views, which
//! are layers again.

mod characters;
mod runs;
mod seam;

use crate::base64::Base64;
use crate::confirm::Swallow;
use crate::depth::{PROBED, Probe};
use crate::inflate::Lookout;
use crate::runs::{APART, RunKind};
use crate::scanner::Scanner;
use crate::search::{Harvest, Search};
use crate::skim::Skim;
use crate::text::{LEFT_CONTEXT, Text, give_back};
use crate::units;
use crate::view::{Decoder, Open, View};
use crate::{Carrier, MaskSet, ScanError};
use characters::{ENCODINGS, FORM_ENCODINGS, Trigger};
pub(crate) use characters::{Encoding, Encodings, UNIT_ENCODINGS};

/// The encodings of whole runs, base64 apart.
const RUNS: [RunKind; 5] = [
    RunKind::Base32(false),
    RunKind::Base32(true),
    RunKind::Hex(0),
    RunKind::Hex(1),
    RunKind::HexPairs,
];

/// What starts so many bytes after a position starts in every text that is the same from there on: no
/// more is looked at before it.
const ALIKE: u64 = 128;

/// Fewer bytes are not forgotten by themselves.
const TRIM_LEAST: usize = LEFT_CONTEXT / 2;

/// One text being scanned.
pub(crate) struct Layer {
    window: Vec<u8>,
    base: u64,
    depth: u8,
    /// Whether more of the text follows soon.
    more_follows: bool,
    search: Search,
    encodings: &'static Encodings,
    /// One for each of the encodings, none where no deeper view may be opened.
    units: Vec<Watch>,
    /// One for each of [`RUNS`].
    runs: Vec<Watch>,
    base64: Option<Box<Base64>>,
    compressed: Option<Box<Lookout>>,
    /// At the level where encodings are no longer undone.
    probe: Option<Box<Probe>>,
}

/// The lookout for one encoding.
struct Watch {
    /// The view, while there is one.
    view: Option<Box<View>>,
    /// The next position at which to look for something encoded, while there is none.
    from: u64,
    /// Where the next view may start at the earliest: after what the last one decoded.
    earliest: u64,
    /// A run may start here, in the middle of a longer one.
    floor: u64,
    /// Whether the run of the view is no rest of one that started before.
    apart: bool,
}

impl Watch {
    fn starting_at(position: u64) -> Watch {
        Watch {
            view: None,
            from: position,
            earliest: position,
            floor: position,
            apart: false,
        }
    }

    /// Advances the view, and closes it when it has nothing more to say (then true).
    fn advance(
        &mut self,
        scanner: &Scanner,
        text: &Text<'_>,
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        let Some(view) = &mut self.view else {
            return Ok(false);
        };
        let closed = view.advance(scanner, text, harvest)?;
        if closed {
            self.earliest = view.quiet_since;
            self.from = view.fed;
            self.view = None;
        }
        Ok(closed)
    }

    fn hold(&self) -> u64 {
        self.view.as_ref().map_or(self.from, |view| view.hold())
    }

    /// Whether nothing is under way but a run that any other text has too that is the same from a
    /// position on.
    fn is_alike_from(&self, plain_since: u64, kind: RunKind, text: &Text<'_>) -> bool {
        let (start, apart) = match &self.view {
            None => (
                self.from,
                self.from == text.end() || kind.is_apart(text, self.from),
            ),
            Some(view) => (view.opened_at(), self.apart),
        };
        let apart = apart || kind == RunKind::HexPairs && start >= plain_since + ALIKE;
        apart && start >= plain_since + APART
    }
}

/// For what is looked for in a text: before which position nothing can start.
#[derive(Clone, Copy)]
pub(crate) struct Floors {
    /// For values, and for encoded characters.
    text: u64,
    /// For each encoding of runs. It may be in the middle of a run.
    runs: [u64; RUNS.len()],
    base64: u64,
    /// For compressed streams.
    compressed: u64,
}

impl Floors {
    pub(crate) fn all_at(position: u64) -> Floors {
        Floors {
            text: position,
            runs: [position; RUNS.len()],
            base64: position,
            compressed: position,
        }
    }

    pub(crate) fn with_compressed(self, compressed: u64) -> Floors {
        Floors { compressed, ..self }
    }

    pub(crate) fn map(self, to: impl Fn(u64) -> u64) -> Floors {
        Floors {
            text: to(self.text),
            runs: self.runs.map(&to),
            base64: to(self.base64),
            compressed: to(self.compressed),
        }
    }
}

/// What is known of the characters encoded in a text.
struct Outlook {
    /// The first place at which a view is to be opened, and of which encoding.
    trigger: Option<(usize, u64)>,
    /// Everything before this position stands for itself, or is in a view.
    until: u64,
}

/// Looks for the next encoded character of any kind that has no view yet.
///
/// Whether a character is encoded may depend on the next encoded one: in `\u00=37`, what follows
/// `\u00` is known only once `=37` is read. So before that place nothing counts as known that was
/// told by bytes from there on.
fn look_out(
    watches: &mut [Watch],
    encodings: &Encodings,
    text: &Text<'_>,
    skim: Option<&Skim>,
) -> Outlook {
    let mut outlook = Outlook {
        trigger: None,
        until: text.end(),
    };
    let mut asked = [false; ENCODINGS.len()];
    for (kind, (watch, encoding)) in watches.iter_mut().zip(encodings).enumerate() {
        if watch.view.is_some() {
            continue;
        }
        let (position, trigger) = match encoding.find(text, watch.from, skim) {
            Trigger::NotBefore(position) => (position, None),
            Trigger::At(position) => (position, Some((kind, position))),
        };
        watch.from = position;
        if position < outlook.until {
            outlook = Outlook {
                trigger,
                until: position,
            };
            asked = std::array::from_fn(|other| other == kind);
        }
    }
    if outlook.until == text.end() && watches.iter().all(|watch| watch.view.is_none()) {
        return outlook;
    }
    while let Some((kind, position)) =
        told_by_later_bytes((watches, encodings), text, outlook.until, &asked)
    {
        outlook.until = position;
        if let Some(asked) = asked.get_mut(kind) {
            *asked = true;
        }
    }
    outlook
}

/// An encoding, not asked yet, that is undecided shortly before `until` if the rest is not known.
fn told_by_later_bytes(
    (watches, encodings): (&[Watch], &Encodings),
    text: &Text<'_>,
    until: u64,
    asked: &[bool],
) -> Option<(usize, u64)> {
    let known = text.until(until);
    let near = until.saturating_sub(units::LONGEST);
    let kinds = watches.iter().zip(encodings).zip(asked).enumerate();
    let undecided = kinds.filter_map(|(kind, ((watch, encoding), asked))| {
        if *asked {
            return None;
        }
        let mut from = match &watch.view {
            // Its characters are asked about too: a view of another encoding may tell more of them.
            Some(view) => encoding.boundary(&known, view.fed),
            None => near.max(watch.earliest),
        };
        while encoding.next(&known, &mut from).is_some() {}
        Some((kind, from)).filter(|_| from < until)
    });
    undecided.min_by_key(|(_, position)| *position)
}

/// So many bytes are worth a first look.
const SKIMMED: u64 = 32;

/// A first look at what the lookouts have not looked at.
fn skim(
    text: &Text<'_>,
    (units, runs): (&[Watch], &[Watch]),
    base64: Option<&Base64>,
) -> Option<Skim> {
    let idle = units.iter().chain(runs);
    let idle = idle.filter(|watch| watch.view.is_none());
    let next = base64.map_or(text.end(), Base64::next);
    let from = idle.map(|watch| watch.from).fold(next, u64::min);
    (from + SKIMMED <= text.end()).then(|| Skim::of(text, from))
}

/// Advances the views of characters; whether any of them closed.
fn advance_views(
    watches: &mut [Watch],
    (scanner, text): (&Scanner, &Text<'_>),
    harvest: &mut Harvest,
) -> Result<bool, ScanError> {
    let mut closed = false;
    for watch in watches {
        closed |= watch.advance(scanner, text, harvest)?;
    }
    Ok(closed)
}

impl Layer {
    /// A text whose first byte is at position `base`.
    pub(crate) fn new(base: u64, depth: u8) -> Layer {
        let deeper = |count| if depth < PROBED { count } else { 0 };
        Layer {
            window: Vec::new(),
            base,
            depth,
            more_follows: false,
            search: Search::starting_at(base),
            encodings: &ENCODINGS,
            units: (0..deeper(ENCODINGS.len()))
                .map(|_| Watch::starting_at(base))
                .collect(),
            probe: (depth == PROBED).then(|| Box::new(Probe::starting_at(base))),
            base64: (depth < PROBED).then(|| Box::new(Base64::starting_at(base, base))),
            compressed: (depth < PROBED).then(|| Box::new(Lookout::at_start(base))),
            runs: (0..deeper(RUNS.len()))
                .map(|_| Watch::starting_at(base))
                .collect(),
        }
    }

    /// A text of this layout, whose first byte is at position 0.
    pub(crate) fn of(carrier: &Carrier) -> Layer {
        Layer {
            encodings: match carrier {
                Carrier::Form | Carrier::Url => &FORM_ENCODINGS,
                _ => &ENCODINGS,
            },
            ..Layer::new(0, 0)
        }
    }

    /// Looks for nothing that starts before the floors; what stands there is left context. Only
    /// before the first advance.
    pub(crate) fn look_from(&mut self, floors: &Floors) {
        self.search = Search::starting_at(floors.text);
        for watch in &mut self.units {
            *watch = Watch {
                // What stands before may be decoded, as context.
                earliest: self.base,
                ..Watch::starting_at(floors.text)
            };
        }
        for (watch, floor) in self.runs.iter_mut().zip(floors.runs) {
            *watch = Watch::starting_at(floor);
        }
        if let Some(base64) = &mut self.base64 {
            **base64 = Base64::starting_at(self.base, floors.base64);
        }
        if let Some(compressed) = &mut self.compressed {
            **compressed = Lookout::starting_at(floors.compressed);
        }
        if let Some(probe) = &mut self.probe {
            **probe = Probe::starting_at(floors.text);
        }
    }

    /// Looks for compressed streams only. Only before the first advance.
    pub(crate) fn look_for_streams_only(&mut self) {
        /// No text is as long.
        const NEVER: u64 = u64::MAX / 2;
        self.search = Search::starting_at(NEVER);
        self.units.clear();
        self.runs.clear();
        self.base64 = None;
    }

    /// Up to where everything is decided that starts before `until`.
    fn floors(
        search: &Search,
        runs: &[Watch],
        (base64, compressed): (Option<&Base64>, Option<&Lookout>),
        until: u64,
    ) -> Floors {
        let mut floors = Floors::all_at(search.hold(until).max(search.earliest()).min(until));
        for (floor, watch) in floors.runs.iter_mut().zip(runs) {
            *floor = watch.hold().min(until);
        }
        if let Some(base64) = base64 {
            floors.base64 = base64.hold().min(until);
        }
        if let Some(compressed) = compressed {
            floors.compressed = compressed.next().min(until);
        }
        floors
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

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match bytes {
            // Without the way to copy any number of them.
            [byte] => self.window.push(*byte),
            bytes => self.window.extend_from_slice(bytes),
        }
    }

    /// The bytes at hand, to be added to and put back.
    pub(crate) fn take_window(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.window)
    }

    pub(crate) fn put_window(&mut self, window: Vec<u8>) {
        self.window = window;
    }

    /// Says whether more of the text follows, or all of it is looked at again: until then, what could
    /// start so near the end that more would tell need not be looked at.
    pub(crate) fn more_follows(&mut self, follows: bool) {
        self.more_follows = follows;
    }

    /// Whether something may not have been looked at because more was to follow.
    pub(crate) fn is_behind(&self) -> bool {
        self.more_follows
    }

    /// Goes on with a match that is being swallowed in the encoded text, from this position on.
    pub(crate) fn adopt(&mut self, mut swallow: Swallow, at: u64) {
        swallow.at = at;
        self.search.adopt(swallow);
    }

    /// Scans what was pushed.
    ///
    /// The search runs up to each encoded character before its view is opened, so that the view
    /// can take over what is under way there. Nothing runs past bytes that may turn out to be an
    /// encoded character: they would end candidates that belong to the view.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        ended: bool,
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let Layer {
            window,
            base,
            depth,
            more_follows,
            search,
            encodings,
            units,
            runs,
            base64,
            compressed,
            probe,
        } = self;
        let text = Text {
            bytes: window,
            base: *base,
            ended,
        };
        let skim = skim(&text, (units, runs), base64.as_deref());
        if let Some(probe) = probe {
            harvest.deep.extend(probe.advance(encodings, &text));
        }
        loop {
            let Outlook { trigger, until } = look_out(units, encodings, &text, skim.as_ref());
            let until_there = text.until(until);
            let at = (scanner, &until_there);
            if advance_views(units, at, harvest)? {
                continue;
            }
            runs::advance(runs, (*depth, skim.as_ref()), at, harvest)?;
            if let Some(base64) = base64 {
                base64.advance(at, (*depth, skim.as_ref()), harvest)?;
            }
            if let Some(compressed) = compressed {
                compressed.advance(at, *depth, harvest)?;
            }
            search.more_follows(*more_follows && trigger.is_none());
            search.advance(scanner, &until_there, harvest);
            let Some((kind, trigger)) = trigger else {
                return Ok(());
            };
            let (Some(watch), Some(encoding)) = (units.get_mut(kind), encodings.get(kind)) else {
                return Ok(());
            };
            let context = trigger.saturating_sub(LEFT_CONTEXT as u64 / 2);
            let before = context.min(search.hold(until));
            let start = before.max(watch.earliest).max(*base);
            let mut view = View::new(Decoder::Units(encoding), trigger, start, *depth + 1);
            let encoded = (base64.as_deref(), compressed.as_deref());
            let floors = Layer::floors(search, runs, encoded, until);
            view.take_over(scanner, &text, (floors, search.swallows()), harvest)?;
            watch.view = Some(Box::new(view));
        }
    }

    fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.units.iter().chain(&self.runs)
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> u64 {
        let end = self.end();
        let own = self.search.hold(end);
        let own = self
            .base64
            .as_ref()
            .map_or(own, |base64| base64.hold().min(own));
        let own = self
            .compressed
            .as_ref()
            .map_or(own, |compressed| compressed.hold().min(own));
        let own = self
            .probe
            .as_ref()
            .map_or(own, |probe| probe.hold().min(own));
        self.watches().map(Watch::hold).fold(own, u64::min)
    }

    /// Where a value that would be masked has begun for certain, and is undecided.
    pub(crate) fn begun(&self, mask: (&Scanner, &MaskSet)) -> Option<u64> {
        self.search.begun(self.end(), mask)
    }

    /// The matches being swallowed, here and in views.
    pub(crate) fn opens(&self) -> Vec<Open> {
        if self.search.swallows().is_empty() && !self.has_views() {
            return Vec::new();
        }
        let own = self.search.swallows().iter().map(Open::of);
        let views = self.watches().filter_map(|watch| watch.view.as_ref());
        let base64 = self.base64.iter().flat_map(|base64| base64.views());
        let compressed = self.compressed.iter().flat_map(|one| one.views());
        let views = views.map(AsRef::as_ref).chain(base64).chain(compressed);
        own.chain(views.flat_map(View::opens)).collect()
    }

    /// The matches being swallowed in the text itself.
    pub(crate) fn swallows(&self) -> &[Swallow] {
        self.search.swallows()
    }

    fn has_views(&self) -> bool {
        self.watches().any(|watch| watch.view.is_some())
            || self
                .base64
                .as_ref()
                .is_some_and(|base64| base64.views().next().is_some())
            || self
                .compressed
                .as_ref()
                .is_some_and(|one| one.views().next().is_some())
    }

    /// Whether matches in this text are deeper than is looked.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth == PROBED
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.watches().all(|watch| watch.view.is_none())
            && self.compressed.iter().all(|one| one.views().count() == 0)
            && self.search.is_idle(self.end())
            && self.hold() == self.end()
    }

    /// Whether nothing is under way but what every text has under way too that is the same from a
    /// position on.
    pub(crate) fn is_alike_from(&self, plain_since: u64) -> bool {
        let (text, since) = (self.text(false), plain_since + ALIKE);
        let is_late = |hold: u64| hold == text.end() || hold >= since;
        let mut swallows = self.search.swallows().iter();
        swallows.all(|swallow| swallow.start >= since)
            && is_late(self.search.hold(text.end()))
            && self.probe.iter().all(|probe| is_late(probe.hold()))
            && self
                .compressed
                .iter()
                .all(|one| is_late(one.hold()) && one.views().count() == 0)
            && self
                .units
                .iter()
                .all(|watch| watch.view.is_none() && is_late(watch.from))
            && self
                .base64
                .iter()
                .all(|base64| base64.is_alike_from(plain_since, &text))
            && self
                .runs
                .iter()
                .zip(RUNS)
                .all(|(watch, kind)| watch.is_alike_from(plain_since, kind, &text))
    }

    /// The bytes at hand.
    pub(crate) fn text(&self, ended: bool) -> Text<'_> {
        Text {
            bytes: &self.window,
            base: self.base,
            ended,
        }
    }

    /// Forgets what is no longer needed, nothing from `needed` on; returns how many bytes.
    pub(crate) fn trim(&mut self, needed: u64) -> usize {
        let keep_from = self.hold().min(needed).saturating_sub(LEFT_CONTEXT as u64);
        let count = usize::try_from(keep_from.saturating_sub(self.base)).unwrap_or_default();
        let count = count.min(self.window.len());
        // What is left is moved, so small pushes are not each followed by it.
        if count < TRIM_LEAST {
            return 0;
        }
        self.window.drain(..count);
        give_back(&mut self.window);
        self.base += count as u64;
        count
    }
}
