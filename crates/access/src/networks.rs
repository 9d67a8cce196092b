//! Networks that somebody is trusted from.

use std::net::IpAddr;

use crate::hba::address::{Source, parse_cidr};

/// Networks; none has any address in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<(String, Source)>);

impl Networks {
    /// Reads `address/bits`, or an address alone.
    ///
    /// # Errors
    /// What is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let read = |text: &str| {
            let alone = text.parse().ok().map(|address: IpAddr| match address {
                IpAddr::V4(_) => format!("{text}/32"),
                IpAddr::V6(_) => format!("{text}/128"),
            });
            let network = parse_cidr(alone.as_deref().unwrap_or(text))?;
            Ok((text.to_owned(), network))
        };
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(_, network)| network.contains(address, &Vec::new))
    }

    /// As they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(text, _)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_them_or_not() {
        let networks = Networks::parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]).unwrap();
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::7", true),
            ("2001:db9::7", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert_eq!(
            networks.texts().collect::<Vec<_>>(),
            ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]
        );
        assert!(!Networks::default().contains("10.1.2.3".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "balancer", "10.0.0.0/", ""] {
            assert!(Networks::parse([wrong]).is_err(), "{wrong}");
        }
    }
}
