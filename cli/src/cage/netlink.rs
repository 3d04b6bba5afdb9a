//! Netlink messages: bytes in, bytes out, and the one socket that carries them (RFC 3549; linux/netlink.h).
//!
//! Nouns: [`Message`] (built attribute by attribute), [`Socket`] (sends a batch and waits for every
//! acknowledgement). What the messages mean is the business of [`super::network`] and [`super::redirect`].

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use std::io;
use std::os::fd::OwnedFd;

/// `NLM_F_REQUEST`
pub(super) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`
pub(super) const ACK: u16 = 0x4;
/// `NLM_F_CREATE`
pub(super) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`
pub(super) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_APPEND`
pub(super) const APPEND: u16 = 0x800;

const NESTED: u16 = 0x8000;
const ERROR: u16 = 2;
const HEADER: usize = 16;

/// One message under construction. Its length field is kept right after every step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Message {
    /// A message of this type with the fixed header that its family puts before the attributes.
    pub(super) fn new(kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        let mut message = Message { bytes, sequence };
        message.bytes.extend_from_slice(fixed);
        message.seal();
        message
    }

    /// Appends an attribute with these bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&attribute(kind, value));
        self.seal();
        self
    }

    /// Appends an attribute holding a string and the zero byte that ends it.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let terminated: Vec<u8> = value.bytes().chain([0]).collect();
        self.bytes(kind, &terminated)
    }

    /// Appends attributes within an attribute.
    pub(super) fn nest(self, kind: u16, inner: &[Vec<u8>]) -> Self {
        let nested = nested(kind, inner);
        let mut message = self;
        message.bytes.extend_from_slice(&nested);
        message.seal();
        message
    }

    fn seal(&mut self) {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(..4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// One attribute: length, type, value, padded to four bytes.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(value.len() + 8);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Attributes within an attribute.
pub(super) fn nested(kind: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &inner.concat())
}

/// A netlink socket of one protocol, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one; `None` is `NETLINK_ROUTE`, whose number is zero.
    pub(super) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let descriptor = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        Ok(Socket(descriptor))
    }

    /// Sends the messages in one datagram and waits until each one that asks for it is acknowledged. The first
    /// refusal is the error.
    pub(super) fn transact(&self, messages: &[Message]) -> io::Result<()> {
        let datagram: Vec<u8> = messages
            .iter()
            .flat_map(|message| message.bytes.iter().copied())
            .collect();
        send(&self.0, &datagram, SendFlags::empty())?;
        let mut awaited: Vec<u32> = messages
            .iter()
            .filter(|message| asks_for_ack(message))
            .map(|message| message.sequence)
            .collect();
        while !awaited.is_empty() {
            for answer in self.receive()? {
                if answer.code != 0 {
                    return Err(io::Error::from_raw_os_error(-answer.code));
                }
                awaited.retain(|sequence| *sequence != answer.sequence);
            }
        }
        Ok(())
    }

    fn receive(&self) -> io::Result<Vec<Answer>> {
        let mut buffer = vec![0u8; 32 * 1024];
        let (_, length) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
        let received = buffer.get(..length).unwrap_or_default();
        Ok(answers(received))
    }
}

/// `NLMSG_ERROR`: zero is an acknowledgement.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    sequence: u32,
    code: i32,
}

fn asks_for_ack(message: &Message) -> bool {
    u16_at(&message.bytes, 6).is_some_and(|flags| flags & ACK != 0)
}

fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let (Some(length), Some(kind), Some(sequence)) =
        (u32_at(bytes, 0), u16_at(bytes, 4), u32_at(bytes, 8))
    {
        if kind == ERROR
            && let Some(code) = u32_at(bytes, HEADER)
        {
            answers.push(Answer {
                sequence,
                code: code.cast_signed(),
            });
        }
        let step = usize::try_from(length).unwrap_or(usize::MAX).max(HEADER);
        bytes = bytes
            .get(step.next_multiple_of(4).min(bytes.len())..)
            .unwrap_or_default();
    }
    answers
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset + 4)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..offset + 2)?;
    Some(u16::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{ACK, Answer, Message, REQUEST, answers, attribute, nested};

    #[test]
    fn attributes_are_padded_but_their_length_is_not() {
        assert_eq!(attribute(3, b"ab"), [6, 0, 3, 0, b'a', b'b', 0, 0]);
        assert_eq!(
            nested(1, &[attribute(2, &[7])]),
            [12, 0, 1, 0x80, 5, 0, 2, 0, 7, 0, 0, 0]
        );
    }

    #[test]
    fn a_message_knows_its_length() {
        let message = Message::new(16, REQUEST | ACK, 9, &[0; 4]).text(1, "lo");
        assert_eq!(message.bytes.len(), 16 + 4 + 8);
        assert_eq!(message.bytes[..4], 28u32.to_ne_bytes());
    }

    #[test]
    fn answers_survive_garbage() {
        let mut bytes = Message::new(2, 0, 5, &(-1i32).to_ne_bytes()).bytes;
        assert_eq!(
            answers(&bytes),
            [Answer {
                sequence: 5,
                code: -1
            }]
        );
        bytes.truncate(18);
        assert_eq!(answers(&bytes), []);
        assert_eq!(answers(&[0; 64]), []);
    }
}
