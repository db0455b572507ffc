//! One thing without a socket, so many times over: parse, encode, stuff. `bound` is by hand, and
//! does only what cannot be avoided.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

use crate::client::io_mailbox;
use crate::count;

/// Does everything of every row, each some times, in one process: callgrind counts what `measured`
/// does, call by call. Prints how often something was allocated, in the same order.
pub(crate) fn run_all() {
    for row in ROWS {
        for who in row.who {
            let mut task =
                task(row.name, who).unwrap_or_else(|| panic!("{who} has no {}", row.name));
            // What is allocated once and kept is not counted.
            task();
            let calls = count::calls();
            measured(&mut *task);
            println!("{}", count::calls() - calls);
        }
    }
}

/// How often each is done.
pub(crate) const TIMES: usize = 4;

/// The name by which callgrind is told what to count.
// SAFETY: nothing else in this program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ehlo_peers_measured(task: &mut &mut dyn FnMut()) {
    for _ in 0..TIMES {
        task();
    }
}

fn measured(mut task: &mut dyn FnMut()) {
    ehlo_peers_measured(black_box(&mut task));
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// In words, with the unit.
    pub(crate) what: &'static str,
    /// How many units one run of the task has.
    pub(crate) units: usize,
    /// What can do it, this crate first and the bounds last.
    pub(crate) who: &'static [&'static str],
    /// Units at most, of the first and the second of this crate's.
    pub(crate) targets: &'static [(&'static str, f64)],
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "single",
        what: "parse a single-line reply, in a burst",
        units: BURST,
        who: &[
            "ehlo",
            "ehlo-enhanced",
            "ehlo-owned",
            "smtp-proto",
            "lettre",
            "async-smtp",
            "io-smtp",
            "bound",
        ],
        targets: &[("ehlo", 300.0), ("ehlo-owned", 480.0)],
    },
    Row {
        name: "hello",
        what: "parse an EHLO reply of 12 lines",
        units: 1,
        who: &["ehlo", "smtp-proto", "smtp-codec", "lettre", "async-smtp", "io-smtp", "bound"],
        targets: &[("ehlo", 2200.0)],
    },
    Row {
        name: "capabilities",
        what: "a Postfix EHLO reply to typed capabilities",
        units: 1,
        who: &["ehlo", "smtp-proto", "smtp-codec", "lettre", "async-smtp", "io-smtp"],
        targets: &[("ehlo", 3600.0)],
    },
    Row {
        name: "refusal",
        what: "parse a 550 of 5 long lines",
        units: 1,
        who: &["ehlo", "smtp-proto", "lettre", "async-smtp", "io-smtp", "bound"],
        targets: &[("ehlo", 1900.0)],
    },
    Row {
        name: "fragments-64",
        what: "the same in fragments of 64 octets",
        units: 1,
        who: &["ehlo", "smtp-proto", "lettre", "io-smtp"],
        targets: &[],
    },
    Row {
        name: "fragments-7",
        what: "the same in fragments of 7 octets",
        units: 1,
        who: &["ehlo", "smtp-proto", "lettre", "io-smtp"],
        targets: &[],
    },
    Row {
        name: "fragments-1",
        what: "the same octet by octet",
        units: 1,
        who: &["ehlo", "smtp-proto", "lettre", "io-smtp"],
        targets: &[],
    },
    Row {
        name: "mail",
        what: "encode MAIL",
        units: 1,
        who: &["ehlo", "smtp-codec", "lettre", "async-smtp", "io-smtp", "bound"],
        targets: &[("ehlo", 200.0)],
    },
    Row {
        name: "rcpt",
        what: "encode RCPT",
        units: 1,
        who: &["ehlo", "smtp-codec", "lettre", "async-smtp", "io-smtp", "bound"],
        targets: &[("ehlo", 200.0)],
    },
    Row {
        name: "mail-params",
        what: "encode MAIL with SIZE, RET and ENVID",
        units: 1,
        who: &["ehlo", "smtp-codec", "lettre", "async-smtp", "bound"],
        targets: &[("ehlo", 450.0)],
    },
    Row {
        name: "rcpt-params",
        what: "encode RCPT with NOTIFY and ORCPT",
        units: 1,
        who: &["ehlo", "smtp-codec", "lettre", "async-smtp", "bound"],
        targets: &[("ehlo", 450.0)],
    },
    Row {
        name: "text",
        what: "check and stuff 64 KiB of text with few dots, an octet",
        units: CONTENT,
        who: &[
            "ehlo",
            "ehlo-copied",
            "lettre",
            "mail-send",
            "async-smtp",
            "io-smtp",
            "bound",
            "memchr",
            "memcpy",
        ],
        targets: &[("ehlo", 1.6), ("ehlo-copied", 2.6)],
    },
    Row {
        name: "lf",
        what: "normalise 64 KiB of LF lines and stuff, an octet",
        units: CONTENT,
        who: &["ehlo", "ehlo-copied", "bound"],
        targets: &[("ehlo", 2.6)],
    },
    Row {
        name: "dots",
        what: "stuff 64 KiB of lines that are all dots, an octet",
        units: CONTENT,
        who: &["ehlo", "ehlo-copied", "lettre", "mail-send", "async-smtp", "io-smtp", "bound"],
        targets: &[("ehlo", 13.0), ("ehlo-copied", 28.0)],
    },
];

