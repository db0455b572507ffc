//! Which mechanism is used: the strongest that is offered, allowed and fits. What each then says
//! is its own file's.

use super::credentials::Proof;
use super::{
    AuthFault, Candidate, ChannelBinding, Credentials, Mechanism, Unused, anonymous::Anonymous,
    external::External, login::Login, oauthbearer, plain::Plain, xoauth2,
};
#[cfg(feature = "scram")]
use super::{cram_md5::CramMd5, scram::Scram};

/// What a server offers to those who authenticate, and what is known of the channel to it.
///
/// ```
/// use ehlo::{Credentials, Offer};
///
/// let offer = Offer::new(["LOGIN", "PLAIN"]).server("mail.example.org", 587);
/// let mechanism = Credentials::new("alice", "wonderland").choose(&offer)?;
/// assert_eq!(mechanism.name(), "PLAIN");
/// # Ok::<(), ehlo::AuthFault>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Offer {
    mechanisms: Vec<String>,
    pub(super) bindings: Vec<ChannelBinding>,
    pub(super) server: Option<(String, u16)>,
    refused: Vec<String>,
    exposed: bool,
}

impl Offer {
    /// These mechanisms, as in the EHLO that counts: the one inside TLS.
    pub fn new(mechanisms: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mechanisms = mechanisms.into_iter().map(Into::into).collect();
        Self { mechanisms, ..Self::default() }
    }

    /// What the TLS channel can be bound by; of several the first is used.
    #[must_use]
    pub fn channel_binding(mut self, binding: ChannelBinding) -> Self {
        self.bindings.push(binding);
        self
    }

    /// The server's name and port, as they were asked for: OAUTHBEARER says them to the server.
    #[must_use]
    pub fn server(mut self, host: impl Into<String>, port: u16) -> Self {
        self.server = Some((host.into(), port));
        self
    }

    /// Passes over a mechanism that was refused before.
    #[must_use]
    pub fn without(mut self, mechanism: impl Into<String>) -> Self {
        self.refused.push(mechanism.into());
        self
    }

    /// The channel is in clear, or the server was not verified: then no mechanism is used.
    #[must_use]
    pub const fn exposed(mut self) -> Self {
        self.exposed = true;
        self
    }

    /// The names of the mechanisms, as the server wrote them.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.mechanisms.iter().map(String::as_str)
    }

    /// Whether it is offered, refused or not.
    pub(super) fn has(&self, name: &str) -> bool {
        is_among(&self.mechanisms, name)
    }
}

impl Credentials {
    /// The strongest of the offered mechanisms that these credentials can be used with and allow.
    /// See [`at_least`](Self::at_least) for their order, and [`mechanisms`](Self::mechanisms) for
    /// another.
    ///
    /// # Errors
    /// None of them can be used: because none is known or allowed, or the credentials fit none. Or
    /// the one whose turn it is needs random octets, and the system gives none.
    pub fn choose(&self, offer: &Offer) -> Result<Box<dyn Mechanism>, AuthFault> {
        if let Some(floor) = self.floor.as_ref().filter(|floor| rank(floor).is_none()) {
            return Err(AuthFault::Floor(floor.clone()));
        }
        let mut fault = None;
        for row in self.rows().filter(|row| offer.has(row.name)) {
            let Ok(make) = self.may_use(row, offer) else { continue };
            match make(self, offer) {
                Ok(mechanism) => return Ok(mechanism),
                // It passes, and is no reason to show a server more than it has to see.
                Err(passing @ AuthFault::NoRandomness { .. }) => return Err(passing),
                Err(unfit) => fault = fault.or(Some(unfit)),
            }
        }
        Err(fault.unwrap_or_else(|| AuthFault::NoMechanism {
            offered: offer.mechanisms.clone(),
            why: self.why_none_of(offer),
        }))
    }

