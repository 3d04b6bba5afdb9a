//! Bytes both ways, uninspected, where a rule says so; on record before the first of them moves.

use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::Trouble;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};

use crate::conversation::identify;
use crate::judge::Known;
use crate::open::{OpenExchange, OpenFlow};
use crate::reach;
use crate::stream::Captured;

/// Tunnels a connection whose name a rule tunnels, if its address may be dialled too.
pub(crate) async fn run<S>(mut stream: Captured<S>, flow: &Arc<OpenFlow>, mut known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(identity) = identify() else { return };
    let socket = match reach::locate(flow, &mut known).await {
        Some(located) => reach::socket(flow, &mut known, &located).await,
        None => None,
    };
    let exchange = OpenExchange::new(flow, identity, known);
    let verdict = exchange.judge();
    let recorded = exchange.decide(&verdict).await;
    let Some(socket) = socket else { return };
    if verdict.refuses() || recorded.is_err() {
        exchange.fail(Trouble::AuditUnavailable);
        return;
    }
    let mut socket = Captured::new(socket, flow.shared.limits.idle);
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
