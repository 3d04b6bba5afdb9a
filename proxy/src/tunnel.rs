//! Bytes both ways, uninspected, where a rule says so; on record before the first of them moves.

use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::{Host, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::conversation::identify;
use crate::detect::Detection;
use crate::judge::Known;
use crate::ledger::OUTAGE;
use crate::open::{OpenExchange, OpenFlow};
use crate::reach;
use crate::serve;
use crate::stream::Captured;
use crate::unwrap::ServerName;

/// Tunnels a connection whose name a rule tunnels, if its address may be dialled too.
pub(crate) async fn run<S>(mut stream: Captured<S>, flow: &Arc<OpenFlow>, mut known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let socket = match reach::locate(flow, &mut known).await {
        Some(located) => reach::socket(flow, &mut known, &located).await,
        None => None,
    };
    match socket {
        Some(socket) => {
            let mut socket = Captured::new(socket, flow.shared.limits.idle);
            vet(&mut stream, &mut socket, flow, &mut known).await;
            relay(stream, flow, known, socket).await;
        }
        None => {
            open(flow, known).await;
        }
    }
}

/// Uninspected is not unnamed: where the client speaks first, a ClientHello must be for the name that is
/// tunnelled, and a proxy behind the tunnel is not asked for another. A server that speaks first is not
/// kept waiting, nor is anybody after the deadline.
async fn vet<S>(
    stream: &mut Captured<S>,
    socket: &mut Captured<TcpStream>,
    flow: &OpenFlow,
    known: &mut Known,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Instant::now() + flow.shared.limits.timeouts.detect;
    let mut first = Vec::with_capacity(FIRST_BYTES);
    let mut greeting = Vec::with_capacity(FIRST_BYTES);
    let client_spoke = tokio::select! {
        _ = stream.read_buf(&mut first) => true,
        _ = socket.read_buf(&mut greeting) => false,
        () = sleep_until(deadline) => false,
    };
    socket.put_back(greeting.into());
    let proxied = first.starts_with(b"CONNECT ");
    stream.put_back(first.into());
    if proxied {
        return known.fail(Trouble::BadRequest);
    }
    if client_spoke && let Detection::Tls(hello) = serve::detect(stream, deadline).await {
        let name = hello.server_name.as_deref().map(Host::parse);
        serve::adopt(known, &ServerName::from(name));
    }
}

/// Tunnels a connection whose other end is there already.
pub(crate) async fn relay<S>(
    mut stream: Captured<S>,
    flow: &Arc<OpenFlow>,
    known: Known,
    mut socket: Captured<TcpStream>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(exchange) = open(flow, known).await else {
        return;
    };
    let copied = tokio::select! {
        copied = copy_bidirectional(&mut stream, &mut socket) => copied,
        () = flow.shared.ledger.outage() => {
            exchange.fail(Trouble::AuditUnavailable);
            return exchange.outcome(|outcome| outcome.failure = Some(OUTAGE));
        }
    };
    match copied {
        Ok((sent, received)) => exchange.outcome(|outcome| {
            outcome.bytes_sent = sent;
            outcome.bytes_received = received;
        }),
        Err(error) => {
            tracing::debug!(%error, "tunnel ended");
            exchange.outcome(|outcome| {
                let reason = "the tunnel broke";
                outcome.failure = Some(Failure {
                    fault: Fault::Upstream,
                    reason,
                });
            });
        }
    }
}

/// Puts the verdict on record. `None`: nothing may flow.
async fn open(flow: &Arc<OpenFlow>, known: Known) -> Option<Arc<OpenExchange>> {
    let exchange = OpenExchange::new(flow, identify().ok()?, known);
    let verdict = exchange.judge();
    if exchange.decide(&verdict).await.is_err() {
        exchange.fail(Trouble::AuditUnavailable);
        return None;
    }
    (!verdict.refuses()).then_some(exchange)
}

/// Enough for any greeting or the beginning of any hello; what follows flows through the tunnel.
const FIRST_BYTES: usize = 4096;
