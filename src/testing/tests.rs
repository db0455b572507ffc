//! The server against a client that is a script itself: it says the `C` lines and holds the server
//! to the `S` lines.

mod ahead;
mod behaviour;
mod bound;
mod chunks;
mod runs;
mod scripted;
mod verbs;

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::connection::Io;
use super::*;
use crate::{Escaped, unescape};

/// A server of one stream in memory, and the client's end.
pub(super) fn in_memory(server: Server) -> (Running, DuplexStream) {
    let (client, stream) = duplex(4096);
    (server.serve(stream).unwrap(), client)
}

/// The client's half of a script; gives the stream back. Lines that stand together go out in one
/// write.
#[track_caller]
pub(super) fn talk(
    stream: impl Io + 'static,
    ca_pem: &str,
    script: &str,
) -> impl Future<Output = Box<dyn Io>> {
    let script: Script = script.parse().unwrap();
    let ca_pem = ca_pem.to_owned();
    async move {
        let mut stream: Box<dyn Io> = Box::new(stream);
        let mut output = Vec::new();
        for line in script.lines() {
            match line.step() {
                ScriptStep::Hear(_) => {
                    let said = line.to_string();
                    let said = said.strip_prefix("C: ").unwrap_or_default();
                    output.extend(unescape(said).unwrap());
                    output.extend(b"\r\n");
                    continue;
                }
                _ if output.is_empty() => {}
                _ => stream.write_all(&std::mem::take(&mut output)).await.unwrap(),
            }
            match line.step() {
                ScriptStep::Say(expected) => {
                    let mut said = vec![0; expected.len()];
                    let mut read = 0;
                    while read < said.len() {
                        match stream.read(&mut said[read..]).await.unwrap() {
                            0 => break,
                            more => read += more,
                        }
                        // A reply that differs may be shorter, and the rest would not come.
                        if !expected.starts_with(&said[..read]) {
                            break;
                        }
                    }
                    let said = Escaped::new(&said[..read]);
                    assert_eq!(said, Escaped::new(expected), "line {}", line.number());
                }
                ScriptStep::Tls => stream = secured(stream, &ca_pem, "mx.example.test").await,
                ScriptStep::Close => {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).await.unwrap();
                    assert_eq!(Escaped::new(&rest), Escaped::new(b""));
                }
                other => panic!("{other}"),
            }
        }
        stream.write_all(&output).await.unwrap();
        stream
    }
}

/// The client's side of a handshake.
pub(super) async fn secured(stream: Box<dyn Io>, ca_pem: &str, name: &str) -> Box<dyn Io> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    Box::new(connector.connect(name, stream).await.unwrap())
}

/// A whole conversation with a server in memory.
pub(super) async fn converse(server: Server, script: &str) -> Running {
    let (running, client) = in_memory(server);
    let pem = running.ca_pem().to_owned();
    drop(talk(client, &pem, script).await);
    running
}

pub(super) const HELLO: &str = "
    S: 220 mx.example.test ESMTP ready
    C: EHLO c.example
    S: 250-mx.example.test
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SIZE 10485760
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250 STARTTLS
";

/// The same inside TLS.
pub(super) const SECURE: &str = "
    C: STARTTLS
    S: 220 2.0.0 go ahead
    -- TLS
    C: EHLO c.example
    S: 250-mx.example.test
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SIZE 10485760
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250 AUTH PLAIN LOGIN
";
