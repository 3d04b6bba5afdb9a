//! The sockets of the DNS stub, UDP and TCP, and the path of one question through judgement, lookup and answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use egret_audit::{Draft, Event, Judged};
use egret_policies::{ClientAddr, Flow, FlowId, Host, Part, Place, Side, Trouble, Verdict, Via};
use egret_scanners::{Carrier, MaskSet, SessionOptions};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::question::{Heard, Question};
use crate::conversation::words;
use crate::drain::{Alive, draining};
use crate::judge::Known;
use crate::serve::Shared;
use crate::snapshot::Snapshot;
use crate::upstream::LookupError;

/// Answers questions over UDP until the drain. Beyond [`AT_ONCE`] they are dropped, as UDP may: clients ask again.
pub(crate) async fn udp(socket: UdpSocket, shared: Arc<Shared>, alive: Alive) {
    let socket = Arc::new(socket);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut packet = vec![0; PACKET];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut packet) => received,
            () = draining(shared.phase.clone()) => return,
        };
        let Ok((length, client)) = received else {
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let question = packet.get(..length).unwrap_or_default().to_vec();
        let (socket, shared, alive) = (Arc::clone(&socket), Arc::clone(&shared), alive.clone());
        tokio::spawn(async move {
            let _held = (place, alive);
            let Some((message, room)) = reply(&question, client, &shared).await else {
                return;
            };
            if let Some(bytes) = fitting(message, room)
                && let Err(error) = socket.send_to(&bytes, client).await
            {
                tracing::debug!(%error, "a DNS answer did not reach its client");
            }
        });
    }
}

/// Answers questions over TCP until the drain.
pub(crate) async fn tcp(listener: TcpListener, shared: Arc<Shared>, alive: Alive) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining(shared.phase.clone()) => return,
        };
        let Ok((stream, client)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (shared, alive) = (Arc::clone(&shared), alive.clone());
        tokio::spawn(async move {
            let _held = (place, alive);
            if let Err(error) = conversation(stream, client, &shared).await {
                tracing::debug!(%error, "a DNS connection ended");
            }
        });
    }
}

/// One question after the other, each with its length before it (RFC 1035 section 4.2.2).
async fn conversation(
    mut stream: TcpStream,
    client: SocketAddr,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    loop {
        let question = timeout(TCP_IDLE, async {
            let length = stream.read_u16().await?;
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await?;
            Ok::<_, io::Error>(question)
        })
        .await??;
        let Some((message, _)) = reply(&question, client, shared).await else {
            return Ok(());
        };
        let Some(bytes) = fitting(message, u16::MAX.into()) else {
            return Ok(());
        };
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        let framed = [length.to_be_bytes().as_slice(), &bytes].concat();
        timeout(TCP_IDLE, stream.write_all(&framed)).await??;
    }
}

/// What to answer, and how many bytes of it the client takes over UDP. `None`: nothing.
enum Reply {
    Made(Box<Message>),
    Raw(Vec<u8>),
}

async fn reply(packet: &[u8], client: SocketAddr, shared: &Arc<Shared>) -> Option<(Reply, usize)> {
    match Heard::from(packet) {
        Heard::Nothing => None,
        Heard::Answer(bytes) => Some((Reply::Raw(bytes), usize::MAX)),
        Heard::Question(question) => {
            let message = answer(&question, client, shared).await?;
            Some((Reply::Made(Box::new(message)), question.room))
        }
    }
}

fn fitting(reply: Reply, room: usize) -> Option<Vec<u8>> {
    match reply {
        Reply::Raw(bytes) => Some(bytes).filter(|bytes| !bytes.is_empty()),
        Reply::Made(message) => {
            let bytes = message.to_vec().ok()?;
            if bytes.len() <= room {
                Some(bytes)
            } else {
                message.truncate().to_vec().ok()
            }
        }
    }
}

async fn answer(question: &Question, client: SocketAddr, shared: &Arc<Shared>) -> Option<Message> {
    let snapshot = shared.snapshots.load_full();
    if let Some(word) = question
        .host
        .as_ref()
        .and_then(|host| shared.fence.answer_name(host))
    {
        return Some(question.text_answer(word));
    }
    let flow = flow(client)?;
    if let Some(refused) = refusal(question, &flow, &snapshot) {
        shared.ledger.note(refused);
        return Some(question.empty_answer(ResponseCode::Refused));
    }
    if !shared.ledger.could_record(shared.upstream.deadline()).await {
        return Some(question.empty_answer(ResponseCode::ServFail));
    }
    let Some(host) = question.host.as_ref().filter(|_| question.is_supported()) else {
        return Some(question.empty_answer(ResponseCode::NoError));
    };
    let records = match records(question, host, shared).await {
        Ok(records) => records,
        Err(error) => return Some(question.empty_answer(code(error))),
    };
    let answer = Answer::new(question, host, &records, &snapshot.policy);
    for (address, life) in &answer.bound {
        shared
            .bindings
            .remember(host, *address, *life, Instant::now());
    }
    if let Some(address) = answer.withheld.first().filter(|_| answer.bound.is_empty()) {
        let known = Known {
            host: Some(host.clone()),
            address: Some(*address),
            port: DNS,
            ..Known::default()
        };
        let verdict = snapshot
            .policy
            .judge(&known.clone().at_port(443).facts(&flow));
        shared
            .ledger
            .note(draft(&flow, &known, &verdict, &snapshot));
    }
    Some(answer.message)
}

