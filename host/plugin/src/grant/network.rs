//! Which addresses may be connected to. Public ones; everything else only where it is granted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Addresses that an operator grants besides the public ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// This machine.
    Loopback,
    /// The private ranges of RFC 1918 and RFC 4193; not loopback, link-local or metadata addresses.
    Private,
    /// One network.
    Exactly(IpNet),
}

/// What kind of address it is. Everything but `Public` has to be granted; `Never` cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Anyone can reach it.
    Public,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Where clouds hand out credentials.
    Metadata,
    /// The local link.
    LinkLocal,
    /// Carrier-grade NAT.
    Shared,
    /// An IPv6 address that stands for an IPv4 address, through a translator or a tunnel.
    Translated,
    /// Set aside for documentation, benchmarks, protocols or the future.
    Reserved,
    /// No single host: unspecified, multicast, broadcast.
    Never,
}

/// The addresses that a plugin's HTTP may reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Public addresses, and these.
    #[must_use]
    pub fn new(mut granted: Vec<Network>) -> Self {
        // Sorted, so that plugins with the same grant are seen to have the same and share connections.
        granted.sort();
        granted.dedup();
        Self(granted)
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// The class of the address, where that has to be granted and is not.
    pub fn allows(&self, address: IpAddr) -> Result<(), AddressClass> {
        let address = address.to_canonical();
        let class = AddressClass::of(address);
        let granted = match class {
            AddressClass::Public => true,
            AddressClass::Never => false,
            AddressClass::Loopback => self.0.contains(&Network::Loopback) || self.names(address),
            AddressClass::Private => self.0.contains(&Network::Private) || self.names(address),
            AddressClass::Metadata
            | AddressClass::LinkLocal
            | AddressClass::Shared
            | AddressClass::Translated
            | AddressClass::Reserved => self.names(address),
        };
        if granted { Ok(()) } else { Err(class) }
    }

    fn names(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| matches!(network, Network::Exactly(net) if net.contains(&address)))
    }
}

impl AddressClass {
    /// Says what kind of address this is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            return Self::Metadata;
        }
        // IANA's registry of special-purpose addresses, the narrower networks before the wider.
        V4.iter()
            .find(|(net, _)| net.contains(&address))
            .map_or(Self::Public, |(_, class)| *class)
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            return Self::Metadata;
        }
        // A translator makes an IPv4 address of it: where everything else goes through one (DNS64), public hosts must
        // stay reachable, and what is behind decides.
        if NAT64.contains(&address) {
            let [.., a, b, c, d] = address.octets();
            return match Self::of_v4(Ipv4Addr::new(a, b, c, d)) {
                Self::Public => Self::Public,
                _ => Self::Translated,
            };
        }
        if let Some((_, class)) = V6.iter().find(|(net, _)| net.contains(&address)) {
            return *class;
        }
        // Only 2000::/3 has been handed out to anyone.
        if GLOBAL_V6.contains(&address) {
            Self::Public
        } else {
            Self::Reserved
        }
    }
}

/// Instance metadata of the big clouds, where it is not link-local anyway: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const V4: [(Ipv4Net, AddressClass); 16] = [
    (v4([0, 0, 0, 0], 8), AddressClass::Never),
    (v4([255, 255, 255, 255], 32), AddressClass::Never),
    (v4([224, 0, 0, 0], 4), AddressClass::Never),
    (v4([127, 0, 0, 0], 8), AddressClass::Loopback),
    (v4([10, 0, 0, 0], 8), AddressClass::Private),
    (v4([172, 16, 0, 0], 12), AddressClass::Private),
    (v4([192, 168, 0, 0], 16), AddressClass::Private),
    (v4([169, 254, 0, 0], 16), AddressClass::LinkLocal),
    (v4([100, 64, 0, 0], 10), AddressClass::Shared),
    (v4([192, 88, 99, 0], 24), AddressClass::Translated),
    (v4([192, 0, 0, 0], 24), AddressClass::Reserved),
    (v4([192, 0, 2, 0], 24), AddressClass::Reserved),
    (v4([198, 51, 100, 0], 24), AddressClass::Reserved),
    (v4([203, 0, 113, 0], 24), AddressClass::Reserved),
    (v4([198, 18, 0, 0], 15), AddressClass::Reserved),
    (v4([240, 0, 0, 0], 4), AddressClass::Reserved),
];

const V6: [(Ipv6Net, AddressClass); 12] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Never),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Never),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        AddressClass::LinkLocal,
    ),
    // IPv4-compatible addresses, long deprecated, and the local form of NAT64.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::Translated),
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        AddressClass::Translated,
    ),
    // Teredo is part of 2001::/23, which is set aside for protocols.
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        AddressClass::Translated,
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        AddressClass::Reserved,
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        AddressClass::Reserved,
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        AddressClass::Translated,
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        AddressClass::Reserved,
    ),
];

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Metadata => "a metadata address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "an address behind carrier-grade NAT",
            Self::Translated => "an address that stands for another",
            Self::Reserved => "a reserved address",
            Self::Never => "no host's address",
        })
    }
}

