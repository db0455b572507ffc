//! What a probe's report looks like: for people, and for machines.
#![cfg(all(feature = "probe", feature = "serde", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Server};
use ehlo::{Connector, Probe, Report, RootCertificates, Security, Stage, Verb};
use serde_json::{Value, json};

/// With the server's own name in the certificate, and its address for a host.
fn to(server: &Running) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let connector = Connector::new(server.addr().to_string()).roots(roots);
    connector.security(Security::None).client_name("c.example")
}

async fn probed(server: Server) -> (Report, Running) {
    let server = server.start().await.unwrap();
    let probe = Probe::with(to(&server)).sender("alice@example.org").recipient("bob@example.net");
    (probe.run().await, server)
}

/// The text with every time as `0.000`, and without the port, which is another each time.
fn timeless(text: &str, server: &Running) -> String {
    let text = text.replace(&format!(":{}", server.port()), ":25");
    let line = |line: &str| {
        let digits = |part: &str| part.replace(|c: char| c.is_ascii_digit(), "0");
        match (line.get(..17), line.split_once(" after ")) {
            (Some(times), _) if times.starts_with([' ', '!']) => digits(times) + &line[17..],
            (_, Some((verdict, after))) => format!("{verdict} after {}", digits(after)),
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_good_server_in_a_table() {
    let (report, server) = probed(Server::new()).await;
    assert_eq!(
        timeless(&report.to_string(), &server),
        "\
probe of 127.0.0.1:25

   start    took  stage            outcome
   0.000   0.000  name resolution  skipped the server is given by its address
   0.000   0.000  connect          ok      127.0.0.1:25
   0.000   0.000  greeting         ok      220 mx.example.test ESMTP ready
   0.000   0.000  EHLO             ok      250-mx.example.test (+7 lines)
   0.000   0.000  MAIL FROM        ok      MAIL FROM:<alice@example.org> BODY=8BITMIME: 250 2.1.0 sender ok
   0.000   0.000  RCPT TO          ok      RCPT TO:<bob@example.net>: 250 2.1.5 recipient ok
   0.000   0.000  RSET             ok      250 2.0.0 ok
   0.000   0.000  QUIT             ok      221 2.0.0 bye

offered in clear: PIPELINING, 8BITMIME, SIZE 10485760, SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING, STARTTLS

verdict: ok after 0.000 s"
    );
}

#[tokio::test]
async fn what_failed_is_marked_and_stands_in_full() {
    let refusal = "550-5.7.1 not\n550 5.7.1 you";
    let (report, server) = probed(Server::new().reply_to(Verb::Mail, refusal)).await;
    let text = timeless(&report.to_string(), &server);
    let (table, below) = text.split_once("\n\noffered").unwrap();
    assert!(
        table.ends_with(
            "
!  0.000   0.000  MAIL FROM        FAILED  MAIL FROM:<alice@example.org> BODY=8BITMIME
                                           550-5.7.1 not
                                           550 5.7.1 you
   0.000   0.000  QUIT             ok      221 2.0.0 bye
                  RCPT TO          not reached"
        ),
        "{text}"
    );
    let diagnosis = report.diagnosis().unwrap();
    let (cause, advice) = (diagnosis.cause(), diagnosis.advice());
    let verdict = "\n\nverdict: failed at MAIL FROM after 0.000 s\n";
    assert!(
        below.ends_with(&format!("{verdict}likely cause: {cause}\nwhat to do: {advice}")),
        "{text}"
    );
    assert!(!cause.is_empty() && !advice.is_empty());

    let coloured = report.in_colour().to_string();
    assert!(
        coloured.contains("\x1b[1;31mFAILED\x1b[0m") && coloured.contains("\x1b[2mnot reached")
    );
    let plain = ["\x1b[1;31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"];
    let plain = plain.iter().fold(coloured, |text, colour| text.replace(colour, ""));
    assert_eq!(plain, report.to_string());
}

/// What a server says is shown, and does nothing to who looks at it.
#[tokio::test]
async fn t13_a_hostile_server_is_shown_escaped() {
    let script = "S! 554-\\x1b[2J\\x00<script>alert(1)</script>\\x0a554 \\xff\\x0d\\x0a\n\
                  C: QUIT\nS: 221 bye";
    let (report, _server) = probed(Server::script(script.parse().unwrap())).await;
    for text in [report.to_string(), serde_json::to_string(&report).unwrap()] {
        assert!(!text.contains(['\x1b', '\0']), "{text}");
        assert!(text.contains("<script>alert(1)</script>") && text.contains("x1b[2J"), "{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    let greeting = "554-\\x1b[2J\\x00<script>alert(1)</script>\n554 \\xff";
    assert_eq!(json["stages"][2]["replies"], json!([greeting]));
    assert_eq!(json["quirks"][0]["quirk"], "BareLf");
}

/// Every key, as README and issue have it.
#[tokio::test]
async fn the_schema_for_machines() {
    let server = Server::new().refuse("bob@example.net", "550 5.1.1 no bob");
    let server = server.start().await.unwrap();
    let connector = to(&server).security(Security::StartTls);
    let probe = Probe::with(connector).sender("alice@example.org").recipient("bob@example.net");
    let report = probe.clone().run().await;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        keys(&json),
        [
            "capabilities",
            "diagnosis",
            "failed_stage",
            "quirks",
            "server",
            "stages",
            "tls",
            "transcript",
            "verdict"
        ]
    );
    assert_eq!((&json["verdict"], &json["failed_stage"]), (&json!("failed"), &json!("rcpt")));
    assert_eq!(json["server"], server.addr().to_string());
    let diagnosis = report.diagnosis().unwrap();
    assert_eq!(
        json["diagnosis"],
        json!({
            "kind": diagnosis.kind().name(),
            "confidence": diagnosis.confidence().name(),
            "cause": diagnosis.cause(),
            "advice": diagnosis.advice(),
        })
    );
    let stages = json["stages"].as_array().unwrap();
    assert_eq!(stages.len(), report.stages().len());
    for (stage, told) in stages.iter().zip(report.stages()) {
        let expected = "address duration_ms fault host outcome replies stage start_ms";
        assert_eq!(keys(stage).join(" "), expected);
        assert_eq!((&stage["fault"], &stage["host"]), (&json!(told.fault()), &json!(told.host())));
        assert_eq!(stage["address"], json!(told.address().map(|address| address.to_string())));
        assert_eq!(stage["stage"], told.stage().name());
        assert_eq!(stage["outcome"], told.outcome().name());
        let took = stage["duration_ms"].as_f64().unwrap() / 1e3;
        assert!((took - told.duration().as_secs_f64()).abs() < 1e-6);
        assert!(stage["start_ms"].is_f64());
    }
    assert_eq!(stages[0]["outcome"], "skipped");
    let rcpt = stages.iter().find(|stage| stage["stage"] == "rcpt").unwrap();
    assert_eq!(
        (&rcpt["outcome"], &rcpt["replies"]),
        (&json!("failed"), &json!(["550 5.1.1 no bob"]))
    );
    let [before, after] = ["before_tls", "after_tls"].map(|when| &json["capabilities"][when]);
    assert!(before.as_array().unwrap().contains(&json!("STARTTLS")));
    assert!(after.as_array().unwrap().contains(&json!("SIZE 10485760")));
    assert_eq!(
        keys(&json["tls"]),
        ["cipher_suite", "fault", "key_exchange", "verified", "version"]
    );
    assert_eq!(
        (&json["tls"]["version"], &json["tls"]["verified"]),
        (&json!("TLS 1.3"), &json!(true))
    );
    assert_eq!(json["transcript"], report.transcript().unwrap().to_string());

    // Nothing is left out where there is nothing.
    let json = serde_json::to_value(probe.stop_after(Stage::Connect).run().await).unwrap();
    assert_eq!(json["verdict"], "ok");
    for key in ["failed_stage", "diagnosis", "tls", "transcript"] {
        assert_eq!(json.get(key), Some(&Value::Null), "{key}");
    }
    assert_eq!(json["capabilities"], json!({ "before_tls": null, "after_tls": null }));
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
