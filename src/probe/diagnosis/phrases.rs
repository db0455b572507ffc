//! What servers write, and what they mean by it: the table. Rows are held against a text in their
//! order, and the first that fits counts; so what is special stands before what is general.

use super::DiagnosisKind as Kind;
use crate::protocol::Stage;
use crate::wire::Code;

/// Phrases that mean the same.
#[derive(Debug)]
pub(super) struct Row {
    /// At these stages; at any where there is none.
    pub(super) at: &'static [Stage],
    pub(super) when: When,
    /// One of them is enough. Of a phrase with ` + ` in it every part has to be there; a phrase may
    /// end inside a word, unless a space ends it.
    pub(super) phrases: &'static [&'static str],
    /// What is meant. Its fields are filled from the reply.
    pub(super) kind: Kind,
    /// Who writes so.
    #[cfg_attr(not(test), allow(dead_code, reason = "for those who read the table"))]
    pub(super) from: &'static str,
}

/// To which refusals a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Any,
    /// 4yz.
    Later,
    /// 5yz.
    Never,
    /// 5yz with X.4.1: nobody answers for it.
    NoAnswer,
    /// 5yz, where neither status nor code say more than that it is not allowed.
    NotAllowed,
    /// 4yz with X.7.0, X.7.1 or no status, where the code says no more: it may be greylisting, and
    /// is a guess.
    PutOff,
}

impl When {
    /// Whether such words say so little that a status or a code counts for more.
    pub(super) const fn is_weak(self) -> bool {
        matches!(self, Self::NotAllowed | Self::PutOff)
    }
}

const fn any(kind: Kind, from: &'static str, phrases: &'static [&'static str]) -> Row {
    Row { at: &[], when: When::Any, phrases, kind, from }
}

const fn at(
    at: &'static [Stage],
    kind: Kind,
    from: &'static str,
    phrases: &'static [&'static str],
) -> Row {
    Row { at, when: When::Any, phrases, kind, from }
}

