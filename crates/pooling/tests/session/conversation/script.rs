//! Messages as short texts, both ways: `Q select 1` is a Query, `Z I` a ReadyForQuery. An unnamed
//! statement is `-`. Written down from the manual, not with the crate `wire`, whose mistakes it
//! must not share.

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

fn text(value: &str) -> Vec<u8> {
    let value = if value == "-" { "" } else { value };
    [value.as_bytes(), b"\0"].concat()
}

fn name(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).expect("a terminator");
    let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
    (if name.is_empty() { "-".to_owned() } else { name }, &bytes[end + 1..])
}

/// A client's messages.
pub(crate) fn from_client(said: &[&str]) -> Vec<u8> {
    said.iter().flat_map(|one| client_message(one)).collect()
}

fn client_message(said: &str) -> Vec<u8> {
    let (kind, rest) = said.split_once(' ').unwrap_or((said, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "Q" => message(b'Q', &text(rest)),
        "P" => message(b'P', &[text(first), text(second), vec![0, 0]].concat()),
        "B" => {
            let none = [0; 6].to_vec();
            message(b'B', &[text(second), text(first), none].concat())
        }
        "Ds" | "Dp" | "Cs" | "Cp" => {
            let target = [kind.as_bytes()[1].to_ascii_uppercase()].to_vec();
            message(kind.as_bytes()[0], &[target, text(rest)].concat())
        }
        "E" => message(b'E', &[text(rest), vec![0; 4]].concat()),
        "S" | "H" | "X" | "c" => message(kind.as_bytes()[0], &[]),
        "d" => message(b'd', rest.as_bytes()),
        "f" => message(b'f', &text(rest)),
        "F" => {
            let function: u32 = rest.parse().expect("the function's number");
            message(b'F', &[&function.to_be_bytes()[..], &[0; 6]].concat())
        }
        _ => panic!("no such message: {said}"),
    }
}

/// A server's messages.
pub(crate) fn from_server(said: &[&str]) -> Vec<u8> {
    said.iter().flat_map(|one| server_message(one)).collect()
}

fn server_message(said: &str) -> Vec<u8> {
    let (kind, rest) = said.split_once(' ').unwrap_or((said, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "1" | "2" | "3" | "n" | "s" | "I" | "c" => message(kind.as_bytes()[0], &[]),
        "T" | "t" => message(kind.as_bytes()[0], &[0, 0]),
        "G" | "H" => message(kind.as_bytes()[0], &[0, 0, 0]),
        "V" => message(b'V', &[255; 4]),
        "Z" | "d" => message(kind.as_bytes()[0], rest.as_bytes()),
        "C" => message(b'C', &text(rest)),
        // pgweir's settings, so many of them, as they are answered.
        "own" => {
            let settings: usize = rest.parse().expect("a number");
            from_server(&["1", "2", "C SET"]).repeat(settings + 2)
        }
        "D2" => {
            let column = |text: &str| {
                let length = u32::try_from(text.len()).unwrap().to_be_bytes();
                [&length[..], text.as_bytes()].concat()
            };
            let (first, second) = rest.split_once('|').expect("two columns");
            message(b'D', &[vec![0, 2], column(first), column(second)].concat())
        }
        "D" => {
            let length = u32::try_from(rest.len()).unwrap().to_be_bytes();
            message(b'D', &[&[0, 1], &length[..], rest.as_bytes()].concat())
        }
        "S" => {
            let (name, value) = rest.split_once('=').expect("name=value");
            message(b'S', &[text(name), text(value)].concat())
        }
        "E" | "FATAL" | "N" => {
            let severity = match kind {
                "E" => "ERROR",
                "N" => "NOTICE",
                other => other,
            };
            let fields = format!("S{severity}\0V{severity}\0C{first}\0M{second}\0\0");
            message(if kind == "N" { b'N' } else { b'E' }, fields.as_bytes())
        }
        _ => panic!("no such message: {said}"),
    }
}

fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (body, rest) = rest.split_at(length.checked_sub(4).expect("a length counts itself"));
        frames.push((head[0], body));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a head: {bytes:?}");
    frames
}

/// What a server gets, in the words of [`from_client`]; one message a line.
pub(crate) fn show_client(bytes: &[u8]) -> String {
    let shown: Vec<_> =
        frames(bytes).into_iter().map(|(kind, body)| show_one(kind, body)).collect();
    shown.join("\n")
}

fn show_one(kind: u8, body: &[u8]) -> String {
    let letter = char::from(kind);
    match kind {
        b'Q' => format!("Q {}", name(body).0),
        b'P' => {
            let (statement, rest) = name(body);
            format!("P {statement} {}", name(rest).0)
        }
        b'B' => {
            let (portal, rest) = name(body);
            let portal = if portal == "-" { String::new() } else { format!(" {portal}") };
            format!("B {}{portal}", name(rest).0)
        }
        b'D' | b'C' => {
            let target = char::from(body[0]).to_ascii_lowercase();
            format!("{letter}{target} {}", name(&body[1..]).0)
        }
        b'E' => format!("E {}", name(body).0).trim_end_matches(" -").to_owned(),
        b'd' => format!("d {}", String::from_utf8_lossy(body)),
        b'f' => format!("f {}", name(body).0),
        b'S' | b'H' | b'X' | b'c' | b'F' => letter.to_string(),
        other => panic!("a client does not send {:?}", char::from(other)),
    }
}

/// What a client gets, in the words of [`from_server`]; one message a line.
pub(crate) fn show_server(bytes: &[u8]) -> String {
    let shown: Vec<_> =
        frames(bytes).into_iter().map(|(kind, body)| show_reply(kind, body)).collect();
    shown.join("\n")
}

fn show_reply(kind: u8, body: &[u8]) -> String {
    let letter = char::from(kind);
    match kind {
        b'C' => format!("C {}", name(body).0),
        b'D' => format!("D {}", String::from_utf8_lossy(&body[6..])),
        b'Z' | b'd' => format!("{letter} {}", String::from_utf8_lossy(body)),
        b'S' => {
            let (parameter, rest) = name(body);
            format!("S {parameter}={}", String::from_utf8_lossy(&rest[..rest.len() - 1]))
        }
        b'E' | b'N' => {
            let field = |code: u8| {
                let field =
                    body.split(|byte| *byte == 0).find(|field| field.first() == Some(&code));
                String::from_utf8_lossy(&field.unwrap_or(b"?")[1..]).into_owned()
            };
            let severity = if field(b'S') == "ERROR" { "E".to_owned() } else { field(b'S') };
            format!("{severity} {} {}", field(b'C'), field(b'M'))
        }
        b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' | b'T' | b't' | b'G' | b'H' | b'V' => {
            letter.to_string()
        }
        other => panic!("a server does not send {:?}", char::from(other)),
    }
}
