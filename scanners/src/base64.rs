//! Base64 in a text: runs of its alphabet, screened at all four alignments, and views where what
//! they decode to could hold something.
//!
//! Most long runs are images, signatures and embeddings: decoded, they are noise. The [`Screen`] asks,
//! for every alignment at once, where a few characters in a row decode to nothing but bytes that
//! credentials, numbers and further encodings are made of. Only there is a view opened, a little
//! earlier, and it is closed when nothing of that kind has come for a while.

use crate::depth::Depth;
use crate::inflate::{OpenStreams, StreamStart, TAIL, ZLIB_SHOWN, compressed_start};
use crate::layer::{Brief, Floors, Standing, Trial};
use crate::runs::{APART, RunKind, RunStart, RunState, RunStep, VALUE_MAX, is_escape_letter};
use crate::scanner::Scanner;
use crate::screen::{ALIGNMENTS, CONTEXT, Passed, STREAK, Screen};
use crate::search::Harvest;
use crate::skim::Skim;
use crate::text::{Text, run_length};
use crate::view::{Decoder, QUIET, View};
use crate::{ByteSet, ScanError};

/// So many characters before the end of a streak its view starts.
const BEFORE: u64 = 79;
/// So many characters at the end of what is at hand may be of the view of a streak still to come, or
/// of what tells a compressed stream.
const HELD: u64 = BEFORE + 1 + 3;

/// The lookout for base64.
pub(crate) struct Base64 {
    /// The run at `from`, if it is long enough to be one.
    run: Option<Box<Run>>,
    /// The next position to look at.
    from: u64,
    /// From here on characters may belong to a streak still to come.
    held_from: u64,
    /// Nothing that starts before this position is looked for.
    floor: u64,
    /// Where it began to read: a run may start there, in the middle of a longer one.
    first: u64,
    views: [Option<Box<View>>; ALIGNMENTS],
    /// zlib streams: nothing but the place tells them, so each has a view of its own, whatever is
    /// decoded there already.
    after_slash: OpenStreams,
}

/// A run being screened.
struct Run {
    start: u64,
    /// Whether it is no rest of one that started before, for all that stands shortly before it.
    apart: bool,
    screen: Screen,
    /// For each alignment, the number of the first character no view has decoded.
    resume: [u64; ALIGNMENTS],
}

impl Run {
    /// Shows the screen the characters before these, which it passed last, unless it has seen them.
    /// Line breaks may stand between.
    fn prime(&mut self, text: &Text<'_>, from: u64, length: usize) {
        if !self.screen.is_behind(length) {
            return;
        }
        let (mut characters, mut at, mut count) = ([0; CONTEXT], from, 0);
        for place in characters.iter_mut().rev() {
            let Some((position, byte)) = before(text, at).filter(|(at, _)| *at >= self.start)
            else {
                break;
            };
            (at, *place) = (position, byte);
            count += 1;
        }
        let seen = characters.get(CONTEXT - count..).unwrap_or_default();
        self.screen.show(seen, length);
    }
}

impl Base64 {
    /// A lookout that reads from `position` on, for what starts at or after `floor`.
    pub(crate) fn starting_at(position: u64, floor: u64) -> Base64 {
        Base64 {
            run: None,
            from: position,
            held_from: position,
            floor,
            first: position,
            views: Default::default(),
            after_slash: OpenStreams::default(),
        }
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        let views = self.views.iter().filter_map(|view| view.as_deref());
        views.chain(self.after_slash.views())
    }

    pub(crate) fn views_mut(&mut self) -> impl Iterator<Item = &mut View> {
        let views = self.views.iter_mut().filter_map(|view| view.as_deref_mut());
        views.chain(self.after_slash.views_mut())
    }

    /// The next position to look at.
    pub(crate) fn next(&self) -> u64 {
        self.from
    }

