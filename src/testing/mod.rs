//! Mail servers for tests: one that behaves, and one that plays a script.
//!
//! # A test of one's own mailer
//!
//! [`Server`] is a well-behaved server on a port of its own. It keeps what it receives:
//!
//! ```
//! use ehlo::testing::Server;
//! use ehlo::{Connector, Envelope, RootCertificates};
//!
//! /// The mailer under test.
//! struct Mailer(Connector);
//!
//! impl Mailer {
//!     async fn welcome(&self, to: &str) -> Result<(), ehlo::Error> {
//!         let mut client = self.0.connect().await?;
//!         let envelope = Envelope::new("team@example.org", [to])?;
//!         client.send(&envelope, "Subject: Welcome\r\n\r\nHello.\r\n").await?;
//!         client.quit().await
//!     }
//! }
//!
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new().start().await?;
//! let roots = RootCertificates::from_pem(server.ca_pem().as_bytes())?;
//! let mailer = Mailer(Connector::new("localhost").port(server.port()).roots(roots));
//! mailer.welcome("bob@example.org").await?;
//!
//! let mails = server.received(1).await?;
//! assert_eq!(mails[0].recipients()[0].as_str(), "bob@example.org");
//! assert!(mails[0].content().starts_with(b"Subject: Welcome\r\n"));
//! assert!(mails[0].is_tls());
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the mailer does when a server refuses is seen with [`Server::refuse`],
//! [`Server::reply_to`], [`Server::reply_at_end`], [`Server::max_size`] and their like; when it
//! breaks, with [`Server::close_at_end`] and [`Server::close_at_chunk`]. TLS is
//! there from the start: the client trusts [`Running::ca_pem`], by
//! [`RootCertificates::from_pem`](crate::RootCertificates::from_pem) or its like, and nothing is
//! left behind on the machine.
//!
//! # A server that does what no server should
//!
//! [`Server::script`] says octet by octet what a [`Script`] has, holds the client to it, and
//! splits, stalls, floods and breaks the connection where it is told to:
//!
//! ```
//! use ehlo::testing::{Script, Server};
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
//!
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let script: Script = "
//!     -- split 1
//!     S: 220 mx.example.test
//!     C: EHLO me.example
//!     S! 250-mx.exa
//!     -- close
//! "
//! .parse()?;
//! let (mut client, server) = duplex(4096);
//! let server = Server::script(script).serve(server)?;
//! client.write_all(b"HELO me.example\r\n").await?; // the client under test
//!
//! let error = server.finish().await.unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "script line 4: expected `C: EHLO me.example`, came `C: HELO me.example`"
//! );
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Transcript`](crate::Transcript) of a session with a real server, and the
//! [`log`](Running::log) of this one, are scripts: a fault that was seen once can be played for
//! ever after.

// | file | what it holds |
// |---|---|
// | `server` | the builder: what kind of server it is to be |
// | `faults` | the builder: what it does wrong |
// | `pace` | the builder: when it answers |
// | `offer` | what such a server offers |
// | `peer` | the server that behaves: its answers |
// | `auth` | its side of AUTH |
// | `scram` | its side of SCRAM |
// | `content` | DATA, and the end of the content |
// | `chunks` | BDAT |
// | `lookup` | VRFY and EXPN, and the builder of whom they find |
// | `relay` | ETRN, XCLIENT, XFORWARD |
// | `limits` | LIMITS |
// | `unstuff` | content off the wire |
// | `received` | a mail as it came |
// | `script` | the grammar of scripts; without a runtime |
// | `play` | a script played on a connection |
// | `running` | connections, what they leave behind, the end |
// | `listener` | a port, or a path |
// | `connection` | octets in and out, the switch to TLS |
// | `tls` | the builder: what TLS it speaks; the certificate |

mod auth;
mod chunks;
mod connection;
mod content;
mod faults;
mod limits;
mod listener;
mod lookup;
mod offer;
mod pace;
mod peer;
mod play;
mod received;
mod relay;
mod running;
mod scram;
mod script;
mod server;
mod tls;
mod unstuff;

#[cfg(test)]
mod tests;

pub use play::ScriptError;
pub use received::Received;
pub use running::Running;
pub use script::{InvalidScript, LinePattern, Script, ScriptLine, ScriptStep};
pub use server::Server;
