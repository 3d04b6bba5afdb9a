//! One text and everything that is looked for in it: its own search, and its decoded views, which
//! are layers again.

mod around;
mod brief;
mod characters;
mod lookouts;
mod runs;
mod seam;

use crate::confirm::Swallow;
use crate::depth::{Depth, Probe};
use crate::inflate::Lookout;
use crate::scanner::Scanner;
use crate::search::{Harvest, Search};
use crate::text::{LEFT_CONTEXT, Text, give_back};
use crate::view::{Decoder, Open, View};
use crate::{Carrier, MaskSet, ScanError};
pub(crate) use around::{Around, OPEN, Older, Standing};
pub(crate) use brief::{Brief, Trial};
use characters::{ENCODINGS, FORM_ENCODINGS};
pub(crate) use characters::{Encoding, Encodings, UNIT_ENCODINGS};
use lookouts::{Lookouts, Outlook};
use runs::RUNS;

/// What starts so many bytes after a position starts in every text that is the same from there on: no
/// more is looked at before it.
const ALIKE: u64 = 128;

/// Fewer bytes are not forgotten by themselves.
const TRIM_LEAST: usize = LEFT_CONTEXT / 2;

/// One text being scanned.
pub(crate) struct Layer {
    window: Vec<u8>,
    base: u64,
    depth: Depth,
    /// Whether more of the text follows soon.
    more_follows: bool,
    search: Search,
    encodings: &'static Encodings,
    /// None where no deeper view may be opened, and where only compressed streams are looked for.
    lookouts: Option<Box<Lookouts>>,
    compressed: Option<Lookout>,
    /// At the level where encodings are no longer undone.
    probe: Option<Box<Probe>>,
}

/// For what is looked for in a text: before which position nothing can start.
#[derive(Clone, Copy)]
pub(crate) struct Floors {
    /// For values, and for encoded characters.
    text: u64,
    /// For each of [`RUNS`]. It may be in the middle of a run.
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

impl Layer {
    /// A text whose first byte is at position `base`.
    pub(crate) fn new(base: u64, depth: Depth) -> Layer {
        let deeper = depth.may_nest();
        let floors = Floors::all_at(base);
        Layer {
            window: Vec::new(),
            base,
            depth,
            more_follows: false,
            search: Search::starting_at(base, base),
            encodings: &ENCODINGS,
            lookouts: deeper.then(|| Box::new(Lookouts::starting_at(base, &floors))),
            compressed: deeper.then(|| Lookout::at_start(base)),
            probe: depth
                .is_probed()
                .then(|| Box::new(Probe::starting_at(base))),
        }
    }

    /// A text of this layout, whose first byte is at position 0.
    pub(crate) fn of(carrier: &Carrier) -> Layer {
        Layer::after(0, carrier)
    }

    /// The rest of a text of this layout, from position `base` on.
    pub(crate) fn after(base: u64, carrier: &Carrier) -> Layer {
        Layer {
            encodings: match carrier {
                Carrier::Form | Carrier::Url => &FORM_ENCODINGS,
                _ => &ENCODINGS,
            },
            ..Layer::new(base, Depth::NONE)
        }
    }

    /// Looks for nothing that starts before the floors; what stands there is left context. Only
    /// before the first advance.
    pub(crate) fn look_from(&mut self, floors: &Floors) {
        self.search = Search::starting_at(floors.text, self.base);
        if let Some(lookouts) = &mut self.lookouts {
            **lookouts = Lookouts::starting_at(self.base, floors);
        }
        if let Some(compressed) = &mut self.compressed {
            *compressed = Lookout::starting_at(floors.compressed);
        }
        if let Some(probe) = &mut self.probe {
            **probe = Probe::starting_at(floors.text);
        }
    }

    /// Looks for compressed streams only. Only before the first advance.
    pub(crate) fn look_for_streams_only(&mut self) {
        /// No text is as long.
        const NEVER: u64 = u64::MAX / 2;
        self.search = Search::starting_at(NEVER, NEVER);
        self.lookouts = None;
    }