    /// Whether nothing is under way but what any other text has under way too that is the same from a
    /// position on.
    pub(crate) fn is_alike_from(&self, plain_since: u64, text: &Text<'_>) -> bool {
        let (start, apart) = match &self.run {
            None => (
                self.from,
                self.from == text.end() || KIND.is_apart(text, self.from),
            ),
            Some(run) => (run.start, run.apart),
        };
        apart && start >= plain_since + APART && self.after_slash.views().next().is_none()
    }

    pub(crate) fn hold(&self) -> u64 {
        let own = match &self.run {
            None => self.from,
            Some(_) => self.held_from,
        };
        self.views().map(View::hold).fold(own, u64::min)
    }

    /// Screens and scans what is at hand.
    pub(crate) fn advance(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        (standing, skim): (&Standing<'_>, Option<&Skim>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        self.read((scanner, text), (standing, skim), harvest)?;
        if let Some(run) = &self.run {
            let characters = HELD.min(run.screen.index);
            self.held_from = back(text, self.from, characters).max(run.start);
        }
        Ok(())
    }

    fn read(
        &mut self,
        (scanner, text): (&Scanner, &Text<'_>),
        (standing, skim): (&Standing<'_>, Option<&Skim>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        for alignment in 0..ALIGNMENTS {
            self.advance_view(alignment, (scanner, text), harvest)?;
        }
        self.after_slash.advance((scanner, text), harvest)?;
        loop {
            if self.run.is_none() {
                match KIND.find(text, self.from, (self.first, skim)) {
                    RunStart::NotBefore(position) => {
                        self.from = position.max(self.from);
                        return Ok(());
                    }
                    RunStart::At(start) => self.start_run(start, text),
                }
            }
            // Where a view is open it sees for itself.
            let wanted = self.views.each_ref().map(Option::is_none);
            if let Some(run) = &mut self.run {
                let passed = run.screen.pass(text.from(self.from), wanted);
                self.from += passed.noise as u64;
                if passed.telling > 0 {
                    self.look(&passed, wanted, (scanner, text), (standing, harvest))?;
                    continue;
                }
            }
            match KIND.step(&mut RunState::default(), text, self.from) {
                RunStep::Read(skipped, _) => self.from += u64::from(skipped),
                RunStep::Unknown if !text.ended => return Ok(()),
                RunStep::Unknown | RunStep::End => self.run = None,
            }
        }
    }

    fn start_run(&mut self, start: u64, text: &Text<'_>) {
        self.from = start;
        self.run = Some(Box::new(Run {
            start,
            apart: KIND.is_apart(text, start),
            screen: Screen::new(),
            resume: [0; ALIGNMENTS],
        }));
    }

    /// Looks closer at the next characters of the run, which the screen has passed.
    fn look(
        &mut self,
        passed: &Passed,
        wanted: [bool; ALIGNMENTS],
        at: (&Scanner, &Text<'_>),
        (standing, harvest): (&Standing<'_>, &mut Harvest),
    ) -> Result<(), ScanError> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let (position, length) = (self.from, passed.telling);
        self.from += length as u64;
        let index = run.screen.index - length as u64;
        let mut streaks = [0; ALIGNMENTS];
        if passed.streaks {
            run.prime(at.1, position, length);
            let block = at.1.slice(position, self.from);
            streaks = run.screen.look(block, at.0.any_streak, wanted);
        }
        let telling = passed.compressed;
        let mut any = streaks.iter().fold(telling, |any, ends| any | ends);
        while any != 0 {
            let place = u64::from(any.trailing_zeros());
            any &= any - 1;
            let here = (position + place, index + place);
            if telling >> place & 1 == 1 {
                self.open_compressed(here, standing, at, harvest)?;
            }
            for (alignment, ends) in streaks.iter().enumerate() {
                if ends >> place & 1 == 1 {
                    self.open((alignment, here), standing, at, harvest)?;
                }
            }
        }
        Ok(())
    }

    /// Opens a view if this character shows that a compressed stream starts.
    fn open_compressed(
        &mut self,
        (position, index): (u64, u64),
        standing: &Standing<'_>,
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let Some(start) = compressed_start(&tail(at.1, position), index) else {
            return Ok(());
        };
        if harvest.trial != Trial::Off {
            harvest.trial = Trial::Failed;
            return Ok(());
        }
        match start {
            StreamStart::Gzip(back_by) => {
                let alignment = index.wrapping_sub(back_by) & 3;
                let slot = usize::try_from(alignment).unwrap_or_default();
                self.open_at((slot, (position, index)), back_by, (standing, harvest), at)
            }
            StreamStart::Zlib => {
                let start = back(at.1, position, ZLIB_SHOWN);
                if start < self.floor {
                    return Ok(());
                }
                let first = index.saturating_sub(ZLIB_SHOWN);
                let mut view = stream_view((start, first), standing.of_run(start));
                view.look_for_streams_only();
                self.after_slash.open((view, position), at, harvest)
            }
        }
    }

    /// Opens a view at the character `back_by` before this one, unless one is open there.
    fn open_at(
        &mut self,
        (alignment, (position, index)): (usize, (u64, u64)),
        back_by: u64,
        (standing, harvest): (&Standing<'_>, &mut Harvest),
        at: (&Scanner, &Text<'_>),
    ) -> Result<(), ScanError> {
        let (Some(run), Some(slot)) = (&self.run, self.views.get_mut(alignment)) else {
            return Ok(());
        };
        let resume = run.resume.get(alignment).copied().unwrap_or_default();
        // What would have to stand before the run does not.
        let Some(first) = index.checked_sub(back_by) else {
            return Ok(());
        };
        if slot.is_some() || first < resume {
            return Ok(());
        }
        let start = back(at.1, position, back_by);
        if start < self.floor {
            return Ok(());
        }
        *slot = Some(Box::new(stream_view(
            (start, first),
            standing.of_run(start),
        )));
        self.advance_view(alignment, at, harvest)
    }

    /// Opens a view for the streak that ends with this character, unless one is open there.
    fn open(
        &mut self,
        (alignment, (position, index)): (usize, (u64, u64)),
        standing: &Standing<'_>,
        at: (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let (Some(run), Some(slot)) = (&self.run, self.views.get_mut(alignment)) else {
            return Ok(());
        };
        let resume = run.resume.get(alignment).copied().unwrap_or_default();
        let is_told = harvest.trial == Trial::Failed;
        if is_told || slot.is_some() || index + 1 < resume + STREAK as u64 {
            return Ok(());
        }
        let first = resume.max(index.saturating_sub(BEFORE));
        // A view is closed in the midst of a group, too: the rest of it may begin a value.
        let into = first.wrapping_sub(alignment as u64) & 3;
        let first = if first == resume && into <= first {
            first - into
        } else {
            first + ((4 - into) & 3)
        };
        let start = back(at.1, position, index - first);
        let depth = standing.of_run(start);
        if start >= self.floor
            && let Some((brief, characters)) = whole(at.1, start, first)
            && brief.holds_nothing((start, depth.ground()), at.0, harvest)
        {
            if let Some(resume) = self
                .run
                .as_mut()
                .and_then(|run| run.resume.get_mut(alignment))
            {
                *resume = characters;
            }
            return Ok(());
        }
        if harvest.trial != Trial::Off {
            harvest.trial = Trial::Failed;
            return Ok(());
        }
        let mut view = View::new(Decoder::Run(KIND, RunState::at(first)), start, start, depth);
        view.be_quiet();
        // A compressed stream that starts before shows in the characters read before.
        let shown = back(at.1, position, TAIL as u64).max(start + 1);
        let floors = Floors::all_at(start.max(self.floor));
        let floors = floors.with_compressed(shown.max(self.floor));
        view.start_at(floors, (at.1, shown.max(self.floor)), harvest);
        *slot = Some(Box::new(view));
        self.advance_view(alignment, at, harvest)
    }

    fn advance_view(
        &mut self,
        alignment: usize,
        (scanner, text): (&Scanner, &Text<'_>),
        harvest: &mut Harvest,
    ) -> Result<(), ScanError> {
        let Some(slot) = self.views.get_mut(alignment) else {
            return Ok(());
        };
        let Some(view) = slot else { return Ok(()) };
        if view.advance(scanner, text, harvest)? {
            let characters = view.characters();
            *slot = None;
            if let Some(run) = &mut self.run
                && let Some(resume) = run.resume.get_mut(alignment)
            {
                *resume = characters;
            }
        }
        Ok(())
    }
}

/// A view of the run from a character on, of which the position and the number are given.
fn stream_view((start, first): (u64, u64), depth: Depth) -> View {
    let decoder = Decoder::Run(KIND, RunState::at(first));
    let mut view = View::new(decoder, start, start, depth);
    view.be_quiet();
    view
}

/// What the rest of a run decodes to from a character on, of which the position and the number are given, and
/// how many characters the run has, if it is all at hand and so short that a view would not be left before.
fn whole(text: &Text<'_>, start: u64, first: u64) -> Option<(Brief, u64)> {
    let (mut state, mut at) = (RunState::at(first), start);
    let mut brief = Brief::default();
    while at < start + QUIET {
        let there = text.slice(at, start + QUIET);
        at += decode_row(&mut state, there, &mut brief)? as u64;
        match KIND.step(&mut state, text, at) {
            RunStep::Read(length, byte) => {
                at += u64::from(length);
                if let Some((byte, _)) = byte {
                    brief.push(byte)?;
                }
            }
            RunStep::Unknown if !text.ended => return None,
            RunStep::Unknown | RunStep::End => return Some((brief, state.read)),
        }
    }
    None
}

/// Decodes the characters that stand in a row, as far as whole groups of four go; how many.
fn decode_row(state: &mut RunState, row: &[u8], brief: &mut Brief) -> Option<usize> {
    if !state.is_between_groups(KIND) {
        return Some(0);
    }
    let values = KIND.values();
    let mut read = 0;
    for group in row.as_chunks::<4>().0 {
        let [one, two, three, four] = group.map(|byte| values.of(byte));
        if (one | two | three | four) > VALUE_MAX {
            break;
        }
        brief.push(one << 2 | two >> 4)?;
        brief.push(two << 4 | three >> 2)?;
        brief.push(three << 6 | four)?;
        read += 4;
    }
    state.pass(read as u64);
    Some(read)
}

const KIND: RunKind = RunKind::Base64;
const ALPHABET: ByteSet = ByteSet::BASE64.with(b"-_");

/// The position of the character `count` characters of the run before the one at `position`.
fn back(text: &Text<'_>, position: u64, count: u64) -> u64 {
    let first = position.saturating_sub(count);
    let there = text.slice(first, position);
    if there.len() as u64 == count
        && run_length(there, &ALPHABET) == there.len()
        && !is_escape_letter(text, first)
    {
        return first;
    }
    let mut at = position;
    for _ in 0..count {
        at = before(text, at).map_or(text.base, |(at, _)| at);
    }
    at
}

/// The last character of the run before a position, if it is at hand.
fn before(text: &Text<'_>, position: u64) -> Option<(u64, u8)> {
    let mut at = position;
    loop {
        at = at.checked_sub(1).filter(|at| *at >= text.base)?;
        let byte = *text.from(at).first()?;
        if ALPHABET.contains(byte) && !is_escape_letter(text, at) {
            return Some((at, byte));
        }
    }
}

/// The last characters up to this position, the last one first. Zero where nothing is at hand.
fn tail(text: &Text<'_>, position: u64) -> [u8; TAIL] {
    let mut tail = [0; TAIL];
    let mut at = position + 1;
    for place in &mut tail {
        let Some((position, byte)) = before(text, at) else {
            return tail;
        };
        (at, *place) = (position, byte);
    }
    tail
}
