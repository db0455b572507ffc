//! The comparison as a table in Markdown: what, this crate, the best peer, the bound, the target,
//! and whether it is met. What a client costs is measured in a process of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::measure::{self, Server, Verdict, ratio, seconds, send};
use crate::micro::{ROWS, Row};

/// What was found, row by row.
#[derive(Default)]
pub(crate) struct Table {
    met: usize,
    missed: usize,
    undecided: usize,
    without: usize,
    /// Every figure, for those who want more than the best peer.
    all: String,
}

/// The parts, of which some may be asked for by name.
const PARTS: &[(&str, fn(&mut Table))] = &[
    ("micro", micro),
    ("mails", mails),
    ("at-once", at_once),
    ("recipients", recipients),
    ("large", large),
    ("round-trips", round_trips),
    ("idle", idle),
];

pub(crate) fn print(parts: &[&str]) {
    let mut table = Table::default();
    println!("{}", measure::circumstances());
    println!();
    println!("| what | this crate | best peer | bound | target | |");
    println!("|---|---|---|---|---|---|");
    for (name, part) in PARTS {
        if parts.is_empty() || parts.contains(name) {
            part(&mut table);
        }
    }
    println!();
    let Table { met, missed, undecided, .. } = table;
    println!("{met} targets met, {missed} missed, {undecided} that this run cannot tell.");
    println!();
    println!("All figures:");
    println!();
    print!("{}", table.all);
}

/// The peers of a connection, each in the way that suits it best in its own words: those that write
/// a mail in several pieces wait for acknowledgements without no-delay, which `slow` shows.
const PEERS: &[&str] = &["lettre+nodelay", "async-smtp+nodelay", "mail-send+nodelay", "io-smtp"];

impl Table {
    fn row(&mut self, cells: [&str; 5], verdict: impl Into<Verdict>) {
        let (count, mark) = match verdict.into() {
            Verdict::Met => (&mut self.met, "met"),
            Verdict::Missed => (&mut self.missed, "missed"),
            Verdict::Undecided => (&mut self.undecided, "undecided"),
            Verdict::None => (&mut self.without, ""),
        };
        *count += 1;
        let [what, ours, peer, bound, target] = cells;
        println!("| {what} | {ours} | {peer} | {bound} | {target} | {mark} |");
    }

    fn note(&mut self, what: &str, figures: &BTreeMap<String, String>) {
        let figures: Vec<_> =
            figures.iter().map(|(who, figure)| format!("{who} {figure}")).collect();
        writeln!(self.all, "- {what}: {}", figures.join("; ")).unwrap();
    }
}

// Without a socket.

fn micro(table: &mut Table) {
    for (row, costs) in ROWS.iter().zip(measure::micro()) {
        micro_row(table, row, &costs);
    }
}

fn micro_row(table: &mut Table, row: &Row, costs: &[measure::Cost]) {
    let mut figures = BTreeMap::new();
    let costs: BTreeMap<_, _> = row.who.iter().copied().zip(costs.iter().copied()).collect();
    for (who, cost) in &costs {
        figures.insert((*who).to_owned(), cost.to_string());
    }
    let ours: Vec<_> = row.who.iter().filter(|who| who.starts_with("ehlo")).collect();
    let is_bound = |who: &str| matches!(who, "bound" | "memchr" | "memcpy");
    let best = row
        .who
        .iter()
        .filter(|who| !who.starts_with("ehlo") && !is_bound(who))
        .min_by(|one, other| costs[*one].instructions.total_cmp(&costs[*other].instructions));
    let best = best.map_or("none does".to_owned(), |who| format!("{who} {}", costs[who]));
    let bounds: Vec<_> = row
        .who
        .iter()
        .filter(|who| is_bound(who))
        .map(|who| match *who {
            "bound" => costs[who].to_string(),
            who => format!("{who} {}", costs[who]),
        })
        .collect();
    let shown: Vec<_> = ours
        .iter()
        .map(|who| match who.strip_prefix("ehlo-") {
            None => costs[*who].to_string(),
            Some(way) => format!("{way} {}", costs[*who]),
        })
        .collect();
    let targets: Vec<_> = row
        .targets
        .iter()
        .map(|(who, most)| match who.strip_prefix("ehlo-") {
            None => format!("{most}"),
            Some(way) => format!("{way} {most}"),
        })
        .collect();
    let is_met = row.targets.iter().all(|(who, most)| costs[who].instructions <= *most);
    let target = match targets.is_empty() {
        true => String::new(),
        false => format!("at most {}", targets.join(", ")),
    };
    let bounds = bounds.join(", ");
    let is_met = if row.targets.is_empty() { Verdict::None } else { is_met.into() };
    table.row([row.what, &shown.join(", "), &best, &bounds, &target], is_met);
    table.note(row.what, &figures);
}