const BURST: usize = 64;
const SINGLE: &str = "250 2.1.5 Ok\r\n";
const HELLO: &str = "250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n\
    250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";
/// Of Postfix as it is installed.
const POSTFIX: &str = "250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n\
    250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
    250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";
const REFUSAL: &str = "550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's\r\n\
    550-5.7.26 DMARC policy. Please contact the administrator of example.org domain if\r\n\
    550-5.7.26 this was a legitimate mail. To learn about the DMARC initiative, go to\r\n\
    550-5.7.26 https://support.example.com/mail/?p=DmarcRejection and read what it says\r\n\
    550 5.7.26 5b1f17b1804b1-431fb-example.14 - gsmtp\r\n";
const CONTENT: usize = 64 * 1024;
const SENDER: &str = "joe.bloggs@example.org";
const RECIPIENT: &str = "bob@mail.example.net";

type Task = Box<dyn FnMut()>;

fn task(row: &str, who: &str) -> Option<Task> {
    match row {
        "single" => single(who),
        "hello" => reply(who, HELLO, HELLO.len()),
        "capabilities" => capabilities(who),
        "refusal" => reply(who, REFUSAL, REFUSAL.len()),
        "fragments-64" => reply(who, REFUSAL, 64),
        "fragments-7" => reply(who, REFUSAL, 7),
        "fragments-1" => reply(who, REFUSAL, 1),
        "mail" => mail(who, &[]),
        "mail-params" => mail(who, &[("SIZE", "123456"), ("RET", "HDRS"), ("ENVID", "QQ314159")]),
        "rcpt" => rcpt(who, &[]),
        "rcpt-params" => {
            rcpt(who, &[("NOTIFY", "SUCCESS,FAILURE"), ("ORCPT", "rfc822;bob@mail.example.net")])
        }
        "text" => {
            let line = "The quick brown fox jumps over the lazy dog, and then once more it does";
            stuff(who, &(format!("{line}\r\n").repeat(99) + ".hidden\r\n"))
        }
        "lf" => {
            stuff(who, "The quick brown fox jumps over the lazy dog, and then once more it does\n")
        }
        "dots" => stuff(who, ".\r\n"),
        _ => None,
    }
}

// Replies.

fn single(who: &str) -> Option<Task> {
    let burst = SINGLE.repeat(BURST);
    Some(match who {
        "ehlo" | "ehlo-enhanced" | "ehlo-owned" => {
            let (is_owned, is_enhanced) = (who == "ehlo-owned", who == "ehlo-enhanced");
            let mut buffer = ehlo_buffer();
            Box::new(move || {
                buffer.extend(black_box(burst.as_bytes()));
                while buffer.next(ehlo::ReplyKind::Other).unwrap() {
                    let reply = buffer.reply().unwrap();
                    if is_owned {
                        black_box(reply.to_reply());
                    } else if is_enhanced {
                        black_box((reply.code(), reply.enhanced()));
                    } else {
                        black_box(reply.code());
                    }
                    buffer.consume();
                }
            })
        }
        "smtp-proto" => {
            let mut parser = smtp_proto::response::parser::ResponseReceiver::default();
            Box::new(move || {
                let mut octets = black_box(burst.as_bytes()).iter();
                for _ in 0..BURST {
                    black_box(parser.parse(&mut octets).unwrap());
                    parser.reset();
                }
            })
        }
        "bound" => Box::new(move || {
            let mut rest = black_box(burst.as_bytes());
            while let Some(end) = memchr::memchr(b'\n', rest) {
                black_box(by_hand(&rest[..=end]));
                rest = &rest[end + 1..];
            }
        }),
        _ => {
            let mut one = reply(who, SINGLE, SINGLE.len())?;
            Box::new(move || (0..BURST).for_each(|_| one()))
        }
    })
}

