//! The ways to write an address that open relays have fallen for. They are text: most of them are no
//! path by today's grammar, and all of them go out raw.

use std::net::IpAddr;

use crate::wire::{AddressLiteral, Mailbox};

/// One way to ask a server to relay. `user@foreign` stands for the foreign mailbox, `local` for the
/// server's domain, and `[address]` for its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayForm {
    /// From `<>` to `<user@foreign>`.
    NullSender,
    /// From `<relay-test@foreign>` to `<user@foreign>`.
    ForeignToForeign,
    /// From `<relay-test>`, without a domain, to `<user@foreign>`.
    SenderWithoutDomain,
    /// From `<postmaster@local>` to `<user@foreign>`: whoever says so is believed to be a local.
    LocalToForeign,
    /// From `<postmaster@[address]>` to `<user@foreign>`.
    LiteralToForeign,
    /// To `user@foreign` without brackets.
    WithoutBrackets,
    /// To `<user%foreign@local>`: the `%`-hack.
    PercentAtLocal,
    /// To `<user%foreign@[address]>`.
    PercentAtLiteral,
    /// To `<user%foreign>`.
    Percent,
    /// To `<"user%foreign">`.
    PercentQuoted,
    /// To `<"user@foreign">`.
    Quoted,
    /// To `<"user@foreign"@local>`.
    QuotedAtLocal,
    /// To `<"user@foreign"@[address]>`.
    QuotedAtLiteral,
    /// To `<user@foreign@local>`.
    TwiceAtLocal,
    /// To `<user@foreign@[address]>`.
    TwiceAtLiteral,
    /// To `<foreign!user>`: a `!`-path of UUCP.
    Bang,
    /// To `<foreign!user@local>`.
    BangAtLocal,
    /// To `<foreign!user@[address]>`.
    BangAtLiteral,
    /// To `<local!user@foreign>`.
    BangByLocal,
    /// To `<@local:user@foreign>`: a source route (RFC 5321 §4.1.2, appendix C).
    SourceRoute,
    /// To `<@[address]:user@foreign>`.
    SourceRouteByLiteral,
}

/// Whom the forms are about.
pub(super) struct Names<'a> {
    /// Empty where it is not known.
    pub(super) local: &'a str,
    pub(super) foreign: &'a Mailbox,
    /// None where it is not known.
    pub(super) address: Option<IpAddr>,
}

