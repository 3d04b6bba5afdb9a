use super::*;

/// Numbers without pattern (xorshift), the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }

    /// Bytes of a small alphabet, so that needles and text have much in common.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let byte = |_| b"abcA"[self.below(4)];
        (0..length).map(byte).collect()
    }
}

fn needles(numbers: &mut Numbers, count: u32, lengths: std::ops::Range<usize>) -> Vec<Needle> {
    let needle = |secret| {
        let length = lengths.start + numbers.below(lengths.len());
        let beginning = if secret % 3 == 0 {
            b"sk-proj-".as_slice()
        } else {
            b""
        };
        Needle {
            bytes: [beginning, &numbers.bytes(length)].concat().into(),
            secret,
            whole_word: false,
            fixed: crate::pen::Fixed::default(),
        }
    };
    (0..count).map(needle).collect()
}

fn starts_with(text: &[u8], start: usize, needle: &Needle) -> bool {
    text.get(start..)
        .is_some_and(|rest| rest.starts_with(&needle.bytes))
}

fn naive(needles: &[Needle], text: &[u8], (from, to): (usize, usize)) -> Vec<(usize, Needle)> {
    let starts = (from..to.min(text.len()))
        .flat_map(|start| needles.iter().map(move |needle| (start, needle.clone())));
    let mut found: Vec<_> = starts
        .filter(|(start, needle)| starts_with(text, *start, needle))
        .collect();
    found.sort();
    found
}

#[test]
fn finds_what_a_naive_search_finds() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for (count, lengths) in [
        (1, 4..60),
        (7, 4..12),
        (60, 4..40),
        (60, 16..40),
        (400, 12..70),
        (3_000, 12..20),
    ] {
        let needles = needles(&mut numbers, count, lengths);
        let index = NeedleIndex::new(needles);
        for _ in 0..12 {
            let mut text = Vec::new();
            while text.len() < 700 {
                let length = numbers.below(30);
                text.extend(numbers.bytes(length));
                let chosen = numbers.below(index.needles().len());
                text.extend_from_slice(&index.needles()[chosen].bytes);
            }
            let cut = text.len() - numbers.below(9);
            let text = &text[..cut];
            let from = numbers.below(text.len());
            let few = from + numbers.below(3);
            for range in [
                (0, text.len()),
                (from, few),
                (from, from + numbers.below(90)),
            ] {
                let mut found = Vec::new();
                index.find(text, range, &mut |start, needle| {
                    if starts_with(text, start, needle) {
                        found.push((start, needle.clone()));
                    }
                });
                found.sort();
                assert_eq!(
                    found,
                    naive(index.needles(), text, range),
                    "{count} {range:?}"
                );
            }
        }
    }
}

#[test]
fn a_needle_cut_off_is_told_as_by_a_naive_look() {
    let mut numbers = Numbers(11);
    for (count, lengths) in [(1, 4..60), (60, 4..90), (3_000, 12..20)] {
        let index = NeedleIndex::new(needles(&mut numbers, count, lengths));
        let mut cut = [0, 0];
        for _ in 0..2_000 {
            let length = numbers.below(200);
            let mut tail = numbers.bytes(length);
            let needle = &index.needles()[numbers.below(index.needles().len())];
            let shown = numbers.below(needle.bytes.len() + 1);
            tail.extend_from_slice(&needle.bytes[..shown]);
            let starts = 0..(tail.len() + 1).saturating_sub(4);
            let naive = starts.into_iter().any(|at| {
                let rest = &tail[at..];
                let mut needles = index.needles().iter();
                needles
                    .any(|needle| needle.bytes.len() > rest.len() && needle.bytes.starts_with(rest))
            });
            assert_eq!(index.could_be_cut(&tail, 4), naive);
            cut[usize::from(naive)] += 1;
        }
        assert!(cut.iter().all(|count| *count > 20), "{cut:?}");
    }
}

#[test]
fn what_stands_at_a_place_is_told_as_by_a_naive_look() {
    let mut numbers = Numbers(5);
    let mut whole = 0;
    for (count, lengths) in [(1, 4..9), (60, 4..9), (400, 4..12), (3_000, 8..20)] {
        let index = NeedleIndex::new(needles(&mut numbers, count, lengths));
        for _ in 0..1_000 {
            let needle = &index.needles()[numbers.below(index.needles().len())];
            let length = needle.bytes.len();
            let shown = [length, numbers.below(length + 1)][numbers.below(2)];
            let mut rest = needle.bytes[..shown].to_vec();
            let more = numbers.below(9);
            rest.extend(numbers.bytes(more));
            let seen = numbers.below(8);
            let naive = index.needles().iter();
            let mut naive: Vec<&Needle> = naive
                .filter(|needle| needle.bytes.len() > seen && rest.starts_with(&needle.bytes))
                .collect();
            naive.sort_by_key(|needle| needle.bytes.len());
            let mut told = Vec::new();
            index.standing(&rest, seen, &mut |needle| told.push(needle.clone()));
            assert!(told.iter().eq(naive), "{count} {}", rest.escape_ascii());
            whole += told.len();
        }
    }
    assert!(whole > 1_000);
}

#[test]
fn one_beginning_does_not_crowd_one_bucket() {
    let mut numbers = Numbers(7);
    let needle = |secret| {
        let tail: Vec<u8> = (0..40)
            .map(|_| b'0' + u8::try_from(numbers.below(74)).unwrap())
            .collect();
        let bytes = [b"sk-proj-".as_slice(), &tail].concat().into();
        Needle {
            bytes,
            secret,
            whole_word: false,
            fixed: crate::pen::Fixed::default(),
        }
    };
    let index = NeedleIndex::new((0..5_000).map(needle).collect());
    for group in &index.groups {
        let sizes = group.buckets.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(sizes.max().unwrap() <= 40);
    }
}
