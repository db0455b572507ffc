//! DNS itself as who is asked for names, by hickory-resolver (feature `dns`): the only file that
//! names it. What its answers mean for mail is said in `resolve`.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;

use super::resolve::{MailHosts, MxHost, Resolve, ResolveFault, Resolving};

/// A resolver that asks name servers itself, and knows MX (feature `dns`). Answers are kept for as
/// long as they say; clones share them.
///
/// Names are taken as they are: no domain of the system's is put after them.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ehlo::{Connector, DnsResolver, Probe, Security, Timeouts};
///
/// let connector = Connector::new("example.org")
///     .security(Security::Opportunistic)
///     .timeouts(Timeouts::probe())
///     .resolver(DnsResolver::of_the_system()?);
/// println!("{}", Probe::with(connector).by_mx().run().await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DnsResolver(TokioResolver);

impl DnsResolver {
    /// Asks the name servers that the system is set up to ask (`/etc/resolv.conf`, the registry).
    ///
    /// # Errors
    /// What the system has set up cannot be read.
    pub fn of_the_system() -> io::Result<Self> {
        let builder = TokioResolver::builder_tokio().map_err(io::Error::other)?;
        builder.build().map(Self).map_err(io::Error::other)
    }

    /// Asks these name servers.
    ///
    /// # Errors
    /// There is none.
    pub fn of(servers: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let servers: Vec<_> = servers.into_iter().map(name_server).collect();
        if servers.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name server to ask"));
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().map(Self).map_err(io::Error::other)
    }
}

impl Resolve for DnsResolver {
    fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
        Box::pin(async move {
            match self.0.lookup_ip(absolute(host)).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) => nothing(host, error).map(|()| Vec::new()),
            }
        })
    }

    fn mail_hosts<'a>(&'a self, domain: &'a str) -> Resolving<'a, MailHosts> {
        Box::pin(async move {
            let found = match self.0.mx_lookup(absolute(domain)).await {
                Ok(found) => found,
                Err(error) => return nothing(domain, error).map(|()| MailHosts::Implicit),
            };
            // A CNAME stands among the answers, too.
            let records = found.answers().iter().filter_map(|record| match &record.data {
                RData::MX(mx) => Some(MxHost::new(mx.preference, mx.exchange.to_ascii())),
                _ => None,
            });
            Ok(MailHosts::of(in_any_order(records)))
        })
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver").finish_non_exhaustive()
    }
}

/// Equals come in another order each time, to spread the load (RFC 5321 §5.1): what the name servers
/// do for that is lost where an answer is kept.
fn in_any_order(records: impl Iterator<Item = MxHost>) -> Vec<MxHost> {
    // What std seeds its maps with will do.
    let random = RandomState::new();
    let mut records: Vec<_> = records.collect();
    records.sort_by_cached_key(|mx| random.hash_one(mx.host()));
    records
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(address.ip());
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    config.connections = config.connections.into_iter().map(at_port).collect();
    config
}

/// A name with its dot, after which nothing is put.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// Whether the error says that the name is there and what was asked for is not.
fn nothing(name: &str, error: NetError) -> Result<(), ResolveFault> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => {
            match response_code {
                ResponseCode::NoError => Ok(()),
                ResponseCode::NXDomain => Err(ResolveFault::no_such_name(name)),
                code => Err(ResolveFault::failed(name, io::Error::other(code.to_string()))),
            }
        }
        error => Err(ResolveFault::failed(name, io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::net::UdpSocket;

    /// Answers by the first label of the name: with these octets after the question, or this code.
    async fn name_server_for_tests() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let _ = socket.send_to(&answer(&query[..length]), from).await;
            }
        });
        address
    }

    fn answer(query: &[u8]) -> Vec<u8> {
        let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
        let question = &query[12..end];
        let label = &question[1..=usize::from(question[0])];
        let kind = u16::from_be_bytes([query[end - 4], query[end - 3]]);
        // A pointer to the name, the class, a minute, and the data.
        let record = |kind: u16, data: &[u8]| {
            let mut record = vec![0xc0, 12];
            record.extend(kind.to_be_bytes());
            record.extend([0, 1, 0, 0, 0, 60]);
            record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            record.extend(data);
            record
        };
        let (code, records): (u8, Vec<Vec<u8>>) = match (label, kind) {
            (b"mail", 15) => {
                (0, vec![record(15, b"\0\x14\x01b\xc0\x0c"), record(15, b"\0\x0a\x01a\xc0\x0c")])
            }
            (b"pool", 15) => {
                let of = |preference, host| record(15, &[0, preference, 1, host, 0xc0, 12]);
                (0, vec![of(20, b'z'), of(10, b'a'), of(10, b'b'), of(10, b'c'), of(5, b'y')])
            }
            (b"null", 15) => (0, vec![record(15, b"\0\0\0")]),
            (b"mail", 1) => (0, vec![record(1, &[192, 0, 2, 1])]),
            (b"gone", _) => (3, vec![]),
            (b"broken", _) => (2, vec![]),
            _ => (0, vec![]),
        };
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend(question);
        answer.extend(records.concat());
        answer
    }

    #[tokio::test]
    async fn dns_knows_mx() {
        let resolver = DnsResolver::of([name_server_for_tests().await]).unwrap();
        let MailHosts::Mx(hosts) = resolver.mail_hosts("mail.example").await.unwrap() else {
            panic!("it has hosts");
        };
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["10 a.mail.example", "20 b.mail.example"]);
        assert_eq!(resolver.mail_hosts("null.example").await.unwrap(), MailHosts::Null);
        assert_eq!(resolver.mail_hosts("none.example").await.unwrap(), MailHosts::Implicit);
        let gone = resolver.mail_hosts("gone.example").await.unwrap_err();
        assert_eq!(gone.to_string(), "gone.example does not exist");
        let broken = resolver.mail_hosts("broken.example").await.unwrap_err();
        assert!(!broken.is_no_such_name() && !broken.timed_out(), "{broken}");
        assert!(broken.to_string().starts_with("broken.example could not be resolved: "));
    }

    #[tokio::test]
    async fn c_155_equals_come_in_any_order_and_others_by_preference() {
        let resolver = DnsResolver::of([name_server_for_tests().await]).unwrap();
        let mut orders = std::collections::BTreeSet::new();
        // That one of six is not among them happens once in 10^15.
        for _ in 0..200 {
            let MailHosts::Mx(hosts) = resolver.mail_hosts("pool.example").await.unwrap() else {
                panic!("it has hosts");
            };
            let hosts: Vec<_> = hosts.iter().map(|mx| &mx.host()[..1]).collect();
            orders.insert(hosts.concat());
        }
        let expected = ["yabcz", "yacbz", "ybacz", "ybcaz", "ycabz", "ycbaz"];
        assert!(orders.iter().eq(expected), "{orders:?}");
    }

    #[tokio::test]
    async fn dns_knows_addresses() {
        let resolver = DnsResolver::of([name_server_for_tests().await]).unwrap();
        let found = resolver.addresses("mail.example").await.unwrap();
        assert_eq!(found, [IpAddr::from([192, 0, 2, 1])]);
        assert!(resolver.addresses("none.example").await.unwrap().is_empty());
        assert!(resolver.addresses("gone.example").await.unwrap_err().is_no_such_name());
    }

    #[test]
    fn nobody_cannot_be_asked() {
        assert_eq!(DnsResolver::of([]).unwrap_err().to_string(), "no name server to ask");
    }
}
