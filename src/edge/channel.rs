//! The socket between the two processes of a hand-over: messages in order, each with at most one descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::{cmsg_space, io::retry_on_intr};
use socket2::SockRef;

/// Most bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1_024;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A listening socket of the public side.
    PublicListener,
    /// A listening socket of the admin side.
    AdminListener,
    /// There are no more listening sockets.
    AllListeners,
    /// The new process is about to need its lane.
    WantLane,
    /// The lane is free; says the old process's last frame.
    LaneFree,
    /// The new process answers.
    Ready,
    /// Totals as the old process has answered them.
    Totals,
    /// A connection of the public side.
    PublicConnection,
    /// A connection of the admin side.
    AdminConnection,
}

const KINDS: [Kind; 9] = [
    Kind::PublicListener,
    Kind::AdminListener,
    Kind::AllListeners,
    Kind::WantLane,
    Kind::LaneFree,
    Kind::Ready,
    Kind::Totals,
    Kind::PublicConnection,
    Kind::AdminConnection,
];

/// A message that came.
#[derive(Debug)]
pub struct Message {
    /// What it is about.
    pub kind: Kind,
    /// What it says.
    pub said: Vec<u8>,
    /// The descriptor that came with it.
    pub descriptor: Option<OwnedFd>,
}

/// One end of the socket.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Both ends; neither is inherited by other processes unless it is handed to them.
    ///
    /// # Errors
    /// When there is no room for sockets.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { socket: ours }, theirs))
    }

    /// The end that a process was started with.
    pub const fn over(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Lets sending and receiving fail when the other end takes or says nothing for so long.
    ///
    /// # Errors
    /// When this is no socket.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        socket.set_write_timeout(patience)?;
        socket.set_read_timeout(patience)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the other process is gone or takes nothing.
    pub fn send(&self, kind: Kind, said: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let number = [KINDS.iter().position(|known| *known == kind).map_or(u8::MAX, to_byte)];
        let pieces = [IoSlice::new(&number), IoSlice::new(said)];
        retry_on_intr(|| sendmsg(&self.socket, &pieces, &mut ancillary, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Waits for a message; `None` when the other process has closed its end.
    ///
    /// # Errors
    /// When none came in time, or what came is no message.
    pub fn receive(&self) -> io::Result<Option<Message>> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut said = vec![0; MESSAGE_BYTES_MAX + 1];
        let mut pieces = [IoSliceMut::new(&mut said)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = retry_on_intr(|| recvmsg(&self.socket, &mut pieces, &mut ancillary, flags))?;
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        said.truncate(received.bytes);
        let Some((number, said)) = said.split_first() else {
            return Ok(None);
        };
        let kind = KINDS.get(usize::from(*number)).copied();
        let kind = kind.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no message of a hand-over"))?;
        Ok(Some(Message {
            kind,
            said: said.to_vec(),
            descriptor,
        }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn to_byte(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_message_and_works() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::over(theirs);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        ours.send(Kind::PublicConnection, b"who it is", Some(accepted.as_fd()))
            .unwrap();
        drop(accepted);
        let message = theirs.receive().unwrap().unwrap();
        assert_eq!(
            (message.kind, message.said.as_slice()),
            (Kind::PublicConnection, &b"who it is"[..])
        );
        let mut passed = TcpStream::from(message.descriptor.unwrap());
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        passed.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }

    #[test]
    fn messages_come_in_order_and_then_the_end() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::over(theirs);
        for kind in KINDS {
            ours.send(kind, &[], None).unwrap();
        }
        drop(ours);
        for kind in KINDS {
            assert_eq!(theirs.receive().unwrap().unwrap().kind, kind);
        }
        assert!(theirs.receive().unwrap().is_none());
        assert!(theirs.send(Kind::Ready, &[], None).is_err());
    }

    #[test]
    fn who_says_nothing_is_not_waited_for_longer_than_the_patience() {
        let (ours, _theirs) = Channel::pair().unwrap();
        ours.set_patience(Some(Duration::from_millis(10))).unwrap();
        let error = ours.receive().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
