//! Charts as inline SVG: lines over a logarithmic axis, bars beside their bound. Text in, text out.

use std::fmt::Write as _;

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

/// Text that is safe between tags and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

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

/// Lines over a logarithmic horizontal axis. Nothing if there is no point.
pub(super) fn lines(series: &[Series], axes: Axes) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let xs = || points().map(|point| point.0);
    let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let lowest = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    if points().next().is_none() || least <= 0.0 || lowest <= 0.0 {
        return String::new();
    }
    let vertical = Vertical::over(points().map(|point| point.1), axes.is_log);
    let span = (most / least).ln().max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (value / least).ln() / span * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| vertical.place(value);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over {}\">",
        escape(axes.y_label),
        escape(axes.x_label)
    );
    svg.push_str(&frame(&vertical, axes));
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a `String` cannot fail.
        let _ = svg.write_fmt(text);
    };
    let mut places: Vec<f64> = xs().collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let mut free_from = 0.0;
    for place in places {
        let (at, label) = (x(place), figure(place));
        let half = label.len() as f64 * LETTER / 2.0;
        if at - half < free_from {
            continue;
        }
        free_from = at + half + LETTER;
        put(format_args!(
            "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            HEIGHT - BOTTOM + 18.0
        ));
    }
    for (index, series) in series.iter().enumerate() {
        let colour = index % COLOURS;
        let path: Vec<String> = series
            .points
            .iter()
            .map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py)))
            .collect();
        put(format_args!(
            "<polyline class=\"s{colour}\" points=\"{}\"/>",
            path.join(" ")
        ));
        for &(px, py) in &series.points {
            let hint = format!("{}: {} at {}", series.name, figure(py), figure(px));
            put(format_args!(
                "<circle class=\"s{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{}</title></circle>",
                x(px),
                y(py),
                escape(&hint)
            ));
        }
    }
    svg.push_str(&legend(series));
    svg.push_str("</svg>");
    svg
}

/// The vertical axis and both labels.
fn frame(vertical: &Vertical, axes: Axes) -> String {
    let mut svg = String::new();
    for &tick in &vertical.ticks {
        let (at, right, label) = (vertical.place(tick), WIDTH - RIGHT, figure(tick));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"label\" x=\"8\" y=\"16\">{}</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 6.0,
        escape(axes.x_label),
        escape(axes.y_label)
    );
    svg
}

/// The names of lines beside their colours, from the right edge.
fn legend(series: &[Series]) -> String {
    let mut svg = String::new();
    let mut right = WIDTH - RIGHT;
    for (index, series) in series.iter().enumerate().rev() {
        let colour = index % COLOURS;
        let _ = write!(
            svg,
            "<text class=\"key k{colour}\" x=\"{right:.1}\" y=\"16\" text-anchor=\"end\">{}</text>",
            escape(&series.name)
        );
        right -= series.name.chars().count() as f64 * LETTER + 14.0;
    }
    svg
}

/// Charts one beneath the other as a file of its own, with the style it is to have.
pub(super) fn picture(charts: &[(&str, String)], style: &str) -> String {
    let each = HEIGHT + 36.0;
    let height = each * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"{NAMESPACE}\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\">\
         <style>{style}</style><rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"14\"/>"
    );
    for (index, (title, chart)) in charts.iter().enumerate() {
        let top = index as f64 * each;
        let _ = write!(
            svg,
            "<text class=\"title\" x=\"20\" y=\"{:.1}\">{}</text>\
             <svg y=\"{:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">{chart}</svg>",
            top + 28.0,
            escape(title),
            top + 36.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Bars on one axis, each with its bound. Nothing if there is none.
pub(super) fn bars(bars: &[Bar], unit: &str) -> String {
    let values = bars.iter().flat_map(|bar| [bar.figure, bar.bound]);
    let most = values.fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let height = bars.len() as f64 * BAR + 8.0;
    let x = |value: f64| BARS_LEFT + value / most * (WIDTH - BARS_LEFT - 110.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"figures in {}\">",
        escape(unit)
    );
    for (index, bar) in bars.iter().enumerate() {
        let top = index as f64 * BAR + 4.0;
        let (end, middle) = (x(bar.figure), top + 14.0);
        let class = if bar.is_met { "met" } else { "missed" };
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{BARS_LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"18\" rx=\"3\"/>\
             <line class=\"bound\" x1=\"{b:.1}\" x2=\"{b:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{middle:.1}\">{} {}</text>",
            BARS_LEFT - 8.0,
            escape(&bar.name),
            end - BARS_LEFT,
            top - 3.0,
            top + 21.0,
            end.max(x(bar.bound)) + 6.0,
            figure(bar.figure),
            escape(unit),
            b = x(bar.bound),
        );
    }
    svg.push_str("</svg>");
    svg
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
        let svg = lines(&[series], AXES);
        assert!(svg.contains("&lt;b&gt;&amp;&quot;") && !svg.contains("<b>"));
        assert_eq!(lines(&[], AXES), "");
        assert_eq!(bars(&[], "x"), "");
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
