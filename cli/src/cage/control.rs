//! The socket pair between the `egret exec` that people see and its half inside the cage.
//!
//! Nouns: [`Control`] (one end), [`Message`]. Each message is one datagram of a `SOCK_SEQPACKET` pair, JSON, with
//! descriptors beside it where they are handed over (`SCM_RIGHTS`). The end of the pair means that the other
//! half is gone, and then so is this one.

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// The largest message: a plan with every socket of a busy machine stays far below.
const LARGEST: usize = 192 * 1024;
const MOST_DESCRIPTORS: usize = 8;

/// What the halves tell each other, in the order of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Outer to the first stage: enter the namespaces and build the network.
    Enter(Box<super::plan::Plan>),
    /// First stage to outer, with the listeners: the network stands.
    Listening,
    /// Outer to the second stage, with the command's standard input: build the rest.
    Furnish(Box<super::plan::Plan>),
    /// Outer to inner: the proxy serves, start the command.
    Go,
    /// Inner to outer: something could not be done; nothing runs.
    Failed { reason: String, exit_code: u8 },
    /// Inner to outer: the command was stopped (job control).
    Stopped,
    /// Inner to outer: how the command ended.
    Ended(Ending),
    /// Outer to inner: pass this signal on to the command.
    Signal(i32),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// It exited with this code.
    Exited(u8),
    /// A signal killed it.
    Killed(i32),
}

/// One end.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    /// Both ends, neither inherited by accident.
    pub(super) fn pair() -> io::Result<(Control, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Control(ours), theirs))
    }

    /// The end that a stage finds as its standard input.
    pub(super) fn from_stdin() -> io::Result<Self> {
        Ok(Control(std::io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// A second handle on the same end.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        Ok(Control(self.0.try_clone()?))
    }

    /// Sends a message.
    pub(super) fn send(&self, message: &Message) -> io::Result<()> {
        self.send_with(message, &[])
    }

    /// Sends a message and descriptors with it.
    pub(super) fn send_with(
        &self,
        message: &Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        // A half that is gone shows as an error here, not as a signal that kills this one.
        sendmsg(
            &self.0,
            &[IoSlice::new(&text)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// Waits for a message and the descriptors that came with it. `None`: the other half is gone.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut text = vec![0u8; LARGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [IoSliceMut::new(&mut text)];
            match recvmsg(
                &self.0,
                &mut slices,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                other => break other?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::Error::other(
                "a message between the two halves is too long",
            ));
        }
        let message = serde_json::from_slice(text.get(..received.bytes).unwrap_or_default())?;
        let mut descriptors = Vec::new();
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = part {
                descriptors.extend(received);
            }
        }
        Ok(Some((message, descriptors)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Message};
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[test]
    fn descriptors_travel_and_the_end_is_seen() {
        let (ours, theirs) = Control::pair().unwrap();
        let theirs = Control(theirs);
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        ours.send_with(&Message::Go, &[writer.as_fd()]).unwrap();
        writer.write_all(b"x").unwrap();
        drop(writer);
        let (message, mut descriptors) = theirs.receive().unwrap().unwrap();
        assert!(matches!(message, Message::Go));
        let mut received = std::fs::File::from(descriptors.pop().unwrap());
        received.write_all(b"y").unwrap();
        drop(received);
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "xy");
        drop(ours);
        assert!(theirs.receive().unwrap().is_none());
    }
}
