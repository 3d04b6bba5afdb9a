//! Small frames: looked at together where they are at hand, and passed on at once where they are not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::decode::{Coding, Decoder, Pulled};

/// What one poll gives, if it gives bytes.
fn given<B>(body: &mut Inspected<B>) -> Option<Vec<u8>>
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    match poll(body) {
        Poll::Ready(Some(frame)) => frame.unwrap().into_data().ok().map(|bytes| bytes.to_vec()),
        Poll::Ready(None) | Poll::Pending => None,
    }
}

/// The frames that come out until the end.
fn frames<B>(body: &mut Inspected<B>) -> Vec<Vec<u8>>
where
    B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
{
    let mut frames = Vec::new();
    loop {
        match poll(body) {
            Poll::Pending => {}
            Poll::Ready(None) => return frames,
            Poll::Ready(Some(frame)) => frames.push(frame.unwrap().into_data().unwrap().to_vec()),
        }
    }
}

#[test]
fn frames_with_pauses_are_passed_on_at_once() {
    let bytes = ". , ; ".repeat(200);
    let events = bytes
        .as_bytes()
        .chunks(1)
        .flat_map(|byte| [data(byte), Event::Pause]);
    let (mut body, _) = inspect(Script::new(events), options());
    for byte in bytes.as_bytes().chunks(1) {
        assert_eq!(given(&mut body).as_deref(), Some(byte));
    }
}

#[test]
fn frames_at_hand_are_looked_at_together() {
    let bytes = ". , ; ".repeat(2000);
    for pause in [usize::MAX, 1000, 100] {
        let frame = |(number, byte): (usize, &[u8])| {
            let paused = (number % pause == pause - 1).then_some(Event::Pause);
            [data(byte)].into_iter().chain(paused).collect::<Vec<_>>()
        };
        let events = bytes.as_bytes().chunks(1).enumerate().flat_map(frame);
        let (mut body, _) = inspect(Script::new(events), options());
        let frames = frames(&mut body);
        assert_eq!(frames.concat(), bytes.as_bytes());
        let most = bytes.len() / pause + bytes.len() / 256;
        assert!(frames.len() <= most, "{} looks for {pause}", frames.len());
    }
}

#[test]
fn frames_without_end_flow() {
    for frame in [".", "word"] {
        let (mut body, _) = inspect(Endless(Bytes::from_static(frame.as_bytes())), options());
        let polls = (0..1000).filter(|_| given(&mut body).is_some()).count();
        assert!(polls > 10, "{frame}: {polls} of 1000 polls gave something");
    }
}

/// Counts how often it was woken.
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn where_nothing_can_go_on_the_next_frame_wakes() {
    let alarm = Arc::new(Alarm(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&alarm));
    // The first pause comes when what may be a token has begun, the second after its end.
    let (head, tail) = ("tok_Kq3vXw7Z", "pL2mNc9RtB5yHd8FgJ4sAe6UiO1x .");
    let script = Script::new([data(head), Event::Pause, data(tail), Event::Pause]);
    let polled = Arc::clone(&script.polled);
    let (mut body, notes) = inspect(script, options());
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    assert_eq!(*polled.lock().unwrap(), 2, "pulled up to the pause");
    assert_eq!(alarm.0.load(Ordering::Relaxed), 1, "the pause wakes");
    let out = Pin::new(&mut body).poll_frame(&mut cx);
    let Poll::Ready(Some(Ok(frame))) = out else {
        panic!("{out:?}");
    };
    assert!(frame.into_data().unwrap().starts_with(b"[test-token]***"));
    assert_eq!(notes.lock().unwrap().findings.len(), 1);
    assert!(matches!(
        Pin::new(&mut body).poll_frame(&mut cx),
        Poll::Ready(None)
    ));
}

