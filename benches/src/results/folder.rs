//! The result folder: `run.json`, and `cells/NAME.json` for every cell that is done.
//!
//! A file is written under another name and renamed, so that what is there is whole, whenever the
//! run ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use command::failure::{Failure, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CellResult, Run};
use crate::cells::{self, Cell};

/// A folder with results.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// What the results in it are.
    pub(crate) run: Run,
}

impl Folder {
    /// Opens a folder to read it.
    ///
    /// # Errors
    /// If there is no run in it.
    pub(crate) fn open(path: &Path) -> Result<Folder> {
        match read(&run_file(path))? {
            Some(run) => Ok(Folder { path: path.to_owned(), run }),
            None => Err(Failure::new(
                format_args!("read results in {}", path.display()),
                "there are none; `benches matrix` makes them",
            )),
        }
    }

    /// Opens a folder to add the cells of `run`: one that is new or empty, or one whose run had
    /// the same options on the same machine. With `fresh`, results that are there are removed first.
    ///
    /// # Errors
    /// If it holds results of another run, or cannot be written.
    pub(crate) fn resume(path: &Path, run: Run, fresh: bool) -> Result<Folder> {
        if fresh {
            remove(path)?;
        }
        if let Some(present) = read::<Run>(&run_file(path))? {
            return match difference(&present, &run) {
                None => Ok(Folder { path: path.to_owned(), run: present }),
                Some(difference) => Err(Failure::new(
                    format_args!("resume the run in {}", path.display()),
                    format_args!(
                        "{difference}; `--fresh` starts anew, `--output` names another folder"
                    ),
                )),
            };
        }
        let folder = Folder { path: path.to_owned(), run };
        let cells = path.join("cells");
        fs::create_dir_all(&cells).map_err(|error| failed("make", &cells, &error))?;
        folder.write("run.json", &json(&folder.run)?)?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What a cell showed; nothing if it has not been measured.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub(crate) fn cell(&self, name: &str) -> Result<Option<CellResult>> {
        read(&self.path.join(cell_file(name)))
    }

    /// All cells that were measured, in the order of the matrix.
    ///
    /// # Errors
    /// Those of [`Folder::cell`].
    pub(crate) fn cells(&self) -> Result<Vec<(Cell, CellResult)>> {
        let mut results = Vec::new();
        for cell in cells::all() {
            if let Some(result) = self.cell(&cell.name)? {
                results.push((cell, result));
            }
        }
        Ok(results)
    }

    /// Keeps what a cell showed.
    ///
    /// # Errors
    /// Those of writing a file.
    pub(crate) fn store(&self, result: &CellResult) -> Result<()> {
        self.write(&cell_file(&result.cell), &json(result)?)
    }

    /// Writes a file into the folder, whole or not at all.
    ///
    /// # Errors
    /// Those of writing a file.
    pub(crate) fn write(&self, name: &str, contents: &str) -> Result<()> {
        let path = self.path.join(name);
        let unfinished = path.with_extension("unfinished");
        let written = fs::write(&unfinished, contents);
        let renamed = written.and_then(|()| fs::rename(&unfinished, &path));
        renamed.map_err(|error| failed("write", &path, &error))
    }
}

/// What keeps cells of `asked` from being added to those of `present`.
fn difference(there: &Run, here: &Run) -> Option<String> {
    let differs = |what: &str, there: &dyn std::fmt::Display, here: &dyn std::fmt::Display| {
        Some(format!("it has {what} {there}, this run {here}"))
    };
    let (machine, this) = (&there.environment, &here.environment);
    for (what, there, here) in [
        ("the processor", &machine.processor, &this.processor),
        ("the kernel", &machine.kernel, &this.kernel),
        ("the compiler", &machine.rustc, &this.rustc),
        ("the placement", &machine.placement, &this.placement),
    ] {
        if there != here {
            return differs(what, there, here);
        }
    }
    let (present, asked) = (&there.options, &here.options);
    if present.commit != asked.commit {
        return differs("commit", &present.commit, &asked.commit);
    }
    if present.seconds_per_cell != asked.seconds_per_cell {
        return differs("seconds per cell", &present.seconds_per_cell, &asked.seconds_per_cell);
    }
    if present.baseline != asked.baseline {
        return differs("the baseline", &present.baseline, &asked.baseline);
    }
    if present.servers != asked.servers {
        return differs("the servers", &present.servers.join(","), &asked.servers.join(","));
    }
    None
}

/// Removes a run, and nothing else that may be in the folder.
fn remove(folder: &Path) -> Result<()> {
    for cell in cells::all() {
        remove_file(&folder.join(cell_file(&cell.name)))?;
    }
    remove_file(&run_file(folder))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn run_file(folder: &Path) -> PathBuf {
    folder.join("run.json")
}

fn cell_file(name: &str) -> String {
    format!("cells/{name}.json")
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Failure::new("write JSON", error))
}

/// Reads a file; nothing if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| Failure::new(format_args!("read {}", path.display()), error))
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!("{verb} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Environment, Options};
    use crate::roster::Member;

    fn run(seconds_per_cell: u32) -> Run {
        let options = Options {
            seconds_per_cell,
            baseline: "a".to_owned(),
            servers: vec!["a".to_owned()],
            commit: "0".to_owned(),
        };
        Run { options, environment: Environment::now(String::new(), &[]) }
    }

    #[test]
    fn a_run_goes_on_only_with_the_same_options() -> Result<()> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let folder = Folder::resume(directory.path(), run(1), false)?;
        assert!(folder.cells()?.is_empty());
        folder.store(&CellResult::impossible("cycles", "a", &[Member::fixture("a")], "no room"))?;

        let again = Folder::resume(directory.path(), run(1), false)?;
        assert_eq!(again.cell("cycles")?.map(|cell| cell.absent.len()), Some(1));
        assert_eq!(again.run.environment.begun, folder.run.environment.begun);
        assert!(Folder::resume(directory.path(), run(2), false).is_err());
        let mut elsewhere = run(1);
        elsewhere.environment.kernel = "another".to_owned();
        assert!(Folder::resume(directory.path(), elsewhere, false).is_err());
        assert_eq!(Folder::open(directory.path())?.cells()?.len(), 1);

        let fresh = Folder::resume(directory.path(), run(2), true)?;
        assert!(fresh.cells()?.is_empty());
        Ok(())
    }

    #[test]
    fn a_damaged_file_is_an_error_and_a_missing_one_is_not() -> Result<()> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(Folder::open(directory.path()).is_err());
        let folder = Folder::resume(directory.path(), run(1), false)?;
        folder.write("cells/idle.json", "{")?;
        assert!(folder.cell("idle").is_err());
        assert!(folder.cell("cycles")?.is_none());
        Ok(())
    }
}
