//! The control port: what a test asks the origin and tells it, over plain HTTP/1 on loopback.
//!
//! ```text
//! GET  /requests              every request parsed so far, as a JSON array
//! GET  /requests?complete=N   the same, as soon as N of them have arrived to their end
//! POST /gates/NAME?open=N     lets N more steps of the streams paced by NAME happen
//! PUT  /reply                 ["what ", "the model ", "says"], one string per streamed piece
//! PUT  /arguments             the same for the arguments of a tool call
//! ```

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::web::{json, parameter, status};
use super::{Body, World};

/// Answers control calls until the runtime ends.
pub(super) async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Ok((socket, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let world = Arc::clone(&world);
                async move { Ok::<_, Infallible>(answer(request, &world).await) }
            });
            let builder = hyper::server::conn::http1::Builder::new();
            let _ended = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, world: &World) -> Response<Body> {
    let uri = request.uri().clone();
    match (request.method(), uri.path()) {
        (&Method::GET, "/requests") => {
            let count = parameter(&uri, "complete").unwrap_or(0);
            json(&world.book.wait_for(count).await)
        }
        (&Method::PUT, "/reply" | "/arguments") => {
            let Ok(body) = request.into_body().collect().await else {
                return status(StatusCode::BAD_REQUEST);
            };
            let Ok(pieces) = serde_json::from_slice(&body.to_bytes()) else {
                return status(StatusCode::BAD_REQUEST);
            };
            match uri.path() {
                "/reply" => world.reply.set(pieces),
                _ => world.reply.set_arguments(pieces),
            }
            status(StatusCode::NO_CONTENT)
        }
        (&Method::POST, path) => match path.strip_prefix("/gates/") {
            Some(name) => {
                world.gates.open(name, parameter(&uri, "open").unwrap_or(1));
                status(StatusCode::NO_CONTENT)
            }
            None => status(StatusCode::NOT_FOUND),
        },
        _ => status(StatusCode::NOT_FOUND),
    }
}
