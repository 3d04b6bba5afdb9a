//! The sidecar ended by SIGKILL while it carries streams: the kernel closes what it had open, and from then on not a
//! packet leaves the pod until it is back.
//!
//! Root is needed, and what the rig needs.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

#[allow(dead_code, reason = "each file of stories uses its part of the rig")]
mod rig;

use std::time::Duration;

use egret_tests::wait_for;
use rig::{POLICY, Rig, SERVER};
use rustix::process::Signal;

/// A tunnel on which both sides speak and an upload in chunks, both going on until they are cut; then, when told to,
/// the same connections and fifty new ones are tried.
const STREAMS: &str = r"
import select, socket, sys
tunnel = socket.create_connection((SERVER, 22))
tunnel.recv(99)
upload = socket.create_connection((SERVER, 80))
upload.sendall(b'POST /swallow HTTP/1.1\r\nhost: api.example.com\r\ntransfer-encoding: chunked\r\n\r\n')
going, told = {tunnel, upload}, False
while going:
    for stream in list(going):
        try:
            stream.sendall(b'x' * 1000 if stream is tunnel else b'2000\r\n' + b'x' * 0x2000 + b'\r\n')
            if select.select([stream], [], [], 0.01)[0] and not stream.recv(9999):
                going.discard(stream)
        except OSError:
            going.discard(stream)
    if not told:
        told = print('under way', flush=True) is None
print('cut', flush=True)
sys.stdin.readline()
connected = 0
for attempt in range(50):
    for stream in (tunnel, upload):
        try:
            stream.sendall(b'leak')
        except OSError:
            pass
    for port in (22, 80, 443):
        try:
            socket.create_connection((SERVER, port), timeout=1).sendall(b'leak')
            connected += 1
        except OSError:
            pass
print('tried', connected, flush=True)
";

#[test]
fn streams_are_cut_and_nothing_follows_until_it_is_back() {
    let mut rig = Rig::fenced(POLICY);
    for name in ["api.example.com", "git.example.com"] {
        let known = rig.places.agent(&["dig", "+short", name]);
        assert!(known.stdout.contains(SERVER), "{known:?}");
    }
    let script = STREAMS.replace("SERVER", &format!("'{SERVER}'"));
    let mut agent = rig
        .places
        .agent_process(&["/usr/bin/python3", "-c", &script]);
    agent.line_with("under way");
    wait_for("streams under way", || {
        let decided = |record: &&serde_json::Value| record["event"] == "decision";
        (rig.records().iter().filter(decided).count() >= 2 && rig.witnessed() > 200).then_some(())
    });
    rig.egret().signal(Signal::KILL);
    rig.egret().wait();
    agent.line_with("cut");
    // The kernel's own farewell to the world may take a moment; from the first quiet one on, nothing may leave.
    let settled = wait_for("a quiet moment", || {
        let before = rig.witnessed();
        std::thread::sleep(Duration::from_millis(200));
        (rig.witnessed() == before).then_some(before)
    });
    agent.say("go on");
    assert_eq!(agent.line_with("tried"), "tried 0");
    assert_eq!(rig.witnessed(), settled, "nothing leaves");

    rig.start_egret();
    rig.iptables("check");
    let known = format!("api.example.com:80:{SERVER}");
    let url = "http://api.example.com/x";
    let again = rig
        .places
        .agent(&["curl", "-s", "-m", "20", "--resolve", &known, url]);
    // The names that were resolved were forgotten with the process.
    assert!(again.stdout.contains("name_mismatch"), "{again:?}");
    rig.places.agent(&["dig", "+short", "api.example.com"]);
    let again = rig.places.agent(&["curl", "-s", "-m", "20", url]);
    assert!(again.stdout.starts_with("the world says"), "{again:?}");
}
