//! All sequences that there are, up to a depth.

use ehlo::Command;

use super::{At::*, *};

/// Of commands that share a row of the document one is enough to go on with; whether the others
/// are lawful is looked at everywhere.
const BRANCHES: &[Say] = &[
    Say::Ehlo,
    Say::Helo,
    Say::StartTls,
    Say::Auth,
    Say::Mail,
    Say::Rcpt,
    Say::Data,
    Say::Bdat,
    Say::BdatLast,
    Say::Rset,
    Say::Noop,
    Say::Etrn,
    Say::Atrn,
    Say::Xclient,
    Say::BurlLast,
    Say::Quit,
];

/// One of each class that some row tells apart.
const CODES: [u16; 6] = [220, 250, 334, 354, 421, 550];

/// What can come next.
fn acts(pair: &Pair) -> Vec<Act> {
    let Pair { session, model, .. } = pair;
    let mut acts = Vec::new();
    match model.at {
        Dead => return acts,
        TlsH => return vec![Act::Tls],
        Data => acts.push(Act::Content),
        Sasl if model.queue.is_empty() => acts.extend([Act::Respond, Act::Cancel]),
        _ => {
            for (n, (say, line)) in COMMANDS.iter().enumerate() {
                let verb = Command::parse(line.as_bytes()).unwrap().verb();
                if BRANCHES.contains(say) && session.allows(verb).is_ok() {
                    acts.push(Act::Say(n));
                }
            }
        }
    }
    match model.at == Conn || !model.queue.is_empty() {
        true => acts.extend(CODES.map(Act::Hear)),
        // Nothing is awaited: whatever comes ends it.
        false => acts.extend([Act::Hear(250), Act::Hear(421)]),
    }
    acts
}

/// Plays each sequence of acts that begins so; says how many there were.
fn explore(setup: Setup, path: &mut Vec<Act>, depth: usize) -> u64 {
    let mut pair = Pair::new(setup);
    path.iter().for_each(|act| pair.act(*act));
    if let Err(error) = pair.agrees() {
        panic!("{error}\n{setup:?} {path:?}");
    }
    let mut count = 1;
    if depth > 0 {
        for act in acts(&pair) {
            path.push(act);
            count += explore(setup, path, depth - 1);
            path.pop();
        }
    }
    count
}

/// `EHLO_ORDER_DEPTH` goes deeper: each step more takes some ten times as long.
#[test]
fn c_080_c_084_c_085_c_086_every_sequence_is_as_the_documents_say() {
    let depth = std::env::var("EHLO_ORDER_DEPTH").map_or(6, |depth| depth.parse().unwrap());
    let introduced = [Act::Hear(220), Act::Say(0), Act::Hear(250)];
    let mail =
        [&introduced[..], &[Act::Say(4), Act::Hear(250), Act::Say(5), Act::Hear(250)]].concat();
    let mut counts = Vec::new();
    for pipelining in [false, true] {
        for run_ahead in [false, true] {
            let setup = Setup { pipelining, run_ahead };
            // From the greeting on, from where mails begin, and from an accepted recipient.
            for start in [&[][..], &introduced, &mail] {
                counts.push(explore(setup, &mut start.to_vec(), depth));
            }
        }
    }
    println!("{} sequences of {depth} steps: {counts:?}", counts.iter().sum::<u64>());
    assert!(counts.iter().all(|count| *count > 100));
}
