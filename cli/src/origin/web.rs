//! The pretended web service: every path that is not an LLM call.
//!
//! ```text
//! ANY  /echo                what arrived, as JSON (the book's entry)
//! ANY  /reflect             the request body, byte for byte, with its content type
//! ANY  /upload              {"bytes", "sha256"} of the request body
//! GET  /bytes/N             N bytes that look random and are always the same
//! GET  /status/CODE         that status; a body where the status may have one
//! GET  /coded/CODING        the reply's text in gzip, deflate, br or zstd
//! GET  /members             the reply's pieces, each a gzip member of its own
//! GET  /text                the reply's text as text/plain
//! GET  /ticks?n=N&gate=G    N server-sent events, each after one opening of G
//! GET  /trailers            a body with the trailers `x-checksum` and `x-reply` (the reply's text)
//! GET  /slow?gate=G         an answer after one opening of G
//! POST /early               413 while the request body is still being read
//! GET  /endless             a body that never ends
//! ```
//!
//! What comes in ranges is [`ranges`]'s.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::book::{Entry, Reading};
use super::{Body, World, ranges};

/// Answers one request.
pub(super) async fn answer(
    request: Request<Incoming>,
    entry: Entry,
    world: &Arc<World>,
) -> Response<Body> {
    let uri = request.uri().clone();
    let mut segments = uri.path().trim_start_matches('/').splitn(2, '/');
    let (name, argument) = (
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    );
    if name == "reflect" {
        return reflect(request, entry, world);
    }
    if name == "early" {
        // It goes on reading, as servers do that want their answer to be read: closing would reset it away.
        let (world, body) = (Arc::clone(world), request.into_body());
        tokio::spawn(async move { world.book.read(entry, body).await });
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let (head, body) = request.into_parts();
    if world.book.read(entry, body).await.is_none() {
        return status(StatusCode::BAD_REQUEST);
    }
    match name {
        "echo" | "upload" => seen(world, entry, name == "upload"),
        "bytes" => match argument.parse() {
            Ok(length) => typed("application/octet-stream", full(noise(length))),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        "status" => match argument.parse() {
            Ok(code) => status(code),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        "coded" => coded(argument, &world.reply.pieces().concat()).await,
        "members" => members(&world.reply.pieces()).await,
        "text" => typed(
            "text/plain; charset=utf-8",
            full(world.reply.pieces().concat()),
        ),
        "ticks" => ticks(&uri, world),
        "trailers" => trailers(world),
        "slow" => {
            world
                .gates
                .pass(&parameter::<String>(&uri, "gate").unwrap_or_default())
                .await;
            typed("text/plain", full("at last\n"))
        }
        "document" => ranges::document(&world.reply.pieces().concat(), &head.headers),
        "piece" | "pieces" | "difference" => {
            ranges::unasked(name, argument, &world.reply.pieces().concat())
        }
        "endless" => typed("application/octet-stream", endless()),
        _ => typed("text/plain", full("the embedded origin\n")),
    }
}

/// The book's entry, whole or just its length and hash.
fn seen(world: &World, entry: Entry, short: bool) -> Response<Body> {
    let Some(seen) = world.book.entry(entry) else {
        return status(StatusCode::NOT_FOUND);
    };
    if short {
        json(&serde_json::json!({"bytes": seen.bytes, "sha256": seen.sha256}))
    } else {
        json(&seen)
    }
}

/// Sends the request's body back while it is still arriving.
fn reflect(request: Request<Incoming>, entry: Entry, world: &Arc<World>) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let start = (request.into_body(), Reading::default(), Arc::clone(world));
    let frames = stream::unfold(start, move |(mut body, mut reading, world)| async move {
        let Some(frame) = body.frame().await else {
            world.book.finish(entry, &reading);
            return None;
        };
        let frame = frame.map_err(io::Error::other);
        if let Ok(frame) = &frame {
            reading.take(frame);
        }
        Some((frame, (body, reading, world)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// One server-sent event, as text with its closing empty line.
#[derive(Clone, Debug)]
pub(super) struct Event(Bytes);

impl Event {
    /// An event of one `data:` line.
    pub(super) fn data(value: &Value) -> Self {
        Self(format!("data: {value}\n\n").into())
    }

    /// An event whose `event:` line is the value's own `type`.
    pub(super) fn named_by_type(value: &Value) -> Self {
        let name = value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("message");
        Self(format!("event: {name}\ndata: {value}\n\n").into())
    }

    /// An event already written out.
    pub(super) fn raw(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// A stream of events, each its own DATA frame or chunk, paced by `gate` where there is one.
pub(super) fn events(
    events: Vec<Event>,
    gate: Option<String>,
    world: &Arc<World>,
) -> Response<Body> {
    let start = (events.into_iter(), gate, Arc::clone(world));
    let frames = stream::unfold(start, |(mut events, gate, world)| async move {
        let event = events.next()?;
        if let Some(gate) = &gate {
            world.gates.pass(gate).await;
        }
        // Without this, hyper would put ready events together into one write.
        tokio::task::yield_now().await;
        Some((Ok(Frame::data(event.0)), (events, gate, world)))
    });
    typed("text/event-stream", StreamBody::new(frames).boxed_unsync())
}

fn ticks(uri: &Uri, world: &Arc<World>) -> Response<Body> {
    let count: usize = parameter(uri, "n").unwrap_or(3);
    let ticks =
        (0..count).map(|tick| Event::raw(&format!("id: {tick}\ndata: {{\"tick\":{tick}}}\n\n")));
    events(ticks.collect(), parameter(uri, "gate"), world)
}

fn trailers(world: &World) -> Response<Body> {
    let text = Bytes::from(world.reply.pieces().concat());
    let mut trailers = HeaderMap::new();
    trailers.insert(
        "x-checksum",
        hyper::header::HeaderValue::from_static("4a1e"),
    );
    if let Ok(value) = hyper::header::HeaderValue::from_maybe_shared(text) {
        trailers.insert("x-reply", value);
    }
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"a body\n"))),
        Ok(Frame::trailers(trailers)),
    ];
    let mut response = typed(
        "text/plain",
        StreamBody::new(stream::iter(frames)).boxed_unsync(),
    );
    let names = hyper::header::HeaderValue::from_static("x-checksum, x-reply");
    response.headers_mut().insert(TRAILER, names);
    response
}

async fn coded(coding: &str, text: &str) -> Response<Body> {
    let Ok(body) = encode(coding, text.as_bytes()).await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let Ok(coding) = coding.parse() else {
        return status(StatusCode::BAD_REQUEST);
    };
    let mut response = typed("text/plain; charset=utf-8", full(body));
    response.headers_mut().insert(CONTENT_ENCODING, coding);
    response
}

async fn members(pieces: &[String]) -> Response<Body> {
    let mut body = Vec::new();
    for piece in pieces {
        let Ok(member) = encode("gzip", piece.as_bytes()).await else {
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        body.extend(member);
    }
    let mut response = typed("text/plain; charset=utf-8", full(body));
    let gzip = hyper::header::HeaderValue::from_static("gzip");
    response.headers_mut().insert(CONTENT_ENCODING, gzip);
    response
}

/// Compresses `text`; `deflate` is the zlib format, as RFC 9110 section 8.4.1.2 has it.
async fn encode(coding: &str, text: &[u8]) -> io::Result<Vec<u8>> {
    macro_rules! encoded {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(text).await?;
            encoder.shutdown().await?;
            Ok(encoder.into_inner())
        }};
    }
    match coding {
        "gzip" => encoded!(GzipEncoder),
        "deflate" => encoded!(ZlibEncoder),
        "br" => encoded!(BrotliEncoder),
        "zstd" => encoded!(ZstdEncoder),
        _ => Err(io::Error::other("unknown coding")),
    }
}

/// `length` bytes that look random and depend on nothing else: SplitMix64 (Steele, Lea and Flood, 2014) from zero.
fn noise(length: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(length + 8);
    let mut state = 0_u64;
    while bytes.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.put_u64_le(word ^ (word >> 31));
    }
    bytes.truncate(length);
    bytes.freeze()
}

/// A body without an end, produced only as fast as it is read.
fn endless() -> Body {
    struct Endless(Bytes);
    impl Stream for Endless {
        type Item = io::Result<Frame<Bytes>>;
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
        }
    }
    StreamBody::new(Endless(noise(16 * 1024))).boxed_unsync()
}

/// A JSON answer.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => typed("application/json", full(text)),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// An answer that is its status; with a line of text where a body is allowed.
pub(super) fn status(code: StatusCode) -> Response<Body> {
    let bare = matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bare {
        Empty::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        full(format!("{code}\n"))
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
}

/// What HEAD gets: the length of the body, and no body. On h2 hyper leaves that to us.
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, empty())
}

/// An answer of this type.
pub(super) fn typed(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is there at once.
pub(super) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The value of one query parameter, taken literally.
pub(super) fn parameter<T: std::str::FromStr>(uri: &Uri, name: &str) -> Option<T> {
    let pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}
