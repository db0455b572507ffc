//! Curves as SVG, small enough to be kept: both axes logarithmic, so that what grows in proportion
//! is a line upwards, and what stays the same a level one.

use std::fmt::Write as _;

pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 52.0;
const COLORS: [&str; 4] = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"];

/// A plot of these curves; `x` and `y` say what is on the axes.
pub(crate) fn svg(title: &str, x: &str, y: &str, curves: &[Curve<'_>]) -> String {
    let all = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let across = decades(all().map(|(x, _)| x));
    let up = decades(all().map(|(_, y)| y));
    let at_x = |x: f64| LEFT + place(x, across) * (WIDTH - LEFT - RIGHT);
    let at_y = |y: f64| HEIGHT - BOTTOM - place(y, up) * (HEIGHT - TOP - BOTTOM);

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#57606a\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\" fill=\"#1f2328\">{title}</text>\n"
    );
    for decade in across.0..=across.1 {
        let x = at_x(10f64.powi(decade));
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        writeln!(
            out,
            "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#d8dee4\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            power(decade),
        )
        .unwrap();
    }
    for decade in up.0..=up.1 {
        let y = at_y(10f64.powi(decade));
        let right = WIDTH - RIGHT;
        writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#d8dee4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            power(decade),
        )
        .unwrap();
    }
    let middle = HEIGHT / 2.0;
    writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>\
         <text transform=\"translate(16 {middle}) rotate(-90)\" text-anchor=\"middle\">{y}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 14.0,
    )
    .unwrap();
    for (number, (curve, color)) in curves.iter().zip(COLORS).enumerate() {
        let mut path = String::new();
        for (at, (x, y)) in curve.points.iter().enumerate() {
            let step = if at == 0 { 'M' } else { 'L' };
            write!(path, "{step}{:.1} {:.1}", at_x(*x), at_y(*y)).unwrap();
            let (x, y) = (at_x(*x), at_y(*y));
            writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>")
                .unwrap();
        }
        writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{color}\">{}</text>",
            WIDTH - RIGHT - 6.0,
            TOP + 16.0 * (number as f64 + 1.0),
            curve.name,
        )
        .unwrap();
    }
    out + "</svg>\n"
}

/// The powers of ten that all lie between: two at least.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min).floor() as i32;
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil() as i32;
    // Room above the highest curve, for the names.
    (least, most.max(least) + 1)
}

fn place(value: f64, (least, most): (i32, i32)) -> f64 {
    (value.log10() - f64::from(least)) / f64::from(most - least)
}

fn power(decade: i32) -> String {
    match decade {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        2 => "100".to_owned(),
        3 => "1,000".to_owned(),
        4 => "10,000".to_owned(),
        5 => "100,000".to_owned(),
        decade => format!("10<tspan dy=\"-5\" font-size=\"9\">{decade}</tspan>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_drawn_within() {
        let points = vec![(1.0, 30.0), (10_000.0, 3_000_000.0)];
        let text = svg("t", "x", "y", &[Curve { name: "here", points }]);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains(">here</text>") && text.contains("<tspan"));
        let mut circles = 0;
        for circle in text.split("<circle ").skip(1) {
            let number = |name: &str| -> f64 {
                let rest = circle.split_once(name).unwrap().1;
                rest.split('"').next().unwrap().parse().unwrap()
            };
            assert!((LEFT..=WIDTH - RIGHT).contains(&number("cx=\"")));
            assert!((TOP..=HEIGHT - BOTTOM).contains(&number("cy=\"")));
            circles += 1;
        }
        assert_eq!(circles, 2);
    }
}
