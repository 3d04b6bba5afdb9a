//! The spine: one captured connection through its stops, in order, in one direction.
//!
//! accept (`accept`), open (`open`), detect (here, over `detect`), unwrap (`unwrap`), read (`read`),
//! judge (`judge`), forward (`forward`), close (`close`). The explicit proxy (`explicit`) and the
//! redirected listener (`transparent`) are adapters: they bring a stream, its open flow and what is
//! known of its destination, and everything after is the same.

use std::io;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use egret_audit::{Failure, Fault};
use egret_policies::{Host, Trouble, VerdictAction};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::conversation::{Conversation, Road};
use crate::detect::{Detection, Detector};
use crate::dns::bindings::Bindings;
use crate::drain::Phase;
use crate::fence::Fence;
use crate::http_server;
use crate::judge::Known;
use crate::leaves::Leaves;
use crate::ledger::Ledger;
use crate::line::Line;
use crate::metrics::Metrics;
use crate::open::OpenFlow;
use crate::pool::Pool;
use crate::reach;
use crate::read::Bound;
use crate::snapshot::Snapshot;
use crate::stream::Captured;
use crate::transparent;
use crate::tunnel;
use crate::unwrap::{self, Greeting, ServerName};
use crate::upstream::{Offer, Speaks, Upstream};
use crate::windows::Ahead;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) snapshots: ArcSwap<Snapshot>,
    pub(crate) ledger: Ledger,
    pub(crate) upstream: Upstream,
    /// What upstreams may send before it is read.
    pub(crate) ahead: Arc<Ahead>,
    pub(crate) leaves: Leaves,
    pub(crate) pool: Pool,
    pub(crate) bindings: Bindings,
    pub(crate) fence: Fence,
    pub(crate) metrics: Metrics,
    pub(crate) phase: watch::Receiver<Phase>,
}

impl Shared {
    /// Why an exchange was dropped before it was answered.
    pub(crate) fn departure(&self) -> Failure {
        let (fault, reason) = match *self.phase.borrow() {
            // Guards let go while the stack is unwound.
            _ if std::thread::panicking() => (Fault::Egret, "a fault in Egret"),
            Phase::Stopping => (Fault::Egret, "cut off by the shutdown"),
            _ => (Fault::Client, "the client went away"),
        };
        Failure { fault, reason }
    }

    /// What must hold for traffic to be welcome, by name.
    pub(crate) fn conditions(&self) -> Vec<(&'static str, bool)> {
        let mut conditions = vec![
            ("accepting", *self.phase.borrow() == Phase::Serving),
            ("audit_log", self.ledger.is_available()),
        ];
        conditions.extend(self.fence.condition().map(|holds| ("fence", holds)));
        conditions
    }
}

/// Serves a captured stream whose destination is known as far as `known` goes.
pub(crate) async fn captured<S>(mut stream: Captured<S>, flow: Arc<OpenFlow>, mut known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    flow.scan_name(&mut known);
    if tunnels(&flow, &known) {
        return tunnel::run(stream, &flow, known).await;
    }
    let deadline = Instant::now() + flow.shared.limits.timeouts.detect;
    let detection = detect(&mut stream, deadline).await;
    if let Detection::Tls(hello) = &detection {
        known.tls = true;
        let name = hello.server_name.as_deref().map(Host::parse);
        adopt(&mut known, &ServerName::from(name));
        transparent::name_by_address(&flow, &mut known);
        flow.scan_name(&mut known);
    }
    if tunnels(&flow, &known) {
        return tunnel::run(stream, &flow, known).await;
    }
    if matches!(detection, Detection::Opaque | Detection::Silent)
        && let Some(named) = transparent::tunnelled(&flow, &known)
    {
        return tunnel::run(stream, &flow, named).await;
    }
    match detection {
        Detection::Tls(_) => tls(stream, flow, known).await,
        Detection::Http1 => plain(stream, flow, known).await,
        Detection::Http2 => {
            known.fail(Trouble::BadRequest);
            converse(
                stream,
                Speaks::Http2,
                conversation(flow, known, None, Offer::Http2),
            )
            .await;
        }
        Detection::Opaque => turn_away(&flow, known, "not HTTP, and no rule tunnels it"),
        Detection::Silent => turn_away(&flow, known, "the client sent nothing"),
        Detection::Inconclusive(_) => turn_away(&flow, known, "the first bytes are no protocol"),
    }
}

/// Stop 3: reads until the first bytes say what they are, one absolute deadline for all of them.
pub(crate) async fn detect<S>(stream: &mut Captured<S>, deadline: Instant) -> Detection
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut detector = Detector::default();
    let detection = loop {
        match timeout_at(deadline, read_some(stream)).await {
            Ok(Ok(bytes)) if !bytes.is_empty() => {
                if let Some(detection) = detector.push(&bytes) {
                    break detection;
                }
            }
            _ => break detector.give_up(),
        }
    };
    stream.put_back(Bytes::from(detector.into_retained()));
    detection
}