/// The record of a refusal; `None`: the question may leave.
fn refusal(question: &Question, flow: &Flow, snapshot: &Snapshot) -> Option<Draft> {
    let mut known = Known {
        host: question.host.clone(),
        port: DNS,
        ..Known::default()
    };
    if known.host.is_none() {
        known.fail(Trouble::BadRequest);
    }
    let part = Part {
        side: Side::Request,
        place: Place::Name,
    };
    let texts = question.texts();
    if texts.is_none() {
        known.fail(Trouble::Limit);
    }
    for text in texts.into_iter().flatten() {
        let options = SessionOptions {
            part: part.clone(),
            carrier: Carrier::Text,
            mask: Arc::new(MaskSet::none()),
        };
        match snapshot.scanner.scan(&text, options) {
            Ok(scanned) => {
                for finding in scanned.findings {
                    // The same value stands in several readings of one name.
                    if !known
                        .findings
                        .iter()
                        .any(|seen| seen.fingerprint == finding.fingerprint)
                    {
                        known.findings.push(finding);
                    }
                }
            }
            Err(_) => known.fail(Trouble::Limit),
        }
    }
    let host = known.host.as_ref();
    let could_allow = host.is_some_and(|host| snapshot.policy.could_allow(host));
    let verdict = verdict(&known, flow, snapshot);
    let clean = verdict
        .findings
        .iter()
        .all(|finding| finding.action == egret_policies::Action::Allow);
    let refused = known.trouble.is_some() || !could_allow || !clean;
    (refused && verdict.enforced).then(|| draft(flow, &known, &verdict, snapshot))
}

/// The verdict by name. Rules speak of the ports of HTTP; a name is resolved for any of them.
fn verdict(known: &Known, flow: &Flow, snapshot: &Snapshot) -> Verdict {
    let at = |port| known.clone().at_port(port).judge(flow, &snapshot.policy);
    let tls = at(443);
    if tls.rule.is_some() { tls } else { at(80) }
}

fn draft(flow: &Flow, known: &Known, verdict: &Verdict, snapshot: &Snapshot) -> Draft {
    Draft::judged(&Judged {
        time: SystemTime::now(),
        event: Event::Flow,
        exchange: None,
        facts: &known.facts(flow),
        verdict,
        policy: &snapshot.policy,
        inspected: true,
        told: 0,
    })
}

/// Pinned by the configuration, else from the resolver.
async fn records(
    question: &Question,
    host: &Host,
    shared: &Shared,
) -> Result<Vec<Record>, LookupError> {
    let kind = question.query.query_type();
    if let Some(address) = shared.upstream.pinned(host) {
        let data = RData::from(address);
        let same = data.record_type() == kind;
        let record = Record::from_rdata(question.query.name().clone(), PINNED_LIFE, data);
        return if same {
            Ok(vec![record])
        } else {
            Err(LookupError::RecordAbsent)
        };
    }
    let name = asked(question, host);
    let found = shared.upstream.lookup(&name, kind).await?;
    Ok(found.answers().to_vec())
}

/// The host, behind the service labels it was asked with.
fn asked(question: &Question, host: &Host) -> String {
    let labels = question
        .query
        .name()
        .iter()
        .take_while(|label| label.starts_with(b"_"));
    let mut name = String::new();
    for label in labels {
        name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
        name.push('.');
    }
    name + &host.to_string()
}

fn code(error: LookupError) -> ResponseCode {
    match error {
        LookupError::UnknownName => ResponseCode::NXDomain,
        LookupError::RecordAbsent => ResponseCode::NoError,
        LookupError::ResolverSilent => ResponseCode::ServFail,
    }
}

/// A question has no connection, but its record has a client like any other. `None`: no randomness.
fn flow(client: SocketAddr) -> Option<Flow> {
    let [high, low] = words().ok()?;
    Some(Flow {
        id: FlowId(high, low),
        client: ClientAddr(client),
        original: None,
        via: Via::Transparent,
    })
}

/// Questions answered at once, for each socket.
const AT_ONCE: usize = 256;
/// No question is longer; a longer packet is cut and then malformed.
const PACKET: usize = 4096;
/// A TCP client that says nothing for so long is let go.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Seconds an address from the configuration may be remembered by the client.
const PINNED_LIFE: u32 = 60;
const DNS: u16 = 53;
