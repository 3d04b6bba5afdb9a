//! Bytes both ways, uninspected, where a rule says so; on record before the first of them moves.

use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::Trouble;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;

use crate::conversation::identify;
use crate::judge::Known;
use crate::open::{OpenExchange, OpenFlow};
use crate::reach;
use crate::stream::Captured;

/// Tunnels a connection whose name a rule tunnels, if its address may be dialled too.
pub(crate) async fn run<S>(stream: Captured<S>, flow: &Arc<OpenFlow>, mut known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let socket = match reach::locate(flow, &mut known).await {
        Some(located) => reach::socket(flow, &mut known, &located).await,
        None => None,
    };
    match socket {
        Some(socket) => {
            let socket = Captured::new(socket, flow.shared.limits.idle);
            relay(stream, flow, known, socket).await;
        }
        None => {
            open(flow, known).await;
        }
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
    match copy_bidirectional(&mut stream, &mut socket).await {
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
