//! The screen against what every character tells by itself.

use proptest::prelude::*;

use super::closer::*;
use super::*;
use crate::inflate::TAIL;

/// The whole of a run, told character by character.
struct Told {
    values: Vec<u8>,
    alignment: usize,
}

impl Told {
    fn place(&self, at: i64) -> i64 {
        (at - self.alignment as i64) & 3
    }

    /// The byte this character completes, if it completes one.
    fn byte(&self, at: i64) -> Option<u8> {
        let value = *self.values.get(usize::try_from(at).ok()?)?;
        let before = if at == 0 {
            0
        } else {
            self.values[at as usize - 1]
        };
        match self.place(at) {
            1 => Some(before << 2 | value >> 4),
            2 => Some(before << 4 | value >> 2),
            3 => Some(before << 6 | value),
            _ => None,
        }
    }

    fn all(&self, (start, end): (i64, i64), holds: impl Fn(u8) -> bool) -> bool {
        (start..=end).all(|at| self.place(at) == 0 || self.byte(at).is_some_and(&holds))
    }

    fn any(&self, (start, end): (i64, i64), holds: impl Fn(u8) -> bool) -> bool {
        (start..=end).any(|at| self.byte(at).is_some_and(&holds))
    }

    /// Whether two bytes beside each other are letters.
    fn has_pair(&self, (start, end): (i64, i64)) -> bool {
        let bytes: Vec<u8> = (start..=end).filter_map(|at| self.byte(at)).collect();
        let letter = |byte: &u8| *byte != 0 && TELLING.contains(*byte);
        bytes.windows(2).any(|pair| pair.iter().all(letter))
    }

    /// Whether a view is worth opening at this character.
    fn ends(&self, end: i64, any: bool) -> bool {
        let window = |length: usize| (end + 1 - length as i64, end);
        let telling = |byte| TELLING.contains(byte);
        let text = |byte: u8| TEXT.contains(byte) || UNSEEN.contains(byte ^ 0x80);
        let streak = window(STREAK);
        let short = self.all(streak, telling)
            && (any
                || self.all(streak, |byte| CODE.contains(byte))
                || self.any(streak, |byte| byte == b'@')
                    && self.any(streak, |byte| b".:".contains(&byte)));
        let (start, _) = window(TEXT_STREAK);
        let long = self.all(window(TEXT_STREAK), text)
            && (start..=streak.0).any(|start| {
                let streak = (start, start + STREAK as i64 - 1);
                self.all(streak, telling) && self.has_pair(streak)
            });
        let wide = window(WIDE_STREAK);
        let is_wide = |start: i64| {
            let end = start + WIDE_STREAK as i64 - 1;
            let silence = |at| self.all((at, at + SILENCE as i64 - 1), |byte| byte == 0);
            self.all((start, end), telling) && !(start..=end + 1 - SILENCE as i64).any(silence)
        };
        let code = |byte| byte == 0 || CODE.contains(byte);
        let wide_code = is_wide(wide.0) && self.all(wide, code);
        let (start, _) = window(WIDE_TEXT);
        let wide_text = self.all(window(WIDE_TEXT), text) && (start..=wide.0).any(is_wide);
        short || long || wide_code || wide_text
    }
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    text.into_bytes()
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..150),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        "[a-z@.]{6,14}".prop_map(String::into_bytes),
        "[A-F0-9]{6,14}".prop_map(String::into_bytes),
        "[a-z.!]{0,18}|[A-F0-9]{5,12}"
            .prop_map(|text| text.bytes().flat_map(|byte| [byte, 0]).collect()),
        "[a-z]{0,9}".prop_map(|text| text.bytes().flat_map(|byte| [0, byte, 0, 0]).collect()),
        (0_usize..80).prop_map(|count| vec![0; count]),
        proptest::collection::vec(prop_oneof![Just(0), Just(b'a'), any::<u8>()], 0..40),
        Just(b"\x1f\x8b\x08\x00".to_vec()),
    ];
    let characters = prop_oneof![
        "[A-Za-z0-9+/_-]{0,100}".prop_map(String::into_bytes),
        Just(b"/eJz".to_vec()),
        Just(b"/eAF".to_vec()),
    ];
    prop_oneof![4 => bytes.prop_map(|bytes| encoded(&bytes)), 1 => characters]
}

