//! A figure over the number of connections: a line for each server, its spread at each point.

use command::failure::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{FAINT, GREY, WIDTH, failed, rgb, short, stroke, written};
use crate::families::Family;

/// A picture of lines.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    /// What the vertical axis shows.
    pub(crate) figure: &'static str,
}

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) server: String,
    /// Connections, and the figure's quartiles: low, median, high.
    pub(crate) points: Vec<(f64, [f64; 3])>,
}

const HEIGHT: u32 = 520;
/// What is kept free on the right for the servers' names, and how far these are apart.
const NAMES: u32 = 140;
const APART: i32 = 16;

impl Lines {
    /// The picture; nothing unless there are two numbers of connections.
    ///
    /// # Errors
    /// Those of the library that draws.
    pub(crate) fn svg(&self) -> Result<Option<String>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let connections = || points().map(|(connections, _)| *connections);
        let (first, last) =
            (connections().fold(f64::INFINITY, f64::min), connections().fold(0.0, f64::max));
        let highest = points().map(|(_, [.., high])| *high).fold(0.0, f64::max);
        if !first.is_finite() || first >= last {
            return Ok(None);
        }
        let mut counts: Vec<f64> = connections().collect();
        counts.sort_by(f64::total_cmp);
        counts.dedup();
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
            let mut chart = ChartBuilder::on(&root)
                .margin_top(12)
                .margin_right(NAMES)
                .x_label_area_size(44)
                .y_label_area_size(72)
                .build_cartesian_2d(
                    (first * 0.75..last * 1.35).log_scale().with_key_points(counts),
                    0.0..highest * 1.05,
                )
                .map_err(failed)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .x_label_formatter(&short)
                .y_label_formatter(&short)
                .x_label_style(written(13, GREY))
                .y_label_style(written(13, GREY))
                .x_desc("connections")
                .y_desc(self.figure)
                .axis_desc_style(written(13, GREY))
                .axis_style(FAINT)
                .bold_line_style(FAINT)
                .light_line_style(TRANSPARENT)
                .draw()
                .map_err(failed)?;
            let mut ends = Vec::new();
            for (place, line) in self.lines.iter().enumerate() {
                // Beside each other, so that no bar hides another.
                let aside = 1.0 + (place as f64 - self.lines.len() as f64 / 2.0) * 0.012;
                let family = Family::of(&line.server);
                let colour = rgb(family.colour());
                let width = if family.is_peer() { 1 } else { 2 };
                let medians: Vec<(f64, f64)> =
                    line.points.iter().map(|(x, [_, median, _])| (x * aside, *median)).collect();
                if let Some(end) = medians.last() {
                    ends.push((chart.backend_coord(end), line.server.as_str()));
                }
                let spreads = line.points.iter().map(|(x, [low, _, high])| {
                    PathElement::new(vec![(x * aside, *low), (x * aside, *high)], stroke(colour, 3))
                });
                chart.draw_series(spreads).map_err(failed)?;
                let dots = medians.iter().map(|point| Circle::new(*point, 3, colour.filled()));
                chart.draw_series(dots).map_err(failed)?;
                chart
                    .draw_series([PathElement::new(medians.clone(), stroke(colour, width))])
                    .map_err(failed)?;
            }
            let left = (WIDTH - NAMES) as i32 + 8;
            for ((point, name), height) in ends.iter().zip(heights(&ends)) {
                let colour = rgb(Family::of(name).colour());
                let style = written(13, colour).pos(Pos::new(HPos::Left, VPos::Center));
                root.draw(&PathElement::new(vec![*point, (left - 3, height)], stroke(FAINT, 1)))
                    .map_err(failed)?;
                root.draw(&Text::new((*name).to_owned(), (left, height), style)).map_err(failed)?;
            }
            root.present().map_err(failed)?;
        }
        Ok(Some(svg))
    }
}

/// Where the names of lines that end at these points are written: as near to their ends as they
/// can be without touching.
fn heights(ends: &[((i32, i32), &str)]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|&index| ends[index].0.1);
    let mut heights = vec![0; ends.len()];
    let needed = |rest: usize| rest as i32 * APART;
    let mut lowest = APART / 2;
    for (place, &index) in order.iter().enumerate() {
        let room = HEIGHT as i32 - needed(order.len() - place);
        heights[index] = ends[index].0.1.max(lowest).min(room.max(lowest));
        lowest = heights[index] + APART;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_touch() {
        let ends =
            [((0, 300), "a"), ((0, 301), "b"), ((0, 299), "c"), ((0, 519), "d"), ((0, 519), "e")];
        let mut heights = heights(&ends);
        assert_eq!(heights[0], 299 + APART);
        heights.sort_unstable();
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= APART));
        assert!(heights.iter().all(|height| *height < HEIGHT as i32));
    }

    #[test]
    fn every_line_is_named() -> Result<()> {
        let line = |server: &str, base: f64| Line {
            server: server.to_owned(),
            points: vec![
                (1.0, [base, base * 1.1, base * 1.2]),
                (16.0, [base, base * 2.0, base * 3.0]),
            ],
        };
        let lines =
            Lines { lines: vec![line("tokio", 1e5), line("uring", 1.1e5)], figure: "messages/s" };
        let svg = lines.svg()?.expect("there are figures");
        assert!(svg.contains("tokio") && svg.contains("uring") && svg.contains("messages/s"));
        Ok(())
    }
}