#[tokio::test]
async fn events_are_passed_on_one_by_one() {
    let event = |number: usize| {
        let text = serde_json::json!({"choices": [{"index": 0, "delta": {"content": format!(" {}. ", "egret".repeat(number))}}]});
        format!("data: {text}\n\n")
    };
    let events: Vec<String> = (1..40).map(event).collect();
    let script = events.iter().flat_map(|event| [data(event), Event::Pause]);
    let options = BodyOptions {
        side: Side::Response,
        carrier: Carrier::Sse,
        ..options()
    };
    let (body, _) = inspect(Script::new(script), options);
    let patience = Patience::of(Side::Response, None, &Carrier::Sse, 1 << 18);
    let mut body = body.hold(1 << 18, patience).await.unwrap().body;
    for event in &events {
        let mut came = given(&mut body).unwrap_or_default();
        if came.is_empty() {
            came = given(&mut body).unwrap_or_default();
        }
        assert_eq!(String::from_utf8_lossy(&came), *event);
    }
}

#[tokio::test]
async fn what_came_before_the_first_pause_is_judged_while_it_is_held() {
    let pieces = format!("key {} and more. ", token());
    let small = || {
        pieces
            .as_bytes()
            .chunks(1)
            .map(data)
            .chain([Event::Silence])
    };
    let response = Patience::None;
    let request = Patience::Until(std::time::Duration::from_millis(1));
    for patience in [response, request] {
        let (body, notes) = inspect(Script::new(small()), options());
        let mut held = body.hold(1 << 18, patience).await.unwrap();
        assert_eq!((held.findings.len(), held.complete), (1, false));
        let came = given(&mut held.body).unwrap();
        assert!(came.starts_with(b"key [test-token]***"));
        assert!(came.ends_with(b"and more. "));
        assert_eq!(notes.lock().unwrap().findings.len(), 0, "judged twice");
    }
    let (body, _) = inspect(Script::new(small()), options());
    let held = body
        .hold(pieces.len() - 1, Patience::Endless)
        .await
        .unwrap();
    assert_eq!(
        (held.findings.len(), held.complete),
        (1, false),
        "at the limit"
    );
}

/// Bytes that compress to about as many.
fn filler(numbers: std::ops::Range<u32>) -> String {
    numbers
        .map(|n| format!("{:x} ", n.wrapping_mul(0x9E37_79B1)))
        .collect()
}

#[test]
fn no_byte_goes_on_before_what_it_decodes_to_was_looked_at() {
    let plain = format!("{}{} {}", filler(0..400), token(), filler(400..800));
    let coded = coded("gzip", plain.as_bytes());
    // The least prefix that shows the token and what ends it.
    let shows = |length: &usize| {
        let mut decoder = Decoder::new(&Codings::one(Coding::Gzip), Expansion::default());
        decoder.push(Bytes::copy_from_slice(&coded[..*length]));
        let mut decoded = Vec::new();
        while let Ok(Pulled::Bytes(bytes)) = decoder.pull() {
            decoded.extend_from_slice(&bytes);
        }
        decoded
            .windows(41)
            .any(|window| window == format!("{} ", token()).as_bytes())
    };
    let tells = (0..coded.len()).find(shows).unwrap();
    for pauses in [false, true] {
        let frame = |byte| {
            [data(byte)]
                .into_iter()
                .chain(pauses.then_some(Event::Pause))
        };
        let events = coded.chunks(1).flat_map(frame);
        let (mut body, notes) = watch(Script::new(events), options(), Decision::Cut);
        let mut sent = 0;
        let error = loop {
            match poll(&mut body) {
                Poll::Ready(Some(Ok(frame))) => sent += frame.into_data().unwrap().len(),
                Poll::Ready(Some(Err(error))) => break error,
                Poll::Ready(None) => panic!("completed"),
                Poll::Pending => {}
            }
        };
        assert_eq!(error, BodyError::Denied);
        assert!(notes.lock().unwrap().sealed > 0);
        assert!(sent <= tells, "{sent} of {tells} bytes went on");
    }
}
