//! Stop 7: one request to its upstream and the answer back, each through a scan.
//!
//! The order is the promise: the verdict on the head and on the address, so that one rule decides, then
//! on the body as far as it is held, then a line, then the record, and only then the first byte. The answer is judged the same way before its
//! head goes to the client.

use std::borrow::Cow;
use std::sync::Arc;

use egret_audit::{Failure, Fault};
use egret_policies::{Trouble, Verdict, VerdictAction};
use egret_scanners::Side;
use http::{Method, Request, Response, StatusCode, Version, header, request, response};
use hyper::body::{Body as _, Incoming};

use crate::body::{Held, HoldFailed};
use crate::conversation::Conversation;
use crate::framing::{self, BodyOut, HeadLimits, RequestOut, ResponseOut};
use crate::heads;
use crate::inspect::{self, Subject, Terms};
use crate::judge::sealed;
use crate::line::{Line, SendFailure};
use crate::open::OpenExchange;
use crate::reply::{self, Reply, Stream};
use crate::upstream::Speaks;

/// A request that goes no further.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) verdict: Verdict,
    pub(crate) detail: Option<Cow<'static, str>>,
}

/// Walks one request through judgement and forwarding.
pub(crate) async fn forward(
    conversation: &Conversation,
    exchange: &Arc<OpenExchange>,
    mut head: request::Parts,
    body: Incoming,
) -> Result<Reply, Refused> {
    permitted(scan_head(exchange, &head))?;
    let located = conversation.locate(exchange).await?;
    let verdict = permitted(exchange.judge())?;
    let terms = Terms::new(exchange, &verdict);
    let asked = Asked {
        method: head.method.clone(),
        version: head.version,
    };
    let outbound = inspect_request(exchange, &terms, &mut head, body).await?;
    let line = conversation.line(exchange, located).await?;
    record(exchange).await?;
    let request = compose(&terms, head, outbound, line.speaks());
    let (line, response) = send(conversation, exchange, line, request).await?;
    conversation.give_back(exchange, &line);
    answer(exchange, &terms, asked, (line, response)).await
}

/// What the answer has to fit.
struct Asked {
    method: Method,
    version: Version,
}

/// A body on its way, with what its head must say of it.
struct Outbound {
    body: Stream,
    out: BodyOut,
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
        Err(_) => Err(troubled(exchange, Trouble::AuditUnavailable)),
    }
}

/// Judges what stands in the head of a request.
pub(crate) fn scan_head(exchange: &OpenExchange, head: &request::Parts) -> Verdict {
    match heads::scan_request(&exchange.flow.snapshot.scanner, head) {
        Ok(findings) => exchange.found(&findings),
        Err(_) => exchange.fail(Trouble::Limit),
    }
}

/// Holds and judges the body, and overwrites in the head what the verdict wants overwritten.
async fn inspect_request(
    exchange: &Arc<OpenExchange>,
    terms: &Terms,
    head: &mut request::Parts,
    body: Incoming,
) -> Result<Outbound, Refused> {
    let present = !body.is_end_stream();
    let mut held = None;
    if present {
        let side = Side::Request;
        let subject = Subject {
            side,
            headers: &head.headers,
            body,
            source: None,
        };
        let taken = inspect::hold(exchange, terms, subject).await;
        let taken = taken.map_err(|failed| not_held(exchange, side, &failed))?;
        exchange.found(&taken.findings);
        held = Some(taken);
    }
    let verdict = permitted(exchange.judge())?;
    let redacts = verdict.action == VerdictAction::Redact && verdict.enforced;
    let is_sealed = framing::seal_of(&head.headers).is_some();
    if redacts && (is_sealed || is_stuck(terms, held.as_ref())) {
        return Err(sealed_off(exchange, verdict));
    }
    if redacts {
        let masked = heads::mask_request(&terms.snapshot.scanner, head, &terms.masks());
        masked.map_err(|_| sealed_off(exchange, verdict))?;
    }
    let Some(held) = held else {
        return Ok(Outbound {
            body: reply::empty(),
            out: BodyOut::NONE,
        });
    };
    let coded = terms.matters(Side::Request) && is_coded(&head.headers);
    let outbound = release(held, (coded, redacts), exchange);
    if is_sealed && outbound.out.decoded {
        return Err(troubled(exchange, Trouble::UndecodableBody));
    }
    Ok(outbound)
}

/// A judged body, in its original coding where nothing about it changes.
fn release(
    mut held: Held<Incoming>,
    (coded, redacts): (bool, bool),
    exchange: &Arc<OpenExchange>,
) -> Outbound {
    let original = coded && !redacts && held.complete && held.restore_original();
    let out = BodyOut {
        present: true,
        length: held.body.size_hint().exact(),
        decoded: coded && !original,
        changed: redacts,
    };
    Outbound {
        body: reply::on_record(held.body, exchange),
        out,
    }
}

/// Whether something that is to be overwritten stands inside what is compressed by itself.
fn is_stuck(terms: &Terms, held: Option<&Held<Incoming>>) -> bool {
    held.is_some_and(|held| held.sealed.iter().any(|found| terms.overwrites(found)))
}

