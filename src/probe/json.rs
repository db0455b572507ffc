//! A report for machines (feature `serde`): the schema stands here, and is kept to.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Diagnosis;
use super::report::{QuirkReport, Report, StageReport, Verdict};
use crate::extension::Capabilities;
#[cfg(feature = "tls")]
use crate::net::TlsInfo;
use crate::wire::{Escaped, Reply};

/// The report as an object. What a server said is text, with `\xNN` for octets that are none.
///
/// | key | value |
/// |---|---|
/// | `server` | the server or domain, as the probe was told |
/// | `verdict` | `"ok"` or `"failed"` |
/// | `failed_stage` | a [stage](crate::Stage::name), or null |
/// | `diagnosis` | `kind`, `confidence`, `cause` and `advice`, all strings; or null |
/// | `stages` | for each step `stage`, `outcome` ([its name](super::StageOutcome::name)), `start_ms` and `duration_ms` (numbers, thousandths count), `replies` (strings, lines joined by LF), `host`, `address` and `fault` (strings, or null) |
/// | `capabilities` | `before_tls` and `after_tls`: EHLO lines such as `"SIZE 1000"`, or null |
/// | `tls` | `version`, `cipher_suite`, `key_exchange`, `verified`, `fault`; or null |
/// | `quirks` | for each `quirk` ([its name](crate::Quirk::name), or `"violation"`), `stage`, `words`, `rule`, `line` |
/// | `transcript` | a string, which is a script that can be played; or null |
///
/// Keys may be added; none is taken away or changes its meaning within a major version.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # use ehlo::testing::Server;
/// # use ehlo::{Connector, Probe, Security};
/// let server = Server::new().greeting("554 5.3.2 no mail here").start().await?;
/// let connector = Connector::new(server.addr().to_string()).security(Security::None);
/// let report = serde_json::to_value(Probe::with(connector).run().await)?;
/// assert_eq!(report["verdict"], "failed");
/// assert_eq!(report["failed_stage"], "greeting");
/// assert_eq!(report["stages"][2]["replies"][0], "554 5.3.2 no mail here");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failed = match self.verdict {
            Verdict::Ok => None,
            Verdict::Failed(stage) => Some(stage.name()),
        };
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("server", &self.server)?;
        map.serialize_entry("verdict", if self.is_ok() { "ok" } else { "failed" })?;
        map.serialize_entry("failed_stage", &failed)?;
        map.serialize_entry("diagnosis", &self.diagnosis.as_ref().map(Diagnosed))?;
        map.serialize_entry("stages", &self.stages)?;
        map.serialize_entry("capabilities", &Offers(self))?;
        #[cfg(feature = "tls")]
        map.serialize_entry("tls", &self.tls().map(Tls))?;
        #[cfg(not(feature = "tls"))]
        map.serialize_entry("tls", &())?;
        map.serialize_entry("quirks", &self.quirks)?;
        let transcript = self.transcript.as_ref().map(ToString::to_string);
        map.serialize_entry("transcript", &transcript)?;
        map.end()
    }
}

impl Serialize for StageReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let replies: Vec<_> = self.replies.iter().map(text).collect();
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("stage", self.stage.name())?;
        map.serialize_entry("outcome", self.outcome.name())?;
        map.serialize_entry("start_ms", &millis(self.start))?;
        map.serialize_entry("duration_ms", &millis(self.duration))?;
        map.serialize_entry("replies", &replies)?;
        map.serialize_entry("host", &Some(&self.host).filter(|host| !host.is_empty()))?;
        map.serialize_entry("address", &self.address.map(|address| address.to_string()))?;
        map.serialize_entry("fault", &self.fault)?;
        map.end()
    }
}

impl Serialize for QuirkReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("quirk", self.quirk.map_or("violation", crate::Quirk::name))?;
        map.serialize_entry("stage", self.stage.name())?;
        map.serialize_entry("words", &self.words)?;
        map.serialize_entry("rule", self.rule)?;
        map.serialize_entry("line", &Escaped::new(&self.line).to_string())?;
        map.end()
    }
}

struct Diagnosed<'a>(&'a Diagnosis);

impl Serialize for Diagnosed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("kind", self.0.kind().name())?;
        map.serialize_entry("confidence", self.0.confidence().name())?;
        map.serialize_entry("cause", &self.0.cause())?;
        map.serialize_entry("advice", &self.0.advice())?;
        map.end()
    }
}

struct Offers<'a>(&'a Report);

impl Serialize for Offers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("before_tls", &self.0.before_tls.as_ref().map(lines))?;
        map.serialize_entry("after_tls", &self.0.after_tls.as_ref().map(lines))?;
        map.end()
    }
}

#[cfg(feature = "tls")]
struct Tls<'a>(&'a TlsInfo);

#[cfg(feature = "tls")]
impl Serialize for Tls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fault = match self.0.trust() {
            crate::Trust::Unverified(fault) => Some(fault.to_string()),
            crate::Trust::Verified(_) | crate::Trust::Unchecked => None,
        };
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("version", &self.0.version().to_string())?;
        map.serialize_entry("cipher_suite", self.0.cipher_suite())?;
        map.serialize_entry("key_exchange", &self.0.key_exchange())?;
        map.serialize_entry("verified", &self.0.is_verified())?;
        map.serialize_entry("fault", &fault)?;
        map.end()
    }
}

fn lines(offered: &Capabilities) -> Vec<String> {
    let line = |name: &str, params: &str| {
        let line = if params.is_empty() { name.to_owned() } else { format!("{name} {params}") };
        Escaped::new(line.as_bytes()).to_string()
    };
    offered.keywords().map(|keyword| line(keyword.name(), keyword.params())).collect()
}

fn text(reply: &Reply) -> String {
    format!("{reply:#}")
}

/// To a thousandth.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
