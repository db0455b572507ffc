//! Servers and proxies from URLs (RFC 3986): the little of it that names one, and nothing that
//! would be taken in silence. A password goes from here into a [`Secret`]; no error shows any part
//! of a URL but its scheme.

use std::fmt;
use std::str::FromStr;

use super::{Connector, Security};
use crate::auth::Credentials;
use crate::protocol::Protocol;
use crate::wire::{Escaped, Secret};

/// A URL names no server, or asks for what cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL {0}")]
pub struct InvalidUrl(Reason);

/// Nothing in it may show what could be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("has no scheme: it begins with one of {0}")]
    NoScheme(String),
    #[error("has the scheme \"{scheme}\", which is none of {known}")]
    UnknownScheme { scheme: String, known: String },
    #[error("has a blank or a control character")]
    Control,
    #[error("has no host")]
    NoHost,
    #[error("has a host that is neither a name nor an address")]
    Host,
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    #[error("has a {0}, and there is nothing that it could mean")]
    Surplus(&'static str),
    #[error("has a user or password with one of @ / ? # in it: they are written %40 %2F %3F %23")]
    Unescaped,
    #[error("has a % without two hexadecimal digits behind it")]
    Escape,
    #[error("has a user that is empty or not UTF-8")]
    User,
    #[error("has a user and no password: it is user:password@")]
    NoPassword,
    #[cfg(unix)]
    #[error("of a Unix socket is {0}:///path, with neither user, host nor port")]
    Unix(String),
}

/// A user and a password.
type Login = (String, Secret);

/// The parts of a URL, none of them understood yet.
pub(super) struct Url<'a> {
    scheme: &'a str,
    user_info: Option<&'a str>,
    server: &'a str,
    /// From its first `/`, `?` or `#` on.
    rest: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart that has one of these schemes, in lower case or not.
    ///
    /// `scheme "://" [ userinfo "@" ] host [ ":" port ] path-abempty [ "?" query ] [ "#" fragment
    /// ]`
    pub(super) fn parse(url: &'a str, known: &[&'static str]) -> Result<Self, InvalidUrl> {
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Err(InvalidUrl(Reason::NoScheme(known.join(", "))));
        };
        let Some(scheme) = known.iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
            let (scheme, known) = (scheme.to_owned(), known.join(", "));
            return Err(InvalidUrl(Reason::UnknownScheme { scheme, known }));
        };
        if rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidUrl(Reason::Control));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (user_info, server) = match authority.rsplit_once('@') {
            Some((user_info, server)) => (Some(user_info), server),
            None => (None, authority),
        };
        Ok(Self { scheme, user_info, server, rest })
    }

    pub(super) const fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The server as `host` or `host:port`, and the login, where there is nothing else. A lone `/`
    /// after it says nothing and is let be.
    pub(super) fn into_server(self) -> Result<(&'a str, Option<Login>), InvalidUrl> {
        let Self { user_info, server, rest, .. } = self;
        // An `@` behind the server means that the server ended too early.
        if rest.contains('@') || user_info.is_some_and(|user_info| user_info.contains('@')) {
            return Err(InvalidUrl(Reason::Unescaped));
        }
        check_server(server)?;
        match rest.strip_prefix('/').unwrap_or(rest).bytes().next() {
            None => {}
            Some(b'?') => return Err(InvalidUrl(Reason::Surplus("query"))),
            Some(b'#') => return Err(InvalidUrl(Reason::Surplus("fragment"))),
            Some(_) => return Err(InvalidUrl(Reason::Surplus("path"))),
        }
        Ok((server, user_info.map(login).transpose()?))
    }

    /// The path of a Unix socket.
    #[cfg(unix)]
    fn into_path(self) -> Result<std::path::PathBuf, InvalidUrl> {
        use std::os::unix::ffi::OsStringExt as _;

        let Self { scheme, user_info, server, rest } = self;
        if rest.contains(['?', '#']) {
            return Err(InvalidUrl(Reason::Surplus("query or fragment")));
        }
        let path = decode(rest)?;
        let names_file = path.len() > 1 && path.starts_with(b"/") && !path.contains(&0);
        if user_info.is_some() || !server.is_empty() || !names_file {
            return Err(InvalidUrl(Reason::Unix(scheme.to_owned())));
        }
        Ok(std::ffi::OsString::from_vec(path).into())
    }
}