async fn read_some<S>(stream: &mut Captured<S>) -> io::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::with_capacity(4096);
    stream.read_buf(&mut bytes).await?;
    Ok(bytes)
}

/// Stop 4: the upstream first, then the client's handshake with the same protocol.
async fn tls<S>(stream: Captured<S>, flow: Arc<OpenFlow>, mut known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &flow.shared.limits;
    let deadline = Instant::now() + limits.timeouts.handshake;
    let greeting = match unwrap::greet(stream, deadline).await {
        Ok(greeting) => greeting,
        Err(error) => return failed_handshake(&flow, known, &error),
    };
    adopt(&mut known, &greeting.hello.name);
    let Some(offer) = greeting.hello.offer else {
        return turn_away(&flow, known, "the client offers no HTTP in its handshake");
    };
    let line = approach(&flow, &mut known, offer).await;
    flow.expect(&known, None);
    let speaks = line.as_ref().map_or(offer.without_upstream(), Line::speaks);
    let deadline = Instant::now() + flow.shared.limits.timeouts.handshake;
    match finish(greeting, &flow, &known, (speaks, deadline)).await {
        Ok(stream) => {
            let limit = flow.shared.limits.idle;
            let stream = Captured::new(stream, limit);
            converse(
                stream,
                speaks,
                conversation(flow, known, line, offer.only(speaks)),
            )
            .await;
        }
        Err(error) => failed_handshake(&flow, known, &error),
    }
}

/// Stop 4 for HTTP in the clear: nothing to unwrap.
async fn plain<S>(stream: Captured<S>, flow: Arc<OpenFlow>, known: Known)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    flow.expect(&known, None);
    let conversation = conversation(flow, known, None, Offer::Unstated);
    converse(stream, Speaks::Http1, conversation).await;
}

async fn finish<S>(
    greeting: Greeting<S>,
    flow: &OpenFlow,
    known: &Known,
    (speaks, deadline): (Speaks, Instant),
) -> Result<tokio_rustls::server::TlsStream<S>, unwrap::UnwrapError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = greeting.shown_name(known);
    let leaf = flow.shared.leaves.of(&name).await?;
    greeting.finish(leaf, speaks, deadline).await
}

/// Dials for a connection whose name may be allowed. `None`: `known` holds why every request on it will
/// be refused, and nothing was dialled or nothing answered.
async fn approach(flow: &OpenFlow, known: &mut Known, offer: Offer) -> Option<Line> {
    if flow.judge(known).refuses() {
        return None;
    }
    let located = reach::locate(flow, known).await?;
    reach::dial(flow, known, &located, offer).await
}

/// The SNI joins what is known; where a name is known already it must be the same.
pub(crate) fn adopt(known: &mut Known, name: &ServerName) {
    match (&known.host, name) {
        (_, ServerName::Malformed) => known.fail(Trouble::NameMismatch),
        (None, ServerName::Stated(host)) => known.host = Some(host.clone()),
        (Some(expected), ServerName::Stated(host)) if expected != host => {
            known.fail(Trouble::NameMismatch);
        }
        _ => {}
    }
}

fn tunnels(flow: &OpenFlow, known: &Known) -> bool {
    let verdict = flow.judge(known);
    verdict.action == VerdictAction::Tunnel && known.trouble.is_none()
}

fn conversation(
    flow: Arc<OpenFlow>,
    known: Known,
    line: Option<Line>,
    offer: Offer,
) -> Arc<Conversation> {
    let line = Mutex::new(line.map(Arc::new));
    Arc::new(Conversation {
        flow,
        bound: Bound::To(known),
        road: Road::Own { line, offer },
    })
}

async fn converse<S>(stream: S, speaks: Speaks, conversation: Arc<Conversation>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = match speaks {
        Speaks::Http1 => http_server::http1(stream, conversation).await,
        Speaks::Http2 => http_server::http2(stream, conversation).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "client connection ended");
    }
}

/// Ends a connection on which nothing can be answered.
pub(crate) fn turn_away(flow: &OpenFlow, mut known: Known, reason: &'static str) {
    known.fail(Trouble::BadRequest);
    flow.expect(
        &known,
        Some(Failure {
            fault: Fault::Client,
            reason,
        }),
    );
}

fn failed_handshake(flow: &OpenFlow, mut known: Known, error: &unwrap::UnwrapError) {
    tracing::info!(flow = %flow.flow.id, %error, "no TLS with the client");
    known.fail(Trouble::BadRequest);
    flow.expect(&known, Some(error.failure()));
}
