//! The TLS report of a server: what was agreed on, who vouches for the certificate, and if nobody
//! does, why. Without a server it is an embedded one.
//!
//! ```sh
//! cargo run --example tls
//! cargo run --example tls -- mail.example.org:465
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ehlo::testing::{Running, Server};
use ehlo::{
    CertificateDetails, Connector, Error, ErrorKind, PeerCertificate, Pin, RootCertificates,
    Security, Timeouts, TlsFault, TlsInfo, Trust,
};
use serde_json::{Value, json};

use common::{USAGE, arguments, fail, failed};

/// Print the TLS report of a server.
///
/// Neither a name nor a mail is given to it, and no secret. A certificate that is not verified is
/// looked at all the same, over another connection.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 the server is verified, 2 it is not, 3 there is no TLS, 64 bad arguments.")]
struct Arguments {
    /// The server [default: an embedded one]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// implicit or starttls [default: implicit on port 465, else starttls]
    #[arg(long, value_name = "MODE", value_parser = required_tls)]
    tls: Option<Security>,
    /// Trust the certificate authorities in this PEM file, and not the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Ask for this pin beside: sha256//BASE64 of the public key, or a SHA-256 fingerprint in
    /// hexadecimal; may be repeated, and one has to match
    #[arg(long, value_name = "PIN")]
    pin: Vec<Pin>,
    /// Trust whoever has a pin, with no regard to authorities, names and dates
    #[arg(long, requires = "pin", conflicts_with = "ca")]
    pins_alone: bool,
    /// The name to ask for, where it is another than the host's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long to wait at each step
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(arguments()).await.unwrap_or_else(|status| status)
}

async fn run(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    // The embedded server lives as long as this.
    let (connector, unchecked, _server) =
        reach(&arguments).await.map_err(|why| fail(USAGE, why))?;
    let report = match look(&connector).await {
        Ok(info) => Report { info, fault: None },
        Err(error) => {
            let ErrorKind::Tls(fault) = error.kind() else {
                return Err(failed(&error));
            };
            // Where any certificate would do, and there is no TLS even so, there is nothing to see.
            let info = look(&unchecked).await.map_err(|_| failed(&error))?;
            Report { info, fault: Some(fault.clone()) }
        }
    };
    if arguments.json {
        println!("{:#}", report.json());
    } else {
        report.print();
    }
    Ok(if report.fault.is_none() { ExitCode::SUCCESS } else { ExitCode::from(UNVERIFIED) })
}

/// Connects as far as TLS, and says no more than it takes.
async fn look(connector: &Connector) -> Result<TlsInfo, Error> {
    let mut client = connector.connect().await?;
    let info = client.conversation().tls().cloned();
    // What QUIT is answered with changes nothing.
    let _ = client.quit().await;
    info.ok_or_else(|| unreachable!("without TLS there is no client"))
}

/// Two connectors: one that checks the certificate, and one that takes any, to look at it.
async fn reach(arguments: &Arguments) -> Result<(Connector, Connector, Option<Running>), String> {
    let embedded = match arguments.server {
        Some(_) => None,
        None => Some(embedded(arguments.tls).await.map_err(|why| why.to_string())?),
    };
    let server = match (&arguments.server, &embedded) {
        (Some(server), _) => server.clone(),
        (None, Some(embedded)) => embedded.addr().to_string(),
        (None, None) => unreachable!("one of them is there"),
    };
    let by_port = if server.ends_with(":465") { Security::Implicit } else { Security::StartTls };
    let mut connector = Connector::new(server)
        .security(arguments.tls.unwrap_or(by_port))
        .timeouts(Timeouts::all(Duration::from_secs(arguments.timeout.into())));
    let name = arguments.name.clone().or_else(|| embedded.as_ref().map(|_| EMBEDDED.to_owned()));
    if let Some(name) = name {
        connector = connector.tls_name(name);
    }
    let unchecked = connector.clone().dangerous().accept_any_certificate();
    if let Some(pem) = roots(arguments, embedded.as_ref())? {
        let roots = RootCertificates::from_pem(&pem).map_err(|why| why.to_string())?;
        connector = connector.roots(roots);
    }
    for pin in &arguments.pin {
        connector = connector.pin(*pin);
    }
    if arguments.pins_alone {
        connector = connector.pins_alone();
    }
    Ok((connector, unchecked, embedded))
}

