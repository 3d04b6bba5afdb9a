//! The explicit proxy: absolute-form requests, and CONNECT, which hands the stream to the spine.
//!
//! A CONNECT to a host that will be denied is answered 200 all the same: the refusal follows inside TLS as
//! a 403 with a JSON body, which curl and the SDKs show, where they swallow the body of a refused
//! CONNECT. Nothing is dialled for it. Only a CONNECT that cannot be understood is refused as such.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::conversation::{self, Conversation, Road, Unidentified};
use crate::forward::Refused;
use crate::http_server::{account, http1_builder, until_drained};
use crate::judge::Known;
use crate::open::{OpenExchange, OpenFlow};
use crate::read::{self, Bound, Objection};
use crate::reply::{self, Reply};
use crate::serve;
use crate::stream::Captured;
use crate::watched::Watched;

type Client = TokioIo<Watched<Captured<TcpStream>>>;

/// Serves one client of the explicit proxy.
pub(crate) async fn serve(stream: TcpStream, flow: Arc<OpenFlow>) {
    let shared = Arc::clone(&flow.shared);
    let front = Arc::new(Front {
        conversation: Arc::new(Conversation {
            flow: Arc::clone(&flow),
            bound: Bound::Anywhere,
            road: Road::Pooled,
        }),
        tunnel: Mutex::new(None),
    });
    let stream = Captured::new(stream, shared.limits.idle);
    let (stream, signs) = Watched::new(stream, shared.limits.header_bytes);
    let service = {
        let (front, signs) = (Arc::clone(&front), signs.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(signs.clone());
            Arc::clone(&front).request(request)
        })
    };
    let io: Client = TokioIo::new(stream);
    let connection = http1_builder(&shared.limits)
        .serve_connection(io, service)
        .with_upgrades();
    let end = http1::UpgradeableConnection::graceful_shutdown;
    let served = until_drained(connection, end, &shared).await;
    if let Err(error) = served {
        tracing::debug!(%error, "explicit connection ended");
        account(&front.conversation, &error, signs.unfinished());
    }
    if let Some((upgrade, known)) = front.take_tunnel() {
        enter(upgrade, flow, known).await;
    }
}

/// The service of one connection.
struct Front {
    conversation: Arc<Conversation>,
    tunnel: Mutex<Option<(OnUpgrade, Known)>>,
}

impl Front {
    async fn request(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Unidentified> {
        if request.method() == Method::CONNECT {
            return self.connect(request).await;
        }
        Arc::clone(&self.conversation).exchange(request).await
    }

    async fn connect(&self, request: Request<Incoming>) -> Result<Reply, Unidentified> {
        let (host, port) = match read::connect_target(request.uri(), request.headers()) {
            Ok(target) => target,
            Err(objection) => return self.object(&request, objection).await,
        };
        let mut known = Known {
            host: Some(host),
            port,
            ..Known::default()
        };
        if let Some(stated) = request.uri().authority() {
            let flow = &self.conversation.flow;
            flow.scan_stated_name(&mut known, stated.as_str());
        }
        self.conversation.flow.expect(&known, None);
        let upgrade = hyper::upgrade::on(request);
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, known));
        Ok(established())
    }

    async fn object(
        &self,
        request: &Request<Incoming>,
        objection: Objection,
    ) -> Result<Reply, Unidentified> {
        let flow = &self.conversation.flow;
        let known = Known {
            trouble: Some(objection.trouble),
            ..Known::default()
        };
        let exchange = OpenExchange::new(flow, conversation::identify()?, known);
        let refused = Refused {
            verdict: exchange.judge(),
            detail: Some(objection.detail),
        };
        Ok(conversation::refuse(&exchange, refused, request.method()).await)
    }

    fn take_tunnel(&self) -> Option<(OnUpgrade, Known)> {
        self.tunnel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// What follows the 200: the stream as the client sees it, connected to its destination.
async fn enter(upgrade: OnUpgrade, flow: Arc<OpenFlow>, known: Known) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%error, "no tunnel after CONNECT"),
    };
    let Some(stream) = reclaim(upgraded, &flow, &known) else {
        return;
    };
    Box::pin(serve::captured(stream, flow, known)).await;
}

/// The socket back from hyper. Bytes that came with the CONNECT head, before our answer, are no part of
/// the tunnel: whoever sends them may be smuggling, and the connection ends.
fn reclaim(upgraded: Upgraded, flow: &OpenFlow, known: &Known) -> Option<Captured<TcpStream>> {
    let parts = upgraded.downcast::<Client>().ok()?;
    if parts.read_buf.is_empty()
        && let Some(stream) = parts.io.into_inner().into_inner()
    {
        return Some(stream);
    }
    serve::turn_away(
        flow,
        known.clone(),
        "bytes came before CONNECT was answered",
    );
    None
}

fn established() -> Reply {
    let mut answer = Response::new(reply::empty());
    *answer.status_mut() = StatusCode::OK;
    answer
}
