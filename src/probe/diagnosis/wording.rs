//! How the table of phrases is held against a text: in lower case, without punctuation, without
//! what strangers chose (addresses, hosts in angle brackets, links).

use super::DiagnosisKind;
use super::phrases::{PHRASES, Row, When};
use crate::protocol::Stage;
use crate::wire::{EnhancedCode, Severity, Status};

/// The first row of the table that fits.
pub(super) fn find(
    text: &str,
    stage: Stage,
    severity: Severity,
    enhanced: Option<EnhancedCode>,
) -> Option<&'static Row> {
    let plain = plain(text);
    PHRASES.iter().find(|row| {
        let here = row.at.is_empty() || row.at.contains(&stage);
        here && row.when.holds(severity, enhanced)
            && row.phrases.iter().any(|phrase| has_all(&plain, phrase))
    })
}

/// Whether the two are of the same kind, whatever their fields.
pub(super) fn is_same(one: &DiagnosisKind, other: &DiagnosisKind) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

impl When {
    fn holds(self, severity: Severity, enhanced: Option<EnhancedCode>) -> bool {
        match self {
            Self::Any => true,
            Self::Later => severity == Severity::Transient,
            Self::Never | Self::NotAllowed => severity == Severity::Permanent,
            Self::NoAnswer => {
                severity == Severity::Permanent
                    && enhanced.is_some_and(|code| code.status() == Status::HOST_SILENT)
            }
            Self::PutOff => {
                severity == Severity::Transient
                    && enhanced.is_none_or(|code| {
                        matches!(code.status(), Status::NOT_AUTHORISED | Status::POLICY)
                    })
            }
        }
    }
}

/// Words in lower case with one space before and after each. Apostrophes are left out, a dot inside
/// a word stays.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 2);
    for token in text.split_ascii_whitespace().filter(|token| !is_anothers(token)) {
        let token = token.to_ascii_lowercase().replace(['\'', '’'], "");
        for word in token.split(|c: char| !c.is_alphanumeric() && c != '.') {
            let word = word.trim_matches('.');
            if !word.is_empty() {
                plain.push(' ');
                plain.push_str(word);
            }
        }
    }
    plain.push(' ');
    plain
}

/// An address, a link, a name in angle brackets: its words are not the server's.
fn is_anothers(token: &str) -> bool {
    token.contains('@') || token.contains("://") || (token.starts_with('<') && token.contains('.'))
}

/// Whether each part of the phrase, between ` + `, stands at the start of a word.
fn has_all(plain: &str, phrase: &str) -> bool {
    phrase.split(" + ").all(|part| {
        let mut found = plain.match_indices(part);
        found.any(|(at, _)| plain.get(..at).is_some_and(|before| before.ends_with(' ')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_plain() {
        assert_eq!(plain("User-Unknown: doesn't (exist)."), " user unknown doesnt exist ");
        assert_eq!(
            plain("RESOLVER.ADR.RecipientNotFound; x"),
            " resolver.adr.recipientnotfound x "
        );
        assert_eq!(plain(""), " ");
    }

    #[test]
    fn what_strangers_chose_is_no_word_of_the_server() {
        for text in [
            "<spam@x.example>:",
            "relay.denied@x",
            "https://greylist.example/spam",
            "<spam.example>",
        ] {
            assert_eq!(plain(text), " ", "{text}");
        }
    }

    #[test]
    fn phrases_begin_where_a_word_does() {
        assert!(has_all(" greylisted now ", "greylist"));
        assert!(has_all(" an rbl says ", "rbl "));
        assert!(!has_all(" a marble ", "rbl "));
        assert!(!has_all(" an rblx ", "rbl "));
        assert!(has_all(" sender refused since domain not found ", "sender + domain not found"));
        assert!(!has_all(" sender refused ", "sender + domain not found"));
    }

    /// A phrase that is not plain can never be found.
    #[test]
    fn phrases_are_plain() {
        for row in PHRASES {
            assert!(!row.phrases.is_empty() && !row.from.is_empty());
            for part in row.phrases.iter().flat_map(|phrase| phrase.split(" + ")) {
                assert_eq!(plain(part).trim(), part.trim(), "{part:?}");
                assert_eq!(part.trim_start(), part);
            }
        }
    }

    /// Every row can be reached: no row before it takes all that it would.
    #[test]
    fn no_phrase_is_hidden_by_a_row_before_it() {
        for (at, row) in PHRASES.iter().enumerate() {
            let stages = if row.at.is_empty() { Stage::ALL } else { row.at };
            for phrase in row.phrases {
                let text = plain(&phrase.replace(" + ", " "));
                let hides = |earlier: &&Row| {
                    let wider = earlier.at.is_empty()
                        || stages.iter().all(|stage| earlier.at.contains(stage));
                    wider
                        && (earlier.when == When::Any || earlier.when == row.when)
                        && earlier.phrases.iter().any(|phrase| has_all(&text, phrase))
                };
                let hidden = PHRASES[..at].iter().find(hides);
                assert!(
                    hidden.is_none(),
                    "{phrase:?} is hidden by {:?}",
                    hidden.map(|row| row.phrases)
                );
            }
        }
    }
}
