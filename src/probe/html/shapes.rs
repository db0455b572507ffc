//! The few shapes of SVG that a diagram is made of, each with a class that says what it means.

use std::fmt;

use super::markup::Markup;

/// A rectangle; `round` is the radius of its corners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) round: f64,
}

impl Markup {
    pub(super) fn path(&mut self, class: &'static str, way: fmt::Arguments<'_>) -> &mut Self {
        self.empty("path", &[("class", &class), ("d", &way)])
    }

    pub(super) fn rect(&mut self, class: &'static str, rect: Rect) -> &mut Self {
        let [x, y] = [rect.x, rect.y].map(Px);
        let [width, height, round] = [rect.width, rect.height, rect.round].map(Px);
        let size: [(_, &dyn fmt::Display); 6] = [
            ("class", &class),
            ("x", &x),
            ("y", &y),
            ("width", &width),
            ("height", &height),
            ("rx", &round),
        ];
        self.empty("rect", &size)
    }

    pub(super) fn circle(&mut self, class: &'static str, x: f64, y: f64, radius: f64) -> &mut Self {
        let [x, y, radius] = [x, y, radius].map(Px);
        self.empty("circle", &[("class", &class), ("cx", &x), ("cy", &y), ("r", &radius)])
    }

    /// Words whose line stands at this height.
    pub(super) fn label(
        &mut self,
        class: &'static str,
        x: f64,
        y: f64,
        words: impl fmt::Display,
    ) -> &mut Self {
        self.element("text", &[("class", &class), ("x", &Px(x)), ("y", &Px(y))], words)
    }

    /// A cross in a circle: what failed is not told by colour alone.
    pub(super) fn cross(&mut self, x: f64, y: f64) -> &mut Self {
        self.circle("seal", x, y, 7.5);
        self.path("cross", format_args!("M{} {}l6 6m0 -6l-6 6", Px(x - 3.0), Px(y - 3.0)))
    }
}

/// A length to a tenth of a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Px(pub(super) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_tenth_where_there_is_one() {
        let shown = [0.0, 12.0, 12.04, 12.05, 1e4].map(|px| Px(px).to_string());
        assert_eq!(shown, ["0", "12", "12", "12.1", "10000"]);
    }

    #[test]
    fn a_shape_is_one_element() {
        let mut markup = Markup::default();
        markup.rect("row", Rect { x: 1.0, y: 2.5, width: 3.0, height: 4.0, round: 0.0 });
        markup.label("time", 1.0, 2.0, "<");
        assert_eq!(
            markup.into_string(),
            "<rect class=\"row\" x=\"1\" y=\"2.5\" width=\"3\" height=\"4\" rx=\"0\"/>\
             <text class=\"time\" x=\"1\" y=\"2\">&lt;</text>"
        );
    }
}
