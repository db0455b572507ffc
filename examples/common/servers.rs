//! The file of `monitor`, and what it comes to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ehlo::testing::Running;
use ehlo::{
    ClientName, Connector, Envelope, InvalidUrl, Monitor, Probe, RootCertificates, Security,
    Timeouts,
};
use serde::Deserialize;

use crate::common::is_url;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) interval: Option<f64>,
    pub(crate) retry_after: Option<f64>,
    pub(crate) failures: Option<u32>,
    pub(crate) slow_after: Option<f64>,
    pub(crate) listen: Option<String>,
    pub(crate) helo: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) mail: Option<Administrator>,
    #[serde(rename = "server")]
    pub(crate) servers: Vec<Watch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Administrator {
    server: String,
    from: String,
    to: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watch {
    pub(crate) name: Option<String>,
    /// Either this or a domain.
    pub(crate) server: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) tls: Option<String>,
    pub(crate) sender: Option<String>,
    #[serde(default)]
    pub(crate) recipients: Vec<String>,
}

/// What is to be done, with all that was asked for made valid.
pub(crate) struct Plan {
    pub(crate) monitor: Monitor,
    pub(crate) listen: String,
    pub(crate) mail: Option<(Connector, Envelope)>,
    /// They live as long as this. The last one takes the mails.
    pub(crate) embedded: Vec<Running>,
}

impl Config {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|why| failed(file, &why))?;
        toml::from_str(&text).map_err(|why| failed(file, &why))
    }

    pub(crate) fn plan(self) -> Result<Plan, String> {
        let mut monitor = Monitor::new();
        let seconds = |value| Duration::try_from_secs_f64(value).map_err(|why| why.to_string());
        if let Some(interval) = self.interval {
            monitor = monitor.interval(seconds(interval)?);
        }
        if let Some(wait) = self.retry_after {
            monitor = monitor.retry_after(seconds(wait)?);
        }
        if let Some(failures) = self.failures {
            monitor = monitor.failures(failures);
        }
        if let Some(limit) = self.slow_after {
            monitor = monitor.slow_after(seconds(limit)?);
        }
        let common = Common::new(self.helo.as_deref(), self.ca.as_deref())?;
        for server in self.servers {
            let name = [&server.name, &server.server, &server.domain].into_iter().flatten().next();
            let name = name.cloned().unwrap_or_else(|| "[[server]]".to_owned());
            let probe = common.probe(server).map_err(|why| format!("{name}: {why}"))?;
            monitor.watch(name, probe);
        }
        let mail = self.mail.map(|mail| common.mail(mail)).transpose()?;
        let listen = self.listen.unwrap_or_else(|| "127.0.0.1:0".to_owned());
        Ok(Plan { monitor, listen, mail, embedded: Vec::new() })
    }
}

/// What is the same for all servers.
struct Common {
    helo: Option<ClientName>,
    roots: Option<RootCertificates>,
}

impl Common {
    fn new(helo: Option<&str>, ca: Option<&Path>) -> Result<Self, String> {
        let helo = helo.map(|name| name.parse().map_err(|why| format!("helo: {why}")));
        let read = |file: &Path| {
            let pem = std::fs::read(file).map_err(|why| failed(file, &why))?;
            RootCertificates::from_pem(&pem).map_err(|why| failed(file, &why))
        };
        Ok(Self { helo: helo.transpose()?, roots: ca.map(read).transpose()? })
    }

    fn apply(&self, mut connector: Connector) -> Connector {
        if let Some(helo) = &self.helo {
            connector = connector.client_name(helo.clone());
        }
        if let Some(roots) = &self.roots {
            connector = connector.roots(roots.clone());
        }
        connector
    }

    fn probe(&self, server: Watch) -> Result<Probe, String> {
        let (host, is_domain) = match (server.server, server.domain) {
            (Some(host), None) => (host, false),
            (None, Some(domain)) => (domain, true),
            _ => return Err("either a `server` or a `domain` is wanted".to_owned()),
        };
        let tls = server.tls.map(|tls| tls.parse().map_err(|why| format!("tls: {why}")));
        let mut connector = self
            .apply(Connector::new(host))
            .timeouts(Timeouts::probe())
            .security(tls.transpose()?.unwrap_or(Security::Opportunistic));
        if is_domain {
            connector = asking_for_mx(connector)?;
        }
        let mut probe = Probe::with(connector);
        if is_domain {
            probe = probe.by_mx();
        }
        if let Some(sender) = &server.sender {
            probe = probe.sender(sender.as_str());
        }
        for recipient in &server.recipients {
            probe = probe.recipient(recipient.as_str());
        }
        Ok(probe)
    }

    fn mail(&self, mail: Administrator) -> Result<(Connector, Envelope), String> {
        let connector = match is_url(&mail.server) {
            true => mail.server.parse().map_err(|why: InvalidUrl| why.to_string())?,
            false => Connector::new(mail.server),
        };
        let envelope = Envelope::new(mail.from.as_str(), mail.to.iter().map(String::as_str));
        Ok((self.apply(connector), envelope.map_err(|why| why.to_string())?))
    }
}

#[cfg(feature = "dns")]
fn asking_for_mx(connector: Connector) -> Result<Connector, String> {
    let resolver = ehlo::DnsResolver::of_the_system().map_err(|why| why.to_string())?;
    Ok(connector.resolver(resolver))
}

/// The system's resolver does not know MX: the host of the domain's own name is tried.
#[cfg(not(feature = "dns"))]
fn asking_for_mx(connector: Connector) -> Result<Connector, String> {
    Ok(connector)
}

fn failed(file: &Path, why: &dyn ToString) -> String {
    format!("{}: {}", file.display(), why.to_string())
}
