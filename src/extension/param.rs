//! Parameters of MAIL and RCPT, and the extension that each needs. That a server offers it is
//! checked by the session, in one place.

use std::fmt;
use std::str::FromStr;

use super::{BinaryMime, BodyType, Capabilities, Chunking, Extension, KNOWN, Known};
use crate::wire::{InvalidValue, Param, Verb};

/// A parameter of MAIL. Each extension has its own constructors.
///
/// ```
/// use ehlo::{BodyType, MailParam};
///
/// assert_eq!(MailParam::size(1000).to_string(), "SIZE=1000");
/// assert_eq!(MailParam::body(BodyType::EightBitMime).to_string(), "BODY=8BITMIME");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailParam(pub(super) Param);

/// A parameter of RCPT. Each extension has its own constructors; a keyword that the crate does
/// not know is a [`Param`](crate::Param) and needs the extension of the same name.
///
/// ```
/// use ehlo::{Param, RcptParam};
///
/// let verbose = RcptParam::from(Param::with_value("XEXAMPLE", "1")?);
/// assert_eq!(verbose.to_string(), "XEXAMPLE=1"); // said where EHLO offers XEXAMPLE
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptParam(pub(super) Param);

/// The two are written alike; that one cannot be given for the other is what they are for.
macro_rules! written_as_param {
    ($($name:ident),+) => {$(
        impl From<Param> for $name {
            fn from(param: Param) -> Self {
                Self(param)
            }
        }

        impl From<$name> for Param {
            fn from(param: $name) -> Self {
                param.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

written_as_param!(MailParam, RcptParam);

/// The EHLO keywords that a parameter needs; one alone is named twice. A keyword that the crate
/// does not know needs the extension of the same name.
pub(crate) fn needed_by(verb: Verb, param: &Param) -> [&str; 2] {
    let keyword = param.keyword();
    if is_binary(verb, param) {
        return [BinaryMime::KEYWORD, Chunking::KEYWORD];
    }
    [known(verb, param).map_or(keyword, |known| known.keyword); 2]
}

/// Why a parameter may not be said to a server.
pub(crate) enum Uncovered {
    /// It does not offer this keyword.
    NotOffered(String),
    /// What it offers is not enough, for this reason.
    Refused(String),
}

/// Whether what is offered covers one of the parameters of a command.
pub(crate) fn covers(
    offered: &Capabilities,
    verb: Verb,
    param: &Param,
    all: &[Param],
) -> Result<(), Uncovered> {
    if let (Some(known), false) = (known(verb, param), is_binary(verb, param)) {
        return (known.covers)(offered, param, all);
    }
    match needed_by(verb, param).into_iter().find(|keyword| !offered.has(keyword)) {
        Some(keyword) => Err(Uncovered::NotOffered(keyword.to_owned())),
        None => Ok(()),
    }
}

/// Two extensions together let this be said.
fn is_binary(verb: Verb, param: &Param) -> bool {
    verb == Verb::Mail && BodyType::of(param) == Some(BodyType::BinaryMime)
}

/// The value of a parameter, which may have been built by hand; or why it is none.
pub(super) fn read<T: FromStr<Err = InvalidValue>>(param: &Param) -> Result<T, String> {
    let value = param.value().unwrap_or_default();
    value.parse().map_err(|error: InvalidValue| error.reason().to_owned())
}

fn known(verb: Verb, param: &Param) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        let params = if verb == Verb::Mail { known.mail_params } else { known.rcpt_params };
        params.iter().any(|known| param.is(known))
    })
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::super::capabilities::tests::offered;
    use super::*;

    #[test]
    fn c_049_c_058_each_parameter_names_the_extension_it_needs() {
        let needs = |verb, text: (&str, Option<&str>)| {
            let param = match text {
                (keyword, Some(value)) => Param::with_value(keyword, value),
                (keyword, None) => Param::new(keyword),
            };
            needed_by(verb, &param.unwrap()).map(str::to_owned)
        };
        assert_eq!(needs(Verb::Mail, ("size", Some("1"))), ["SIZE"; 2]);
        assert_eq!(needs(Verb::Mail, ("BODY", Some("8BITMIME"))), ["8BITMIME"; 2]);
        assert_eq!(needs(Verb::Mail, ("BODY", Some("binarymime"))), ["BINARYMIME", "CHUNKING"]);
        assert_eq!(needs(Verb::Mail, ("AUTH", Some("<>"))), ["AUTH"; 2]);
        assert_eq!(needs(Verb::Mail, ("SMTPUTF8", None)), ["SMTPUTF8"; 2]);
        assert_eq!(needs(Verb::Mail, ("XVERP", None)), ["XVERP"; 2]);
        assert_eq!(needs(Verb::Rcpt, ("SIZE", Some("1"))), ["SIZE"; 2]);
    }

    /// One that needs two is not covered by either; what no extension knows is covered by its name.
    #[test]
    fn c_049_a_parameter_is_covered_by_all_that_it_needs() {
        let lacks = |offer: &[&str], verb, text: &str| {
            let param: Param = text.parse().unwrap();
            match covers(&offered(offer), verb, &param, slice::from_ref(&param)) {
                Ok(()) => None,
                Err(Uncovered::NotOffered(keyword)) => Some(keyword),
                Err(Uncovered::Refused(reason)) => Some(reason),
            }
        };
        for (offer, verb, param, lacking) in [
            (&["SIZE"][..], Verb::Mail, "SIZE=1", None),
            (&["8BITMIME"], Verb::Mail, "SIZE=1", Some("SIZE")),
            (&["BINARYMIME", "CHUNKING"], Verb::Mail, "BODY=BINARYMIME", None),
            (&["BINARYMIME", "8BITMIME"], Verb::Mail, "BODY=BINARYMIME", Some("CHUNKING")),
            (&["CHUNKING", "8BITMIME"], Verb::Mail, "BODY=BINARYMIME", Some("BINARYMIME")),
            (&["BINARYMIME", "CHUNKING"], Verb::Mail, "BODY=8BITMIME", Some("8BITMIME")),
            (&["BINARYMIME", "CHUNKING"], Verb::Rcpt, "BODY=BINARYMIME", Some("BODY")),
            (&["X-EXAMPLE"], Verb::Rcpt, "x-example=1", None),
            (&["X-ANOTHER"], Verb::Rcpt, "X-EXAMPLE=1", Some("X-EXAMPLE")),
        ] {
            assert_eq!(lacks(offer, verb, param).as_deref(), lacking, "{param} of {offer:?}");
        }
    }
}
