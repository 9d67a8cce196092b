//! However the bytes are cut, the same comes of them; and whatever they are, nothing breaks.

use proptest::prelude::*;

use crate::conversation::{Conversation, Server, from_client, from_server, server};

/// What a side says, in turn.
enum Turn {
    Client(&'static [&'static str]),
    Server(&'static [&'static str]),
}
use Turn::{Client as C, Server as S};

const PLAIN: &[Turn] = &[
    C(&["Q select 1; select 2"]),
    S(&["own 1", "T", "D 1", "C SELECT 1", "T", "D 2"]),
    S(&["C SELECT 1", "S TimeZone=Europe/Berlin", "Z I"]),
    C(&["Q begin", "Q set timezone to 'Asia/Tokyo'", "Q select 1"]),
    S(&["C BEGIN", "Z T", "C SET", "S TimeZone=Asia/Tokyo", "Z T", "T", "C SELECT 0", "Z T"]),
    C(&["Q rollback"]),
    S(&["C ROLLBACK", "S TimeZone=Europe/Berlin", "Z I"]),
];

const PREPARED: &[Turn] = &[
    C(&["P a select $1", "Ds a", "P b select 2", "S", "B a", "E", "B b p", "Dp p", "E p", "S"]),
    S(&["own 1", "1", "t", "T", "3", "1", "Z I"]),
    S(&["3", "1", "2", "D 1", "C SELECT 1", "3", "1", "2", "T", "D 2", "C SELECT 1", "Z I"]),
    C(&["P a select 3", "B a", "E", "S", "Cs b", "P b selekt", "B b", "E", "S"]),
    S(&["3", "1", "E 42P05 prepared statement \"__pgweir_4\" already exists", "Z I"]),
    S(&["3", "E 42601 syntax error", "Z I"]),
    C(&["Cs a", "S", "Q discard all"]),
    S(&["C DISCARD ALL", "S TimeZone=UTC", "Z I"]),
];

const COPY: &[Turn] = &[
    C(&["Q copy t from stdin", "d one", "d two", "c"]),
    S(&["own 1", "G", "C COPY 2", "Z I"]),
    C(&["P - copy t to stdout", "B -", "E", "S"]),
    S(&["1", "2", "H", "d one", "N 00000 a notice", "d two", "c", "C COPY 2", "Z I"]),
    C(&["F 952", "Q copy t from stdin", "d late", "f never mind", "d late", "c"]),
    S(&["V", "Z I", "E 57014 never mind", "Z I"]),
];

/// Plays the turns; `cut` says where the bytes of a turn are cut.
fn play(turns: &[Turn], mut cut: impl FnMut(usize, usize) -> Vec<usize>) -> (Vec<String>, String) {
    let mut talk = Conversation::new(&[("TimeZone", "Europe/Berlin")]);
    let mut one = server(1);
    let mut seen = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let bytes = match turn {
            C(said) => from_client(said),
            S(said) => from_server(said),
        };
        let mut from = 0;
        for to in cut(number, bytes.len()).into_iter().chain([bytes.len()]) {
            say(&mut talk, &mut one, turn, &bytes[from..to]);
            from = to;
        }
        seen.push(format!(
            "{}\n--\n{}\n--\n{}",
            talk.server_got(),
            talk.client_got(),
            talk.attached
        ));
    }
    (seen, format!("{:?}", talk.events))
}

fn say(talk: &mut Conversation, one: &mut Server, turn: &Turn, bytes: &[u8]) {
    match turn {
        C(_) => talk.client_bytes(one, bytes).expect("a client that keeps to the protocol"),
        S(_) => {
            let alive = talk.server_bytes(one, bytes);
            assert_eq!(alive, Ok(true), "a server that keeps to the protocol");
        }
    }
}

