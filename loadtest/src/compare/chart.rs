//! Charts as inline SVG: lines over a logarithmic axis, bars beside their bound. Values in, markup
//! out.
//!
//! Colours are classes of the page's style, so that a chart is light or dark with it: why this is
//! not left to a library that writes colours into the picture.

use maud::{Markup, PreEscaped, html};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Places on both axes, ascending on the horizontal one; all above 0.
    pub(super) points: Vec<(f64, f64)>,
}

/// One bar: a figure, and the bound that is drawn as a mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) figure: f64,
    pub(super) bound: f64,
    pub(super) is_met: bool,
}

/// What makes a file of its own out of a picture.
const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// How a chart of lines is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axes {
    /// Whether the vertical axis is logarithmic as well; it begins at 0 otherwise.
    pub(super) is_log: bool,
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
/// What labels need on each side.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 44.0;
/// How wide a letter of a legend is, about.
const LETTER: f64 = 7.2;
/// Lines that have a colour of their own; those beyond begin again.
pub(super) const COLOURS: usize = 8;
const BAR: f64 = 26.0;
/// Where the bars begin: beside their names.
const BARS_LEFT: f64 = 340.0;

/// A figure as people read it: three digits that count.
pub(super) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() {
        grouped
    } else {
        format!("{grouped}.{rest}")
    }
}

/// Round numbers that divide an axis from 0 to at least `most`.
fn ticks(most: f64) -> Vec<f64> {
    let rough = most / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps
        .into_iter()
        .map(|step| step * power)
        .find(|&step| step >= rough)
        .unwrap_or(10.0 * power);
    let mut ticks = vec![0.0];
    while ticks.last().is_some_and(|&last| last < most) {
        ticks.push(ticks.len() as f64 * step);
    }
    ticks
}

/// Powers of ten from below `least` to above `most`, at least two.
fn decades(least: f64, most: f64) -> Vec<f64> {
    let mut decades = vec![10f64.powf(least.log10().floor())];
    while decades.len() < 2 || decades.last().is_some_and(|&last| last < most) {
        decades.push(decades[0] * 10f64.powf(decades.len() as f64));
    }
    decades
}

/// Where values stand on the vertical axis.
struct Vertical {
    ticks: Vec<f64>,
    is_log: bool,
}

impl Vertical {
    fn over(values: impl Iterator<Item = f64> + Clone, is_log: bool) -> Self {
        let most = values.clone().fold(0.0, f64::max);
        let least = values.fold(f64::INFINITY, f64::min);
        let ticks = if is_log {
            decades(least, most)
        } else {
            ticks(most)
        };
        Self { ticks, is_log }
    }

    fn place(&self, value: f64) -> f64 {
        let (first, last) = (
            self.ticks.first().copied().unwrap_or(0.0),
            self.ticks.last().copied().unwrap_or(1.0),
        );
        let share = if self.is_log {
            (value / first).ln() / (last / first).ln()
        } else {
            value / last
        };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// A place in a picture, in tenths.
fn at(place: f64) -> String {
    format!("{place:.1}")
}

/// Lines over a logarithmic horizontal axis; nothing if there is no point.
pub(super) fn lines(series: &[Series], axes: Axes) -> Option<Markup> {
    let points = || series.iter().flat_map(|series| &series.points);
    let mut places: Vec<f64> = points().map(|point| point.0).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let (&least, &most) = (places.first()?, places.last()?);
    let lowest = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    if least <= 0.0 || lowest <= 0.0 {
        return None;
    }
    let vertical = Vertical::over(points().map(|point| point.1), axes.is_log);
    let span = (most / least).ln().max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (value / least).ln() / span * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| vertical.place(value);
    let mut free_from = 0.0;
    places.retain(|&place| {
        let half = figure(place).len() as f64 * LETTER / 2.0;
        let has_room = x(place) - half >= free_from;
        if has_room {
            free_from = x(place) + half + LETTER;
        }
        has_room
    });
    Some(html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (axes.y_label) " over " (axes.x_label) } {
            (frame(&vertical, axes))
            @for &place in &places {
                text.tick x=(at(x(place))) y=(at(HEIGHT - BOTTOM + 18.0)) text-anchor="middle" { (figure(place)) }
            }
            @for (index, Series { name, points }) in series.iter().enumerate() {
                @let class = format!("s{}", index % COLOURS);
                @let path: Vec<String> = points.iter().map(|&(px, py)| at(x(px)) + "," + &at(y(py))).collect();
                polyline class=(class) points=(path.join(" ")) {}
                @for &(px, py) in points {
                    circle class=(class) cx=(at(x(px))) cy=(at(y(py))) r="3.5" {
                        title { (name) ": " (figure(py)) " at " (figure(px)) }
                    }
                }
            }
            (legend(series))
        }
    })
}