impl RelayForm {
    /// All of them, in the order in which they are tried.
    pub const ALL: &'static [Self] = &[
        Self::NullSender,
        Self::ForeignToForeign,
        Self::SenderWithoutDomain,
        Self::LocalToForeign,
        Self::LiteralToForeign,
        Self::WithoutBrackets,
        Self::PercentAtLocal,
        Self::PercentAtLiteral,
        Self::Percent,
        Self::PercentQuoted,
        Self::Quoted,
        Self::QuotedAtLocal,
        Self::QuotedAtLiteral,
        Self::TwiceAtLocal,
        Self::TwiceAtLiteral,
        Self::Bang,
        Self::BangAtLocal,
        Self::BangAtLiteral,
        Self::BangByLocal,
        Self::SourceRoute,
        Self::SourceRouteByLiteral,
    ];

    /// The form in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NullSender => "null_sender",
            Self::ForeignToForeign => "foreign_to_foreign",
            Self::SenderWithoutDomain => "sender_without_domain",
            Self::LocalToForeign => "local_to_foreign",
            Self::LiteralToForeign => "literal_to_foreign",
            Self::WithoutBrackets => "without_brackets",
            Self::PercentAtLocal => "percent_at_local",
            Self::PercentAtLiteral => "percent_at_literal",
            Self::Percent => "percent",
            Self::PercentQuoted => "percent_quoted",
            Self::Quoted => "quoted",
            Self::QuotedAtLocal => "quoted_at_local",
            Self::QuotedAtLiteral => "quoted_at_literal",
            Self::TwiceAtLocal => "twice_at_local",
            Self::TwiceAtLiteral => "twice_at_literal",
            Self::Bang => "bang",
            Self::BangAtLocal => "bang_at_local",
            Self::BangAtLiteral => "bang_at_literal",
            Self::BangByLocal => "bang_by_local",
            Self::SourceRoute => "source_route",
            Self::SourceRouteByLiteral => "source_route_by_literal",
        }
    }

    /// Whether the recipient can also be read as a mailbox of the server's own: one that takes any
    /// local part, and delivers the mail to somebody there, accepts it and relays nothing.
    #[must_use]
    pub const fn may_be_local(self) -> bool {
        !matches!(
            self,
            Self::NullSender
                | Self::ForeignToForeign
                | Self::SenderWithoutDomain
                | Self::LocalToForeign
                | Self::LiteralToForeign
                | Self::WithoutBrackets
                | Self::BangByLocal
                | Self::SourceRoute
                | Self::SourceRouteByLiteral
        )
    }

    /// What stands behind `MAIL FROM:` and `RCPT TO:`; none where the domain or the address that the
    /// form needs is not known.
    pub(super) fn paths(self, names: &Names<'_>) -> Option<(String, String)> {
        let local = Some(names.local).filter(|local| !local.is_empty());
        let literal = names.address.map(|address| AddressLiteral::from(address).to_string());
        let foreign = names.foreign.as_str();
        let domain = names.foreign.domain();
        let user = names.foreign.local_part();
        // Where it has its quotes already, others around them would end it.
        let bare = user.trim_matches('"');
        let sender = match self {
            Self::NullSender => "<>".to_owned(),
            Self::ForeignToForeign => format!("<relay-test@{domain}>"),
            Self::SenderWithoutDomain => "<relay-test>".to_owned(),
            Self::LiteralToForeign => format!("<postmaster@{}>", literal.as_ref()?),
            _ => format!("<postmaster@{}>", local?),
        };
        let recipient = match self {
            Self::WithoutBrackets => foreign.to_owned(),
            Self::PercentAtLocal => format!("<{user}%{domain}@{}>", local?),
            Self::PercentAtLiteral => format!("<{user}%{domain}@{}>", literal?),
            Self::Percent => format!("<{user}%{domain}>"),
            Self::PercentQuoted => format!("<\"{bare}%{domain}\">"),
            Self::Quoted => format!("<\"{bare}@{domain}\">"),
            Self::QuotedAtLocal => format!("<\"{bare}@{domain}\"@{}>", local?),
            Self::QuotedAtLiteral => format!("<\"{bare}@{domain}\"@{}>", literal?),
            Self::TwiceAtLocal => format!("<{foreign}@{}>", local?),
            Self::TwiceAtLiteral => format!("<{foreign}@{}>", literal?),
            Self::Bang => format!("<{domain}!{user}>"),
            Self::BangAtLocal => format!("<{domain}!{user}@{}>", local?),
            Self::BangAtLiteral => format!("<{domain}!{user}@{}>", literal?),
            Self::BangByLocal => format!("<{}!{foreign}>", local?),
            Self::SourceRoute => format!("<@{}:{foreign}>", local?),
            Self::SourceRouteByLiteral => format!("<@{}:{foreign}>", literal?),
            Self::NullSender
            | Self::ForeignToForeign
            | Self::SenderWithoutDomain
            | Self::LocalToForeign
            | Self::LiteralToForeign => format!("<{foreign}>"),
        };
        Some((sender, recipient))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn paths(form: RelayForm, foreign: &str, address: Option<&str>) -> Option<(String, String)> {
        let foreign = foreign.parse().unwrap();
        let address = address.map(|address| address.parse().unwrap());
        form.paths(&Names { local: "example.org", foreign: &foreign, address })
    }

    #[test]
    fn a_form_needs_what_is_in_it() {
        let foreign = "carol@example.net".parse().unwrap();
        let known = |local, address: Option<&str>| {
            let address = address.map(|address| address.parse().unwrap());
            let names = Names { local, foreign: &foreign, address };
            let forms = RelayForm::ALL.iter().filter(|form| form.paths(&names).is_some());
            forms.map(|form| form.name()).collect::<Vec<_>>()
        };
        let without = ["null_sender", "foreign_to_foreign", "sender_without_domain"];
        assert_eq!(known("", None), without);
        assert_eq!(known("", Some("192.0.2.1")), [&without[..], &["literal_to_foreign"]].concat());
        assert_eq!(known("example.org", Some("192.0.2.1")).len(), RelayForm::ALL.len());
    }

    #[test]
    fn each_form_is_written_as_its_name_has_it() {
        for (form, sender, recipient) in [
            (RelayForm::NullSender, "<>", "<carol@example.net>"),
            (RelayForm::ForeignToForeign, "<relay-test@example.net>", "<carol@example.net>"),
            (RelayForm::SenderWithoutDomain, "<relay-test>", "<carol@example.net>"),
            (RelayForm::LocalToForeign, "<postmaster@example.org>", "<carol@example.net>"),
            (RelayForm::LiteralToForeign, "<postmaster@[192.0.2.1]>", "<carol@example.net>"),
            (RelayForm::WithoutBrackets, LOCAL, "carol@example.net"),
            (RelayForm::PercentAtLocal, LOCAL, "<carol%example.net@example.org>"),
            (RelayForm::PercentAtLiteral, LOCAL, "<carol%example.net@[192.0.2.1]>"),
            (RelayForm::Percent, LOCAL, "<carol%example.net>"),
            (RelayForm::PercentQuoted, LOCAL, "<\"carol%example.net\">"),
            (RelayForm::Quoted, LOCAL, "<\"carol@example.net\">"),
            (RelayForm::QuotedAtLocal, LOCAL, "<\"carol@example.net\"@example.org>"),
            (RelayForm::QuotedAtLiteral, LOCAL, "<\"carol@example.net\"@[192.0.2.1]>"),
            (RelayForm::TwiceAtLocal, LOCAL, "<carol@example.net@example.org>"),
            (RelayForm::TwiceAtLiteral, LOCAL, "<carol@example.net@[192.0.2.1]>"),
            (RelayForm::Bang, LOCAL, "<example.net!carol>"),
            (RelayForm::BangAtLocal, LOCAL, "<example.net!carol@example.org>"),
            (RelayForm::BangAtLiteral, LOCAL, "<example.net!carol@[192.0.2.1]>"),
            (RelayForm::BangByLocal, LOCAL, "<example.org!carol@example.net>"),
            (RelayForm::SourceRoute, LOCAL, "<@example.org:carol@example.net>"),
            (RelayForm::SourceRouteByLiteral, LOCAL, "<@[192.0.2.1]:carol@example.net>"),
        ] {
            let written = paths(form, "carol@example.net", Some("192.0.2.1")).unwrap();
            assert_eq!(written, (sender.to_owned(), recipient.to_owned()), "{form:?}");
        }
        let written = paths(RelayForm::BangAtLiteral, "carol@example.net", Some("2001:db8::1"));
        assert_eq!(written.unwrap().1, "<example.net!carol@[IPv6:2001:db8::1]>");
        let written = paths(RelayForm::Quoted, "\"a b\"@example.net", None);
        assert_eq!(written.unwrap().1, "<\"a b@example.net\">");
    }

    #[test]
    fn without_an_address_there_are_no_literals() {
        let missing = RelayForm::ALL.iter().filter(|form| paths(**form, "a@b", None).is_none());
        assert!(missing.clone().all(|form| form.name().contains("literal")));
        assert_eq!(missing.count(), 6);
    }

    #[test]
    fn there_are_sixteen_at_least_and_each_is_itself() {
        let names: HashSet<_> = RelayForm::ALL.iter().map(|form| form.name()).collect();
        assert_eq!(names.len(), RelayForm::ALL.len());
        let written: HashSet<_> =
            RelayForm::ALL.iter().filter_map(|form| paths(*form, "a@b.c", Some("::1"))).collect();
        assert_eq!(written.len(), RelayForm::ALL.len());
        assert!(written.len() >= 16);
    }

    const LOCAL: &str = "<postmaster@example.org>";
}
