#![no_main]
//! Any calls and any octets on a session. What must hold stands in `tests/support/any_calls.rs`.

use ehlo::Protection;
use ehlo_fuzz::Choices;
use ehlo_fuzz::any_calls::{CONTENT, Call, LINES, PRELUDES, REPLIES, Setup, play};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let setup = Setup {
        lmtp: choices.flip(),
        run_ahead: choices.flip(),
        prelude: choices.below(PRELUDES.len()),
    };
    let calls = std::iter::from_fn(|| (!choices.is_empty()).then(|| call(&mut choices)));
    play(setup, calls);
});

fn call(choices: &mut Choices<'_>) -> Call {
    match choices.below(16) {
        0..3 => Call::Send(choices.below(LINES.len())),
        3..6 => Call::Write {
            lent: choices.below(800),
            slices: choices.below(5),
            octets: choices.below(900),
        },
        6..9 => {
            let replies = 1 + choices.below(3);
            let said: Vec<&str> = (0..replies).map(|_| choices.of(REPLIES)).collect();
            Call::Receive(said.concat().into_bytes())
        }
        9 => Call::Receive(octets(choices, 64)),
        10 => {
            let line = octets(choices, 24);
            Call::Raw(line.into_iter().filter(|octet| *octet != CONTENT).collect())
        }
        11 => Call::Respond(octets(choices, 8)),
        12 => Call::Content(choices.below(700)),
        13 => Call::Finish,
        14 => Call::TlsStarted(choices.of(&[
            Protection::None,
            Protection::Unverified,
            Protection::Verified,
        ])),
        _ => match choices.below(3) {
            0 => Call::CancelAuth,
            1 => Call::EndOfInput,
            _ => Call::Close,
        },
    }
}

fn octets(choices: &mut Choices<'_>, most: usize) -> Vec<u8> {
    let length = choices.below(most);
    choices.octets(length).to_vec()
}