const fn later(kind: Kind, from: &'static str, phrases: &'static [&'static str]) -> Row {
    Row { at: &[], when: When::Later, phrases, kind, from }
}

const fn never(kind: Kind, from: &'static str, phrases: &'static [&'static str]) -> Row {
    Row { at: &[], when: When::Never, phrases, kind, from }
}

/// The table.
#[rustfmt::skip]
pub(super) static PHRASES: &[Row] = &[
    // Who spoke out of turn.
    any(Kind::ClientTooEarly, "Exim", &["synchronization error", "synchronisation error"]),
    any(Kind::ClientTooEarly, "smtp-server", &["you talk too soon"]),
    any(Kind::ClientTooEarly, "Postfix", &["improper command pipelining", "improper use of smtp command pipelining"]),
    any(Kind::ClientTooEarly, "OpenSMTPD", &["pipelining not supported"]),
    any(Kind::ClientTooEarly, "Sendmail, qpsmtpd, Haraka", &["pre greeting traffic", "early talker", "earlytalker", "not wait for the banner", "spoke before", "talking before"]),
    any(Kind::ClientTooEarly, "postscreen", &["protocol error "]),

    // Other protocols.
    at(EHLO, Kind::NotSmtp { protocol: Some("FTP") }, "vsftpd, ProFTPD, Pure-FTPd", &["login with user and pass", "please login with user", "not logged in", "you aren t logged in", "you arent logged in"]),

    // TLS first.
    any(Kind::TlsRequired, "Postfix, Gmail, Exim", &["starttls command first", "starttls first", "starttls is required", "starttls required", "issue a starttls"]),
    any(Kind::TlsRequired, "Exchange, OpenSMTPD, Haraka", &["tls required", "tls is required", "requires tls", "must use tls", "only over tls", "not sent over tls", "require tls"]),
    any(Kind::TlsRequired, "Dovecot, Postfix", &["plaintext authentication disallowed", "session encryption is required", "encryption required", "encryption is required", "requires encryption", "secure connection required", "non secure ssl"]),
    any(Kind::TlsRequired, "smtp-server", &["requiretls not permitted on non tls"]),

    // AUTH.
    any(APP_PASSWORD, "Gmail, iCloud, Yahoo, Zoho", &["application specific password", "app specific password", "app password", "app specific passwords"]),
    at(AUTH, AUTH_DISABLED, "Exchange Online", &["smtpclientauthentication is disabled", "basic authentication is disabled", "security defaults policy", "did not meet the criteria to be authenticated"]),
    at(AUTH, AUTH_DISABLED, "mailcow, Zoho, Migadu", &["smtp access is disabled", "smtp access disabled", "smtp is disabled", "smtp disabled", "auth is disabled", "smtp auth disabled"]),
    at(AUTH, Kind::AccountLocked, "Dovecot, Exchange, Yahoo", &["account is locked", "account locked", "account has been locked", "account is disabled", "account disabled", "account has been disabled", "user disabled", "account suspended", "account is suspended", "account has been suspended", "user is locked", "account is temporarily locked", "account is blocked"]),
    at(AUTH, Kind::AccountLocked, "Gmail", &["log in via your web browser", "login via your web browser", "log in with your web browser"]),
    at(AUTH, AUTH_THROTTLED, "Gmail, Postfix, Exim, Dovecot", &["too many login", "too many failed", "too many auth", "too many invalid login", "authentication rate limit", "login attempts", "authentication throttled", "too many wrong"]),
    at(AUTH, Kind::PasswordExpired, "Exchange, Dovecot", &["password expired", "password has expired", "password transition", "change your password", "expired password"]),
    at(AUTH, Kind::AuthUnavailable, "Postfix, Dovecot, Exim", &["temporary authentication failure", "temporarily unavailable", "internal authentication", "temporary internal", "authentication service", "authentication server"]),
    at(AUTH, Kind::MechanismRefused, "Postfix with Cyrus, with Dovecot", &["no mechanism available", "invalid authentication mechanism"]),
    at(AUTH, Kind::MechanismRefused, "Exim, Dovecot, OpenSMTPD, aiosmtpd, smtp-server, Exchange", &["mechanism not supported", "unsupported authentication mechanism", "unrecognized authentication type", "unrecognised authentication type", "auth method", "unknown mechanism", "mechanism is too weak", "authentication type not supported"]),
    at(AUTH, Kind::AuthNotOffered, "Exim, others", &["auth command used when not advertised", "auth not enabled", "auth not available", "authentication not enabled", "authentication is not enabled", "auth not supported", "authentication not supported"]),
    at(AUTH, command(Stage::Auth), "all", &["already authenticated", "no identity changes permitted", "mail transaction in progress", "not permitted in mail transaction"]),
    at(AUTH, Kind::AuthFailed, "Dovecot, Exim, aiosmtpd, smtp-server", &["base64", "authentication aborted", "authentication cancelled", "auth aborted", "another step is needed", "initial data not expected", "invalid userdata", "split auth value"]),
    at(AUTH, Kind::AuthThrottled { retry_after: None }, "Postfix", &["too many errors"]),
    at(AUTH, Kind::WrongCredentials, "all", &["authentication failed", "authentication failure", "incorrect authentication data", "username and password not accepted", "bad credentials", "invalid credentials", "credentials invalid", "authentication unsuccessful", "invalid login", "incorrect username or password", "login failed", "invalid user", "bad username or password", "invalid username", "authentication rejected", "authentication credentials", "login denied", "wrong password", "incorrect password", "username or password"]),

    // Who may not write here; before what speaks of authentication at large.
    any(Kind::RecipientRestricted, "Exchange", &["resolver.rst", "sendernotauthenticatedforgroup", "senderrestriction"]),

    // SPF, DKIM, DMARC.
    any(DMARC, "Gmail, Exchange Online, OpenDMARC, Rspamd", &["dmarc"]),
    any(UNAUTHENTICATED, "Gmail, Yahoo", &["sender is unauthenticated", "spf and dkim both", "either spf or dkim", "authentication checks", "unauthenticated email", "neither spf nor dkim"]),
    any(DKIM, "Gmail, Yahoo, OpenDKIM", &["dkim"]),
    any(SPF, "Postfix policyd-spf, Exim, Gmail, Fastmail", &["spf ", "sender policy framework", "is not allowed to send mail from", "not permitted sender", "not authorized to send from"]),

    // Who may not be: reverse DNS and the client's name.
    any(NO_PTR, "Postfix", &["cannot find your reverse hostname", "cannot find your hostname"]),
    any(NO_PTR, "Gmail, Exim, Sendmail, T-Online, GMX", &["reverse dns", "reverse lookup", "reverse hostname", "rdns ", "ptr record", "ptr records", "ptr ", "no ptr", "ip name lookup failed", "fcrdns", "forward confirmed"]),
    any(client_name(), "Postfix", &["helo command rejected", "need fully qualified hostname"]),
    any(client_name(), "Exim", &["syntactically invalid ehlo", "syntactically invalid helo"]),
    any(client_name(), "Exchange, Sendmail, qmail, Haraka", &["invalid helo", "invalid ehlo", "helo name", "ehlo name", "bad helo", "bad ehlo", "bogus helo", "helo argument", "ehlo argument", "helo hostname", "ehlo hostname", "helo host", "host name is invalid", "requires domain", "bare ip in helo", "helo domain", "ehlo domain"]),
    at(EHLO, client_name(), "OpenSMTPD, Dovecot", &["invalid domain name", "missing hostname", "invalid hostname", "hostname required", "fully qualified"]),

    // Put off on purpose.
    later(GREYLISTED, "Postgrey, milter-greylist, Rspamd, Exim", &["greylist", "graylist", "grey list", "gray list", "come back in"]),
    any(GREYLISTED, "postscreen", &["service currently unavailable + try again"]),
    Row { at: ENVELOPE, when: When::Later, phrases: &["service currently unavailable"], kind: GREYLISTED, from: "postscreen" },

    // Too many at a time.
    any(TOO_MANY_CONNECTIONS, "Postfix, Exim, Sendmail, Exchange, Yahoo", &["too many connections", "too many concurrent", "too many simultaneous", "concurrent connection", "concurrent server connection", "too many sessions", "too many smtp sessions", "connection limit", "connection rate", "maximum number of connections", "maximum concurrent", "too many open connections", "too frequent connects"]),
    any(TOO_MANY_CONNECTIONS, "postscreen", &["all server ports are busy"]),

    // Lists and reputation.
    any(LISTED, "Postfix, Exim, Sendmail", &["blocked using", "rejected using", "is listed at", "is listed in", "is listed on", "is listed by", "listed at", "is listed", "found in dnsbl", "in dnsbl", "blacklist", "black list", "blocklist", "block list", "blocked list", "block listed", "denylist", "deny list", "dnsbl", "rbl ", "rbls "]),
    any(LISTED, "lists by name", &["spamhaus", "barracuda", "spamcop", "sorbs", "uceprotect", "abusix", "backscatterer", "cloudmark", "pphosted", "proofpoint"]),
    any(LISTED, "Exchange Online, Outlook.com", &["banned sending ip", "s3140", "s3150", "ip address is banned", "blocked sending ip"]),
    any(LISTED, "Gmail, Cisco, T-Online, Yahoo, AOL", &["poor reputation", "bad reputation", "low reputation", "no reputation", "ip reputation", "reputation"]),
    any(LISTED, "GMX, Yahoo, Comcast", &["ip address is blocked", "ip is blocked", "your ip has been blocked", "has been blocked due to", "blocked for spam", "blocked for abuse", "open relay", "dynamic ip", "dynamic address", "dynamically assigned", "residential ip", "blocked ip", "messages from + permanently deferred"]),

    // No service for anybody.
    at(GREETING, Kind::NoMailService, "RFC 7504", &["does not accept mail", "does not accept email", "accepts no mail", "no mail here", "no smtp service", "no mail service", "not a mail server", "never accepts mail", "does not accept incoming"]),

    // Too much, too fast.
    any(RATE_LIMITED, "Gmail", &["unusual rate", "at a rate that", "sending limit", "sending quota", "daily user sending"]),
    any(RATE_LIMITED, "Yahoo, AOL", &["unexpected volume", "temporarily deferred due to", "tss04", "tss09"]),
    any(RATE_LIMITED, "Postfix, Exim, cPanel, Rspamd, Exchange Online", &["rate limit", "ratelimit", "rate limited", "rate exceeded", "too many messages", "too many mails", "too many emails", "too much mail from", "too many recipients from", "too many new", "too many commands from", "sending rate", "message rate", "throttl", "too fast", "slow down", "emails per hour", "messages per hour", "mails per hour", "max emails", "hourly limit", "daily limit", "sending threshold", "submission quota", "exceeded + threshold"]),
    any(RATE_LIMITED, "Exchange Online", &["traffic not accepted from this ip", "access denied please try again later"]),

    // Relaying, and logging in before it.
    any(Kind::RelayDenied, "Postfix, Sendmail, Exim, Exchange", &["relay access denied", "relaying denied", "relay not permitted", "relay denied", "relaying not allowed", "relaying is not allowed", "unable to relay", "not permitted to relay", "not allowed to relay", "do not relay", "relaying prohibited", "no relaying", "relay is denied", "relay access", "relaying not permitted", "relay prohibited", "relaying mail", "relay not allowed", "relaying to", "relaying from", "relay is not"]),
    any(Kind::RelayDenied, "qmail", &["rcpthosts"]),
    any(Kind::RelayDenied, "Exchange Online", &["tenantattribution", "non accepted domain"]),
    any(Kind::AuthenticationRequired, "Postfix, Dovecot, Exchange, Courier", &["authentication required", "authentication is required", "authentication needed", "client was not authenticated", "client not authenticated", "must authenticate", "need to authenticate", "please authenticate", "auth required", "authenticate first", "log in first", "login first", "smtp auth", "must be authenticated", "not authenticated", "unauthenticated senders", "requires authentication", "authenticate before", "check your mail first", "without authentication"]),

    // The sender. Words for its domain come before those for it.
    any(Kind::SenderNullMx, "Postfix", &["sender address rejected + nullmx", "sender + null mx"]),
    any(Kind::RecipientNullMx, "Postfix, Exim", &["nullmx", "null mx", "domain does not accept mail"]),
    any(Kind::SenderDomainUnknown, "Postfix", &["sender address rejected + domain not found", "sender address rejected + malformed dns"]),
    any(Kind::SenderDomainUnknown, "Sendmail", &["domain of sender address"]),
    any(Kind::SenderDomainUnknown, "Exim, qmail, Rspamd", &["sender domain + does not exist", "sender domain + not found", "sender domain must exist", "sender domain + mx", "sender domain + resolve", "domain of sender does not exist", "sender domain is", "invalid sender domain", "domain does not resolve"]),
    any(Kind::SenderNotOwned, "Postfix, Exchange, Gmail", &["not owned by user", "permissions to send as", "sendasdenied", "not allowed to send as", "not permitted to send as", "not authorized to send as", "send as this sender", "sender address must match", "sender does not match", "sender address does not match", "not logged in as owner", "not allowed to use this sender"]),
    any(Kind::RecipientDomainUnknown, "Postfix", &["recipient address rejected + domain not found", "recipient address rejected + malformed dns"]),
    at(RCPT, Kind::RecipientDomainUnknown, "Exim, Sendmail", &["unrouteable mail domain", "unroutable mail domain", "unrouteable domain", "unroutable domain", "domain not found", "host unknown", "no such domain", "domain does not exist", "name or service not known"]),
    at(MAIL, Kind::SenderDomainUnknown, "Exim, Sendmail", &["unrouteable mail domain", "domain not found", "no such domain", "domain does not exist", "does not resolve", "host not found", "dns error"]),

    // Room, of the server and of a mailbox.
    any(Kind::StorageFull, "Postfix, Sendmail, Exchange, Exim", &["insufficient system storage", "insufficient system resources", "insufficient disk space", "insufficient storage", "no space left", "disk full", "disk is full", "low on disk", "space shortage", "not enough space", "out of disk"]),
    any(Kind::MailboxFull, "Postfix, Dovecot, Exim, Gmail, Exchange", &["over quota", "overquota", "quota exceeded", "quota is exceeded", "exceeded quota", "exceeds quota", "exceed quota", "exceed the quota", "exceeded its quota", "exceeded his", "exceeded their", "mailbox full", "mailbox is full", "mailbox for + is full", "inbox is full", "inbox full", "out of storage", "mailbox quota", "storage quota", "quota full", "over their quota", "over the quota", "over his quota", "mailbox has exceeded", "mailbox size limit", "quotaexceeded", "account is full"]),

    // The mail's size and build.
    any(Kind::TooManyRecipients, "Postfix, Exim, Exchange", &["too many recipients", "too many rcpt", "recipient limit", "recipients limit", "maximum number of recipients", "recipients exceeded"]),
    any(Kind::TooManyErrors, "Postfix, Exim, Dovecot, aiosmtpd, smtp-server", &["too many errors", "too many syntax or protocol errors", "too many unrecognized commands", "too many unrecognised commands", "too many invalid commands", "too many nonmail commands", "too many bad commands", "too many unknown commands", "too many protocol errors", "too many non mail commands"]),
    any(TOO_LARGE, "Postfix, Exim, Exchange, Dovecot, aiosmtpd", &["message size exceeds", "message exceeds", "exceeds fixed maximum", "exceeds size limit", "size limit", "message too big", "message too large", "message is too big", "message is too large", "message file too big", "too much mail data", "message length exceeds", "exceeds the maximum size", "chunk exceeds", "message exceeded", "maximum message size", "mail too large", "message size limit", "too big for system"]),
    any(Kind::RoutingLoop, "Postfix, Sendmail, OpenSMTPD, Exchange", &["too many hops", "loop detected", "routing loop", "mail loop", "hop count", "loops back to myself", "mail for + loops"]),
    at(CONTENT, Kind::LineTooLong, "aiosmtpd, OpenSMTPD, Exim", &["line too long", "lines too long", "line length", "line exceeds", "too long line", "maximum allowed line"]),
    any(Kind::VirusFound, "amavis, ClamAV, Exim, Gmail", &["virus", "malware", "infected", "trojan", "clamav"]),
    any(ATTACHMENT, "amavis, Gmail, Exchange", &["attachment", "potential security issue", "file type", "file extension", "executable", "banned name", "reject + banned", "mime type"]),
    any(Kind::MessageMalformed, "OpenSMTPD, Gmail, Exim, Rspamd", &["rfc 2822", "rfc 5322", "rfc 822", "rfc2822", "rfc5322", "rfc822", "missing header", "header missing", "from header", "from headers", "date header", "message id header", "missing message id", "missing date", "missing from", "required header", "required headers", "header not crlf", "malformed header", "header syntax", "message header"]),
    any(Kind::MessageMalformed, "Postfix, Sendmail, Exim", &["bare lf", "bare newline", "bare linefeed", "bare line feed", "bare carriage return", "bare cr ", "bare received"]),
    at(CONTENT, SPAM, "Rspamd, SpamAssassin, amavis, Gmail, Exchange Online", &["spam", "unsolicited", "junk", "gtube", "bulk mail", "suspicious"]),

    // The recipient.
    at(NOT_AUTH, Kind::MailboxDisabled, "Gmail, Yahoo, Exchange, Dovecot", &["mailbox disabled", "mailbox is disabled", "mailbox is inactive", "mailbox inactive", "account disabled", "account is disabled", "account that you tried to reach is disabled", "account is inactive", "account has been disabled", "user is inactive", "account suspended", "account is suspended", "mailbox suspended", "recipient disabled", "recipient suspended", "user disabled", "no longer active", "not active"]),
    any(Kind::UnknownRecipient, "Exchange Online", &["recipientnotfound", "recipient not found by"]),
    // Postfix says the same with 5.7.1, and means a rule.
    Row { at: &[], when: When::NoAnswer, phrases: &["recipient address rejected access denied"], kind: Kind::UnknownRecipient, from: "Exchange Online" },
    at(NOT_MAIL, Kind::UnknownRecipient, "Postfix, Exim, Sendmail, Dovecot, Gmail, qmail, Yahoo, OpenSMTPD, aiosmtpd", &["user unknown", "unknown user", "no such user", "no such recipient", "no such mailbox", "no such address", "no such person", "user doesnt exist", "user does not exist", "recipient unknown", "unknown recipient", "recipient not found", "recipient does not exist", "user not found", "mailbox not found", "mailbox does not exist", "mailbox doesnt exist", "account does not exist", "tried to reach does not exist", "address does not exist", "email address does not exist", "account not found", "invalid recipient", "no mailbox here", "unknown or illegal alias", "address unknown", "unknown address", "this user doesnt have a", "invalid mailbox", "mailbox unavailable", "mailbox is unavailable", "not our customer", "not a valid mailbox", "unrouteable address", "unroutable address", "undeliverable address", "user is unknown", "recipient is unknown", "unknown mailbox", "bad destination mailbox", "is undeliverable", "user invalid", "addressee unknown", "does not like recipient"]),
    at(RCPT, Kind::RecipientRestricted, "Mailman, Exchange, Google Groups", &["not allowed to post", "not authorized to send to", "only accepts mail from", "permission to send to", "permission to post", "restricted", "members only", "sender not allowed", "does not accept mail from"]),

    // Addresses.
    any(Kind::NotAscii, "Postfix, Dovecot", &["smtputf8", "bad utf 8 syntax", "non ascii", "internationalized"]),
    any(Kind::AddressMalformed, "Postfix, Exim, OpenSMTPD, Dovecot, aiosmtpd", &["bad sender address syntax", "bad recipient address syntax", "address syntax", "malformed address", "must contain a domain", "need fully qualified address", "domain missing or malformed", "missing domain", "domain literals not allowed", "missing at end of address", "missing at end of path", "malformed local part", "missing or malformed", "must have an address", "invalid from", "invalid to ", "invalid address", "expected after", "bad address", "syntax error in address", "syntax error in parameters"]),
    any(Kind::ParameterRefused { code: CODE }, "Postfix, Dovecot, OpenSMTPD, aiosmtpd", &["unsupported option", "unsupported parameter", "parameters not recognized", "unsupported size parameter", "unsupported mail body", "unsupported ret parameter", "message size syntax", "invalid data for body", "parameter syntax", "parameter value", "unknown parameter", "body can only be"]),

    // Nobody can say now whether there is such an address.
    later(Kind::ServerTrouble { code: CODE }, "Postfix", &["unverified address", "unable to verify"]),

    // The sender in general, after all that says more.
    at(NOT_CONTENT, Kind::SenderRefused { code: CODE }, "Postfix, Exim, Haraka", &["sender address rejected", "sender verify failed", "sender rejected", "sender denied", "sender refused", "sender not allowed", "sender is not allowed", "sender blocked", "invalid sender", "bad sender", "mail from + not allowed", "return path"]),

    // The server's own trouble.
    any(Kind::ServerTrouble { code: CODE }, "Postfix", &["temporary lookup failure", "queue file write error", "server configuration error", "server configuration problem", "service unavailable try again later", "internal software error"]),
    any(Kind::ServerTrouble { code: CODE }, "Exim, Sendmail, Dovecot, Exchange", &["temporary local problem", "local error in processing", "local problem", "internal error", "internal server error", "temporary server error", "temporary failure", "temporary system", "temporary error", "milter", "out of memory", "could not complete", "lost connection to relay", "backend", "configuration error", "resources temporarily unavailable", "deadlock", "database"]),
    later(Kind::ServerBusy { code: CODE }, "all", &["server busy", "server is busy", "too busy", "system busy", "service busy", "server too busy", "overload", "load average", "load too high", "system load", "maintenance", "shutting down", "rejecting connections", "queue full"]),
    at(GREETING, Kind::ServerBusy { code: CODE }, "all", &["service not available", "temporarily unavailable", "service unavailable try later", "try again later", "please try later", "temporarily not available"]),

    // Policy without a name, and content without one.
    at(ENTRY, Kind::ClientRefused { code: CODE, link: None }, "Postfix, Exim, Cisco", &["client host rejected", "access denied", "not allowed to connect", "connection refused", "administrative prohibition", "policy", "not welcome", "transaction failed", "you are not allowed", "connection rejected"]),
    at(CONTENT, CONTENT_REFUSED, "Postfix, Exim, amavis", &["content rejected", "message content", "content blocked", "rejected by content", "message rejected", "content policy", "message refused"]),
    never(POLICY, "Postfix, Exim, Exchange", &["client host rejected", "administrative prohibition", "access denied", "administratively"]),
    Row { at: &[], when: When::NotAllowed, phrases: &["policy", "prohibited", "not permitted", "not authorized", "not authorised", "not allowed", "insufficient authorization"], kind: POLICY, from: "many" },

    // Mere promises of another time: greylisting, as often as not.
    Row { at: BEFORE_END, when: When::PutOff, phrases: &["try again", "try later", "deferred", "temporarily", "retry"], kind: GREYLISTED, from: "many" },
];

const CODE: Code = Code::FAILED;
const LISTED: Kind = Kind::Listed { list: None, link: None };
const GREYLISTED: Kind = Kind::Greylisted { retry_after: None };
const RATE_LIMITED: Kind = Kind::RateLimited { retry_after: None, link: None };
const TOO_MANY_CONNECTIONS: Kind = Kind::TooManyConnections { retry_after: None };
const AUTH_THROTTLED: Kind = Kind::AuthThrottled { retry_after: None };
const APP_PASSWORD: Kind = Kind::AppPasswordRequired { link: None };
const AUTH_DISABLED: Kind = Kind::AuthDisabled { link: None };
const DMARC: Kind = Kind::DmarcFailed { link: None };
const DKIM: Kind = Kind::DkimFailed { link: None };
const SPF: Kind = Kind::SpfFailed { link: None };
const UNAUTHENTICATED: Kind = Kind::SenderUnauthenticated { link: None };
const NO_PTR: Kind = Kind::NoReverseDns { link: None };
const TOO_LARGE: Kind = Kind::MessageTooLarge { limit: None };
const SPAM: Kind = Kind::SpamRefused { link: None };
const ATTACHMENT: Kind = Kind::AttachmentRefused { link: None };
const POLICY: Kind = Kind::PolicyRefusal { code: CODE, link: None };
const CONTENT_REFUSED: Kind = Kind::ContentRefused { code: CODE, link: None };

const fn client_name() -> Kind {
    Kind::ClientNameRefused { code: CODE }
}

const fn command(stage: Stage) -> Kind {
    Kind::CommandRefused { stage, code: CODE }
}

const GREETING: &[Stage] = &[Stage::Greeting];
const EHLO: &[Stage] = &[Stage::Ehlo];
const ENTRY: &[Stage] = &[Stage::Greeting, Stage::Ehlo];
const AUTH: &[Stage] = &[Stage::Auth];
const MAIL: &[Stage] = &[Stage::Mail];
const RCPT: &[Stage] = &[Stage::Rcpt];
const ENVELOPE: &[Stage] = &[Stage::Mail, Stage::Rcpt];
const CONTENT: &[Stage] = &[Stage::Data, Stage::Content, Stage::EndOfData];
const BEFORE_END: &[Stage] = &[Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData];
const NOT_CONTENT: &[Stage] = &[Stage::Mail, Stage::Rcpt, Stage::Data];
const NOT_MAIL: &[Stage] =
    &[Stage::Rcpt, Stage::Data, Stage::Content, Stage::EndOfData, Stage::Query];
const NOT_AUTH: &[Stage] =
    &[Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Content, Stage::EndOfData, Stage::Query];
