//! This crate beside its peers. `run` beside this package's `Cargo.toml` is the one command;
//! `benches/README.md` says how to read what it prints.

mod client;
mod count;
mod growth;
mod job;
mod measure;
mod micro;
mod plot;
mod sink;
mod table;

#[global_allocator]
static COUNTING: count::Counting = count::Counting;

fn main() {
    // Where time is measured, nothing is counted.
    if std::env::args().nth(1).is_some_and(|verb| verb != "send") {
        count::begin();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(|argument| &argument[..]).collect();
    match arguments[..] {
        ["sink", kind] => sink::serve(kind),
        ["send" | "send-counted", who, what, times, size, port] => {
            let (times, size) = (number(times), number(size));
            let port = port.parse().expect("a port");
            job::run(who, &job::Job { what: what.to_owned(), times, size, port });
        }
        ["send-file", times, path, port] => {
            job::send_file(number(times), path, port.parse().expect("a port"));
        }
        ["micro"] => micro::run_all(),
        ["table", ref parts @ ..] => table::print(parts),
        ["growth", folder] => growth::print(std::path::Path::new(folder)),
        _ => panic!("see benches/README.md"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
