//! A client's network, the finest distinction between clients that a server can make: an IPv4
//! address, or the /64 of an IPv6 address, which one household or machine is given (RFC 6177 §2,
//! RFC 4291 §2.5.1).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address or the first half of an IPv6 address, in eight bytes: every connection has one.
///
/// IPv4 addresses stand where RFC 4291 §2.5.5 keeps the prefix `::/32` for them, which no IPv6
/// client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(u64);

impl Network {
    /// This machine.
    pub const LOOPBACK: Self = Self(Ipv4Addr::LOCALHOST.to_bits() as u64);

    /// The network of an address; an IPv4 address in IPv6 form counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) if address.is_loopback() => Self::LOOPBACK,
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }

    /// Whether its clients are on this machine: 127.0.0.0/8 or `::1`.
    pub fn is_loopback(self) -> bool {
        self.address().is_ok_and(|address| address.is_loopback())
    }

    /// The IPv4 address, or the first address of the /64.
    fn address(self) -> Result<Ipv4Addr, Ipv6Addr> {
        match u32::try_from(self.0) {
            Ok(bits) => Ok(Ipv4Addr::from_bits(bits)),
            Err(_) => Err(Ipv6Addr::from_bits(u128::from(self.0) << 64)),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Ok(address) => address.fmt(f),
            Err(first) => write!(f, "{first}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().expect("an address"))
    }

    #[test]
    fn an_ipv4_address_is_itself_and_an_ipv6_address_its_first_half() {
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        let one = network("2001:db8:1:2::3");
        assert_eq!(one.to_string(), "2001:db8:1:2::/64");
        assert_eq!(one, network("2001:db8:1:2:ffff::"));
        assert_ne!(one, network("2001:db8:1:3::3"));
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for address in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert!(network(address).is_loopback(), "{address}");
        }
        for address in ["128.0.0.1", "0.0.0.0", "10.0.0.1", "fe80::1", "2001:db8::1"] {
            assert!(!network(address).is_loopback(), "{address}");
        }
        assert_eq!(network("::1"), Network::LOOPBACK);
        assert_eq!(network("127.0.0.1"), Network::LOOPBACK);
    }
}
