//! Health and metrics, on a runtime and thread of their own: data cannot starve them.
//!
//! `GET /healthz` (the process lives), `/readyz` (it may be sent traffic), `/metrics` (Prometheus text).
//! Deliberately nothing else: no state can be changed here, and nothing a peer sent is shown.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::drain::{Phase, stopping};
use crate::serve::Shared;

/// Connections at once: a probe or two and a scraper.
const CONNECTIONS: usize = 32;
/// For one head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the thread. It ends when the proxy stops.
pub(crate) fn start(
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Builder::new().name("egret-admin".into()).spawn(move || {
        runtime.block_on(run(listeners, shared, phase));
    })
}

async fn run(listeners: Vec<TcpListener>, shared: Arc<Shared>, phase: watch::Receiver<Phase>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    for listener in listeners {
        let accepting = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::TcpListener::from_std(listener));
        match accepting {
            Ok(listener) => {
                tokio::spawn(accept(listener, Arc::clone(&shared), Arc::clone(&room)));
            }
            Err(error) => tracing::error!(%error, "the admin listener cannot be used"),
        }
    }
    stopping(phase).await;
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>, room: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve(stream, shared).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let page = page(&request, &shared);
        async move { Ok::<_, Infallible>(page) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(16 * 1024);
    if let Err(error) = builder
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(%error, "admin connection ended");
    }
}

fn page(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" => readiness(shared),
        "/metrics" => metrics(shared),
        _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics\n".into()),
    }
}

/// One line for each thing that must hold, so that whoever looks sees which does not.
fn readiness(shared: &Shared) -> Response<Full<Bytes>> {
    let conditions = shared.conditions();
    let ready = conditions.iter().all(|(_, holds)| *holds);
    let mut page = String::new();
    for (name, holds) in conditions {
        page.push_str(name);
        page.push_str(if holds { ": ok\n" } else { ": not ready\n" });
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(status, page)
}

fn metrics(shared: &Shared) -> Response<Full<Bytes>> {
    match shared.metrics.text() {
        Ok(metrics) => {
            let mut page = text(StatusCode::OK, metrics);
            page.headers_mut()
                .insert(header::CONTENT_TYPE, OPEN_METRICS);
            page
        }
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics cannot be written\n".into(),
        ),
    }
}

fn text(status: StatusCode, page: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
