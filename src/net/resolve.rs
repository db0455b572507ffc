//! From a name to the hosts that take its mail, and from a host to its addresses: the question, its
//! answers, and the system's resolver. In which order addresses are tried is `race`'s affair.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::race::interleave;
use crate::Escaped;

/// Who is asked for names: the system, DNS itself, or a table of one's own.
///
/// [`Connector::resolver`](super::Connector::resolver) takes one. The system's resolver is the
/// default; it has no way to ask for MX, so that what looks for the hosts of a domain is told
/// [`MailHosts::NotAsked`]. With feature `dns` there is `DnsResolver`, which asks.
///
/// ```
/// use std::net::IpAddr;
///
/// use ehlo::{MailHosts, MxHost, Resolve, ResolveFault, Resolving};
///
/// /// Whatever the name is, this machine.
/// #[derive(Debug)]
/// struct Here;
///
/// impl Resolve for Here {
///     fn addresses<'a>(&'a self, _host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
///         Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
///     }
///
///     fn mail_hosts<'a>(&'a self, domain: &'a str) -> Resolving<'a, MailHosts> {
///         Box::pin(async move { Ok(MailHosts::of([MxHost::new(10, format!("mx.{domain}"))])) })
///     }
/// }
///
/// let connector = ehlo::Connector::new("mail.example.org").resolver(Here);
/// ```
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a host, in the order in which they are best tried. Never asked for a host
    /// that is written as an address.
    ///
    /// # Errors
    /// There is none, or it could not be found out. How long it takes is limited by who asks.
    fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<IpAddr>>;

    /// The hosts that take mail for a domain, by its MX records. By default
    /// [`MailHosts::NotAsked`].
    ///
    /// # Errors
    /// The domain does not exist, or it could not be found out. That it has no MX record is an
    /// answer: [`MailHosts::Implicit`].
    fn mail_hosts<'a>(&'a self, _domain: &'a str) -> Resolving<'a, MailHosts> {
        Box::pin(async { Ok(MailHosts::NotAsked) })
    }
}

/// An answer that is waited for.
pub type Resolving<'a, T> = Pin<Box<dyn Future<Output = Result<T, ResolveFault>> + Send + 'a>>;

/// Which hosts take mail for a domain (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailHosts {
    /// Those that its MX records name, in the order in which they are to be tried.
    Mx(Vec<MxHost>),
    /// It has no MX record: the host of its own name does.
    Implicit,
    /// It takes no mail at all (null MX, RFC 7505).
    Null,
    /// The resolver cannot ask for MX; the host of its own name is the best guess.
    NotAsked,
}

impl MailHosts {
    /// What these MX records say: the lowest preference comes first, and among equals the order
    /// that they came in. None are [`Implicit`](Self::Implicit); one alone that names the root is
    /// [`Null`](Self::Null) (RFC 7505 §3).
    ///
    /// ```
    /// use ehlo::{MailHosts, MxHost};
    ///
    /// let hosts = MailHosts::of([MxHost::new(20, "b.example."), MxHost::new(10, "a.example.")]);
    /// let MailHosts::Mx(hosts) = hosts else { unreachable!() };
    /// assert_eq!(hosts[0].host(), "a.example");
    /// assert_eq!(MailHosts::of([MxHost::new(0, ".")]), MailHosts::Null);
    /// assert_eq!(MailHosts::of([]), MailHosts::Implicit);
    /// ```
    pub fn of(records: impl IntoIterator<Item = MxHost>) -> Self {
        let mut hosts: Vec<_> = records.into_iter().collect();
        let is_null = hosts.len() == 1 && hosts.iter().all(|mx| mx.host.is_empty());
        // Beside others the root is a record that means nothing.
        hosts.retain(|mx| !mx.host.is_empty());
        hosts.sort_by_key(|mx| mx.preference);
        match hosts.is_empty() {
            true if is_null => Self::Null,
            true => Self::Implicit,
            false => Self::Mx(hosts),
        }
    }
}

/// One MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxHost {
    preference: u16,
    host: String,
}

impl MxHost {
    /// A record; the dot at the end of the host's name may be there or not.
    pub fn new(preference: u16, host: impl Into<String>) -> Self {
        let mut host = host.into();
        if host.ends_with('.') {
            host.pop();
        }
        Self { preference, host }
    }

    /// Lower ones come first.
    #[must_use]
    pub const fn preference(&self) -> u16 {
        self.preference
    }

    /// The host, without a dot at the end.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for MxHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference, Escaped::new(self.host.as_bytes()))
    }
}

/// The system's resolver: its hosts file, its DNS, whatever it is set up to ask. It knows addresses
/// and no MX.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let found = lookup_host((host, 0)).await;
            let found = found.map_err(|error| ResolveFault::failed(host, error))?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The addresses of `host`, each once and in the order to try them (see [`interleave`]). An IP
