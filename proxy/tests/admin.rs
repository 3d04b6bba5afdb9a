//! Health and metrics answer while no byte of traffic can move.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

mod rig;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rig::Rig;

/// Asks without giving the runtime a chance to do anything meanwhile.
fn ask(admin: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(admin).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// All of the proxy runs on this one thread, which does not return to it between these lines.
#[tokio::test(flavor = "current_thread")]
async fn traffic_that_stands_still_does_not_starve_them() {
    let rig = Rig::start().await;
    let admin = *rig.running.addresses().admin.first().unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = ask(admin, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}
