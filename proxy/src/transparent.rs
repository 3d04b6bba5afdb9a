//! Redirected connections: the kernel remembers where they were going.
//!
//! The second adapter before the spine. It brings what only a redirected connection has: an original
//! destination, which is the address that will be dialled; the names our own DNS answers gave to that
//! address; and servers that speak first, for which nobody would wait in vain.
//!
//! Deliberately no lookups: what the stub did not answer is not known here.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use egret_policies::{Host, OriginalDst, Trouble, VerdictAction, Via};
use rustix::net::sockopt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::judge::Known;
use crate::open::OpenFlow;
use crate::reach;
use crate::read::Objection;
use crate::serve;
use crate::stream::Captured;
use crate::tunnel;

/// Where `stream` was going before it was redirected. A connection made straight to the listener has the
/// listener's own address here.
///
/// # Errors
/// What the kernel says where it knows of no redirection at all.
pub(crate) fn original_destination(stream: &TcpStream) -> io::Result<OriginalDst> {
    let local = stream.local_addr()?;
    let original: SocketAddr = if local.ip().to_canonical().is_ipv4() {
        sockopt::ip_original_dst(stream)?.into()
    } else {
        sockopt::ipv6_original_dst(stream)?.into()
    };
    Ok(OriginalDst(canonical(original)))
}

/// Serves one redirected connection.
pub(crate) async fn serve(stream: TcpStream, flow: Arc<OpenFlow>) {
    let known = flow.origin();
    let Some(original) = flow.flow.original else {
        return serve::turn_away(&flow, known, "the connection was not redirected here");
    };
    if stream
        .local_addr()
        .is_ok_and(|local| canonical(local) == original.0)
    {
        return serve::turn_away(&flow, known, "connected to the redirect listener itself");
    }
    let mut stream = Captured::new(stream, flow.shared.limits.idle);
    if flow.shared.fence.is_probe(original.0) {
        if flow.shared.fence.answer(&mut stream).await {
            return flow.accounted();
        }
        return serve::turn_away(
            &flow,
            known,
            "this address is kept for the proof of the fence",
        );
    }
    let deadline = Instant::now() + flow.shared.limits.timeouts.detect;
    match timeout_at(deadline, first_speaker(&mut stream, &flow, &known)).await {
        Ok(Some((known, socket))) => tunnel::relay(stream, &flow, known, socket).await,
        _ => Box::pin(serve::captured(stream, flow, known)).await,
    }
}

/// What is known, with the name our answers gave to this address, if a rule tunnels that name.
pub(crate) fn tunnelled(flow: &OpenFlow, known: &Known) -> Option<Known> {
    let original = flow.flow.original.filter(|_| known.host.is_none())?;
    let names = flow.shared.bindings.names(original.0.ip(), Instant::now());
    let named = names.into_iter().map(|host| Known {
        host: Some(host),
        ..known.clone()
    });
    let mut tunnelled = named.filter(|named| flow.judge(named).action == VerdictAction::Tunnel);
    tunnelled.next()
}

/// TLS without a server name is TLS to an address, and must be verified and allowed as that.
pub(crate) fn name_by_address(flow: &OpenFlow, known: &mut Known) {
    if let (None, Some(original)) = (&known.host, flow.flow.original) {
        known.host = Some(Host::Address(original.0.ip()));
    }
}

/// A redirected request in the clear proves nothing by its `Host`: the name must be one we answered with this
/// address, or the rule that allows it must name the address itself.
pub(crate) fn unproven(flow: &OpenFlow, known: &Known) -> Option<Objection> {
    let original = flow
        .flow
        .original
        .filter(|_| flow.flow.via == Via::Transparent && !known.tls)?;
    let address = original.0.ip();
    let proven = match known.host.as_ref()? {
        Host::Address(literal) => literal.to_canonical() == address,
        name => {
            flow.shared.bindings.bind(name, address, Instant::now()) || address_allowed(flow, known)
        }
    };
    (!proven).then_some(Objection {
        trouble: Trouble::NameMismatch,
        detail: Cow::Borrowed(UNPROVEN),
    })
}

/// Whether the policy allows this because of the address: the rule names it, or needs no name.
fn address_allowed(flow: &OpenFlow, known: &Known) -> bool {
    let policy = &flow.snapshot.policy;
    let rule = flow.judge(known).rule;
    let nameless = Known {
        host: None,
        ..known.clone()
    };
    let verdict = flow.judge(&nameless);
    rule.is_some_and(|rule| policy.names_address(&rule)) || (verdict.settled && !verdict.refuses())
}

/// Where a tunnel is possible, the upstream is dialled before anybody has spoken: in MySQL, SMTP or SSH the
/// server speaks first, and both sides would wait for the other. `None`: the client spoke first, or nothing
/// could be dialled, and the first bytes decide.
async fn first_speaker(
    stream: &mut Captured<TcpStream>,
    flow: &OpenFlow,
    known: &Known,
) -> Option<(Known, Captured<TcpStream>)> {
    let mut named = tunnelled(flow, known)?;
    let client = async {
        let mut bytes = Vec::with_capacity(FIRST_BYTES);
        stream.read_buf(&mut bytes).await.map(|_| bytes)
    };
    let server = async {
        let located = reach::locate(flow, &mut named).await?;
        let mut socket = reach::socket(flow, &mut named, &located).await?;
        let mut bytes = Vec::with_capacity(FIRST_BYTES);
        socket
            .read_buf(&mut bytes)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        Some((socket, Bytes::from(bytes)))
    };
    tokio::select! {
        spoken = client => {
            if let Ok(bytes) = spoken {
                stream.put_back(Bytes::from(bytes));
            }
            None
        }
        Some((socket, bytes)) = server => {
            Some((named, Captured::replaying(socket, bytes, flow.shared.limits.idle)))
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

const UNPROVEN: &str =
    "the host named in the request is not known to be at the address that was dialled";

/// Enough to carry any greeting; what follows flows through the tunnel.
const FIRST_BYTES: usize = 4096;
