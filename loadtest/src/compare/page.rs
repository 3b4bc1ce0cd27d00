//! The page: verdicts, charts, and every measurement as it was printed. One file, nothing from
//! elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::chart::{Bar, Series, bars, figure, lines, picture};
use super::charts::{Chart, Curve, Points};
use super::run::{self, Measured};
use super::{Bound, Outcome, Verdict};

/// Colours, and how charts look in them: on the page and in a picture.
const CHART_STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f1a17; --soft: #6d635c; --paper: #faf8f5; --card: #fff; --line: #e4ddd6;
  --good: #2a8a57; --bad: #c2410c; --c0: #c2410c; --c1: #1d6fb8; --c2: #8a8178; --c3: #2a8a57; --c4: #8e44ad; --c5: #b8860b;
  --c6: #0f8b8d; --c7: #b83280; }
@media (prefers-color-scheme: dark) { :root { --ink: #f2ece6; --soft: #a79c93; --paper: #14110f; --card: #1f1b18;
  --line: #3a332e; --good: #55c98a; --bad: #ff9354; --c0: #ff9354; --c1: #6db4f2; --c2: #9d938a; --c3: #55c98a; --c4: #c58ae0;
  --c5: #e0b64d; --c6: #4fc9cb; --c7: #f08fc0; } }
.paper { fill: var(--card); } .title { font-size: 17px; font-weight: 600; fill: var(--ink); }
.grid { stroke: var(--line); } .tick { font-size: 12px; fill: var(--soft); } .label { font-size: 13px; fill: var(--soft); }
.bound { stroke: var(--ink); stroke-width: 2; }
polyline { fill: none; stroke-width: 2.5; } .key { font-size: 13px; font-weight: 600; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); } .s6 { stroke: var(--c6); } .s7 { stroke: var(--c7); }
.k0, circle.s0 { fill: var(--c0); } .k1, circle.s1 { fill: var(--c1); } .k2, circle.s2 { fill: var(--c2); }
.k3, circle.s3 { fill: var(--c3); } .k4, circle.s4 { fill: var(--c4); } .k5, circle.s5 { fill: var(--c5); }
.k6, circle.s6 { fill: var(--c6); } .k7, circle.s7 { fill: var(--c7); }
";

/// The page around them.
const STYLE: &str = "
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1040px; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 28px; } h2 { margin: 0 0 8px; font-size: 18px; }
p { margin: 4px 0 12px; color: var(--soft); }
section { margin: 20px 0; padding: 20px; border: 1px solid var(--line); border-radius: 14px; background: var(--card);
  overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 20px; }
