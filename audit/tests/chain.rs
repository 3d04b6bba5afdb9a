//! What the chain proves: any change, removal, insertion or move is found, except a cut at the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use egret_audit::{BreakKind, verify};
use proptest::prelude::*;
use support::write_log;

/// Six records, as bytes.
fn log() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write_log(&path, 6);
    std::fs::read(path).unwrap()
}

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn a_whole_log_holds() {
    let report = verify(&log()[..]).unwrap();
    assert_eq!((report.records, report.last.0), (6, 6));
    assert_eq!(verify(&b""[..]).unwrap().records, 0);
}

#[test]
fn every_single_byte_counts() {
    let log = log();
    for at in 0..log.len() {
        let mut changed = log.clone();
        changed[at] ^= 1;
        assert!(verify(&changed[..]).is_err(), "byte {at}");
    }
}

#[test]
fn every_line_counts() {
    let whole = lines(&log());
    for at in 0..whole.len() - 1 {
        let mut removed = whole.clone();
        removed.remove(at);
        let found = verify(&removed.concat()[..]).unwrap_err();
        assert_eq!(found.line, at as u64 + 1);
        assert!(matches!(found.kind, BreakKind::Previous { .. }), "{found}");
    }
    for (one, other) in (0..6).flat_map(|one| (one + 1..6).map(move |other| (one, other))) {
        let mut swapped = whole.clone();
        swapped.swap(one, other);
        assert_eq!(
            verify(&swapped.concat()[..]).unwrap_err().line,
            one as u64 + 1
        );
    }
    for (line, at) in (0..6).flat_map(|line| (0..=6).map(move |at| (line, at))) {
        let mut inserted = whole.clone();
        inserted.insert(at, whole[line].clone());
        verify(&inserted.concat()[..]).unwrap_err();
    }
}

#[test]
fn a_cut_at_the_end_is_only_seen_by_who_kept_the_last_hash() {
    let whole = lines(&log());
    let kept = verify(&whole.concat()[..]).unwrap();
    let cut = verify(&whole[..4].concat()[..]).unwrap();
    assert_eq!(cut.records, 4);
    assert_ne!(cut.hash, kept.hash);
}

#[test]
fn records_of_another_log_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.jsonl");
    let writer = support::writer(&path);
    let mut other = support::draft();
    other.because = vec!["another".into()];
    support::append(&writer, other).unwrap();
    writer.close();
    let mut mixed = std::fs::read(&path).unwrap();
    lines(&log())
        .iter()
        .skip(1)
        .for_each(|line| mixed.extend_from_slice(line));
    assert_eq!(verify(&mixed[..]).unwrap_err().line, 2);
}

#[test]
fn endless_lines_cost_a_bound() {
    let endless = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b'x'), 1 << 30));
    assert!(matches!(
        verify(endless).unwrap_err().kind,
        BreakKind::TooLong
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any replacement of any range by any bytes, other than by a cut at a line's end.
    #[test]
    fn no_edit_goes_unseen(
        at in any::<prop::sample::Index>(),
        length in 0usize..700,
        new in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let log = log();
        let start = at.index(log.len());
        let end = (start + length).min(log.len());
        let mut edited = log[..start].to_vec();
        edited.extend_from_slice(&new);
        edited.extend_from_slice(&log[end..]);
        let is_cut = log.starts_with(&edited) && (edited.is_empty() || edited.ends_with(b"\n"));
        prop_assert_eq!(verify(&edited[..]).is_ok(), is_cut);
    }
}
