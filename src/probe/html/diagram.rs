//! The conversation as a sequence diagram in SVG: two lifelines, time runs down. Where something
//! stands is decided here and in `scale`; what happened, in `events`; how it looks, in `style.css`.

use std::fmt;
use std::time::Duration;

use super::events::{Event, What, events, not_reached};
use super::markup::Markup;
use super::scale::{Gap, LINE, Scale};
use super::shapes::{Px, Rect};
use super::words::{Took, shortened};
use crate::probe::report::Report;
use crate::wire::{Escaped, Severity};

/// The figure with its legend.
pub(super) fn figure(report: &Report) -> Markup {
    let (events, culprit) = events(report);
    let mut figure = Markup::default();
    if events.is_empty() {
        figure.raw("<p class=\"none\">Nobody was asked anything.</p>");
        return figure;
    }
    // Between an answer and the next question there is next to nothing, which is no measure.
    let waits = events.windows(2).filter_map(|pair| match pair {
        [one, next] if next.is_an_end() => Some(next.at.saturating_sub(one.at)),
        _ => None,
    });
    let scale = Scale::of(waits);
    let mut drawing = Drawing::new(report, scale, culprit);
    for event in &events {
        drawing.event(event);
    }
    let is_cut = drawing.is_cut;
    figure.raw("<figure><div class=\"wide\" tabindex=\"0\" role=\"region\" ");
    figure.raw("aria-labelledby=\"conversation\">");
    figure.piece(drawing.finish(events.len()));
    figure.raw("</div><figcaption>Time runs down to scale, by the measure below the lines; ");
    figure.raw("whatever is too short for its words takes the room of a line. ");
    if is_cut {
        figure.raw("A silence of more than ").text(Took(scale.longest()));
        figure.raw(" is cut where the lines are broken, and its length stands there. ");
    }
    figure.raw("At the right, how long each step took. Point at a line to see it in full.");
    let missing: Vec<_> = not_reached(report).iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        figure.raw(" <b>Not reached:</b> ").text(missing.join(", ")).raw(".");
    }
    figure.raw("</figcaption></figure>");
    figure
}

/// The diagram while it grows downwards.
struct Drawing<'a> {
    report: &'a Report,
    scale: Scale,
    culprit: Option<usize>,
    /// What lies below all else: what goes over TLS.
    ground: Markup,
    under: Markup,
    over: Markup,
    /// The event before, and how far down it stands.
    last: Option<(Duration, f64)>,
    /// Where each step began, by its place in the report.
    began: Vec<Option<(Duration, f64)>>,
    /// From where on it is over TLS.
    secured: Option<f64>,
    /// The last time that was written at the axis.
    told: String,
    is_cut: bool,
}

impl<'a> Drawing<'a> {
    fn new(report: &'a Report, scale: Scale, culprit: Option<usize>) -> Self {
        Self {
            report,
            scale,
            culprit,
            ground: Markup::default(),
            under: Markup::default(),
            over: Markup::default(),
            last: None,
            began: vec![None; report.stages.len()],
            secured: None,
            told: String::new(),
            is_cut: false,
        }
    }

    fn event(&mut self, event: &Event) {
        let y = self.down_to(event);
        let is_culprit = self.culprit == Some(event.step) && event.is_an_end();
        if is_culprit {
            self.mark(y);
        }
        let class = event.class();
        let culprit = if is_culprit { " culprit" } else { "" };
        self.over.open("g", &[("class", &format!("event {class}{culprit}"))]);
        self.title(event);
        match event.what {
            What::Begins => {}
            What::Turn => self.turn(event, y),
            What::Alone => self.alone(event, y),
            What::Says | What::Connects => self.arrow(event, y, true),
            What::Hears(_) | What::Connected => self.arrow(event, y, false),
            What::Secured => self.band(event, y),
            What::Fails | What::Leaves => self.cross(event, y),
        }
        self.over.close("g");
        // The height of an arrow; of words without one, the middle of their letters.
        let height = if event.has_arrow() { y } else { y - 4.0 };
        if event.is_an_end() {
            self.wait(event, y, height);
        }
        if event.what != What::Begins {
            self.time(event.at, height);
        }
    }

    /// How far down this event stands; what was said before stands above it.
    fn down_to(&mut self, event: &Event) -> f64 {
        let y = match self.last {
            None => HEAD + event.room(),
            Some((before, above)) => {
                let wait = event.at.saturating_sub(before);
                let gap = self.scale.gap(wait, event.room());
                if let Gap::Cut(height) = gap {
                    self.silence(above, height, wait);
                }
                above + gap.height()
            }
        };
        self.last = Some((event.at, y));
        // The name of a host is no part of the first step with it.
        let began = self.began.get_mut(event.step).filter(|_| event.what != What::Turn);
        if let Some(began) = began {
            began.get_or_insert((event.at, y));
        }
        y
    }

    fn title(&mut self, event: &Event) {
        self.over.open("title", &[]);
        for (at, line) in event.full.iter().enumerate() {
            if at > 0 {
                self.over.raw("\n");
            }
            self.over.text(line);
        }
        self.over.close("title");
    }

