//! Bodies that are compressed by their own first bytes, whatever their label says.

use super::*;

const SECRET: &str = "aws_access_key_id = AKIAQ3EGRPXLJHCKCYZM\nmail ann.lee@lakeside-clinic.org\n";

fn text(secret: &str) -> Vec<u8> {
    format!("a line before it\n{secret}and one behind\n")
        .repeat(3)
        .into_bytes()
}

/// What comes out, and how many findings stood where nothing can be overwritten.
fn through(bytes: &[u8], cuts: &[usize]) -> (Result<Vec<u8>, BodyError>, usize) {
    let (mut body, notes) = inspect(Script::new(cut(bytes, cuts.to_vec())), options());
    let result = collect(&mut body).map(|collected| collected.bytes);
    let sealed = notes.lock().unwrap().sealed;
    (result, sealed)
}

#[test]
fn what_says_nothing_of_its_coding_is_read_all_the_same() {
    for name in ["gzip", "zstd", "zlib"] {
        let bytes = coded(name, &text(SECRET));
        let every: Vec<usize> = (0..bytes.len()).collect();
        for cuts in [&[][..], &[1, 3, 9], &every] {
            let (result, sealed) = through(&bytes, cuts);
            assert!(sealed > 0, "{name} hides it");
            assert_eq!(result.map(|out| out.len()), Ok(bytes.len()), "{name}");
        }
        let clean = coded(name, &text(""));
        assert_eq!(through(&clean, &[]), (Ok(clean.clone()), 0), "{name}");
    }
}

#[test]
fn skippable_frames_and_further_members_hide_nothing() {
    let skipped = [
        b"\x52\x2a\x4d\x18\x03\0\0\0abc".to_vec(),
        coded("zstd", &text(SECRET)),
    ]
    .concat();
    let members = [coded("gzip", b"first\n"), coded("gzip", &text(SECRET))].concat();
    for bytes in [skipped, members] {
        let (result, sealed) = through(&bytes, &[]);
        assert!(sealed > 0 && result.is_ok(), "{result:?}");
    }
}

#[test]
fn a_part_of_an_archive_passes_and_a_broken_one_does_not() {
    for name in ["gzip", "zstd"] {
        let bytes = coded(name, &text(""));
        let part = &bytes[..bytes.len() - 3];
        assert_eq!(
            through(part, &[]),
            (Ok(part.to_vec()), 0),
            "{name} in parts"
        );
        let broken = [&bytes[..bytes.len().min(14)], &[0xff; 40]].concat();
        let refused = Err(BodyError::Undecodable(DecodeError::Corrupt));
        assert_eq!(through(&broken, &[]).0, refused, "{name}");
    }
    let padded = [coded("gzip", &text("")), vec![0; 512]].concat();
    assert_eq!(through(&padded, &[]), (Ok(padded.clone()), 0));
    let formula = b"x^2 + y^2 = z^2, and so on for a while".to_vec();
    assert_eq!(
        through(&formula, &[]),
        (Ok(formula.clone()), 0),
        "no archive"
    );
}

#[test]
fn what_was_found_before_the_end_is_missing_is_told() {
    let bytes = coded("gzip", &text(SECRET));
    let (result, sealed) = through(&bytes[..bytes.len() - 4], &[]);
    assert!(sealed > 0 && result.is_ok(), "{result:?}");
}

#[test]
fn a_bomb_without_a_label_is_refused() {
    let bytes = coded("gzip", &vec![0; 40 << 20]);
    let refused = through(&bytes, &[]).0.err();
    // By whichever bound is met first, the decoder's or the scanner's.
    assert!(
        matches!(
            refused,
            Some(BodyError::Undecodable(DecodeError::Expansion) | BodyError::Unscannable(_))
        ),
        "{refused:?}"
    );
    let bytes = coded("zstd", &vec![0; 40 << 20]);
    let refused = Err(BodyError::Undecodable(DecodeError::Expansion));
    assert_eq!(through(&bytes, &[]).0, refused);
}

#[test]
fn a_denial_inside_cuts_the_body_before_its_last_bytes() {
    let bytes = coded("gzip", &text(SECRET));
    let (mut body, _) = watch(Script::new([data(&bytes)]), options(), Decision::Cut);
    assert_eq!(collect(&mut body).err(), Some(BodyError::Denied));
}
