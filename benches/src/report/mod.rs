//! `report`: a result folder as tables, CSV, JSON and a page.

mod charts;
mod csv;
mod document;
mod page;
mod pictures;
mod rows;
mod text;

use std::path::PathBuf;

use clap::Args;
use command::failure::{Failure, Result};
use command::output;
use serde::Serialize;

use crate::cells::Cell;
use crate::results::{Absent, CellResult, Folder, Run};
use crate::targets::{self, Judgement};

use rows::Row;
use text::Form;

/// Where results are unless another folder is named: below the working directory.
pub(crate) const FOLDER: &str = "target/benches";

/// What to report.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder with the results
    #[arg(default_value = FOLDER)]
    folder: PathBuf,
    /// Print the figures of `docs/performance.md`, as Markdown, and write no files
    #[arg(long)]
    markdown: bool,
}

/// A run, and what can be said about it.
#[derive(Debug)]
pub(crate) struct Report {
    run: Run,
    cells: Vec<(Cell, CellResult)>,
    judgements: Vec<Judgement>,
}

/// What `report.json` has.
#[derive(Serialize)]
struct Everything<'a> {
    run: &'a Run,
    rows: Vec<Row>,
    absent: Vec<Missing<'a>>,
    judgements: &'a [Judgement],
}

/// A server that is in no row of a cell.
#[derive(Serialize)]
struct Missing<'a> {
    cell: &'a str,
    /// Who, and why.
    #[serde(flatten)]
    absent: &'a Absent,
}

/// Prints the tables, and writes `report.csv`, `report.json` and `report.html` into the folder.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = Folder::open(&options.folder)?;
    let report = Report::new(folder.run.clone(), folder.cells()?);
    let text = if options.markdown { report.document() } else { report.text() };
    let text = text.map_err(|error| Failure::new("write a table", error))?;
    output::print(text)?;
    if options.markdown { Ok(()) } else { report.write(&folder) }
}

impl Report {
    /// The report of some cells.
    pub(crate) fn new(run: Run, cells: Vec<(Cell, CellResult)>) -> Report {
        let judgements = targets::judge(&cells);
        Report { run, cells, judgements }
    }

    /// The targets alone, for the terminal.
    pub(crate) fn verdict(&self) -> Result<String> {
        self.targets(Form::Terminal).map_err(|error| Failure::new("write a table", error))
    }

    /// The tables of a run of few cells, for the terminal.
    pub(crate) fn short(&self) -> Result<String> {
        self.brief().map_err(|error| Failure::new("write a table", error))
    }

    /// A cell, if it was measured.
    fn cell(&self, name: &str) -> Option<&(Cell, CellResult)> {
        self.cells.iter().find(|(cell, _)| cell.name == name)
    }

    /// Writes the files, and says which.
    pub(crate) fn write(&self, folder: &Folder) -> Result<()> {
        let rows: Vec<Row> =
            self.cells.iter().flat_map(|(_, result)| rows::of_cell(result)).collect();
        folder.write("report.csv", &csv::text(&self.run, rows.iter())?)?;
        let absent = self.cells.iter().flat_map(|(_, result)| {
            result.absent.iter().map(|absent| Missing { cell: &result.cell, absent })
        });
        let (absent, judgements) = (absent.collect(), &self.judgements[..]);
        let everything = Everything { run: &self.run, rows, absent, judgements };
        let json = serde_json::to_string_pretty(&everything);
        folder.write("report.json", &json.map_err(|error| Failure::new("write JSON", error))?)?;
        folder.write("report.html", &self.page()?)?;
        let path = folder.path().display();
        output::print(format_args!(
            "Written: {path}/report.html, {path}/report.csv, {path}/report.json"
        ))
    }
}
