//! Two clients that share one server connection, each of which must hear exactly what it would hear
//! from a server of its own.

use std::sync::Arc;

use pgweir_pooling::known::{KnownStatements, Serves};
use proptest::prelude::*;
use proptest::sample::select;

use crate::conversation::{Conversation, Server, server};
use crate::model_server::{BAD_DATA, BINDABLE, ModelServer, TEXTS};

/// A message, shown as text.
#[derive(Clone)]
struct Said(Vec<u8>);

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.0[5..]).replace('\0', "|");
        write!(f, "{}:{text}", char::from(self.0[0]))
    }
}

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), &body].concat()
}

fn any_message() -> impl Strategy<Value = Said> {
    let name = || select(vec!["", "a", "b"]).prop_map(|name| [name.as_bytes(), b"\0"].concat());
    let text = || select(TEXTS.to_vec()).prop_map(|text| [text.as_bytes(), b"\0"].concat());
    let bindable = select(BINDABLE.to_vec()).prop_map(|text| [text.as_bytes(), b"\0"].concat());
    prop_oneof![
        4 => text().prop_map(|text| message(b'Q', &[&text])),
        6 => bindable.prop_map(|text| message(b'Q', &[&text])),
        6 => (name(), text()).prop_map(|(name, text)| message(b'P', &[&name, &text, b"\0\0"])),
        6 => (name(), name()).prop_map(|(portal, name)| {
            message(b'B', &[&portal, &name, b"\0\0\0\0\0\0"])
        }),
        2 => (select(b"SP".to_vec()), name()).prop_map(|(of, name)| message(b'D', &[&[of], &name])),
        6 => (name(), 0..3_u8).prop_map(|(name, limit)| message(b'E', &[&name, &[0, 0, 0, limit]])),
        3 => (select(b"SP".to_vec()), name()).prop_map(|(of, name)| message(b'C', &[&[of], &name])),
        6 => Just(message(b'S', &[])),
        1 => Just(message(b'H', &[])),
        1 => Just(message(b'd', &[b"1\n"])),
        1 => Just(message(b'd', &[BAD_DATA])),
        1 => Just(message(b'c', &[])),
        1 => Just(message(b'f', &[b"no\0"])),
    ]
    .prop_map(Said)
}

/// What a client says, without what would be an error in the middle of a COPY (and, unless it `fails`,
/// elsewhere), up to an end at which nothing is due and no transaction open; and what a server of its
/// own answers.
fn alone(said: &[Said], fails: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut kept, mut heard) = (Vec::new(), Vec::new());
    let mut own = ModelServer::default();
    let (mut synced, mut unnamed, mut lost) = (true, false, false);
    // A Query has two COPYs at most.
    let done = || message(b'c', &[]);
    let end = [done(), done(), message(b'S', &[]), message(b'Q', &[b"rollback\0"])];
    for one in said.iter().map(|said| &said.0).chain(&end) {
        let of_copy = matches!(one[0], b'd' | b'c' | b'f');
        if own.copies() && !of_copy && !matches!(one[0], b'S' | b'H') {
            continue;
        }
        // Nor is anything but a Sync said then.
        if !sensible(one, synced, unnamed) || (fails && lost && !of_copy && one[0] != b'S') {
            continue;
        }
        unnamed =
            !matches!(one[0], b'S' | b'Q') && (unnamed || one.starts_with(b"P") && one[5] == 0);
        synced = matches!(one[0], b'S' | b'Q') || (synced && of_copy);
        lost = if one[0] == b'S' { own.copies() } else { lost };
        if !fails && shown(&own.clone().answer(one)).iter().any(|answer| answer.starts_with('E')) {
            continue;
        }
        heard.extend(own.answer(one));
        kept.push(one.clone());
    }
    (kept, heard)
}

/// No driver sends a Query into a pipeline before its Sync, closes the unnamed statement, or uses it
/// without a Parse in the same pipeline: what pgweir knows of that statement is wrong if a message that
/// made or ended it was skipped because of an error before it.
fn sensible(one: &[u8], synced: bool, unnamed: bool) -> bool {
    let uses_unnamed = match one[0] {
        b'B' => one[5..].split(|byte| *byte == 0).nth(1) == Some(b""),
        b'D' => one[5..] == *b"S\0",
        _ => false,
    };
    match one[0] {
        b'Q' => synced,
        b'C' => one[5..] != *b"S\0",
        _ => unnamed || !uses_unnamed,
    }
}

