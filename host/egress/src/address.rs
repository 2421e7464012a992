//! Which addresses a plugin's request may reach. Forms of IPv6 that carry an IPv4 address are judged by that
//! one. Sources: the special-purpose registries of IANA for IPv4 and IPv6 (RFC 6890 and its updates), and the
//! cloud providers' documents for their metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// On the Internet.
    Public,
    /// Inside a machine or a network; only for a grant that says so.
    Internal(&'static str),
    /// Nowhere that a plugin has any business.
    Never(&'static str),
}

use Reach::{Internal, Never, Public};

const METADATA: Reach = Never("the metadata service of a cloud");

/// Metadata services and what stands for them: AWS, Azure, Google and others share the first.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Why a request may not go to `address`; none if it may.
pub(crate) fn refusal(address: IpAddr, allow_private: bool) -> Option<&'static str> {
    match reach(address) {
        Public => None,
        Internal(_) if allow_private => None,
        Internal(what) | Never(what) => Some(what),
    }
}

pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return METADATA;
    }
    match address.octets() {
        [0, ..] => Never("an unspecified address"),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Internal("a private address"),
        [127, ..] => Internal("a loopback address"),
        [169, 254, ..] => Internal("a link-local address"),
        [100, 64..=127, ..] => Internal("a shared address of a provider's network"),
        [198, 18..=19, ..] => Internal("a benchmarking address"),
        [192, 0, 0, _] => Never("an address of protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("an address for documentation"),
        [192, 88, 99, _] => Never("a relay of 6to4"),
        [224..=239, ..] => Never("a multicast address"),
        [255, 255, 255, 255] => Never("the broadcast address"),
        [240..=255, ..] => Never("a reserved address"),
        _ => Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return METADATA;
    }
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Internal("a loopback address"),
        [0, 0, 0, 0, 0, 0xffff, high, low] => inner(high, low),
        [0, 0, 0, 0, 0, 0, ..] => Never("an IPv4-compatible address"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        [0x2001, 0, ..] => Never("an address of Teredo"),
        [0x2001, 0..=0x1ff, ..] => Never("an address of protocols"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Never("an address for documentation"),
        [0xfc00..=0xfdff, ..] => Internal("a unique local address"),
        [0xfe80..=0xfebf, ..] => Internal("a link-local address"),
        [0xfec0..=0xfeff, ..] => Internal("a site-local address"),
        [0xff00..=0xffff, ..] => Never("a multicast address"),
        [0x2000..=0x3fff, ..] => Public,
        _ => Never("no address of the Internet"),
    }
}
