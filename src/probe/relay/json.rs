//! A relay test for machines (feature `serde`): the schema stands here, and is kept to.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{RelayAttempt, RelayReport};
use crate::error::Error;
use crate::protocol::Stage;

/// The report as an object.
///
/// | key | value |
/// |---|---|
/// | `verdict` | [its name](super::RelayVerdict::name): `"refused"`, `"unclear"`, `"accepted_at_rcpt"` or `"relayed"` |
/// | `server`, `local`, `foreign` | strings |
/// | `attempts` | for each `form` ([its name](super::RelayForm::name)), `sender`, `recipient`, `outcome` ([its name](super::RelayOutcome::name)), `stage` and `reply` (strings, or null) |
/// | `error` | why it ended early, a string; or null |
///
/// Keys may be added; none is taken away or changes its meaning within a major version.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # use ehlo::testing::Server;
/// # use ehlo::{Connector, RelayTest, Security, Verb};
/// let server = Server::new().reply_to(Verb::Rcpt, "554 5.7.1 relay access denied").start().await?;
/// let connector = Connector::new(server.addr().to_string()).security(Security::None);
/// let report = serde_json::to_value(RelayTest::with(connector).run().await)?;
/// assert_eq!(report["verdict"], "refused");
/// assert_eq!(report["attempts"][0]["form"], "null_sender");
/// assert_eq!(report["attempts"][0]["reply"], "554 5.7.1 relay access denied");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for RelayReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("verdict", self.verdict().name())?;
        map.serialize_entry("server", &self.server)?;
        map.serialize_entry("local", &self.local)?;
        map.serialize_entry("foreign", &self.foreign)?;
        map.serialize_entry("attempts", &self.attempts)?;
        map.serialize_entry("error", &self.error().map(Error::to_string))?;
        map.end()
    }
}

impl Serialize for RelayAttempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("form", self.form.name())?;
        map.serialize_entry("sender", &self.sender)?;
        map.serialize_entry("recipient", &self.recipient)?;
        map.serialize_entry("outcome", self.outcome.name())?;
        map.serialize_entry("stage", &self.stage.map(Stage::name))?;
        map.serialize_entry("reply", &self.reply.as_ref().map(|reply| format!("{reply:#}")))?;
        map.end()
    }
}
