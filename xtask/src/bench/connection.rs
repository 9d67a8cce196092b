//! A client of few words: as much of the protocol as it takes to log in by trust and to send a query
//! or a COPY. What it costs is not what is measured, so it does nothing else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::server::{DATABASE, USER};

/// A server that is silent for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is logged in.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
}

/// Room for answers; connections share it, since each takes little.
pub(super) type Room = Vec<u8>;

impl Connection {
    /// Connects and logs in.
    pub(super) fn open(port: u16, room: &mut Room) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Self { stream };
        connection.stream.write_all(&startup())?;
        connection.until(b'Z', room)?;
        Ok(connection)
    }

    /// Sends a query and reads its answer to the end.
    pub(super) fn query(&mut self, sql: &str, room: &mut Room) -> Result<()> {
        self.stream.write_all(&query(sql))?;
        self.until(b'Z', room)
    }

    /// Sends a COPY FROM STDIN, the data in messages that are ready to be sent, and its end.
    pub(super) fn copy_in(&mut self, sql: &str, data: &[u8], room: &mut Room) -> Result<()> {
        self.stream.write_all(&query(sql))?;
        self.until(b'G', room)?;
        self.stream.write_all(data)?;
        self.stream.write_all(&message(b'c', &[]))?;
        self.until(b'Z', room)
    }

    /// Reads messages up to one of `kind`, which is the last that comes; an error is one here.
    fn until(&mut self, kind: u8, room: &mut Room) -> Result<()> {
        room.resize(64 << 10, 0);
        let (mut held, mut skip) = (0, 0);
        loop {
            let read = self.stream.read(room.get_mut(held..).unwrap_or_default())?;
            ensure!(read > 0, "the connection was closed");
            let end = held + read;
            let mut at = skip.min(end);
            skip -= at;
            while let Some((found, length)) = header(room.get(at..end).unwrap_or_default())? {
                let next = at + length;
                if found == b'E' {
                    let text = room.get(at..next.min(end)).unwrap_or_default();
                    bail!("the server said: {}", String::from_utf8_lossy(text).replace('\0', " "));
                }
                if found == kind && next <= end {
                    return Ok(());
                }
                if next > end && found != kind {
                    skip = next - end;
                    at = end;
                    break;
                }
                if next > end {
                    break;
                }
                at = next;
            }
            room.copy_within(at..end, 0);
            held = end - at;
        }
    }
}

/// The kind and the whole length of a message whose header is there.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize)>> {
    let [kind, a, b, c, d, ..] = *bytes else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    ensure!(length >= 4, "a message of {length} bytes");
    Ok(Some((kind, length + 1)))
}

fn startup() -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", USER, "database", DATABASE, ""] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), &[0]].concat())
}

/// A message: its kind, its length, which counts itself, and its body.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that says `answers`, one behind each thing that it is sent.
    fn serve(answers: Vec<Vec<u8>>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            for answer in answers {
                let _ = stream.read(&mut asked).unwrap();
                for part in answer.chunks(50_000) {
                    stream.write_all(part).unwrap();
                }
            }
        });
        port
    }

    #[test]
    fn messages_larger_than_the_room_are_passed_over() {
        let ready = message(b'Z', b"I");
        let wide = [message(b'D', &vec![b'E'; 200_000]), ready.clone()].concat();
        let port = serve(vec![[message(b'R', &[0; 4]), ready].concat(), wide]);
        let mut room = Room::new();
        let mut connection = Connection::open(port, &mut room).unwrap();
        connection.query("SELECT", &mut room).unwrap();
    }

    #[test]
    fn an_error_is_told() {
        let port = serve(vec![message(b'E', b"Mno such user\0\0")]);
        let error = Connection::open(port, &mut Room::new()).unwrap_err().to_string();
        assert!(error.contains("no such user"), "{error}");
    }
}
