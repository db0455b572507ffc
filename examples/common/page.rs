//! The status page of `monitor`, and its numbers, over HTTP. Whatever is not this file's own words is
//! escaped: reports quote strangers.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use ehlo::{Monitor, Watched};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

/// What is shown, until something else is.
#[derive(Clone, Default)]
pub(crate) struct Page(Arc<Mutex<Vec<Row>>>);

/// A server.
struct Row {
    name: String,
    health: &'static str,
    words: String,
    /// When it was probed last.
    at: Option<SystemTime>,
    report: String,
}

impl Page {
    /// Shows how the servers are now.
    pub(crate) fn show(&self, monitor: &Monitor) {
        let rows = monitor.servers().map(Row::from).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    fn html(&self) -> String {
        let mut html = HEAD.to_owned();
        for Row { name, health, words, at, report } in
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let at = at.map(|at| humantime::format_rfc3339_seconds(at).to_string());
            let (name, words, report) = (escaped(name), escaped(words), escaped(report));
            // Writing to a string does not fail.
            let _ = writeln!(
                html,
                "<tr class={health}><td>{name}<td>{health}<td>{}\
                 <td><details><summary>{words}</summary><pre>{report}</pre></details>",
                at.unwrap_or_default(),
            );
        }
        html + "</table>\n"
    }
}

impl From<Watched<'_>> for Row {
    fn from(server: Watched<'_>) -> Self {
        let report = server.report();
        let degraded = server.degradations().iter().map(ToString::to_string).collect::<Vec<_>>();
        let words = match report.and_then(|report| report.diagnosis()) {
            Some(diagnosis) => diagnosis.to_string(),
            None => degraded.join(", "),
        };
        let verdict = report.map(|report| report.verdict().to_string()).unwrap_or_default();
        Self {
            name: server.name().to_owned(),
            health: server.health().name(),
            words: if words.is_empty() { verdict } else { format!("{verdict}: {words}") },
            at: report.map(|report| report.began()),
            report: report.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// Answers until it is dropped: the page at `/`, numbers for Prometheus at `/metrics`.
pub(crate) async fn serve(listener: TcpListener, page: Page, numbers: PrometheusHandle) {
    let page = move || async move { ([(CONTENT_SECURITY_POLICY, POLICY)], Html(page.html())) };
    let numbers = move || async move { numbers.render() };
    let app = Router::new().route("/", get(page)).route("/metrics", get(numbers));
    if let Err(why) = axum::serve(listener, app).await {
        eprintln!("error: the page is gone: {why}");
    }
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            c => html.push(c),
        }
    }
    html
}

/// Should anything get through after all, it does nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const HEAD: &str = "<!DOCTYPE html>
<html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>
<title>Mail servers</title>
<style>
body { font: 1rem/1.5 sans-serif; margin: 2rem }
td { padding: .2rem 1rem; vertical-align: top; border-top: 1px solid #ddd }
td:nth-child(2) { font-weight: bold }
.up td:nth-child(2) { color: #17803d }
.degraded td:nth-child(2) { color: #b45309 }
.down td:nth-child(2) { color: #b91c1c }
</style>
<h1>Mail servers</h1>
<table>
";
