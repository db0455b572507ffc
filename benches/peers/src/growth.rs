//! What grows with what: the cost of a recipient, an octet, a mail and a connection, from few to
//! many. Costs in instructions where callgrind can run so far, in time as a share of the smallest.

use std::fs;
use std::path::Path;

use crate::measure::{Server, grouped, instructions_of, seconds, send};
use crate::plot::{Curve, svg};

pub(crate) fn print(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let plain = Server::start("plain");
    recipients(folder, plain.port);
    octets(folder, plain.port);
    mails(folder, plain.port);
    drop(plain);
    connections(folder);
}

fn keep(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A mail to one recipient, to ten, …: what it takes is the same for each.
fn recipients(folder: &Path, port: u16) {
    println!("| recipients of one mail | instructions a recipient | time a recipient, of 100's |");
    println!("|---:|---:|---:|");
    let mut points = Vec::new();
    let each = |all: usize| {
        let times = (20_000 / all).clamp(2, 2000);
        fastest(|| seconds("ehlo", "recipients", times, all, port)) / (times * all) as f64
    };
    let base = each(100);
    for all in [1, 10, 100, 1000, 10_000] {
        let run = |times| instructions_of("ehlo", "recipients", times, all, port);
        let (few, many) = if all > 1000 { (1, 2) } else { (2, 6) };
        let instructions = (run(many) - run(few)) / ((many - few) * all) as f64;
        let time = each(all) / base;
        println!("| {all} | {} | {time:.2} |", grouped(instructions));
        points.push((all as f64, instructions));
    }
    println!();
    let curve = [Curve { name: "this crate", points }];
    let text = svg("A recipient, in one mail to many", "recipients", "instructions each", &curve);
    keep(folder, "recipients.svg", &text);
}

/// A mail of one KiB, ten, …, over DATA; the largest from a file too.
fn octets(folder: &Path, port: u16) {
    println!("| octets of one mail | instructions an octet | peak of heap beside the mail |");
    println!("|---:|---:|---:|");
    let (mut points, mut peaks) = (Vec::new(), Vec::new());
    for size in [1 << 10, 1 << 13, 1 << 16, 1 << 20, 1 << 24, 1 << 26, 1 << 30] {
        // Under callgrind a GiB takes minutes, and two of them differ in nothing from less.
        let (few, many) = if size > 1 << 20 { (1, 2) } else { (10, 30) };
        let instructions = (size <= 1 << 26).then(|| {
            let run = |times| instructions_of("ehlo", "large", times, size, port);
            (run(many) - run(few)) / ((many - few) * size) as f64
        });
        let peak = send("ehlo", "large", 1, size, port)["peak"];
        let shown = instructions.map_or("–".to_owned(), |each| format!("{each:.3}"));
        println!("| {} | {shown} | {} |", grouped(size as f64), grouped(peak));
        points.extend(instructions.map(|each| (size as f64, each)));
        peaks.push((size as f64, peak));
    }
    let file = send("ehlo", "file", 1, 1 << 30, port);
    println!("| 1 GiB from a file | – | {} |", grouped(file["peak"]));
    println!();
    let curve = [Curve { name: "this crate", points }];
    let text = svg("An octet, in one mail over DATA", "octets", "instructions each", &curve);
    keep(folder, "octets.svg", &text);
}

/// Mails of 2 KiB in a row over one connection.
fn mails(folder: &Path, port: u16) {
    println!("| mails in a row | instructions a mail | time a mail, of 1,000's | peak of heap |");
    println!("|---:|---:|---:|---:|");
    let mut points = Vec::new();
    let each =
        |mails: usize| fastest(|| seconds("ehlo-data", "mails", mails, 2048, port)) / mails as f64;
    let base = each(1000);
    let connected = instructions_of("ehlo-data", "mails", 0, 2048, port);
    for mails in [1, 10, 100, 1000, 10_000, 100_000] {
        let instructions = (mails <= 10_000).then(|| {
            (instructions_of("ehlo-data", "mails", mails, 2048, port) - connected) / mails as f64
        });
        let shown = instructions.map_or("–".to_owned(), grouped);
        let peak = send("ehlo-data", "mails", mails, 2048, port)["peak"];
        println!(
            "| {} | {shown} | {:.2} | {} |",
            grouped(mails as f64),
            each(mails) / base,
            grouped(peak)
        );
        points.extend(instructions.map(|each| (mails as f64, each)));
    }
    println!();
    let curve = [Curve { name: "this crate, running ahead", points }];
    let text = svg("A mail of 2 KiB over DATA", "mails in a row", "instructions each", &curve);
    keep(folder, "mails.svg", &text);
}

/// Idle connections of one process, the server in another.
fn connections(folder: &Path) {
    println!(
        "| idle connections | heap each, in clear | heap each, over TLS | the socket's own | rustls' own |"
    );
    println!("|---:|---:|---:|---:|---:|");
    let mut curves =
        [("ehlo", "plain"), ("ehlo-tls", "tls"), ("bare", "plain"), ("bare-tls", "tls")]
            .map(|way| (way, Vec::new()));
    for all in [1, 10, 100, 1000, MOST_CONNECTIONS] {
        let mut cells = Vec::new();
        for ((who, kind), points) in &mut curves {
            // A fresh one each time: descriptors of the last may not have been given back yet.
            let server = Server::start(kind);
            let found = send(who, "idle", all, 0, server.port);
            cells.push(grouped(found["heap"]));
            points.push((all as f64, found["heap"]));
        }
        println!("| {} | {} |", grouped(all as f64), cells.join(" | "));
    }
    println!();
    let names = ["in clear", "over TLS", "a socket alone", "rustls alone"];
    let curves: Vec<_> =
        curves.into_iter().zip(names).map(|((_, points), name)| Curve { name, points }).collect();
    let text = svg("An idle connection", "connections", "octets of heap each", &curves);
    keep(folder, "connections.svg", &text);
}

/// Each has a descriptor in this process and one in the server's; 10,000 is under the usual hard
/// limit of both.
const MOST_CONNECTIONS: usize = 10_000;

/// The machine is shared: the least disturbed of some runs.
fn fastest(run: impl Fn() -> f64) -> f64 {
    (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
}
