//! Bodies by hand, frame by frame, and the property: any chunking gives what the whole gives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use egret_scanners::{
    Catalog, FingerprintKey, KnownSecrets, Place, ScanError, ShapeName, SignatureSpec,
};
use http::HeaderValue;
use proptest::prelude::*;

mod frames;
mod opened;

use super::*;
use crate::decode::DecodeError;
use crate::decode::tests::{coded, header_of};

// What the tests drive: a scripted inbound body, an observer that writes down, a poller.

#[derive(Clone)]
enum Event {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing for now; wakes at once.
    Pause,
    /// Nothing for ever.
    Silence,
    Break,
}

fn data(bytes: impl AsRef<[u8]>) -> Event {
    Event::Data(Bytes::copy_from_slice(bytes.as_ref()))
}

struct Script {
    events: VecDeque<Event>,
    /// Says `is_end_stream` as hyper does when the length is known.
    knows_end: bool,
    polled: Arc<Mutex<usize>>,
}

impl Script {
    fn new(events: impl IntoIterator<Item = Event>) -> Script {
        Script {
            events: events.into_iter().collect(),
            knows_end: false,
            polled: Arc::default(),
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        *self.polled.lock().unwrap() += 1;
        Poll::Ready(match self.events.pop_front() {
            None => None,
            Some(Event::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Event::Trailers(map)) => Some(Ok(Frame::trailers(map))),
            Some(Event::Break) => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
            Some(Event::Pause) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Event::Silence) => {
                self.events.push_front(Event::Silence);
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.events.is_empty()
    }
}

/// A body without end.
struct Endless(Bytes);

impl Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
    }
}

#[derive(Default)]
struct Notes {
    findings: Vec<Finding>,
    sealed: usize,
    reports: Vec<BodyReport>,
}

struct Writer {
    notes: Arc<Mutex<Notes>>,
    decision: Decision,
}

impl Observer for Writer {
    fn found(&mut self, findings: &[Finding]) -> Decision {
        self.notes
            .lock()
            .unwrap()
            .findings
            .extend_from_slice(findings);
        self.decision
    }

    fn found_sealed(&mut self, findings: &[Finding]) -> Decision {
        self.notes.lock().unwrap().sealed += findings.len();
        self.found(findings)
    }

    fn ended(&mut self, report: BodyReport) {
        self.notes.lock().unwrap().reports.push(report);
    }
}

/// A scanner of two signatures of its own: these tests are about the way, not about the catalog.
pub(crate) fn scanner() -> Arc<Scanner> {
    static SCANNER: std::sync::OnceLock<Arc<Scanner>> = std::sync::OnceLock::new();
    let scanner = SCANNER.get_or_init(|| {
        let token = SignatureSpec {
            id: "test-token".to_owned(),
            pattern: Some("tok_[A-Za-z0-9]{36}".to_owned()),
            left: Some("token".to_owned()),
            right: Some("token".to_owned()),
            ..SignatureSpec::default()
        };
        let mail = SignatureSpec {
            id: "mail".to_owned(),
            class: Some(egret_scanners::Class::Pii),
            shape: Some(ShapeName::Email),
            ..SignatureSpec::default()
        };
        let signatures = [token, mail].map(|spec| Arc::new(spec.compile().unwrap()));
        let catalog = Catalog::new(signatures.to_vec());
        let key = FingerprintKey::new([7; 32]);
        Arc::new(Scanner::new(catalog, KnownSecrets::none(), key).unwrap())
    });
    Arc::clone(scanner)
}

/// What the first signature finds: 40 bytes.
pub(crate) fn token() -> String {
    format!("tok_{}", "Kq3vXw7ZpL2mNc9RtB5yHd8FgJ4sAe6UiO1x")
}

fn codings(names: &[&str]) -> Codings {
    let line = names.iter().map(|name| header_of(name)).collect::<Vec<_>>();
    let mut headers = HeaderMap::new();
    let line = HeaderValue::from_str(&line.join(", ")).unwrap();
    headers.insert(http::header::CONTENT_ENCODING, line);
    Codings::from_headers(&headers).unwrap()
}

fn options() -> BodyOptions {
    BodyOptions {
        side: Side::Request,
        scanner: scanner(),
        carrier: Carrier::Text,
        mask: Arc::new(MaskSet::all()),
        trailer_masks: Arc::new(|_| Arc::new(MaskSet::all())),
        codings: Codings::default(),
        expansion: Expansion::default(),
        opens: true,
        declared: None,
    }
}

/// An inspected body whose observer lets everything go on, and the observer's notes.
fn inspect<B>(inner: B, options: BodyOptions) -> (Inspected<B>, Arc<Mutex<Notes>>)
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    watch(inner, options, Decision::Continue)
}

