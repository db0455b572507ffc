//! Sockets, TLS and the clock: tokio and rustls, which nothing below names. Order and octets are
//! decided there, in the session; here they are carried.
//!
//! | file | what it holds |
//! |---|---|
//! | `security` | how a connection is to be protected: the choice |
//! | `resolve` | from a name to the hosts that take its mail, and to addresses; who is asked |
//! | `dns` | DNS as who is asked, with MX (feature `dns`) |
//! | `connect` | from addresses to a TCP connection, from a path to a Unix socket |
//! | `dial` | connections that the caller makes |
//! | `race` | Happy Eyeballs: the order of addresses, and the next beside a silent one |
//! | `proxy/` | SOCKS5 and HTTP CONNECT, and the PROXY header |
//! | `stream` | what carries the octets: TCP, any other stream, TLS over each |
//! | `tls/` | trust, crypto provider, handshake, and why one failed |
//! | `connector` | how to reach a server and speak with it: the settings |
//! | `url` | the same from a URL |
//! | `reach` | the steps from there to a client |
//! | `observe` | who is told of each step |
//! | `common` | what all connections of a connector share |
//! | `driver` | THE LOOP: does on a stream what a session says, within deadlines |
//! | `clock` | the deadline that runs |
//! | `secure` | the step from clear to TLS |
//! | `conversation` | any lawful command, every reply |
//! | `query` | what may be asked beside mails, and on whose behalf one speaks |
//! | `authenticate` | AUTH over it: which mechanism, and which after it |
//! | `client` | whole mails, and what became of them |
//! | `batch` | mails in a row |
//! | `policy` | what was chosen for all mails of a client, and what that makes of one |
//! | `content` | the content of a mail: in memory, or read while it is sent |
//! | `transmit` | one mail, up to the last octet of its content |
//! | `outbox` | mails on their way, and outcomes that nobody has taken yet |
//! | `transaction` | a mail stage by stage |
//! | `visit` | what a probe asks of a connector |
//! | `aside` | a line with no session on it, for audits |
//! | `watch` | what is told of a mail while it is on its way |
//! | `timeouts` | how long each stage may take |

#[cfg(feature = "probe")]
mod aside;
mod authenticate;
mod batch;
mod client;
mod clock;
mod common;
mod connect;
mod connector;
mod content;
mod conversation;
mod dial;
#[cfg(feature = "dns")]
mod dns;
mod driver;
mod observe;
mod outbox;
mod policy;
#[cfg(feature = "proxy")]
mod proxy;
mod query;
mod race;
mod reach;
mod resolve;
#[cfg(feature = "tls")]
mod secure;
mod security;
mod stream;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
mod transaction;
mod transmit;
mod url;
#[cfg(feature = "probe")]
mod visit;
mod watch;

#[cfg(feature = "probe")]
pub(crate) use aside::Aside;
pub use batch::{Deliveries, Mail, Sent};
pub use client::Client;
pub use connect::{ConnectAttempt, ConnectFailure, ConnectFault};
#[cfg(feature = "tls")]
pub use connector::DangerousConnector;
pub use connector::{Connector, HeloPolicy, InClear};
pub use content::{Content, Source};
pub use conversation::Conversation;
#[cfg(feature = "dns")]
pub use dns::DnsResolver;
#[cfg(feature = "probe")]
pub(crate) use observe::{Observe, Observer};
pub use policy::Transfer;
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyFault, ProxyHeader, ProxyReason, ProxyStep};
#[cfg(feature = "probe")]
pub(crate) use resolve::ip_literal;
pub use resolve::{MailHosts, MxHost, Resolve, ResolveFault, Resolving, SystemResolver};
pub use security::{InvalidSecurity, Security};
pub use timeouts::Timeouts;
#[cfg(feature = "x509")]
pub use tls::CertificateDetails;
#[cfg(feature = "tls")]
pub use tls::{
    ClientCertificate, Crypto, InvalidClientCertificate, InvalidPin, InvalidRevocationLists,
    InvalidRoots, PeerCertificate, Pin, RevocationLists, RootCertificates, TlsFault, TlsInfo,
    TlsReason, TlsVersion, Trust, TrustedBy,
};
pub use transaction::{Body, Transaction};
pub use url::InvalidUrl;
pub use watch::Progress;
