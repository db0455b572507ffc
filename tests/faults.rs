//! Every fault at every point of a mail, over every way to send it: what became of the mail, why, and
//! what the client can do then. The rule stands here, by itself; `data/faults.tsv` has what comes of
//! it, so that a change shows.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/faulty.rs"]
mod faulty;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ehlo::{
    Client, Connector, Delivery, Envelope, Error, Mail, Outcome, Retry, Security, Sent, Transfer,
};
use faulty::{Fault, Faulty, Point, Seen};

const POINTS: [Point; 11] = [
    Point::Greeting,
    Point::Ehlo,
    Point::Mail,
    Point::Rcpt(0),
    Point::Rcpt(1),
    Point::Go,
    Point::Middle,
    Point::End(0),
    Point::End(1),
    Point::Rset,
    Point::Quit,
];

const FAULTS: [Fault; 7] = [
    Fault::GoesDown,
    Fault::Closes,
    Fault::Resets,
    Fault::Silent,
    Fault::Garbage,
    Fault::Refuses,
    Fault::OneTooMany,
];

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    point: Point,
    fault: Fault,
    lmtp: bool,
    bdat: bool,
    pipelining: bool,
    ahead: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Came {
    /// Of bob and eve.
    outcomes: [String; 2],
    /// What the call said: `ok`, or the kind of the error and its stage.
    said: String,
    /// The same of what was tried next: another mail, or QUIT.
    then: String,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for point in POINTS {
        for fault in FAULTS {
            for n in 0..16 {
                let [lmtp, bdat, pipelining, ahead] = [8, 4, 2, 1].map(|bit| n & bit > 0);
                let cell = Cell { point, fault, lmtp, bdat, pipelining, ahead };
                if cell.is_there() {
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

impl Cell {
    fn is_there(&self) -> bool {
        match self.point {
            // A refusal amid a chunk is one of its end.
            Point::Go | Point::Middle => !(self.bdat && self.ahead),
            Point::End(n) => n == 0 || self.lmtp,
            _ => true,
        }
    }

    /// Content of more than one chunk goes out only behind recipients that are answered.
    fn is_large(&self) -> bool {
        matches!(self.point, Point::Go | Point::Middle)
    }

    /// All commands of a mail and its content go out in one flight.
    fn is_one_flight(&self) -> bool {
        self.bdat && self.ahead && self.pipelining && !self.lmtp
    }

    fn connector(&self) -> Connector {
        let transfer = if self.bdat { Transfer::Bdat } else { Transfer::Data };
        let mut connector = Connector::new("").security(Security::None).transfer(transfer);
        if self.lmtp {
            connector = connector.lmtp();
        }
        if self.ahead {
            connector = connector.run_ahead();
        }
        connector
    }

    fn content(&self, id: usize) -> Vec<u8> {
        let octets = match (self.is_large(), self.bdat) {
            (true, true) => 300 * 1024,
            (true, false) => 40 * 1024,
            (false, _) => 1000,
        };
        let mut content = format!("id-{id}\r\n").into_bytes();
        while content.len() < octets {
            content.extend_from_slice(&[b'x'; 70]);
            content.extend_from_slice(b"\r\n.dot\r\n");
        }
        content
    }

    fn serve(&self, mail: usize) -> (faulty::Link, Arc<Mutex<Seen>>) {
        let Self { point, fault, lmtp, pipelining, .. } = *self;
        Faulty { at: Some((point, fault)), mail, pipelining, lmtp }.serve(4096)
    }
}

fn envelope(id: usize) -> Envelope {
    let recipients = [format!("bob-{id}@example.test"), format!("eve-{id}@example.test")];
    Envelope::new(format!("alice-{id}@example.test").as_str(), recipients.iter().map(|r| &**r))
        .unwrap()
}

fn shown(error: &Error) -> String {
    format!("{} at {}", error.kind().name(), error.stage().name())
}

fn outcomes(delivery: &Delivery) -> [String; 2] {
    let mut recipients = delivery.recipients().map(|one| match one.outcome() {
        Outcome::Accepted(reply) => format!("accepted: {reply}"),
        Outcome::Refused(refusal) => {
            format!("refused: {} at {}", refusal.reply().code(), refusal.stage().name())
        }
        Outcome::NotSent => "not sent".to_owned(),
        _ => "unknown".to_owned(),
    });
    [recipients.next().unwrap(), recipients.next().unwrap()]
}

async fn play(cell: Cell) -> (Came, Arc<Mutex<Seen>>) {
    let (link, seen) = cell.serve(0);
    let none = || [String::new(), String::new()];
    let mut client = match cell.connector().connect_over(link).await {
        Ok(client) => client,
        Err(error) => {
            let came = Came { outcomes: none(), said: shown(&error), then: String::new() };
            return (came, seen);
        }
    };
    if cell.point == Point::Rset {
        // What makes an RSET due.
        let _given_up = client.mail("carol@example.test").await.unwrap();
    }
    let sent = client.send(&envelope(1), cell.content(1)).await;
    let (delivery, said) = match sent {
        Ok(delivery) => (delivery, "ok".to_owned()),
        Err(error) => {
            let delivery = client.take_delivery().await;
            let delivery = delivery.unwrap_or_else(|| Delivery::not_sent(&envelope(1)));
            let in_doubt = delivery.recipients().any(|one| one.outcome() == Outcome::Unknown);
            assert_eq!(error.retry() == Retry::Unknown, in_doubt, "{cell:?}: {error:?}");
            (delivery, shown(&error))
        }
    };
    let then = then(&mut client, cell).await;
    (Came { outcomes: outcomes(&delivery), said, then }, seen)
}

async fn then(client: &mut Client, cell: Cell) -> String {
    if cell.point == Point::Quit {
        return client.quit().await.err().map_or_else(|| "ok".to_owned(), |error| shown(&error));
    }
    match client.send(&envelope(2), cell.content(2)).await {
        Ok(delivery) => {
            assert_eq!(outcomes(&delivery), ["accepted: 250 2.0.0 id-2"; 2], "{cell:?}");
            "ok".to_owned()
        }
        Err(error) => {
            // Where the session was over before, the mail was not even begun.
            if let Some(delivery) = client.take_delivery().await {
                assert_eq!(outcomes(&delivery), ["not sent"; 2], "{cell:?}");
            }
            shown(&error)
        }
    }
}

/// The rule: replies answer commands by their number alone; what a reply decides is decided; behind
/// the last octet of the mail the rest is unknown, and before it not sent.
fn expected(cell: Cell) -> Came {
    use Fault::{Closes, Garbage, GoesDown, OneTooMany, Refuses, Resets, Silent};
    let Cell { point, fault, lmtp, bdat, pipelining, .. } = cell;
    let stage = match point {
        Point::Greeting => "greeting",
        Point::Ehlo => "ehlo",
        Point::Mail => "mail",
        Point::Rcpt(_) => "rcpt",
        Point::Go if !bdat => "data",
        Point::Go | Point::Middle => "content",
        Point::End(_) => "end_of_data",
        Point::Rset => "rset",
        Point::Quit => "quit",
    };
    let at = |kind: &str| format!("{kind} at {stage}");
    let ok = || "ok".to_owned();
    let came = |outcomes: [&str; 2], said: &str, then: &str| Came {
        outcomes: outcomes.map(str::to_owned),
        said: said.to_owned(),
        then: then.to_owned(),
    };
    let accepted = "accepted: 250 2.0.0 id-1";
    let broken = match fault {
        GoesDown | Closes | Resets => at("closed"),
        Silent => at("timeout"),
        Garbage => at("violation"),
        Refuses => at("refused"),
        OneTooMany => ok(),
    };
    match (point, fault) {
        (Point::Greeting, OneTooMany) => return came(["", ""], "violation at greeting", ""),
        // A reply refuses, whether the server goes or not.
        (Point::Greeting | Point::Ehlo, GoesDown) => return came(["", ""], &at("refused"), ""),
        // Found where the next command is said.
        (Point::Ehlo, OneTooMany) => {
            return came(["not sent"; 2], "violation at ehlo", "closed at mail");
        }
        (Point::Greeting | Point::Ehlo, _) => return came(["", ""], &broken, ""),
        // What becomes of QUIT changes nothing.
        (Point::Quit, GoesDown | Refuses | OneTooMany) => return came([accepted; 2], "ok", "ok"),
        (Point::Quit, _) => return came([accepted; 2], "ok", &broken),
        _ => {}
    }
    let is_written = matches!(point, Point::End(_))
        || cell.is_one_flight()
        // The chunks behind one that is not answered go out meanwhile; over LMTP the last waits.
        || (bdat && pipelining && !lmtp && cell.is_large() && fault == Silent);
    let left = if is_written { "unknown" } else { "not sent" };
    if fault == OneTooMany {
        return one_too_many(cell, &came);
    }
    let refused = match fault {
        GoesDown => Some(format!("refused: 421 at {stage}")),
        Refuses => Some(format!("refused: 550 at {stage}")),
        _ => None,
    };
    let goes_on = if fault == Refuses { "ok" } else { "closed at mail" };
    // Where the session goes on, the others are accepted.
    let other = if fault == Refuses { accepted } else { left };
    match (point, refused) {
        (Point::Rset, Some(_)) => came([left; 2], "refused at rset", "closed at mail"),
        // Amid the content of DATA 421 answers nothing, and a refusal leaves no way out.
        (Point::Middle, Some(_)) if !bdat && fault == GoesDown => {
            came(["not sent"; 2], "closed at content", "closed at mail")
        }
        (Point::Middle, Some(own)) if !bdat => came([&own; 2], "ok", "closed at mail"),
        (Point::Mail | Point::Go | Point::Middle, Some(own)) => came([&own; 2], "ok", goes_on),
        (Point::End(0), Some(own)) if !lmtp => came([&own; 2], "ok", goes_on),
        (Point::Rcpt(0) | Point::End(0), Some(own)) => {
            let said = if fault == Refuses { ok() } else { broken };
            came([&own, other], &said, goes_on)
        }
        (Point::Rcpt(_), Some(own)) => {
            let said = if fault == Refuses { ok() } else { broken };
            came([other, &own], &said, goes_on)
        }
        (_, Some(own)) => came([accepted, &own], "ok", goes_on),
        (Point::End(1), None) => came([accepted, "unknown"], &broken, "closed at mail"),
        (_, None) => came([left; 2], &broken, "closed at mail"),
    }
}

/// Behind one reply too many each answers the next command, as far as its class fits.
fn one_too_many(cell: Cell, came: &dyn Fn([&str; 2], &str, &str) -> Came) -> Came {
    let Cell { point, lmtp, bdat, pipelining, .. } = cell;
    let ends = |said: &str| came(["not sent"; 2], said, "closed at mail");
    let taken = "accepted: 250 2.0.0 id-1";
    let later = "violation at end_of_data";
    match point {
        Point::End(0) if lmtp => came([taken, "accepted: 250 one too many"], "ok", later),
        Point::End(_) => came([taken; 2], "ok", later),
        Point::Middle | Point::Go => ends("violation at content"),
        // Nothing can tell that it is not the answer: the price of running ahead.
        _ if cell.is_one_flight() => {
            let shifted = match point {
                Point::Rcpt(1) => "accepted: 250 one too many",
                _ => "accepted: 250 2.1.5 eve-1@example.test",
            };
            came([shifted; 2], "ok", later)
        }
        // The recipient's reply answers DATA, which 2yz cannot.
        _ if pipelining && !bdat => ends("violation at data"),
        // It stands behind the replies to one flight, and nothing is said before it is seen.
        _ if pipelining => ends("violation at rcpt"),
        Point::Mail => ends("violation at mail"),
        Point::Rset => ends("violation at rset"),
        _ => ends("violation at rcpt"),
    }
}

#[tokio::test(start_paused = true)]
async fn t17_t18_t21_c_100_c_103_c_104_every_fault_at_every_point_has_its_outcome() {
    let mut wrong = String::new();
    let mut table = Table::default();
    for cell in cells() {
        let (came, seen) = play(cell).await;
        let expected = expected(cell);
        if came != expected {
            writeln!(wrong, "{cell:?}\n  came     {came:?}\n  expected {expected:?}").unwrap();
        }
        // The replies of one too many are those of others.
        if cell.fault != Fault::OneTooMany {
            check(cell, 1, &came.outcomes, &seen.lock().unwrap());
        }
        assert_eq!(seen.lock().unwrap().complaints, [""; 0], "{cell:?}");
        let Came { outcomes: [bob, eve], said, then } = came;
        table.add(cell, &format!("{bob}\t{eve}\t{said}\t{then}"));
    }
    assert!(wrong.is_empty(), "{wrong}");
    table.compare("faults.tsv", "bob\teve\tsaid\tthen");
}

/// What is claimed, against what the server has.
fn check(cell: Cell, id: usize, outcomes: &[String; 2], seen: &Seen) {
    let of_it = |mail: &&faulty::Taken| mail.content.starts_with(format!("id-{id}\r\n").as_bytes());
    let taken: Vec<_> = seen.taken.iter().filter(of_it).collect();
    assert!(taken.len() <= 1, "{cell:?}: doubled");
    for mail in &taken {
        assert_eq!(mail.content, cell.content(id), "{cell:?}: half a mail");
        assert_eq!(mail.sender, format!("alice-{id}@example.test"), "{cell:?}");
        assert!(mail.recipients.iter().all(|r| r.contains(&format!("-{id}@"))), "{cell:?}");
    }
    for (name, outcome) in ["bob", "eve"].iter().zip(outcomes) {
        let has = taken.iter().any(|mail| mail.recipients.iter().any(|r| r.starts_with(name)));
        if outcome.starts_with("accepted") {
            assert!(has, "{cell:?}: {name} was said to have mail {id}");
            assert_eq!(outcome, &format!("accepted: 250 2.0.0 id-{id}"), "{cell:?}");
        } else if outcome != "unknown" && !outcome.is_empty() {
            assert!(!has, "{cell:?}: {name} was said not to have mail {id}");
        }
    }
}

/// Rows of a table, those alike in one: with the ways of sending that came to it.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(usize, String), Vec<String>>,
    /// How many ways each point and fault has.
    ways: BTreeMap<usize, usize>,
}

impl Table {
    fn add(&mut self, cell: Cell, came: &str) {
        let place = POINTS.iter().position(|point| *point == cell.point).unwrap() * FAULTS.len()
            + FAULTS.iter().position(|fault| *fault == cell.fault).unwrap();
        let row = format!("{}\t{:?}\t{came}", named(cell.point), cell.fault);
        let protocol = if cell.lmtp { "LMTP" } else { "SMTP" };
        let content = if cell.bdat { "BDAT" } else { "DATA" };
        let pace = match (cell.pipelining, cell.ahead) {
            (false, false) => "slow",
            (false, true) => "slow-ahead",
            (true, false) => "piped",
            (true, true) => "piped-ahead",
        };
        let way = format!("{protocol}-{content}-{pace}");
        self.rows.entry((place, row)).or_default().push(way);
        *self.ways.entry(place).or_default() += 1;
    }

    /// Against the file; with EHLO_WRITE_TABLES set it is written instead.
    fn compare(&self, file: &str, columns: &str) {
        let mut table = format!("point\tfault\t{columns}\tways\n");
        for ((place, row), ways) in &self.rows {
            let is_all = self.ways[place] == ways.len();
            let ways = if is_all { "all".to_owned() } else { ways.join(" ") };
            writeln!(table, "{row}\t{ways}").unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
        if std::env::var_os("EHLO_WRITE_TABLES").is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        for (came, kept) in table.lines().zip(kept.lines()) {
            assert_eq!(came, kept, "{file} says otherwise");
        }
        assert_eq!(table.lines().count(), kept.lines().count(), "{file}");
    }
}

fn named(point: Point) -> &'static str {
    match point {
        Point::Greeting => "greeting",
        Point::Ehlo => "EHLO",
        Point::Mail => "MAIL",
        Point::Rcpt(0) => "RCPT 1",
        Point::Rcpt(_) => "RCPT 2",
        Point::Go => "DATA or first chunk",
        Point::Middle => "amid the content",
        Point::End(0) => "the end",
        Point::End(_) => "the end for the second",
        Point::Rset => "RSET",
        Point::Quit => "QUIT",
    }
}

/// By hand: what the rule must come to.
#[test]
fn the_rule_is_what_the_documents_say() {
    let cell = |point, fault, bdat, ahead| Cell {
        point,
        fault,
        lmtp: false,
        bdat,
        pipelining: true,
        ahead,
    };
    let pinned = [
        // RFC 1047: the dot was written, and no answer came.
        (cell(Point::End(0), Fault::Closes, false, false), "unknown", "closed at end_of_data"),
        (cell(Point::End(0), Fault::Silent, true, false), "unknown", "timeout at end_of_data"),
        // Before it nobody has the mail.
        (cell(Point::Middle, Fault::Closes, false, false), "not sent", "closed at content"),
        (cell(Point::Middle, Fault::Closes, true, false), "not sent", "closed at content"),
        (cell(Point::Go, Fault::OneTooMany, false, false), "not sent", "violation at content"),
        (cell(Point::Mail, Fault::OneTooMany, false, false), "not sent", "violation at data"),
        // RFC 3030 §2: what a refused chunk says stands for all.
        (cell(Point::Middle, Fault::Refuses, true, false), "refused: 550 at content", "ok"),
        // Running ahead, all was written before anything was answered.
        (cell(Point::Mail, Fault::Closes, true, true), "unknown", "closed at mail"),
    ];
    for (cell, outcome, said) in pinned {
        let Came { outcomes, said: came, .. } = expected(cell);
        assert_eq!(
            (outcomes, &*came),
            ([outcome.to_owned(), outcome.to_owned()], said),
            "{cell:?}"
        );
    }
}

/// Three mails in a row, of which the second meets the fault.
async fn play_three(cell: Cell) -> String {
    let (link, seen) = cell.serve(1);
    let mut client = cell.connector().connect_over(link).await.unwrap();
    let mails = (1..=3).map(|id| Mail::new(envelope(id), cell.content(id)));
    let mut deliveries = client.send_all(mails).then_quit();
    let mut came = Vec::new();
    while let Some(Sent { delivery, error, .. }) = deliveries.next().await {
        let id = came.len() + 1;
        // In order, and each its own.
        let named = delivery.recipients().next().unwrap().mailbox().to_string();
        assert_eq!(named, format!("<bob-{id}@example.test>"), "{cell:?}");
        let outcomes = outcomes(&delivery);
        if cell.fault != Fault::OneTooMany {
            check(cell, id, &outcomes, &seen.lock().unwrap());
        }
        let is_left = |outcome: &String| ["unknown", "not sent"].contains(&outcome.as_str());
        assert_eq!(error.is_some(), outcomes.iter().any(is_left), "{cell:?}: {id} {outcomes:?}");
        if let Some(error) = &error {
            let in_doubt = outcomes.contains(&"unknown".to_owned());
            assert_eq!(error.retry() == Retry::Unknown, in_doubt, "{cell:?}: {id} {error:?}");
        }
        let [bob, eve] = outcomes;
        let said = error.as_ref().map_or_else(|| "ok".to_owned(), shown);
        came.push(if bob == eve {
            format!("{bob}; {said}")
        } else {
            format!("{bob}, {eve}; {said}")
        });
    }
    assert_eq!(came.len(), 3, "{cell:?}: a mail was lost");
    assert_eq!(came[0], "accepted: 250 2.0.0 id-1; ok", "{cell:?}");
    assert_eq!(seen.lock().unwrap().complaints, [""; 0], "{cell:?}");
    came.join("\t")
}

/// Stage by stage as in one call: what is left open is an error.
#[tokio::test(start_paused = true)]
async fn c_120_an_end_that_is_not_answered_for_all_is_an_error() {
    for (fault, said) in
        [(Fault::GoesDown, "closed at end_of_data"), (Fault::Closes, "closed at end_of_data")]
    {
        let cell = Cell {
            point: Point::End(0),
            fault,
            lmtp: true,
            bdat: false,
            pipelining: true,
            ahead: false,
        };
        let (link, _seen) = cell.serve(0);
        let mut client = cell.connector().connect_over(link).await.unwrap();
        let mut mail = client.mail("alice-1@example.test").await.unwrap();
        for name in ["bob-1@example.test", "eve-1@example.test"] {
            mail.rcpt(name).await.unwrap();
        }
        let error = mail.data().await.unwrap().finish_with(&cell.content(1)).await.unwrap_err();
        assert_eq!(shown(&error), said);
        assert_eq!(error.retry(), Retry::Unknown);
        let [bob, eve] = outcomes(&client.take_delivery().await.unwrap());
        let refused =
            if fault == Fault::Closes { "unknown" } else { "refused: 421 at end_of_data" };
        assert_eq!([&*bob, &*eve], [refused, "unknown"]);
    }
}

/// What was on its way is not lost with the row.
#[tokio::test(start_paused = true)]
async fn t18_a_row_that_is_dropped_leaves_its_outcomes_behind() {
    let cell = Cell {
        point: Point::End(0),
        fault: Fault::Closes,
        lmtp: false,
        bdat: true,
        pipelining: true,
        ahead: true,
    };
    let (link, _seen) = cell.serve(0);
    let mut client = cell.connector().connect_over(link).await.unwrap();
    let mails = (1..=3).map(|id| Mail::new(envelope(id), cell.content(id)));
    let mut deliveries = client.send_all(mails);
    let first = deliveries.next().await.unwrap();
    assert_eq!(outcomes(&first.delivery), ["unknown", "unknown"]);
    drop(deliveries);
    let second = client.take_delivery().await.unwrap();
    assert_eq!(second.recipients().next().unwrap().mailbox().as_str(), "bob-2@example.test");
    assert_eq!(outcomes(&second), ["unknown", "unknown"]);
}

#[tokio::test(start_paused = true)]
async fn t17_t18_mails_in_a_row_keep_their_order_and_their_outcomes() {
    let mut table = Table::default();
    for cell in cells() {
        // What comes once only has its table above.
        if !matches!(cell.point, Point::Greeting | Point::Ehlo | Point::Rset) {
            table.add(cell, &play_three(cell).await);
        }
    }
    table.compare("faults-in-a-row.tsv", "first\tsecond\tthird");
}

/// What may be otherwise tomorrow is told apart from what will not.
#[tokio::test]
async fn dialect_62_some_refusals_of_a_recipient_are_temporary() {
    use ehlo::testing::Server;

    for (reply, retry) in [
        ("450 4.2.0 greylisted, try again", Retry::Later),
        ("451 4.7.1 greylisted", Retry::Later),
        ("452 4.5.3 too many recipients", Retry::Later),
        ("552 too many recipients", Retry::Later),
        ("552 5.5.3 too many recipients", Retry::Later),
        ("552 5.2.2 mailbox full", Retry::Never),
        ("550 5.1.1 who?", Retry::Never),
    ] {
        let (near, far) = tokio::io::duplex(4096);
        let server = Server::new().refuse("eve-1@example.test", reply);
        let _running = server.serve(far).unwrap();
        let connector = Connector::new("").security(Security::None);
        let mut client = connector.connect_over(near).await.unwrap();
        let delivery = client.send(&envelope(1), "hello\r\n").await.unwrap();
        let eve = delivery.recipients().nth(1).unwrap();
        assert_eq!(eve.outcome().retry(), retry, "{reply}");
        assert_eq!(delivery.accepted_count(), 1);
    }
}
