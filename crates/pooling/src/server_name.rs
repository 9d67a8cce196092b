//! Names that pgweir gives to prepared statements on servers.

/// What all server-side names begin with. Not a name that an application would choose.
pub const SERVER_NAME_PREFIX: &str = "__pgweir_";

/// A server-side name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(u64);

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.spelled().as_bytes()))
    }
}

impl ServerName {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// The name as messages carry it. Written anew for each Bind: without the machinery of `fmt`, and
    /// without memory of its own.
    #[must_use]
    pub fn spelled(self) -> SpelledName {
        let mut bytes = [b'0'; NAME_BYTES];
        let mut from = NAME_BYTES;
        let mut rest = self.0;
        while rest > 0 || from == NAME_BYTES {
            from -= 1;
            bytes[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        from -= SERVER_NAME_PREFIX.len();
        bytes[from..from + SERVER_NAME_PREFIX.len()].copy_from_slice(SERVER_NAME_PREFIX.as_bytes());
        SpelledName { bytes, from }
    }
}

/// The longest name: a u64 has 20 digits at most.
const NAME_BYTES: usize = SERVER_NAME_PREFIX.len() + 20;

/// A [`ServerName`] spelled out.
#[derive(Clone, Copy, Debug)]
pub struct SpelledName {
    bytes: [u8; NAME_BYTES],
    from: usize,
}

impl SpelledName {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_they_are_shown() {
        for number in [0, 7, 10, 4_294_967_296, u64::MAX] {
            let name = ServerName(number);
            assert_eq!(name.spelled().as_bytes(), format!("__pgweir_{number}").as_bytes());
            assert_eq!(name.to_string(), format!("__pgweir_{number}"));
        }
    }
}
