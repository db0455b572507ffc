//! What an enhanced status code says by itself (RFC 3463, the registry of RFC 5248, and what large
//! providers give out of their own). A code that only names a subject says nothing here.

use super::DiagnosisKind as Kind;
use crate::protocol::Stage;
use crate::wire::{Code, EnhancedCode, Status};

/// The cause, where the status names one.
pub(super) fn kind(enhanced: EnhancedCode, stage: Stage) -> Option<Kind> {
    let is_temporary = enhanced.class() == 4;
    let code = Code::FAILED;
    Some(match enhanced.status() {
        // Servers put it into refusals of a sender that they have looked up, too.
        Status::NO_SUCH_MAILBOX | Status::AMBIGUOUS_RECIPIENT if stage == Stage::Mail => {
            Kind::SenderRefused { code }
        }
        // Whether there is such a mailbox could not be found out.
        Status::NO_SUCH_MAILBOX if is_temporary => return None,
        Status::NO_SUCH_MAILBOX | Status::MAILBOX_MOVED => Kind::UnknownRecipient,
        Status::BAD_DESTINATION => Kind::RecipientDomainUnknown,
        Status::BAD_RECIPIENT_SYNTAX | Status::BAD_SENDER_SYNTAX | Status::AMBIGUOUS_RECIPIENT => {
            Kind::AddressMalformed
        }
        Status::BAD_SENDER => Kind::SenderDomainUnknown,
        Status::RECIPIENT_NULL_MX => Kind::RecipientNullMx,
        Status::MAILBOX_DISABLED => Kind::MailboxDisabled,
        Status::MAILBOX_FULL => Kind::MailboxFull,
        Status::OVER_MAILBOX_LIMIT | Status::OVER_SYSTEM_LIMIT => {
            Kind::MessageTooLarge { limit: None }
        }
        Status::SYSTEM_FULL => Kind::StorageFull,
        Status::NOT_ACCEPTING if is_temporary => Kind::ServerBusy { code },
        Status::NOT_ACCEPTING => Kind::NoMailService,
        Status::MISCONFIGURED
        | Status::HOST_SILENT
        | Status::DIRECTORY_FAILED
        | Status::NO_ROUTE
        | Status::CONGESTED => Kind::ServerTrouble { code },
        Status::ROUTING_LOOP => Kind::RoutingLoop,
        Status::TOO_MANY_RECIPIENTS => Kind::TooManyRecipients,
        // Of AUTH and EHLO the three digits say more than the subject of protocol does.
        Status::BAD_COMMAND | Status::BAD_SYNTAX | Status::BAD_ARGUMENTS
            if matches!(stage, Stage::Greeting | Stage::Ehlo | Stage::Auth) =>
        {
            return None;
        }
        Status::BAD_COMMAND | Status::BAD_SYNTAX => Kind::CommandRefused { stage, code },
        Status::BAD_ARGUMENTS => Kind::ParameterRefused { code },
        Status::NON_ASCII_ADDRESS
        | Status::UTF8_REPLY_NEEDED
        | Status::UTF8_NOT_TRANSFERABLE
        | Status::UTF8_REPLY_NEEDED_TOO => Kind::NotAscii,
        Status::MEDIA_UNSUPPORTED => Kind::AttachmentRefused { link: None },
        Status::CONVERSION_PROHIBITED
        | Status::CONVERSION_UNSUPPORTED
        | Status::CONVERSION_FAILED => Kind::ContentRefused { code, link: None },
        Status::LIST_POSTING_FORBIDDEN => Kind::RecipientRestricted,
        Status::SECURITY_UNSUPPORTED | Status::MECHANISM_TOO_WEAK if stage == Stage::Auth => {
            Kind::MechanismRefused
        }
        Status::BAD_CREDENTIALS => Kind::WrongCredentials,
        Status::ENCRYPTION_NEEDED | Status::ENCRYPTION_REQUIRED => Kind::TlsRequired,
        Status::PASSWORD_TRANSITION => Kind::PasswordExpired,
        Status::ACCOUNT_DISABLED => Kind::AccountLocked,
        Status::NO_PASSING_DKIM | Status::NO_ACCEPTABLE_DKIM | Status::NO_AUTHOR_DKIM => {
            Kind::DkimFailed { link: None }
        }
        Status::SPF_FAILED | Status::SPF_ERROR => Kind::SpfFailed { link: None },
        Status::REVERSE_DNS_FAILED => Kind::NoReverseDns { link: None },
        Status::AUTHENTICATION_CHECKS_FAILED => Kind::SenderUnauthenticated { link: None },
        Status::SENDER_NULL_MX => Kind::SenderNullMx,
        Status::MAIL_FLOOD => Kind::RateLimited { retry_after: None, link: None },
        _ => return provider(enhanced),
    })
}