    /// Up to where everything is decided that starts before `until`.
    fn floors(
        search: &Search,
        (lookouts, compressed): (&Lookouts, Option<&Lookout>),
        until: u64,
    ) -> Floors {
        let mut floors = Floors::all_at(search.hold(until).max(search.earliest()).min(until));
        for (floor, watch) in floors.runs.iter_mut().zip(&lookouts.runs) {
            *floor = watch.hold().min(until);
        }
        floors.base64 = lookouts.base64.hold().min(until);
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

    /// Up to where everything was looked at that starts in the text itself.
    pub(crate) fn looked_until(&self) -> u64 {
        self.search.looked_until(self.end())
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
        self.advance_within(None, (scanner, ended), harvest)
    }

    /// The same where the text is seen through views of characters.
    pub(crate) fn advance_within(
        &mut self,
        around: Option<&Around<'_>>,
        (scanner, ended): (&Scanner, bool),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let Layer {
            window,
            base,
            depth,
            more_follows,
            search,
            encodings,
            lookouts,
            compressed,
            probe,
        } = self;
        let text = Text {
            bytes: window,
            base: *base,
            ended,
        };
        let standing = Standing::within(*depth, around);
        let skim = lookouts.as_ref().and_then(|lookouts| lookouts.skim(&text));
        if let Some(probe) = probe {
            harvest.deep.extend(probe.advance(encodings, &text));
        }
        loop {
            let outlook = lookouts
                .as_mut()
                .map(|lookouts| lookouts.look_out(encodings, &text, (&standing, skim.as_ref())));
            let Outlook { trigger, until } = outlook.unwrap_or(Outlook {
                trigger: None,
                until: text.end(),
            });
            let until_there = text.until(until);
            let at = (scanner, &until_there);
            if let Some(lookouts) = lookouts
                && lookouts.advance((&standing, skim.as_ref()), at, harvest)?
            {
                continue;
            }
            if let Some(compressed) = compressed {
                compressed.advance(at, &standing, harvest)?;
            }
            search.more_follows(*more_follows && trigger.is_none());
            search.advance(scanner, &until_there, harvest);
            let (Some((kind, trigger)), Some(lookouts)) = (trigger, lookouts.as_mut()) else {
                return Ok(());
            };
            let floors = Layer::floors(search, (lookouts, compressed.as_ref()), until);
            let older = lookouts.older(encodings, kind);
            let (Some(watch), Some(encoding)) = (lookouts.units.get_mut(kind), encodings.get(kind))
            else {
                return Ok(());
            };
            let context = trigger.saturating_sub(LEFT_CONTEXT as u64 / 2);
            let before = context.min(search.hold(until));
            let start = before.max(watch.earliest).max(*base);
            let depth = depth.of_characters();
            let mut view = View::new(Decoder::Units(encoding), trigger, start, depth);
            view.see_beside(older);
            let under_way = (floors, search.swallows());
            view.take_over(around, (scanner, &text), under_way, harvest)?;
            watch.view = Some(Box::new(view));
        }
    }

    /// The views under way.
    fn views(&self) -> impl Iterator<Item = &View> {
        let lookouts = self.lookouts.iter().flat_map(|lookouts| lookouts.views());
        let compressed = self.compressed.iter().flat_map(Lookout::views);
        lookouts.chain(compressed)
    }

    /// The first position that may still belong to a match not handed out.
    pub(crate) fn hold(&self) -> u64 {
        let end = self.end();
        let own = self.search.hold(end);
        let own = self
            .lookouts
            .as_ref()
            .map_or(own, |lookouts| lookouts.hold().min(own));
        let own = self
            .compressed
            .as_ref()
            .map_or(own, |compressed| compressed.hold().min(own));
        self.probe
            .as_ref()
            .map_or(own, |probe| probe.hold().min(own))
    }

    /// Where a value that would be masked has begun for certain, and is undecided, here or in views.
    pub(crate) fn begun(&self, mask: (&Scanner, &MaskSet)) -> Option<u64> {
        let own = self.search.begun(self.end(), mask);
        let lookouts = self.lookouts.iter();
        let views = lookouts.flat_map(|lookouts| lookouts.views());
        let views = views.filter_map(|view| view.begun(mask));
        views.chain(own).min()
    }

    /// The matches being swallowed, here and in views.
    pub(crate) fn opens(&self) -> Vec<Open> {
        if self.search.swallows().is_empty() && self.views().next().is_none() {
            return Vec::new();
        }
        let own = self.search.swallows().iter().map(Open::of);
        own.chain(self.views().flat_map(View::opens)).collect()
    }

    /// The matches being swallowed in the text itself.
    pub(crate) fn swallows(&self) -> &[Swallow] {
        self.search.swallows()
    }

    /// How deep the text is.
    pub(crate) fn depth(&self) -> Depth {
        self.depth
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.lookouts.iter().all(|lookouts| lookouts.has_no_views())
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
                .lookouts
                .iter()
                .all(|lookouts| lookouts.is_alike_from(plain_since, &text))
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