// Over a connection.

const SIZE: usize = 2048;

fn mails(table: &mut Table) {
    let server = Server::start("plain");
    let port = server.port;
    let mut figures = BTreeMap::new();
    let count = |who: &str| if who.contains('+') || !is_slow(who) { 5000 } else { 50 };
    let run = |who: &'static str| {
        let mails = count(who);
        move || mails as f64 / seconds(who, "mails", mails, SIZE, port)
    };
    let source = measure::smtp_source(port);
    let mut against = |what: &str, who: &'static str, bound: &'static str, least: Option<f64>| {
        let found = ratio(&run(who), &run(bound));
        figures.insert(format!("{who} of {bound}"), found.to_string());
        let target = least.map_or(String::new(), |least| format!("at least {least}"));
        let ours = format!("{found} of the bound");
        table.row(
            [what, &ours, "", "1", &target],
            least.map_or(Verdict::None, |least| found.reaches(least)),
        );
    };
    let what = "5,000 mails of 2 KiB on one connection over DATA, running ahead";
    against(what, "ehlo-data", "bare", Some(0.8));
    against("the same over BDAT, beside a write a mail", "ehlo-bdat", "bare-bdat", Some(0.5));
    against("the same over BDAT, beside 16 mails in a write", "ehlo-bdat", "bare-bdat-16", None);
    against("the same by default (two round trips)", "ehlo", "bare-pipelined", None);
    for (who, least) in [
        ("lettre+nodelay", Some(3.5)),
        ("async-smtp+nodelay", Some(1.8)),
        ("mail-send+nodelay", None),
        ("io-smtp+nodelay", None),
    ] {
        let found = ratio(&run("ehlo-data"), &run(who));
        figures.insert(format!("ehlo-data to {who}"), found.to_string());
        let default = ratio(&run("ehlo"), &run(who));
        figures.insert(format!("ehlo to {who}"), default.to_string());
        let ours = format!("{found} times (by default {default})");
        let target = least.map_or(String::new(), |least| format!("at least {least} times"));
        let what = format!("the same over DATA, beside {who}");
        table.row(
            [&what, &ours, "1", "", &target],
            least.map_or(Verdict::None, |least| found.reaches(least)),
        );
    }
    match &source {
        Ok(source) => {
            let c = || 5000.0 / source.seconds(5000);
            let found = ratio(&run("ehlo-data"), &c);
            figures.insert("ehlo-data to smtp-source".to_owned(), found.to_string());
            let what = "the same over DATA, beside Postfix's smtp-source";
            let is_met = found.reaches(3.5);
            table.row([what, &format!("{found} times"), "1", "", "at least 3.5 times"], is_met);
        }
        Err(why) => {
            table.row(["beside smtp-source", "", why, "", "at least 3.5 times"], Verdict::None)
        }
    }
    table.note("mails of 2 KiB on one connection, ratios of mails a second", &figures);
    costs_of_a_mail(table, port, source.as_ref().ok());
}

/// A mail in pieces without no-delay: some 40 ms each, in which the server waits for more before
/// it acknowledges what it has.
fn is_slow(who: &str) -> bool {
    matches!(who, "lettre" | "async-smtp" | "mail-send")
}

fn costs_of_a_mail(table: &mut Table, port: u16, source: Option<&measure::SmtpSource>) {
    let mut figures = BTreeMap::new();
    let mut costs = BTreeMap::new();
    let ours = ["ehlo", "ehlo-data", "ehlo-bdat"];
    let bounds = ["bare", "bare-pipelined", "bare-bdat", "bare-bdat-16"];
    for who in ours.iter().chain(&bounds).chain(PEERS) {
        let cost = measure::mail(who, SIZE, port);
        figures.insert((*who).to_owned(), cost.to_string());
        costs.insert(*who, cost);
    }
    let mut peers: Vec<_> =
        PEERS.iter().map(|who| ((*who).to_owned(), costs[who].clone())).collect();
    if let Some(source) = source {
        let cost = source.mail();
        figures.insert("smtp-source".to_owned(), cost.to_string());
        peers.push(("smtp-source".to_owned(), cost));
    }
    let best = |figure: fn(&measure::MailCost) -> f64| {
        let least = |one: &&(String, measure::MailCost), other: &&(String, measure::MailCost)| {
            figure(&one.1).total_cmp(&figure(&other.1))
        };
        let (who, cost) = peers.iter().min_by(least).unwrap();
        format!("{who} {}", measure::grouped(figure(cost)))
    };
    for (who, bound, way, targets) in [
        ("ehlo-data", "bare", "over DATA, running ahead", Some((9000.0, 3.0))),
        ("ehlo", "bare-pipelined", "over DATA by default", None),
        ("ehlo-bdat", "bare-bdat-16", "over BDAT, running ahead", None),
    ] {
        let (cost, bound) = (&costs[who], &costs[bound]);
        let rows: [(&str, fn(&measure::MailCost) -> f64, Option<f64>); 3] = [
            ("instructions", |cost| cost.instructions, targets.map(|(most, _)| most)),
            // What connecting costs is a part of it: a call in a hundred mails.
            ("system calls", |cost| cost.calls, targets.map(|(_, most)| most + 0.05)),
            ("allocations", |cost| cost.allocations, None),
        ];
        for (name, figure, most) in rows {
            let what = format!("{name} a mail of 2 KiB {way}");
            let target = most.map_or(String::new(), |most| {
                format!("at most {}", measure::grouped(most.floor()))
            });
            let is_met = most.map_or(Verdict::None, |most| (figure(cost) <= most).into());
            let (ours, bound) = (measure::grouped(figure(cost)), measure::grouped(figure(bound)));
            table.row([&what, &ours, &best(figure), &bound, &target], is_met);
        }
    }
    table.note("a mail of 2 KiB: instructions, system calls, allocations", &figures);
}

