//! Stop 7: one request to its upstream and the answer back, each through a scan.
//!
//! The order is the promise: the verdict on the head, then on the body as far as it is held, then a
//! line, then the record, and only then the first byte.

use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::{Trouble, Verdict};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::conversation::Conversation;
use crate::judge::Known;
use crate::line::{Line, SendFailure};
use crate::meter::{Direction, Metered};
use crate::open::OpenExchange;
use crate::reply::{Cut, Reply, Stream};
use crate::upstream::Speaks;

/// A request that goes no further.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) verdict: Verdict,
    pub(crate) detail: Option<&'static str>,
}

/// Walks one request through judgement and forwarding.
pub(crate) async fn forward(
    conversation: &Conversation,
    exchange: &Arc<OpenExchange>,
    parts: Parts,
    body: Incoming,
) -> Result<Reply, Refused> {
    permitted(exchange.judge())?;
    let outbound = inspect_request(exchange, &parts, body).await?;
    let line = conversation.line(exchange).await?;
    record(exchange).await?;
    let request = compose(exchange, parts, outbound, line.speaks());
    let response = send(conversation, exchange, line, request).await?;
    Ok(response)
}

/// The verdict, unless it refuses.
pub(crate) fn permitted(verdict: Verdict) -> Result<Verdict, Refused> {
    if verdict.refuses() {
        Err(Refused {
            verdict,
            detail: None,
        })
    } else {
        Ok(verdict)
    }
}

/// Puts the decision on record, or refuses because it cannot be.
async fn record(exchange: &OpenExchange) -> Result<(), Refused> {
    let verdict = permitted(exchange.judge())?;
    match exchange.decide(&verdict).await {
        Ok(()) => Ok(()),
        Err(_) => Err(Refused {
            verdict: exchange.fail(Trouble::AuditUnavailable),
            detail: None,
        }),
    }
}

async fn inspect_request(
    _exchange: &Arc<OpenExchange>,
    _parts: &Parts,
    body: Incoming,
) -> Result<Stream, Refused> {
    Ok(body.map_err(|_| Cut::Aborted).boxed_unsync())
}

/// The request as it goes upstream: re-serialised, never copied.
fn compose(
    exchange: &Arc<OpenExchange>,
    mut parts: Parts,
    body: Stream,
    speaks: Speaks,
) -> Request<Stream> {
    let bare = body.is_end_stream();
    strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    if speaks == Speaks::Http1 {
        parts.version = Version::HTTP_11;
        exchange.with_known(|known| origin_form(&mut parts, known));
        if !bare && !parts.headers.contains_key(header::CONTENT_LENGTH) {
            let chunked = HeaderValue::from_static("chunked");
            parts.headers.insert(header::TRANSFER_ENCODING, chunked);
        }
    } else {
        parts.headers.remove(header::HOST);
    }
    let metered = Metered::new(body, exchange, Direction::Out, None);
    Request::from_parts(parts, metered.boxed_unsync())
}

/// HTTP/1 to an origin: the target without its authority, which `Host` carries.
fn origin_form(parts: &mut Parts, known: &Known) {
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(header::HOST, host);
    }
    let path = known.head.as_ref().map_or("/", |head| &head.path_and_query);
    if let Ok(uri) = path.parse() {
        parts.uri = uri;
    }
}

async fn send(
    conversation: &Conversation,
    exchange: &Arc<OpenExchange>,
    line: Arc<Line>,
    request: Request<Stream>,
) -> Result<Reply, Refused> {
    let (line, answered) = match line.send(request).await {
        Err(SendFailure::Unsent(request)) => {
            let line = conversation.fresh_line(exchange).await?;
            let answered = line.send(*request).await;
            (line, answered)
        }
        answered => (line, answered),
    };
    match answered {
        Ok(response) => Ok(answer(conversation, exchange, line, response)),
        Err(failure) => Err(unanswered(exchange, &failure)),
    }
}

fn unanswered(exchange: &OpenExchange, failure: &SendFailure) -> Refused {
    tracing::info!(exchange = %exchange.id, ?failure, "no answer from the upstream");
    exchange.outcome(|outcome| {
        let reason = "the upstream gave no answer";
        outcome.failure.get_or_insert(Failure {
            fault: Fault::Upstream,
            reason,
        });
    });
    Refused {
        verdict: exchange.fail(Trouble::UpstreamUnreachable),
        detail: None,
    }
}

/// The answer as it goes to the client.
fn answer(
    conversation: &Conversation,
    exchange: &Arc<OpenExchange>,
    line: Arc<Line>,
    response: Response<Incoming>,
) -> Reply {
    let (mut parts, body) = response.into_parts();
    strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::ALT_SVC);
    exchange.outcome(|outcome| outcome.status = Some(parts.status.as_u16()));
    conversation.give_back(exchange, &line);
    let stream = body.map_err(|_| Cut::Aborted).boxed_unsync();
    let metered = Metered::new(stream, exchange, Direction::Back, Some(line));
    Response::from_parts(parts, metered.boxed_unsync())
}

/// Headers that speak of one connection stay on it (RFC 9110 section 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];
