//! The markup of a page. The one door for what is not written in the source is escaped, and it is the
//! types that say so: tags and the names of attributes are `&'static str`, all else is text.

use std::fmt::{self, Write as _};

use crate::wire::Escaped;

/// A page that grows. What it holds is XML as well, so that any parser can check it.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

/// A name, and a value that is escaped.
pub(super) type Attribute<'a> = (&'static str, &'a dyn fmt::Display);

impl Markup {
    /// What stands in the source, as it stands there.
    pub(super) fn raw(&mut self, ours: &'static str) -> &mut Self {
        self.0.push_str(ours);
        self
    }

    /// Text, which may come from anybody.
    pub(super) fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        // Writing to a string does not fail; a value that cannot show itself shows nothing.
        write!(Text(&mut self.0), "{text}").ok();
        self
    }

    pub(super) fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.begin(tag, attributes).raw(">")
    }

    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.raw("</").raw(tag).raw(">")
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.begin(tag, attributes).raw("/>")
    }

    /// An element with text in it.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        text: impl fmt::Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// Another piece of markup.
    pub(super) fn piece(&mut self, piece: Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn begin(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.raw("<").raw(tag);
        for (name, value) in attributes {
            self.raw(" ").raw(name).raw("=\"").text(value).raw("\"");
        }
        self
    }
}

/// Writes text such that a browser shows it and does nothing else with it.
///
/// Characters of markup become references. What cannot be seen, or would change the order of what is
/// seen, stands as [`Escaped`] has it; a backslash is left alone, since what a server said has been
/// through there before.
struct Text<'a>(&'a mut String);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                ' '..='~' => self.0.push(c),
                // No characters at all, and forbidden in XML.
                '\u{fffe}' | '\u{ffff}' => write!(self.0, "\\u{{{:04x}}}", u32::from(c))?,
                c => write!(self.0, "{}", Escaped::new(c.encode_utf8(&mut [0; 4]).as_bytes()))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(of: &str) -> String {
        let mut markup = Markup::default();
        markup.text(of);
        markup.into_string()
    }

    #[test]
    fn text_is_escaped_exactly_so() {
        for (text_of, escaped) in [
            ("250 ok", "250 ok"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("</svg></title></style>", "&lt;/svg&gt;&lt;/title&gt;&lt;/style&gt;"),
            ("\" onload='x' a=\"&lt;", "&quot; onload=&#39;x&#39; a=&quot;&amp;lt;"),
            ("]]>", "]]&gt;"),
            ("<!-- -->", "&lt;!-- --&gt;"),
            ("\x1b[2J\0\r\n\t\x7f", "\\x1b[2J\\x00\\x0d\\x0a\\x09\\x7f"),
            ("a\u{202e}b\u{2066}c\u{200f}d", "a\\u{202e}b\\u{2066}c\\u{200f}d"),
            ("\u{85}\u{ad}\u{feff}\u{ffff}", "\\u{0085}\\u{00ad}\\u{feff}\\u{ffff}"),
            ("\\x1b", "\\x1b"),
            ("grün 邮件 😀", "grün 邮件 😀"),
        ] {
            assert_eq!(text(text_of), escaped);
        }
    }

    #[test]
    fn elements_nest_and_attributes_are_escaped() {
        let mut markup = Markup::default();
        markup.open("g", &[("class", &"a\"b"), ("x", &1.5)]).element("title", &[], "<");
        markup.empty("path", &[]).close("g");
        let text = markup.into_string();
        assert_eq!(text, "<g class=\"a&quot;b\" x=\"1.5\"><title>&lt;</title><path/></g>");
    }

    proptest! {
        /// Neither as text nor in an attribute is there a character of markup that is not ours.
        #[test]
        fn no_text_becomes_markup(of in any::<String>()) {
            let escaped = text(&of);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped}");
            prop_assert!(!escaped.contains(char::is_control), "{escaped:?}");
            let references = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"];
            let rest = references.iter().fold(escaped, |rest, one| rest.replace(one, ""));
            prop_assert!(!rest.contains('&'), "{rest}");
        }
    }
}
