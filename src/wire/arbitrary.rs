//! Generators of every value of this folder, for property tests anywhere in the crate.

use std::borrow::Cow;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{
    AbsoluteUri, AddressLiteral, AttributeValue, ClientName, Command, Domain, EtrnNode,
    ForwardPath, Host, InvalidValue, LocalPart, Mailbox, MechanismName, Param, ReversePath, Secret,
    Text, XclientAttribute, XclientName, XforwardAttribute, XforwardName,
};

pub(crate) fn domain() -> impl Strategy<Value = Domain> {
    let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,6}[A-Za-z0-9])?";
    vec(label, 1..5).prop_map(|labels| labels.join(".").parse().unwrap())
}

pub(crate) fn address_literal() -> impl Strategy<Value = AddressLiteral> {
    prop_oneof![
        any::<IpAddr>().prop_map(AddressLiteral::from),
        "\\[x[a-z0-9-]{0,4}[a-z0-9]:[!#-;=?-Z^-~]{1,20}\\]".prop_map(|text| text.parse().unwrap()),
    ]
}

pub(crate) fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        3 => domain().prop_map(Host::from),
        1 => address_literal().prop_map(Host::from),
    ]
}

pub(crate) fn client_name() -> impl Strategy<Value = ClientName> {
    host().prop_map(ClientName::from)
}

/// The bare value of a local part: atoms, text that needs quotes, text beyond ASCII.
pub(crate) fn local_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9.+-]{1,20}", "[ -~]{1,30}", "\\PC{1,15}"]
}

pub(crate) fn mailbox() -> impl Strategy<Value = Mailbox> {
    (local_value(), host()).prop_map(|(value, host)| {
        let local_part = LocalPart::new(&value).unwrap();
        Mailbox::new(&local_part, host).unwrap()
    })
}

pub(crate) fn reverse_path() -> impl Strategy<Value = ReversePath> {
    prop_oneof![
        1 => Just(ReversePath::Null),
        4 => mailbox().prop_map(ReversePath::from),
    ]
}

pub(crate) fn forward_path() -> impl Strategy<Value = ForwardPath> {
    prop_oneof![
        1 => Just(ForwardPath::Postmaster),
        4 => mailbox().prop_map(ForwardPath::from),
    ]
}

pub(crate) fn param() -> impl Strategy<Value = Param> {
    let keyword = "[A-Za-z0-9][A-Za-z0-9-]{0,10}";
    let value = prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        "[0-9]{1,22}",
        "[!-<>-~]{1,20}",
        "[!-<>-~\u{a1}-\u{ff}\u{10a}\u{760d}]{1,20}",
    ];
    (keyword, option::of(value)).prop_map(|(keyword, value)| match value {
        Some(value) => Param::with_value(&keyword, &value).unwrap(),
        None => Param::new(&keyword).unwrap(),
    })
}

/// Parameters of one command: each keyword once.
pub(crate) fn params() -> impl Strategy<Value = Vec<Param>> {
    vec(param(), 0..4).prop_map(|params| {
        let mut unique = Vec::<Param>::new();
        for param in params {
            if !unique.iter().any(|other| other.is(param.keyword())) {
                unique.push(param);
            }
        }
        unique
    })
}

pub(crate) fn text() -> impl Strategy<Value = Text> {
    prop_oneof!["[!-~]([ -~]{0,20}[!-~])?", "[!-~]\\PC{0,12}[!-~]"]
        .prop_map(|text| text.parse().unwrap())
}

pub(crate) fn secret() -> impl Strategy<Value = Secret> {
    vec(any::<u8>(), 0..300).prop_map(Secret::from)
}

pub(crate) fn mechanism() -> impl Strategy<Value = MechanismName> {
    "[A-Za-z0-9_-]{1,20}".prop_map(|name| name.parse().unwrap())
}

pub(crate) fn etrn_node() -> impl Strategy<Value = EtrnNode> {
    prop_oneof![
        domain().prop_map(EtrnNode::Host),
        domain().prop_map(EtrnNode::Subdomains),
        "[!-~]{1,20}".prop_map(|name| EtrnNode::Queue(name.parse().unwrap())),
    ]
}

pub(crate) fn absolute_uri() -> impl Strategy<Value = AbsoluteUri> {
    "[A-Za-z][A-Za-z0-9+.-]{0,6}:([!$&-;=?-Z_a-z~\\[\\]]|%[0-9a-fA-F]{2}){1,20}"
        .prop_map(|uri| uri.parse().unwrap())
}

pub(crate) fn attribute_value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<IpAddr>().prop_map(AttributeValue::from),
        any::<u16>().prop_map(AttributeValue::from),
        Just(AttributeValue::unavailable()),
        Just(AttributeValue::temporarily_unavailable()),
        "\\PC{1,20}".prop_map(|text| text.parse().unwrap()),
        select(vec!["ESMTP", "smtp", "LOCAL", "Remote"]).prop_map(|word| word.parse().unwrap()),
    ]
}

/// Attributes of one command: at least one, each name once, and a value that its name can have.
fn attributes<N, A>(
    names: &'static [N],
    build: impl Fn(N, AttributeValue) -> Result<A, InvalidValue>,
) -> impl Strategy<Value = Vec<A>>
where
    N: Copy + std::fmt::Debug + 'static,
    A: std::fmt::Debug,
{
    let values = vec(attribute_value(), names.len());
    (subsequence(names.to_vec(), 1..=names.len()).prop_shuffle(), values).prop_map(
        move |(names, values)| {
            let built = names.into_iter().zip(values).map(|(name, value)| {
                build(name, value)
                    .unwrap_or_else(|_| build(name, AttributeValue::unavailable()).unwrap())
            });
            built.collect()
        },
    )
}

/// Every command but a raw one, which is read back as what it says.
pub(crate) fn command() -> impl Strategy<Value = Command<'static>> {
    let text = || text().prop_map(Cow::Owned);
    let name = || client_name().prop_map(Cow::Owned);
    prop_oneof![
        name().prop_map(Command::Ehlo),
        name().prop_map(Command::Helo),
        name().prop_map(Command::Lhlo),
        (reverse_path(), params())
            .prop_map(|(path, params)| Command::mail(path).with_params(params).unwrap()),
        (forward_path(), params())
            .prop_map(|(path, params)| Command::rcpt(path).with_params(params).unwrap()),
        Just(Command::Data),
        (any::<u64>(), any::<bool>()).prop_map(|(size, last)| Command::Bdat { size, last }),
        Just(Command::Rset),
        text().prop_map(Command::Vrfy),
        text().prop_map(Command::Expn),
        option::of(text()).prop_map(Command::Help),
        option::of(text()).prop_map(Command::Noop),
        Just(Command::Quit),
        Just(Command::StartTls),
        (mechanism(), option::of(secret()))
            .prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
        extended_command(),
    ]
}

fn extended_command() -> impl Strategy<Value = Command<'static>> {
    prop_oneof![
        etrn_node().prop_map(|node| Command::etrn(node).unwrap()),
        vec(domain(), 0..4).prop_map(Command::atrn),
        (absolute_uri(), any::<bool>()).prop_map(|(uri, last)| Command::burl(uri, last).unwrap()),
        attributes(XclientName::ALL, XclientAttribute::new::<AttributeValue>)
            .prop_map(|attributes| Command::xclient(attributes).unwrap()),
        attributes(XforwardName::ALL, XforwardAttribute::new::<AttributeValue>)
            .prop_map(|attributes| Command::xforward(attributes).unwrap()),
    ]
}