fn is_coded(headers: &header::HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING)
}

/// The request as it goes upstream: re-serialised, never copied.
fn compose(
    terms: &Terms,
    mut head: request::Parts,
    outbound: Outbound,
    speaks: Speaks,
) -> Request<Stream> {
    let version = match speaks {
        Speaks::Http1 => Version::HTTP_11,
        Speaks::Http2 => Version::HTTP_2,
    };
    let out = RequestOut {
        version,
        body: outbound.out,
        websocket: false,
        scan_response: terms.matters(Side::Response),
    };
    framing::prepare_request(&mut head, out);
    if speaks == Speaks::Http1
        && let Some(path) = head.uri.path_and_query().cloned()
    {
        head.uri = path.into();
    }
    Request::from_parts(head, outbound.body)
}

/// Sends on this line, or on a fresh one where this one took not a byte.
async fn send(
    conversation: &Conversation,
    exchange: &Arc<OpenExchange>,
    line: Arc<Line>,
    request: Request<Stream>,
) -> Result<(Arc<Line>, Response<Incoming>), Refused> {
    let (line, answered) = match line.send(request).await {
        Err(SendFailure::Unsent(request)) => {
            let line = conversation.fresh_line(exchange, &line).await?;
            let answered = line.send(*request).await;
            (line, answered)
        }
        answered => (line, answered),
    };
    match answered {
        Ok(response) => Ok((line, response)),
        Err(failure) => Err(unanswered(exchange, &failure)),
    }
}

/// No answer came: because we cut the request ourselves, or because the upstream failed.
fn unanswered(exchange: &OpenExchange, failure: &SendFailure) -> Refused {
    if let SendFailure::Failed(error) = failure {
        tracing::debug!(exchange = %exchange.id, %error, "no answer from the upstream");
    }
    if let Err(refused) = permitted(exchange.judge()) {
        return refused;
    }
    exchange.outcome(|outcome| {
        let reason = "the upstream gave no answer";
        outcome.failure.get_or_insert(Failure {
            fault: Fault::Upstream,
            reason,
        });
    });
    troubled(exchange, Trouble::UpstreamUnreachable)
}

/// The answer as it goes to the client.
async fn answer(
    exchange: &Arc<OpenExchange>,
    terms: &Terms,
    asked: Asked,
    (line, response): (Arc<Line>, Response<Incoming>),
) -> Result<Reply, Refused> {
    let (mut head, body) = response.into_parts();
    permitted(scan_answer(exchange, &head))?;
    let inbound = inspect_answer(exchange, terms, &mut head, (line, body), &asked).await?;
    let out = ResponseOut {
        version: asked.version,
        method: asked.method,
        body: inbound.out,
        scanned: terms.matters(Side::Response),
    };
    framing::prepare_response(&mut head, &out);
    exchange.outcome(|outcome| outcome.status = Some(head.status.as_u16()));
    Ok(Response::from_parts(head, inbound.body))
}

fn scan_answer(exchange: &OpenExchange, head: &response::Parts) -> Verdict {
    let limits = HeadLimits {
        bytes: exchange.flow.shared.limits.header_bytes,
        ..HeadLimits::default()
    };
    if framing::check_response(head, false, limits).is_err() {
        return exchange.fail(Trouble::UpstreamUnreachable);
    }
    match heads::scan_response(&exchange.flow.snapshot.scanner, head) {
        Ok(findings) => exchange.found(&findings),
        Err(_) => exchange.fail(Trouble::Limit),
    }
}

async fn inspect_answer(
    exchange: &Arc<OpenExchange>,
    terms: &Terms,
    head: &mut response::Parts,
    (line, body): (Arc<Line>, Incoming),
    asked: &Asked,
) -> Result<Outbound, Refused> {
    let side = Side::Response;
    let bodiless = asked.method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let mut held = None;
    if !bodiless && !body.is_end_stream() {
        if terms.enforces(side) && framing::is_piece(head) {
            return Err(in_pieces(exchange));
        }
        let subject = Subject {
            side,
            headers: &head.headers,
            body,
            source: Some(line),
        };
        let taken = inspect::hold(exchange, terms, subject).await;
        let taken = taken.map_err(|failed| not_held(exchange, side, &failed))?;
        exchange.found(&taken.findings);
        held = Some(taken);
    }
    let verdict = permitted(exchange.judge())?;
    let redacts = verdict.action == VerdictAction::Redact && verdict.enforced;
    if redacts && is_stuck(terms, held.as_ref()) {
        return Err(sealed_off(exchange, verdict));
    }
    if redacts {
        let masked = heads::mask_response(&terms.snapshot.scanner, head, &terms.masks());
        masked.map_err(|_| sealed_off(exchange, verdict))?;
    }
    match held {
        Some(held) => {
            let coded = terms.matters(side) && is_coded(&head.headers);
            Ok(release(held, (coded, redacts), exchange))
        }
        None => Ok(Outbound {
            body: reply::empty(),
            out: BodyOut::NONE,
        }),
    }
}