    /// A command, or a reply.
    fn arrow(&mut self, event: &Event, y: f64, is_said: bool) {
        let (from, to) = if is_said { (YOU, SERVER) } else { (SERVER, YOU) };
        let forth = if is_said { 1.0 } else { -1.0 };
        let (start, tip, back) = (from + 4.0 * forth, to - 5.0 * forth, to - 14.0 * forth);
        let over = &mut self.over;
        over.path("shaft", format_args!("M{} {}H{}", Px(start), Px(y), Px(back)));
        let (up, below) = (Px(y - 4.5), Px(y + 4.5));
        let (tip, back) = (Px(tip), Px(back));
        over.path("head", format_args!("M{tip} {}L{back} {up}L{back} {below}z", Px(y)));
        if event.is_negative() {
            over.cross(SERVER, y);
        }
        let text = shortened(&event.text, WIDEST);
        let code = match event.what {
            What::Hears(_) => text.char_indices().nth(3).map_or(text.len(), |(at, _)| at),
            _ => 0,
        };
        let (code, rest) = text.split_at_checked(code).unwrap_or(("", &text));
        over.open("text", &[("x", &Px(INDENT)), ("y", &Px(y - 7.0))]);
        over.element("tspan", &[("class", &"code")], code).text(rest).close("text");
    }

    /// Something that is done on this side alone.
    fn alone(&mut self, event: &Event, y: f64) {
        self.over.circle("dot", YOU, y - 4.0, 4.5);
        self.over.label("words", INDENT, y, shortened(&event.text, WIDEST));
    }

    /// A step that ends with no reply.
    fn cross(&mut self, event: &Event, y: f64) {
        match event.what {
            What::Fails => self.over.cross(YOU, y - 4.0),
            _ => self.over.circle("dot", YOU, y - 4.0, 4.5),
        };
        self.over.label("words", INDENT, y, shortened(&event.text, WIDEST));
    }

    /// The handshake, from its beginning to its end.
    fn band(&mut self, event: &Event, y: f64) {
        let top = self.began(event).map_or(y - LINE, |(_, top)| top).min(y - 24.0) + 3.0;
        let middle = f64::midpoint(y, top);
        let over = &mut self.over;
        let (x, width) = (YOU + 6.0, SERVER - YOU - 12.0);
        over.rect("band", Rect { x, y: top, width, height: y - top, round: 6.0 });
        let lock = "v-3a3.5 3.5 0 0 1 7 0v3m-8.5 0h10v7.5h-10z";
        over.path("lock", format_args!("M{} {}{lock}", Px(INDENT + 2.0), Px(middle - 1.0)));
        over.label("words", INDENT + 18.0, middle + 4.5, shortened(&event.text, WIDEST - 3));
        self.secured = Some(y);
    }

    /// A line across, with the name of who is asked from here on.
    fn turn(&mut self, event: &Event, y: f64) {
        self.end_of_tls(y - LINE);
        let over = &mut self.over;
        over.path("shaft", format_args!("M{} {}H{}", Px(YOU + 4.0), Px(y), Px(SERVER - 4.0)));
        let text = shortened(&event.text, WIDEST);
        over.label("middle", f64::midpoint(YOU, SERVER), y - 7.0, text);
    }

    /// How long this end had to wait.
    fn wait(&mut self, event: &Event, y: f64, height: f64) {
        let Some((since, top)) = self.began(event) else { return };
        let waited = event.at.saturating_sub(since);
        if !waited.is_zero() {
            self.over.label("took", SERVER + 18.0, height + 4.0, Took(waited));
        }
        if event.what == What::Secured {
            return;
        }
        let x = if event.what == What::Alone { YOU } else { SERVER } - 4.0;
        let class = if event.is_bad() { "wait bad" } else { "wait" };
        self.under.rect(class, Rect { x, y: top, width: 8.0, height: y - top, round: 3.0 });
        // What comes next in this step is waited for from here on.
        if let Some(began) = self.began.get_mut(event.step) {
            *began = Some((event.at, y));
        }
    }

    /// The time at the axis, once.
    fn time(&mut self, at: Duration, y: f64) {
        let told = Took(at).to_string();
        if told == self.told {
            return;
        }
        self.over.path("tick", format_args!("M{} {}h6", Px(YOU - 14.0), Px(y)));
        self.over.label("time", YOU - 20.0, y + 4.0, &told);
        self.told = told;
    }

    /// The row of what failed.
    fn mark(&mut self, y: f64) {
        let width = WIDTH - 4.0;
        self.under.rect("row", Rect { x: 2.0, y: y - 24.0, width, height: 35.0, round: 8.0 });
        self.over.label("flag", YOU - 20.0, y - 10.0, "✕ failed");
    }

