//! The header by which a balancer says whom a connection is of: the PROXY protocol, versions 1 and 2
//! (proxy-protocol.txt of HAProxy).
//!
//! Own code rather than a library: it must refuse what is no header at its first wrong byte, and a
//! long one before it is there, and needs none of a header's extensions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, its line end included (section 2.1).
const MAX_LINE_BYTES: usize = 107;
/// The longest header of version 2 that is taken. What balancers add, names of certificates among it,
/// is shorter by far.
const MAX_BINARY_BYTES: usize = HEAD_BYTES + 4096;

/// The longest header that is taken.
pub const MAX_HEADER_BYTES: usize = MAX_BINARY_BYTES;

const LINE_BEGIN: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_BYTES: usize = 16;

/// Whom a connection is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The balancer's own, as its health checks are.
    Balancer,
    /// Somebody's whose address the balancer does not know, or who has none in TCP.
    Unknown,
    /// This client's.
    Client(SocketAddr),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// They begin otherwise.
    #[error("no PROXY header")]
    Missing,
    /// The header is longer than any that is taken.
    #[error("the PROXY header is too long")]
    TooLong,
    /// It is not as it should be; the text says where.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
}

use ProxyHeaderError::{Malformed, Missing, TooLong};

/// Whether bytes begin as a header does; at least four are needed to tell.
#[must_use]
pub fn is_proxy_header(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && (begins(bytes, LINE_BEGIN) || begins(bytes, SIGNATURE))
}

/// Whether one is the front of the other.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(one, other)| one == other)
}

/// Reads a header at the front of what a connection brings: the header, and how many bytes it took;
/// none while there are too few to tell, which are never more than [`MAX_HEADER_BYTES`].
///
/// # Errors
/// What is wrong, as soon as the bytes show it.
pub fn parse(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    if begins(bytes, LINE_BEGIN) && begins(bytes, SIGNATURE) {
        // Nothing has come.
        Ok(None)
    } else if begins(bytes, LINE_BEGIN) {
        parse_line(bytes)
    } else if begins(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(Missing)
    }
}

/// Version 1: `PROXY TCP4 CLIENT OUR-ADDRESS PORT OUR-PORT` and a line end.
fn parse_line(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    let front = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let Some(end) = front.windows(2).position(|two| two == b"\r\n") else {
        return if front.len() == MAX_LINE_BYTES { Err(TooLong) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&front[LINE_BEGIN.len()..end]);
    let line = line.map_err(|_| Malformed("it is not text"))?;
    let consumed = end + 2;
    let fields: Vec<&str> = line.split(' ').collect();
    let client = match fields[..] {
        ["UNKNOWN", ..] => return Ok(Some((ProxyHeader::Unknown, consumed))),
        ["TCP4", client, ours, port, our_port] => {
            address::<Ipv4Addr>(client, ours, port, our_port)?
        }
        ["TCP6", client, ours, port, our_port] => {
            address::<Ipv6Addr>(client, ours, port, our_port)?
        }
        ["TCP4" | "TCP6", ..] => return Err(Malformed("two addresses and two ports are wanted")),
        _ => return Err(Malformed("it is for another protocol than TCP")),
    };
    Ok(Some((ProxyHeader::Client(client), consumed)))
}

/// The client's address; all four are checked.
fn address<A: std::str::FromStr + Into<IpAddr>>(
    client: &str,
    ours: &str,
    port: &str,
    our_port: &str,
) -> Result<SocketAddr, ProxyHeaderError> {
    let read = |text: &str| text.parse::<A>().map_err(|_| Malformed("an address is wrong"));
    let (client, _) = (read(client)?, read(ours)?);
    let (port, _) = (read_port(port)?, read_port(our_port)?);
    Ok(SocketAddr::new(client.into(), port))
}

/// Digits only: the standard library also takes a sign.
fn read_port(text: &str) -> Result<u16, ProxyHeaderError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed("a port is wrong"))
}

/// Version 2: a signature, version and command, family, the length of the rest, addresses; then
/// extensions, which are not looked at.
fn parse_binary(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    if bytes.get(12).is_some_and(|version| version >> 4 != 2) {
        return Err(Malformed("it is of an unknown version"));
    }
    let Some(&[command, family, high, low]) =
        bytes.get(12..HEAD_BYTES).and_then(|head| head.first_chunk())
    else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let consumed = HEAD_BYTES + length;
    if consumed > MAX_BINARY_BYTES {
        return Err(TooLong);
    }
    let Some(rest) = bytes.get(HEAD_BYTES..consumed) else { return Ok(None) };
    let header = match (command & 0x0f, family) {
        (0, _) => ProxyHeader::Balancer,
        // TCP over IPv4 and over IPv6; the client's address comes first, the ports after both.
        (1, 0x11) => client::<4, 8>(rest)?,
        (1, 0x21) => client::<16, 32>(rest)?,
        // None, and a Unix socket.
        (1, 0x00 | 0x31) => ProxyHeader::Unknown,
        (1, _) => return Err(Malformed("it is for another protocol than TCP")),
        _ => return Err(Malformed("it has an unknown command")),
    };
    Ok(Some((header, consumed)))
}