proptest! {
    #[test]
    fn what_is_told_is_what_every_character_tells(
        pieces in proptest::collection::vec(piece(), 1..8),
        cuts in proptest::collection::vec(1_usize..200, 1..6),
        wanted: [bool; ALIGNMENTS],
        always: bool,
    ) {
        let text = pieces.concat();
        let mut screen = Screen::new();
        let (mut at, mut cuts) = (0, cuts.iter().cycle());
        let (mut ends, mut compressed) = (Vec::new(), Vec::new());
        while at < text.len() {
            let end = text.len().min(at + cuts.next().unwrap());
            while at < end {
                let passed = screen.pass(&text[at..end], wanted);
                at += passed.noise;
                let block = &text[at..at + passed.telling];
                if passed.streaks {
                    if screen.is_behind(block.len()) {
                        screen.show(&text[at.saturating_sub(CONTEXT)..at], block.len());
                    }
                    for (alignment, mask) in screen.look(block, always, wanted).iter().enumerate() {
                        let places = (0..64).filter(|place| mask >> place & 1 == 1);
                        ends.extend(places.map(|place| (at + place, alignment)));
                    }
                }
                let places = (0..64).filter(|place| passed.compressed >> place & 1 == 1);
                compressed.extend(places.map(|place| at + place));
                at += block.len();
            }
        }
        let mut naive = Vec::new();
        for alignment in (0..ALIGNMENTS).filter(|alignment| wanted[*alignment]) {
            let values = text.iter().map(|byte| value_of(*byte)).collect();
            let told = Told { values, alignment };
            let places = (0..text.len()).filter(|at| told.ends(*at as i64, always));
            naive.extend(places.map(|at| (at, alignment)));
        }
        ends.sort_unstable();
        naive.sort_unstable();
        prop_assert_eq!(ends, naive, "{}", String::from_utf8_lossy(&text));
        for at in 0..text.len() {
            let mut tail = [0; TAIL];
            for (to, from) in tail.iter_mut().zip(text[..=at].iter().rev()) {
                *to = *from;
            }
            if compressed_start(&tail, at as u64).is_some() {
                prop_assert!(compressed.contains(&at), "{} {}", at, String::from_utf8_lossy(&text));
            }
        }
    }
}

#[test]
fn text_has_a_streak_at_its_alignment_and_silence_none() {
    let look = |text: &[u8], any| {
        let mut screen = Screen::new();
        let all = [true; ALIGNMENTS];
        let passed = screen.pass(text, all);
        let streaks = passed.streaks.then(|| screen.look(text, any, all));
        streaks.unwrap_or_default()
    };
    let noise = b"8J+YgPCfmIHwn5iC8J+Yg/CfmITwn5iF8J+YhvCfmIfwn5iI8J+YifCfmIo";
    assert_eq!(look(noise, true), [0; 4]);
    assert_eq!(look(&[b'A'; BLOCK], false), [0; 4]);
    for (any, ends) in [(true, 10), (false, 15)] {
        let [aligned, rest @ ..] = look(b"Z2hwX2tqcm5wcXJzdHV2d3h5emdo", any);
        assert_eq!(aligned.trailing_zeros(), ends);
        assert_eq!(rest, [0; 3]);
    }
    for (text, ends) in [(&b"ghp_klmnopqr"[..], 29), (b"11-22-33-44-55", 19)] {
        let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
        let [aligned, ..] = look(&encoded(&wide), false);
        assert_eq!(aligned.trailing_zeros(), ends);
    }
}