fn ehlo_buffer() -> ehlo::ReplyBuffer {
    ehlo::ReplyBuffer::new(ehlo::Limits::default(), ehlo::Strictness::default())
}

/// One reply, which comes in pieces of this size.
fn reply(who: &str, text: &'static str, size: usize) -> Option<Task> {
    let is_hello = text == HELLO || text == POSTFIX;
    Some(match who {
        "ehlo" => {
            let kind = if is_hello { ehlo::ReplyKind::Hello } else { ehlo::ReplyKind::Other };
            let mut buffer = ehlo_buffer();
            Box::new(move || {
                for piece in black_box(text.as_bytes()).chunks(size) {
                    buffer.extend(piece);
                    if buffer.next(kind).unwrap() {
                        let reply = buffer.reply().unwrap();
                        black_box((reply.code(), reply.line_count()));
                        buffer.consume();
                    }
                }
            })
        }
        "smtp-proto" if is_hello => Box::new(move || {
            let mut octets = black_box(text.as_bytes()).iter();
            black_box(smtp_proto::EhloResponse::parse(&mut octets).unwrap());
        }),
        "smtp-proto" => Box::new(move || {
            let mut parser = smtp_proto::response::parser::ResponseReceiver::default();
            for piece in black_box(text.as_bytes()).chunks(size) {
                if let Ok(reply) = parser.parse(&mut piece.iter()) {
                    black_box(reply);
                }
            }
        }),
        "smtp-codec" if is_hello => Box::new(move || {
            black_box(
                smtp_codec::parse::response::ehlo_ok_rsp(black_box(text.as_bytes())).unwrap(),
            );
        }),
        // It parses all that it has behind each line.
        "lettre" => Box::new(move || {
            use lettre::transport::smtp::response::Response;

            let mut have = String::with_capacity(100);
            for piece in black_box(text.as_bytes()).chunks(size) {
                for part in piece.split_inclusive(|octet| *octet == b'\n') {
                    have.push_str(std::str::from_utf8(part).unwrap());
                    if have.ends_with('\n') {
                        let _ = black_box(have.parse::<Response>());
                    }
                }
            }
        }),
        "async-smtp" => Box::new(move || {
            use async_smtp::response::Response;

            let mut have = String::with_capacity(100);
            for line in black_box(text).split_inclusive('\n') {
                have.push_str(line);
                let _ = black_box(have.parse::<Response>());
            }
        }),
        "io-smtp" if is_hello => Box::new(move || {
            use io_smtp::rfc5321::SmtpEhloResponse;

            black_box(SmtpEhloResponse::parse(black_box(text.as_bytes())).unwrap());
        }),
        "io-smtp" => Box::new(move || {
            use io_smtp::rfc5321::SmtpResponse;

            let mut have = Vec::new();
            for piece in black_box(text.as_bytes()).chunks(size) {
                have.extend_from_slice(piece);
                if SmtpResponse::is_complete(&have) {
                    let _ = black_box(SmtpResponse::parse(&have));
                }
            }
        }),
        "bound" => Box::new(move || {
            let mut rest = black_box(text.as_bytes());
            while let Some(end) = memchr::memchr(b'\n', rest) {
                black_box(by_hand(&rest[..=end]));
                rest = &rest[end + 1..];
            }
        }),
        _ => return None,
    })
}

/// The code, whether more follows, and the text of a line.
fn by_hand(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_first_chunk::<3>()?;
    let number = code.iter().try_fold(0, |number, octet| {
        octet.is_ascii_digit().then(|| number * 10 + u16::from(octet - b'0'))
    })?;
    let text = rest.strip_suffix(b"\r\n").or_else(|| rest.strip_suffix(b"\n"))?;
    match text.split_first() {
        None => Some((number, false, b"")),
        Some((b' ', text)) => Some((number, false, text)),
        Some((b'-', text)) => Some((number, true, text)),
        Some(_) => None,
    }
}

