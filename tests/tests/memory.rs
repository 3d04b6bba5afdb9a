//! What clients that do not read cost: the buffers of their connections are full, and stay so.

use std::io::Read as _;

use egret_tests::{Setup, World, wait_for};

/// Many of them must fit into the memory of a sidecar.
const READERS: usize = 60;
/// What one of them may cost, in KiB. HTTP/2 windows of half a MiB each cost a whole MiB.
const EACH: u64 = 600;

#[test]
fn a_client_that_does_not_read_costs_little_memory_over_http1() {
    not_reading("--http1.1");
}

#[test]
fn a_client_that_does_not_read_costs_little_memory_over_http2() {
    not_reading("--http2");
}

fn not_reading(version: &str) {
    let world = Setup::open().start();
    // What every proxy needs once.
    assert_eq!(world.get("https://origin.test/text").status, 200);
    let before = own_memory(&world);
    let mut readers: Vec<_> = (0..READERS)
        .map(|_| {
            let endless = world.curl("https://origin.test/endless");
            endless.arg(version).start()
        })
        .collect();
    for reader in &mut readers {
        let mut first = [0];
        let body = reader.stdout.as_mut().unwrap();
        body.read_exact(&mut first).unwrap();
    }
    settled(&world);
    let each = own_memory(&world).saturating_sub(before) / READERS as u64;
    for reader in &mut readers {
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    assert!(each < EACH, "{each} KiB for each of {READERS}");
    world.egret().records_of("outcome", READERS + 1);
    world.finish();
}

/// Waits until all buffers are full: the proxy has nothing to do any more.
fn settled(world: &World) {
    let stat = format!("/proc/{}/stat", world.egret().process().id());
    let (mut last, mut quiet) = (0, 0);
    wait_for("a proxy without work", || {
        let text = std::fs::read_to_string(&stat).unwrap();
        let (_, fields) = text.rsplit_once(") ").unwrap();
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
        // `utime` and `stime` (proc_pid_stat(5)), without the three fields before.
        let used = ticks(11) + ticks(12);
        quiet = if used == last { quiet + 1 } else { 0 };
        last = used;
        (quiet > 100).then_some(())
    });
}

/// The memory that is the proxy's own, in KiB: files that are mapped can be read again.
fn own_memory(world: &World) -> u64 {
    world.egret().process().kibibytes("RssAnon")
}