.charts section { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
th { color: var(--soft); font-weight: 600; }
.verdict { font-weight: 600; } .met { color: var(--good); fill: var(--good); }
.missed { color: var(--bad); fill: var(--bad); } .absent { color: var(--soft); }
svg { display: block; width: 100%; height: auto; }
summary { cursor: pointer; font-weight: 600; } code { font-size: 13px; } details { margin: 8px 0; }
";

/// The whole page.
pub(super) fn page(outcomes: &[Outcome], measured: &[Measured], charts: &[Chart]) -> String {
    let count = |verdict| outcomes.iter().filter(|o| o.verdict() == verdict).count();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Fanfare, measured" }
                style { (PreEscaped(CHART_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Fanfare, measured" }
                p {
                    (run::machine()) ". Server on one core, clients on another; figures are medians of rounds that take turns. "
                    (count(Verdict::Met)) " rows met, " (count(Verdict::Missed)) " missed, "
                    (count(Verdict::Absent)) " absent."
                }
                (verdicts(outcomes))
                div.charts {
                    @for (title, chart) in drawn(measured, charts) { section { h2 { (title) } (chart) } }
                    (by_unit(outcomes))
                }
                section { h2 { "Every measurement" } @for one in measured { (details(one)) } }
            }
        }
    };
    page.into_string() + "\n"
}

fn verdicts(outcomes: &[Outcome]) -> Markup {
    let shown = |value: Option<f64>| value.map_or(String::from("–"), figure);
    let percent = |spread: f64| format!("{spread:.0} %");
    html! {
        section {
            h2 { "The table" }
            table {
                tr { @for name in ["row", "found", "bound", "", "spread", "before"] { th { (name) } } }
                @for outcome in outcomes {
                    @let verdict = outcome.verdict().as_str();
                    tr {
                        td { (outcome.row.title) }
                        td { (shown(outcome.figure)) " " (outcome.row.unit) }
                        td { (outcome.row.bound.to_string()) }
                        td class={ "verdict " (verdict) } { (verdict) }
                        td { (outcome.spread.map_or(String::from("–"), percent)) }
                        td { (shown(outcome.before)) }
                    }
                }
            }
        }
    }
}

/// The charts that are meant to be shown elsewhere, as one file.
pub(super) fn pictured(measured: &[Measured], charts: &[Chart]) -> String {
    let shown: Vec<_> = charts.iter().filter(|chart| chart.is_pictured).collect();
    let drawn: Vec<_> = shown
        .into_iter()
        .flat_map(|chart| drawn(measured, std::slice::from_ref(chart)))
        .collect();
    picture(&drawn, CHART_STYLE)
}

/// Charts by their titles, as far as there is something to draw.
fn drawn(measured: &[Measured], charts: &[Chart]) -> Vec<(&'static str, Markup)> {
    charts
        .iter()
        .filter_map(|chart| {
            let series = chart.curves.iter().map(|curve| series(measured, curve));
            let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
            Some((chart.title, lines(&series, chart.axes)?))
        })
        .collect()
}

fn series(measured: &[Measured], curve: &Curve) -> Series {
    let found = |name: &str| measured.iter().find(|measured| measured.name == name);
    let points = match curve.points {
        Points::Of(points) => points
            .iter()
            .filter_map(|&(place, name)| Some((place, found(name)?.pick(curve.at, curve.column)?)))
            .collect(),
        Points::Along(name, x) => found(name)
            .and_then(|measured| measured.runs.first())
            .map_or_else(Vec::new, |rows| {
                run::pick_all(rows, curve.at, x, curve.column)
            }),
    };
    Series {
        name: curve.name.to_owned(),
        points,
    }
}

/// Bars of what has the same unit.
fn by_unit(outcomes: &[Outcome]) -> Markup {
    let mut units: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !units.contains(&outcome.row.unit) {
            units.push(outcome.row.unit);
        }
    }
    let drawn = |unit: &&str| {
        let of_unit = outcomes.iter().filter(|outcome| outcome.row.unit == *unit);
        let all = of_unit.filter_map(|outcome| {
            let (Bound::AtMost(bound) | Bound::AtLeast(bound)) = outcome.row.bound;
            Some(Bar {
                name: outcome.row.title.to_owned(),
                figure: outcome.figure?,
                bound,
                is_met: outcome.verdict() == Verdict::Met,
            })
        });
        bars(&all.collect::<Vec<_>>(), unit)
    };
    html! {
        @for unit in &units {
            @if let Some(chart) = drawn(unit) {
                section { h2 { "In " (unit) } (chart) p { "The mark is the bound." } }
            }
        }
    }
}

fn details(measured: &Measured) -> Markup {
    html! {
        details {
            summary { (measured.name) }
            p { code { (measured.command) } }
            @for stolen in &measured.stolen {
                p { "The machine's host gave " (format!("{stolen:.0}")) " % of its time to others." }
            }
            @for line in measured.notes.iter().chain(&measured.problem) { p { (line) } }
            @for rows in &measured.runs {
                @if let Some(first) = rows.first() {
                    table {
                        tr { @for name in first.keys() { th { (name) } } }
                        @for row in rows { tr { @for value in row.values() { td { (shown(value)) } } } }
                    }
                }
            }
        }
    }
}

/// A cell as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::from("–"),
        value => value.as_f64().map_or_else(|| value.to_string(), figure),
    }
}

#[cfg(test)]
mod tests {
    use super::super::charts::CHARTS;
    use super::super::rows::rows;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_says_what_was_found_and_what_was_not() {
        let measured = Measured {
            name: "fan-out 1000",
            command: String::from("fanfare-loadtest fan-out <x>"),
            notes: vec![String::from("quiet & alone")],
            stolen: vec![12.3],
            runs: vec![vec![
                json!({"driver": "io_uring", "window": 1, "round": "median", "ratio": 1.02,
                    "cpu us/delivery": 2.4, "floor us": 2.35})
                .as_object()
                .cloned()
                .expect("an object"),
            ]],
            problem: None,
        };
        let mut all = rows();
        let (first, second) = (all.next().expect("a row"), all.next().expect("a row"));
        let outcomes = [
            Outcome {
                row: first,
                figure: Some(1.02),
                spread: Some(3.4),
                before: Some(1.5),
            },
            Outcome {
                row: second,
                figure: None,
                spread: None,
                before: None,
            },
        ];
        let html = page(&outcomes, &[measured], &CHARTS);
        for part in [
            "1 rows met, 0 missed, 1 absent",
            "fan-out &lt;x&gt;",
            "quiet &amp; alone",
            "gave 12 % of its time",
            "1.02 × floor",
            "<h2>One event in flight: every delivery is a write</h2>",
            "the kernel alone",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("http"), "nothing comes from elsewhere");
    }
}
