//! The pictures of a run, as SVG that stands in the page itself.

mod dots;
mod lines;

pub(super) use dots::{Dots, Facet, Mark};
pub(super) use lines::{Line, Lines};

use std::fmt::Display;
use std::ops::Range;

use command::failure::Failure;
use plotters::style::{Color as _, RGBColor, ShapeStyle, TextStyle};

/// How wide all pictures are, in the units in which they are drawn.
const WIDTH: u32 = 1120;

const INK: RGBColor = RGBColor(0x1f, 0x29, 0x37);
const FAINT: RGBColor = RGBColor(0xe5, 0xe7, 0xeb);
const GREY: RGBColor = RGBColor(0x6b, 0x72, 0x80);

/// What is written in a size, in the page's own face: the style sheet overrides this one.
fn written(size: u32, colour: RGBColor) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size));
    style.color = colour.to_backend_color();
    style
}

fn stroke(colour: RGBColor, width: u32) -> ShapeStyle {
    colour.stroke_width(width)
}

fn rgb((red, green, blue): (u8, u8, u8)) -> RGBColor {
    RGBColor(red, green, blue)
}

fn failed(error: impl Display) -> Failure {
    Failure::new("draw a picture", error)
}

/// A figure at an axis: short, whatever its size.
fn short(figure: &f64) -> String {
    let figure = *figure;
    let trimmed = |figure: f64, unit: &str| {
        let text = format!("{figure:.2}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        format!("{text}{unit}")
    };
    match figure.abs() {
        size if size >= 1e6 => trimmed(figure / 1e6, " M"),
        size if size >= 1e3 => trimmed(figure / 1e3, " k"),
        _ => trimmed(figure, ""),
    }
}

/// The figures in `range` at which a logarithmic axis has its marks: powers of ten, and between
/// them as many as there is room for.
fn round_figures(range: &Range<f64>) -> Vec<f64> {
    let decades = (range.end / range.start).log10();
    let steps: &[f64] = match decades {
        few if few < 1.0 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
        some if some < 2.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    // Lossless: figures have few digits.
    let (first, last) = (range.start.log10().floor() as i32, range.end.log10().ceil() as i32);
    let all =
        (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    all.filter(|figure| range.contains(figure)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_at_an_axis_are_short() {
        assert_eq!(
            [0.5, 12.0, 1500.0, 2e6].map(|figure| short(&figure)),
            ["0.5", "12", "1.5 k", "2 M"]
        );
        assert_eq!(round_figures(&(0.9..11.0)), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(round_figures(&(5.0..20_000.0)), [10.0, 100.0, 1000.0, 10_000.0]);
    }
}