/// RFC 3986 §3.1: `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn is_scheme(scheme: &str) -> bool {
    let is_lawful = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_lawful)
}

/// `host [ ":" port ]`, where `host` is a name, an IPv4 address or an IPv6 address in brackets.
fn check_server(server: &str) -> Result<(), InvalidUrl> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !server.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    if host.is_empty() {
        return Err(InvalidUrl(Reason::NoHost));
    }
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_lawful = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || !c.is_ascii();
    if !is_address && !host.chars().all(is_lawful) {
        return Err(InvalidUrl(Reason::Host));
    }
    // Digits alone: a number may have a sign for `parse`.
    let is_port = |port: &str| {
        port.bytes().all(|octet| octet.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    match port.is_none_or(is_port) {
        true => Ok(()),
        false => Err(InvalidUrl(Reason::Port)),
    }
}

/// `user ":" password`, where the first colon counts: a password may have one.
fn login(user_info: &str) -> Result<Login, InvalidUrl> {
    let (user, password) = user_info.split_once(':').ok_or(InvalidUrl(Reason::NoPassword))?;
    let password = Secret::from(decode(password)?);
    match String::from_utf8(decode(user)?) {
        Ok(user) if !user.is_empty() => Ok((user, password)),
        _ => Err(InvalidUrl(Reason::User)),
    }
}

/// RFC 3986 §2.1. A plus stays one: it means a blank in forms alone.
fn decode(text: &str) -> Result<Vec<u8>, InvalidUrl> {
    // All its room at once: what grows leaves copies behind.
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: &u8| char::from(*octet).to_digit(16);
        let [high, low, behind @ ..] = rest else {
            return Err(InvalidUrl(Reason::Escape));
        };
        let (high, low) = digit(high).zip(digit(low)).ok_or(InvalidUrl(Reason::Escape))?;
        octets.extend(u8::try_from(high * 16 + low));
        rest = behind;
    }
    Ok(octets)
}

/// Octets as [`decode`] reads them; `/` stays as it is where it is to.
struct Encoded<'a>(&'a [u8], &'static [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet.is_ascii_alphanumeric()
                || b"-._~".contains(&octet)
                || self.1.contains(&octet)
            {
                true => write!(f, "{}", char::from(octet))?,
                false => write!(f, "%{octet:02X}")?,
            }
        }
        Ok(())
    }
}

/// Each scheme and what it stands for; the first of those that stand for the same is shown. `smtp`
/// is STARTTLS, and required: elsewhere it may go on in clear without a word.
const SCHEMES: [(&str, Protocol, Security); 10] = [
    ("smtp", Protocol::Smtp, Security::StartTls),
    ("smtp+starttls", Protocol::Smtp, Security::StartTls),
    ("smtps", Protocol::Smtp, Security::Implicit),
    ("smtp+opportunistic", Protocol::Smtp, Security::Opportunistic),
    ("smtp+insecure", Protocol::Smtp, Security::None),
    ("lmtp", Protocol::Lmtp, Security::StartTls),
    ("lmtp+starttls", Protocol::Lmtp, Security::StartTls),
    ("lmtps", Protocol::Lmtp, Security::Implicit),
    ("lmtp+opportunistic", Protocol::Lmtp, Security::Opportunistic),
    ("lmtp+insecure", Protocol::Lmtp, Security::None),
];

/// Those of Unix sockets, over which nothing has to be protected.
#[cfg(unix)]
const UNIX_SCHEMES: [(&str, Protocol); 2] =
    [("smtp+unix", Protocol::Smtp), ("lmtp+unix", Protocol::Lmtp)];
#[cfg(not(unix))]
const UNIX_SCHEMES: [(&str, Protocol); 0] = [];

