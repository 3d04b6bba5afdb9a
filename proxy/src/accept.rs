//! Stop 1: sockets become flows, as many at once as the limits say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_policies::{ClientAddr, Flow, FlowId, Via};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::conversation::words;
use crate::drain::{Alive, draining, stopping};
use crate::explicit;
use crate::open::OpenFlow;
use crate::serve::Shared;
use crate::transparent;

/// How clients come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// They speak to the explicit proxy.
    Explicit,
    /// They were redirected and know nothing of us.
    Transparent,
}

/// Accepts clients until the drain.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    alive: Alive,
    door: Door,
) {
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining(shared.phase.clone()) => return,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let Some(flow) = flow(&stream, client, door) else {
            continue;
        };
        let opened = OpenFlow::new(flow, &shared, alive.clone());
        let stopped = stopping(shared.phase.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream, opened, door) => {}
                () = stopped => {}
            }
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, opened: Arc<OpenFlow>, door: Door) {
    match door {
        Door::Explicit => Box::pin(explicit::serve(stream, opened)).await,
        Door::Transparent => Box::pin(transparent::serve(stream, opened)).await,
    }
}

fn flow(stream: &TcpStream, client: SocketAddr, door: Door) -> Option<Flow> {
    stream.set_nodelay(true).ok()?;
    let [high, low] = words().ok()?;
    let (original, via) = match door {
        Door::Explicit => (None, Via::Proxy),
        Door::Transparent => (
            transparent::original_destination(stream).ok(),
            Via::Transparent,
        ),
    };
    Some(Flow {
        id: FlowId(high, low),
        client: ClientAddr(client),
        original,
        via,
    })
}

/// Out of file descriptors: the backlog waits, and so do we, instead of spinning.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
