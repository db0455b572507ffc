//! XFORWARD (Postfix): a filter says where a mail came from, for the log alone.
//! The command is in `wire`.
//!
//! ```abnf
//! offer = "XFORWARD" *( SP attribute-name )
//! ```

use super::Extension;
use crate::wire::XforwardName;

/// The server takes XFORWARD, with these attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xforward {
    attributes: Box<str>,
}

impl Xforward {
    /// The names of the attributes, as they were spelled.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.split([' ', '\t']).filter(|name| !name.is_empty())
    }

    /// Whether the server takes this attribute.
    #[must_use]
    pub fn has(&self, name: XforwardName) -> bool {
        self.attributes().any(|offered| offered.eq_ignore_ascii_case(name.as_str()))
    }
}

impl Extension for Xforward {
    const KEYWORD: &'static str = "XFORWARD";

    fn parse(params: &str) -> Option<Self> {
        Some(Self { attributes: params.into() })
    }
}
