//! A report as one page that needs nothing else: no script, nothing that is loaded from anywhere, and
//! whatever a server has said is text. Nothing is found out here.
//!
//! | file | what it holds |
//! |---|---|
//! | `markup` | elements and text; the one place where text is escaped |
//! | `sections` | the parts of the page below the diagram: steps, TLS, offers, quirks, transcript |
//! | `diagram` | the conversation as a sequence diagram |
//! | `events` | what happened when, which the diagram draws |
//! | `scale` | how high on the page a time is |
//! | `shapes` | the shapes of SVG that are needed |
//! | `words` | times and lines as short as they can be read |
//! | `style` | how all of it looks: light, dark, on a phone, on paper |

mod diagram;
mod events;
mod markup;
mod scale;
mod sections;
mod shapes;
#[cfg(test)]
mod tests;
mod words;

use markup::Markup;
use words::{Took, Utc};

use super::report::{Report, StageOutcome, Verdict};
use super::show::hosts_found;
use crate::wire::Escaped;

impl Report {
    /// The report as a page for a browser: the verdict, the likely cause and what to do, the
    /// conversation as a diagram with its times to scale, and all that was found.
    ///
    /// It is one file in HTML that is well-formed XML, too. It loads nothing and runs nothing, and
    /// its policy forbids both; what came from the server stands there as text, escaped as
    /// [`Escaped`](crate::Escaped) has it. It is read in light and in dark, on a phone and on paper.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::testing::Server;
    /// use ehlo::{Connector, Probe, Security};
    ///
    /// let server = Server::new().greeting("554 <script>alert(1)</script>").start().await?;
    /// let connector = Connector::new(server.addr().to_string()).security(Security::None);
    /// let page = Probe::with(connector).run().await.to_html();
    /// assert!(page.starts_with("<!DOCTYPE html>"));
    /// assert!(!page.contains("<script"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = Markup::default();
        page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"")
            .raw(POLICY)
            .raw("\"/>\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
        page.raw("<meta name=\"referrer\" content=\"no-referrer\"/>\n");
        page.element("title", &[], format_args!("{}: {}", self.shown(), self.verdict));
        page.raw("\n<style>\n").raw(STYLE).raw("</style>\n</head>\n");
        page.open("body", &[("class", &if self.is_ok() { "ok" } else { "failed" })]);
        page.piece(self.masthead()).raw("\n<main>\n");
        page.piece(self.diagnosed()).raw("\n");
        section(&mut page, "conversation", "The conversation", diagram::figure(self));
        section(&mut page, "steps", "Steps", sections::steps(self));
        let tls = sections::tls(self);
        section(&mut page, "tls", "TLS", tls);
        section(&mut page, "offers", "What the server offers", sections::offers(self));
        section(&mut page, "quirks", "Quirks", sections::quirks(self));
        if let Some(transcript) = sections::transcript(self) {
            section(&mut page, "transcript", "Transcript", transcript);
        }
        page.raw("</main>\n<footer>A probe by ehlo ").raw(env!("CARGO_PKG_VERSION"));
        page.raw(". Nothing on this page is loaded from elsewhere, and nothing runs.</footer>\n");
        page.raw("</body>\n</html>\n");
        page.into_string()
    }

    fn shown(&self) -> Escaped<'_> {
        Escaped::new(self.server.as_bytes())
    }

    /// Who was probed, when, and whether it went well.
    fn masthead(&self) -> Markup {
        let mut head = Markup::default();
        head.raw("\n<header>\n<p class=\"verdict\">");
        match self.verdict {
            Verdict::Ok => head.raw(TICK).raw("ok"),
            Verdict::Failed(stage) => head.raw(CROSS).raw("failed at ").text(stage),
        };
        head.raw("</p>\n").element("h1", &[], self.shown()).raw("\n<dl class=\"facts\">");
        if let Some(hosts) = &self.mail_hosts {
            fact(&mut head, "MX", hosts_found(hosts));
        }
        if self.host != self.server && !self.server.starts_with(&self.host) {
            fact(&mut head, "Host", Escaped::new(self.host.as_bytes()));
        }
        if let Some(address) = self.address() {
            fact(&mut head, "Address", address);
        }
        fact(&mut head, "Began", Utc(self.began));
        fact(&mut head, "Took", Took(self.duration));
        let tried = |outcome| matches!(outcome, StageOutcome::Passed | StageOutcome::Failed);
        let passed = self.stages.iter().filter(|one| one.outcome == StageOutcome::Passed).count();
        let all = self.stages.iter().filter(|one| tried(one.outcome)).count();
        fact(&mut head, "Steps", format_args!("{passed} of {all} passed"));
        head.raw("</dl>\n</header>");
        head
    }

    /// What is likely wrong, and what to do.
    fn diagnosed(&self) -> Markup {
        let mut found = Markup::default();
        found.raw("<section class=\"diagnosis\" aria-labelledby=\"diagnosis\">");
        match &self.diagnosis {
            Some(diagnosis) => {
                found.raw("<h2 id=\"diagnosis\">Likely cause <span class=\"tag\">");
                found.raw("confidence: ").text(diagnosis.confidence()).raw("</span></h2>");
                found.element("p", &[("class", &"cause")], diagnosis.cause());
                found.raw("<h3>What to do</h3>").element("p", &[], diagnosis.advice());
            }
            None => {
                found.raw("<h2 id=\"diagnosis\">Nothing is wrong</h2>");
                found.raw("<p class=\"cause\">The server does what was asked of it.</p>");
            }
        }
        let mail = match self.is_mail_left() {
            true => "The server has taken a mail.",
            false => "No mail was left with the server.",
        };
        found.raw("<p class=\"aside\">").raw(mail).raw("</p></section>");
        found
    }
}

fn fact(head: &mut Markup, name: &'static str, value: impl std::fmt::Display) {
    head.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>");
}

fn section(page: &mut Markup, id: &'static str, title: &'static str, content: Markup) {
    page.open("section", &[("aria-labelledby", &id)]);
    page.element("h2", &[("id", &id)], title).piece(content).raw("</section>\n");
}

/// Styles that stand in the page, and nothing else: no script, image, font, frame or form.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("style.css");

const TICK: &str = "<svg class=\"sign\" viewBox=\"0 0 20 20\" aria-hidden=\"true\">\
                    <circle cx=\"10\" cy=\"10\" r=\"10\"/><path d=\"M5.5 10.5l3 3 6-7\"/></svg>";
const CROSS: &str = "<svg class=\"sign\" viewBox=\"0 0 20 20\" aria-hidden=\"true\">\
                     <circle cx=\"10\" cy=\"10\" r=\"10\"/><path d=\"M6.5 6.5l7 7m0-7l-7 7\"/></svg>";
