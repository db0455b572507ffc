//! What stands in the place of a host: a name, an address in brackets, and the name by which a
//! client calls itself. Names alone are in `domain`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::domain::{hash_ignoring_case, is_ldh};
use super::invalid::{into_cow, try_from_text};
use super::{Domain, InvalidValue};

/// An address in place of a domain, in brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
///
/// ```
/// let literal: ehlo::AddressLiteral = "[IPv6:2001:db8::1]".parse()?;
/// assert_eq!(literal, std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]).into());
/// assert_eq!(literal.to_string(), "[IPv6:2001:db8::1]");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressLiteral {
    /// `[192.0.2.1]`
    V4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`
    V6(Ipv6Addr),
    /// `[tag:content]`. No such tag is registered.
    Other(GeneralLiteral),
}

/// An address literal of neither IP version: a tag, a colon and printable octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GeneralLiteral(Box<str>);

impl GeneralLiteral {
    /// `tag:content`, without the brackets.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddressLiteral {
    type Err = InvalidValue;

    /// ```text
    /// address-literal         = "[" ( IPv4-address-literal / IPv6-address-literal
    ///                           / General-address-literal ) "]"
    /// IPv6-address-literal    = "IPv6:" IPv6-addr
    /// General-address-literal = Standardized-tag ":" 1*dcontent
    /// Standardized-tag        = Ldh-str
    /// dcontent                = %d33-90 / %d94-126
    /// ```
    ///
    /// RFC 5321 §4.1.3. `::` may stand for one group as well (errata 2467 and 4315). `<`, `>` and
    /// `"` are refused in `dcontent`: where a path ends that holds one there is read differently by
    /// different servers.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| InvalidValue::new("address literal", text, reason);
        let inside = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(|| refuse("an address literal stands in brackets"))?;
        let Some((tag, content)) = inside.split_once(':') else {
            return ipv4(inside).map(Self::V4).ok_or_else(|| refuse(IPV4));
        };
        if tag.eq_ignore_ascii_case("IPv6") {
            return content.parse().map(Self::V6).map_err(|_| refuse(IPV6));
        }
        if tag.is_empty() || tag.ends_with('-') || !tag.bytes().all(is_ldh) {
            return Err(refuse(TAG));
        }
        if content.is_empty() || !content.bytes().all(is_dcontent) {
            return Err(refuse(CONTENT));
        }
        if text.len() > MAX_LITERAL {
            return Err(refuse("the address literal is longer than 255 octets"));
        }
        Ok(Self::Other(GeneralLiteral(inside.into())))
    }
}

impl From<IpAddr> for AddressLiteral {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "[{address}]"),
            Self::V6(address) => write!(f, "[IPv6:{address}]"),
            Self::Other(literal) => write!(f, "[{}]", literal.0),
        }
    }
}

/// The right side of a mailbox: a domain, or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// A name.
    Domain(Domain),
    /// An address in brackets.
    Literal(AddressLiteral),
}

impl FromStr for Host {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.starts_with('[') {
            true => text.parse().map(Self::Literal),
            false => text.parse().map(Self::Domain),
        }
    }
}

impl From<Domain> for Host {
    fn from(domain: Domain) -> Self {
        Self::Domain(domain)
    }
}

impl From<AddressLiteral> for Host {
    fn from(literal: AddressLiteral) -> Self {
        Self::Literal(literal)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Literal(address.into())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

/// How the client calls itself in EHLO, HELO and LHLO: its full name, or its address in brackets.
///
/// Always written in ASCII, even with the feature `idna`: RFC 6531 §3.7.1 wants A-labels here.
/// A name of one label is allowed, though many servers refuse one.
///
/// ```
/// let name: ehlo::ClientName = "client.example.org".parse()?;
/// assert_eq!(name.as_str(), "client.example.org");
/// let address = ehlo::ClientName::from(std::net::IpAddr::from([192, 0, 2, 1]));
/// assert_eq!(address.as_str(), "[192.0.2.1]");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientName(Box<str>);

impl ClientName {
    /// The name as it goes over the wire, an address in its brackets.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if !text.is_ascii() {
            return Err(InvalidValue::new("client name", text, NOT_ASCII));
        }
        match text.parse::<Host>() {
            Ok(host) => Ok(host.into()),
            Err(error) => Err(error.within("client name", text)),
        }
    }
}

impl From<Host> for ClientName {
    fn from(host: Host) -> Self {
        Self(host.to_string().into())
    }
}

impl From<Domain> for ClientName {
    fn from(domain: Domain) -> Self {
        Host::from(domain).into()
    }
}

impl From<AddressLiteral> for ClientName {
    fn from(literal: AddressLiteral) -> Self {
        Host::from(literal).into()
    }
}

impl From<IpAddr> for ClientName {
    fn from(address: IpAddr) -> Self {
        Host::from(address).into()
    }
}

impl PartialEq for ClientName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ClientName {}

impl Hash for ClientName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(&self.0, state);
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

try_from_text!(AddressLiteral, Host, ClientName);
into_cow!(ClientName);

/// ```text
/// IPv4-address-literal = Snum 3( "." Snum )
/// Snum                 = 1*3DIGIT            ; 0 to 255, decimal even with leading zeros
/// ```
///
/// The standard library refuses leading zeros.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut numbers = text.split('.').map(snum);
    let address = [numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then(|| address.into())
}

