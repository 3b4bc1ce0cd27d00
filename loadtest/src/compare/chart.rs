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

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
/// What labels need on each side.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;
const BAR: f64 = 26.0;
/// Where the bars begin: beside their names.
const BARS_LEFT: f64 = 300.0;

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

/// Lines over a logarithmic horizontal axis. Nothing if there is no point.
pub(super) fn lines(series: &[Series], x_label: &str, y_label: &str) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let xs = || points().map(|point| point.0);
    let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let highest = points().map(|point| point.1).fold(0.0, f64::max);
    if highest <= 0.0 || least <= 0.0 {
        return String::new();
    }
    let ticks = ticks(highest);
    let top = ticks.last().copied().unwrap_or(highest);
    let span = (most / least).ln().max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (value / least).ln() / span * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over {}\">",
        escape(y_label),
        escape(x_label)
    );
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a `String` cannot fail.
        let _ = svg.write_fmt(text);
    };
    for &tick in &ticks {
        let (at, right, label) = (y(tick), WIDTH - RIGHT, figure(tick));
        put(format_args!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        ));
    }
    let mut places: Vec<f64> = xs().collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    for place in places {
        let (at, label) = (x(place), figure(place));
        put(format_args!(
            "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            HEIGHT - BOTTOM + 18.0
        ));
    }
    put(format_args!(
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 6.0,
        escape(x_label)
    ));
    for (index, series) in series.iter().enumerate() {
        let path: Vec<String> = series
            .points
            .iter()
            .map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py)))
            .collect();
        put(format_args!(
            "<polyline class=\"s{index}\" points=\"{}\"/>",
            path.join(" ")
        ));
        for &(px, py) in &series.points {
            let hint = format!("{}: {} at {}", series.name, figure(py), figure(px));
            put(format_args!(
                "<circle class=\"s{index}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}</title></circle>",
                x(px),
                y(py),
                escape(&hint)
            ));
        }
    }
    svg.push_str("</svg>");
    svg.push_str(&legend(series, y_label));
    svg
}

fn legend(series: &[Series], y_label: &str) -> String {
    let mut html = format!("<p class=\"legend\">{}: ", escape(y_label));
    for (index, series) in series.iter().enumerate() {
        let _ = write!(
            html,
            "<span class=\"k{index}\">{}</span> ",
            escape(&series.name)
        );
    }
    html.push_str("</p>");
    html
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
        let svg = lines(&[series], "x", "y");
        assert!(svg.contains("&lt;b&gt;&amp;&quot;") && !svg.contains("<b>"));
        assert_eq!(lines(&[], "x", "y"), "");
        assert_eq!(bars(&[], "x"), "");
    }
}
