//! smtp-sink with each of its faults: what a mail to two came to, how the error says it, whether it
//! is worth another try, and whether the session goes on.

use std::time::Duration;

use ehlo::{Client, Envelope, Error, Timeouts};

use crate::Row;
use crate::support::{checked, clear, mail, outcomes};

pub(crate) fn rows() -> Vec<Row> {
    FAULTS
        .iter()
        .map(|fault| Row::new("smtp-sink", fault.name(), move || comes_to(fault)))
        .collect()
}

struct Fault {
    /// Of smtp-sink.
    options: &'static str,
    port: &'static str,
    /// Whether the client waits longer than it.
    patient: bool,
    comes: Comes,
}

/// What two mails over one connection come to, each with two recipients.
enum Comes {
    /// There is no session: why.
    Unreached(&'static str),
    /// Both to this, and QUIT is answered.
    Twice(&'static str),
    /// The first to this, and there is no second; the error, where the call has failed; who ended
    /// the session.
    Once(&'static str, Option<&'static str>, Ended),
}
use Comes::{Once, Twice, Unreached};

#[derive(Clone, Copy)]
enum Ended {
    Closed,
    Bye,
    Here,
}
use Ended::{Bye, Closed, Here};

const fn fault(options: &'static str, port: &'static str, comes: Comes) -> Fault {
    Fault { options, port, patient: true, comes }
}

/// One for which nobody waits.
const fn hasty(options: &'static str, port: &'static str, comes: Comes) -> Fault {
    Fault { options, port, patient: false, comes }
}

/// What both recipients come to.
macro_rules! both {
    ($($outcome:tt)+) => {
        concat!($($outcome)+, "; ", $($outcome)+)
    };
}

/// Refused in the words of `-f`, `-r` or `-Q`, in reply to this.
macro_rules! hard {
    ($stage:literal) => {
        concat!("refused: 500 5.3.0 Error: command failed (in reply to ", $stage, ")")
    };
}
macro_rules! soft {
    ($stage:literal) => {
        concat!("refused: 450 4.3.0 Error: command failed (in reply to ", $stage, ")")
    };
}
macro_rules! bye {
    ($stage:literal) => {
        concat!("refused: 421 4.0.0 Server closing connection (in reply to ", $stage, ")")
    };
}

const FAULTS: &[Fault] = &[
    fault(
        "-f connect",
        "F_CONNECT_PORT",
        Unreached("127.0.0.1 said: 500 5.3.0 Error: command failed (as its greeting) [NextHost]"),
    ),
    // HELO is left.
    fault("-f ehlo", "F_EHLO_PORT", Twice(TAKEN)),
    fault("-f mail", "F_MAIL_PORT", Twice(both!(hard!("MAIL FROM")))),
    fault("-f rcpt", "F_RCPT_PORT", Twice(both!(hard!("RCPT TO")))),
    fault("-f data", "F_DATA_PORT", Twice(both!(hard!("DATA")))),
    fault("-f .", "F_END_PORT", Twice(both!(hard!("end of data")))),
    fault(
        "-r connect",
        "R_CONNECT_PORT",
        Unreached("127.0.0.1 said: 450 4.3.0 Error: command failed (as its greeting) [NextHost]"),
    ),
    fault(
        "-r ehlo",
        "R_EHLO_PORT",
        Unreached(
            "127.0.0.1 said: 450 4.3.0 Error: command failed (in reply to EHLO client.example.test) [NextHost]",
        ),
    ),
    fault("-r mail", "R_MAIL_PORT", Twice(both!(soft!("MAIL FROM")))),
    fault("-r rcpt", "R_RCPT_PORT", Twice(both!(soft!("RCPT TO")))),
    fault("-r data", "R_DATA_PORT", Twice(both!(soft!("DATA")))),
    fault("-r .", "R_END_PORT", Twice(both!(soft!("end of data")))),
    fault(
        "-q connect",
        "DROP_CONNECT_PORT",
        Unreached(
            "127.0.0.1 closed the connection at greeting (it closed before a greeting: the port may speak TLS from the start, or the server turns this client away) [NextHost]",
        ),
    ),
    fault(
        "-q ehlo",
        "DROP_EHLO_PORT",
        Unreached("127.0.0.1 closed the connection at EHLO [NextHost]"),
    ),
    fault(
        "-q mail",
        "DROP_MAIL_PORT",
        Once(
            both!("not sent"),
            Some("127.0.0.1 closed the connection at MAIL FROM [Later]"),
            Closed,
        ),
    ),
    fault(
        "-q rcpt",
        "DROP_RCPT_PORT",
        Once(both!("not sent"), Some("127.0.0.1 closed the connection at RCPT TO [Later]"), Closed),
    ),
    fault(
        "-q data",
        "DROP_DATA_PORT",
        Once(both!("not sent"), Some("127.0.0.1 closed the connection at DATA [Later]"), Closed),
    ),
    fault(
        "-q .",
        "DROP_END_PORT",
        Once(UNKNOWN, Some("127.0.0.1 closed the connection at end of data [Unknown]"), Closed),
    ),
    fault(
        "-Q connect",
        "BYE_CONNECT_PORT",
        Unreached(
            "127.0.0.1 said: 421 4.0.0 Server closing connection (as its greeting) [NextHost]",
        ),
    ),
    fault(
        "-Q ehlo",
        "BYE_EHLO_PORT",
        Unreached(
            "127.0.0.1 said: 421 4.0.0 Server closing connection (in reply to EHLO client.example.test) [NextHost]",
        ),
    ),
    fault("-Q mail", "BYE_MAIL_PORT", Once(both!(bye!("MAIL FROM")), None, Bye)),
    // The other was never answered.
    fault(
        "-Q rcpt",
        "BYE_RCPT_PORT",
        Once(
            concat!(bye!("RCPT TO"), "; not sent"),
            Some(
                "127.0.0.1 ended the session at RCPT TO: 421 4.0.0 Server closing connection [Later]",
            ),
            Bye,
        ),
    ),
    fault("-Q data", "BYE_DATA_PORT", Once(both!(bye!("DATA")), None, Bye)),
    fault("-Q .", "BYE_END_PORT", Once(both!(bye!("end of data")), None, Bye)),
    fault(
        "-A 1",
        "ABORT_PORT",
        Once(both!("refused: 550 This violates SMTP (in reply to end of data)"), None, Closed),
    ),
    fault("-P", "PIX_PORT", Twice(TAKEN)),
    fault("-T 1024", "WINDOW_PORT", Twice(TAKEN)),
    fault("-e", "NO_EHLO_PORT", Twice(TAKEN)),
    fault("-8", "NO_8BITMIME_PORT", Twice(TAKEN)),
    fault("-p", "NO_PIPELINING_PORT", Twice(TAKEN)),
    fault("-W connect:1", "WAIT_CONNECT_PORT", Twice(TAKEN)),
    hasty(
        "-W connect:1",
        "WAIT_CONNECT_PORT",
        Unreached(
            "no greeting from 127.0.0.1 within 300ms (the port may speak TLS from the start, it may not be an SMTP port, or the server delays its greeting) [NextHost]",
        ),
    ),
    fault("-p -W rcpt:1", "WAIT_RCPT_PORT", Twice(TAKEN)),
    hasty(
        "-p -W rcpt:1",
        "WAIT_RCPT_PORT",
        Once(
            both!("not sent"),
            Some("no reply from 127.0.0.1 to RCPT TO within 300ms [Later]"),
            Here,
        ),
    ),
    // It goes on to the next command while it waits, and answers out of order.
    hasty(
        "-W rcpt:1",
        "WAIT_MIXED_PORT",
        Once(
            "refused: 503 5.5.1 Error: need RCPT command (in reply to RCPT TO); not sent",
            Some("no reply from 127.0.0.1 to RCPT TO within 300ms [Later]"),
            Here,
        ),
    ),
    fault("-w 1", "WAIT_DATA_PORT", Twice(TAKEN)),
    // The replies before it wait with it.
    hasty(
        "-w 1",
        "WAIT_DATA_PORT",
        Once(
            both!("not sent"),
            Some("no reply from 127.0.0.1 to MAIL FROM within 300ms [Later]"),
            Here,
        ),
    ),
    fault("-W .:1", "WAIT_END_PORT", Twice(TAKEN)),
    hasty(
        "-W .:1",
        "WAIT_END_PORT",
        Once(UNKNOWN, Some("no reply from 127.0.0.1 to end of data within 300ms [Unknown]"), Here),
    ),
    fault("-L -f rcpt", "LMTP_F_RCPT_PORT", Twice(both!(hard!("RCPT TO")))),
    fault("-L -f .", "LMTP_F_END_PORT", Twice(both!(hard!("end of data")))),
    fault("-L -r .", "LMTP_R_END_PORT", Twice(both!(soft!("end of data")))),
    fault(
        "-L -q .",
        "LMTP_DROP_END_PORT",
        Once(UNKNOWN, Some("127.0.0.1 closed the connection at end of data [Unknown]"), Closed),
    ),
    fault(
        "-L -Q .",
        "LMTP_BYE_END_PORT",
        Once(
            concat!(bye!("end of data"), "; unknown: no answer came after the mail was sent"),
            Some(
                "127.0.0.1 ended the session at end of data: 421 4.0.0 Server closing connection [Unknown]",
            ),
            Bye,
        ),
    ),
    fault("-L -W .:1", "LMTP_WAIT_END_PORT", Twice(TAKEN)),
    hasty(
        "-L -W .:1",
        "LMTP_WAIT_END_PORT",
        Once(UNKNOWN, Some("no reply from 127.0.0.1 to end of data within 300ms [Unknown]"), Here),
    ),
];

async fn comes_to(fault: &Fault) {
    let mut connector = clear("EHLO_SMTP_SINK", fault.port).timeouts(fault.timeouts());
    if fault.port.starts_with("LMTP") {
        connector = connector.lmtp();
    }
    let mut client = match (connector.connect().await, &fault.comes) {
        (Ok(client), _) => client,
        (Err(error), Unreached(words)) => return assert_eq!(said(error), *words),
        (Err(error), _) => panic!("{error}"),
    };
    let first = sent(&mut client).await;
    let second = sent(&mut client).await;
    let quit = client.quit().await.err().map(said);
    match &fault.comes {
        Unreached(_) => panic!("there is a session: {first:?}"),
        Twice(outcomes) => {
            assert_eq!(first, ((*outcomes).to_owned(), None));
            assert_eq!(second, first);
            assert_eq!(quit, None);
        }
        Once(outcomes, error, ended) => {
            assert_eq!(first, ((*outcomes).to_owned(), error.map(str::to_owned)));
            // It is not begun, or it is begun and comes to nothing.
            assert!(matches!(&*second.0, "" | both!("not sent")), "{second:?}");
            assert_eq!(second.1, Some(ended.at("MAIL FROM")));
            assert_eq!(quit, Some(ended.at("QUIT")));
        }
    }
}

/// The outcomes of a mail, and the error where the call failed.
async fn sent(client: &mut Client) -> (String, Option<String>) {
    let two = ["bob@example.test", "eve@example.test"];
    let envelope = Envelope::new("alice@example.test", two).unwrap();
    let show = |delivery: &ehlo::Delivery| outcomes(delivery).join("; ");
    match client.send(&envelope, mail(".hello\r\n")).await {
        Ok(delivery) => (show(&delivery), None),
        Err(error) => {
            let known = client.take_delivery().await;
            (known.as_ref().map(show).unwrap_or_default(), Some(said(error)))
        }
    }
}

/// An error in words, with what is to be done about it.
fn said(error: Error) -> String {
    let error = checked(error);
    format!("{error} [{:?}]", error.retry())
}

impl Ended {
    /// What is said of a session that is over, to who wants this of it.
    fn at(self, stage: &str) -> String {
        let words = match self {
            Self::Closed => format!("127.0.0.1 closed the connection at {stage}"),
            Self::Bye => {
                format!(
                    "127.0.0.1 ended the session at {stage}: 421 4.0.0 Server closing connection"
                )
            }
            Self::Here => format!("the connection to 127.0.0.1 was closed on this side at {stage}"),
        };
        format!("{words} [Later]")
    }
}

impl Fault {
    /// Short where it waits, and nowhere else: a machine may be slow.
    fn timeouts(&self) -> Timeouts {
        let long = Timeouts::all(LONG);
        match self.port {
            _ if self.patient => long,
            "WAIT_CONNECT_PORT" => long.with_greeting(SHORT),
            "WAIT_DATA_PORT" => long.with_mail(SHORT),
            "WAIT_RCPT_PORT" | "WAIT_MIXED_PORT" => long.with_rcpt(SHORT),
            _ => long.with_end_of_data(SHORT),
        }
    }

    fn name(&self) -> String {
        let how = if self.patient { "" } else { ", and nobody waits" };
        format!("fault {}{how}", self.options)
    }
}

const TAKEN: &str = both!("accepted: 250");
const UNKNOWN: &str = both!("unknown: no answer came after the mail was sent");

/// It waits a second where it waits.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);
