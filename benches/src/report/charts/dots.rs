//! Servers under each other, a dot and its spread for each, in panels side by side that share the
//! rows: who is where is seen at a glance, however many there are.

use std::ops::Range;

use command::failure::Result;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{FAINT, GREY, INK, WIDTH, failed, rgb, round_figures, short, stroke, written};
use crate::families::Family;

/// A picture of panels with the same servers.
#[derive(Clone, Debug)]
pub(crate) struct Dots {
    pub(crate) panels: Vec<Facet>,
    /// What the horizontal axis shows.
    pub(crate) figure: &'static str,
    /// Whether equal distances are equal ratios.
    pub(crate) logarithmic: bool,
    /// Whether all panels have the same horizontal axis.
    pub(crate) shared: bool,
    /// Where a line marks what the others are compared to.
    pub(crate) reference: Option<f64>,
    /// Whether the smallest figure is the best one, and comes first.
    pub(crate) less_is_better: bool,
}

/// One panel.
#[derive(Clone, Debug)]
pub(crate) struct Facet {
    pub(crate) title: String,
    pub(crate) marks: Vec<(String, Mark)>,
}

/// A server's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) middle: f64,
    /// A thick bar.
    pub(crate) half: (f64, f64),
    /// Ticks beyond it, at the end of a thin line.
    pub(crate) beyond: Option<[f64; 2]>,
}

const ROW: u32 = 19;
const LABELS: u32 = 136;
const AROUND: u32 = 62;

impl Dots {
    /// The picture; nothing if there are no figures.
    ///
    /// # Errors
    /// Those of the library that draws.
    pub(crate) fn svg(&self) -> Result<Option<String>> {
        let servers = self.ordered();
        if servers.is_empty() {
            return Ok(None);
        }
        let height = servers.len() as u32 * ROW + AROUND;
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            let areas = root.split_horizontally(LABELS).1.split_evenly((1, self.panels.len()));
            for (place, (area, panel)) in areas.iter().zip(&self.panels).enumerate() {
                let of = if self.shared { &self.panels[..] } else { std::slice::from_ref(panel) };
                let Some(range) = self.range(of) else { continue };
                let heights = match self.logarithmic {
                    true => {
                        let round = round_figures(&range);
                        self.draw(area, panel, &servers, range.log_scale().with_key_points(round))?
                    }
                    false => self.draw(area, panel, &servers, range)?,
                };
                if place == 0 {
                    label(&root, &servers, &heights)?;
                }
            }
            root.present().map_err(failed)?;
        }
        Ok(Some(svg))
    }

    /// All servers, the best first: by the product of their figures, so that each panel counts the
    /// same. Who is missing in a panel is taken to be average there.
    fn ordered(&self) -> Vec<String> {
        let mut sums: Vec<(String, f64, usize)> = Vec::new();
        for (name, mark) in self.panels.iter().flat_map(|panel| &panel.marks) {
            let figure = mark.middle.max(f64::MIN_POSITIVE).ln();
            match sums.iter_mut().find(|(known, ..)| known == name) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + figure, *count + 1),
                None => sums.push((name.clone(), figure, 1)),
            }
        }
        sums.sort_by(|(_, one, ones), (_, other, others)| {
            let (one, other) = (one / *ones as f64, other / *others as f64);
            if self.less_is_better { one.total_cmp(&other) } else { other.total_cmp(&one) }
        });
        sums.into_iter().map(|(name, ..)| name).collect()
    }

    /// What the axis of `panels` covers; nothing without figures.
    fn range(&self, panels: &[Facet]) -> Option<Range<f64>> {
        let marks = panels.iter().flat_map(|panel| &panel.marks);
        let figures = marks.flat_map(|(_, mark)| {
            let [low, high] = mark.beyond.unwrap_or([mark.half.0, mark.half.1]);
            [mark.half.0, mark.half.1, low, high]
        });
        let (low, high) = figures
            .chain(self.reference)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| {
                (low.min(figure), high.max(figure))
            });
        let any = low.is_finite() && high.is_finite();
        let around = ((high - low) * 0.06).max(high * 0.01);
        any.then(|| match self.logarithmic {
            true => low.max(1e-3) / 1.25..high.max(2e-3) * 1.25,
            false => low - around..high + around,
        })
    }

    /// Draws a panel, and answers at which height each server's row is.
    fn draw<X, R>(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        panel: &Facet,
        servers: &[String],
        range: R,
    ) -> Result<Vec<i32>>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        R: AsRangedCoord<CoordDescType = X, Value = f64>,
    {
        let rows = 0.0..servers.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_right(14)
            .x_label_area_size(36)
            .caption(&panel.title, written(14, INK))
            .build_cartesian_2d(range, rows)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(5)
            .x_label_formatter(&short)
            .x_label_style(written(12, GREY))
            .x_desc(self.figure)
            .axis_desc_style(written(12, GREY))
            .axis_style(FAINT)
            .bold_line_style(FAINT)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(failed)?;
        let full = servers.len() as f64;
        let middle = |row: usize| full - row as f64 - 0.5;
        let (from, to) = (chart.x_range().start, chart.x_range().end);
        let guides = (0..servers.len()).map(|row| {
            PathElement::new(vec![(from, middle(row)), (to, middle(row))], stroke(FAINT, 1))
        });
        chart.draw_series(guides).map_err(failed)?;
        if let Some(reference) = self.reference {
            let line = vec![(reference, 0.0), (reference, full)];
            chart.draw_series([PathElement::new(line, stroke(GREY, 1))]).map_err(failed)?;
        }
        for (name, mark) in &panel.marks {
            let Some(row) = servers.iter().position(|server| server == name) else { continue };
            let at = middle(row);
            let colour = rgb(Family::of(name).colour());
            let bar = |low: f64, high: f64, width: u32| {
                PathElement::new(vec![(low, at), (high, at)], stroke(colour, width))
            };
            if let Some([low, high]) = mark.beyond {
                let tick = |figure: f64| {
                    PathElement::new(
                        vec![(figure, at - 0.25), (figure, at + 0.25)],
                        stroke(colour, 1),
                    )
                };
                chart
                    .draw_series([bar(mark.half.0, high, 1), tick(low), tick(high)])
                    .map_err(failed)?;
            }
            chart.draw_series([bar(mark.half.0, mark.half.1, 4)]).map_err(failed)?;
            chart
                .draw_series([Circle::new((mark.middle, at), 4, colour.filled())])
                .map_err(failed)?;
        }
        let height = |row| chart.backend_coord(&(from, middle(row))).1;
        Ok((0..servers.len()).map(height).collect())
    }
}