fn at_once(table: &mut Table) {
    let server = Server::start("plain");
    let port = server.port;
    let mut figures = BTreeMap::new();
    let run = |who: &'static str| move || 1.0 / seconds(who, "at-once", 1000, SIZE, port);
    for (who, bound, way, least) in [
        ("ehlo-data", "bare", "DATA, running ahead", Some(0.75)),
        ("ehlo-bdat", "bare-bdat", "BDAT, beside a write a mail", Some(0.5)),
        ("ehlo-bdat", "bare-bdat-16", "BDAT, beside 16 mails in a write", None),
    ] {
        let found = ratio(&run(who), &run(bound));
        figures.insert(format!("{who} of {bound}"), found.to_string());
        let what = format!("16 connections at once, 1,000 mails each, over {way}");
        let ours = format!("{found} of the bound");
        let target = least.map_or(String::new(), |least| format!("at least {least}"));
        let verdict = least.map_or(Verdict::None, |least| found.reaches(least));
        table.row([&what, &ours, "", "1", &target], verdict);
    }
    for who in ["async-smtp+nodelay", "lettre+nodelay", "mail-send+nodelay", "io-smtp+nodelay"] {
        let found = ratio(&run("ehlo-data"), &run(who));
        figures.insert(format!("ehlo-data to {who}"), found.to_string());
        let what = format!("the same over DATA, beside {who}");
        table.row([&what, &format!("{found} times"), "1", "", ""], Verdict::None);
    }
    table.note("16 connections at once, ratios of mails a second", &figures);
}

fn recipients(table: &mut Table) {
    let server = Server::start("plain");
    let mut figures = BTreeMap::new();
    let cost = |who: &str| measure::recipient(who, server.port);
    let (ours, bound) = (cost("ehlo"), cost("bare-pipelined"));
    let mut best: Option<(f64, &str)> = None;
    for who in PEERS {
        let instructions = cost(who);
        figures.insert((*who).to_owned(), measure::grouped(instructions));
        if best.is_none_or(|(least, _)| instructions < least) {
            best = Some((instructions, who));
        }
    }
    figures.insert("ehlo".to_owned(), measure::grouped(ours));
    figures.insert("bare".to_owned(), measure::grouped(bound));
    let best =
        best.map_or(String::new(), |(least, who)| format!("{who} {}", measure::grouped(least)));
    let what = "instructions a recipient, of 1,000 in one mail";
    let (ours_shown, bound) = (measure::grouped(ours), measure::grouped(bound));
    table.row([what, &ours_shown, &best, &bound, "at most 800"], ours <= 800.0);
    table.note(what, &figures);
}

const LARGE: usize = 50 << 20;