/// The text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no network: write loopback, private, or an address with a prefix such as 10.1.0.0/16"
)]
pub struct ParseNetworkError(String);

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "private" => Ok(Self::Private),
            _ => match text.parse::<IpNet>() {
                Ok(net) => Ok(Self::Exactly(net.trunc())),
                Err(_) => Err(ParseNetworkError(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::Private => f.write_str("private"),
            Self::Exactly(net) => write!(f, "{net}"),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    #[test]
    fn every_address_that_is_not_public_is_known_for_what_it_is() {
        let table = [
            ("8.8.8.8", AddressClass::Public),
            ("172.15.255.255", AddressClass::Public),
            ("172.32.0.0", AddressClass::Public),
            ("100.63.255.255", AddressClass::Public),
            ("2606:4700:4700::1111", AddressClass::Public),
            ("64:ff9b::8.8.8.8", AddressClass::Public),
            ("127.0.0.1", AddressClass::Loopback),
            ("127.255.255.254", AddressClass::Loopback),
            ("::1", AddressClass::Loopback),
            ("::ffff:127.0.0.1", AddressClass::Loopback),
            ("10.0.0.1", AddressClass::Private),
            ("172.16.0.1", AddressClass::Private),
            ("172.31.255.255", AddressClass::Private),
            ("192.168.1.1", AddressClass::Private),
            ("::ffff:192.168.1.1", AddressClass::Private),
            ("fd12:3456::1", AddressClass::Private),
            ("169.254.169.254", AddressClass::Metadata),
            ("::ffff:169.254.169.254", AddressClass::Metadata),
            ("100.100.100.200", AddressClass::Metadata),
            ("168.63.129.16", AddressClass::Metadata),
            ("192.0.0.192", AddressClass::Metadata),
            ("fd00:ec2::254", AddressClass::Metadata),
            ("169.254.1.1", AddressClass::LinkLocal),
            ("fe80::1", AddressClass::LinkLocal),
            ("100.64.0.1", AddressClass::Shared),
            ("100.127.255.255", AddressClass::Shared),
            ("64:ff9b::127.0.0.1", AddressClass::Translated),
            ("64:ff9b::169.254.169.254", AddressClass::Translated),
            ("64:ff9b:1::1", AddressClass::Translated),
            ("2002:7f00:1::", AddressClass::Translated),
            ("2001:0:4136:e378::1", AddressClass::Translated),
            ("::127.0.0.1", AddressClass::Translated),
            ("192.88.99.1", AddressClass::Translated),
            ("192.0.0.8", AddressClass::Reserved),
            ("192.0.2.1", AddressClass::Reserved),
            ("198.18.0.1", AddressClass::Reserved),
            ("198.19.255.255", AddressClass::Reserved),
            ("198.51.100.1", AddressClass::Reserved),
            ("203.0.113.1", AddressClass::Reserved),
            ("240.0.0.1", AddressClass::Reserved),
            ("2001:db8::1", AddressClass::Reserved),
            ("2001:20::1", AddressClass::Reserved),
            ("3fff::1", AddressClass::Reserved),
            ("5f00::1", AddressClass::Reserved),
            ("100::1", AddressClass::Reserved),
            ("fec0::1", AddressClass::Reserved),
            ("0.0.0.0", AddressClass::Never),
            ("0.1.2.3", AddressClass::Never),
            ("255.255.255.255", AddressClass::Never),
            ("224.0.0.1", AddressClass::Never),
            ("::", AddressClass::Never),
            ("::ffff:0.0.0.0", AddressClass::Never),
            ("ff02::1", AddressClass::Never),
        ];
        for (address, class) in table {
            assert_eq!(AddressClass::of(ip(address)), class, "{address}");
            assert_eq!(
                Networks::default().allows(ip(address)).is_ok(),
                class == AddressClass::Public,
                "{address}"
            );
        }
    }

    #[test]
    fn a_grant_opens_what_it_names_and_no_more() {
        let parse = |texts: &[&str]| {
            Networks::new(
                texts
                    .iter()
                    .map(|t| t.parse().expect("it is a network"))
                    .collect(),
            )
        };
        let cases: [(&[&str], &str, bool); 14] = [
            (&["loopback"], "127.0.0.1", true),
            (&["loopback"], "::1", true),
            (&["loopback"], "::ffff:127.0.0.1", true),
            (&["loopback"], "10.0.0.1", false),
            (&["private"], "10.0.0.1", true),
            (&["private"], "127.0.0.1", false),
            (&["private"], "169.254.169.254", false),
            (&["private"], "fd00:ec2::254", false),
            (&["private"], "100.64.0.1", false),
            (&["10.1.0.0/16"], "10.1.2.3", true),
            (&["10.1.0.0/16"], "10.2.2.3", false),
            (&["169.254.0.0/16"], "169.254.169.254", true),
            (&["0.0.0.0/0"], "0.0.0.0", false),
            (&["10.0.0.0/8"], "64:ff9b::10.0.0.1", false),
        ];
        for (granted, address, expected) in cases {
            assert_eq!(
                parse(granted).allows(ip(address)).is_ok(),
                expected,
                "{granted:?} and {address}"
            );
        }
    }

    #[test]
    fn the_same_grant_is_recognised_in_any_order() {
        let a = Networks::new(vec![Network::Private, Network::Loopback, Network::Loopback]);
        let b = Networks::new(vec![Network::Loopback, Network::Private]);
        assert_eq!(a, b);
    }
}
