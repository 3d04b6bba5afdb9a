//! The smallest HTTP client: one blocking HTTP/1.1 request on one plain connection, for control and admin ports.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;

use crate::process::DEADLINE;

/// A response as a client saw it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status, 0 if there was none.
    pub status: u16,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body after chunk decoding.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of one header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Reads a response head: status and headers.
    pub fn read_head(reader: &mut impl BufRead) -> std::io::Result<Self> {
        let mut answer = Self::default();
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        answer.status =
            status.ok_or_else(|| std::io::Error::other(format!("no status: `{line}`")))?;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(answer);
            };
            answer
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

/// Calls `method target` on 127.0.0.1:`port` and returns the answer.
pub fn call(port: u16, method: &str, target: &str, body: &str) -> Answer {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    (&socket)
        .write_all(
            format!(
                "{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
        .unwrap();
    let mut reader = BufReader::new(socket);
    let mut answer = Answer::read_head(&mut reader).unwrap();
    match answer
        .header("content-length")
        .map(|length| length.parse::<u64>().unwrap())
    {
        Some(length) => reader.take(length).read_to_end(&mut answer.body).unwrap(),
        None => reader.read_to_end(&mut answer.body).unwrap(),
    };
    answer
}
