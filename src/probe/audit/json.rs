//! An audit for machines (feature `serde`): the schema stands here, and is kept to.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::report::{AuditFinding, AuditReport, AuditSeverity, CheckReport};
use crate::wire::Escaped;

/// The report as an object.
///
/// | key | value |
/// |---|---|
/// | `worst` | `"note"`, `"violation"`, `"vulnerability"`, or null where nothing was found |
/// | `checks` | for each `check` ([its name](super::AuditCheck::name)), `outcome` ([its name](super::CheckOutcome::name)), `words` (why it was skipped or failed, or null), `findings` |
/// | `findings` of a check | for each `severity`, `words`, `rule`, `section`, `line`, all strings |
/// | `probe` | the [report](super::super::Report) of the probe that came first |
///
/// Keys may be added; none is taken away or changes its meaning within a major version.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # use ehlo::testing::Server;
/// # use ehlo::{Audit, Connector, Security};
/// let server = Server::new().takes_bare_lf().start().await?;
/// let connector = Connector::new(server.addr().to_string()).security(Security::None);
/// let report = serde_json::to_value(Audit::with(connector).run().await)?;
/// assert_eq!(report["worst"], "violation");
/// assert_eq!(report["checks"][3]["check"], "bare_lf");
/// assert_eq!(report["checks"][3]["findings"][0]["section"], "RFC 5321 §2.3.8");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for AuditReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("worst", &self.worst().map(AuditSeverity::name))?;
        map.serialize_entry("checks", &self.checks)?;
        map.serialize_entry("probe", &self.report)?;
        map.end()
    }
}

impl Serialize for CheckReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("check", self.check.name())?;
        map.serialize_entry("outcome", self.outcome.name())?;
        map.serialize_entry("words", &self.words)?;
        map.serialize_entry("findings", &self.findings)?;
        map.end()
    }
}

impl Serialize for AuditFinding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("severity", self.severity.name())?;
        map.serialize_entry("words", &self.words)?;
        map.serialize_entry("rule", self.rule())?;
        map.serialize_entry("section", self.section)?;
        map.serialize_entry("line", &Escaped::new(&self.line).to_string())?;
        map.end()
    }
}
