//! A client and servers that say anything, in messages that are nearly right: the session between
//! them does not panic, makes progress, and keeps what it writes within bounds.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pgweir_pooling::session::Loss;

#[allow(dead_code, reason = "the tests of the session use more of it")]
#[path = "../../crates/pooling/tests/session/conversation/mod.rs"]
mod conversation;

use conversation::{Conversation, from_server, server};

/// What is said, by either side.
#[derive(Arbitrary, Debug)]
enum Said<'a> {
    Client(ClientSays<'a>),
    Server(ServerSays<'a>),
    ServerIsLost,
    /// Bytes as they are.
    ClientBytes(&'a [u8]),
    ServerBytes(&'a [u8]),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    Unnamed,
    A,
    B,
    Ours,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Text<'a> {
    Select,
    Begin,
    Commit,
    Set,
    DiscardAll,
    ResetAll,
    DeallocateA,
    DeallocateAll,
    CopyIn,
    Listen,
    Two,
    Empty,
    Any(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum ClientSays<'a> {
    Query(Text<'a>),
    Parse(Name, Text<'a>),
    Bind(Name, Name),
    DescribeStatement(Name),
    DescribePortal(Name),
    Execute(Name),
    CloseStatement(Name),
    ClosePortal(Name),
    Sync,
    Flush,
    CopyData,
    CopyDone,
    CopyFail,
    Any(u8, &'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum ServerSays<'a> {
    ParseComplete,
    BindComplete,
    CloseComplete,
    RowDescription,
    NoData,
    DataRow,
    CommandComplete,
    EmptyQuery,
    PortalSuspended,
    CopyIn,
    CopyOut,
    CopyDone,
    Idle,
    InBlock,
    Failed,
    Error,
    Fatal,
    Notice,
    TimeZone,
    Any(u8, &'a [u8]),
}

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_be_bytes(), &body].concat()
}

impl Name {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Unnamed => b"\0",
            Self::A => b"a\0",
            Self::B => b"b\0",
            Self::Ours => b"__pgweir_0\0",
        }
    }
}

impl<'a> Text<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Select => b"select 1",
            Self::Begin => b"begin",
            Self::Commit => b"commit",
            Self::Set => b"set timezone to 'UTC'",
            Self::DiscardAll => b"discard all",
            Self::ResetAll => b"reset all",
            Self::DeallocateA => b"deallocate a",
            Self::DeallocateAll => b"deallocate all",
            Self::CopyIn => b"copy t from stdin",
            Self::Listen => b"listen x",
            Self::Two => b"select 1; select 2",
            Self::Empty => b"",
            Self::Any(text) => text,
        }
    }
}

impl ClientSays<'_> {
    fn bytes(&self) -> Vec<u8> {
        match *self {
            Self::Query(text) => message(b'Q', &[text.bytes(), b"\0"]),
            Self::Parse(name, text) => message(b'P', &[name.bytes(), text.bytes(), b"\0\0\0"]),
            Self::Bind(portal, name) => {
                message(b'B', &[portal.bytes(), name.bytes(), b"\0\0\0\0\0\0"])
            }
            Self::DescribeStatement(name) => message(b'D', &[b"S", name.bytes()]),
            Self::DescribePortal(name) => message(b'D', &[b"P", name.bytes()]),
            Self::Execute(name) => message(b'E', &[name.bytes(), b"\0\0\0\0"]),
            Self::CloseStatement(name) => message(b'C', &[b"S", name.bytes()]),
            Self::ClosePortal(name) => message(b'C', &[b"P", name.bytes()]),
            Self::Sync => message(b'S', &[]),
            Self::Flush => message(b'H', &[]),
            Self::CopyData => message(b'd', &[b"1\n"]),
            Self::CopyDone => message(b'c', &[]),
            Self::CopyFail => message(b'f', &[b"no\0"]),
            Self::Any(kind, body) => message(kind, &[body]),
        }
    }
}

impl ServerSays<'_> {
    fn bytes(&self) -> Vec<u8> {
        let said = match *self {
            Self::ParseComplete => "1",
            Self::BindComplete => "2",
            Self::CloseComplete => "3",
            Self::RowDescription => "T",
            Self::NoData => "n",
            Self::DataRow => "D 1",
            Self::CommandComplete => "C SELECT 1",
            Self::EmptyQuery => "I",
            Self::PortalSuspended => "s",
            Self::CopyIn => "G",
            Self::CopyOut => "H",
            Self::CopyDone => "c",
            Self::Idle => "Z I",
            Self::InBlock => "Z T",
            Self::Failed => "Z E",
            Self::Error => "E 22012 division by zero",
            Self::Fatal => return message(b'E', &[b"SFATAL\0VFATAL\0C57P01\0Mbye\0\0"]),
            Self::Notice => "N 00000 a notice",
            Self::TimeZone => "S TimeZone=Asia/Tokyo",
            Self::Any(kind, body) => return message(kind, &[body]),
        };
        from_server(&[said])
    }
}

fuzz_target!(|said: Vec<Said<'_>>| {
    let (mut talk, mut one) = (Conversation::new(&[("geqo", "off")]), server(1));
    let (mut input, mut messages) = (0, 0);
    for said in said {
        let (by_client, bytes) = match said {
            Said::Client(says) => (true, says.bytes()),
            Said::ClientBytes(bytes) => (true, bytes.to_vec()),
            Said::Server(says) => (false, says.bytes()),
            Said::ServerBytes(bytes) => (false, bytes.to_vec()),
            Said::ServerIsLost => (false, Vec::new()),
        };
        input += bytes.len();
        messages += 1 + bytes.len() / 5;
        let alive = if by_client {
            if talk.client_bytes(&mut one, &bytes).is_err() || talk.terminated {
                break;
            }
            true
        } else if talk.attached && !bytes.is_empty() {
            talk.server_bytes(&mut one, &bytes).unwrap_or(false)
        } else {
            !talk.attached
        };
        let (to_server, to_client) = talk.output();
        // A statement may be written again for each message that uses it.
        let bound = (input + 1_000) * (messages + 1);
        assert!(to_server.len() + to_client.len() <= bound, "more than {bound}");
        if !alive {
            if talk.lose(&mut one) == Loss::Close {
                break;
            }
            one = server(1);
        }
    }
    let now = talk.now;
    talk.session.gone(now, &mut talk.events);
});
