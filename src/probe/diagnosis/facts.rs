//! What can be taken out of a reply's text: links, the names of block lists, delays and limits.
//! What the text means is not asked here.

use std::time::Duration;

use crate::wire::{EnhancedCode, Reply};

/// What a text holds beside words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) link: Option<String>,
    pub(super) list: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) limit: Option<u64>,
}

impl Facts {
    pub(super) fn of(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let tokens: Vec<&str> = lower.split(is_between_tokens).filter(|t| !t.is_empty()).collect();
        Self {
            link: link(text),
            list: list(&without_addresses(&lower)),
            retry_after: delay(&tokens),
            limit: limit(&tokens),
        }
    }
}

/// The text of a reply in one line, without its codes; no more of it than an administrator would
/// read. What is not UTF-8 becomes U+FFFD.
pub(super) fn text_of(reply: &Reply) -> String {
    let mut text = String::new();
    for line in reply.as_ref().lines() {
        let code = EnhancedCode::parse_prefix(line).map_or(0, |(_, length)| length);
        let line = line.get(code..).unwrap_or(line);
        let room = READ - text.len().min(READ);
        let line = line.get(..room).unwrap_or(line);
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&String::from_utf8_lossy(line));
        if text.len() >= READ {
            break;
        }
    }
    text
}

/// The first link: from `http://` or `https://` to what cannot be in one (RFC 3986 §2), or to what
/// people put after one.
fn link(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let begins = |scheme| lower.match_indices(scheme).map(|(at, scheme)| (at, scheme.len()));
    let mut found: Vec<_> = begins("http://").chain(begins("https://")).collect();
    found.sort_unstable();
    found.into_iter().find_map(|(at, scheme)| {
        let rest = text.get(at..)?;
        let end = rest.find(|c| !is_in_link(c)).unwrap_or(rest.len()).min(LONGEST_LINK);
        let link =
            rest.get(..end)?.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '~']);
        (link.len() > scheme).then(|| link.to_owned())
    })
}

const fn is_in_link(c: char) -> bool {
    matches!(c, '!' | '#'..=';' | '=' | '?'..='Z' | '_' | 'a'..='z' | '~')
        && !matches!(c, '(' | ')')
}

/// A recipient at a provider is not on the provider's list.
fn without_addresses(lower: &str) -> String {
    let tokens = lower.split(' ').filter(|token| !token.contains('@'));
    tokens.collect::<Vec<_>>().join(" ")
}

/// The list that is named by something that is known of it, or else by the host after the words
/// that go before one.
fn list(lower: &str) -> Option<String> {
    let known = LISTS.iter().find(|(sign, _)| lower.contains(sign));
    if let Some((_, name)) = known {
        return Some((*name).to_owned());
    }
    BEFORE_A_ZONE.iter().find_map(|words| {
        let (_, after) = lower.split_once(words)?;
        let token = after.split(is_between_tokens).find(|token| !token.is_empty())?;
        let zone = token.trim_matches(['.', '-']);
        let labels = zone.split('.');
        let is_zone = zone.contains('.')
            && zone.parse::<std::net::IpAddr>().is_err()
            && labels.clone().all(|label| !label.is_empty())
            && zone.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        is_zone.then(|| zone.to_owned())
    })
}

/// `300 seconds`, `5min`, `00:05:00`: after a word that says that it is about coming back.
fn delay(tokens: &[&str]) -> Option<Duration> {
    let anchors = tokens.iter().enumerate().filter(|(_, token)| is_about_again(token));
    anchors.flat_map(|(at, _)| at + 1..at + 1 + REACH).find_map(|at| {
        let token = tokens.get(at)?;
        if let Some(clock) = clock(token) {
            return Some(clock);
        }
        let digits = token.find(|c: char| !c.is_ascii_digit()).unwrap_or(token.len());
        let (number, unit) = token.split_at(digits);
        let number: u64 = number.parse().ok()?;
        // A limit, and no delay: `20 per 60 seconds`.
        if tokens.get(at.wrapping_sub(1)).is_some_and(|before| *before == "per") {
            return None;
        }
        let unit = if unit.is_empty() { tokens.get(at + 1).copied()? } else { unit };
        let seconds = number.checked_mul(unit_in_seconds(unit)?)?;
        (1..=LONGEST_DELAY).contains(&seconds).then(|| Duration::from_secs(seconds))
    })
}

fn is_about_again(token: &str) -> bool {
    matches!(
        token,
        "again" | "retry" | "retrying" | "wait" | "back" | "later" | "defer" | "deferred"
    ) || token.starts_with("greylist")
        || token.starts_with("graylist")
}