/// Details beyond the registry, of Exchange Online.
fn provider(enhanced: EnhancedCode) -> Option<Kind> {
    Some(match (enhanced.class(), enhanced.subject(), enhanced.detail()) {
        (5, 7, 57) => Kind::AuthenticationRequired,
        (5, 7, 60) => Kind::SenderNotOwned,
        (5, 7, 54 | 64) => Kind::RelayDenied,
        (5, 7, 124 | 133..=136) => Kind::RecipientRestricted,
        (5, 7, 509) => Kind::DmarcFailed { link: None },
        (5, 7, 515) => Kind::SenderUnauthenticated { link: None },
        (5, 7, 511 | 606..=649) => Kind::Listed { list: None, link: None },
        (5, 7, 705 | 708 | 750) | (4, 7, 650) => {
            Kind::RateLimited { retry_after: None, link: None }
        }
        _ => return None,
    })
}

/// Whether words that say `word` are no contradiction to a status that says `status`, but say more.
pub(super) fn is_refined(status: &Kind, word: &Kind) -> bool {
    let refined = REFINED.iter().find(|(name, _)| *name == status.name());
    refined.is_some_and(|(_, by)| by.contains(&word.name()))
}

/// What a status may leave open, by name.
const REFINED: &[(&str, &[&str])] = &[
    (
        "wrong_credentials",
        &[
            "account_locked",
            "app_password_required",
            "auth_disabled",
            "auth_throttled",
            "auth_failed",
            "password_expired",
            "mechanism_refused",
            "token_refused",
            "tls_required",
        ],
    ),
    ("mechanism_refused", &["app_password_required", "account_locked", "tls_required"]),
    ("unknown_recipient", &["mailbox_disabled", "recipient_domain_unknown"]),
    ("recipient_domain_unknown", &["unknown_recipient", "recipient_null_mx"]),
    ("mailbox_disabled", &["rate_limited", "mailbox_full", "unknown_recipient"]),
    ("mailbox_full", &["rate_limited"]),
    ("sender_refused", &["sender_domain_unknown", "sender_not_owned", "sender_null_mx"]),
    ("sender_unauthenticated", &["spf_failed", "dkim_failed", "dmarc_failed"]),
    (
        "server_busy",
        &[
            "too_many_connections",
            "greylisted",
            "rate_limited",
            "listed",
            "storage_full",
            "server_trouble",
        ],
    ),
    ("no_mail_service", &["listed", "client_refused", "too_many_connections"]),
    (
        "server_trouble",
        &["storage_full", "routing_loop", "server_busy", "unknown_recipient", "rate_limited"],
    ),
    ("storage_full", &["too_many_recipients", "mailbox_full"]),
    ("rate_limited", &["auth_throttled", "too_many_connections", "listed", "spam_refused"]),
    ("too_many_recipients", &["rate_limited"]),
    (
        "command_refused",
        &[
            "client_too_early",
            "too_many_errors",
            "parameter_refused",
            "address_malformed",
            "not_ascii",
            "client_name_refused",
            "message_malformed",
        ],
    ),
    ("parameter_refused", &["address_malformed", "client_name_refused", "not_ascii"]),
    ("authentication_required", &["tls_required", "relay_denied"]),
    ("attachment_refused", &["virus_found", "content_refused"]),
    (
        "content_refused",
        &["spam_refused", "virus_found", "attachment_refused", "message_malformed"],
    ),
    ("address_malformed", &["not_ascii", "parameter_refused"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_alone_and_unknown_details_name_no_cause() {
        for text in
            ["5.0.0", "5.1.0", "4.2.0", "5.7.0", "5.7.1", "4.7.1", "5.1.64", "5.999.1", "5.7.999"]
        {
            for stage in Stage::ALL {
                assert_eq!(kind(text.parse().unwrap(), *stage), None, "{text} at {stage}");
            }
        }
    }

    #[test]
    fn the_stage_and_the_class_tell_apart_what_the_status_does_not() {
        let name = |text: &str, stage| kind(text.parse().unwrap(), stage).map(|kind| kind.name());
        assert_eq!(name("5.1.1", Stage::Rcpt), Some("unknown_recipient"));
        assert_eq!(name("5.1.1", Stage::Mail), Some("sender_refused"));
        assert_eq!(name("4.1.1", Stage::Rcpt), None);
        assert_eq!(name("5.3.2", Stage::Greeting), Some("no_mail_service"));
        assert_eq!(name("4.3.2", Stage::Greeting), Some("server_busy"));
        assert_eq!(name("5.5.2", Stage::Rcpt), Some("command_refused"));
        assert_eq!(name("5.5.2", Stage::Ehlo), None);
        assert_eq!(name("5.7.4", Stage::Auth), Some("mechanism_refused"));
        assert_eq!(name("5.7.4", Stage::Rcpt), None);
    }

    #[test]
    fn each_registered_status_with_a_cause() {
        let named = |text: &str| kind(text.parse().unwrap(), Stage::Rcpt).map(|kind| kind.name());
        for (status, name) in [
            ("5.1.2", "recipient_domain_unknown"),
            ("5.1.3", "address_malformed"),
            ("5.1.7", "address_malformed"),
            ("5.1.8", "sender_domain_unknown"),
            ("5.1.10", "recipient_null_mx"),
            ("5.2.1", "mailbox_disabled"),
            ("4.2.2", "mailbox_full"),
            ("5.2.3", "message_too_large"),
            ("4.3.1", "storage_full"),
            ("5.3.4", "message_too_large"),
            ("4.3.5", "server_trouble"),
            ("4.4.3", "server_trouble"),
            ("5.4.6", "routing_loop"),
            ("5.5.3", "too_many_recipients"),
            ("5.5.4", "parameter_refused"),
            ("5.6.1", "attachment_refused"),
            ("5.6.3", "content_refused"),
            ("5.6.7", "not_ascii"),
            ("5.7.2", "recipient_restricted"),
            ("5.7.8", "wrong_credentials"),
            ("5.7.10", "tls_required"),
            ("5.7.11", "tls_required"),
            ("4.7.12", "password_expired"),
            ("5.7.13", "account_locked"),
            ("5.7.20", "dkim_failed"),
            ("5.7.23", "spf_failed"),
            ("5.7.25", "no_reverse_dns"),
            ("5.7.26", "sender_unauthenticated"),
            ("5.7.27", "sender_null_mx"),
            ("4.7.28", "rate_limited"),
            ("5.7.57", "authentication_required"),
            ("5.7.60", "sender_not_owned"),
            ("5.7.64", "relay_denied"),
            ("5.7.509", "dmarc_failed"),
            ("5.7.606", "listed"),
            ("5.7.708", "rate_limited"),
        ] {
            assert_eq!(named(status), Some(name), "{status}");
        }
    }
}
