//! Scanner throughput by input class, one core, streaming, with everything on: every signature,
//! personal data and a hundred known secrets.
//!
//! `cargo bench -p egret-benches --bench scan [-- FILTER]` runs the classes whose name contains the
//! filter. With `EGRET_CORPUS=DIR` the files of that folder are classes of their own; without it
//! the synthetic classes run alone, so that the bench works on any machine. Before the table it
//! prints how long compiling takes, and how much more ten times the signatures cost.
//!
//! What a session keeps in memory is measured by `--bench state`, where counting allocations
//! disturbs no clock.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod classes;
mod scanners;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use egret_scanners::{MaskSet, Part, Scanner, SessionOptions, Side, Sink};

use classes::Class;

/// Each class is run until this time has passed, three times at least.
const BUDGET: Duration = Duration::from_millis(1500);
/// And at most so often.
const RUNS: usize = 15;

fn main() -> anyhow::Result<()> {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    compile_times()?;
    let scanner = scanners::with_known_secrets(100)?;
    let mut classes = classes::all()?;
    if let Some(filter) = filter {
        classes.retain(|class| class.name.contains(filter.as_str()));
    } else {
        ten_times(&scanner, &classes)?;
    }
    println!(
        "\n{:<28} {:>9} {:>9} {:>9} {:>6} {:>9}",
        "class, MB/s", "median", "min", "max", "MB", "findings"
    );
    for class in &classes {
        let (speeds, findings) = measure(&scanner, class)?;
        let [min, median, max] = spread(&speeds);
        println!(
            "{:<28} {median:>9.0} {min:>9.0} {max:>9.0} {:>6.1} {findings:>9}",
            class.name,
            class.bytes() as f64 / 1e6,
        );
    }
    Ok(())
}

/// How long it takes to read the catalog, and to compile scanners of several sizes.
fn compile_times() -> anyhow::Result<()> {
    let milliseconds = |started: Instant| started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    let count = egret_scanners::Catalog::builtin().signatures().len();
    println!("{count} signatures read in {:.1} ms", milliseconds(started));
    for known in [0, 1, 100, 10_000] {
        let started = Instant::now();
        scanners::with_known_secrets(known)?;
        println!(
            "scanner with {known} known secrets compiled in {:.1} ms",
            milliseconds(started)
        );
    }
    let started = Instant::now();
    let scanner = scanners::with_own_signatures(count * 9)?;
    println!(
        "scanner with {} signatures compiled in {:.1} ms",
        scanner.signatures().len(),
        milliseconds(started)
    );
    Ok(())
}

/// What ten times the signatures cost: runs of both scanners in turn over the ordinary classes.
fn ten_times(scanner: &Arc<Scanner>, classes: &[Class]) -> anyhow::Result<()> {
    let many = scanners::with_own_signatures(scanner.signatures().len() * 9)?;
    println!(
        "\n{:<28} {:>9} {:>9} {:>9}",
        "ten times the signatures", "median", "min", "max"
    );
    let ordinary = |class: &&Class| !class.name.contains("worst:") && class.chunk > 1;
    for class in classes.iter().filter(ordinary) {
        let mut ratios = Vec::new();
        for _ in 0..5 {
            let [few, many] = [scanner, &many].map(|scanner| timed(scanner, class));
            ratios.push(many?.0.as_secs_f64() / few?.0.as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        let [min, median, max] = spread(&ratios);
        println!("{:<28} {median:>9.2} {min:>9.2} {max:>9.2}", class.name);
    }
    Ok(())
}

/// The speeds of all runs in MB/s, in order, and the number of findings.
fn measure(scanner: &Arc<Scanner>, class: &Class) -> anyhow::Result<(Vec<f64>, usize)> {
    let megabytes = class.bytes() as f64 / 1e6;
    let mut speeds = Vec::new();
    let mut findings = 0;
    let started = Instant::now();
    while speeds.len() < 3 || (started.elapsed() < BUDGET && speeds.len() < RUNS) {
        let (time, found) = timed(scanner, class)?;
        speeds.push(megabytes / time.as_secs_f64());
        findings = found;
    }
    speeds.sort_by(f64::total_cmp);
    Ok((speeds, findings))
}

/// One run over all texts of a class, and the number of findings.
fn timed(scanner: &Arc<Scanner>, class: &Class) -> anyhow::Result<(Duration, usize)> {
    let mask = Arc::new(MaskSet::all());
    let mut findings = 0;
    let mut sink = Sink::default();
    let started = Instant::now();
    for text in &class.texts {
        let mut session = scanner.session(SessionOptions {
            part: Part::body(Side::Request),
            carrier: class.carrier.clone(),
            mask: Arc::clone(&mask),
        });
        for chunk in text.chunks(class.chunk) {
            sink.cleared.clear();
            session.push(chunk, &mut sink).context(class.name)?;
            if class.settles {
                session.settle(&mut sink).context(class.name)?;
            }
            // The proxy judges findings as they come.
            findings += sink.findings.len();
            sink.findings.clear();
        }
        session.finish(&mut sink).context(class.name)?;
        findings += sink.findings.len();
        sink.findings.clear();
        std::hint::black_box(&sink.cleared);
    }
    Ok((started.elapsed(), findings))
}

/// The least, the median and the greatest of sorted figures.
fn spread(sorted: &[f64]) -> [f64; 3] {
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    [
        at(0),
        at(sorted.len() / 2),
        at(sorted.len().saturating_sub(1)),
    ]
}