/// Hours, minutes and seconds with colons between.
fn clock(token: &str) -> Option<Duration> {
    let parts: Vec<u64> = token.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours @ 0..100, minutes @ 0..60, seconds @ 0..60] = parts[..] else { return None };
    let seconds = hours * 3600 + minutes * 60 + seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn unit_in_seconds(unit: &str) -> Option<u64> {
    Some(match unit.trim_end_matches('.') {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    })
}

/// How many octets are taken: the number after words for a limit.
fn limit(tokens: &[&str]) -> Option<u64> {
    let is_limit = |token: &str| token.starts_with("limit") || token.starts_with("max");
    let words = tokens.iter().enumerate().filter(|(_, token)| is_limit(token));
    words.flat_map(|(at, _)| at + 1..at + 1 + REACH).find_map(|at| {
        let token = tokens.get(at)?.trim_end_matches('.');
        let digits = token.find(|c: char| !c.is_ascii_digit()).unwrap_or(token.len());
        let (number, unit) = token.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let unit = if unit.is_empty() { tokens.get(at + 1).copied().unwrap_or("") } else { unit };
        let octets = number.checked_mul(match unit.trim_end_matches('.') {
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            _ => 1,
        })?;
        (octets >= SMALLEST_LIMIT).then_some(octets)
    })
}

/// Colons and dots stay inside: of clocks, hosts and numbers.
const fn is_between_tokens(c: char) -> bool {
    !matches!(c, '0'..='9' | 'a'..='z' | 'A'..='Z' | '.' | ':' | '-')
}

/// Octets of a reply that are read for words.
const READ: usize = 4096;

/// Octets of a link; browsers take some 2,000.
const LONGEST_LINK: usize = 2000;

/// How far after its word a number is looked for, in words.
const REACH: usize = 6;

/// Queues give up after some days (RFC 5321 §4.5.4.1): what is longer is another number.
const LONGEST_DELAY: u64 = 7 * 86_400;

/// No server takes less than this of a mail (RFC 5321 §4.5.3.1.7 has 64K): a smaller number is
/// another one.
const SMALLEST_LIMIT: u64 = 1000;

/// What stands before a list's zone.
const BEFORE_A_ZONE: [&str; 11] = [
    "blocked using ",
    "rejected using ",
    "blocked by ",
    "listed at ",
    "listed in ",
    "listed on ",
    "listed by ",
    "found in ",
    "blacklisted by ",
    "according to ",
    "in dnsbl ",
];

