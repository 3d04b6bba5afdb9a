//! Listeners that break the connection at a chosen moment, or lie about the body they send.
//!
//! Each [`Fault`] has a port of its own, because the early ones strike before there is a name or a path to choose by.
//! All speak TLS and then HTTP/1.1 by hand: no HTTP library lets itself be made to send this.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::book::Seen;
use super::identity::Identity;
use super::{World, bind};

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Reset before anything is read.
    AtAccept,
    /// Reset after the first bytes of the ClientHello.
    InHello,
    /// Reset after the TLS handshake.
    AfterHandshake,
    /// Reset after the first byte of the request.
    InRequestHead,
    /// Reset after the whole request head.
    AfterRequestHead,
    /// Reset after the first bytes of the request body.
    InRequestBody,
    /// These bytes, then a reset.
    Reset(&'static [u8]),
    /// These bytes, then an orderly end.
    Close(&'static [u8]),
}

use Fault::{
    AfterHandshake, AfterRequestHead, AtAccept, Close, InHello, InRequestBody, InRequestHead, Reset,
};

/// Every fault by the name of its port.
const FAULTS: &[(&str, Fault)] = &[
    ("at-accept", AtAccept),
    ("in-hello", InHello),
    ("after-handshake", AfterHandshake),
    ("in-request-head", InRequestHead),
    ("after-request-head", AfterRequestHead),
    ("in-request-body", InRequestBody),
    ("in-status-line", Reset(b"HTTP/1.1 2")),
    ("in-response-head", Reset(b"HTTP/1.1 200 OK\r\ncontent-type: te")),
    (
        "in-response-body",
        Reset(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nhalf of it"),
    ),
    (
        "in-chunk",
        Reset(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n40\r\nhalf a chunk"),
    ),
    (
        "before-last-chunk",
        Reset(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n"),
    ),
    (
        "short-body",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nmuch less"),
    ),
    (
        "two-lengths",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\ncontent-length: 9\r\n\r\nfour five"),
    ),
    (
        "length-and-chunked",
        Close(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"),
    ),
    (
        "bad-chunk",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nfour\r\n0\r\n\r\n"),
    ),
    (
        "not-gzip",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nno gzip!!"),
    ),
    (
        "cut-gzip",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"),
    ),
    (
        "unknown-coding",
        Close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: rot13\r\ncontent-length: 5\r\n\r\nuryyb"),
    ),
    ("not-http", Close(b"220 mail.example ESMTP\r\n")),
];

/// Starts one listener for each fault.
pub(super) async fn start(
    identity: &Identity,
    world: &Arc<World>,
) -> anyhow::Result<BTreeMap<&'static str, u16>> {
    let acceptor = TlsAcceptor::from(identity.server_config(&[b"http/1.1"])?);
    let mut ports = BTreeMap::new();
    for (name, fault) in FAULTS {
        let (listener, port) = bind().await?;
        tokio::spawn(serve(listener, acceptor.clone(), *fault, Arc::clone(world)));
        ports.insert(*name, port);
    }
    Ok(ports)
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, fault: Fault, world: Arc<World>) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let _struck = strike(socket, acceptor, fault, &world).await;
        });
    }
}

async fn strike(
    mut socket: TcpStream,
    acceptor: TlsAcceptor,
    fault: Fault,
    world: &World,
) -> io::Result<()> {
    match fault {
        AtAccept => return socket.set_zero_linger(),
        InHello => {
            socket.read_exact(&mut [0; 16]).await?;
            return socket.set_zero_linger();
        }
        _ => {}
    }
    let mut stream = acceptor.accept(socket).await?;
    match fault {
        AtAccept | InHello | AfterHandshake => {}
        InRequestHead => {
            stream.read_exact(&mut [0; 1]).await?;
        }
        AfterRequestHead => read_head(&mut stream, world).await?,
        InRequestBody => {
            read_head(&mut stream, world).await?;
            stream.read_exact(&mut [0; 1]).await?;
        }
        Reset(answer) => {
            read_head(&mut stream, world).await?;
            stream.write_all(answer).await?;
            stream.flush().await?;
        }
        Close(answer) => {
            read_head(&mut stream, world).await?;
            stream.write_all(answer).await?;
            return stream.shutdown().await;
        }
    }
    stream.get_ref().0.set_zero_linger()
}

/// Reads a request head byte by byte, so that the body stays unread, and notes it in the book.
async fn read_head(stream: &mut TlsStream<TcpStream>, world: &World) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let seen = Seen {
        tls: true,
        method: word(),
        target: word(),
        version: word(),
        ..Seen::default()
    };
    world.book.push(seen);
    Ok(())
}