    /// What becomes of each mechanism that is offered: the chosen one, those that could be used as
    /// well, and why the others are not. They stand in the order in which they would be tried,
    /// those behind that are not tried at all.
    ///
    /// It tells what [`choose`](Self::choose) does, but asks nobody for a token and lets none pass
    /// for another: with [`token_from`](Self::token_from) any token is taken to be there.
    ///
    /// ```
    /// use ehlo::{Credentials, Offer, Unused};
    ///
    /// let offer = Offer::new(["PLAIN", "LOGIN", "XOAUTH2", "NTLM"]);
    /// let told = Credentials::new("alice", "wonderland").explain(&offer);
    /// let lines: Vec<_> = told.iter().map(ToString::to_string).collect();
    /// assert_eq!(lines, [
    ///     "PLAIN: chosen",
    ///     "LOGIN: comes after PLAIN",
    ///     "XOAUTH2: only with a token",
    ///     "NTLM: never used",
    /// ]);
    /// assert_eq!(told[2].unused(), Some(&Unused::NeedsToken));
    /// ```
    #[must_use]
    pub fn explain(&self, offer: &Offer) -> Vec<Candidate> {
        #[cfg(feature = "net")]
        if self.provider().is_some() {
            return self.with_any_token().explain(offer);
        }
        let mut chosen: Option<&'static str> = None;
        let mut tried = Vec::new();
        let mut untried = Vec::new();
        for row in self.rows().chain(&MECHANISMS).filter(|row| offer.has(row.name)) {
            let is_told = |told: &Vec<Candidate>| told.iter().any(|one| one.name() == row.name);
            if is_told(&tried) || is_told(&untried) {
                continue;
            }
            let made = self.may_use(row, offer).map(|make| make(self, offer));
            let (list, unused) = match (made, chosen) {
                (Err(why), _) => (&mut untried, Some(why)),
                (Ok(Err(fault)), first) => {
                    if first.is_none() && matches!(fault, AuthFault::NoRandomness { .. }) {
                        chosen = Some(row.name);
                    }
                    (&mut tried, Some(Unused::Unfit(fault)))
                }
                (Ok(Ok(_)), Some(first)) => (&mut tried, Some(Unused::After(first.to_owned()))),
                (Ok(Ok(_)), None) => {
                    chosen = Some(row.name);
                    (&mut tried, None)
                }
            };
            list.push(Candidate::new(row.name, unused));
        }
        for offered in offer.mechanisms.iter().filter(|name| rank(name).is_none()) {
            untried.push(match find(&NEVER, offered) {
                Some(name) => Candidate::new(name, Some(Unused::Never)),
                None => Candidate::new(offered, Some(Unused::Unknown)),
            });
        }
        tried.append(&mut untried);
        tried
    }