    /// A silence that is not drawn to scale.
    fn silence(&mut self, above: f64, height: f64, wait: Duration) {
        self.is_cut = true;
        // Above the words of what comes then.
        let middle = above + (height - LINE) / 2.0 + 4.0;
        for x in [YOU, SERVER] {
            let (left, top) = (x - 7.0, middle - 5.0);
            let hole = Rect { x: left, y: top, width: 14.0, height: 8.0, round: 0.0 };
            self.over.rect("hole", hole);
            let from = format_args!("M{} {}l14 -6m-14 14l14 -6", Px(left), Px(middle - 2.0));
            self.over.path("zigzag", from);
        }
        let words = format_args!("silence of {}", Took(wait));
        self.over.label("silence", f64::midpoint(YOU, SERVER), middle + 3.0, words);
    }

    fn end_of_tls(&mut self, bottom: f64) {
        let Some(top) = self.secured.take() else { return };
        let (width, height) = (SERVER - YOU, (bottom - top).max(0.0));
        self.ground.rect("channel", Rect { x: YOU, y: top, width, height, round: 0.0 });
    }

    fn began(&self, event: &Event) -> Option<(Duration, f64)> {
        self.began.get(event.step).copied().flatten()
    }

    fn finish(mut self, count: usize) -> Markup {
        let bottom = self.last.map_or(HEAD, |(_, y)| y) + 22.0;
        self.end_of_tls(bottom);
        let mut svg = Markup::default();
        let attributes: [(_, &dyn fmt::Display); 4] = [
            ("class", &"diagram"),
            ("viewBox", &format!("0 0 {} {}", Px(WIDTH), Px(bottom + LINE + 14.0))),
            ("role", &"img"),
            ("aria-labelledby", &"diagram-title diagram-words"),
        ];
        svg.open("svg", &attributes);
        let server = Escaped::new(self.report.host.as_bytes()).to_string();
        svg.element("title", &[("id", &"diagram-title")], format_args!("You and {server}"));
        let words = format_args!(
            "A sequence diagram of {count} events in {}, from top to bottom. The table of the steps \
             says the same in words.",
            Took(self.report.duration)
        );
        svg.element("desc", &[("id", &"diagram-words")], words);
        svg.piece(self.ground).piece(self.under);
        for x in [YOU, SERVER] {
            let line = format_args!("M{} {}V{}", Px(x), Px(HEAD - 10.0), Px(bottom));
            svg.path("lifeline", line);
        }
        party(&mut svg, YOU, "you");
        party(&mut svg, SERVER, &server);
        svg.piece(self.over);
        // The measure of the scale.
        let (x, top) = (Px(YOU - 14.0), Px(bottom + 6.0));
        svg.path("measure", format_args!("M{x} {top}h8m-4 0v{}m-4 0h8", Px(LINE)));
        let words = format_args!("{} at this scale", Took(self.scale.line()));
        svg.label("time after", YOU + 8.0, bottom + 6.0 + LINE / 2.0 + 4.0, words);
        svg.close("svg");
        svg
    }
}

impl Event {
    /// What its words need above it.
    const fn room(&self) -> f64 {
        match self.what {
            What::Begins => 0.0,
            What::Secured => 28.0,
            What::Turn => LINE + 10.0,
            _ => LINE,
        }
    }

    const fn class(&self) -> &'static str {
        match self.what {
            What::Begins | What::Leaves | What::Turn => "aside",
            What::Alone => "alone",
            What::Says | What::Connects => "says",
            What::Connected | What::Hears(Severity::Completed) => "good",
            What::Hears(Severity::Intermediate) => "onward",
            What::Hears(Severity::Transient) => "later",
            What::Hears(_) | What::Fails => "bad",
            What::Secured => "secured",
        }
    }

    /// Whether it ends what was waited for.
    const fn is_an_end(&self) -> bool {
        !matches!(self.what, What::Turn | What::Begins | What::Says | What::Connects)
    }

    const fn has_arrow(&self) -> bool {
        !matches!(self.what, What::Begins | What::Alone | What::Fails | What::Leaves)
    }

    const fn is_negative(&self) -> bool {
        matches!(self.what, What::Hears(severity) if severity.is_negative())
    }

    const fn is_bad(&self) -> bool {
        self.is_negative() || matches!(self.what, What::Fails)
    }
}

/// A party by its name, on top of its line.
fn party(svg: &mut Markup, at: f64, name: &str) {
    let shown = shortened(name, 26);
    #[allow(clippy::cast_precision_loss, reason = "no more than 26")]
    let width = (shown.chars().count() as f64).mul_add(7.8, 28.0);
    let x = (at - width / 2.0).clamp(2.0, (WIDTH - 2.0 - width).max(2.0));
    svg.open("g", &[("class", &"party")]).element("title", &[], name);
    svg.rect("pill", Rect { x, y: 2.0, width, height: 28.0, round: 14.0 });
    svg.label("middle", x + width / 2.0, 20.5, shown).close("g");
}

const WIDTH: f64 = 820.0;
/// Where the two lifelines are.
const YOU: f64 = 92.0;
const SERVER: f64 = 716.0;
/// Where words begin.
const INDENT: f64 = YOU + 16.0;
/// Below the names of the two.
const HEAD: f64 = 40.0;
/// Characters between the lifelines.
const WIDEST: usize = 76;