/// Reads a URL: `scheme://[user:password@]host[:port]`, or `lmtp+unix:///path`.
///
/// | scheme | what it stands for |
/// |---|---|
/// | `smtp`, `smtp+starttls` | [`Security::StartTls`]: required, port 587 |
/// | `smtps` | [`Security::Implicit`], port 465 |
/// | `smtp+opportunistic` | [`Security::Opportunistic`], port 25 |
/// | `smtp+insecure` | [`Security::None`], port 25 |
/// | `lmtp`, and so on | the same over LMTP, which needs a port |
/// | `lmtp+unix`, `smtp+unix` | a Unix socket, as [`Connector::unix`] has it |
///
/// `smtp` does here what [`Connector::new`] does, so that a URL from another program fails where it
/// would have gone in clear there. `insecure` alone sends no password: that still takes
/// [`allow_cleartext`](Connector::allow_cleartext).
///
/// User and password are percent-encoded. A path, a query and a fragment are refused, since whoever
/// wrote them wants something by them.
///
/// ```
/// use ehlo::Connector;
///
/// let connector: Connector = "smtps://alice:wonder%20land@mail.example.org".parse()?;
/// assert_eq!(connector.to_string(), "smtps://alice@mail.example.org");
/// let connector = Connector::try_from("lmtp+insecure://192.0.2.1:24")?;
///
/// let refused = "smtp://mail.example.org?tls=none".parse::<Connector>().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "the URL has a query, and there is nothing that it could mean"
/// );
/// # Ok::<(), ehlo::InvalidUrl>(())
/// ```
impl FromStr for Connector {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let schemes = SCHEMES.iter().map(|(scheme, ..)| *scheme);
        let known: Vec<_> = schemes.chain(UNIX_SCHEMES.iter().map(|(scheme, _)| *scheme)).collect();
        let url = Url::parse(url, &known)?;
        let of = |protocol: Protocol, connector: Self| match protocol {
            Protocol::Smtp => connector,
            Protocol::Lmtp => connector.lmtp(),
        };
        #[cfg(unix)]
        if let Some((_, protocol)) =
            UNIX_SCHEMES.into_iter().find(|(scheme, _)| *scheme == url.scheme())
        {
            return Ok(of(protocol, Self::unix(url.into_path()?)));
        }
        let (_, protocol, security) = SCHEMES
            .into_iter()
            .find(|(scheme, ..)| *scheme == url.scheme())
            .ok_or_else(|| InvalidUrl(Reason::NoScheme(known.join(", "))))?;
        let (server, login) = url.into_server()?;
        let connector = of(protocol, Self::new(server).security(security));
        Ok(match login {
            Some((user, password)) => connector.credentials(user, password),
            None => connector,
        })
    }
}

impl TryFrom<&str> for Connector {
    type Error = InvalidUrl;

    fn try_from(url: &str) -> Result<Self, InvalidUrl> {
        url.parse()
    }
}

