//! What the way through the proxy costs: requests per second and CPU per request, beside the same
//! client direct.
//!
//! One process holds the origin and the client; the proxy is the real binary, with scanning of both
//! directions and the audit log on. `--egret PATH` names it, `--seconds N` bounds each measurement
//! (5), `--connections N` is how many clients ask at once (8). Each client keeps one TLS connection
//! and sends the next `POST` when the answer is read; the origin answers with the body it got.
//!
//! Deliberately absent: statistics beyond the mean, and any network but loopback.

mod client;
mod origin;
mod proxy;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use client::{Load, Route};
use origin::Origin;
use proxy::Egret;

fn main() -> anyhow::Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    tokio::runtime::Runtime::new()?.block_on(run(&options))
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Origin::start().await?;
    let egret = Egret::start(&options.egret, folder.path(), &origin)?;
    let roots = [origin.certificate.as_str(), egret.certificate.as_str()];
    let mut table = std::io::stdout();
    writeln!(
        table,
        "{:<8} {:<8} {:>12} {:>10} {:>16}",
        "body", "route", "requests/s", "MB/s", "egret CPU us/req"
    )?;
    for size in SIZES {
        for route in [Route::Direct(origin.address), Route::Through(egret.address)] {
            let load = Load {
                route,
                size,
                connections: options.connections,
                time: options.seconds,
            };
            let before = egret.cpu()?;
            let requests = client::run(&load, &roots).await?;
            let cpu = egret.cpu()?.saturating_sub(before);
            writeln!(table, "{}", row(&load, requests, cpu))?;
        }
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people, three digits of which are read"
)]
fn row(load: &Load, requests: u64, cpu: Duration) -> String {
    let rate = requests as f64 / load.time.as_secs_f64();
    let megabytes = rate * load.size as f64 / 1e6;
    let (name, cost) = match load.route {
        Route::Direct(_) => ("direct", "-".to_owned()),
        Route::Through(_) => {
            let each = cpu.as_secs_f64() * 1e6 / requests.max(1) as f64;
            ("egret", format!("{each:.0}"))
        }
    };
    let size = load.size;
    format!("{size:<8} {name:<8} {rate:>12.0} {megabytes:>10.1} {cost:>16}")
}

/// What the command line says.
struct Options {
    egret: PathBuf,
    seconds: Duration,
    connections: usize,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
        let mut options = Options {
            egret: PathBuf::from("target/release/egret"),
            seconds: Duration::from_secs(5),
            connections: 8,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().context("each option takes a value")?;
            match name.as_str() {
                "--egret" => options.egret = value.into(),
                "--seconds" => options.seconds = Duration::from_secs(value.parse()?),
                "--connections" => options.connections = value.parse()?,
                _ => bail!("unknown option `{name}`"),
            }
        }
        Ok(options)
    }
}

/// Body sizes in bytes.
const SIZES: [usize; 2] = [1_000, 1_000_000];