/// A body that failed before anything of it was passed on.
fn not_held(exchange: &OpenExchange, side: Side, failed: &HoldFailed) -> Refused {
    exchange.found(&failed.findings);
    let trouble = inspect::trouble(&failed.error, side).unwrap_or(match side {
        Side::Request => Trouble::BadRequest,
        Side::Response => Trouble::UpstreamUnreachable,
    });
    troubled(exchange, trouble)
}

/// A part of a document where the whole was asked for: what stands across its ends cannot be seen in it.
fn in_pieces(exchange: &OpenExchange) -> Refused {
    exchange.outcome(|outcome| {
        let reason = "a part where the whole was asked for";
        outcome.failure.get_or_insert(Failure {
            fault: Fault::Upstream,
            reason,
        });
    });
    Refused {
        detail: Some(Cow::Borrowed(IN_PIECES)),
        ..troubled(exchange, Trouble::UndecodableBody)
    }
}

fn troubled(exchange: &OpenExchange, trouble: Trouble) -> Refused {
    Refused {
        verdict: exchange.fail(trouble),
        detail: None,
    }
}

/// What would have to be overwritten stands where overwriting is impossible, or breaks a promise about
/// the bytes: denied instead.
fn sealed_off(exchange: &OpenExchange, verdict: Verdict) -> Refused {
    let verdict = exchange.with_known(|known| sealed(verdict, &known.findings));
    let detail = Some(Cow::Borrowed(
        "what was found cannot be overwritten where it stands",
    ));
    Refused { verdict, detail }
}

const IN_PIECES: &str =
    "the upstream sent a part of a document, which cannot be inspected without the rest";

#[cfg(test)]
mod tests {
    use std::net::TcpListener as Decoy;
    use std::sync::Mutex;
    use std::time::Duration;

    use egret_policies::{ExchangeId, Host};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Pinned;
    use crate::conversation::Road;
    use crate::judge::Known;
    use crate::open::OpenFlow;
    use crate::proxy::tests::{open_flow, records};
    use crate::reach::{self, Located};
    use crate::read::Bound;
    use crate::upstream::Offer;

    const RULE: &str =
        "{ name: all, action: allow, hosts: [api.example], cidrs: [127.0.0.0/8], ports: [80] }";

    /// Reads one head and answers it.
    async fn answer_one(origin: &TcpListener) -> String {
        let (mut stream, _) = origin.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    /// A line to this origin which the origin has closed.
    async fn spent_line(flow: &OpenFlow, known: &mut Known, origin: &TcpListener) -> Line {
        let located = Located::at(origin.local_addr().unwrap());
        let line = reach::dial(flow, known, &located, Offer::Unstated).await;
        let line = line.unwrap();
        drop(origin.accept().await.unwrap());
        let closed = async {
            while !line.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        closed.expect("the line is closed");
        line
    }

    #[tokio::test]
    async fn what_was_not_written_goes_over_a_fresh_line_to_the_address_on_record() {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = origin.local_addr().unwrap();
        // Where the name would lead if it were resolved a second time.
        let decoy = Decoy::bind("127.0.0.2:0").unwrap();
        decoy.set_nonblocking(true).unwrap();
        let host = Host::parse("api.example").unwrap();
        let elsewhere = decoy.local_addr().unwrap();
        let pinned = Pinned {
            ip: elsewhere.ip(),
            port: Some(elsewhere.port()),
        };
        let folder = tempfile::tempdir().unwrap();
        let (flow, mut all_gone) = open_flow(folder.path(), RULE, |config| {
            config.upstream.resolve.insert(host.clone(), pinned);
        });
        let shared = Arc::clone(&flow.shared);
        let mut known = Known {
            host: Some(host),
            port: 80,
            ..Known::default()
        };
        let spent = Arc::new(spent_line(&flow, &mut known, &origin).await);
        let exchange = OpenExchange::new(&flow, ExchangeId(3, 4), known.clone());
        exchange.decide(&exchange.judge()).await.unwrap();
        let conversation = Conversation {
            flow,
            bound: Bound::To(known),
            road: Road::Own {
                line: Mutex::new(Some(Arc::clone(&spent))),
                offer: Offer::Unstated,
            },
        };
        let request = Request::get("/once").body(reply::empty()).unwrap();
        let sent = send(&conversation, &exchange, Arc::clone(&spent), request);
        let both = async { tokio::join!(Box::pin(sent), answer_one(&origin)) };
        let both = tokio::time::timeout(Duration::from_secs(20), both).await;
        let (sent, head) = both.expect("it is sent and answered");
        let (line, response) = sent.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(head.starts_with("GET /once "), "{head}");
        assert!(!Arc::ptr_eq(&line, &spent), "a fresh one");
        assert_eq!(line.address(), address);
        let strayed = decoy.accept().map(|_| ()).unwrap_err();
        assert_eq!(strayed.kind(), std::io::ErrorKind::WouldBlock);

        drop((exchange, conversation, line, response));
        assert!(all_gone.recv().await.is_none());
        shared.ledger.close().await;
        let records = records(folder.path());
        assert_eq!(records.len(), 2, "{records:#?}");
        for record in records {
            let ip = address.ip().to_string();
            assert_eq!(record["destination"]["ip"], ip, "{record}");
        }
    }
}