    /// The mechanisms in the order in which they are tried.
    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let named = self.order.iter().flatten().filter_map(|name| rank(name));
        let by_strength = (0..MECHANISMS.len()).filter(|_| self.order.is_none());
        named.chain(by_strength).filter_map(|rank| MECHANISMS.get(rank))
    }

    /// What makes the mechanism, or why it is not used.
    fn may_use(&self, row: &Row, offer: &Offer) -> Result<Make, Unused> {
        let make = row.make.ok_or(Unused::NoFeature)?;
        if std::mem::discriminant(&self.proof) != std::mem::discriminant(&row.proof()) {
            return Err(row.wants());
        }
        match &self.order {
            None if row.name == "CRAM-MD5" => return Err(Unused::OnlyByName),
            Some(order) if !is_among(order, row.name) => return Err(Unused::NotNamed),
            _ => {}
        }
        if let Some(floor) = self.floor.as_ref().filter(|floor| rank(floor) < rank(row.name)) {
            return Err(Unused::BelowFloor(floor.clone()));
        }
        if is_among(&offer.refused, row.name) {
            return Err(Unused::Refused);
        }
        if offer.exposed {
            return Err(Unused::Exposed);
        }
        if row.name.ends_with("-PLUS") && offer.bindings.is_empty() {
            return Err(Unused::NoChannelBinding);
        }
        Ok(make)
    }

    /// `CRAM-MD5: only by name; NTLM, GSSAPI: never used`, in the order of the offer.
    fn why_none_of(&self, offer: &Offer) -> String {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for offered in &offer.mechanisms {
            let (name, why) = if let Some(row) = rank(offered).and_then(|rank| MECHANISMS.get(rank))
            {
                let Err(why) = self.may_use(row, offer) else { continue };
                (row.name, why)
            } else if let Some(name) = find(&NEVER, offered) {
                (name, Unused::Never)
            } else {
                continue;
            };
            let why = why.to_string();
            match groups.iter_mut().find(|(other, _)| *other == why) {
                Some((_, names)) => names.push(name),
                None => groups.push((why, vec![name])),
            }
        }
        let told = groups.iter().map(|(why, names)| format!("{}: {why}", names.join(", ")));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// Makes a mechanism of credentials that fit it.
type Make = fn(&Credentials, &Offer) -> Result<Box<dyn Mechanism>, AuthFault>;

struct Row {
    name: &'static str,
    wants: Wants,
    /// None where the feature lacks.
    make: Option<Make>,
}

#[derive(Clone, Copy)]
enum Wants {
    Password,
    Token,
    External,
    Nothing,
}

impl Row {
    fn proof(&self) -> Proof {
        match self.wants {
            Wants::Password => Proof::Password("".into()),
            Wants::Token => Proof::Token("".into()),
            Wants::External => Proof::External,
            Wants::Nothing => Proof::Anonymous,
        }
    }

    const fn wants(&self) -> Unused {
        match self.wants {
            Wants::Password => Unused::NeedsPassword,
            Wants::Token => Unused::NeedsToken,
            Wants::External => Unused::NeedsExternal,
            Wants::Nothing => Unused::NeedsNobody,
        }
    }
}

const fn row(name: &'static str, wants: Wants, make: Option<Make>) -> Row {
    Row { name, wants, make }
}

#[cfg(feature = "scram")]
macro_rules! scram {
    ($name:literal) => {
        row(
            $name,
            Wants::Password,
            Some(|credentials, offer| Ok(Box::new(Scram::new($name, credentials, offer)?))),
        )
    };
}
#[cfg(not(feature = "scram"))]
macro_rules! scram {
    ($name:literal) => {
        row($name, Wants::Password, None)
    };
}

#[cfg(feature = "scram")]
const CRAM_MD5: Option<Make> = Some(|credentials, _| Ok(Box::new(CramMd5::new(credentials)?)));
#[cfg(not(feature = "scram"))]
const CRAM_MD5: Option<Make> = None;

/// The mechanisms by their names, the strongest first. What shows nothing that could be used again
/// comes before what does, and what proves the server too, before both; CRAM-MD5 proves no server,
/// and has every server keep the password itself.
static MECHANISMS: [Row; 13] = [
    row("EXTERNAL", Wants::External, Some(|its, _| Ok(Box::new(External::new(its)?)))),
    row(
        "OAUTHBEARER",
        Wants::Token,
        Some(|its, offer| Ok(Box::new(oauthbearer::new(its, offer)?))),
    ),
    row("XOAUTH2", Wants::Token, Some(|its, _| Ok(Box::new(xoauth2::new(its)?)))),
    scram!("SCRAM-SHA-512-PLUS"),
    scram!("SCRAM-SHA-256-PLUS"),
    scram!("SCRAM-SHA-1-PLUS"),
    scram!("SCRAM-SHA-512"),
    scram!("SCRAM-SHA-256"),
    scram!("SCRAM-SHA-1"),
    row("PLAIN", Wants::Password, Some(|its, _| Ok(Box::new(Plain::new(its)?)))),
    row("LOGIN", Wants::Password, Some(|its, _| Ok(Box::new(Login::new(its)?)))),
    row("CRAM-MD5", Wants::Password, CRAM_MD5),
    row("ANONYMOUS", Wants::Nothing, Some(|its, _| Ok(Box::new(Anonymous::new(its)?)))),
];

/// Known by name, and never used: DIGEST-MD5 is historic (RFC 6331), NTLM and Kerberos belong to
/// systems of their own, which bring their own [`Mechanism`].
const NEVER: [&str; 5] = ["DIGEST-MD5", "NTLM", "GSSAPI", "GSS-SPNEGO", "KERBEROS_V4"];

fn rank(name: &str) -> Option<usize> {
    MECHANISMS.iter().position(|row| row.name.eq_ignore_ascii_case(name))
}

fn find(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().copied().find(|known| known.eq_ignore_ascii_case(name))
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn chosen(credentials: &Credentials, offered: &[&str]) -> String {
        chosen_for(credentials, &Offer::new(offered.iter().copied()))
    }

    #[track_caller]
    fn chosen_for(credentials: &Credentials, offer: &Offer) -> String {
        match credentials.choose(offer) {
            Ok(mechanism) => mechanism.name().to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    fn password() -> Credentials {
        Credentials::new("tim", "tanstaaftanstaaf")
    }

    const NONE: &str = "the server offers no mechanism that can be used (it offers ";

    #[test]
    fn takes_the_strongest_that_is_offered() {
        assert_eq!(chosen(&password(), &["LOGIN", "PLAIN"]), "PLAIN");
        assert_eq!(chosen(&password(), &["CRAM-MD5", "login"]), "LOGIN");
        assert_eq!(chosen(&password(), &["XOAUTH2", "EXTERNAL", "ANONYMOUS", "PLAIN"]), "PLAIN");
        let token = Credentials::token("tim", "x");
        assert_eq!(chosen(&token, &["PLAIN", "XOAUTH2", "oauthbearer"]), "OAUTHBEARER");
        assert_eq!(chosen(&token, &["PLAIN", "XOAUTH2"]), "XOAUTH2");
        assert_eq!(chosen(&Credentials::external(), &["PLAIN", "EXTERNAL"]), "EXTERNAL");
        assert_eq!(chosen(&Credentials::anonymous(""), &["PLAIN", "ANONYMOUS"]), "ANONYMOUS");
    }

    #[cfg(feature = "scram")]
    #[test]
    fn takes_scram_from_the_strongest_down() {
        let mut names: Vec<_> = MECHANISMS[3..11].iter().map(|row| row.name).collect();
        let bound = |names: &[&str]| {
            let binding = ChannelBinding::tls_exporter([0; 32]);
            Offer::new(names.iter().copied()).channel_binding(binding)
        };
        while let Some(strongest) = names.first().copied() {
            names.reverse();
            assert_eq!(chosen_for(&password(), &bound(&names)), strongest);
            names.reverse();
            names.remove(0);
        }
        let offered = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN"];
        assert_eq!(chosen(&password(), &offered), "SCRAM-SHA-1", "nothing to bind by");
    }

    #[test]
    fn an_order_is_kept_to_and_nothing_else_is_used() {
        let order = password().mechanisms(["login", "PLAIN"]);
        assert_eq!(chosen(&order, &["PLAIN", "LOGIN"]), "LOGIN");
        assert_eq!(chosen(&order, &["PLAIN"]), "PLAIN");
        let plain = password().mechanisms(["PLAIN", "X-UNHEARD-OF"]);
        let words = format!("{NONE}LOGIN, CRAM-MD5); LOGIN, CRAM-MD5: not asked for");
        #[cfg(feature = "scram")]
        assert_eq!(chosen(&plain, &["LOGIN", "CRAM-MD5"]), words);
        #[cfg(not(feature = "scram"))]
        assert_ne!(chosen(&plain, &["LOGIN", "CRAM-MD5"]), words);
    }

    #[test]
    fn t10_nothing_below_the_floor_is_used() {
        let proud = password().at_least("scram-sha-1");
        let words = format!("{NONE}PLAIN, LOGIN); PLAIN, LOGIN: weaker than scram-sha-1");
        assert_eq!(chosen(&proud, &["PLAIN", "LOGIN"]), words);
        let named = password().at_least("PLAIN").mechanisms(["LOGIN"]);
        let words = format!("{NONE}LOGIN); LOGIN: weaker than PLAIN");
        assert_eq!(chosen(&named, &["LOGIN"]), words);
        assert_eq!(chosen(&password().at_least("PLAIN"), &["LOGIN", "PLAIN"]), "PLAIN");
        let words = "the weakest mechanism allowed is none that is known: \"SCRAM\"";
        assert_eq!(chosen(&password().at_least("SCRAM"), &["PLAIN"]), words);
    }

    #[cfg(feature = "scram")]
    #[test]
    fn t10_cram_md5_is_used_by_name_only() {
        let words = format!("{NONE}CRAM-MD5); CRAM-MD5: only by name");
        assert_eq!(chosen(&password(), &["CRAM-MD5"]), words);
        assert_eq!(chosen(&password().mechanisms(["CRAM-MD5"]), &["CRAM-MD5"]), "CRAM-MD5");
    }

    #[test]
    fn what_was_refused_is_passed_over() {
        let offer = Offer::new(["PLAIN", "LOGIN"]).without("plain");
        assert_eq!(chosen_for(&password(), &offer), "LOGIN");
        let words = format!("{NONE}PLAIN, LOGIN); PLAIN, LOGIN: refused before");
        assert_eq!(chosen_for(&password(), &offer.without("LOGIN")), words);
    }

    #[test]
    fn passes_over_what_cannot_carry_the_credentials() {
        let nul = Credentials::new("tim", "a\0b");
        assert_eq!(chosen(&nul, &["PLAIN", "LOGIN"]), "LOGIN");
        assert_eq!(chosen(&nul, &["PLAIN"]), "PLAIN cannot carry a NUL in a name or password");
    }

    #[test]
    fn says_what_is_offered_where_none_can_be_used() {
        assert_eq!(chosen(&password(), &[]), format!("{NONE}none)"));
        let others = ["NTLM", "PLAIN-X", "digest-md5", "XOAUTH2", "EXTERNAL", "ANONYMOUS"];
        let why = "NTLM, DIGEST-MD5: never used; XOAUTH2: only with a token; EXTERNAL: only by a \
                   client certificate or the like; ANONYMOUS: only for nobody";
        let offered = "NTLM, PLAIN-X, digest-md5, XOAUTH2, EXTERNAL, ANONYMOUS";
        assert_eq!(chosen(&password(), &others), format!("{NONE}{offered}); {why}"));
        let token = Credentials::token("tim", "x");
        assert_eq!(
            chosen(&token, &["PLAIN"]),
            format!("{NONE}PLAIN); PLAIN: only with a password")
        );
    }

    #[cfg(feature = "scram")]
    #[test]
    fn says_that_nothing_binds_the_channel() {
        let words = format!(
            "{NONE}SCRAM-SHA-1-PLUS, GSSAPI); SCRAM-SHA-1-PLUS: only with a channel binding; GSSAPI: never used"
        );
        assert_eq!(chosen(&password(), &["SCRAM-SHA-1-PLUS", "GSSAPI"]), words);
    }

    /// Each candidate, and the names of all that are chosen.
    fn explained(credentials: &Credentials, offer: &Offer) -> (Vec<String>, Vec<String>) {
        let told = credentials.explain(offer);
        let chosen = told.iter().filter(|one| one.is_chosen()).map(|one| one.name().to_owned());
        (told.iter().map(ToString::to_string).collect(), chosen.collect())
    }

    #[cfg(feature = "scram")]
    #[test]
    fn t10_each_mechanism_that_is_offered_is_explained() {
        let every = MECHANISMS.iter().map(|row| row.name).chain(NEVER).chain(["X-OWN"]);
        let offer = Offer::new(every.collect::<Vec<_>>().into_iter().rev());
        let (told, _) = explained(&password().at_least("SCRAM-SHA-256"), &offer);
        assert_eq!(
            told,
            [
                "SCRAM-SHA-512: chosen",
                "SCRAM-SHA-256: comes after SCRAM-SHA-512",
                "EXTERNAL: only by a client certificate or the like",
                "OAUTHBEARER: only with a token",
                "XOAUTH2: only with a token",
                "SCRAM-SHA-512-PLUS: only with a channel binding",
                "SCRAM-SHA-256-PLUS: only with a channel binding",
                "SCRAM-SHA-1-PLUS: only with a channel binding",
                "SCRAM-SHA-1: weaker than SCRAM-SHA-256",
                "PLAIN: weaker than SCRAM-SHA-256",
                "LOGIN: weaker than SCRAM-SHA-256",
                "CRAM-MD5: only by name",
                "ANONYMOUS: only for nobody",
                "X-OWN: not known here",
                "KERBEROS_V4: never used",
                "GSS-SPNEGO: never used",
                "GSSAPI: never used",
                "NTLM: never used",
                "DIGEST-MD5: never used",
            ]
        );
        let named = password().mechanisms(["LOGIN", "CRAM-MD5", "login"]);
        let offer = Offer::new(["PLAIN", "CRAM-MD5", "LOGIN"]);
        let (told, _) = explained(&named, &offer.clone().without("cram-md5"));
        assert_eq!(told, ["LOGIN: chosen", "CRAM-MD5: refused before", "PLAIN: not asked for"]);
        let (told, _) = explained(&named, &offer.exposed());
        assert_eq!(
            told,
            [
                "LOGIN: only over verified TLS",
                "CRAM-MD5: only over verified TLS",
                "PLAIN: not asked for"
            ]
        );
    }

    /// One is chosen where `choose` makes one, and it is the same.
    #[test]
    fn what_is_explained_is_what_is_chosen() {
        let everyone = [
            password(),
            password().at_least("PLAIN"),
            password().at_least("SCRAM"),
            password().mechanisms(["LOGIN", "PLAIN"]),
            Credentials::new("tim", "a\0b"),
            Credentials::token("tim", "x"),
            Credentials::token("tim", ""),
            Credentials::external(),
            Credentials::anonymous(""),
        ];
        let names = ["PLAIN", "XOAUTH2", "LOGIN", "SCRAM-SHA-1", "EXTERNAL", "ANONYMOUS", "NTLM"];
        for credentials in everyone {
            for some in 0..1 << names.len() {
                let offered = (0..names.len()).filter(|n| some & (1 << n) != 0).map(|n| names[n]);
                let offer = Offer::new(offered);
                let (told, chosen) = explained(&credentials, &offer);
                let made = credentials.choose(&offer).ok();
                let made: Vec<_> = made.iter().map(|made| made.name().to_owned()).collect();
                assert_eq!(chosen, made, "{told:?}");
                assert_eq!(told.len(), offer.mechanisms().count());
            }
        }
        let nul = Credentials::new("tim", "a\0b");
        let (told, _) = explained(&nul, &Offer::new(["LOGIN", "PLAIN"]));
        assert_eq!(told, ["PLAIN: cannot carry a NUL in a name or password", "LOGIN: chosen"]);
    }

    #[cfg(feature = "net")]
    #[test]
    fn a_token_that_is_still_to_be_asked_for_counts_as_one() {
        let ask = |_| async { Err::<crate::Secret, _>("nobody is asked") };
        let (told, _) = explained(
            &Credentials::token_from("tim", ask),
            &Offer::new(["XOAUTH2", "PLAIN", "OAUTHBEARER"]),
        );
        assert_eq!(
            told,
            [
                "OAUTHBEARER: chosen",
                "XOAUTH2: comes after OAUTHBEARER",
                "PLAIN: only with a password"
            ]
        );
    }
}
