//! The network of the cage: one interface, and everything that leaves it ends at the proxy.

use crate::user::{User, shown, text};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};

/// A web server on this machine's loopback, outside, that answers once and tells what it was asked.
fn origin() -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, serve_once(listener))
}

fn serve_once(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0u8; 4096];
        while !request.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n";
        stream.write_all(answer).unwrap();
        text(&request)
    })
}

/// An address of this machine that is not its loopback: in the cage it is somewhere else.
fn address_of_this_machine() -> std::net::IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

fn allowing(port: u16) -> User {
    allowing_at(std::net::Ipv4Addr::LOCALHOST.into(), port)
}

fn allowing_at(address: std::net::IpAddr, port: u16) -> User {
    let policy = format!(
        "version: 1\ndefault: deny\nrules:\n  - name: origin\n    hosts: [origin.test]\n    ports: [{port}]\n    cidrs: [{address}/32]\n    action: allow\n"
    );
    let user = User::with_policy(&policy);
    let config =
        format!("policy: policy.yaml\nupstream: {{ resolve: {{ origin.test: {address} }} }}\n");
    std::fs::write(user.project().join("egret.yaml"), config).unwrap();
    user
}

#[test]
fn an_allowed_host_is_reached_through_the_proxy_that_stands_outside() {
    let (port, origin) = origin();
    let user = allowing(port);
    let output = user.caged(&format!("curl -sS -m 20 http://origin.test:{port}/a"));
    assert_eq!(text(&output.stdout), "hello\n", "{}", shown(&output));
    assert!(origin.join().unwrap().starts_with("GET /a HTTP/1.1\r\n"));
}

#[test]
fn an_allowed_host_is_reached_without_a_word_about_proxies() {
    let address = address_of_this_machine();
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = serve_once(listener);
    let user = allowing_at(address, port);
    let output = user.caged(&format!(
        "env -i PATH=$PATH curl -sS -m 20 http://origin.test:{port}/b"
    ));
    assert_eq!(text(&output.stdout), "hello\n", "{}", shown(&output));
    assert!(origin.join().unwrap().starts_with("GET /b HTTP/1.1\r\n"));
}

#[test]
fn lo_is_all_there_is() {
    let user = User::new();
    let script = "
import socket
print([name for _, name in socket.if_nameindex()])
print(open('/proc/net/route').read().count('\\n'))
";
    assert!(user.caged_python(script).starts_with("['lo']\n"));
}

#[test]
fn what_listens_on_the_loopback_outside_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let user = User::new();
    let script = format!(
        "
import socket
try: socket.create_connection(('127.0.0.1', {port}), 10); print('connected')
except ConnectionRefusedError: print('refused')
"
    );
    assert_eq!(user.python(&script), "connected\n");
    assert_eq!(user.caged_python(&script), "refused\n");
}

#[test]
fn every_address_and_port_ends_at_the_proxy_whatever_the_variables_say() {
    let user = User::new();
    let fetch = "curl -gskS -m 20 -o /dev/null -w '%{http_code} '";
    let script = format!(
        "export NO_PROXY='*' no_proxy='*'; {fetch} http://93.184.216.34/; {fetch} http://93.184.216.34:8080/; \
         {fetch} https://169.254.169.254/; {fetch} 'http://[2606:4700::1111]/'; {fetch} http://10.0.0.1:22/; \
         env -i PATH=$PATH {fetch} http://1.1.1.1/"
    );
    let output = user.caged(&script);
    assert_eq!(
        text(&output.stdout),
        "403 403 403 403 403 403 ",
        "{}",
        shown(&output)
    );
}

