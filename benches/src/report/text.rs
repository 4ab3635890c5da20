//! A run as tables of plain characters: for the terminal, and the parts that a document has too.

use std::fmt::{self, Write as _};

use command::output;

use super::Report;
use super::rows::{self, Row};
use crate::targets::{self, Judgement, LIMITS, LIMITS_EXPLAINED};

/// How to read the tables; under them wherever they stand.
const LEGEND: &str = "\
Medians over the slices; in brackets the quartiles. Ratios are to the baseline in the same rotation,\n\
before the median is taken: above 1 is better. Other figures of servers that were not alive together,\n\
but in different heats, are minutes apart. The baseline's second copy shows the noise. CPU seconds are\n\
the server's; kernel % is the kernel's share of them, as the ticks of its clock saw it. Memory is\n\
resident, with all connections open; per connection, what it grew by.";

/// The heading of what a target's [closest](targets::Summary::closest) judgement reached.
pub(super) const LEAST_MARGIN: &str = "with the least margin (quartiles)";

/// What the characters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Terminal,
    Markdown,
}

impl Report {
    /// Everything: where and how it was measured, the targets, a table for each cell.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        writeln!(text, "{}", self.provenance(Form::Terminal))?;
        writeln!(text, "{}", self.targets(Form::Terminal)?)?;
        for (cell, result) in &self.cells {
            let rows = rows::of_cell(result);
            writeln!(text, "{}: {cell}\n", cell.name)?;
            if !rows.is_empty() {
                writeln!(text, "{}\n", table_of_rows(&rows))?;
            }
            for remark in rows::absent(result).into_iter().chain(rows::uncounted(result)) {
                writeln!(text, "{remark}.\n")?;
            }
        }
        write!(text, "{LEGEND}")?;
        Ok(text)
    }

    /// The same for a run of few cells: no more than fits on a screen.
    pub(super) fn brief(&self) -> Result<String, fmt::Error> {
        let environment = &self.run.environment;
        let mut text = String::new();
        writeln!(text, "{}, {}", environment.processor, environment.kernel)?;
        for (cell, result) in &self.cells {
            writeln!(text, "{cell}; {}", environment.placement)?;
            let rows = rows::of_cell(result);
            if !rows.is_empty() {
                writeln!(text, "\n{}\n", table_of_rows(&rows))?;
            }
            for remark in rows::absent(result) {
                writeln!(text, "{remark}.")?;
            }
        }
        if !self.judgements.is_empty() {
            let rows = self.judgements.iter().map(|judgement| {
                let met = if judgement.met { "met" } else { "MISSED" };
                vec![
                    judgement.sides(),
                    met.to_owned(),
                    judgement.demand(),
                    format!("{:.3}", judgement.tolerance),
                    judgement.outcome(),
                ]
            });
            let header = ["msgs/CPU s", "target", "wanted", "tolerance", "reached (quartiles)"];
            writeln!(text, "{}\n", table(&header, rows.collect(), 2, Form::Terminal))?;
        }
        write!(text, "{LEGEND}")?;
        Ok(text)
    }

    /// Where, of what, how and when.
    pub(super) fn provenance(&self, form: Form) -> String {
        let lines = self.run.facts();
        let lines = lines.iter().map(|(what, fact)| match form {
            Form::Terminal => format!("{what}: {fact}\n"),
            Form::Markdown => format!("- {what}: {fact}\n"),
        });
        lines.collect()
    }

    /// A line for each target, and one for each figure that misses it.
    pub(super) fn targets(&self, form: Form) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let summaries = targets::summaries(&self.judgements);
        let judged = summaries.iter().filter(|summary| summary.judged > 0);
        let rows = judged.map(|summary| {
            let closest =
                |of: fn(&Judgement) -> String| summary.closest.map_or_else(String::new, of);
            vec![
                summary.target.to_owned(),
                summary.verdict(),
                closest(Judgement::demand),
                closest(Judgement::outcome),
                closest(|judgement| format!("{}, {}", judgement.sides(), judgement.cell)),
            ]
        });
        let header = ["target", "met", "wanted", LEAST_MARGIN, "where"];
        writeln!(text, "{}\n", table(&header, rows.collect(), 2, form))?;
        let unjudged = summaries.iter().filter(|summary| summary.judged == 0);
        let unjudged: Vec<&str> = unjudged.map(|summary| summary.target).collect();
        if !unjudged.is_empty() {
            writeln!(text, "Not judged, for lack of figures: {}.\n", unjudged.join("; "))?;
        }
        let missed: Vec<&Judgement> =
            self.judgements.iter().filter(|judgement| !judgement.met).collect();
        if !missed.is_empty() {
            let rows = missed.iter().map(|judgement| {
                let mut row = vec![
                    judgement.sides(),
                    judgement.cell.clone(),
                    judgement.demand(),
                    format!("{:.3}", judgement.tolerance),
                    judgement.outcome(),
                ];
                row.extend(judgement.limits.in_words());
                row
            });
            let header = ["missed by", "in", "wanted", "tolerance", "reached (quartiles)"];
            let header = [&header[..], &LIMITS].concat();
            writeln!(text, "{}\n", table(&header, rows.collect(), 2, form))?;
            let beyond = missed.iter().filter(|judgement| judgement.is_out_of_reach()).count();
            let missed = missed.len();
            writeln!(
                text,
                "{LIMITS_EXPLAINED} In {beyond} of these {missed} the closest one misses the target, \
                 too.\n"
            )?;
        }
        Ok(text)
    }
}

/// The table of one cell.
fn table_of_rows(rows: &[Row]) -> String {
    let (header, cells) = rows::table(rows);
    table(&header, cells, 1, Form::Terminal)
}

/// A table whose first `texts` columns are words and whose others are figures.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, texts: usize, form: Form) -> String {
    match form {
        Form::Terminal => {
            let mut table = output::table(header, texts);
            table.add_rows(rows);
            table.trim_fmt()
        }
        // Not aligned, so that another run changes only the lines whose figures differ.
        Form::Markdown => {
            let rule = (0..header.len()).map(|column| if column < texts { "---" } else { "---:" });
            let rule: String = rule.map(|rule| format!("{rule}|")).collect();
            let line = |row: Vec<String>| format!("\n| {} |", row.join(" | "));
            let rows: String = rows.into_iter().map(line).collect();
            format!("| {} |\n|{rule}{rows}", header.join(" | "))
        }
    }
}
