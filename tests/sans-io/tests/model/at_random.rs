//! Sequences drawn at random, deep into conversations.

use ehlo::Command;
use proptest::prelude::*;
use proptest::sample::select;

use super::{At::*, *};

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The n-th of what is lawful, if anything is; most often what goes on with the transaction.
    Say(usize),
    /// What carries the oldest of what is in flight forward.
    Grant,
    Hear(u16),
}

fn turn() -> impl Strategy<Value = Turn> {
    let codes = vec![220, 221, 235, 250, 334, 354, 421, 450, 550];
    prop_oneof![
        6 => (0..100usize).prop_map(Turn::Say),
        5 => Just(Turn::Grant),
        1 => select(vec![550, 451]).prop_map(Turn::Hear),
        1 => select(codes).prop_map(Turn::Hear),
    ]
}

fn play(turns: &[Turn], setup: Setup) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(setup);
    let mut said = Vec::new();
    for turn in [Turn::Hear(220), Turn::Say(0), Turn::Hear(250)].iter().chain(turns) {
        let Some(act) = chosen(&pair, *turn) else { continue };
        pair.act(act);
        said.push(format!("{act:?}: {:?} {:?}", pair.model.at, pair.model.queue));
        pair.agrees()
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", said.join("\n"))))?;
    }
    Ok(())
}

fn chosen(pair: &Pair, turn: Turn) -> Option<Act> {
    let Pair { session, model, .. } = pair;
    let n = match turn {
        Turn::Hear(_) | Turn::Grant if model.at == TlsH => return None,
        Turn::Hear(code) => return Some(Act::Hear(code)),
        Turn::Grant => {
            let code = match model.queue.front() {
                // Unasked, it would end most conversations early.
                None => return None,
                Some(Say::StartTls) => 220,
                Some(Say::Data) => 354,
                Some(Say::Auth) => 334,
                Some(Say::Cancel) => 501,
                _ => 250,
            };
            return Some(Act::Hear(code));
        }
        Turn::Say(n) => n,
    };
    match model.at {
        Sasl if model.queue.is_empty() => {
            return Some(if n % 4 == 0 { Act::Cancel } else { Act::Respond });
        }
        Data => return Some(Act::Content),
        TlsH => return Some(Act::Tls),
        _ => {}
    }
    let is_lawful = |n: &usize| {
        let command = Command::parse(COMMANDS[*n].1.as_bytes()).unwrap();
        session.allows(command.verb()).is_ok()
    };
    let lawful: Vec<usize> = (0..COMMANDS.len()).filter(is_lawful).collect();
    let onwards = [Say::Mail, Say::Rcpt, Say::Data, Say::Bdat, Say::BdatLast];
    let goes_on: Vec<usize> =
        lawful.iter().copied().filter(|n| onwards.contains(&COMMANDS[*n].0)).collect();
    let chosen = match goes_on.len() {
        0 => lawful.get(n % lawful.len().max(1)),
        _ if n < 25 => lawful.get(n % lawful.len()),
        some => goes_on.get(n % some),
    };
    chosen.map(|n| Act::Say(*n))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn c_080_c_084_c_085_c_086_c_090_c_091_c_094_the_order_is_that_of_the_documents(
        turns in proptest::collection::vec(turn(), 1..60),
        pipelining: bool,
        run_ahead: bool,
    ) {
        play(&turns, Setup { pipelining, run_ahead })?;
    }
}
