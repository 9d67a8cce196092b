//! Malformed bytes, of several kinds.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use testkit::frames;

/// One hostile connection.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Whether it logs in first.
    pub(crate) logs_in: bool,
    /// What it then sends.
    pub(crate) bytes: Vec<u8>,
    /// Where the bytes are cut into two writes.
    pub(crate) cut: usize,
    /// How it leaves.
    pub(crate) ending: Ending,
}

/// How a hostile client leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// Closes at once, whatever is still to be read.
    Close,
    /// Closes with RST.
    Abort,
    /// Says no more, and reads until pgweir closes.
    Drain,
    /// Says nothing for a while, then closes.
    Silence,
}

/// Any case.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let bytes = prop_oneof![
        2 => (Just(false), prop::collection::vec(any::<u8>(), 0..200)),
        2 => (Just(false), startup_packet()),
        2 => (Just(true), prop::collection::vec(any::<u8>(), 1..200)),
        6 => (Just(true), mutated_messages()),
        2 => (Just(true), truncated_messages()),
    ];
    let ending = select(vec![Ending::Close, Ending::Abort, Ending::Drain, Ending::Silence]);
    (bytes, any::<Index>(), ending).prop_map(|((logs_in, bytes), cut, ending)| {
        let cut = cut.index(bytes.len() + 1);
        Case { logs_in, bytes, cut, ending }
    })
}

/// A first packet that is nearly right, and something behind it.
fn startup_packet() -> impl Strategy<Value = Vec<u8>> {
    let version = select(vec![
        frames::PROTOCOL_3_0,
        frames::PROTOCOL_3_2,
        frames::SSL_REQUEST,
        frames::GSSENC_REQUEST,
        frames::CANCEL_REQUEST,
        0x0002_0000,
        0x0003_ffff,
        0,
        u32::MAX,
    ]);
    let name = select(vec!["user", "database", "options", "replication", "_pq_.x", "", "TimeZone"]);
    let value = select(vec!["postgres", "pgweir", "no such", "", "-c geqo=off", "-x", "é", "true"]);
    let parameters = prop::collection::vec((name, value), 0..5);
    let length = prop_oneof![8 => Just(None), 1 => any::<u32>().prop_map(Some), 1 => Just(Some(9))];
    let rest = prop::collection::vec(any::<u8>(), 0..30);
    let all = (any::<bool>(), version, parameters, length, rest);
    all.prop_map(|(may_log_in, version, mut parameters, length, rest)| {
        let version = if may_log_in { frames::PROTOCOL_3_0 } else { version };
        if may_log_in {
            parameters.extend([("database", "postgres"), ("user", "postgres")]);
        }
        let mut packet = frames::startup(version, &parameters);
        if let Some(length) = length {
            packet[..4].copy_from_slice(&length.to_be_bytes());
        }
        packet.extend(rest);
        packet
    })
}

/// Messages as a driver sends them; together they touch all that a session can leave behind.
fn valid_message() -> impl Strategy<Value = Vec<u8>> {
    let text = select(vec![
        "SELECT 1",
        "BEGIN",
        "COMMIT",
        "SELECT 1/0",
        "SELECT pg_advisory_lock(7)",
        "SET application_name TO 'hostile'",
        "SET search_path TO nowhere",
        "CREATE TEMP TABLE theirs (a int)",
        "LISTEN hostile",
        "PREPARE theirs AS SELECT 1",
        "COPY (SELECT generate_series(1, 1000)) TO STDOUT",
        "COPY pg_temp.theirs FROM STDIN",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "DISCARD ALL",
        "SELECT pg_sleep(0.01)",
        "SELECT repeat('x', 100000)",
        "",
        ";",
    ]);
    let name = select(vec!["", "a", "b", "token", "__pgweir_0"]);
    (0..13_u8, text, name, prop::collection::vec(any::<u8>(), 0..20)).prop_map(
        |(kind, text, name, data)| match kind {
            0..3 => frames::query(text),
            3 => frames::parse(name, text),
            4 => frames::bind("", name, &[]),
            5 => frames::bind(name, name, &[Some("x"), None]),
            6 => frames::describe(if data.len() > 9 { b'S' } else { b'P' }, name),
            7 => frames::execute(name, i32::try_from(data.len()).unwrap()),
            8 => frames::close(if data.len() > 9 { b'S' } else { b'P' }, name),
            9 => frames::sync(),
            10 => frames::copy_data(&data),
            11 => [frames::copy_done(), frames::copy_fail("no")].concat(),
            _ => frames::message(b'F', &data),
        },
    )
}

/// What is done to a message.
#[derive(Clone, Debug)]
enum Mutation {
    Nothing,
    Length(u32),
    LengthBy(i8),
    Type(u8),
    Byte(Index, u8),
    Insert(Index, Vec<u8>),
    Twice,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => Just(Mutation::Nothing),
        1 => any::<u32>().prop_map(Mutation::Length),
        2 => any::<i8>().prop_map(Mutation::LengthBy),
        1 => any::<u8>().prop_map(Mutation::Type),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..10))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => Just(Mutation::Twice),
    ]
}

fn mutate(mut message: Vec<u8>, mutation: Mutation) -> Vec<u8> {
    let length = u32::from_be_bytes(message[1..5].try_into().unwrap());
    match mutation {
        Mutation::Nothing => {}
        Mutation::Length(length) => message[1..5].copy_from_slice(&length.to_be_bytes()),
        Mutation::LengthBy(by) => {
            let length = length.wrapping_add_signed(by.into());
            message[1..5].copy_from_slice(&length.to_be_bytes());
        }
        Mutation::Type(kind) => message[0] = kind,
        Mutation::Byte(at, byte) => {
            let at = at.index(message.len());
            message[at] = byte;
        }
        Mutation::Insert(at, bytes) => {
            let at = at.index(message.len());
            message.splice(at..at, bytes);
        }
        Mutation::Twice => message.extend(message.clone()),
    }
    message
}

fn mutated_messages() -> impl Strategy<Value = Vec<u8>> {
    let message = (valid_message(), mutation()).prop_map(|(message, how)| mutate(message, how));
    prop::collection::vec(message, 1..8).prop_map(|messages| messages.concat())
}

/// Valid messages of which the last is cut off.
fn truncated_messages() -> impl Strategy<Value = Vec<u8>> {
    let messages = prop::collection::vec(valid_message(), 1..5);
    (messages, any::<Index>()).prop_map(|(messages, cut)| {
        let last = messages.last().map_or(0, Vec::len);
        let mut bytes = messages.concat();
        bytes.truncate(bytes.len() - 1 - cut.index(last - 1));
        bytes
    })
}
