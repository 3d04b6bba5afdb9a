//! A client by hand: bytes on a socket, in clear or inside TLS, for what no well-behaved client sends.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::Answer;
use crate::process::DEADLINE;

/// Anything that can be read and written.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection, buffered towards the reader.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
}

impl Wire {
    /// A plain connection to 127.0.0.1:`port`.
    pub fn connect(port: u16) -> Self {
        Self {
            stream: BufReader::new(Box::new(socket(port))),
        }
    }

    /// A connection over a socket that is there already.
    pub fn over(socket: TcpStream) -> Self {
        Self {
            stream: BufReader::new(Box::new(socket)),
        }
    }

    /// CONNECTs to `host:443` at the proxy and speaks TLS inside, offering HTTP/1.1 alone.
    pub fn tunnel(proxy: u16, host: &str, ca: &Path) -> Self {
        Self::tunnel_as(proxy, host, host, ca)
    }

    /// The same, but with another name in the TLS handshake than in the CONNECT.
    pub fn tunnel_as(proxy: u16, host: &str, server_name: &str, ca: &Path) -> Self {
        let socket = Self::connect_method(proxy, &format!("{host}:443"));
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Self {
            stream: BufReader::new(Box::new(StreamOwned::new(connection, socket))),
        }
    }

    /// The socket after a CONNECT that was answered with 200.
    pub fn connect_method(proxy: u16, authority: &str) -> TcpStream {
        let mut socket = socket(proxy);
        write!(
            socket,
            "CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer to CONNECT");
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        assert!(
            head.starts_with("HTTP/1.1 200"),
            "CONNECT was answered with {head}"
        );
        socket
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())?;
        self.stream.get_mut().flush()
    }

    /// Reads the head of the next response.
    pub fn head(&mut self) -> std::io::Result<Answer> {
        Answer::read_head(&mut self.stream)
    }

    /// Reads a response with a `content-length`, body and all.
    pub fn answer(&mut self) -> std::io::Result<Answer> {
        let mut answer = self.head()?;
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse().ok());
        answer.body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Reads whatever comes until the other side ends the connection, in order or not.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well; what came before it is in `rest`.
        let _ended = self.stream.read_to_end(&mut rest);
        rest
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer)
    }
}

fn socket(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}