#[test]
fn udp_and_icmp_get_an_answer_at_once_and_nothing_arrives() {
    let witness = UdpSocket::bind("127.0.0.1:0").unwrap();
    witness.set_nonblocking(true).unwrap();
    let port = witness.local_addr().unwrap().port();
    let user = User::new();
    let script = format!(
        "
import socket, errno, time
began = time.monotonic()
def send(family, address, port):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(10)
    try:
        s.connect((address, port)); s.send(b'x'); s.send(b'x'); s.recv(1)
        return 'answered'
    except OSError as e: return errno.errorcode[e.errno or 0]
for family, address in ((2, '8.8.8.8'), (2, '127.0.0.1'), (10, '2001:db8::1')):
    print(send(family, address, {port}) in ('EPERM', 'ECONNREFUSED', 'EACCES', 'EHOSTUNREACH', 'ENETUNREACH'))
print(send(2, '1.1.1.1', 443) in ('EPERM', 'ECONNREFUSED'))
print(time.monotonic() - began < 5)
"
    );
    assert_eq!(user.caged_python(&script), "True\nTrue\nTrue\nTrue\nTrue\n");
    let mut buffer = [0u8; 8];
    assert!(witness.recv(&mut buffer).is_err(), "a packet got out");
}

#[test]
fn names_are_asked_of_the_stub_whatever_resolver_is_named() {
    let user = User::new();
    let output = user.caged("cat /etc/resolv.conf; echo x > /etc/resolv.conf");
    assert!(
        text(&output.stdout).contains("nameserver 127.0.0.1"),
        "{}",
        shown(&output)
    );
}

#[test]
fn two_cages_do_not_meet() {
    let user = User::new();
    let script = "
import socket, sys
a = socket.socket(socket.AF_UNIX); a.bind('\\0egret-meet'); a.listen()
t = socket.socket(); t.bind(('0.0.0.0', 5555)); t.listen()
print('listening', flush=True)
sys.stdin.read()
";
    let mut first = user
        .exec(&["-q"])
        .args(["python3", "-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0u8; 10];
    first
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    let second = user.caged_python(
        "
import socket, errno, os
for family, address in ((socket.AF_UNIX, '\\0egret-meet'), (socket.AF_INET, ('127.0.0.1', 5555)), (socket.AF_INET, ('192.0.0.8', 5555))):
    try: socket.socket(family).connect(address); print('connected')
    except OSError as e: print(errno.errorcode[e.errno])
",
    );
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(second, "ECONNREFUSED\nECONNREFUSED\nECONNREFUSED\n");
}

#[test]
fn root_of_a_nested_namespace_has_no_more_network() {
    let user = User::new();
    let output = user.caged(
        "unshare -Ur sh -c 'ip link set lo down; ip route del default; nft flush ruleset; iptables -F; iptables -t nat -F; \
         ip link add d0 type dummy; ip addr add 10.0.0.2/24 dev lo'; ip link set lo down; nft flush ruleset; \
         curl -s -m 20 -o /dev/null -w '%{http_code}' --noproxy '*' http://1.1.1.1/",
    );
    assert_eq!(text(&output.stdout), "403", "{}", shown(&output));
    let output = user.caged("unshare -Urn sh -c 'ip -o link | wc -l; curl -s -m 5 --noproxy \"*\" http://1.1.1.1/ || echo nothing'");
    assert!(
        text(&output.stdout).ends_with("nothing\n"),
        "{}",
        shown(&output)
    );
}

/// Stopped, the proxy accepts nothing; what the command sends waits in our sockets and goes nowhere.
#[test]
fn a_stopped_proxy_is_a_closed_door() {
    let (port, origin) = origin();
    let user = allowing(port);
    let fetch =
        format!("curl -s -m 2 -o /dev/null -w '%{{http_code}}\\n' http://origin.test:{port}/");
    let script = format!("echo up; read; {fetch}; read");
    let mut child = user
        .exec(&["-q"])
        .args(["bash", "-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || lines.next().unwrap().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill")
            .args([name, &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    };
    assert_eq!(next(), "up");
    signal("-STOP");
    stdin.write_all(b"\n").unwrap();
    assert_eq!(next(), "000");
    assert!(!origin.is_finished(), "something reached the origin");
    signal("-CONT");
    stdin.write_all(b"\n").unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}
