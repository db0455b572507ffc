//! How long each stage may take. The numbers and their reasons stand here and nowhere else; the
//! clock that is held against them belongs to the driver.

use std::time::Duration;

use crate::protocol::Stage;

/// How long a client waits at each stage before it gives up.
///
/// Each but `content` is absolute: it runs from the moment a stage begins waiting until its reply
/// is complete, however many octets arrive in between, so that a server which sends one octet at a
/// time cannot hold a client. The defaults are the minima of RFC 5321 §4.5.3.2, and this crate's
/// own where it names none.
///
/// ```
/// use std::time::Duration;
/// use ehlo::Timeouts;
///
/// let timeouts = Timeouts::default()
///     .with_connect(Duration::from_secs(5))
///     .with_whole(Some(Duration::from_secs(600)));
/// assert_eq!(timeouts.end_of_data(), Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    resolve: Duration,
    connect: Duration,
    handshake: Duration,
    greeting: Duration,
    ehlo: Duration,
    start_tls: Duration,
    auth: Duration,
    mail: Duration,
    rcpt: Duration,
    data: Duration,
    content: Duration,
    end_of_data: Duration,
    quit: Duration,
    command: Duration,
    whole: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(30),
            connect: Duration::from_secs(30),
            handshake: MINUTE,
            greeting: 5 * MINUTE,
            ehlo: 5 * MINUTE,
            start_tls: MINUTE,
            auth: MINUTE,
            mail: 5 * MINUTE,
            rcpt: 5 * MINUTE,
            data: 2 * MINUTE,
            content: 3 * MINUTE,
            end_of_data: 10 * MINUTE,
            quit: Duration::from_secs(10),
            command: 5 * MINUTE,
            whole: None,
        }
    }
}

impl Timeouts {
    /// Short ones, to watch servers and not to deliver: 10 seconds for each step, 30 for the
    /// greeting, the replies to RCPT and the end of the content, where servers delay on purpose
    /// or run their checks.
    ///
    /// Not for delivery: a short wait for the last reply makes duplicates (RFC 1047).
    #[must_use]
    pub fn probe() -> Self {
        let slow = Duration::from_secs(30);
        Self::all(Duration::from_secs(10))
            .with_greeting(slow)
            .with_rcpt(slow)
            .with_end_of_data(slow)
    }

    /// This long for every stage, with no limit for a whole call.
    #[must_use]
    pub const fn all(each: Duration) -> Self {
        Self {
            resolve: each,
            connect: each,
            handshake: each,
            greeting: each,
            ehlo: each,
            start_tls: each,
            auth: each,
            mail: each,
            rcpt: each,
            data: each,
            content: each,
            end_of_data: each,
            quit: each,
            command: each,
            whole: None,
        }
    }
}

macro_rules! stages {
    ($($field:ident, $with:ident: $what:literal;)*) => {
        impl Timeouts {$(
            #[doc = concat!("How long to wait for ", $what)]
            #[must_use]
            pub const fn $field(&self) -> Duration {
                self.$field
            }

            #[doc = concat!("Sets how long to wait for ", $what)]
            #[must_use]
            pub const fn $with(mut self, limit: Duration) -> Self {
                self.$field = limit;
                self
            }
        )*}
    };
}