/// literal, in brackets or bare, stands for itself.
///
/// # Errors
///
/// When the resolver knows no address, fails, or does not answer within `limit`.
pub(crate) async fn resolve(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<Vec<SocketAddr>, ResolveFault> {
    if let Some(ip) = ip_literal(host) {
        return match host.contains('%') {
            true => in_time(host, limit, in_zone(host, port)).await,
            false => Ok(vec![SocketAddr::new(ip, port)]),
        };
    }
    let found = in_time(host, limit, resolver.addresses(host)).await?;
    if found.is_empty() {
        return Err(ResolveFault::no_address(host));
    }
    Ok(interleave(found.into_iter().map(|ip| SocketAddr::new(ip, port))))
}

/// The hosts that take mail for `domain`.
///
/// # Errors
///
/// When the resolver fails, or does not answer within `limit`.
#[cfg(feature = "probe")]
pub(crate) async fn mail_hosts(
    resolver: &dyn Resolve,
    domain: &str,
    limit: Duration,
) -> Result<MailHosts, ResolveFault> {
    let found = in_time(domain, limit, resolver.mail_hosts(domain)).await;
    found.map_err(|fault| ResolveFault { is_of_domain: true, ..fault })
}

async fn in_time<T>(
    name: &str,
    limit: Duration,
    answer: Resolving<'_, T>,
) -> Result<T, ResolveFault> {
    let fault = |_| Err(ResolveFault::new(name, ResolveReason::TimedOut(limit)));
    timeout(limit, answer).await.unwrap_or_else(fault)
}

/// The address that a host written as an IP address names; that of IPv6 may have a zone (RFC 4007
/// §11), as in `fe80::1%eth0`, which is left out here.
pub(crate) fn ip_literal(host: &str) -> Option<IpAddr> {
    match unbracketed(host).split_once('%') {
        Some((_, zone)) if zone.is_empty() || zone.contains(':') => None,
        Some((address, _)) => address.parse().ok().map(IpAddr::V6),
        None => unbracketed(host).parse().ok(),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// An address with its zone: which interface that names, the system alone knows.
fn in_zone(host: &str, port: u16) -> Resolving<'_, Vec<SocketAddr>> {
    Box::pin(async move {
        let found = lookup_host((unbracketed(host), port)).await;
        Ok(found.map_err(|error| ResolveFault::failed(host, error))?.collect())
    })
}

/// What is asked about a name could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("{} {reason}", Escaped::new(host.as_bytes()))]
pub struct ResolveFault {
    host: String,
    reason: ResolveReason,
    /// It was asked who takes mail for the name, and not where a host is.
    is_of_domain: bool,
}

impl ResolveFault {
    /// The name does not exist (NXDOMAIN).
    pub fn no_such_name(host: impl Into<String>) -> Self {
        Self::new(host, ResolveReason::NoSuchName)
    }

    /// The name exists, and has no address.
    pub fn no_address(host: impl Into<String>) -> Self {
        Self::new(host, ResolveReason::NoAddress)
    }

    /// Whoever was asked has failed.
    pub fn failed(host: impl Into<String>, error: io::Error) -> Self {
        Self::new(host, ResolveReason::Failed(error))
    }

    fn new(host: impl Into<String>, reason: ResolveReason) -> Self {
        Self { host: host.into(), reason, is_of_domain: false }
    }

    /// The name that was asked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the resolver did not answer in time.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        matches!(self.reason, ResolveReason::TimedOut(_))
    }

    /// Whether it is known that the name does not exist. The system's resolver says so in words of
    /// its own, which are not read.
    #[must_use]
    pub const fn is_no_such_name(&self) -> bool {
        matches!(self.reason, ResolveReason::NoSuchName)
    }

    /// Whether it is known that there is no such domain to send mail to, which is for good (RFC 5321
    /// §5.1). A host that does not exist may be one of several.
    pub(crate) const fn is_no_such_domain(&self) -> bool {
        self.is_of_domain && self.is_no_such_name()
    }

    /// Whether the name is known, and has no address.
    #[must_use]
    pub const fn is_no_address(&self) -> bool {
        matches!(self.reason, ResolveReason::NoAddress)
    }
}

#[derive(Debug, thiserror::Error)]
enum ResolveReason {
    #[error("could not be resolved: {0}")]
    Failed(io::Error),
    #[error("does not exist")]
    NoSuchName,
    #[error("has no address")]
    NoAddress,
    #[error("could not be resolved within {0:?}")]
    TimedOut(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn of_the_system(host: &str) -> Result<Vec<SocketAddr>, ResolveFault> {
        resolve(&SystemResolver, host, 25, LONG).await
    }

    #[tokio::test]
    async fn c_159_literals_stand_for_themselves() {
        for (host, address) in [
            ("192.0.2.1", "192.0.2.1:25"),
            ("[192.0.2.1]", "192.0.2.1:25"),
            ("2001:db8::1", "[2001:db8::1]:25"),
            ("[2001:db8::1]", "[2001:db8::1]:25"),
        ] {
            let found = resolve(&SystemResolver, host, 25, Duration::ZERO).await.unwrap();
            assert_eq!(found, [address.parse().unwrap()], "{host}");
        }
    }

    /// The loopback interface is the first on Linux.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_zone_goes_to_the_system_and_is_kept() {
        for host in ["fe80::1%lo", "[fe80::1%lo]", "fe80::1%1"] {
            let found = resolve(&Table(None), host, 25, LONG).await.unwrap();
            assert_eq!(found, ["[fe80::1%1]:25".parse().unwrap()], "{host}");
        }
        let fault = resolve(&Table(None), "fe80::1%nowhere", 25, LONG).await.unwrap_err();
        let words = "fe80::1%nowhere could not be resolved: ";
        assert!(fault.to_string().starts_with(words), "{fault}");
    }

    #[test]
    fn a_zone_is_no_part_of_an_address() {
        let address = "fe80::1".parse().ok();
        for (host, ip) in [
            ("fe80::1%eth0", address),
            ("[fe80::1%eth0]", address),
            ("fe80::1%", None),
            ("fe80::1%eth0:25", None),
            ("192.0.2.1%eth0", None),
            ("mx%eth0", None),
        ] {
            assert_eq!(ip_literal(host), ip, "{host}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_a_name_says_so() {
        let fault = of_the_system("no\u{1b}[2J\0name").await.unwrap_err();
        let words = fault.to_string();
        assert!(words.starts_with(r"no\x1b[2J\x00name could not be resolved: "), "{words}");
        assert_eq!(fault.host(), "no\u{1b}[2J\0name");
        assert!(!fault.timed_out() && !fault.is_no_such_name() && !fault.is_no_address());
    }

    #[test]
    fn words_of_resolving() {
        let fault = ResolveFault::no_address("mx.example");
        assert_eq!(fault.to_string(), "mx.example has no address");
        assert!(fault.is_no_address());
        let fault = ResolveFault::no_such_name("mx.example");
        assert_eq!(fault.to_string(), "mx.example does not exist");
        assert!(fault.is_no_such_name());
        let fault = ResolveFault::failed("mx.example", io::Error::other("broken"));
        assert_eq!(fault.to_string(), "mx.example could not be resolved: broken");
    }

    /// A resolver that knows two addresses, or never answers.
    #[derive(Debug)]
    struct Table(Option<Vec<&'static str>>);

    impl Resolve for Table {
        fn addresses<'a>(&'a self, _host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
            let Some(found) = &self.0 else { return Box::pin(std::future::pending()) };
            let found = found.iter().map(|ip| ip.parse().unwrap()).collect();
            Box::pin(async { Ok(found) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_resolver_says_is_put_in_order_and_limited() {
        let table = Table(Some(vec!["192.0.2.1", "2001:db8::1", "192.0.2.1"]));
        let found = resolve(&table, "mx.example", 25, LONG).await.unwrap();
        assert_eq!(found, ["[2001:db8::1]:25", "192.0.2.1:25"].map(|a| a.parse().unwrap()));
        let none = resolve(&Table(Some(vec![])), "mx.example", 25, LONG).await.unwrap_err();
        assert_eq!(none.to_string(), "mx.example has no address");
        let late = resolve(&Table(None), "mx.example", 25, LONG).await.unwrap_err();
        assert_eq!(late.to_string(), "mx.example could not be resolved within 20s");
        assert!(late.timed_out());
        assert_eq!(table.mail_hosts("example").await.unwrap(), MailHosts::NotAsked);
    }

    #[test]
    fn mail_hosts_come_by_preference_and_the_root_is_no_host() {
        let hosts = |records: &[(u16, &str)]| {
            MailHosts::of(records.iter().map(|(preference, host)| MxHost::new(*preference, *host)))
        };
        let MailHosts::Mx(sorted) = hosts(&[(20, "c"), (10, "b."), (5, "."), (10, "a")]) else {
            panic!("there are hosts");
        };
        let shown: Vec<_> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10 b", "10 a", "20 c"]);
        assert_eq!(hosts(&[(0, ".")]), MailHosts::Null);
        assert_eq!(hosts(&[(0, "."), (1, ".")]), MailHosts::Implicit);
        assert_eq!(hosts(&[]), MailHosts::Implicit);
    }
}
