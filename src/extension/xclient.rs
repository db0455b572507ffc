//! XCLIENT (Postfix): a proxy says on whose behalf it speaks. Postfix offers it to hosts it trusts.
//! The command is in `wire`.
//!
//! ```abnf
//! offer = "XCLIENT" *( SP attribute-name )
//! ```

use super::Extension;
use crate::wire::XclientName;

/// The server takes XCLIENT, with these attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xclient {
    attributes: Box<str>,
}

impl Xclient {
    /// The names of the attributes, as they were spelled.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.split([' ', '\t']).filter(|name| !name.is_empty())
    }

    /// Whether the server takes this attribute.
    #[must_use]
    pub fn has(&self, name: XclientName) -> bool {
        self.attributes().any(|offered| offered.eq_ignore_ascii_case(name.as_str()))
    }
}

impl Extension for Xclient {
    const KEYWORD: &'static str = "XCLIENT";

    fn parse(params: &str) -> Option<Self> {
        Some(Self { attributes: params.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Xforward;
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::XforwardName;

    #[test]
    fn lists_the_attributes_it_takes() {
        let offered = offered(&["XCLIENT NAME addr  PORT X-NEW", "XFORWARD IDENT"]);
        let xclient = offered.get::<Xclient>().unwrap();
        assert_eq!(xclient.attributes().collect::<Vec<_>>(), ["NAME", "addr", "PORT", "X-NEW"]);
        assert!(xclient.has(XclientName::Addr) && !xclient.has(XclientName::Login));
        let xforward = offered.get::<Xforward>().unwrap();
        assert_eq!(xforward.attributes().collect::<Vec<_>>(), ["IDENT"]);
        assert!(xforward.has(XforwardName::Ident) && !xforward.has(XforwardName::Addr));
    }
}
