#![no_main]
//! Octets as a command line: what is read is written back as one line, and read as the same again.

use bytes::BytesMut;
use ehlo::Command;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Command::parse(data) {
        Ok(command) => {
            let line = written(&command);
            let again = Command::parse(line.strip_suffix(b"\r\n").unwrap());
            let again = again.unwrap_or_else(|error| panic!("{command:?}: {error}"));
            assert_eq!(written(&again), line);
            assert_eq!(again, command);
            assert_eq!(again.verb(), command.verb());
            assert_eq!(command.is_ascii(), line.is_ascii());
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
    if let Ok(command) = Command::raw(data) {
        assert_eq!(written(&command).strip_suffix(b"\r\n"), Some(data));
    }
});

fn written(command: &Command<'_>) -> Vec<u8> {
    let mut line = BytesMut::new();
    command.encode(&mut line);
    assert_eq!(line.len(), command.encoded_len());
    let body = line.strip_suffix(b"\r\n").expect("a line");
    // RFC 5321 §4.1.2: no control but a tab, which a raw line may have.
    let odd = body.iter().find(|octet| (**octet < b' ' && **octet != b'\t') || **octet == 0x7f);
    assert_eq!(odd, None, "{command:?}");
    assert!(!format!("{command:?}").contains(char::is_control));
    line.to_vec()
}