fn snum(text: &str) -> Option<u8> {
    let lawful = text.len() <= 3 && text.bytes().all(|octet| octet.is_ascii_digit());
    lawful.then(|| text.parse().ok()).flatten()
}

const fn is_dcontent(octet: u8) -> bool {
    matches!(octet, 33..=90 | 94..=126) && !matches!(octet, b'<' | b'>' | b'"')
}

/// RFC 5321 §4.5.3.1.2: a literal stands for a domain, and has its size.
const MAX_LITERAL: usize = 255;
const IPV4: &str = "the address literal holds no IPv4 address";
const IPV6: &str = "the address literal holds no IPv6 address";
const TAG: &str = "the tag of an address literal may hold letters, digits and inner hyphens only";
const CONTENT: &str =
    "an address literal may hold printable ASCII without brackets and quotes only";
const NOT_ASCII: &str = "a client name must be ASCII: write a domain in A-labels";

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    /// C-045.
    #[test]
    fn c_045_reads_and_writes_address_literals() {
        let cases = [
            ("[127.0.0.1]", "[127.0.0.1]"),
            ("[010.0.00.255]", "[10.0.0.255]"),
            ("[IPv6:::1]", "[IPv6:::1]"),
            ("[ipv6:2001:DB8:0:0:0:0:0:1]", "[IPv6:2001:db8::1]"),
            ("[IPv6:::ffff:192.0.2.1]", "[IPv6:::ffff:192.0.2.1]"),
            // One group behind `::`, which is never written.
            ("[IPv6:1:2:3:4:5:6:7::]", "[IPv6:1:2:3:4:5:6:7:0]"),
            ("[x-1:a!Z~]", "[x-1:a!Z~]"),
        ];
        for (text, written) in cases {
            let literal = text.parse::<AddressLiteral>().unwrap();
            assert_eq!(literal.to_string(), written);
            assert_eq!(written.parse::<AddressLiteral>().unwrap(), literal);
            if let AddressLiteral::Other(general) = literal {
                assert_eq!(format!("[{}]", general.as_str()), written);
            }
        }
    }

    #[test]
    fn refuses_address_literals_with_these_words() {
        let cases = [
            ("", "an address literal stands in brackets"),
            ("127.0.0.1", "an address literal stands in brackets"),
            ("[127.0.0.1", "an address literal stands in brackets"),
            ("[]", IPV4),
            ("[127.0.0]", IPV4),
            ("[127.0.0.1.1]", IPV4),
            ("[127.0.0.256]", IPV4),
            ("[127.0.0.0001]", IPV4),
            ("[127.0.0.+1]", IPV4),
            ("[127.0.0.]", IPV4),
            ("[IPv6:]", IPV6),
            ("[IPv6:1:2]", IPV6),
            ("[IPv6:fe80::1%eth0]", IPV6),
            ("[IPv6:1::2::3]", IPV6),
            ("[:x]", TAG),
            ("[a-:x]", TAG),
            ("[a_b:x]", TAG),
            ("[x:]", CONTENT),
            ("[x:a b]", CONTENT),
            ("[x:a]b]", CONTENT),
            ("[x:a>b]", CONTENT),
            ("[x:a\"b]", CONTENT),
            ("[x:\u{10a}]", CONTENT),
            ("[x:\r]", CONTENT),
        ];
        for (text, reason) in cases {
            let error = text.parse::<AddressLiteral>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("address literal", reason), "{text}");
        }
    }

    #[test]
    fn a_client_name_is_a_domain_or_a_literal() {
        for name in ["localhost", "Client.example.org", "[192.0.2.1]", "[IPv6:::1]"] {
            assert_eq!(name.parse::<ClientName>().unwrap().as_str(), name);
        }
        let name: ClientName = "Client.example.org".parse().unwrap();
        assert_eq!(name, "client.EXAMPLE.org".parse::<Domain>().unwrap().into());
        assert_eq!(ClientName::from(IpAddr::from([0; 16])).to_string(), "[IPv6:::]");
        let set = std::collections::HashSet::from([name]);
        assert!(set.contains(&ClientName::try_from("client.example.org").unwrap()));
        let [one, other] =
            ["a.example", "[192.0.2.1]"].map(|name| ClientName::try_from(name).unwrap());
        assert_ne!(one, other);
        let hasher = RandomState::new();
        assert_ne!(hasher.hash_one(one), hasher.hash_one(other));
    }

    #[test]
    fn bounds_the_literal() {
        let literal = |len: usize| format!("[x:{}]", "a".repeat(len - 4)).parse::<AddressLiteral>();
        assert!(literal(255).is_ok());
        assert_eq!(
            literal(256).unwrap_err().reason(),
            "the address literal is longer than 255 octets"
        );
    }

    /// One word, and never U-labels, whatever features are on.
    #[test]
    fn c_046_c_047_refuses_client_names_with_these_words() {
        let cases = [
            (
                "bücher.example",
                r#"client name "bücher.example": a client name must be ASCII: write a domain in A-labels"#,
            ),
            ("", r#"client name "": it is empty"#),
            (
                "a b",
                r#"client name "a b": a label of the domain may hold letters, digits and hyphens only"#,
            ),
            (
                "[300.0.0.1]",
                r#"client name "[300.0.0.1]": the address literal holds no IPv4 address"#,
            ),
        ];
        for (name, words) in cases {
            assert_eq!(name.parse::<ClientName>().unwrap_err().to_string(), words);
        }
    }
}