/// A client of the two.
struct Client {
    talk: Conversation,
    to_say: std::vec::IntoIter<Vec<u8>>,
    /// Something may fail: it hears the answers up to a Sync before it says more.
    fails: bool,
    expected: Vec<u8>,
    heard: Vec<u8>,
}

impl Client {
    fn new(said: &[Said], fails: bool, known: &Arc<KnownStatements>) -> Self {
        let (kept, expected) = alone(said, fails);
        let mut talk = Conversation::new(&[]);
        talk.session = talk.session.with_known(Arc::clone(known));
        Self { talk, to_say: kept.into_iter(), fails, expected, heard: Vec::new() }
    }

    /// Says the next few messages, in one piece, and hears the answers, cut at `cut`.
    fn say(&mut self, one: &mut Server, model: &mut ModelServer, count: usize, cut: usize) {
        let mut bytes = Vec::new();
        for one in self.to_say.by_ref().take(count) {
            bytes.extend(&one);
            // A COPY reads over a Sync. Of one that fails nobody knows whether it came to that, and
            // pgweir gives up a server connection that was sent more behind it.
            if self.fails && matches!(one[0], b'S' | b'Q' | b'd' | b'c' | b'f') {
                break;
            }
        }
        self.talk.client_bytes(one, &bytes).expect("it keeps to the protocol");
        loop {
            let (to_server, to_client) = self.talk.output();
            self.heard.extend(to_client);
            let to_server = to_server.to_vec();
            self.talk.forget();
            if to_server.is_empty() {
                return;
            }
            let answer = model.answer(&to_server);
            for part in answer.chunks(cut.max(1)) {
                assert!(self.talk.attached, "an answer for one that holds no server");
                let alive = self.talk.server_bytes(one, part);
                assert_eq!(alive, Ok(true), "{}", String::from_utf8_lossy(&answer));
            }
        }
    }

    fn is_done(&self) -> bool {
        self.to_say.len() == 0
    }
}

/// Messages as text. Of an error not what it says.
fn shown(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let (body, rest) = rest.split_at(length);
        let body = if head[0] == b'E' { &b""[..] } else { body };
        all.push(format!("{} {}", char::from(head[0]), String::from_utf8_lossy(body)));
        bytes = rest;
    }
    all
}

fn check(
    said: &[Vec<Said>; 2],
    fails: bool,
    prepares: bool,
    turns: &[(bool, usize, usize)],
    keep: usize,
) {
    let (mut one, mut model) = (server(keep), ModelServer::default());
    let known = Arc::new(KnownStatements::default());
    known.serve(Serves { unnamed: false, queries: prepares });
    let mut clients = [0, 1].map(|client| Client::new(&said[client], fails, &known));
    let rest = std::iter::repeat_n([(false, 3, 1_000), (true, 3, 1_000)], 200).flatten();
    for (second, count, cut) in turns.iter().copied().chain(rest) {
        let (this, other) = (usize::from(second), usize::from(!second));
        // The server connection is the other's for as long as it holds it.
        if !clients[other].talk.attached && !clients[this].is_done() {
            clients[this].say(&mut one, &mut model, count, cut);
        }
    }
    for (number, client) in clients.iter().enumerate() {
        assert!(client.is_done() && !client.talk.attached, "client {number} holds it for ever");
        assert_eq!(shown(&client.heard), shown(&client.expected), "client {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn who_shares_a_server_hears_what_it_would_hear_alone(
        first in prop::collection::vec(any_message(), 1..25),
        second in prop::collection::vec(any_message(), 1..25),
        turns in prop::collection::vec((any::<bool>(), 1..6_usize, 1..60_usize), 0..30),
        fails in any::<bool>(),
        prepares in any::<bool>(),
        keep in 1..4_usize,
    ) {
        check(&[first, second], fails, prepares, &turns, keep);
    }
}
