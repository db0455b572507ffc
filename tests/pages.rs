//! Pages of reports, opened in a browser: what a server has said is on them as text, and nothing of it
//! is an element or runs. `tests/pages/run` has the browser.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/programs.rs"]
mod programs;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ehlo::testing::{Running, Server};
use ehlo::{
    Connector, MailHosts, Probe, Resolve, ResolveFault, Resolving, RootCertificates, Security,
};
use programs::run;
use roxmltree::{Document, ParsingOptions};

/// A greeting that tries everything, and who says it.
const HOSTILE: &str = "\
S: 554-<script>alert('banner')</script><img src=x onerror=\"alert(1)\">
S: 554-</text></svg></title></style></td><h1>forged</h1>&lt;b&gt;
S: 554 \\x1b[2J\\x1b]0;owned\\x07 \\u{202e}drawkcab\\u{2066} \\xff\\x00
C: QUIT
S: 221 bye
";

/// A relay on a block list, and some seconds of silence: the picture of README.
const LISTED: &str = "\
-- wait 180
S: 220 mx.example.org ESMTP Postfix
C: EHLO client.example.com
-- wait 42
S: 250-mx.example.org
S: 250-PIPELINING
S: 250-SIZE 52428800
S: 250-STARTTLS
S: 250-ENHANCEDSTATUSCODES
S: 250-8BITMIME
S: 250 CHUNKING
C: STARTTLS
-- wait 40
S: 220 2.0.0 Ready to start TLS
-- TLS
C: EHLO client.example.com
-- wait 44
S: 250-mx.example.org
S: 250-PIPELINING
S: 250-SIZE 52428800
S: 250-ENHANCEDSTATUSCODES
S: 250-8BITMIME
S: 250 CHUNKING
C: MAIL FROM:<alice@example.com> BODY=8BITMIME
-- wait 61
S: 250 2.1.0 Ok
C: RCPT TO:<bob@example.org>
-- wait 2400
S: 554 5.7.1 Service unavailable; Client host [192.0.2.25] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.25
C: RSET
-- wait 41
S: 250 2.0.0 Ok
C: QUIT
-- wait 40
S: 221 2.0.0 Bye
";

/// The browser, and the folder of the pages.
struct Browser {
    program: String,
    folder: PathBuf,
    /// The folder as the browser sees it.
    seen: String,
}

/// What a browser has made of a page.
struct Opened {
    dom: String,
    /// Lines of its console: scripts, errors of scripts, and what the page's policy has forbidden.
    console: Vec<String>,
}

