//! An HTTPS origin that answers with the body it got.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name it is asked for by.
pub(crate) const NAME: &str = "bench.example";

/// A running origin; ends with the process.
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its self-signed certificate, PEM.
    pub(crate) certificate: String,
}

impl Origin {
    /// Starts one on a port that the system chooses.
    pub(crate) async fn start() -> anyhow::Result<Origin> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        Ok(Origin {
            address,
            certificate: made.cert.pem(),
        })
    }
}

/// Serves one connection; a client that goes away is none of our business.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