fn large(table: &mut Table) {
    let server = Server::start("plain");
    let port = server.port;
    let mut figures = BTreeMap::new();
    let run = |who: &'static str| move || 1.0 / seconds(who, "large", 4, LARGE, port);
    let found = ratio(&run("ehlo"), &run("bare-pipelined"));
    figures.insert("ehlo of bare".to_owned(), found.to_string());
    let what = "one mail of 50 MiB from memory";
    let ours = format!("{found} of the bound");
    table.row([what, &ours, "", "1", "at least 0.7"], found.reaches(0.7));
    for who in PEERS {
        let found = ratio(&run("ehlo"), &run(who));
        figures.insert(format!("ehlo to {who}"), found.to_string());
        let what = format!("the same beside {who}");
        table.row([&what, &format!("{found} times"), "1", "", ""], Verdict::None);
    }
    let peak = |who, what| send(who, what, 1, LARGE, port)["peak"] / f64::from(1 << 20);
    let mut peaks: Vec<_> = PEERS.iter().map(|who| (peak(who, "large"), *who)).collect();
    peaks.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (peak, who) in &peaks {
        figures.insert(format!("heap of {who}"), format!("{peak:.2} MiB"));
    }
    let best = format!("{} {:.2} MiB", peaks[0].1, peaks[0].0);
    let ours = peak("ehlo", "large");
    let ours = format!("{ours:.2} MiB");
    table.row(["heap for it, beside the mail itself", &ours, &best, "", ""], Verdict::None);
    let file = send("ehlo", "file", 1, LARGE, port);
    let resident = file["resident"] / f64::from(1 << 20);
    let ours = format!("{resident:.2} MiB ({:.2} of heap)", file["peak"] / f64::from(1 << 20));
    let what = "the same from a file: memory above the idle process";
    table.row([what, &ours, "none streams", "", "under 8 MiB"], resident < 8.0);
    table.note("one mail of 50 MiB", &figures);
}

fn round_trips(table: &mut Table) {
    let server = Server::start("slow");
    let port = server.port;
    let mut figures = BTreeMap::new();
    // What a round trip takes on this machine at this moment.
    let trip = |_: usize| seconds("bare-lockstep", "mails", 25, 100, port) / 100.0;
    let trips = |who: &str| {
        let found = seconds(who, "mails", 100, 100, port) / 100.0 / trip(0);
        format!("{found:.2}").parse::<f64>().unwrap()
    };
    let mut best: Option<(f64, &str)> = None;
    for who in PEERS {
        let found = trips(who);
        figures.insert((*who).to_owned(), found.to_string());
        if best.is_none_or(|(least, _)| found < least) {
            best = Some((found, who));
        }
    }
    let best = best.map_or(String::new(), |(least, who)| format!("{who} {least}"));
    for (who, bound, way, most) in [
        ("ehlo-data", "bare", "over DATA, running ahead", Some(1.1)),
        ("ehlo-bdat", "bare-bdat", "over BDAT, running ahead", Some(0.1)),
        ("ehlo", "bare-pipelined", "by default", None),
    ] {
        let (ours, bound) = (trips(who), trips(bound));
        figures.insert(who.to_owned(), ours.to_string());
        let what = format!("round trips a mail behind 10 ms, 100 mails {way}");
        let target = most.map_or(String::new(), |most| format!("at most {most}"));
        let is_met = most.map_or(Verdict::None, |most| (ours <= most).into());
        table.row([&what, &ours.to_string(), &best, &bound.to_string(), &target], is_met);
    }
    table.note("round trips a mail", &figures);
}

fn idle(table: &mut Table) {
    let mut figures = BTreeMap::new();
    let plain = Server::start("plain");
    let heap = |who: &str, port| {
        let found = send(who, "idle", 500, SIZE, port);
        let behind = found.get("heap-after-a-mail").copied();
        behind.unwrap_or(found["heap"])
    };
    let (ours, bare) = (heap("ehlo", plain.port), heap("bare", plain.port));
    let mut peers: Vec<_> = PEERS.iter().map(|who| (heap(who, plain.port), *who)).collect();
    peers.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (held, who) in &peers {
        figures.insert((*who).to_owned(), measure::grouped(*held));
    }
    figures.insert("ehlo".to_owned(), measure::grouped(ours));
    // Blocking: its socket has no place on the heap, and each connection its own thread.
    let best = peers.iter().find(|(_, who)| *who != "io-smtp").unwrap();
    let best = format!("{} {}", best.1, measure::grouped(best.0));
    let what = "heap of an idle connection in clear, octets";
    let is_met = ours - bare <= 1024.0;
    let (ours_shown, bound) = (measure::grouped(ours), measure::grouped(bare));
    let ours_shown = format!("{ours_shown}, of which {} is the client", size_of::<ehlo::Client>());
    table.row([what, &ours_shown, &best, &bound, "bound + 1,024"], is_met);
    drop(plain);
    let tls = Server::start("tls");
    let heap = |who: &str| send(who, "idle", 500, 0, tls.port)["heap"];
    let (ours, bare) = (heap("ehlo-tls"), heap("bare-tls"));
    let what = "the same over TLS, beside rustls alone";
    let is_met = ours - bare <= 1024.0;
    let (ours_shown, bound) = (measure::grouped(ours), measure::grouped(bare));
    table.row([what, &ours_shown, "", &bound, "bound + 1,024"], is_met);
    table.note("heap of an idle connection, octets, its client with it", &figures);
}
