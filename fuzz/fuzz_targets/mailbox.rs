#![no_main]
//! Text as a mailbox, a path, a local part, a host: what is read can be written, has no octet that
//! ends a path or a line, and is read as the same again.

use ehlo::{
    AddressLiteral, ClientName, Domain, ForwardPath, Host, LocalPart, Mailbox, ReversePath,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        assert_is_one_word(mailbox.as_str());
        assert!(mailbox.as_str().len() <= 254 && mailbox.local_part().len() <= 64);
        assert!(mailbox.domain().is_ascii());
        assert_eq!(mailbox.is_ascii(), mailbox.as_str().is_ascii());
        assert_eq!(mailbox.as_str().parse::<Mailbox>().as_ref(), Ok(&mailbox));
        let parts = format!("{}@{}", mailbox.local_part(), mailbox.domain());
        assert_eq!(parts, mailbox.as_str());
        let path = ForwardPath::from(mailbox.clone()).to_string();
        assert_eq!(path, format!("<{}>", mailbox.as_str()));
    }
    if let Ok(local) = LocalPart::new(text) {
        assert_eq!(local.value(), text);
        assert_is_one_word(local.as_wire());
        if local.as_wire().len() <= 64 {
            let mailbox = Mailbox::new(&local, "x".parse::<Domain>().unwrap()).unwrap();
            assert_eq!(mailbox.local_part(), local.as_wire());
        }
    }
    // What is written is read as itself.
    if let Ok(path) = text.parse::<ReversePath>() {
        let written = path.to_string();
        assert_is_one_word(&written);
        assert_eq!(written.parse::<ReversePath>().unwrap(), path);
    }
    if let Ok(path) = text.parse::<ForwardPath>() {
        let written = path.to_string();
        assert_is_one_word(&written);
        assert_eq!(written.parse::<ForwardPath>().unwrap(), path);
    }
    if let Ok(domain) = text.parse::<Domain>() {
        assert!(domain.as_str().is_ascii() && domain.as_str().len() <= 255);
        assert_eq!(domain.as_str().parse::<Domain>().unwrap(), domain);
    }
    for written in [
        text.parse::<Host>().map(|host| host.to_string()),
        text.parse::<AddressLiteral>().map(|literal| literal.to_string()),
        text.parse::<ClientName>().map(|name| name.to_string()),
    ]
    .into_iter()
    .flatten()
    {
        assert_is_one_word(&written);
        assert_eq!(written.parse::<Host>().unwrap().to_string(), written);
    }
});

/// No control, and neither a space nor an angle bracket outside quotes that would end it early.
#[track_caller]
fn assert_is_one_word(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    let inner = text.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(text);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for octet in inner.chars() {
        match octet {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' | '<' | '>' => assert!(is_quoted, "{text:?}"),
            _ => {}
        }
    }
    assert!(!is_quoted && !is_escaped, "{text:?}");
}