/// Block lists, and those who keep one for themselves: what a reply has of them, in lower case, and
/// their usual name. Lists of their own come before the providers that use them.
const LISTS: &[(&str, &str)] = &[
    ("spamhaus", "Spamhaus"),
    ("barracuda", "Barracuda"),
    ("sorbs.net", "SORBS"),
    ("sorbs", "SORBS"),
    ("spamcop", "SpamCop"),
    ("uceprotect", "UCEPROTECT"),
    ("abusix", "Abusix"),
    ("proofpoint", "Proofpoint"),
    ("pphosted", "Proofpoint"),
    ("cloudmark", "Cloudmark"),
    ("csi.cloudmark", "Cloudmark"),
    ("talosintelligence", "Cisco Talos"),
    ("senderbase", "Cisco Talos"),
    ("senderscore", "Validity"),
    ("invaluement", "Invaluement"),
    ("ivmsip", "Invaluement"),
    ("psbl.surriel", "PSBL"),
    ("surriel.com", "PSBL"),
    ("abuseat.org", "Spamhaus"),
    ("mailspike", "Mailspike"),
    ("spameatingmonkey", "Spam Eating Monkey"),
    ("junkemailfilter", "Hostkarma"),
    ("manitu.net", "NiX Spam"),
    ("blocklist.de", "blocklist.de"),
    ("dronebl", "DroneBL"),
    ("backscatterer", "Backscatterer"),
    ("gbudb", "GBUdb"),
    ("spfbl", "SPFBL"),
    ("surbl", "SURBL"),
    ("uribl", "URIBL"),
    ("mimecast", "Mimecast"),
    ("trendmicro", "Trend Micro"),
    ("mail-abuse.com", "Trend Micro"),
    ("messagelabs", "Symantec"),
    ("symantec", "Symantec"),
    ("fortiguard", "Fortinet"),
    ("sophos", "Sophos"),
    ("s3140", "Microsoft"),
    ("s3150", "Microsoft"),
    ("sender.office.com", "Microsoft"),
    ("delist.microsoft", "Microsoft"),
    ("microsoft.com", "Microsoft"),
    ("outlook.com", "Microsoft"),
    ("support.google.com", "Google"),
    ("gsmtp", "Google"),
    ("yahoo", "Yahoo"),
    ("[tss", "Yahoo"),
    ("postmaster.aol", "Yahoo"),
    ("gmx.", "GMX"),
    ("t-online", "T-Online"),
    ("icloud", "Apple"),
    ("comcast", "Comcast"),
    ("mail.ru", "Mail.ru"),
    ("yandex", "Yandex"),
];

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[track_caller]
    fn has_link(text: &str, expected: Option<&str>) {
        assert_eq!(Facts::of(text).link.as_deref(), expected, "{text}");
    }

    #[test]
    fn links_end_where_people_end_them() {
        has_link(
            "see https://a.example/x?ip=1.2.3.4&l=de#f.",
            Some("https://a.example/x?ip=1.2.3.4&l=de#f"),
        );
        has_link("(HTTP://a.example/b) x", Some("HTTP://a.example/b"));
        has_link("<https://a.example>", Some("https://a.example"));
        has_link("\"https://a.example/\", x", Some("https://a.example/"));
        has_link("https://a.example/\u{1b}[2J", Some("https://a.example/"));
        has_link("https://a.example/é", Some("https://a.example/"));
        has_link("http:// https://b.example; more", Some("https://b.example"));
        has_link("ftp://a.example http: no", None);
        has_link("javascript:alert(1)", None);
        has_link("https://a.example/'><script>", Some("https://a.example/"));
    }

    #[test]
    fn a_link_is_bounded() {
        let link = Facts::of(&format!("https://{}", "a".repeat(100_000))).link;
        assert_eq!(link.map(|link| link.len()), Some(LONGEST_LINK));
    }

    #[track_caller]
    fn comes_back(text: &str, seconds: Option<u64>) {
        assert_eq!(Facts::of(text).retry_after, seconds.map(Duration::from_secs), "{text}");
    }

    #[test]
    fn delays_in_every_dress() {
        comes_back("Greylisted, please try again in 300 seconds", Some(300));
        comes_back("please come back in 00:04:59", Some(299));
        comes_back("Try again after 5 minutes.", Some(300));
        comes_back("retry in 1 hour", Some(3600));
        comes_back("Greylisting in effect (60s)", Some(60));
        comes_back("wait 2min", Some(120));
        comes_back("try again later, in 1 day", Some(86_400));
    }

    #[test]
    fn other_numbers_are_no_delays() {
        comes_back("try again later", None);
        comes_back("try again; the limit is 20 mails per 60 seconds", None);
        comes_back("exceeded 100 messages in 60 minutes", None);
        comes_back("try again in 0 seconds", None);
        comes_back("try again in 99999999999999999999 seconds", None);
        comes_back("try again in 300000 days", None);
        comes_back("try again, 192.0.2.1 seconds", None);
        comes_back("come back at 99:99:99", None);
    }

    #[track_caller]
    fn is_on(text: &str, list: Option<&str>) {
        assert_eq!(Facts::of(text).list.as_deref(), list, "{text}");
    }

    #[test]
    fn lists_by_their_names_and_by_their_zones() {
        is_on("blocked using zen.spamhaus.org; x", Some("Spamhaus"));
        is_on("blocked by b.barracudacentral.org", Some("Barracuda"));
        is_on("Client host [192.0.2.1] blocked using bl.example.net; x", Some("bl.example.net"));
        is_on("rejected because 192.0.2.1 is listed at rbl.example.com.", Some("rbl.example.com"));
        is_on("<bob@yahoo.com> is listed", None);
        is_on("listed in 192.0.2.1", None);
        is_on("blocked by policy", None);
        is_on("blocked using <script>", None);
        is_on("nothing", None);
    }

    #[test]
    fn limits() {
        let limit = |text: &str| Facts::of(text).limit;
        assert_eq!(limit("message exceeds fixed maximum message size 10485760"), Some(10_485_760));
        assert_eq!(limit("size 45000000 exceeds size limit 35000000 of server"), Some(35_000_000));
        assert_eq!(limit("limit: 25 MB."), Some(25 << 20));
        assert_eq!(limit("maximum is 10M"), Some(10 << 20));
        assert_eq!(limit("limit of 99999999999999999999"), None);
        assert_eq!(limit("limit 18446744073709551615 gb"), None);
        assert_eq!(limit("exceeds limit, see 192.0.2.1"), None);
    }

    #[test]
    fn no_sign_of_a_list_hides_behind_another() {
        for (at, (sign, name)) in LISTS.iter().enumerate() {
            assert_eq!(*sign, sign.to_ascii_lowercase());
            let before = LISTS[..at].iter().find(|(other, _)| sign.contains(other));
            assert!(before.is_none_or(|(_, other)| other == name), "{sign}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_facts_or_none(text: String) {
            let facts = Facts::of(&text);
            if let Some(link) = facts.link {
                prop_assert!(link.bytes().all(|octet| octet.is_ascii_graphic()));
            }
            if let Some(list) = facts.list {
                prop_assert!(list.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' '));
            }
        }
    }
}