fn capabilities(who: &str) -> Option<Task> {
    Some(match who {
        "ehlo" => {
            let mut buffer = ehlo_buffer();
            Box::new(move || {
                buffer.extend(black_box(POSTFIX.as_bytes()));
                assert!(buffer.next(ehlo::ReplyKind::Hello).unwrap());
                let offered = black_box(ehlo::Capabilities::parse(buffer.reply().unwrap()));
                black_box((
                    offered.get::<ehlo::Pipelining>(),
                    offered.get::<ehlo::Size>(),
                    offered.get::<ehlo::StartTls>(),
                    offered.get::<ehlo::EightBitMime>(),
                    offered.get::<ehlo::Dsn>(),
                    offered.get::<ehlo::SmtpUtf8>(),
                    offered.get::<ehlo::Chunking>(),
                    offered.get::<ehlo::Auth>(),
                ));
                buffer.consume();
            })
        }
        // Their parsers give capabilities at once.
        "smtp-proto" | "smtp-codec" | "io-smtp" => return reply(who, POSTFIX, POSTFIX.len()),
        // From the reply that is parsed.
        "lettre" => {
            use lettre::transport::smtp::extension::ServerInfo;
            use lettre::transport::smtp::response::Response;

            Box::new(move || {
                let reply: Response = black_box(POSTFIX).parse().unwrap();
                black_box(ServerInfo::from_response(&reply).unwrap());
            })
        }
        "async-smtp" => {
            use async_smtp::extension::ServerInfo;
            use async_smtp::response::Response;

            Box::new(move || {
                let reply: Response = black_box(POSTFIX).parse().unwrap();
                black_box(ServerInfo::from_response(&reply).unwrap());
            })
        }
        _ => return None,
    })
}

// Commands.

type Params = [(&'static str, &'static str)];

fn mail(who: &str, params: &'static Params) -> Option<Task> {
    Some(match who {
        "ehlo" => {
            let sender: ehlo::ReversePath = SENDER.parse().unwrap();
            let given = ehlo_params(params);
            let command = ehlo::Command::mail(&sender).with_params(&given[..]).unwrap();
            let command = command.into_owned();
            encoded(move |out| black_box(&command).encode(out))
        }
        "smtp-codec" => {
            let parameters = codec_params(params);
            let command =
                smtp_codec::types::Command::Mail { reverse_path: SENDER.to_owned(), parameters };
            serialised(command)
        }
        "lettre" => {
            use lettre::transport::smtp::commands::Mail;
            use lettre::transport::smtp::extension::MailParameter;

            let given = params.iter().map(|(keyword, value)| match *keyword {
                "SIZE" => MailParameter::Size(value.parse().unwrap()),
                keyword => {
                    let (keyword, value) = (keyword.to_owned(), Some((*value).to_owned()));
                    MailParameter::Other { keyword, value }
                }
            });
            let command = Mail::new(Some(SENDER.parse().unwrap()), given.collect());
            Box::new(move || drop(black_box(black_box(&command).to_string())))
        }
        "async-smtp" => {
            use async_smtp::commands::MailCommand;
            use async_smtp::extension::MailParameter;

            let sender = async_smtp::EmailAddress::new(SENDER.to_owned()).unwrap();
            let given = params.iter().map(|(keyword, value)| match *keyword {
                "SIZE" => MailParameter::Size(value.parse().unwrap()),
                keyword => {
                    let (keyword, value) = (keyword.to_owned(), Some((*value).to_owned()));
                    MailParameter::Other { keyword, value }
                }
            });
            let command = MailCommand::new(Some(sender), given.collect());
            Box::new(move || drop(black_box(black_box(&command).to_string())))
        }
        "io-smtp" => {
            use io_smtp::rfc5321::mail::SmtpMailCommand;

            let path = io_mailbox(SENDER);
            Box::new(move || {
                let reverse_path = black_box(&path).clone().into();
                let command = SmtpMailCommand { reverse_path, parameters: Vec::new() };
                black_box(Vec::<u8>::from(command));
            })
        }
        "bound" => by_copy(b"MAIL FROM:<", SENDER, params),
        _ => return None,
    })
}

