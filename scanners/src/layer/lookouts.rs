//! The lookouts of one text for what is encoded in it: one for each encoding, each with its view while
//! there is one.
//!
//! Deliberately absent: compressed streams, which are looked for where nothing else is.

use super::around::{OPEN, Older, Standing};
use super::characters::{Encoding, Encodings, Trigger, UNIT_ENCODINGS};
use super::runs::{RUNS, RunWatch};
use super::{ALIKE, Floors};
use crate::ScanError;
use crate::base64::Base64;
use crate::scanner::Scanner;
use crate::search::Harvest;
use crate::skim::Skim;
use crate::text::Text;
use crate::units;
use crate::view::View;

/// The lookouts of a text in which encodings are undone.
pub(super) struct Lookouts {
    /// For each of the encodings of characters.
    pub(super) units: [Watch; UNIT_ENCODINGS],
    /// For each of [`RUNS`].
    pub(super) runs: [RunWatch; RUNS.len()],
    pub(super) base64: Base64,
}

/// The lookout for one encoding of characters.
pub(super) struct Watch {
    /// The view, while there is one.
    pub(super) view: Option<Box<View>>,
    /// The next position at which to look for something encoded, while there is none.
    from: u64,
    /// Where the next view may start at the earliest: after what the last one decoded.
    pub(super) earliest: u64,
}

impl Watch {
    /// In a text that starts at `base`, for what starts at or after `position`.
    fn starting_at(base: u64, position: u64) -> Watch {
        Watch {
            view: None,
            from: position,
            earliest: base,
        }
    }

    /// Advances the view, and closes it when it has nothing more to say (then true).
    fn advance(
        &mut self,
        standing: &Standing<'_>,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        let Some(view) = &mut self.view else {
            return Ok(false);
        };
        let closed = view.advance_within(standing.around, (scanner, text), harvest)?;
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
}

impl Lookouts {
    /// In a text that starts at `base`, for what starts at or after the floors.
    pub(super) fn starting_at(base: u64, floors: &Floors) -> Lookouts {
        Lookouts {
            // What stands before may be decoded, as context.
            units: std::array::from_fn(|_| Watch::starting_at(base, floors.text)),
            runs: floors.runs.map(RunWatch::starting_at),
            base64: Base64::starting_at(base, floors.base64),
        }
    }

    /// The views under way.
    pub(super) fn views(&self) -> impl Iterator<Item = &View> {
        let units = self.units.iter().map(|watch| &watch.view);
        let views = units.chain(self.runs.iter().map(|watch| &watch.view));
        let views = views.filter_map(|view| view.as_deref());
        views.chain(self.base64.views())
    }

