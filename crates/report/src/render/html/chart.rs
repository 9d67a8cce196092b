//! Charts as inline SVG: shapes stretch with the page, words stand beside them as HTML.

use std::fmt::Write as _;

use maud::{Markup, html as template};

/// One value of a chart, and what it says when pointed at.
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) says: String,
}

/// Inner width and height of every chart; the page stretches it.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

fn most(points: &[Point]) -> f64 {
    points.iter().map(|point| point.value).fold(0.0, f64::max)
}

fn height(value: f64, most: f64) -> f64 {
    if most > 0.0 { (value / most * HEIGHT).clamp(0.0, HEIGHT) } else { 0.0 }
}

/// A line over an area, one point a minute.
pub(super) fn line(points: &[Point], class: &str) -> Markup {
    let top = most(points);
    let step = WIDTH / (points.len().max(2) - 1) as f64;
    let mut path = String::new();
    for (at, point) in points.iter().enumerate() {
        let y = HEIGHT - height(point.value, top);
        let _ = write!(path, "{}{:.1} {y:.1}", if at == 0 { "M" } else { "L" }, at as f64 * step);
    }
    if points.len() == 1 {
        let _ = write!(path, "L{WIDTH:.0} {:.1}", HEIGHT - height(points[0].value, top));
    }
    let area = format!("{path}L{WIDTH:.0} {HEIGHT:.0}L0 {HEIGHT:.0}Z");
    template! {
        svg class=(class) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" {
            @if !points.is_empty() {
                path.area d=(area) {}
                path.stroke d=(path) {}
            }
            line.base x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (at, point) in points.iter().enumerate() {
                rect.probe x=(format!("{:.1}", (at as f64 - 0.5) * step)) y="0"
                    width=(format!("{step:.1}")) height=(HEIGHT) { title { (point.says) } }
            }
        }
    }
}

/// Columns side by side.
pub(super) fn columns(points: &[Point], class: &str) -> Markup {
    let top = most(points);
    let step = WIDTH / points.len().max(1) as f64;
    template! {
        svg class=(class) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" {
            line.base x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (at, point) in points.iter().enumerate() {
                @let tall = height(point.value, top).max(if point.value > 0.0 { 1.5 } else { 0.0 });
                rect.column x=(format!("{:.1}", at as f64 * step + step * 0.08))
                    y=(format!("{:.1}", HEIGHT - tall)) width=(format!("{:.1}", step * 0.84))
                    height=(format!("{tall:.1}")) {}
                rect.probe x=(format!("{:.1}", at as f64 * step)) y="0"
                    width=(format!("{step:.1}")) height=(HEIGHT) { title { (point.says) } }
            }
        }
    }
}

/// A small line without words, for a table.
pub(super) fn spark(values: &[f64]) -> Markup {
    let points: Vec<_> =
        values.iter().map(|value| Point { value: *value, says: String::new() }).collect();
    let top = most(&points);
    let step = WIDTH / (points.len().max(2) - 1) as f64;
    let mut path = String::new();
    for (at, point) in points.iter().enumerate() {
        let y = HEIGHT - height(point.value, top);
        let _ = write!(path, "{}{:.1} {y:.1}", if at == 0 { "M" } else { "L" }, at as f64 * step);
    }
    template! {
        svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            @if points.len() > 1 { path.stroke d=(path) {} }
        }
    }
}

/// A bar that is filled to a share, 0 to 1.
pub(super) fn bar(share: f64, class: &str) -> Markup {
    let filled = format!("{:.2}%", (share * 100.0).clamp(0.0, 100.0));
    template! {
        svg class=(class) aria-hidden="true" {
            rect.track width="100%" height="100%" rx="3" {}
            rect.fill width=(filled) height="100%" rx="3" {}
        }
    }
}

/// A chart with its name, its greatest value, and the ends of its axis.
pub(super) fn figure(name: &str, greatest: &str, chart: &Markup, ends: (&str, &str)) -> Markup {
    template! {
        figure {
            figcaption { b { (name) } span { (greatest) } }
            (chart)
            div.axis { span { (ends.0) } span { (ends.1) } }
        }
    }
}