fn rcpt(who: &str, params: &'static Params) -> Option<Task> {
    Some(match who {
        "ehlo" => {
            let recipient: ehlo::ForwardPath = RECIPIENT.parse().unwrap();
            let given = ehlo_params(params);
            let command = ehlo::Command::rcpt(&recipient).with_params(&given[..]).unwrap();
            let command = command.into_owned();
            encoded(move |out| black_box(&command).encode(out))
        }
        "smtp-codec" => {
            let parameters = codec_params(params);
            let command =
                smtp_codec::types::Command::Rcpt { forward_path: RECIPIENT.to_owned(), parameters };
            serialised(command)
        }
        "lettre" => {
            use lettre::transport::smtp::commands::Rcpt;
            use lettre::transport::smtp::extension::RcptParameter;

            let given = params.iter().map(|(keyword, value)| RcptParameter::Other {
                keyword: (*keyword).to_owned(),
                value: Some((*value).to_owned()),
            });
            let command = Rcpt::new(RECIPIENT.parse().unwrap(), given.collect());
            Box::new(move || drop(black_box(black_box(&command).to_string())))
        }
        "async-smtp" => {
            use async_smtp::commands::RcptCommand;
            use async_smtp::extension::RcptParameter;

            let recipient = async_smtp::EmailAddress::new(RECIPIENT.to_owned()).unwrap();
            let given = params.iter().map(|(keyword, value)| RcptParameter::Other {
                keyword: (*keyword).to_owned(),
                value: Some((*value).to_owned()),
            });
            let command = RcptCommand::new(recipient, given.collect());
            Box::new(move || drop(black_box(black_box(&command).to_string())))
        }
        "io-smtp" => {
            use io_smtp::rfc5321::rcpt::SmtpRcptCommand;

            let path = io_mailbox(RECIPIENT);
            Box::new(move || {
                let forward_path = black_box(&path).clone().into();
                let command = SmtpRcptCommand { forward_path, parameters: Vec::new() };
                black_box(Vec::<u8>::from(command));
            })
        }
        "bound" => by_copy(b"RCPT TO:<", RECIPIENT, params),
        _ => return None,
    })
}

fn ehlo_params(params: &Params) -> Vec<ehlo::Param> {
    let param = |(keyword, value): &(&str, &str)| format!("{keyword}={value}").parse().unwrap();
    params.iter().map(param).collect()
}

fn codec_params(params: &Params) -> Vec<smtp_codec::types::Parameter> {
    let param = |(keyword, value): &(&'static str, &'static str)| {
        smtp_codec::types::Parameter::new(*keyword, Some(*value))
    };
    params.iter().map(param).collect()
}

/// Into a buffer that lives on, as that of a connection does.
fn encoded(mut encode: impl FnMut(&mut BytesMut) + 'static) -> Task {
    let mut out = BytesMut::with_capacity(1024);
    Box::new(move || {
        out.clear();
        encode(&mut out);
        black_box(&out[..]);
    })
}

fn serialised(command: smtp_codec::types::Command) -> Task {
    let mut out = Vec::with_capacity(1024);
    Box::new(move || {
        out.clear();
        black_box(&command).serialize(&mut out).unwrap();
        black_box(&out[..]);
    })
}