    /// The same, to go on with.
    pub(super) fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        let units = self.units.iter_mut().map(|watch| &mut watch.view);
        let views = units.chain(self.runs.iter_mut().map(|watch| &mut watch.view));
        let views = views.filter_map(|view| view.as_deref_mut());
        views.chain(self.base64.views_mut())
    }

    /// Whether there is no view but of base64, of which the hold tells.
    pub(super) fn has_no_views(&self) -> bool {
        self.units.iter().all(|watch| watch.view.is_none())
            && self.runs.iter().all(|watch| watch.view.is_none())
    }

    /// The first position that may still belong to a match not handed out.
    pub(super) fn hold(&self) -> u64 {
        let units = self.units.iter().map(Watch::hold);
        let runs = self.runs.iter().map(RunWatch::hold);
        units.chain(runs).fold(self.base64.hold(), u64::min)
    }

    /// See [`Layer::is_alike_from`](super::Layer::is_alike_from).
    pub(super) fn is_alike_from(&self, plain_since: u64, text: &Text<'_>) -> bool {
        let is_late = |hold: u64| hold == text.end() || hold >= plain_since + ALIKE;
        let mut units = self.units.iter();
        let mut runs = self.runs.iter().zip(RUNS);
        units.all(|watch| watch.view.is_none() && is_late(watch.from))
            && self.base64.is_alike_from(plain_since, text)
            && runs.all(|(watch, kind)| watch.is_alike_from(plain_since, kind, text))
    }

    /// A first look at what was not looked at.
    pub(super) fn skim(&self, text: &Text<'_>) -> Option<Skim> {
        let units = self.units.iter().map(|watch| (&watch.view, watch.from));
        let runs = self.runs.iter().map(|watch| (&watch.view, watch.from));
        let idle = units.chain(runs).filter(|(view, _)| view.is_none());
        let from = idle.fold(self.base64.next(), |next, (_, from)| next.min(from));
        (from + SKIMMED <= text.end()).then(|| Skim::of(text, from))
    }

    /// See [`look_out`].
    pub(super) fn look_out(
        &mut self,
        encodings: &Encodings,
        text: &Text<'_>,
        how: (&Standing<'_>, Option<&Skim>),
    ) -> Outlook {
        look_out(&mut self.units, encodings, text, how)
    }

    /// Goes on with the views of characters, and if none of them closes (then true) looks for runs and goes
    /// on with those of runs.
    pub(super) fn advance(
        &mut self,
        how: (&Standing<'_>, Option<&Skim>),
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<bool, ScanError> {
        let mut closed = false;
        let mut last = None;
        // The older first: to the younger ones it is known then up to where they see to characters.
        while let Some(age) = self.next_by_age(last) {
            last = Some(age);
            let (_, kind) = age;
            let Some(watch) = self.units.get_mut(kind) else {
                break;
            };
            if watch.advance(how.0, at, harvest)? {
                closed = true;
                let until = watch.from;
                let younger = self
                    .units
                    .iter_mut()
                    .filter_map(|other| other.view.as_mut());
                younger.for_each(|view| view.is_older_until(kind, until));
            }
        }
        if !closed {
            self.advance_runs(how, at, harvest)?;
        }
        Ok(closed)
    }

    /// Of the views of characters the oldest that is younger than this one: where it was opened, and its encoding.
    fn next_by_age(&self, last: Option<(u64, usize)>) -> Option<(u64, usize)> {
        let views = self.units.iter().enumerate();
        let ages = views.filter_map(|(kind, watch)| Some((watch.view.as_ref()?.opened_at(), kind)));
        ages.filter(|age| last.is_none_or(|last| *age > last)).min()
    }

    /// For a view of characters of this encoding that is opened now: which views are older and have all within them that
    /// it has. Not where there is none like it in what they decode to, nor where it matters which is first: where some
    /// zero bytes were left out, those that are left tell nothing.
    pub(super) fn older(&self, encodings: &Encodings, kind: usize) -> Older {
        let mut older = [0; UNIT_ENCODINGS];
        if encodings.get(kind).is_some_and(Encoding::is_outermost) {
            return older;
        }
        let watches = self.units.iter().zip(encodings);
        for (older, (watch, encoding)) in older.iter_mut().zip(watches) {
            if watch.view.is_some() && !encoding.is_outermost() && !encoding.is_wide() {
                *older = OPEN;
            }
        }
        older
    }

    /// Looks for runs and goes on with the views of them.
    pub(super) fn advance_runs(
        &mut self,
        how: (&Standing<'_>, Option<&Skim>),
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        RunWatch::advance_together(&mut self.runs, how, at, harvest)?;
        for (watch, kind) in self.runs.iter_mut().zip(RUNS) {
            watch.advance(kind, how, at, harvest)?;
        }
        self.base64.advance(at, how, harvest)
    }
}

/// What is known of the characters encoded in a text.
pub(super) struct Outlook {
    /// The first place at which a view is to be opened, and of which encoding.
    pub(super) trigger: Option<(usize, u64)>,
    /// Everything before this position stands for itself, or is in a view.
    pub(super) until: u64,
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
    (standing, skim): (&Standing<'_>, Option<&Skim>),
) -> Outlook {
    let mut outlook = Outlook {
        trigger: None,
        until: text.end(),
    };
    let mut asked = [false; UNIT_ENCODINGS];
    for (kind, (watch, encoding)) in watches.iter_mut().zip(encodings).enumerate() {
        if watch.view.is_some() {
            continue;
        }
        let is_seen_to = |span: (u64, u64), decoded: &[u8]| {
            let before = text.slice(span.0.saturating_sub(units::LONGEST), span.0);
            standing.is_seen_to(kind, span, (before, decoded))
        };
        let found = encoding.find(text, watch.from, (skim, &is_seen_to));
        let (position, trigger) = match found {
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
