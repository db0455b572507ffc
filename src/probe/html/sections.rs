//! The parts of the page below the diagram, each of which is a table, a list or a text.

use std::time::Duration;

use super::markup::Markup;
use super::words::Took;
use crate::extension::Capabilities;
use crate::probe::report::{QuirkReport, Report, StageOutcome, StageReport};
use crate::probe::show::{details, why_in_clear};
use crate::wire::{Escaped, Quirk};

/// Each step with its time and what was said; the bars are to scale, all of them to one.
pub(super) fn steps(report: &Report) -> Markup {
    let mut table = Markup::default();
    table.raw("<table role=\"table\" class=\"steps\"><thead role=\"rowgroup\"><tr role=\"row\">");
    for title in ["Step", "Outcome", "Began", "Took", "When", "What was said"] {
        table.element("th", &[("role", &"columnheader"), ("scope", &"col")], title);
    }
    table.raw("</tr></thead><tbody role=\"rowgroup\">");
    let is_of_many = report.stages.iter().any(|step| step.host != report.host);
    let mut host = None;
    for step in &report.stages {
        if is_of_many && host != Some(&step.host) {
            host = Some(&step.host);
            table.raw("<tr role=\"row\" class=\"host\"><th role=\"rowheader\" colspan=\"6\">");
            table.text(Escaped::new(step.host.as_bytes())).raw("</th></tr>");
        }
        table.piece(row(step, report.duration)).raw("\n");
    }
    table.raw("</tbody></table>");
    table
}

fn row(step: &StageReport, whole: Duration) -> Markup {
    let mut row = Markup::default();
    let (sign, word) = match step.outcome {
        StageOutcome::Passed => ("✓ ", "ok"),
        StageOutcome::Failed => ("✕ ", "failed"),
        StageOutcome::Skipped(_) => ("– ", "skipped"),
        StageOutcome::NotReached => ("○ ", "not reached"),
    };
    row.open("tr", &[("role", &"row"), ("class", &step.outcome.name())]);
    row.element("th", &[("role", &"rowheader"), ("scope", &"row")], step.stage);
    row.raw("<td role=\"cell\" class=\"outcome\"><span aria-hidden=\"true\">").raw(sign);
    row.raw("</span>").raw(word).raw("</td>");
    match step.outcome {
        StageOutcome::NotReached => {
            row.raw(
                "<td role=\"cell\" class=\"began\"></td><td role=\"cell\" class=\"time\"></td>",
            );
            row.raw("<td role=\"cell\" class=\"when\"></td>");
        }
        _ => {
            row.element("td", &[("role", &"cell"), ("class", &"began")], Took(step.start));
            row.element("td", &[("role", &"cell"), ("class", &"time")], Took(step.duration));
            row.raw("<td role=\"cell\" class=\"when\">").piece(bar(step, whole)).raw("</td>");
        }
    }
    row.raw("<td role=\"cell\" class=\"said\">");
    for line in details(step) {
        row.element("div", &[], line);
    }
    row.raw("</td></tr>");
    row
}

