//! Sockets of another user, and what happens to what they send.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use rustix::net::connect_unspec;
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{PATIENCE, PROBED_PORT, Token, V4, V6, complement, hex, probe_name};

/// Sockets that the kernel takes for another user's: one TCP and two UDP sockets for each family it has.
#[derive(Debug)]
pub struct Probes {
    families: Vec<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    address: IpAddr,
    tcp: Socket,
    quic: Socket,
    resolver: Socket,
}

impl Probes {
    /// Makes the sockets in a thread that first becomes user `uid`, for good. A socket keeps the user it was made by,
    /// and can be connected again and again.
    ///
    /// # Errors
    /// What the kernel says, such as the lack of CAP_SETUID.
    pub fn of_user(uid: u32) -> io::Result<Self> {
        let made = std::thread::spawn(move || {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
            set_thread_groups(&[])?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            Self::of_this_thread()
        });
        made.join()
            .map_err(|_| io::Error::other("the thread that makes probe sockets failed"))?
    }

    fn of_this_thread() -> io::Result<Self> {
        let mut families = Vec::new();
        for (domain, address) in [(Domain::IPV4, V4), (Domain::IPV6, V6)] {
            match Sockets::new(domain, address) {
                Ok(sockets) => families.push(sockets),
                // A kernel without this family cannot send by it either.
                Err(error) if error.raw_os_error() == Some(EAFNOSUPPORT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Probes { families })
    }
}

impl Sockets {
    fn new(domain: Domain, address: IpAddr) -> io::Result<Self> {
        let socket = |kind, protocol| {
            let socket = Socket::new(domain, kind, Some(protocol))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok::<_, io::Error>(socket)
        };
        Ok(Sockets {
            address,
            tcp: socket(Type::STREAM, Protocol::TCP)?,
            quic: socket(Type::DGRAM, Protocol::UDP)?,
            resolver: socket(Type::DGRAM, Protocol::UDP)?,
        })
    }
}

/// One try of every probe.
pub(super) struct Round {
    pub(super) token: Token,
    /// Whether the stub serves: then DNS must end there, else it must be refused.
    pub(super) dns: bool,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It ended at our listener.
    Caught,
    /// It was refused at once.
    Refused,
    /// There is no route: it cannot leave.
    NoRoute,
    /// Nobody refused it: it left, or somebody else answered.
    Left,
}

impl Round {
    /// Tries everything; returns what did not go as it must.
    pub(super) fn run(&self, probes: &Probes) -> Vec<String> {
        probes
            .families
            .iter()
            .flat_map(|sockets| self.family(sockets))
            .collect()
    }

    fn family(&self, sockets: &Sockets) -> Vec<String> {
        let tried = [
            ("a direct TCP connection", self.tcp(sockets), true),
            ("UDP to port 443", self.quic(sockets), false),
            (
                "a question to a foreign resolver",
                self.resolver(sockets),
                self.dns,
            ),
        ];
        let failed = tried.into_iter().filter_map(|(what, fate, must_be_caught)| {
            let says = match fate {
                Fate::NoRoute | Fate::Caught => return None,
                Fate::Refused if !must_be_caught => return None,
                Fate::Refused => "was refused instead of redirected here (are the nat rules in place, with these ports?)",
                Fate::Left => "left, or was answered by somebody else (are the rules in place? run `egret iptables check`)",
            };
            Some(format!("{what} of another user to {} {says}", sockets.address))
        });
        failed.collect()
    }

    /// Must arrive at our listener and know our answer.
    fn tcp(&self, sockets: &Sockets) -> Fate {
        let socket = &sockets.tcp;
        let talked = socket
            .connect(&to(sockets.address, PROBED_PORT))
            .and_then(|()| {
                socket.send(&self.token)?;
                let mut answer = Token::default();
                io::Read::read_exact(&mut &*socket, &mut answer)?;
                Ok(answer)
            });
        let _ = connect_unspec(socket);
        match talked {
            Ok(answer) if answer == complement(self.token) => Fate::Caught,
            Ok(_) => Fate::Left,
            Err(error) => fate(&error),
        }
    }

    /// Must be refused, so that browsers fall back to TCP at once.
    fn quic(&self, sockets: &Sockets) -> Fate {
        exchange(&sockets.quic, to(sockets.address, PROBED_PORT), &self.token)
            .map_or_else(|error| fate(&error), |_| Fate::Left)
    }

    /// Must be answered by our stub.
    fn resolver(&self, sockets: &Sockets) -> Fate {
        let Some(question) = question(self.token) else {
            return Fate::Left;
        };
        match exchange(&sockets.resolver, to(sockets.address, DNS), &question) {
            Ok(answer) if contains(&answer, hex(complement(self.token)).as_bytes()) => Fate::Caught,
            Ok(_) => Fate::Left,
            Err(error) => fate(&error),
        }
    }
}

/// Sends one datagram and waits for one.
fn exchange(socket: &Socket, to: SockAddr, datagram: &[u8]) -> io::Result<Vec<u8>> {
    // A refusal of the last round may have come after it was over.
    socket.take_error()?;
    let exchanged = socket.connect(&to).and_then(|()| {
        socket.send(datagram)?;
        let mut answer = vec![0; 1500];
        let length = io::Read::read(&mut &*socket, &mut answer)?;
        answer.truncate(length);
        Ok(answer)
    });
    let _ = connect_unspec(socket);
    exchanged
}

fn fate(error: &io::Error) -> Fate {
    match error.kind() {
        ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::AddrNotAvailable => Fate::NoRoute,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::PermissionDenied => {
            Fate::Refused
        }
        // A timeout: nobody refused it.
        _ => Fate::Left,
    }
}

fn question(token: Token) -> Option<Vec<u8>> {
    let mut message = Message::new(
        u16::from_be_bytes([token[0], token[1]]),
        MessageType::Query,
        OpCode::Query,
    );
    let name = Name::from_ascii(format!("{}.", probe_name(token))).ok()?;
    message.add_query(Query::query(name, RecordType::TXT));
    message.to_vec().ok()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn to(address: IpAddr, port: u16) -> SockAddr {
    SocketAddr::new(address, port).into()
}

const DNS: u16 = 53;
/// `socket()` for a family the kernel was built without.
const EAFNOSUPPORT: i32 = 97;
/// Two probes of each family may time out before the third.
const _: () = assert!(PATIENCE.as_secs() * 6 < Duration::from_secs(60).as_secs());