fn roots(arguments: &Arguments, embedded: Option<&Running>) -> Result<Option<Vec<u8>>, String> {
    match &arguments.ca {
        Some(file) => {
            let read = std::fs::read(file).map_err(|why| format!("{}: {why}", file.display()));
            read.map(Some)
        }
        // With pins alone no authority is asked.
        None if arguments.pins_alone => Ok(None),
        None => Ok(embedded.map(|server| server.ca_pem().as_bytes().to_vec())),
    }
}

async fn embedded(tls: Option<Security>) -> std::io::Result<Running> {
    let server = Server::new().name(EMBEDDED);
    let server = if tls == Some(Security::Implicit) { server.implicit_tls() } else { server };
    server.start().await
}

/// What is left of a server's TLS where a certificate is required: STARTTLS or TLS at once.
fn required_tls(text: &str) -> Result<Security, String> {
    match text.parse::<Security>() {
        Ok(security) if security.requires_tls() => Ok(security),
        _ => Err("it is implicit or starttls".to_owned()),
    }
}

/// What there is to tell.
struct Report {
    info: TlsInfo,
    /// Why the certificate is not believed.
    fault: Option<TlsFault>,
}

impl Report {
    fn print(&self) {
        let Self { info, fault } = self;
        println!("version:       {}", info.version());
        println!("cipher suite:  {}", info.cipher_suite());
        println!("key exchange:  {}", info.key_exchange().unwrap_or("none"));
        println!("verified:      {}", self.verified());
        if let Some(pin) = info.pin() {
            println!("pin:           {pin}");
        }
        for (at, certificate) in info.chain().iter().enumerate() {
            println!("certificate {}: {}", at + 1, written(certificate));
            for (what, pin) in pins(certificate) {
                println!("  {what}: {pin}");
            }
        }
        if let Some(fault) = fault {
            println!("not verified: {fault}");
        }
    }

    fn verified(&self) -> String {
        match (&self.fault, self.info.trust()) {
            (None, Trust::Verified(by)) => format!("by {by}"),
            _ => "no".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let Self { info, fault } = self;
        let by = match info.trust() {
            Trust::Verified(by) => Some(by.to_string()),
            _ => None,
        };
        let chain: Vec<_> = info.chain().iter().map(certificate_json).collect();
        json!({
            "version": info.version().to_string(),
            "cipher_suite": info.cipher_suite(),
            "key_exchange": info.key_exchange(),
            "verified": fault.is_none(),
            "verified_by": by,
            "pin": info.pin().map(ToString::to_string),
            "fault": fault.as_ref().map(ToString::to_string),
            "chain": chain,
        })
    }
}

fn pins(certificate: &PeerCertificate) -> impl Iterator<Item = (&'static str, Pin)> {
    let fingerprint = certificate.fingerprint().map(|pin| ("fingerprint", pin));
    let public_key = certificate.public_key().map(|pin| ("public key", pin));
    [fingerprint, public_key].into_iter().flatten()
}

fn written(certificate: &PeerCertificate) -> String {
    certificate.details().map_or_else(|| "not readable".to_owned(), |details| details.to_string())
}

fn certificate_json(certificate: &PeerCertificate) -> Value {
    let details = certificate.details();
    let details = details.as_ref();
    json!({
        "subject": details.map(CertificateDetails::subject),
        "issuer": details.map(CertificateDetails::issuer),
        "names": details.map(CertificateDetails::names),
        "not_before": details.map(CertificateDetails::not_before),
        "not_after": details.map(CertificateDetails::not_after),
        "fingerprint": certificate.fingerprint().map(|pin| pin.to_string()),
        "public_key": certificate.public_key().map(|pin| pin.to_string()),
    })
}

const EMBEDDED: &str = "mx.example.test";

/// There is TLS, with a certificate that nobody vouches for.
const UNVERIFIED: u8 = 2;