fn watch<B>(inner: B, options: BodyOptions, decision: Decision) -> (Inspected<B>, Arc<Mutex<Notes>>)
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    let notes = Arc::new(Mutex::new(Notes::default()));
    let observer = Writer {
        notes: Arc::clone(&notes),
        decision,
    };
    (Inspected::new(inner, options, Box::new(observer)), notes)
}

fn poll<B>(body: &mut Inspected<B>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>>
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

#[derive(Debug, Default, PartialEq)]
struct Collected {
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    largest: usize,
}

fn collect<B>(body: &mut Inspected<B>) -> Result<Collected, BodyError>
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    let mut collected = Collected::default();
    loop {
        match poll(body) {
            Poll::Pending => {}
            Poll::Ready(None) => return Ok(collected),
            Poll::Ready(Some(frame)) => match frame?.into_data() {
                Ok(bytes) => {
                    assert!(!bytes.is_empty(), "an empty frame");
                    collected.largest = collected.largest.max(bytes.len());
                    collected.bytes.extend_from_slice(&bytes);
                }
                Err(frame) => collected.trailers = frame.into_trailers().ok(),
            },
        }
    }
}

fn only_report(notes: &Mutex<Notes>) -> BodyReport {
    let notes = notes.lock().unwrap();
    assert_eq!(notes.reports.len(), 1, "{:?}", notes.reports);
    notes.reports[0].clone()
}

