//! Every kind of address, in every form that carries one.

use crate::address::{Reach, reach, refusal};

#[test]
fn addresses_are_known_for_what_they_are() {
    let check = |address: &str, expected: &str| {
        let found = match reach(address.parse().unwrap()) {
            Reach::Public => "public",
            Reach::Internal(what) | Reach::Never(what) => what,
        };
        assert!(found.contains(expected), "{address} is {found}, expected {expected}");
    };
    let public = [
        "1.1.1.1",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "192.169.0.1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:93.184.216.34",
        "64:ff9b::93.184.216.34",
        "2002:5db8:d822::1",
    ];
    public.iter().for_each(|address| check(address, "public"));
    for (address, expected) in [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.255.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("192.0.0.8", "protocols"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::93.184.216.34", "IPv4-compatible"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("64:ff9b:1::10.0.0.1", "no address"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a00:1::", "private"),
        ("2002:a9fe:a9fe::", "metadata"),
        ("2001::1", "Teredo"),
        ("2001:0:53aa:64c::1", "Teredo"),
        ("2001:10::1", "protocols"),
        ("2001:20::1", "protocols"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("fc00::1", "unique local"),
        ("fd12:3456::1", "unique local"),
        ("fd00:ec2::254", "metadata"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("100::1", "no address"),
        ("5f00::1", "no address"),
        ("::ffff:0:7f00:1", "no address"),
    ] {
        check(address, expected);
    }
}

#[test]
fn a_grant_for_private_addresses_is_for_these_and_no_others() {
    let allowed = |address: &str| refusal(address.parse().unwrap(), true).is_none();
    let internal = ["127.0.0.1", "10.0.0.1", "::1", "fd12::1", "100.64.0.1", "::ffff:192.168.0.1", "fe80::1"];
    assert!(internal.into_iter().all(allowed));
    let never =
        ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "2001::1"];
    assert!(!never.into_iter().any(allowed));
}