fn client<const ADDRESS: usize, const PORT: usize>(
    rest: &[u8],
) -> Result<ProxyHeader, ProxyHeaderError>
where
    IpAddr: From<[u8; ADDRESS]>,
{
    let short = Malformed("it is too short for its addresses");
    let address: &[u8; ADDRESS] = rest.first_chunk().ok_or(short)?;
    let ports: &[u8; 4] = rest.get(PORT..).and_then(|ports| ports.first_chunk()).ok_or(short)?;
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    Ok(ProxyHeader::Client(SocketAddr::new(IpAddr::from(*address), port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = [SIGNATURE, &[0x20 | command, family]].concat();
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    fn ports(port: u16) -> [u8; 4] {
        let [high, low] = port.to_be_bytes();
        [high, low, 0x19, 0x20]
    }

    /// As balancers send it.
    fn headers(client: SocketAddr) -> [Vec<u8>; 2] {
        let port = client.port();
        match client.ip() {
            IpAddr::V4(ip) => [
                format!("PROXY TCP4 {ip} 10.0.0.1 {port} 6432\r\n").into_bytes(),
                binary(1, 0x11, &[&ip.octets()[..], &[10, 0, 0, 1], &ports(port)].concat()),
            ],
            IpAddr::V6(ip) => [
                format!("PROXY TCP6 {ip} ::1 {port} 6432\r\n").into_bytes(),
                binary(1, 0x21, &[&ip.octets()[..], &[0; 16], &ports(port)].concat()),
            ],
        }
    }

    proptest! {
        #[test]
        fn a_header_is_read_whole_and_takes_no_more(ip: IpAddr, port: u16, more: Vec<u8>) {
            let client = SocketAddr::new(ip, port);
            for header in headers(client) {
                for cut in 0..header.len() {
                    prop_assert_eq!(parse(&header[..cut]), Ok(None));
                }
                let bytes = [&header[..], &more].concat();
                prop_assert_eq!(parse(&bytes), Ok(Some((ProxyHeader::Client(client), header.len()))));
                prop_assert!(is_proxy_header(&bytes));
            }
        }

        #[test]
        fn whatever_comes_is_judged_within_the_limit(
            begin in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE]),
            bytes in prop::collection::vec(any::<u8>(), MAX_HEADER_BYTES),
        ) {
            let bytes = [begin, &bytes].concat();
            prop_assert_ne!(parse(&bytes), Ok(None));
            for cut in [0, 1, 5, 13, 16, 107, 200] {
                let _ = parse(&bytes[..cut]);
            }
            if let Ok(Some((_, consumed))) = parse(&bytes) {
                prop_assert!(consumed <= MAX_HEADER_BYTES);
                prop_assert_eq!(parse(&bytes[..consumed - 1]), Ok(None));
            }
        }
    }

    #[test]
    fn those_without_an_address() {
        let line = b"PROXY UNKNOWN\r\n";
        assert_eq!(parse(line), Ok(Some((ProxyHeader::Unknown, line.len()))));
        let line = b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n";
        assert_eq!(parse(line), Ok(Some((ProxyHeader::Unknown, line.len()))));
        for (command, family, expected) in [
            (0, 0x00, ProxyHeader::Balancer),
            (0, 0x11, ProxyHeader::Balancer),
            (1, 0x00, ProxyHeader::Unknown),
            (1, 0x31, ProxyHeader::Unknown),
        ] {
            for rest in [&[][..], b"\x03\0\x04abcd"] {
                let header = binary(command, family, rest);
                assert_eq!(parse(&header), Ok(Some((expected, header.len()))));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let other = Malformed("it is for another protocol than TCP");
        for (bytes, expected) in [
            (&b"\0\0\0\x08"[..], Missing),
            (b"PROXX", Missing),
            (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", other),
            (b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", other),
            (b"PROXY \r\n", other),
            (
                b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
                Malformed("two addresses and two ports are wanted"),
            ),
            (
                b"PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
                Malformed("two addresses and two ports are wanted"),
            ),
            (b"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", Malformed("an address is wrong")),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n", Malformed("an address is wrong")),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Malformed("a port is wrong")),
            (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", Malformed("a port is wrong")),
            (b"PROXY TCP4 \xff\r\n", Malformed("it is not text")),
            (&[&b"PROXY "[..], &[b'x'; 101]].concat(), TooLong),
            (&[SIGNATURE, &[0x11]].concat(), Malformed("it is of an unknown version")),
            (&[SIGNATURE, &[0x21, 0x11, 0x10, 0x01]].concat(), TooLong),
            (&binary(2, 0x11, &[0; 12]), Malformed("it has an unknown command")),
            (&binary(1, 0x11, &[0; 11]), Malformed("it is too short for its addresses")),
            (&binary(1, 0x21, &[0; 35]), Malformed("it is too short for its addresses")),
            (&binary(1, 0x12, &[0; 12]), other),
        ] {
            assert_eq!(parse(bytes), Err(expected), "{}", bytes.escape_ascii());
        }
        assert!(!is_proxy_header(b"\0\0\0\x08\x04"));
    }
}