fn cut(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<Event> {
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .flat_map(|pair| [data(&bytes[pair[0]..pair[1]]), Event::Pause])
        .collect()
}

// Streaming.

#[test]
fn plain_bodies_pass_unchanged() {
    let script = Script::new([data("hello "), Event::Pause, data("world")]);
    let (mut body, notes) = inspect(script, options());
    assert_eq!(collect(&mut body).unwrap().bytes, b"hello world");
    drop(body);
    let report = only_report(&notes);
    assert_eq!(report.ending, Ending::Complete);
    assert_eq!((report.received, report.decoded, report.sent), (11, 11, 11));
}

#[test]
fn a_finding_is_masked_and_reported_before_its_bytes() {
    let text = format!("key {} end", token());
    let (mut body, notes) = inspect(Script::new([data(&text)]), options());
    let collected = collect(&mut body).unwrap();
    assert_eq!(collected.bytes.len(), text.len());
    let out = String::from_utf8(collected.bytes).unwrap();
    assert!(out.starts_with("key [test-token]"), "{out}");
    assert!(!out.contains(&token()));
    let notes = notes.lock().unwrap();
    assert_eq!(notes.findings.len(), 1);
    assert_eq!(notes.findings[0].part.place, Place::Body);
    assert_eq!(notes.findings[0].span, 4..44);
    assert_eq!(notes.reports[0].findings, 1);
}

#[test]
fn a_denial_in_mid_stream_cuts_the_body_for_good() {
    let text = format!("key {} end", token());
    let script = Script::new([data("first "), Event::Pause, data(&text), data("later")]);
    let (mut body, notes) = watch(script, options(), Decision::Cut);
    let mut seen = Vec::new();
    let error = loop {
        match poll(&mut body) {
            Poll::Ready(Some(Ok(frame))) => seen.extend(frame.into_data().unwrap()),
            Poll::Ready(Some(Err(error))) => break error,
            Poll::Ready(None) => panic!("completed"),
            Poll::Pending => {}
        }
    };
    assert_eq!(error, BodyError::Denied);
    assert!(b"first key ".starts_with(seen.as_slice()));
    assert!(!body.is_end_stream());
    for _ in 0..3 {
        assert!(matches!(
            poll(&mut body),
            Poll::Ready(Some(Err(BodyError::Denied)))
        ));
    }
    drop(body);
    assert_eq!(
        only_report(&notes).ending,
        Ending::Failed(BodyError::Denied)
    );
}

#[test]
fn a_secret_in_the_last_bytes_is_denied_before_the_end() {
    let (mut body, _) = watch(Script::new([data(token())]), options(), Decision::Cut);
    assert_eq!(collect(&mut body), Err(BodyError::Denied));
}

#[test]
fn the_inbound_body_is_pulled_only_when_polled() {
    let script = Script::new((0..100).map(|_| data("some words. ".repeat(80))));
    let polled = Arc::clone(&script.polled);
    let (mut body, _) = inspect(script, options());
    assert_eq!(*polled.lock().unwrap(), 0);
    for frames in 1..=10 {
        let Poll::Ready(Some(Ok(_))) = poll(&mut body) else {
            panic!("no frame");
        };
        // The session may keep the last word back: one pull more than frames given.
        assert!(*polled.lock().unwrap() <= frames + 1);
    }
}

#[test]
fn an_endless_body_costs_constant_memory() {
    let chunk = Bytes::from(vec![b'x'; 64 << 10]);
    let (mut body, _) = inspect(Endless(chunk), options());
    for _ in 0..2000 {
        match poll(&mut body) {
            Poll::Ready(Some(Ok(frame))) => {
                assert!(frame.into_data().unwrap().len() <= 64 << 10);
            }
            Poll::Pending => {}
            Poll::Ready(other) => panic!("{other:?}"),
        }
        let waiting: usize = body.ready.iter().map(Bytes::len).sum();
        assert!(waiting <= 128 << 10, "{waiting} bytes wait");
    }
}

#[test]
fn a_bomb_is_refused_and_never_completes() {
    let bomb = coded("gzip", &vec![b' '; 64 << 20]);
    let pieces = bomb.chunks(1400).map(data).collect::<Vec<_>>();
    let options = BodyOptions {
        codings: codings(&["gzip"]),
        ..options()
    };
    let (mut body, notes) = inspect(Script::new(pieces), options);
    let result = collect(&mut body);
    let error = BodyError::Undecodable(DecodeError::Expansion);
    assert_eq!(result, Err(error.clone()));
    let report = only_report(&notes);
    assert_eq!(report.ending, Ending::Failed(error));
    assert!(report.decoded <= 10 * report.received + (17 << 20));
}

#[test]
fn broken_and_mislabelled_codings_fail() {
    let mut cut_short = coded("gzip", b"some plain text");
    cut_short.truncate(cut_short.len() - 4);
    for (name, bytes) in [
        ("gzip", cut_short),
        ("br", coded("gzip", b"some plain text")),
        ("zstd", b"not coded at all".to_vec()),
        ("gzip", [coded("gzip", b"a"), b"tail".to_vec()].concat()),
    ] {
        let options = BodyOptions {
            codings: codings(&[name]),
            ..options()
        };
        let (mut body, notes) = inspect(Script::new([data(bytes)]), options);
        let result = collect(&mut body);
        assert!(
            matches!(result, Err(BodyError::Undecodable(_))),
            "{name}: {result:?}"
        );
        let Ending::Failed(error) = only_report(&notes).ending else {
            panic!("not failed");
        };
        assert_eq!(
            error.code(Side::Request).unwrap().as_str(),
            "undecodable_body"
        );
    }
}

#[test]
fn a_body_that_lies_about_its_length_fails() {
    for (declared, error) in [
        (
            12,
            BodyError::Short {
                declared: 12,
                received: 11,
            },
        ),
        (10, BodyError::Long { declared: 10 }),
    ] {
        let options = BodyOptions {
            declared: Some(declared),
            ..options()
        };
        let (mut body, notes) = inspect(Script::new([data("hello "), data("world")]), options);
        assert_eq!(collect(&mut body), Err(error.clone()));
        assert_eq!(only_report(&notes).ending, Ending::Failed(error));
    }
}

#[test]
fn an_aborted_body_is_the_fault_of_its_sender() {
    let (mut body, notes) = inspect(Script::new([data("abc"), Event::Break]), options());
    let error = collect(&mut body).unwrap_err();
    assert!(matches!(error, BodyError::Aborted(_)));
    assert_eq!(error.fault(Side::Request), Fault::Client);
    assert_eq!(error.fault(Side::Response), Fault::Upstream);
    assert_eq!(BodyError::Denied.fault(Side::Response), Fault::Egret);
    assert_eq!(only_report(&notes).ending, Ending::Failed(error));
}

#[test]
fn empty_frames_without_end_are_refused() {
    let flood = (0..2000).map(|_| data("")).chain([data("a")]);
    let (mut body, _) = inspect(Script::new(flood), options());
    assert_eq!(collect(&mut body), Err(BodyError::EmptyFrames));
    let script = Script::new([data(""), data("a"), data(""), data("b"), data("")]);
    let (mut body, _) = inspect(script, options());
    assert_eq!(collect(&mut body).unwrap().bytes, b"ab");
}

#[test]
fn the_account_is_delivered_once_also_on_drop() {
    let (mut body, notes) = inspect(Script::new([data("abc"), Event::Silence]), options());
    let _ = poll(&mut body);
    assert!(notes.lock().unwrap().reports.is_empty());
    drop(body);
    let report = only_report(&notes);
    assert_eq!((report.received, report.ending), (3, Ending::Abandoned));

    let (body, notes) = inspect(Script::new([]), options());
    drop(body);
    assert_eq!(only_report(&notes).ending, Ending::Abandoned);
}

#[test]
fn a_receiver_that_knows_the_length_need_not_ask_for_the_end() {
    let mut script = Script::new([data("abc. ")]);
    script.knows_end = true;
    let options = BodyOptions {
        declared: Some(5),
        ..options()
    };
    let (mut body, notes) = inspect(script, options);
    assert_eq!(body.size_hint().exact(), Some(5));
    let mut sent = 0;
    while sent < 5 {
        let Poll::Ready(Some(Ok(frame))) = poll(&mut body) else {
            panic!("no frame");
        };
        sent += frame.into_data().unwrap().len() as u64;
        assert_eq!(body.size_hint().exact(), Some(5 - sent));
    }
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(only_report(&notes).ending, Ending::Complete);
}

#[test]
fn the_last_frame_is_known_to_be_the_last() {
    for name in ["identity", "gzip", "br"] {
        let mut script = Script::new([data(coded(name, b"some words. "))]);
        script.knows_end = true;
        let options = BodyOptions {
            codings: codings(&[name]),
            ..options()
        };
        let (mut body, notes) = inspect(script, options);
        assert!(!body.is_end_stream());
        let mut text = Vec::new();
        while !body.is_end_stream() {
            let Poll::Ready(Some(Ok(frame))) = poll(&mut body) else {
                panic!("an end without a last frame");
            };
            text.extend(frame.into_data().unwrap());
        }
        assert_eq!(text, b"some words. ", "{name}");
        assert_eq!(only_report(&notes).ending, Ending::Complete, "{name}");
    }
}

#[test]
fn an_empty_body_is_at_its_end_from_the_start() {
    for name in ["identity", "gzip", "zstd"] {
        let mut script = Script::new([]);
        script.knows_end = true;
        let options = BodyOptions {
            codings: codings(&[name]),
            ..options()
        };
        let (mut body, notes) = inspect(script, options);
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(collect(&mut body).unwrap(), Collected::default());
        assert_eq!(only_report(&notes).ending, Ending::Complete);
    }
}

#[test]
fn a_length_is_exact_only_where_it_is_certain() {
    let options_for = |name: &str, declared| BodyOptions {
        codings: codings(&[name]),
        declared,
        ..options()
    };
    let hint = |name, declared| {
        let script = Script::new([data("x")]);
        inspect(script, options_for(name, declared))
            .0
            .size_hint()
            .exact()
    };
    assert_eq!(hint("identity", Some(9)), Some(9));
    assert_eq!(hint("identity", None), None);
    assert_eq!(hint("gzip", Some(9)), None);
}

// Trailers.

fn trailers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

#[test]
fn trailers_come_after_the_data_and_lose_what_must_not_be_there() {
    let sent = trailers(&[
        ("grpc-status", "0"),
        ("content-length", "5"),
        ("host", "evil"),
    ]);
    let script = Script::new([data("abc"), Event::Trailers(sent)]);
    let (mut body, notes) = inspect(script, options());
    let collected = collect(&mut body).unwrap();
    assert_eq!(collected.bytes, b"abc");
    assert_eq!(collected.trailers, Some(trailers(&[("grpc-status", "0")])));
    assert_eq!(only_report(&notes).ending, Ending::Complete);
}

#[test]
fn a_secret_in_a_trailer_is_masked_or_cuts_the_body() {
    let script = || {
        let map = trailers(&[("x-note", &token())]);
        Script::new([data("abc"), Event::Trailers(map)])
    };
    let (mut body, notes) = inspect(script(), options());
    let collected = collect(&mut body).unwrap();
    let value = &collected.trailers.unwrap()["x-note"];
    assert!(value.as_bytes().starts_with(b"[test-token]"));
    let part = notes.lock().unwrap().findings[0].part.to_string();
    assert_eq!(part, "request.trailer.x-note");

    let (mut body, _) = watch(script(), options(), Decision::Cut);
    assert_eq!(collect(&mut body), Err(BodyError::Denied));
}

// Holding.

const LIMIT: usize = 1 << 10;

#[tokio::test]
async fn a_small_body_is_held_to_its_end() {
    let options = BodyOptions {
        declared: Some(6),
        ..options()
    };
    let script = Script::new([data("abc"), Event::Pause, data("def")]);
    let (body, notes) = inspect(script, options);
    let patience = Patience::of(Side::Request, Some(6), &Carrier::Text, LIMIT);
    let mut held = body.hold(LIMIT, patience).await.unwrap();
    assert!(held.complete && held.findings.is_empty() && held.original.is_none());
    assert_eq!(held.body.size_hint().exact(), Some(6));
    assert_eq!(collect(&mut held.body).unwrap().bytes, b"abcdef");
    assert_eq!(only_report(&notes).ending, Ending::Complete);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_complete() {
    let text = vec![b'.'; LIMIT];
    let (body, _) = inspect(Script::new([data(&text)]), options());
    let held = body.hold(LIMIT, Patience::Endless).await.unwrap();
    assert!(held.complete);
}

#[tokio::test]
async fn findings_of_the_held_part_are_given_to_the_holder_alone() {
    let text = format!("key {} end", token());
    let (body, notes) = watch(Script::new([data(&text)]), options(), Decision::Cut);
    let mut held = body.hold(LIMIT, Patience::Endless).await.unwrap();
    assert_eq!(held.findings.len(), 1);
    assert!(notes.lock().unwrap().findings.is_empty());
    assert!(
        collect(&mut held.body)
            .unwrap()
            .bytes
            .starts_with(b"key [test-token]")
    );
    assert_eq!(only_report(&notes).findings, 1);
}

#[tokio::test]
async fn a_large_body_streams_on_after_its_held_part() {
    let events = (0..100).map(|_| data([b'.'; 100])).collect::<Vec<_>>();
    let late = format!(" {} ", token());
    let script = Script::new(events.into_iter().chain([data(&late)]));
    let polled = Arc::clone(&script.polled);
    let (body, notes) = watch(script, options(), Decision::Cut);
    let mut held = body.hold(LIMIT, Patience::Endless).await.unwrap();
    assert!(!held.complete && held.findings.is_empty());
    assert!(*polled.lock().unwrap() <= 12, "read ahead");
    assert_eq!(held.body.size_hint().exact(), None);
    assert_eq!(collect(&mut held.body), Err(BodyError::Denied));
    assert_eq!(notes.lock().unwrap().findings.len(), 1);
}

#[tokio::test]
async fn a_streamed_response_is_released_at_its_first_pause() {
    let patience = Patience::of(Side::Response, None, &Carrier::Sse, LIMIT);
    assert_eq!(patience, Patience::None);
    let script = Script::new([data("data: one\n\n"), Event::Silence]);
    let (body, _) = inspect(script, options());
    let mut held = body.hold(LIMIT, patience).await.unwrap();
    assert!(!held.complete);
    let Poll::Ready(Some(Ok(frame))) = poll(&mut held.body) else {
        panic!("the event was not passed on");
    };
    assert_eq!(frame.into_data().unwrap(), "data: one\n\n");
}

#[tokio::test]
async fn a_silent_response_does_not_hold_its_head() {
    let (body, _) = inspect(Script::new([Event::Silence]), options());
    let held = body.hold(LIMIT, Patience::None).await.unwrap();
    assert!(!held.complete);
}

#[tokio::test]
async fn a_request_of_unknown_length_is_released_when_its_sender_waits() {
    let patience = Patience::of(Side::Request, None, &Carrier::Text, LIMIT);
    assert_eq!(patience, Patience::Until(hold::PAUSE));
    let script = Script::new([data("first message. "), Event::Pause, Event::Silence]);
    let (body, _) = inspect(script, options());
    let mut held = body.hold(LIMIT, patience).await.unwrap();
    assert!(!held.complete);
    let Poll::Ready(Some(Ok(frame))) = poll(&mut held.body) else {
        panic!("the message was not passed on");
    };
    assert_eq!(frame.into_data().unwrap(), "first message. ");
}

#[tokio::test]
async fn a_body_that_fails_while_held_fails_cleanly() {
    let (body, notes) = inspect(Script::new([data("abc"), Event::Break]), options());
    let failed = body.hold(LIMIT, Patience::Endless).await.unwrap_err();
    assert!(matches!(failed.error, BodyError::Aborted(_)));
    let report = only_report(&notes);
    assert_eq!(
        (report.sent, report.ending),
        (0, Ending::Failed(failed.error))
    );
}

#[tokio::test]
async fn trailers_of_a_held_body_are_judged_with_it() {
    let map = trailers(&[("x-note", &token())]);
    let script = Script::new([data("abc"), Event::Trailers(map)]);
    let (body, _) = inspect(script, options());
    let mut held = body.hold(LIMIT, Patience::Endless).await.unwrap();
    assert!(held.complete);
    assert_eq!(held.findings.len(), 1);
    // A receiver that is told the length stops reading there.
    assert_eq!(held.body.size_hint().exact(), None);
    let collected = collect(&mut held.body).unwrap();
    assert!(collected.trailers.is_some());
}

async fn hold_coded(names: &[&str], body: &[u8]) -> Held<Script> {
    let options = BodyOptions {
        codings: codings(names),
        ..options()
    };
    let pieces = body.chunks(7).map(data).collect::<Vec<_>>();
    let (body, _) = inspect(Script::new(pieces), options);
    body.hold(LIMIT, Patience::Endless).await.unwrap()
}

#[tokio::test]
async fn a_clean_coded_body_keeps_its_bytes() {
    for name in ["gzip", "br", "zstd"] {
        let original = coded(name, b"nothing to see here");
        let mut held = hold_coded(&[name], &original).await;
        assert!(held.restore_original(), "{name}");
        assert_eq!(held.body.size_hint().exact(), Some(original.len() as u64));
        assert_eq!(collect(&mut held.body).unwrap().bytes, original, "{name}");
    }
}

#[tokio::test]
async fn a_coded_body_with_a_finding_or_two_readings_goes_on_plain() {
    let secret = format!("key {} end", token());
    let mut held = hold_coded(&["gzip"], &coded("gzip", secret.as_bytes())).await;
    assert!(!held.restore_original());
    assert!(
        collect(&mut held.body)
            .unwrap()
            .bytes
            .starts_with(b"key [test-token]")
    );

    let mut held = hold_coded(&["zlib"], &coded("zlib", b"plain")).await;
    assert!(!held.restore_original());
    assert_eq!(collect(&mut held.body).unwrap().bytes, b"plain");

    let big = vec![b'.'; 4 * LIMIT];
    let mut held = hold_coded(&["gzip"], &coded("gzip", &big)).await;
    assert!(!held.complete && !held.restore_original());
    assert_eq!(collect(&mut held.body).unwrap().bytes, big);
}

#[tokio::test]
async fn a_secret_in_a_gzip_comment_does_not_ride_along() {
    let plain = coded("gzip", b"innocent");
    let mut body = plain[..10].to_vec();
    body[3] |= 0x10;
    body.extend_from_slice(token().as_bytes());
    body.push(0);
    body.extend_from_slice(&plain[10..]);
    let mut held = hold_coded(&["gzip"], &body).await;
    assert!(!held.restore_original());
    assert_eq!(collect(&mut held.body).unwrap().bytes, b"innocent");
}

#[test]
fn patience_depends_on_who_waits() {
    use Side::{Request, Response};
    let of = |side, declared| Patience::of(side, declared, &Carrier::Json, LIMIT);
    assert_eq!(of(Request, Some(1024)), Patience::Endless);
    assert_eq!(of(Request, Some(1025)), Patience::Endless);
    assert_eq!(of(Request, None), Patience::Until(hold::PAUSE));
    assert_eq!(of(Response, Some(1024)), Patience::Endless);
    assert_eq!(of(Response, Some(1025)), Patience::None);
    assert_eq!(of(Response, None), Patience::None);
    // A label that a client chooses does not shorten it.
    let events = |side, declared| Patience::of(side, declared, &Carrier::Sse, LIMIT);
    assert_eq!(events(Request, Some(1024)), Patience::Endless);
    assert_eq!(events(Request, None), Patience::Until(hold::PAUSE));
    assert_eq!(events(Response, Some(10)), Patience::None);
}

#[test]
fn gzip_inside_base64_inside_json_is_seen_through_and_an_image_passes() {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let json = BodyOptions {
        carrier: Carrier::Json,
        ..options()
    };
    let hidden = encode(&coded("gzip", format!("some {} words", token()).as_bytes()));
    let text = format!("{{\"file\":\"{hidden}\",\"end\":1}}");
    let chunks = text.as_bytes().chunks(7).map(data);
    let (mut body, notes) = watch(Script::new(chunks), json, Decision::Cut);
    assert_eq!(collect(&mut body).err(), Some(BodyError::Denied));
    assert_eq!(notes.lock().unwrap().findings.len(), 1);
    let json = BodyOptions {
        carrier: Carrier::Json,
        ..options()
    };
    let (mut body, notes) = inspect(Script::new([data(&text)]), json);
    let masked = collect(&mut body).unwrap().bytes;
    let value: serde_json::Value = serde_json::from_slice(&masked).unwrap();
    assert_eq!(value["end"], 1);
    assert_eq!(masked.len(), text.len());
    assert!(!masked.ends_with(&text.as_bytes()[text.len() - 20..]));
    let path = notes.lock().unwrap().findings[0].path.clone();
    assert_eq!(path.as_deref(), Some("$.file"));
    // Noise, as the pixels of an image are.
    let noise = (0_u32..90_000).map(|step| step.wrapping_mul(2_654_435_761).rotate_left(9) as u8);
    let image = encode(&noise.collect::<Vec<u8>>());
    let text = format!("{{\"url\":\"data:image/png;base64,{image}\"}}");
    let json = BodyOptions {
        carrier: Carrier::Json,
        ..options()
    };
    let (mut body, notes) = inspect(Script::new([data(&text)]), json);
    assert_eq!(collect(&mut body).unwrap().bytes, text.as_bytes());
    assert!(notes.lock().unwrap().findings.is_empty());
}

#[test]
fn scanner_limits_and_malformed_bodies_have_their_codes() {
    let code = |error| BodyError::Unscannable(error).code(Side::Request).unwrap();
    assert_eq!(code(ScanError::Depth).as_str(), "undecodable_body");
    assert_eq!(code(ScanError::Malformed).as_str(), "undecodable_body");
    assert_eq!(code(ScanError::WorkBudget).as_str(), "limit");
    assert_eq!(BodyError::Denied.code(Side::Request), None);
}

// The property.

fn plain_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        Just(token().into_bytes()),
        Just(token().as_bytes()[..30].to_vec()),
        Just(b" mail jane.doe@example.org ".to_vec()),
        Just(vec![b'a'; 5000]),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Layers of codings; the first may have several members.
fn code_in_layers(plain: &[u8], layers: &[&str], split: usize) -> Vec<u8> {
    let mut body = plain.to_vec();
    for (index, name) in layers.iter().enumerate() {
        body = if index == 0 && ["gzip", "zstd"].contains(name) {
            let (first, second) = body.split_at(split.min(body.len()));
            [coded(name, first), coded(name, second)].concat()
        } else {
            coded(name, &body)
        };
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_chunking_of_any_body_gives_what_the_whole_gives(
        plain in plain_body(),
        layers in prop::collection::vec(prop::sample::select(vec!["gzip", "zlib", "br", "zstd"]), 0..3),
        split in 0_usize..200,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        bytewise in any::<bool>(),
        limit in prop::option::of(0_usize..3000),
    ) {
        let whole = scanner().scan(&plain, SessionOptions {
            part: Part::body(Side::Request),
            carrier: Carrier::Text,
            mask: Arc::new(MaskSet::all()),
        });
        let body = code_in_layers(&plain, &layers, split);
        let cuts = if bytewise {
            (0..body.len()).collect()
        } else {
            cuts.iter().map(|cut| cut.index(body.len() + 1)).collect()
        };
        let options = BodyOptions { codings: codings(&layers), ..options() };
        let (inspected, notes) = inspect(Script::new(cut(&body, cuts)), options);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (mut inspected, mut findings) = match limit {
            None => (inspected, Vec::new()),
            Some(limit) => match runtime.block_on(inspected.hold(limit, Patience::Endless)) {
                Ok(held) => (held.body, held.findings),
                Err(failed) => {
                    prop_assert_eq!(failed.error, BodyError::Unscannable(whole.unwrap_err()));
                    return Ok(());
                }
            },
        };
        let collected = collect(&mut inspected);
        findings.extend(notes.lock().unwrap().findings.iter().cloned());
        match (whole, collected) {
            (Ok(whole), Ok(collected)) => {
                prop_assert_eq!(whole.cleared, collected.bytes);
                prop_assert_eq!(whole.findings, findings);
            }
            (Err(error), Err(other)) => prop_assert_eq!(BodyError::Unscannable(error), other),
            (whole, collected) => prop_assert!(false, "{whole:?} and {collected:?}"),
        }
    }
}
