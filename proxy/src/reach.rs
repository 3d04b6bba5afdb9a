//! From a name that may be asked for to a line that is verified: one resolution, judged, then dialled.
//!
//! Nouns: [`Located`]. Deliberately no record and no refusal: whatever fails becomes part of what is
//! known, and the judgement that follows denies. No record, no traffic: where nothing can be recorded, as far as
//! can be found out at that moment, no name is resolved and no connection opened.

use std::net::{IpAddr, SocketAddr};

use egret_policies::Trouble;
use tokio::net::TcpStream;

use crate::judge::Known;
use crate::line::Line;
use crate::open::OpenFlow;
use crate::stream::Captured;
use crate::upstream::{Offer, Speaks, UpstreamError};

/// The addresses that may be dialled, in order of preference.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    addresses: Vec<SocketAddr>,
}

impl Located {
    /// The one address that was judged before.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            addresses: vec![address],
        }
    }

    /// The one that is tried first.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        self.addresses.first().map(SocketAddr::ip)
    }
}

/// Resolves what `known` names and keeps the addresses the policy lets be dialled, all by one rule: what was
/// judged and masked by one must not be sent under another. `None`: `known` now holds the reason.
pub(crate) async fn locate(flow: &OpenFlow, known: &mut Known) -> Option<Located> {
    recordable(flow, known).await?;
    let mut addresses = candidates(flow, known).await?;
    let policy = &flow.snapshot.policy;
    let first = addresses.first().map(|address| address.ip());
    let judged = |address: &SocketAddr| known.judge_at(address.ip(), &flow.flow, policy);
    addresses.retain(|address| !judged(address).refuses());
    let rule = match known.address {
        Some(_) => known.judge(&flow.flow, policy).rule,
        None => addresses.first().and_then(|address| judged(address).rule),
    };
    addresses.retain(|address| judged(address).rule == rule);
    let dialled = addresses.first().map(|address| address.ip());
    known.address = dialled.or(known.address).or(first);
    (!addresses.is_empty()).then_some(Located { addresses })
}

/// Dials the located addresses until one answers, as verified TLS where the client speaks it. `None`: `known` now
/// holds the reason.
pub(crate) async fn dial(
    flow: &OpenFlow,
    known: &mut Known,
    located: &Located,
    offer: Offer,
) -> Option<Line> {
    recordable(flow, known).await?;
    let upstream = &flow.shared.upstream;
    let deadline = upstream.deadline();
    let mut left = located.addresses.clone();
    let last = loop {
        let (stream, address) = match upstream.connect_any(&left, deadline).await {
            Ok(connected) => connected,
            Err(error) => break error,
        };
        match line(flow, known, (stream, address), (offer, deadline)).await {
            Ok(line) => {
                known.address = Some(address.ip());
                return Some(line);
            }
            Err(error) => {
                left.retain(|other| *other != address);
                if !error.may_differ_elsewhere() || left.is_empty() {
                    break error;
                }
            }
        }
    };
    tracing::info!(flow = %flow.flow.id, error = %last, "upstream failed");
    known.fail(last.trouble());
    None
}

/// A connected socket for a tunnel, without TLS of ours.
pub(crate) async fn socket(
    flow: &OpenFlow,
    known: &mut Known,
    located: &Located,
) -> Option<TcpStream> {
    recordable(flow, known).await?;
    let upstream = &flow.shared.upstream;
    let dialled = upstream.connect_any(&located.addresses, upstream.deadline());
    match dialled.await {
        Ok((stream, address)) => {
            known.address = Some(address.ip());
            Some(stream)
        }
        Err(error) => {
            known.fail(error.trouble());
            None
        }
    }
}

/// `None`: no record could be written of what would come of it, and `known` now says so.
async fn recordable(flow: &OpenFlow, known: &mut Known) -> Option<()> {
    let deadline = flow.shared.upstream.deadline();
    if flow.shared.ledger.could_record(deadline).await {
        return Some(());
    }
    known.fail(Trouble::AuditUnavailable);
    None
}

/// The original destination where the kernel told it, else the one resolution.
async fn candidates(flow: &OpenFlow, known: &mut Known) -> Option<Vec<SocketAddr>> {
    if let Some(original) = flow.flow.original {
        return Some(vec![original.0]);
    }
    let host = known.host.as_ref()?;
    match flow.shared.upstream.resolve(host, known.port).await {
        Ok(candidates) => Some(candidates.addresses),
        Err(error) => {
            known.fail(error.trouble());
            None
        }
    }
}

async fn line(
    flow: &OpenFlow,
    known: &Known,
    (stream, address): (TcpStream, SocketAddr),
    (offer, deadline): (Offer, tokio::time::Instant),
) -> Result<Line, UpstreamError> {
    let limits = &flow.shared.limits;
    let upstream = &flow.shared.upstream;
    let ahead = &flow.shared.ahead;
    if !known.tls {
        let stream = Captured::new(stream, limits.idle);
        return Line::open(stream, address, Speaks::Http1, limits, ahead).await;
    }
    let host = known.host.as_ref().ok_or(UpstreamError::NoAddress)?;
    let stream = upstream.secure(stream, host, offer, deadline).await?;
    let protocol = stream.get_ref().1.alpn_protocol();
    let speaks = Speaks::from_negotiated(protocol).ok_or(UpstreamError::Version)?;
    let stream = Captured::new(stream, limits.idle);
    Line::open(stream, address, speaks, limits, ahead).await
}

impl UpstreamError {
    /// What a failed upstream is to the policy.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Tls(_) => Trouble::UpstreamTls,
            _ => Trouble::UpstreamUnreachable,
        }
    }

    /// Whether another address of the same name could do better.
    fn may_differ_elsewhere(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::OwnAddress)
    }
}
