//! What a probe asks of a connector beside connecting: to be looked at, to stop on the way, to go to
//! one host of many. The steps themselves are those of `reach`.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use super::connector::{Connector, split_port};
use super::observe::Observer;
use super::resolve::mail_hosts;
use super::{Client, Conversation, MailHosts, Security};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Misuse, Protocol, Stage};
use tokio::time::Instant;

impl Connector {
    /// The same connector, looked at by this observer.
    pub(crate) fn observed(self, observer: Observer) -> Self {
        self.with_common(|common| common.observer = observer)
    }

    /// The same connector with a transcript in any case: of so many octets where none was asked for.
    pub(crate) fn with_transcript(self, octets: usize) -> Self {
        if self.common.session.keeps_transcript() { self } else { self.transcript(octets) }
    }

    /// The same connector for somebody whom the server does not know: AUTH is not said.
    pub(crate) fn anonymous(mut self) -> Self {
        self.credentials = None;
        self
    }

    /// The same settings for a host that takes the server's mail, as MX or the lack of it has it.
    pub(crate) fn at_mail_host(mut self, host: &str) -> Self {
        let [named, asked] =
            [host, &self.common.host].map(|name| name.strip_suffix('.').unwrap_or(name));
        self.is_named_by_mx = !named.eq_ignore_ascii_case(asked);
        self.at_host(host)
    }

    /// The same settings for another host, which is no `host:port`.
    fn at_host(self, host: &str) -> Self {
        self.with_common(|common| {
            host.clone_into(&mut common.host);
            // It is set up anew for another name.
            #[cfg(feature = "tls")]
            {
                common.tls = Arc::default();
            }
        })
    }

    /// The same settings for another server, whose port is this one's where it names none. A PROXY
    /// header is for the server it was set for: to others it is noise, and tells who is behind.
    pub(crate) fn at_server(mut self, server: &str) -> Self {
        #[cfg(feature = "proxy")]
        {
            self.proxy_header = None;
        }
        match split_port(server) {
            Ok((host, port)) => {
                self.port = port.or_else(|| self.tcp_port().ok().flatten());
                self.at_host(&host)
            }
            Err(misuse) => {
                self.invalid = Some(misuse);
                self
            }
        }
    }

    /// The same connector with what is left of the time for the whole, if that began then.
    pub(crate) fn with_time_left(self, began: Instant) -> Self {
        let whole = self.common.timeouts.whole();
        let left = whole.map(|whole| whole.saturating_sub(began.elapsed()));
        self.with_common(|common| common.timeouts = common.timeouts.with_whole(left))
    }

    /// The same connector without a limit for the whole.
    pub(crate) fn without_limit(self) -> Self {
        self.with_common(|common| common.timeouts = common.timeouts.with_whole(None))
    }

    /// The server's name or address, without its port.
    pub(crate) fn host(&self) -> &str {
        &self.common.host
    }

    /// The server as it was given: its host, with the port where there was one.
    pub(crate) fn shown(&self) -> String {
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        match self.common.host.contains(':')
            && !self.common.host.starts_with('[')
            && !port.is_empty()
        {
            true => format!("[{}]{port}", self.common.host),
            false => format!("{}{port}", self.common.host),
        }
    }

    /// The port that is connected to.
    pub(crate) fn dialled_port(&self) -> Option<u16> {
        self.tcp_port().ok().flatten()
    }

    /// How the connection is to be protected.
    pub(crate) const fn chosen_security(&self) -> Security {
        self.security
    }

    /// How long this stage may take.
    pub(crate) fn patience(&self, stage: Stage) -> Duration {
        self.common.timeouts.of(stage)
    }

    /// What a session begins with.
    pub(crate) const fn hello_word(&self) -> &'static str {
        match self.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        }
    }

    pub(crate) const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The hosts that take mail for the server's name.
    pub(crate) async fn mail_hosts(&self) -> Result<MailHosts, Error> {
        let began = Instant::now();
        self.checked_port(began)?;
        if !self.is_direct() || self.protocol == Protocol::Lmtp {
            let words = "MX leads to no proxy, no dialer, no Unix socket and no LMTP".to_owned();
            return Err(self.failed(began, Stage::Resolve, Misuse::Setting(words).into()));
        }
        self.common.observer.begins(Stage::Resolve);
        let patience = self
            .common
            .timeouts
            .resolve()
            .min(self.common.timeouts.whole().unwrap_or(Duration::MAX));
        match mail_hosts(&*self.resolver, &self.common.host, patience).await {
            Ok(hosts) => {
                self.common.observer.resolved(&[]);
                Ok(hosts)
            }
            Err(fault) => Err(self.failed(began, Stage::Resolve, ErrorKind::Resolve(fault))),
        }
    }

    /// The steps up to this one, which is before the greeting; nothing comes of them.
    pub(crate) async fn touch(&self, until: Stage) -> Result<(), Error> {
        let began = Instant::now();
        let port = self.checked_port(began)?;
        if until == Stage::Resolve {
            return match port.filter(|_| self.is_direct()) {
                Some(port) => self.in_time(began, self.addresses(port, began)).await.map(drop),
                None => Ok(()),
            };
        }
        let stream = self.in_time(began, self.stream_to(port, began)).await?;
        let mut driver = self.drive(stream, began).await?;
        if until > Stage::Connect
            && let Err(error) = self.protect(&mut driver).await
        {
            return Err(super::reach::leave(driver, error).await);
        }
        driver.shut_down().await;
        Ok(())
    }

    /// A client over a conversation of this connector, whose calls all belong to the one that began
    /// with connecting: one limit holds for them together.
    pub(crate) fn in_one_call(smtp: Conversation) -> Client {
        Client::new(smtp)
    }

    /// Whether the server's name is looked up here: it is neither a path nor the proxy's affair.
    pub(crate) fn is_direct(&self) -> bool {
        if self.dialer.is_some() {
            return false;
        }
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return false;
        }
        #[cfg(unix)]
        if self.socket.is_some() {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "proxy")]
    #[test]
    fn a_header_for_the_server_is_for_no_other() {
        let connector = Connector::new("mx").proxy_header(crate::net::ProxyHeader::v1());
        assert!(connector.clone().at_mail_host("other").proxy_header.is_some());
        assert!(connector.at_server("other").proxy_header.is_none());
    }

    #[test]
    fn whoever_mx_names_is_another_unless_it_is_the_same() {
        let connector = Connector::new("mx.example");
        for (host, is_other) in [("MX.example.", false), ("mx.example", false), ("mx", true)] {
            assert_eq!(connector.clone().at_mail_host(host).is_named_by_mx, is_other, "{host}");
        }
    }
}
