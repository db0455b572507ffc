//! A watch over secrets, for the crate's own tests. A secret is noted where it comes into being, or
//! goes out; whatever can be shown is searched for it where that comes into being: so no test has
//! to remember to look. What secrets there are is not decided here.
//!
//! It is there with the private feature `_leaks`, which the tests turn on; otherwise every function
//! is empty. A test has a thread of its own, and so has its watch.

#[cfg(feature = "_leaks")]
pub(crate) use on::*;

#[cfg(not(feature = "_leaks"))]
pub(crate) use off::*;

#[cfg(feature = "_leaks")]
#[allow(dead_code, reason = "some serve the driver, or the server for tests")]
mod on {
    use std::cell::{Cell, RefCell};
    use std::fmt::{Debug, Display};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    use crate::wire::Escaped;

    thread_local! {
        /// Whether there is any: benches have none, and are not to feel this.
        static ARMED: Cell<bool> = const { Cell::new(false) };
        /// What must not be seen.
        static NEEDLES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
        /// The words for what was seen, which may have been said where nobody listens.
        static LEAK: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// A password or a token: neither it nor its base64, in any line, is to be seen from here on,
    /// nor its octets as numbers.
    pub(crate) fn keep(secret: &[u8]) {
        if secret.len() < SHORTEST {
            return;
        }
        note(secret.to_vec());
        let numbers = format!("{secret:?}");
        note(numbers.trim_matches(['[', ']']).as_bytes().to_vec());
        for before in 0..3 {
            let padded = [vec![b'x'; before], secret.to_vec()].concat();
            let text = STANDARD_NO_PAD.encode(&padded);
            // The characters at both ends depend on the neighbours, too.
            let own = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
            note(text.as_bytes().get(own).unwrap_or_default().to_vec());
        }
    }

    /// A line of AUTH as it goes out: what it carries is not to be seen.
    pub(crate) fn keep_line(line: &[u8]) {
        let line = line.trim_ascii();
        let is_command = line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH "));
        let words = if is_command { 3 } else { 1 };
        let carried = line.splitn(words, |octet| *octet == b' ').nth(words - 1);
        if let Some(carried) = carried.filter(|carried| carried.len() >= SHORTEST) {
            note(carried.to_vec());
        }
    }

    fn note(needle: Vec<u8>) {
        ARMED.set(true);
        NEEDLES.with_borrow_mut(|needles| {
            if !needles.contains(&needle) {
                needles.push(needle);
            }
            let surplus = needles.len().saturating_sub(MOST);
            needles.drain(..surplus);
        });
    }

    /// Searches a text that may be shown.
    ///
    /// # Panics
    /// A secret stands in it.
    pub(crate) fn search(text: impl AsRef<[u8]>) {
        if !is_armed() {
            return;
        }
        again();
        let text = text.as_ref();
        let found = NEEDLES.try_with(|needles| {
            let needles = needles.borrow();
            needles.iter().any(|needle| memchr::memmem::find(text, needle).is_some())
        });
        if found == Ok(true) && !std::thread::panicking() {
            let words = format!("a secret is shown: {}", Escaped::new(text));
            LEAK.set(Some(words));
            again();
        }
    }

    /// The same for the `Debug` of a value.
    pub(crate) fn search_debug(value: &impl Debug) {
        if is_armed() {
            search(format!("{value:?}"));
            search(format!("{value:#?}"));
        }
    }

    /// The same for both that a value prints.
    pub(crate) fn search_shown(value: &(impl Debug + Display)) {
        if is_armed() {
            search(value.to_string());
            search_debug(value);
        }
    }

    fn is_armed() -> bool {
        ARMED.try_with(Cell::get) == Ok(true)
    }

    /// Says once more what was said where a panic is caught, as in a task that nobody waits for.
    ///
    /// # Panics
    /// A secret was shown before.
    pub(crate) fn again() {
        if !is_armed() {
            return;
        }
        let leak = LEAK.try_with(|leak| leak.borrow().clone()).ok().flatten();
        if let Some(words) = leak.filter(|_| !std::thread::panicking()) {
            panic!("{words}");
        }
    }

    /// Whoever holds this in the end hears of a secret that was shown on the way.
    #[derive(Debug)]
    pub(crate) struct Watch;

    impl Drop for Watch {
        fn drop(&mut self) {
            again();
        }
    }

    /// What is shorter stands in other texts by chance.
    const SHORTEST: usize = 8;
    /// As many as some dozens of dialogues have; property tests have thousands.
    const MOST: usize = 256;

    #[cfg(test)]
    mod tests {
        use base64::engine::general_purpose::STANDARD;

        use super::*;

        /// Whether a text is found to show a secret.
        fn shows(text: impl AsRef<[u8]>) -> bool {
            let text = text.as_ref();
            let found = std::panic::catch_unwind(|| search(text)).is_err();
            LEAK.take();
            found
        }

        #[test]
        fn t11_a_secret_is_found_in_every_spelling() {
            keep(b"w0nder-land/Q+?");
            assert!(!shows("w0nder-land/Q+"));
            assert!(shows("a w0nder-land/Q+? b"));
            assert!(shows(format!("{:?}", b"a w0nder-land/Q+? b")));
            for before in ["", "x", "xx", "\0tim\0"] {
                for behind in ["", "y", "yy"] {
                    let text = format!("{before}w0nder-land/Q+?{behind}");
                    assert!(shows(format!("C: {}", STANDARD.encode(&text))), "{text}");
                }
            }
            assert!(!shows(STANDARD.encode("w0nder-land/Q+")));
        }

        #[test]
        fn t11_what_a_line_of_auth_carries_is_found() {
            keep_line(b"AUTH PLAIN AHRpbQB0YW5zdA==\r\n");
            keep_line(b"dGFuc3RhYWZ0\r\n");
            keep_line(b"*\r\n");
            keep_line(b"auth LOGIN\r\n");
            for shown in ["AHRpbQB0YW5zdA==", "x dGFuc3RhYWZ0 y"] {
                assert!(shows(shown), "{shown}");
            }
            for harmless in ["*", "auth LOGIN", "AUTH PLAIN <secret>", ""] {
                assert!(!shows(harmless), "{harmless}");
            }
        }

        #[test]
        fn what_is_short_is_no_secret() {
            keep(b"wonder");
            keep_line(b"AUTH PLAIN AQ==\r\n");
            assert!(!shows("wonder AQ=="));
        }

        #[test]
        fn t11_what_nobody_heard_is_said_again() {
            keep(b"wonderland");
            let unheard = std::panic::catch_unwind(|| search_shown(&"in wonderland"));
            assert!(unheard.is_err());
            let dropped = std::panic::catch_unwind(|| drop(Watch)).unwrap_err();
            LEAK.take();
            let words = dropped.downcast_ref::<String>().map(String::as_str);
            assert_eq!(words, Some("a secret is shown: in wonderland"));
        }
    }
}

#[cfg(not(feature = "_leaks"))]
#[allow(dead_code, reason = "some serve the driver, or the server for tests")]
mod off {
    pub(crate) const fn keep(_: &[u8]) {}

    pub(crate) const fn keep_line(_: &[u8]) {}

    pub(crate) const fn search<T: ?Sized>(_: &T) {}

    pub(crate) const fn search_debug<T>(_: &T) {}

    pub(crate) const fn search_shown<T>(_: &T) {}

    pub(crate) const fn again() {}

    #[derive(Debug)]
    pub(crate) struct Watch;
}