/// The servers' names, each in its family's colour, at the height of its row.
fn label(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    servers: &[String],
    heights: &[i32],
) -> Result<()> {
    for (name, height) in servers.iter().zip(heights) {
        let right = Pos::new(HPos::Right, VPos::Center);
        let style = written(13, rgb(Family::of(name).colour())).pos(right);
        root.draw(&Text::new(name.clone(), (LABELS as i32 - 10, *height), style))
            .map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(middle: f64) -> Mark {
        Mark { middle, half: (middle * 0.9, middle * 1.1), beyond: None }
    }

    #[test]
    fn every_server_is_in_the_picture_and_the_best_comes_first() -> Result<()> {
        let marks = vec![("tokio".to_owned(), mark(3.0)), ("epoll".to_owned(), mark(2.0))];
        let dots = Dots {
            panels: vec![Facet { title: "one panel".to_owned(), marks }],
            figure: "µs",
            logarithmic: true,
            shared: true,
            reference: None,
            less_is_better: true,
        };
        assert_eq!(dots.ordered(), ["epoll", "tokio"]);
        let svg = dots.svg()?.expect("there are figures");
        assert!(["tokio", "epoll", "one panel", "µs"].iter().all(|text| svg.contains(text)));
        Ok(())
    }

    #[test]
    fn nothing_is_drawn_of_nothing() -> Result<()> {
        let dots = Dots {
            panels: vec![Facet { title: String::new(), marks: Vec::new() }],
            figure: "",
            logarithmic: false,
            shared: false,
            reference: None,
            less_is_better: false,
        };
        assert_eq!(dots.svg()?, None);
        Ok(())
    }
}