/// Shows the server as a URL, with the user and never the password. Other settings are not shown.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            let mut schemes = UNIX_SCHEMES.into_iter();
            let scheme = schemes.find(|(_, protocol)| *protocol == self.protocol);
            let path = Encoded(path.as_os_str().as_encoded_bytes(), b"/");
            return write!(f, "{}://{path}", scheme.map_or("", |(scheme, _)| scheme));
        }
        let stands_for = |(_, protocol, security): &(_, Protocol, Security)| {
            (*protocol, *security) == (self.protocol, self.security)
        };
        let scheme = SCHEMES.into_iter().find(stands_for).map_or("", |(scheme, ..)| scheme);
        write!(f, "{scheme}://")?;
        let user = self.credentials.as_ref().map_or("", Credentials::user);
        if !user.is_empty() {
            write!(f, "{}@", Encoded(user.as_bytes(), b""))?;
        }
        match self.common.host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]")?,
            // No URL is read with a zone in it, and so this is for people.
            Err(_) if self.common.host.contains(':') && !self.common.host.starts_with('[') => {
                write!(f, "[{}]", Escaped::new(self.common.host.as_bytes()))?;
            }
            Err(_) => write!(f, "{}", Escaped::new(self.common.host.as_bytes()))?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn shown(url: &str) -> String {
        url.parse::<Connector>().unwrap().to_string()
    }

    #[track_caller]
    fn refused(url: &str, words: &str) {
        let invalid = url.parse::<Connector>().unwrap_err();
        assert_eq!(invalid.to_string(), format!("the URL has {words}"), "{url}");
        assert_eq!(Connector::try_from(url).unwrap_err(), invalid);
    }

    #[test]
    fn every_scheme_stands_for_what_it_says() {
        for (scheme, protocol, security) in SCHEMES {
            for scheme in [scheme.to_owned(), scheme.to_uppercase()] {
                let connector: Connector = format!("{scheme}://mx.example").parse().unwrap();
                assert_eq!((connector.protocol, connector.security), (protocol, security));
                assert_eq!((connector.common.host.as_str(), connector.port), ("mx.example", None));
                assert!(connector.credentials.is_none());
                assert!(connector.invalid.is_none());
            }
        }
        // Without a word for it nothing is weaker than what `Connector::new` does.
        let connector: Connector = "smtp://mx.example".parse().unwrap();
        assert_eq!(connector.security, Security::default());
        let debug = format!("{connector:?}");
        assert!(debug.contains("allow_cleartext: false"), "{debug}");
    }

    #[test]
    fn a_url_is_shown_as_it_is_read() {
        for url in [
            "smtp://mx.example",
            "smtps://mx.example:4650",
            "smtp+opportunistic://192.0.2.1",
            "smtp+insecure://[2001:db8::1]:25",
            "lmtp+insecure://mx.example:24",
            "lmtps://mx_1.example:24",
        ] {
            assert_eq!(shown(url), url);
            assert_eq!(shown(&format!("{url}/")), url);
        }
        assert_eq!(shown("smtp+starttls://mx"), "smtp://mx");
        let bare = Connector::new("2001:db8::1").port(25).to_string();
        assert_eq!(bare, "smtp://[2001:db8::1]:25");
        let zoned = Connector::new("fe80::1%eth0").port(25).to_string();
        assert_eq!(zoned, "smtp://[fe80::1%eth0]:25");
        assert_eq!(Connector::new("a\u{1b}[2J").to_string(), r"smtp://a\x1b[2J");
    }

    #[test]
    fn user_and_password_are_decoded() {
        for (user_info, user, password) in [
            ("alice:wonderland", "alice", "wonderland"),
            ("alice%40example.org:a%2Fb%3fc", "alice@example.org", "a/b?c"),
            ("%C3%A9:a:b", "é", "a:b"),
            ("é:ö+ü", "é", "ö+ü"),
            ("alice:", "alice", ""),
            ("alice:%25%32%35", "alice", "%25"),
        ] {
            assert_eq!(
                login(user_info),
                Ok((user.to_owned(), Secret::from(password))),
                "{user_info}"
            );
        }
        // A password need not be text.
        assert_eq!(login("alice:%ff%00").unwrap().1, Secret::from(&[0xff, 0][..]));
    }

    #[test]
    fn t11_what_is_shown_has_no_password() {
        let connector: Connector = "smtps://al%20ice:w0nder%2Fland@mx.example".parse().unwrap();
        assert_eq!(connector.to_string(), "smtps://al%20ice@mx.example");
        let nobody = connector.clone().authenticate(Credentials::new("", "w0nder"));
        assert_eq!(nobody.to_string(), "smtps://mx.example");
        let debug = format!("{connector:?}");
        assert!(debug.contains("mx.example") && !debug.contains("w0nder"), "{debug}");
    }

    #[test]
    fn t11_no_error_shows_a_password() {
        for url in [
            "w0nder",
            "alice:w0nder@mx.example",
            "alice:w0nder://mx.example",
            "smtp:/alice:w0nder@mx.example",
            "smtp://alice:w0nder",
            "smtp://alice:w0nder/@mx.example",
            "smtp://alice:w0nder@land@mx.example",
            "smtp://alice:w0nder%@mx.example",
            "smtp://alice:w0nder land@mx.example",
            "smtp://alice:w0nder@mx.example:w0nder",
            "smtp://w0nder@mx.example",
            "smtp://:w0nder@mx.example",
            "smtp://mx.example/?password=w0nder",
            "smtp+unix://alice:w0nder@/run/x",
        ] {
            let invalid = url.parse::<Connector>().unwrap_err();
            let shown = format!("{invalid} {invalid:?}");
            assert!(!shown.contains("w0nder"), "{url}: {shown}");
        }
    }

    #[test]
    fn what_means_nothing_here_is_refused() {
        let surplus = ", and there is nothing that it could mean";
        refused("smtp://mx/inbox", &format!("a path{surplus}"));
        refused("smtp://mx//", &format!("a path{surplus}"));
        refused("smtp://mx?tls=none", &format!("a query{surplus}"));
        refused("smtp://mx/?tls=none", &format!("a query{surplus}"));
        refused("smtp://mx#x", &format!("a fragment{surplus}"));
        refused("smtp://", "no host");
        refused("smtp://:25", "no host");
        refused("smtp://alice:x@", "no host");
        for host in ["a%62", "a,b", "[::1", "::1", "[mx]", "[fe80::1%25eth0]", "a:1:2"] {
            refused(&format!("smtp://{host}"), "a host that is neither a name nor an address");
        }
        for port in ["", "0", "65536", "+25", "smtp"] {
            refused(&format!("smtp://mx:{port}"), "a port that is no number from 1 to 65535");
        }
        let unescaped =
            "a user or password with one of @ / ? # in it: they are written %40 %2F %3F %23";
        for url in ["smtp://a:b@c@mx", "smtp://a:b/c@mx", "smtp://a:b?c@mx", "smtp://a:b#c@mx"] {
            refused(url, unescaped);
        }
        for user_info in ["a:%", "a:%4", "a:%4g", "%zz:a", "a:%+4"] {
            let words = "a % without two hexadecimal digits behind it";
            refused(&format!("smtp://{user_info}@mx"), words);
        }
        refused("smtp://:a@mx", "a user that is empty or not UTF-8");
        refused("smtp://%ff:a@mx", "a user that is empty or not UTF-8");
        refused("smtp://alice@mx", "a user and no password: it is user:password@");
        refused("smtp://m x", "a blank or a control character");
        refused("smtp://mx\r\n", "a blank or a control character");
    }

    #[cfg(unix)]
    #[test]
    fn an_unknown_scheme_is_answered_with_those_there_are() {
        let known = "smtp, smtp+starttls, smtps, smtp+opportunistic, smtp+insecure, lmtp, \
                     lmtp+starttls, lmtps, lmtp+opportunistic, lmtp+insecure, smtp+unix, lmtp+unix";
        refused("imap://mx", &format!("the scheme \"imap\", which is none of {known}"));
        for url in ["", "mx.example:25", "smtp:mx.example", "://mx", "2smtp://mx", "s m://mx"] {
            refused(url, &format!("no scheme: it begins with one of {known}"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_is_named_by_its_path() {
        let connector: Connector = "lmtp+unix:///run/dove%20cot/lmtp".parse().unwrap();
        let path = std::path::Path::new("/run/dove cot/lmtp");
        assert_eq!(connector.socket.as_deref(), Some(path));
        assert_eq!((connector.protocol, connector.security), (Protocol::Lmtp, Security::None));
        assert_eq!(connector.to_string(), "lmtp+unix:///run/dove%20cot/lmtp");
        assert_eq!(shown("smtp+unix:///x"), "smtp+unix:///x");

        for url in ["lmtp+unix://", "lmtp+unix:///", "lmtp+unix://run/x", "lmtp+unix://a:b@/x"] {
            let words =
                "the URL of a Unix socket is lmtp+unix:///path, with neither user, host nor port";
            assert_eq!(url.parse::<Connector>().unwrap_err().to_string(), words, "{url}");
        }
        assert!("lmtp+unix:///a%00b".parse::<Connector>().is_err());
        refused("lmtp+unix:///x?y", "a query or fragment, and there is nothing that it could mean");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_encoded_is_decoded(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let encoded = Encoded(&octets, b"").to_string();
            prop_assert!(encoded.is_ascii() && !encoded.contains(['@', ':', '/', '?', '#']));
            prop_assert_eq!(decode(&encoded).unwrap(), octets);
        }

        #[test]
        fn any_user_and_password_go_through(user in ".{1,20}", password in ".{0,20}") {
            let encode = |text: &str| Encoded(text.as_bytes(), b"").to_string();
            let url = format!("smtps://{}:{}@mx:1", encode(&user), encode(&password));
            let url = Url::parse(&url, &["smtps"]).unwrap();
            prop_assert_eq!(
                url.into_server().unwrap(),
                ("mx:1", Some((user, Secret::from(password))))
            );
        }

        #[test]
        fn no_text_panics(text in ".{0,30}", scheme in "(smtp://|lmtp\\+unix://)?") {
            let _ = format!("{scheme}{text}").parse::<Connector>().map(|it| it.to_string());
        }
    }
}
