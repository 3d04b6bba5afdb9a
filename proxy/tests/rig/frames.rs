//! HTTP/2 written by hand (RFC 9113), for what a well-behaved library would not send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Rig;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A frame as it was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection on which the preface, empty settings and room for many answers were sent.
pub(crate) async fn connect(rig: &Rig, name: &str) -> TlsStream<TcpStream> {
    let mut stream = rig.secured(&format!("{name}:443"), name, &["h2"]).await;
    let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    first.extend(frame(SETTINGS, 0, 0, &[]));
    first.extend(frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0, 0, 0]));
    stream.write_all(&first).await.unwrap();
    stream
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block (RFC 7541) with literals that no table keeps.
pub(crate) fn block(method: &str, authority: &str, path: &str) -> Vec<u8> {
    let mut block = vec![0x87];
    for (name, value) in [(2, method), (1, authority), (4, path)] {
        assert!(value.len() < 127);
        block.extend([name, value.len() as u8]);
        block.extend(value.as_bytes());
    }
    block
}

/// The next frame, or `None` when the connection is over.
pub(crate) async fn next<S>(stream: &mut S) -> Option<Frame>
where
    S: tokio::io::AsyncRead + Unpin,
{
    let read = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    };
    let read = tokio::time::timeout(Duration::from_secs(20), read).await;
    read.expect("a frame or the end")
}
