//! Recall and precision of the scanner on made-up values, and its findings in a clean corpus.
//!
//! `accuracy [--samples N] [--seed N] [--noise MB] [--clean DIR [--carrier TYPE]] [--list]` draws fresh values of every signature, hides
//! each in every encoding and carrier and cuts the text at every place, draws values whose check
//! fails, and prints one line per family and one per way of hiding, and how many are found that are glued to
//! a letter, a digit or another token. `--noise` adds the findings in so many megabytes of random text in each of
//! some alphabets. `--clean` adds the findings in
//! the files of a folder in which there should be none, read as texts or as what `--carrier` says;
//! `--list` each of them, and each value that was missed. For comparing with other tools
//! (`benches/compare`), `--write DIR` writes the values to files instead, and `--scan DIR` prints
//! what is found in each file of a folder.
//!
//! Deliberately absent: a judgement. It prints figures; what is good enough is in docs/accuracy.md.

mod clean;
mod files;
mod hide;
mod measure;
mod noise;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use egret_scanners::{Carrier, Catalog, FingerprintKey, KnownSecrets, Scanner};

/// What to measure.
struct Options {
    samples: u32,
    seed: u64,
    clean: Option<PathBuf>,
    carrier: Carrier,
    list: bool,
    noise: u64,
    write: Option<PathBuf>,
    scan: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    let key = FingerprintKey::new([0; 32]);
    let scanner = Arc::new(Scanner::new(Catalog::builtin(), KnownSecrets::none(), key)?);
    if let Some(folder) = &options.write {
        return files::write(&scanner, (options.samples, options.seed), folder);
    }
    if let Some(folder) = &options.scan {
        return files::scan(&scanner, folder);
    }
    if options.samples > 0 {
        measure::run(&scanner, (options.samples, options.seed), options.list)?;
    }
    if options.noise > 0 {
        noise::run(&scanner, options.noise, options.seed.max(1))?;
    }
    if let Some(folder) = &options.clean {
        clean::run(&scanner, (folder, &options.carrier), options.list)?;
    }
    Ok(())
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        samples: 20,
        seed: 1,
        clean: None,
        carrier: Carrier::Text,
        list: false,
        noise: 0,
        write: None,
        scan: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--list" {
            options.list = true;
            continue;
        }
        let value = arguments
            .next()
            .with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--samples" => options.samples = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--carrier" => options.carrier = Carrier::from_content_type(&value),
            "--clean" => options.clean = Some(value.into()),
            "--noise" => options.noise = value.parse()?,
            "--write" => options.write = Some(value.into()),
            "--scan" => options.scan = Some(value.into()),
            _ => bail!(
                "unknown argument {name}: --samples N, --seed N, --clean DIR, --carrier TYPE, --list, \
                 --noise MB, --write DIR, --scan DIR"
            ),
        }
    }
    Ok(options)
}