fn by_copy(verb: &'static [u8], address: &'static str, params: &'static Params) -> Task {
    encoded(move |out| {
        out.extend_from_slice(verb);
        out.extend_from_slice(black_box(address).as_bytes());
        out.extend_from_slice(b">");
        for (keyword, value) in black_box(params) {
            out.extend_from_slice(b" ");
            out.extend_from_slice(keyword.as_bytes());
            out.extend_from_slice(b"=");
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    })
}

// Content.

fn stuff(who: &str, pattern: &str) -> Option<Task> {
    let content: Vec<u8> = pattern.bytes().cycle().take(CONTENT).collect();
    // Whether lines end in LF: what is to be done about it.
    let policy = if pattern.contains('\r') {
        ehlo::LineEndings::Reject
    } else {
        ehlo::LineEndings::Normalize
    };
    // The last line may have been cut; it is made whole.
    let content = whole(content, pattern);
    let mut out = BytesMut::with_capacity(3 * CONTENT);
    Some(match who {
        "ehlo" => Box::new(move || {
            let mut stuffer = ehlo::Stuffer::new(policy, true);
            let mut rest = black_box(&content[..]);
            while !rest.is_empty() {
                let piece = black_box(stuffer.next(rest).unwrap());
                rest = &rest[piece.verbatim + piece.skip..];
            }
            black_box(stuffer.finish().unwrap());
        }),
        "ehlo-copied" => Box::new(move || {
            out.clear();
            let mut stuffer = ehlo::Stuffer::new(policy, true);
            stuffer.stuff_into(black_box(&content), &mut out).unwrap();
            out.extend_from_slice(stuffer.finish().unwrap());
            black_box(&out[..]);
        }),
        "memchr" => Box::new(move || {
            black_box(memchr::memchr(0, black_box(&content)));
        }),
        "memcpy" => Box::new(move || {
            out.clear();
            out.extend_from_slice(black_box(&content));
            black_box(&out[..]);
        }),
        // Without any check.
        "bound" if pattern.contains('\r') => Box::new(move || {
            out.clear();
            let mut rest = black_box(&content[..]);
            while let Some(end) = memchr::memchr(b'\n', rest) {
                if rest[0] == b'.' {
                    out.extend_from_slice(b".");
                }
                out.extend_from_slice(&rest[..=end]);
                rest = &rest[end + 1..];
            }
            out.extend_from_slice(b".\r\n");
            black_box(&out[..]);
        }),
        "bound" => Box::new(move || {
            out.clear();
            let mut rest = black_box(&content[..]);
            while let Some(end) = memchr::memchr(b'\n', rest) {
                if rest[0] == b'.' {
                    out.extend_from_slice(b".");
                }
                out.extend_from_slice(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]));
                out.extend_from_slice(b"\r\n");
                rest = &rest[end + 1..];
            }
            out.extend_from_slice(b".\r\n");
            black_box(&out[..]);
        }),
        "lettre" => {
            use lettre::transport::smtp::client::AsyncSmtpConnection;
            use lettre::transport::smtp::extension::ClientId;

            let stream = Box::new(Canned::default());
            let name = ClientId::Domain("localhost".to_owned());
            let connection = AsyncSmtpConnection::connect_with_transport(stream, &name);
            let mut connection = at_once(connection).unwrap();
            Box::new(move || {
                black_box(at_once(connection.message(black_box(&content))).unwrap());
            })
        }
        "mail-send" => {
            let timeout = Duration::from_secs(300);
            let mut client = mail_send::SmtpClient { stream: Canned::default(), timeout };
            Box::new(move || {
                black_box(at_once(client.write_message(black_box(&content))).unwrap());
            })
        }
        // Its content goes with a mail: some 40,000 instructions of 64 KiB are the envelope.
        "async-smtp" => {
            let address = |text: &str| async_smtp::EmailAddress::new(text.to_owned()).unwrap();
            let to = vec![address(RECIPIENT)];
            let envelope = async_smtp::Envelope::new(Some(address(SENDER)), to).unwrap();
            let stream = BufReader::new(Canned::default());
            let client = async_smtp::SmtpClient::new().pipelining(false);
            let mut transport = at_once(async_smtp::SmtpTransport::new(client, stream)).unwrap();
            Box::new(move || {
                let mail = async_smtp::SendableEmail::new(envelope.clone(), content.clone());
                black_box(at_once(transport.send(mail)).unwrap());
            })
        }
        "io-smtp" => {
            use io_smtp::coroutine::SmtpCoroutine as _;
            use io_smtp::rfc5321::data::SmtpData;

            Box::new(move || {
                let mut data = SmtpData::new(black_box(&content).clone());
                black_box(data.resume(None));
                black_box(data.resume(None));
                black_box(data.resume(Some(b"354 go\r\n")));
            })
        }
        _ => return None,
    })
}

fn whole(mut content: Vec<u8>, pattern: &str) -> Vec<u8> {
    let end = if pattern.contains('\r') { &b"\r\n"[..] } else { b"\n" };
    let at = content.len() - end.len();
    content[at..].copy_from_slice(end);
    if content[at - 1] == b'\r' {
        content[at - 1] = b'.';
    }
    content
}

/// A stream that takes everything, and answers every read with a success of each kind.
#[derive(Debug, Default)]
struct Canned(usize);

impl AsyncRead for Canned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The greeting and EHLO come first; what is checked later is that it is a success.
        self.0 += 1;
        buf.put_slice(b"250 localhost\r\n");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        black_box(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl lettre::transport::smtp::client::AsyncTokioStream for Canned {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 25).into())
    }
}

/// The outcome of what never has to wait.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits"),
    }
}
