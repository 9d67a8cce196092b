//! What may come before authentication: golden packets, PostgreSQL's refusals, hostile bytes.
//! The expected texts and codes were read off PostgreSQL 15 and, for 3.2, taken from the manual.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use pgweir_wire::WireError;
use pgweir_wire::startup::{
    MAX_STARTUP_BYTES, ProtocolVersion, Replication, StartupParameters, StartupRequest,
    cancel_request, negotiation, parse_options, parse_startup, startup_message,
};
use proptest::prelude::*;

const V3_0: u32 = 3 << 16;

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32 + 8).to_be_bytes().to_vec();
    packet.extend(code.to_be_bytes());
    packet.extend(body);
    packet
}

fn request(bytes: &[u8]) -> StartupRequest {
    let (request, consumed) = parse_startup(bytes).unwrap().unwrap();
    assert_eq!(consumed, bytes.len());
    request
}

fn parameters(version: u32, body: &[u8]) -> StartupParameters {
    match request(&packet(version, body)) {
        StartupRequest::Startup(parameters) => parameters,
        other => panic!("{other:?}"),
    }
}

fn refusal(version: u32, body: &[u8]) -> (&'static str, String) {
    let error = parse_startup(&packet(version, body)).unwrap_err();
    (error.sqlstate(), error.to_string())
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn requests_that_are_no_startup_message() {
    assert_eq!(request(b"\0\0\0\x08\x04\xd2\x16\x2f"), StartupRequest::Ssl);
    assert_eq!(request(b"\0\0\0\x08\x04\xd2\x16\x30"), StartupRequest::GssEncryption);
    assert_eq!(
        request(b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39\xde\xad\xbe\xef"),
        StartupRequest::Cancel { process_id: 12_345, key: vec![0xde, 0xad, 0xbe, 0xef] },
    );
    let key = vec![7; 256];
    assert_eq!(request(&cancel_request(-2, &key)), StartupRequest::Cancel { process_id: -2, key },);
}

#[test]
fn a_cancel_key_has_4_to_256_bytes() {
    for length in [0, 3, 257, 5_000] {
        let error = parse_startup(&cancel_request(1, &vec![0; length])).unwrap_err();
        assert_eq!(error, WireError::CancelKeyLength, "{length}");
    }
    let without_key = packet(80_877_102, b"\0\0\0");
    assert_eq!(parse_startup(&without_key).unwrap_err(), WireError::CancelRequestLength);
}

#[test]
fn what_follows_a_request_is_not_consumed() {
    let (request, consumed) =
        parse_startup(b"\0\0\0\x08\x04\xd2\x16\x2f\x16\x03\x01").unwrap().unwrap();
    assert_eq!((request, consumed), (StartupRequest::Ssl, 8));
}

#[test]
fn the_length_is_judged_before_the_packet_is_there() {
    let as_lengths =
        [[0, 0, 0, 0], [0, 0, 0, 7], [0, 0, 0x27, 0x15], [0x7f, 255, 255, 255], [255; 4], *b"GET "];
    for length in as_lengths {
        assert_eq!(parse_startup(&length).unwrap_err(), WireError::StartupLength, "{length:?}");
    }
    assert_eq!(parse_startup(&(MAX_STARTUP_BYTES as u32).to_be_bytes()), Ok(None));
    let ssl_with_a_tail = packet(80_877_103, b"x");
    assert_eq!(parse_startup(&ssl_with_a_tail).unwrap_err(), WireError::StartupLength);
}

#[test]
fn a_session_with_everything() {
    let body = b"user\0bob\0database\0shop\0client_encoding\0UTF8\0application_name\0a\0\
        options\0-c geqo=off\0Application_Name\0b\0replication\0database\0_pq_.x\x001\0\0";
    let expected = StartupParameters {
        version: ProtocolVersion::V3_0,
        user: "bob".to_owned(),
        database: "shop".to_owned(),
        replication: Some("database".to_owned()),
        options: Some("-c geqo=off".to_owned()),
        settings: owned(&[("client_encoding", "UTF8"), ("application_name", "b")]),
        protocol_options: vec!["_pq_.x".to_owned()],
    };
    assert_eq!(parameters(V3_0, body), expected);
}

#[test]
fn the_last_user_holds_and_names_the_database() {
    let parameters = parameters(V3_0, b"user\0amy\0user\0bob\0database\0\0\0");
    assert_eq!((&*parameters.user, &*parameters.database), ("bob", "bob"));
}

#[test]
fn refusals_are_postgresqls() {
    let layout =
        ("08P01", "invalid startup packet layout: expected terminator as last byte".to_owned());
    for body in [
        &b""[..],
        b"user\0bob",
        b"user\0bob\0",
        b"user\0\0",
        b"user\0bob\0\0x",
        b"user\0bob\0\0\0",
        b"user\0bob\0\0x\0\0",
    ] {
        assert_eq!(refusal(V3_0, body), layout, "{body:?}");
    }
    let no_user = ("28000", "no PostgreSQL user name specified in startup packet".to_owned());
    for body in [&b"\0"[..], b"user\0\0\0", b"database\0shop\0\0"] {
        assert_eq!(refusal(V3_0, body), no_user, "{body:?}");
    }
    for (version, shown) in
        [(2 << 16, "2.0"), (4 << 16 | 1, "4.1"), (1234 << 16 | 5681, "1234.5681")]
    {
        let text = format!("unsupported frontend protocol {shown}: server supports 3.0 to 3.2");
        assert_eq!(refusal(version, b"user\0bob\0\0"), ("0A000", text));
    }
}

#[test]
fn texts_are_utf8_except_the_application_name() {
    for body in [&b"user\0b\xf6b\0\0"[..], b"user\0b\0database\0\xff\0\0", b"user\0b\0\xff\0\0\0"] {
        assert_eq!(refusal(V3_0, body).0, "22021", "{body:?}");
    }
    let kept = parameters(V3_0, b"user\0b\0application_name\0caf\xe9\0\0").settings;
    assert_eq!(kept, owned(&[("application_name", "caf\u{fffd}")]));
}

#[test]
fn versions_that_are_spoken_need_no_negotiation() {
    for minor in 0..=2 {
        let parameters = parameters(V3_0 | minor, b"user\0b\0\0");
        assert_eq!(negotiation(&parameters), None);
        assert_eq!(parameters.negotiated_version(), parameters.version);
    }
}

#[test]
fn newer_versions_and_unknown_extensions_are_negotiated() {
    let newer = parameters(V3_0 | 9999, b"user\0b\0_pq_.grease\0\0\0");
    assert_eq!(newer.negotiated_version(), ProtocolVersion::V3_2);
    assert_eq!(negotiation(&newer).unwrap(), b"v\0\0\0\x18\0\x03\0\x02\0\0\0\x01_pq_.grease\0",);
    // As PostgreSQL answers: the client's own version if only an extension is unknown.
    let extended = parameters(V3_0, b"user\0b\0_pq_.x\0y\0\0");
    assert_eq!(negotiation(&extended).unwrap(), b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
}

#[test]
fn options_are_split_as_postgresql_splits_them() {
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("", &[]),
        (" \t\n", &[]),
        ("-c geqo=off", &[("geqo", "off")]),
        ("-cgeqo=off --work-mem=4MB", &[("geqo", "off"), ("work_mem", "4MB")]),
        ("  -c  a.b-c=x=y  ", &[("a.b_c", "x=y")]),
        (r"-c search_path=a,\ b\\c", &[("search_path", r"a, b\c")]),
        (r"-c\ a=b", &[(" a", "b")]),
        ("-c a= -c a=-c", &[("a", ""), ("a", "-c")]),
    ];
    for (options, expected) in cases {
        assert_eq!(parse_options(options), Ok(owned(expected)), "{options:?}");
    }
}

#[test]
fn options_that_are_no_settings_are_refused_as_postgresql_refuses_them() {
    let cases = [
        ("-c foo", "-c foo requires a value"),
        ("-cfoo", "-c foo requires a value"),
        ("--work-mem", "--work-mem requires a value"),
        ("bad -c x=1", "invalid command-line argument for server process: bad"),
        ("-c", "invalid command-line argument for server process: -c"),
        ("-c a=b -c", "invalid command-line argument for server process: -c"),
        ("\\", "invalid command-line argument for server process: "),
        ("--=3", "invalid command-line argument for server process: --=3"),
        ("-X", "invalid command-line argument for server process: -X"),
    ];
    for (options, message) in cases {
        let error = parse_options(options).unwrap_err();
        assert_eq!((error.sqlstate(), &*error.to_string()), ("42601", message), "{options:?}");
    }
}

#[test]
fn what_is_sent_to_a_server_is_exact() {
    assert_eq!(
        startup_message("bob", "shop", &[("application_name", "pgweir"), ("", "dropped")]),
        b"\0\0\0\x38\0\x03\0\0user\0bob\0database\0shop\0application_name\0pgweir\0\0",
    );
    assert_eq!(cancel_request(1, b"key!"), b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01key!");
}

#[test]
fn a_nul_in_a_value_cannot_add_a_parameter() {
    let message = startup_message("bob\0database\0secrets", "shop", &[("a\0b", "c\0user\0root")]);
    let StartupRequest::Startup(parameters) = request(&message) else { panic!() };
    assert_eq!(parameters.user, "bobdatabasesecrets");
    assert_eq!(parameters.database, "shop");
    assert_eq!(parameters.settings, owned(&[("ab", "cuserroot")]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        if let Ok(Some((_, consumed))) = parse_startup(&bytes) {
            prop_assert!((8..=bytes.len()).contains(&consumed));
        }
    }

    #[test]
    fn arbitrary_bodies_give_sound_parameters_or_an_error(
        code in prop_oneof![
            Just(V3_0), Just(V3_0 | 2), V3_0..V3_0 + 0x1_0000, 80_877_102..80_877_106_u32,
        ],
        words in prop::collection::vec("(user|database|options|_pq_.a|[a-z\\xff]{0,3})", 0..9),
        terminators in 0..3_usize,
    ) {
        let mut body = words.join("\0").into_bytes();
        body.extend(vec![0; terminators]);
        match parse_startup(&packet(code, &body)) {
            Ok(Some((StartupRequest::Startup(parameters), consumed))) => {
                prop_assert_eq!(consumed, body.len() + 8);
                prop_assert!(!parameters.user.is_empty() && !parameters.database.is_empty());
                let negotiated = negotiation(&parameters);
                prop_assert_eq!(
                    negotiated.is_some(),
                    code > V3_0 + 2 || !parameters.protocol_options.is_empty()
                );
            }
            Ok(request) => prop_assert!(request.is_some()),
            Err(error) => prop_assert_eq!(error.sqlstate().len(), 5),
        }
    }

    #[test]
    fn every_prefix_of_a_packet_asks_for_more(
        user in "[a-z]{1,20}",
        database in "[a-z]{1,20}",
        value in "[^\0]{0,50}",
    ) {
        let message = startup_message(&user, &database, &[("my.setting", &value)]);
        for end in 0..message.len() {
            prop_assert_eq!(parse_startup(&message[..end]), Ok(None));
        }
        let StartupRequest::Startup(parameters) = request(&message) else { panic!() };
        prop_assert_eq!(parameters.user, user);
        prop_assert_eq!(parameters.database, database);
        prop_assert_eq!(parameters.settings, owned(&[("my.setting", &value)]));
    }

    #[test]
    fn escaped_options_come_back_as_they_were(
        settings in prop::collection::vec(("[a-z_.]{1,9}", "[^\0]{0,20}"), 0..4),
    ) {
        let escape = |value: &str| -> String {
            value.chars().flat_map(|character| ['\\', character]).collect()
        };
        let options: Vec<String> =
            settings.iter().map(|(name, value)| format!("-c {name}={}", escape(value))).collect();
        prop_assert_eq!(parse_options(&options.join(" ")), Ok(settings));
    }

    #[test]
    fn arbitrary_options_never_panic(options: String) {
        let _ = parse_options(&options);
    }
}

#[test]
fn replication_is_asked_for_as_postgresql_understands_it() {
    let kind = |value: &str| {
        let body = format!("user\0u\0replication\0{value}\0\0");
        match parse_startup(&packet(V3_0, body.as_bytes())) {
            Ok(Some((StartupRequest::Startup(parameters), _))) => parameters.replication_kind(),
            other => panic!("{other:?}"),
        }
    };
    for value in ["true", "t", "TRUE", "on", "yes", "y", "1"] {
        assert_eq!(kind(value), Ok(Some(Replication::Physical)), "{value}");
    }
    for value in ["false", "f", "off", "of", "no", "n", "0"] {
        assert_eq!(kind(value), Ok(None), "{value}");
    }
    assert_eq!(kind("database"), Ok(Some(Replication::Logical)));
    for value in ["", "o", "Database", "2", "truee"] {
        let error = kind(value).unwrap_err();
        assert_eq!((error.sqlstate(), error), ("22023", WireError::Replication(value.to_owned())));
    }
}
