//! The PROXY header, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it: what a client says
//! first to a server that takes its connections from a balancer. It is written, never read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A PROXY header to send before anything else, to a server that expects one because it stands
/// behind a balancer. Any other server takes it for a command, and a strange one.
///
/// It names the two ends of the connection; other ones where they are given. Where none are known,
/// over a Unix socket, a proxy or a stream that is given, it says so (`UNKNOWN`, in version 2
/// `LOCAL`), and the server goes by what it sees.
///
/// ```
/// use ehlo::{Connector, ProxyHeader};
///
/// let header = ProxyHeader::v1().between("192.0.2.7:4321".parse()?, "198.51.100.1:25".parse()?);
/// let connector = Connector::new("mx.example.org").proxy_header(header);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    version: Version,
    ends: Option<(SocketAddr, SocketAddr)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// A line of text.
    One,
    /// Octets.
    Two,
}

impl ProxyHeader {
    /// Version 1: a line of text.
    #[must_use]
    pub const fn v1() -> Self {
        Self { version: Version::One, ends: None }
    }

    /// Version 2: octets.
    #[must_use]
    pub const fn v2() -> Self {
        Self { version: Version::Two, ends: None }
    }

    /// Names these ends: who calls, and who was called. Where one is of IPv4 and the other of IPv6,
    /// the first goes as an address of IPv6, since a header has one family.
    #[must_use]
    pub const fn between(mut self, source: SocketAddr, destination: SocketAddr) -> Self {
        self.ends = Some((source, destination));
        self
    }

    /// The octets, for a connection with these ends.
    pub(in crate::net) fn encode(&self, connection: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
        let ends = self.ends.or(connection);
        match self.version {
            Version::One => v1(ends).into_bytes(),
            Version::Two => v2(ends),
        }
    }
}

/// `PROXY TCP4 source destination port port`, at most 107 octets.
fn v1(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((source, destination)) = ends else {
        return "PROXY UNKNOWN\r\n".to_owned();
    };
    let (family, from, to) = match of_one_family(source.ip(), destination.ip()) {
        (from @ IpAddr::V4(_), to) => ("TCP4", from, to),
        (from, to) => ("TCP6", from, to),
    };
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
}

/// The signature, `version | command`, `family | transport`, the length of what follows.
fn v2(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;

    let mut octets = SIGNATURE.to_vec();
    let Some((source, destination)) = ends else {
        octets.extend([LOCAL, 0, 0, 0]);
        return octets;
    };
    match of_one_family(source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            octets.extend([PROXY, TCP4, 0, 12]);
            octets.extend([from.octets(), to.octets()].concat());
        }
        (from, to) => {
            octets.extend([PROXY, TCP6, 0, 36]);
            octets.extend([as_v6(from).octets(), as_v6(to).octets()].concat());
        }
    }
    octets.extend(source.port().to_be_bytes());
    octets.extend(destination.port().to_be_bytes());
    octets
}

fn of_one_family(one: IpAddr, other: IpAddr) -> (IpAddr, IpAddr) {
    match one.is_ipv4() == other.is_ipv4() {
        true => (one, other),
        false => (as_v6(one).into(), as_v6(other).into()),
    }
}

const fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [&str; 2] = ["192.0.2.7:4321", "198.51.100.1:25"];
    const V6: [&str; 2] = ["[2001:db8::7]:4321", "[2001:db8::1]:587"];

    fn ends([source, destination]: [&str; 2]) -> (SocketAddr, SocketAddr) {
        (source.parse().unwrap(), destination.parse().unwrap())
    }

    #[test]
    fn version_1_is_a_line() {
        let line = |header: ProxyHeader, connection: Option<_>| {
            String::from_utf8(header.encode(connection.map(ends))).unwrap()
        };
        let header = ProxyHeader::v1();
        assert_eq!(line(header, Some(V4)), "PROXY TCP4 192.0.2.7 198.51.100.1 4321 25\r\n");
        assert_eq!(line(header, Some(V6)), "PROXY TCP6 2001:db8::7 2001:db8::1 4321 587\r\n");
        let mixed = Some([V4[0], V6[1]]);
        assert_eq!(line(header, mixed), "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4321 587\r\n");
        assert_eq!(line(header, None), "PROXY UNKNOWN\r\n");
        // What is given goes before what is seen.
        let (source, destination) = ends(V6);
        let given = header.between(source, destination);
        assert_eq!(line(given, Some(V4)), line(header, Some(V6)));
    }

    #[test]
    fn the_longest_line_is_within_its_bound() {
        let widest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert_eq!(ProxyHeader::v1().encode(Some(ends([widest, widest]))).len(), 104);
    }

    #[test]
    fn version_2_is_octets() {
        let header = ProxyHeader::v2();
        let signature = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
        let v4 = [0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0x10, 0xe1, 0, 25];
        assert_eq!(header.encode(Some(ends(V4))), [&signature[..], &v4].concat());
        let octets = header.encode(Some(ends(V6)));
        assert_eq!(octets[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!(octets.len(), 16 + 36);
        assert_eq!(octets[16..20], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(octets[47..], [1, 0x10, 0xe1, 0x02, 0x4b]);
        let octets = header.encode(Some(ends([V4[0], V6[1]])));
        assert_eq!(octets[26..32], [0xff, 0xff, 192, 0, 2, 7]);
        assert_eq!(header.encode(None), [&signature[..], &[0x20, 0, 0, 0]].concat());
    }
}
