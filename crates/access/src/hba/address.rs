//! Where connections may come from.

use std::net::IpAddr;

/// An address of this machine and the mask of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Its network's mask; none if the system does not say.
    pub mask: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    All,
    SameHost,
    SameNet,
    Network { address: IpAddr, mask: IpAddr },
}

impl Source {
    pub(crate) fn contains(
        &self,
        address: IpAddr,
        interfaces: &dyn Fn() -> Vec<Interface>,
    ) -> bool {
        // A socket for both families gives IPv4 addresses as IPv6.
        let address = address.to_canonical();
        match self {
            Self::All => true,
            Self::SameHost => interfaces().iter().any(|own| own.address == address),
            Self::SameNet => interfaces().iter().any(|own| match own.mask {
                Some(mask) => in_network(address, own.address, mask),
                None => own.address == address,
            }),
            Self::Network { address: network, mask } => in_network(address, *network, *mask),
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, mask: IpAddr) -> bool {
    match (address, network, mask) {
        (IpAddr::V4(address), IpAddr::V4(network), IpAddr::V4(mask)) => {
            (address.to_bits() ^ network.to_bits()) & mask.to_bits() == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network), IpAddr::V6(mask)) => {
            (address.to_bits() ^ network.to_bits()) & mask.to_bits() == 0
        }
        _ => false,
    }
}

/// Reads `address/bits`.
pub(crate) fn parse_cidr(text: &str) -> Result<Source, String> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address = parse_address(address)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits
        .parse::<u32>()
        .ok()
        .filter(|bits| *bits <= longest && text.split_once('/').is_some_and(|(_, b)| digits(b)))
        .ok_or_else(|| {
            format!("`{text}` is not a network; a length from 0 to {longest} follows `/`")
        })?;
    let mask = match address {
        IpAddr::V4(_) => IpAddr::V4(u32::MAX.checked_shl(32 - bits).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(u128::MAX.checked_shl(128 - bits).unwrap_or(0).into()),
    };
    Ok(Source::Network { address, mask })
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address and a mask in fields of their own.
pub(super) fn with_mask(address: &str, mask: &str) -> Result<Source, String> {
    let address = parse_address(address)?;
    let mask: IpAddr =
        mask.parse().map_err(|_| format!("`{mask}` is not a mask, as 255.255.255.0 is"))?;
    if address.is_ipv4() != mask.is_ipv4() {
        return Err("address and mask are of different families".to_owned());
    }
    Ok(Source::Network { address, mask })
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an address: write 192.0.2.0/24, 192.0.2.0 255.255.255.0, 2001:db8::/32, \
             all, samehost or samenet (host names are not supported)"
        )
    })
}