/// The vertical axis and both labels.
fn frame(vertical: &Vertical, axes: Axes) -> Markup {
    html! {
        @for &tick in &vertical.ticks {
            @let y = vertical.place(tick);
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at(y)) y2=(at(y)) {}
            text.tick x=(at(LEFT - 8.0)) y=(at(y + 4.0)) text-anchor="end" { (figure(tick)) }
        }
        text.label x=(at(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(at(HEIGHT - 6.0)) text-anchor="middle" { (axes.x_label) }
        text.label x="8" y="16" { (axes.y_label) }
    }
}

/// The names of lines beside their colours, from the right edge.
fn legend(series: &[Series]) -> Markup {
    let mut right = WIDTH - RIGHT;
    let mut place = |name: &str| {
        let place = right;
        right -= name.chars().count() as f64 * LETTER + 14.0;
        place
    };
    html! {
        @for (index, Series { name, .. }) in series.iter().enumerate().rev() {
            text class={ "key k" (index % COLOURS) } x=(at(place(name))) y="16" text-anchor="end" { (name) }
        }
    }
}

/// Charts one beneath the other as a file of its own, with the style it is to have.
pub(super) fn picture(charts: &[(&str, Markup)], style: &str) -> String {
    let each = HEIGHT + 36.0;
    let height = each * charts.len() as f64;
    let svg = html! {
        svg xmlns=(NAMESPACE) viewBox={ "0 0 " (WIDTH) " " (height) } font-family="system-ui, sans-serif" {
            style { (PreEscaped(style)) }
            rect.paper width=(WIDTH) height=(height) rx="14" {}
            @for (index, (title, chart)) in charts.iter().enumerate() {
                @let top = index as f64 * each;
                text.title x="20" y=(at(top + 28.0)) { (title) }
                svg y=(at(top + 36.0)) width=(WIDTH) height=(HEIGHT) { (chart) }
            }
        }
    };
    svg.into_string() + "\n"
}

/// Bars on one axis, each with its bound; nothing if there is none.
pub(super) fn bars(bars: &[Bar], unit: &str) -> Option<Markup> {
    let values = bars.iter().flat_map(|bar| [bar.figure, bar.bound]);
    let most = values.fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let height = bars.len() as f64 * BAR + 8.0;
    let x = |value: f64| BARS_LEFT + value / most * (WIDTH - BARS_LEFT - 110.0);
    Some(html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label={ "figures in " (unit) } {
            @for (index, bar) in bars.iter().enumerate() {
                @let (top, end, bound) = (index as f64 * BAR + 4.0, x(bar.figure), x(bar.bound));
                @let class = if bar.is_met { "met" } else { "missed" };
                text.tick x=(at(BARS_LEFT - 8.0)) y=(at(top + 14.0)) text-anchor="end" { (bar.name) }
                rect class=(class) x=(BARS_LEFT) y=(at(top)) width=(at(end - BARS_LEFT)) height="18" rx="3" {}
                line.bound x1=(at(bound)) x2=(at(bound)) y1=(at(top - 3.0)) y2=(at(top + 21.0)) {}
                text.tick x=(at(end.max(bound) + 6.0)) y=(at(top + 14.0)) { (figure(bar.figure)) " " (unit) }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_count() {
        let cases = [
            (0.2041, "0.204"),
            (1.0, "1.00"),
            (16.04, "16.0"),
            (123.4, "123"),
            (15_000.0, "15,000"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn an_axis_reaches_past_its_highest_point_in_round_steps() {
        assert_eq!(ticks(3.6), [0.0, 1.0, 2.0, 3.0, 4.0]);
        for most in [0.04, 0.2, 1.0, 7.3, 99.0, 1e6] {
            let ticks = ticks(most);
            assert!((3..=6).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.last().is_some_and(|&last| last >= most), "{ticks:?}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let series = Series {
            name: String::from("<b>&\""),
            points: vec![(1.0, 1.0), (10.0, 2.0)],
        };
        let svg = lines(&[series], AXES).expect("it has points");
        assert!(svg.0.contains("&lt;b&gt;&amp;&quot;") && !svg.0.contains("<b>"));
        assert!(lines(&[], AXES).is_none() && bars(&[], "x").is_none());
        assert!(picture(&[("<i>", svg)], "").contains("&lt;i&gt;"));
    }

    const AXES: Axes = Axes {
        is_log: false,
        x_label: "x",
        y_label: "y",
    };

    #[test]
    fn a_logarithmic_axis_has_room_for_all() {
        assert_eq!(decades(3.0, 250.0), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(decades(10.0, 10.0), [10.0, 100.0]);
        let vertical = Vertical::over([3.0, 250.0].into_iter(), true);
        for value in [3.0, 10.0, 250.0] {
            assert!((TOP..=HEIGHT - BOTTOM).contains(&vertical.place(value)));
        }
        assert!(vertical.place(250.0) < vertical.place(3.0), "higher is up");
    }
}