/// When the step was, out of the whole; what is very short is seen all the same.
fn bar(step: &StageReport, whole: Duration) -> Markup {
    let part = |time: Duration| match whole {
        Duration::ZERO => 0.0,
        whole => (time.as_secs_f64() / whole.as_secs_f64() * 1000.0).round().min(1000.0),
    };
    let width = part(step.duration).max(10.0);
    let x = part(step.start).min(1000.0 - width);
    let mut bar = Markup::default();
    bar.raw("<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    bar.empty("rect", &[("x", &x), ("y", &0), ("width", &width), ("height", &10)]);
    bar.raw("</svg>");
    bar
}

#[cfg(feature = "tls")]
pub(super) fn tls(report: &Report) -> Markup {
    let Some(tls) = report.tls() else { return in_clear(report) };
    let mut list = Markup::default();
    list.raw("<dl class=\"pairs\">");
    pair(&mut list, "Version", tls.version());
    pair(&mut list, "Cipher suite", Escaped::new(tls.cipher_suite().as_bytes()));
    if let Some(group) = tls.key_exchange() {
        pair(&mut list, "Key exchange", Escaped::new(group.as_bytes()));
    }
    list.raw("<dt>Certificate</dt>");
    list.open("dd", &[("class", &if tls.is_verified() { "good" } else { "warned" })]);
    list.raw(if tls.is_verified() { "✓ " } else { "! " }).text(tls.trust()).raw("</dd>");
    if let Some(own) = tls.chain().first() {
        #[cfg(feature = "x509")]
        if let Some(details) = own.details() {
            certificate(&mut list, &details);
        }
        if let Some(fingerprint) = own.fingerprint() {
            pair(&mut list, "SHA-256", fingerprint);
        }
    }
    if tls.is_resumed() {
        pair(&mut list, "Session", "resumed");
    }
    list.raw("</dl>");
    list
}

#[cfg(not(feature = "tls"))]
pub(super) fn tls(report: &Report) -> Markup {
    in_clear(report)
}

#[cfg(all(feature = "tls", feature = "x509"))]
fn certificate(list: &mut Markup, details: &crate::net::CertificateDetails) {
    use super::words::Utc;

    let at = |seconds| {
        let time = Duration::from_secs(seconds);
        Utc(std::time::UNIX_EPOCH.checked_add(time).unwrap_or(std::time::UNIX_EPOCH))
    };
    let names: Vec<_> =
        details.names().iter().map(|name| Escaped::new(name.as_bytes()).to_string()).collect();
    pair(list, "For", if names.is_empty() { "no name".to_owned() } else { names.join(", ") });
    pair(list, "Issued by", Escaped::new(details.issuer().as_bytes()));
    pair(list, "Valid from", at(details.not_before()));
    pair(list, "Valid until", at(details.not_after()));
}

fn in_clear(report: &Report) -> Markup {
    let mut words = Markup::default();
    let why = report.in_clear.as_ref().map(why_in_clear);
    let why = why.unwrap_or_else(|| "There was no handshake.".to_owned());
    words.element("p", &[("class", &"none")], why);
    words
}

/// Every EHLO line, and where it was offered.
pub(super) fn offers(report: &Report) -> Markup {
    let before = report.before_tls.as_ref().map(lines);
    let after = report.after_tls.as_ref().map(lines);
    let mut table = Markup::default();
    if before.is_none() && after.is_none() {
        table.raw("<p class=\"none\">It did not come to EHLO.</p>");
        return table;
    }
    let (clear, tls) = (before.clone().unwrap_or_default(), after.clone().unwrap_or_default());
    let more = tls.iter().filter(|line| !clear.contains(line));
    let all: Vec<_> = clear.iter().chain(more).collect();
    if all.is_empty() {
        table.raw("<p class=\"none\">It offers nothing.</p>");
        return table;
    }
    let columns = [("in clear", &before), ("over TLS", &after)];
    let columns: Vec<_> =
        columns.into_iter().filter_map(|(title, lines)| Some((title, lines.as_ref()?))).collect();
    table.raw("<table class=\"offers\"><thead><tr><th scope=\"col\">Extension</th>");
    for (title, _) in &columns {
        table.element("th", &[("scope", &"col")], title);
    }
    table.raw("</tr></thead><tbody>");
    for line in all {
        let (name, params) = line;
        table.raw("<tr><th scope=\"row\">").element("b", &[], name);
        if !params.is_empty() {
            table.raw(" ").text(params);
        }
        table.raw("</th>");
        for (_, lines) in &columns {
            table.raw(match lines.contains(line) {
                true => "<td>✓<span class=\"hidden\"> offered</span></td>",
                false => "<td><span class=\"hidden\">not offered</span></td>",
            });
        }
        table.raw("</tr>");
    }
    table.raw("</tbody></table>");
    table
}

/// Keywords and what stands behind them.
fn lines(offered: &Capabilities) -> Vec<(String, String)> {
    let shown = |text: &str| Escaped::new(text.as_bytes()).to_string();
    offered.keywords().map(|one| (shown(one.name()), shown(one.params()))).collect()
}

pub(super) fn quirks(report: &Report) -> Markup {
    let mut list = Markup::default();
    if report.quirks.is_empty() {
        list.raw("<p class=\"none\">The server kept to the rules.</p>");
        return list;
    }
    list.raw("<ul class=\"quirks\">");
    report.quirks.iter().for_each(|one| quirk(&mut list, one));
    list.raw("</ul>");
    list
}

fn quirk(list: &mut Markup, one: &QuirkReport) {
    let is_note = one.quirk.is_some_and(Quirk::is_note);
    list.open("li", &[("class", &if is_note { "note" } else { "broken" })]);
    list.element("b", &[], &one.words).raw(" <span class=\"rule\">at ").text(one.stage);
    list.raw(", ").text(one.rule).raw("</span>");
    if !one.line.is_empty() {
        list.element("code", &[], Escaped::new(&one.line));
    }
    list.raw("</li>");
}

/// Every line that was said with the host of the verdict.
pub(super) fn transcript(report: &Report) -> Option<Markup> {
    let transcript = report.transcript.as_ref()?.to_string();
    let mut text = Markup::default();
    text.raw("<details><summary>Every line, as a script that can be played again</summary><pre>");
    for line in transcript.lines() {
        let class = match line.get(..2) {
            Some("C:") => "client",
            Some("S:" | "S!") => "server",
            _ => "between",
        };
        text.element("span", &[("class", &class)], line).raw("\n");
    }
    text.raw("</pre></details>");
    Some(text)
}

#[cfg(feature = "tls")]
fn pair(list: &mut Markup, name: &'static str, value: impl std::fmt::Display) {
    list.raw("<dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd>");
}