/// Instants differ from run to run; all else must not.
fn without_instants(events: &str) -> String {
    let mut text = String::new();
    for part in events.split("finished: ") {
        text.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    text
}

#[test]
fn every_cut_gives_the_same() {
    for turns in [PLAIN, PREPARED, COPY] {
        let (whole, events) = play(turns, |_, _| Vec::new());
        assert!(whole.last().is_some_and(|last| last.ends_with("false")), "{whole:?}");
        for (number, turn) in turns.iter().enumerate() {
            let length = match turn {
                C(said) => from_client(said).len(),
                S(said) => from_server(said).len(),
            };
            for at in 1..length {
                let (cut, cut_events) =
                    play(turns, |turn, _| if turn == number { vec![at] } else { Vec::new() });
                assert_eq!(cut, whole, "turn {number} cut at {at}");
                let (cut, whole) = (without_instants(&cut_events), without_instants(&events));
                assert_eq!(cut, whole, "turn {number} cut at {at}");
            }
        }
        let bytewise = play(turns, |_, length| (1..length).collect());
        assert_eq!(bytewise.0, whole);
    }
}

/// A message that may be whole, of a type that exists or does not.
fn garbage(kinds: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![20 => prop::sample::select(kinds), 1 => any::<u8>()];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"a\0select 1\0\0\0".to_vec()),
        Just(b"\0a\0\0\0\0\0\0\0".to_vec()),
        Just(b"Sa\0".to_vec()),
        Just(b"\0\0\0\0\0".to_vec()),
        Just(b"listen x; select 1\0".to_vec()),
        Just(b"discard all\0".to_vec()),
        Just(b"set a to 1; do $$ $$\0".to_vec()),
        Just(b"\0\x02\0\0\0\x05set a\0\0\0\x011".to_vec()),
        Just(b"I".to_vec()),
        Just(b"T".to_vec()),
        Just(b"SERROR\0C22012\0M\"__pgweir_0\"\0\0".to_vec()),
        Just(b"TimeZone\0Asia/Tokyo\0".to_vec()),
        Just(Vec::new()),
    ];
    (kind, body, prop_oneof![30 => Just(0_i32), 1 => any::<i32>()]).prop_map(
        |(kind, body, error)| {
            let length = i32::try_from(body.len() + 4).unwrap().wrapping_add(error);
            [&[kind], &length.to_be_bytes()[..], &body].concat()
        },
    )
}

proptest! {
    #[test]
    fn any_number_of_cuts_gives_the_same(
        scenario in 0..3_usize,
        mut cuts in prop::collection::vec((0..8_usize, any::<prop::sample::Index>()), 0..20),
    ) {
        let turns = [PLAIN, PREPARED, COPY][scenario];
        let (whole, _) = play(turns, |_, _| Vec::new());
        cuts.sort_by_key(|(turn, _)| *turn);
        let (cut, _) = play(turns, |turn, length| {
            let here = cuts.iter().filter(|(number, _)| *number == turn);
            let mut at: Vec<_> = here.map(|(_, index)| index.index(length)).collect();
            at.sort_unstable();
            at
        });
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn no_bytes_of_either_side_break_it(
        says in prop::collection::vec(
            prop_oneof![
                garbage(b"QPBDECSHFdcf").prop_map(|bytes| (true, bytes)),
                garbage(b"12345CDEGHITtnZSNAVsdc").prop_map(|bytes| (false, bytes)),
                Just((false, from_server(&["Z I"]))),
            ],
            1..40,
        ),
    ) {
        let (mut talk, mut one) = (Conversation::new(&[("geqo", "off")]), server(1));
        for (by_client, bytes) in says {
            let alive = if by_client {
                if talk.client_bytes(&mut one, &bytes).is_err() || talk.terminated {
                    break;
                }
                true
            } else if talk.attached {
                talk.server_bytes(&mut one, &bytes).unwrap_or(false)
            } else {
                true
            };
            if !alive {
                if talk.lose(&mut one) == pgweir_pooling::session::Loss::Close {
                    break;
                }
                one = server(1);
            }
        }
        talk.session.gone(talk.now, &mut talk.events);
    }
}
