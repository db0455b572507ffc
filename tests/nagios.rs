//! The line and the status of a plug-in, against servers that do well, badly and slowly.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{Connector, NagiosLimits, NagiosStatus, Probe, Report, Security};

async fn probed(server: Server, security: Security) -> (Report, Running) {
    let server = server.start().await.unwrap();
    let connector = Connector::new(server.addr().to_string()).security(security);
    (Probe::with(connector).sender("alice@example.org").run().await, server)
}

/// The line with every time as `0.000`, and without the port, which is another each time.
fn timeless(line: &str, server: &Running) -> String {
    let line = line.replace(&format!(":{}", server.port()), ":25");
    let mut words = Vec::new();
    for word in line.split(' ') {
        let is_time = word.contains('.') && !word.contains(':');
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        match (is_time, word.split_once(';')) {
            (true, Some((value, limits))) => {
                words.push(format!("{};{limits}", value.chars().map(digits).collect::<String>()));
            }
            (true, None) => words.push(word.chars().map(digits).collect()),
            (false, _) => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

#[tokio::test]
async fn a_good_server_is_ok_with_its_times() {
    let (report, server) = probed(Server::new(), Security::None).await;
    let limits = NagiosLimits::new().duration(Duration::from_secs(300), Duration::from_secs(600));
    let nagios = report.to_nagios(&limits);
    assert_eq!((nagios.status(), nagios.status().exit_code()), (NagiosStatus::Ok, 0));
    assert_eq!(
        timeless(&nagios.to_string(), &server),
        "SMTP OK - 127.0.0.1:25 answered in 0.000 s | time=0.000s;300;600;0 connect=0.000s;;;0 \
         greeting=0.000s;;;0 ehlo=0.000s;;;0 mail=0.000s;;;0 rset=0.000s;;;0 quit=0.000s;;;0"
    );
}

#[tokio::test]
async fn a_slow_server_is_a_warning_or_critical() {
    let (report, server) = probed(Server::new(), Security::None).await;
    let (none, ever) = (Duration::ZERO, Duration::from_secs(600));
    for (warning, critical, status, code) in [
        (ever, ever, NagiosStatus::Ok, 0),
        (none, ever, NagiosStatus::Warning, 1),
        (none, none, NagiosStatus::Critical, 2),
    ] {
        let nagios = report.to_nagios(&NagiosLimits::new().duration(warning, critical));
        assert_eq!((nagios.status(), nagios.status().exit_code()), (status, code));
    }
    let line = report.to_nagios(&NagiosLimits::new().duration(none, ever)).to_string();
    assert!(
        timeless(&line, &server).starts_with(
            "SMTP WARNING - 127.0.0.1:25 answered in 0.000 s, more than 0.000 s | time=0.000s;0;600;0 "
        ),
        "{line}"
    );
}

#[tokio::test]
async fn what_failed_is_critical_with_the_cause() {
    let (report, server) = probed(Server::new().greeting("421 4.3.2 busy"), Security::None).await;
    let nagios = report.to_nagios(&NagiosLimits::default());
    assert_eq!(nagios.status(), NagiosStatus::Critical);
    let cause = report.diagnosis().unwrap().cause();
    let line = nagios.to_string();
    let (told, cause_told) = line.split_once(": ").unwrap();
    let told = timeless(told, &server);
    assert_eq!(told, "SMTP CRITICAL - 127.0.0.1:25 failed at greeting after 0.000 s");
    assert!(cause_told.starts_with(&format!("{cause} | time=")), "{line}");
    assert!(!line.contains(" ehlo="), "what was not tried has no time: {line}");
}

/// T16: one line, and one bar, whatever a server says.
#[tokio::test]
async fn t16_a_server_cannot_break_the_line() {
    let script =
        "S! 554-a|time=0s;;\\x1b[2J\\x0d\\x0a554 <b>\\xff\\u{202e}\\x00|\\x0d\\x0a\n-- close";
    let (report, _server) = probed(Server::script(script.parse().unwrap()), Security::None).await;
    let line = report.to_nagios(&NagiosLimits::new()).to_string();
    assert_eq!((line.lines().count(), line.matches('|').count()), (1, 1), "{line}");
    assert!(!line.contains(['<', '>', '\u{202e}']) && !line.contains(char::is_control), "{line}");
    for part in ["554-a\\x7ctime=0s", "\\x1b[2J", "\\x3cb\\x3e\\xff\\u{202e}\\x00\\x7c"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_mistake_of_the_caller_is_unknown() {
    let report = Probe::new("mx.example.test").sender("no mailbox").run().await;
    let nagios = report.to_nagios(&NagiosLimits::new());
    assert_eq!((nagios.status(), nagios.status().exit_code()), (NagiosStatus::Unknown, 3));
    let line = nagios.to_string();
    assert!(
        line.starts_with("SMTP UNKNOWN - mx.example.test failed at MAIL FROM after "),
        "{line}"
    );
}

#[cfg(feature = "x509")]
#[tokio::test]
async fn a_certificate_that_expires_is_told() {
    let (report, _server) = probed(Server::new(), Security::Opportunistic).await;
    let not_after = report.tls().unwrap().chain()[0].details().unwrap().not_after();
    let began = report.began().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let days = u32::try_from((not_after - began) / 86_400).unwrap();
    for (warning, critical, status) in [
        (days, days, NagiosStatus::Ok),
        (days + 1, days, NagiosStatus::Warning),
        (days + 1, days + 1, NagiosStatus::Critical),
    ] {
        let nagios = report.to_nagios(&NagiosLimits::new().certificate_days(warning, critical));
        assert_eq!(nagios.status(), status, "{nagios}");
        let data = format!(" certificate_days={days};{warning}:;{critical}:");
        assert!(nagios.to_string().ends_with(&data), "{nagios}");
    }
    let nagios = report.to_nagios(&NagiosLimits::new().certificate_days(days + 1, 0)).to_string();
    let words = format!(" has a certificate that expires in {days} days |");
    assert!(nagios.contains(&words), "{nagios}");
    // Without limits it is a number, and no more.
    let nagios = report.to_nagios(&NagiosLimits::new());
    assert_eq!(nagios.status(), NagiosStatus::Ok);
    assert!(nagios.to_string().ends_with(&format!(" certificate_days={days};;")), "{nagios}");

    let (report, _server) = probed(Server::new(), Security::None).await;
    let nagios = report.to_nagios(&NagiosLimits::new().certificate_days(14, 7));
    assert_eq!(nagios.status(), NagiosStatus::Unknown);
    assert!(
        nagios.to_string().contains(" has shown no certificate that can be read |"),
        "{nagios}"
    );
}
