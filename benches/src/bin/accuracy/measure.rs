//! Values drawn from every signature, hidden, cut and broken.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use egret_scanners::{
    Anchor, Carrier, Class, ExampleMaker, Finding, Glue, MaskSet, Part, Scanner, SessionOptions,
    Shape, Side, Signature, Sink, in_context,
};

use crate::hide::{HIDINGS, Hiding, PLAIN, SPLITS};

/// So many found of so many.
#[derive(Clone, Copy, Default)]
struct Count {
    found: u32,
    of: u32,
}

impl Count {
    fn add(&mut self, found: bool) {
        self.found += u32::from(found);
        self.of += 1;
    }

    fn percent(self) -> String {
        match self.of {
            0 => "-".to_owned(),
            of => format!("{:.1}", 100.0 * f64::from(self.found) / f64::from(of)),
        }
    }
}

/// What was seen of one signature.
#[derive(Default)]
struct Row {
    plain: Count,
    hidden: Count,
    cuts: Count,
    broken: Count,
    glued: [Count; GLUED.len()],
    /// The texts in which it was missed, and the hiding of each.
    missed: Vec<(&'static str, Vec<u8>)>,
}

/// Measures every signature and prints the tables; if asked to, also each text that was missed, to
/// standard error.
pub(crate) fn run(
    scanner: &Arc<Scanner>,
    (samples, seed): (u32, u64),
    list: bool,
) -> anyhow::Result<()> {
    let mut maker = ExampleMaker::new(seed);
    let mut rows = Vec::new();
    let mut hidings: BTreeMap<(&str, bool), Count> = BTreeMap::new();
    for signature in scanner.signatures() {
        let mut row = Row::default();
        for _ in 0..samples {
            sample(scanner, signature, &mut maker, (&mut row, &mut hidings))?;
        }
        for (hiding, text) in row.missed.iter().filter(|_| list) {
            let (id, text) = (&signature.id, text.escape_ascii());
            writeln!(std::io::stderr(), "{id}\t{hiding}\t{text}")?;
        }
        rows.push((Arc::clone(signature), row));
    }
    print(&rows, &hidings)
        .and_then(|()| print_glued(&rows))
        .context("writing the tables")
}

type Hidings = BTreeMap<(&'static str, bool), Count>;

/// One value: plain, in every hiding, cut everywhere, and one that is broken.
fn sample(
    scanner: &Arc<Scanner>,
    signature: &Signature,
    maker: &mut ExampleMaker,
    (row, hidings): (&mut Row, &mut Hidings),
) -> anyhow::Result<()> {
    let text = maker
        .text(signature)
        .with_context(|| format!("no value of {}", signature.id))?;
    let text = [b"see ", text.as_slice(), b" here"].concat();
    let checked = has_documented_check(signature);
    for (index, hiding) in HIDINGS.iter().enumerate() {
        let found = finds(scanner, signature, hiding, &text);
        if index == 0 {
            row.plain.add(found);
        } else if applies(hiding, signature) {
            row.hidden.add(found);
        }
        if applies(hiding, signature) {
            hidings
                .entry((hiding.name, checked))
                .or_default()
                .add(found);
            if !found {
                row.missed.push((hiding.name, text.clone()));
            }
        }
    }
    for at in 0..=text.len() {
        row.cuts
            .add(finds_cut(scanner, signature, text.split_at(at)));
    }
    glued(scanner, signature, (maker, row));
    let broken = checked.then(|| maker.broken(signature)).flatten();
    if let Some(value) = broken {
        let text = in_context(signature, &value);
        row.broken.add(finds(scanner, signature, &PLAIN, &text));
    }
    Ok(())
}

/// What stands beside a value that is glued to it: before it, and behind it.
const GLUED: [(&str, &str, &str); 5] = [
    ("letter before", "x", ""),
    ("letter behind", "", "x"),
    ("digit before", "7", ""),
    ("behind another token", TOKEN, ""),
    ("before another token", "", TOKEN),
];

/// A token of another kind, whose check holds.
const TOKEN: &str = "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";

/// One value of a credential with each of [`GLUED`] beside it.
fn glued(
    scanner: &Arc<Scanner>,
    signature: &Signature,
    (maker, row): (&mut ExampleMaker, &mut Row),
) {
    let Some(value) = maker
        .value(signature)
        .filter(|_| signature.class == Class::Secret)
    else {
        return;
    };
    for ((_, before, behind), count) in GLUED.iter().zip(&mut row.glued) {
        let value = [before.as_bytes(), &value, behind.as_bytes()].concat();
        let text = [b"see ", in_context(signature, &value).as_slice(), b" here"].concat();
        count.add(finds(scanner, signature, &PLAIN, &text));
    }
}

/// Whether a match that fails the signature's check is no finding.
pub(crate) fn has_documented_check(signature: &Signature) -> bool {
    signature.check.is_some_and(|check| check.is_documented())
}

/// Full-width digits hide numbers, and a cut secrets with an anchor; other texts they merely break.
fn applies(hiding: &Hiding, signature: &Signature) -> bool {
    if SPLITS.contains(&hiding.name) {
        return signature.class == Class::Secret
            && match &signature.shape {
                Shape::Token { anchors, .. } => !anchors.is_empty(),
                Shape::Pattern { anchor, .. } => matches!(anchor, Anchor::Prefix(_)),
                shape => *shape == Shape::PrivateKey,
            };
    }
    hiding.name != "full-width digits"
        || matches!(&signature.shape, Shape::Token { anchors, segments, .. }
            if anchors.is_empty() && matches!(segments.as_slice(), [egret_scanners::Segment::Digits { .. }]))
}

fn options(carrier: Carrier) -> SessionOptions {
    let mask = Arc::new(MaskSet::none());
    SessionOptions {
        part: Part::body(Side::Request),
        carrier,
        mask,
    }
}

fn finds(scanner: &Arc<Scanner>, signature: &Signature, hiding: &Hiding, text: &[u8]) -> bool {
    let hidden = (hiding.hide)(text);
    scanner
        .scan(&hidden, options((hiding.carrier)()))
        .is_ok_and(|scanned| is_among(signature, &scanned.findings))
}

fn finds_cut(scanner: &Arc<Scanner>, signature: &Signature, parts: (&[u8], &[u8])) -> bool {
    let mut session = scanner.session(options(Carrier::Text));
    let mut sink = Sink::default();
    let scanned = session
        .push(parts.0, &mut sink)
        .and_then(|()| session.settle(&mut sink))
        .and_then(|()| session.push(parts.1, &mut sink))
        .and_then(|()| session.finish(&mut sink));
    scanned.is_ok() && is_among(signature, &sink.findings)
}

fn is_among(signature: &Signature, findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.signature.id == signature.id)
}

/// Recall of values that are glued to something, by whether the signature asks for boundaries, and by
/// signature where it does not.
fn print_glued(rows: &[(Arc<Signature>, Row)]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let names = GLUED.map(|(name, _, _)| format!(" {name} % |")).concat();
    let line = "--:|".repeat(GLUED.len());
    writeln!(out, "\n| glued credentials |{names}\n|---|{line}")?;
    for (glue, name) in [
        (Glue::BothSides, "all that ask for no boundary"),
        (Glue::OneSide, "all that ask for one"),
        (Glue::Apart, "all that ask for both"),
    ] {
        let of = |row: &&(Arc<Signature>, Row)| row.0.glue == glue && row.0.class == Class::Secret;
        let cells = (0..GLUED.len()).map(|place| {
            let counts = rows
                .iter()
                .filter(of)
                .filter_map(|(_, row)| row.glued.get(place));
            let sum = counts.fold(Count::default(), |sum, count| Count {
                found: sum.found + count.found,
                of: sum.of + count.of,
            });
            format!(" {} |", sum.percent())
        });
        writeln!(out, "| {name} |{}", cells.collect::<String>())?;
    }
    for (signature, row) in rows.iter().filter(|(one, _)| one.glue != Glue::Apart) {
        let cells = row.glued.map(|count| format!(" {} |", count.percent()));
        writeln!(out, "| {} |{}", signature.id, cells.concat())?;
    }
    Ok(())
}

fn print(rows: &[(Arc<Signature>, Row)], hidings: &Hidings) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| signature | class | check | plain % | hidden % | cuts % | broken found % |"
    )?;
    writeln!(out, "|---|---|---|--:|--:|--:|--:|")?;
    for (signature, row) in rows {
        let check = signature.check.map_or("", |check| check.name());
        let (plain, hidden) = (row.plain.percent(), row.hidden.percent());
        let (cuts, broken) = (row.cuts.percent(), row.broken.percent());
        let (id, class) = (&signature.id, signature.class);
        writeln!(
            out,
            "| {id} | {class} | {check} | {plain} | {hidden} | {cuts} | {broken} |"
        )?;
    }
    writeln!(
        out,
        "\n| hidden in | families with a check % | families without % |"
    )?;
    writeln!(out, "|---|--:|--:|")?;
    for hiding in HIDINGS {
        let of = |checked| {
            hidings
                .get(&(hiding.name, checked))
                .copied()
                .unwrap_or_default()
        };
        let (with, without) = (of(true).percent(), of(false).percent());
        writeln!(out, "| {} | {with} | {without} |", hiding.name)?;
    }
    Ok(())
}