stages! {
    resolve, with_resolve: "the addresses of a host name. Default 30 s: resolvers themselves give up earlier.";
    connect, with_connect: "a connection, for each address anew. Default 30 s: a path that lives answers within a few. The next address is tried beside one that has been silent for 250 ms (RFC 8305 §5).";
    handshake, with_handshake: "the TLS handshake. Default 1 min.";
    greeting, with_greeting: "the greeting. Default 5 min (RFC 5321 §4.5.3.2.1): servers delay it to shake off spammers.";
    ehlo, with_ehlo: "the reply to EHLO, HELO or LHLO. Default 5 min, as for MAIL.";
    start_tls, with_start_tls: "the reply to STARTTLS. Default 1 min.";
    auth, with_auth: "each reply of an AUTH dialogue. Default 1 min.";
    mail, with_mail: "the reply to MAIL. Default 5 min (RFC 5321 §4.5.3.2.2).";
    rcpt, with_rcpt: "the reply to RCPT. Default 5 min (RFC 5321 §4.5.3.2.3).";
    data, with_data: "the go-ahead after DATA. Default 2 min (RFC 5321 §4.5.3.2.4).";
    content, with_content: "the stream to take a block of content. Default 3 min (RFC 5321 §4.5.3.2.5). A server that takes the content octet by octet is bounded by `whole` alone.";
    end_of_data, with_end_of_data: "the reply after the content. Default 10 min (RFC 5321 §4.5.3.2.6): the server may deliver before it answers, and who stops waiting causes duplicates (RFC 1047).";
    quit, with_quit: "the reply to QUIT. Default 10 s: nothing depends on it.";
    command, with_command: "any other reply (RSET, NOOP, VRFY and so on). Default 5 min.";
}

impl Timeouts {
    /// How long this stage may take.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Resolve => self.resolve,
            Stage::Connect => self.connect,
            Stage::Handshake => self.handshake,
            Stage::Greeting => self.greeting,
            Stage::Ehlo => self.ehlo,
            Stage::StartTls => self.start_tls,
            Stage::Auth => self.auth,
            Stage::Mail => self.mail,
            Stage::Rcpt => self.rcpt,
            Stage::Data => self.data,
            Stage::Content => self.content,
            Stage::EndOfData => self.end_of_data,
            Stage::Quit => self.quit,
            Stage::Rset | Stage::Query => self.command,
        }
    }

    /// How long one call may take in all, whatever its stages allow; of mails in a row, each of
    /// them. Default: no limit.
    #[must_use]
    pub const fn whole(&self) -> Option<Duration> {
        self.whole
    }

    /// Sets how long one call may take in all; `None` leaves it to the stages.
    #[must_use]
    pub const fn with_whole(mut self, limit: Option<Duration>) -> Self {
        self.whole = limit;
        self
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage in the order of a session, in seconds.
    fn seconds(timeouts: Timeouts) -> [u64; 14] {
        [
            timeouts.resolve(),
            timeouts.connect(),
            timeouts.handshake(),
            timeouts.greeting(),
            timeouts.ehlo(),
            timeouts.start_tls(),
            timeouts.auth(),
            timeouts.mail(),
            timeouts.rcpt(),
            timeouts.data(),
            timeouts.content(),
            timeouts.end_of_data(),
            timeouts.quit(),
            timeouts.command(),
        ]
        .map(|limit| limit.as_secs())
    }

    #[test]
    fn the_presets() {
        assert_eq!(
            seconds(Timeouts::default()),
            [30, 30, 60, 300, 300, 60, 60, 300, 300, 120, 180, 600, 10, 300]
        );
        assert_eq!(
            seconds(Timeouts::probe()),
            [10, 10, 10, 30, 10, 10, 10, 10, 30, 10, 10, 30, 10, 10]
        );
        assert_eq!(seconds(Timeouts::all(Duration::from_secs(7))), [7; 14]);
        assert_eq!(Timeouts::default().whole(), None);
    }

    #[test]
    fn each_setter_sets_its_own_stage() {
        let setters = [
            Timeouts::with_resolve,
            Timeouts::with_connect,
            Timeouts::with_handshake,
            Timeouts::with_greeting,
            Timeouts::with_ehlo,
            Timeouts::with_start_tls,
            Timeouts::with_auth,
            Timeouts::with_mail,
            Timeouts::with_rcpt,
            Timeouts::with_data,
            Timeouts::with_content,
            Timeouts::with_end_of_data,
            Timeouts::with_quit,
            Timeouts::with_command,
        ];
        for (at, set) in setters.into_iter().enumerate() {
            let mut expected = [1; 14];
            expected[at] = 2;
            let timeouts = set(Timeouts::all(Duration::from_secs(1)), Duration::from_secs(2));
            assert_eq!(seconds(timeouts), expected);
        }
        let whole = Some(Duration::from_secs(9));
        assert_eq!(Timeouts::probe().with_whole(whole).whole(), whole);
    }
}
