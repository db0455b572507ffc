//! Commands, encoded into a buffer that lives on.

use std::hint::black_box;

use bytes::BytesMut;
use ehlo::{
    BodyType, Command, ForwardPath, MailParam, Notify, OriginalRecipient, Param, RcptParam,
    ReturnContent, ReversePath,
};

use super::{Row, Run};

/// Commands in one run.
const COUNT: u64 = 64;

pub(super) fn rows() -> Vec<Row> {
    let row = |name, params: fn() -> Vec<Param>, is_mail, most| {
        Row::new(name, ("command", COUNT), move || encoded(&params(), is_mail))
            .most(most)
            .most_allocations(0.0)
    };
    vec![
        row("MAIL", Vec::new, true, 200.0),
        row("RCPT", Vec::new, false, 200.0),
        row("MAIL with SIZE and BODY", size_and_body, true, 450.0),
        row("MAIL with SIZE, RET and ENVID", size_and_dsn, true, 450.0),
        row("RCPT with NOTIFY and ORCPT", notify, false, 450.0),
    ]
}

fn size_and_body() -> Vec<Param> {
    vec![MailParam::size(123_456).into(), MailParam::body(BodyType::EightBitMime).into()]
}

fn size_and_dsn() -> Vec<Param> {
    vec![
        MailParam::size(123_456).into(),
        MailParam::ret(ReturnContent::Headers).into(),
        MailParam::envid(&"QQ314159".parse().expect("an identifier")).into(),
    ]
}

fn notify() -> Vec<Param> {
    let original: OriginalRecipient =
        OriginalRecipient::of(&"bob@example.net".parse().expect("a path")).expect("ASCII");
    vec![RcptParam::notify(Notify::FAILURE).into(), RcptParam::orcpt(&original).into()]
}

fn encoded(params: &[Param], is_mail: bool) -> Run {
    let sender: ReversePath = "joe.bloggs@example.org".parse().expect("a path");
    let recipient: ForwardPath = "bob@mail.example.net".parse().expect("a path");
    let command = if is_mail { Command::mail(sender) } else { Command::rcpt(recipient) };
    let command = command.with_params(params).expect("other keywords").into_owned();
    let mut out = BytesMut::with_capacity(1024);
    Box::new(move || {
        for _ in 0..COUNT {
            out.clear();
            black_box(&command).encode(&mut out);
            black_box(out.len());
        }
    })
}