impl Browser {
    fn of_the_run() -> Self {
        let var =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name}: see tests/pages/run"));
        Self {
            program: var("EHLO_BROWSER"),
            folder: var("EHLO_PAGES_DIR").into(),
            seen: var("EHLO_PAGES_SEEN"),
        }
    }

    fn open(&self, name: &str, page: &str) -> Opened {
        std::fs::write(self.folder.join(format!("{name}.html")), page).unwrap();
        let (status, dom, told) = self.run(name, &["--dump-dom", "--enable-logging=stderr"]);
        assert!(status && dom.contains("</html>"), "{dom}{told}");
        let console = told.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
        Opened { dom, console: console.collect() }
    }

    /// A picture of a page that was opened, of this width and height.
    fn picture(&self, name: &str, width: u32, height: u32) {
        let picture = self.folder.join(format!("{name}.png"));
        let size = format!("--window-size={width},{height}");
        let file = format!("--screenshot={}/{name}.png", self.seen);
        let (status, _, told) = self.run(name, &[&size, &file, "--hide-scrollbars"]);
        assert!(status && Path::new(&picture).exists(), "{told}");
        let octets = std::fs::read(picture).unwrap();
        assert!(octets.starts_with(b"\x89PNG") && octets.len() > 10_000, "{name} is empty");
    }

    fn run(&self, name: &str, arguments: &[&str]) -> (bool, String, String) {
        let mut command = Command::new(&self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(arguments).arg(format!("file://{}/{name}.html", self.seen));
        let output = command.output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

/// The elements that stand in a page, by what is an opening tag in it.
fn elements(dom: &str) -> usize {
    let tag = |two: &&[u8]| two[0] == b'<' && two[1].is_ascii_alphabetic();
    dom.as_bytes().windows(2).filter(tag).count()
}

/// The elements that were written.
fn written(page: &str) -> usize {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let page = Document::parse_with_options(page, options).unwrap();
    page.descendants().filter(roxmltree::Node::is_element).count()
}

#[track_caller]
fn has(opened: &Opened, parts: &[&str]) {
    for part in parts {
        assert!(opened.dom.contains(part), "{part}: {}", opened.dom);
    }
}

#[tokio::test]
#[ignore = "needs a browser: tests/pages/run"]
async fn a_good_server_is_shown_with_its_steps_and_replies() {
    let browser = Browser::of_the_run();
    let ran = run("probe", "--to bob@example.test --output html", "").await;
    assert_eq!((ran.status, &*ran.err), (0, ""), "{}", ran.out);
    let opened = browser.open("good", &ran.out);
    has(&opened, &["name resolution", "connect", "greeting", "EHLO", "STARTTLS", "TLS handshake"]);
    has(&opened, &["AUTH", "MAIL FROM", "RCPT TO", "RSET", "QUIT", "Nothing is wrong"]);
    has(
        &opened,
        &["220 mx.example.test ESMTP ready", "RCPT TO:&lt;bob@example.test&gt;: 250 2.1.5"],
    );
    has(&opened, &["<svg class=\"diagram\"", "</tspan> 2.1.5 recipient ok</text>"]);
    assert_eq!(opened.console, [""; 0]);
    assert_eq!(elements(&opened.dom), written(&ran.out));
    browser.picture("good", 1040, 2400);
}

#[tokio::test]
#[ignore = "needs a browser: tests/pages/run"]
async fn t16_a_hostile_banner_is_text() {
    let browser = Browser::of_the_run();
    let server = Server::script(HOSTILE.parse().unwrap()).start().await.unwrap();
    let arguments = format!("--server {} --output html", server.addr());
    let ran = run("probe", &arguments, "").await;
    assert_eq!((ran.status, &*ran.err), (2, ""), "{}", ran.out);
    let opened = browser.open("hostile", &ran.out);
    has(&opened, &["failed at greeting", "Likely cause", "What to do", "not reached"]);
    has(&opened, &["554-&lt;script&gt;alert('banner')&lt;/script&gt;&lt;img src=x onerror="]);
    has(
        &opened,
        &["554-&lt;/text&gt;&lt;/svg&gt;&lt;/title&gt;&lt;/style&gt;", "&amp;lt;b&amp;gt;"],
    );
    has(&opened, &["554 \\x1b[2J\\x1b]0;owned\\x07 \\u{202e}drawkcab\\u{2066} \\xff\\x00"]);
    for forged in ["<script", "<img", "<h1>forged", "\x1b", "\u{202e}"] {
        assert!(!opened.dom.contains(forged), "{forged}: {}", opened.dom);
    }
    assert_eq!(opened.console, [""; 0]);
    assert_eq!(elements(&opened.dom), written(&ran.out));
    browser.picture("hostile", 1040, 1700);
    browser.picture("hostile", 500, 2400);

    // What would have been seen, had it been an element: it is made, and the policy forbids it.
    let forged = ran.out.replace("<main>", "<main><script>console.log('ran')</script>");
    let opened = browser.open("forged", &forged);
    assert!(opened.console.iter().any(|line| line.contains("Content Security Policy")));
    assert!(!opened.console.iter().any(|line| line.contains("\"ran\"")));
    assert_ne!(elements(&opened.dom), written(&ran.out));
}

/// Knows one name.
#[derive(Debug)]
struct OneName;

impl Resolve for OneName {
    fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
        Box::pin(async move {
            match host {
                "mx.example.org" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                _ => Err(ResolveFault::no_such_name(host)),
            }
        })
    }

    fn mail_hosts<'a>(&'a self, _: &'a str) -> Resolving<'a, MailHosts> {
        Box::pin(async { Ok(MailHosts::NotAsked) })
    }
}

fn to(server: &Running) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let connector = Connector::new("mx.example.org").port(server.port()).roots(roots);
    connector.resolver(OneName).security(Security::StartTls).client_name("client.example.com")
}

#[tokio::test]
#[ignore = "needs a browser: tests/pages/run"]
async fn a_listed_relay_is_the_picture_of_readme() {
    let browser = Browser::of_the_run();
    let server = Server::script(LISTED.parse().unwrap()).name("mx.example.org");
    let server = server.start().await.unwrap();
    let probe = Probe::with(to(&server)).sender("alice@example.com").recipient("bob@example.org");
    // The address of documents, and the port of relays.
    let port = format!(":{}", server.port());
    let page = probe.run().await.to_html().replace(&port, "").replace("127.0.0.1", "192.0.2.1");
    let opened = browser.open("readme", &page);
    has(&opened, &["failed at RCPT TO", "zen.spamhaus.org", "silence of 2.4"]);
    assert_eq!(opened.console, [""; 0]);
    browser.picture("readme", 960, 1440);
}
