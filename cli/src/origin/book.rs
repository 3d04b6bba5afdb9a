//! The book: one entry for every request head the origin parsed, in order of arrival.
//!
//! It is the witness of the tests. "Requests parsed by the origin = decision records that allow" is checked against
//! it, and so is what exactly arrived: headers, trailers, length and SHA-256 of the body, and its beginning.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use hyper::{HeaderMap, Request};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

/// How much of a body the book keeps verbatim, in bytes.
const KEPT: usize = 1 << 20;

/// One request as the origin saw it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Seen {
    /// Whether it came through TLS.
    pub(crate) tls: bool,
    /// The method, as sent.
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    /// `:authority` or `Host`.
    pub(crate) host: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub(crate) version: String,
    /// Header fields in order of arrival; bytes that are not UTF-8 are replaced.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes of body that arrived so far, after chunk decoding.
    pub(crate) bytes: u64,
    /// SHA-256 of the body in hex; empty until `complete`.
    pub(crate) sha256: String,
    /// The first MiB of the body; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
    /// Trailer fields.
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body ended as its framing promised.
    pub(crate) complete: bool,
    /// Whether it broke off.
    pub(crate) broken: bool,
}

/// All requests so far, and a bell that rings when one changes.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: Mutex<Vec<Seen>>,
    bell: Arc<Notify>,
}

/// The place of one request in the [`Book`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(usize);

impl Book {
    /// Writes the head of a request down.
    pub(crate) fn note<B>(&self, request: &Request<B>, tls: bool) -> Entry {
        let host = request
            .uri()
            .authority()
            .map(ToString::to_string)
            .or_else(|| {
                let host = request.headers().get(hyper::header::HOST)?;
                Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
            });
        self.push(Seen {
            tls,
            method: request.method().to_string(),
            target: request
                .uri()
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            host: host.unwrap_or_default(),
            version: format!("{:?}", request.version()),
            headers: fields(request.headers()),
            ..Seen::default()
        })
    }

    /// Adds an entry made elsewhere.
    pub(crate) fn push(&self, seen: Seen) -> Entry {
        let mut entries = self.lock();
        entries.push(seen);
        let entry = Entry(entries.len() - 1);
        drop(entries);
        self.bell.notify_waiters();
        entry
    }

    /// Everything seen so far.
    pub(crate) fn entries(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// One of them.
    pub(crate) fn entry(&self, entry: Entry) -> Option<Seen> {
        self.lock().get(entry.0).cloned()
    }

    /// Waits until at least `count` requests have ended, body and all, and returns everything seen.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Seen> {
        loop {
            let mut rung = pin!(self.bell.notified());
            rung.as_mut().enable();
            let entries = self.entries();
            if entries.iter().filter(|seen| seen.complete).count() >= count {
                return entries;
            }
            rung.await;
        }
    }

    /// Reads a request body to its end, noting it. Returns the first MiB, or nothing if the body broke off.
    pub(crate) async fn read<B>(&self, entry: Entry, body: B) -> Option<Bytes>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = pin!(body);
        let mut reading = Reading::default();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                self.change(entry, |seen| seen.broken = true);
                return None;
            };
            reading.take(&frame);
            self.change(entry, |seen| reading.copy_to(seen));
        }
        self.finish(entry, &reading);
        Some(reading.kept.freeze())
    }

    /// Notes what was read of a body that ended well.
    pub(crate) fn finish(&self, entry: Entry, reading: &Reading) {
        self.change(entry, |seen| {
            reading.copy_to(seen);
            seen.text = String::from_utf8_lossy(&reading.kept).into_owned();
            seen.sha256 = hex(&reading.hash.clone().finalize());
            seen.complete = true;
        });
    }

    fn change(&self, entry: Entry, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.lock().get_mut(entry.0) {
            change(seen);
        }
        self.bell.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        // A panic elsewhere does not make what was noted less true.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body while it is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    bytes: u64,
    hash: Sha256,
    kept: BytesMut,
    trailers: Vec<(String, String)>,
}

impl Reading {
    /// Takes note of one frame.
    pub(crate) fn take(&mut self, frame: &hyper::body::Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            self.hash.update(data);
            let room = KEPT.saturating_sub(self.kept.len()).min(data.len());
            self.kept
                .extend_from_slice(data.get(..room).unwrap_or_default());
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = fields(trailers);
        }
    }

    fn copy_to(&self, seen: &mut Seen) {
        seen.bytes = self.bytes;
        seen.trailers.clone_from(&self.trailers);
    }
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
