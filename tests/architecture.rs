//! The invariants of `ARCHITECTURE.md` that can be seen in the sources themselves.
//!
//! Those that need a kernel are kept by the conformance suite; `ARCHITECTURE.md` names which test
//! keeps which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which packages of the workspace each may build on. Development dependencies are free, but for
/// what a test of its own would make a circle of.
const MAY_USE: &[(&str, &[&str])] = &[
    ("transport-core", &[]),
    ("backend-blocking", &["transport-core"]),
    ("backend-epoll", &["transport-core"]),
    ("backend-uring", &["transport-core"]),
    (".", &["transport-core", "backend-blocking", "backend-epoll", "backend-uring"]),
    ("conformance", &["transport-core"]),
    ("command", &["unix-transport"]),
    ("benches", &["unix-transport", "command"]),
];

const LIBRARIES: &[&str] = &[
    "src",
    "transport-core/src",
    "backend-blocking/src",
    "backend-epoll/src",
    "backend-uring/src",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every Rust source of the workspace, relative to its root, in order.
fn sources() -> Vec<PathBuf> {
    fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory of the workspace") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // The peers are packages of their own, and in other libraries' styles.
            let is_ours = name != "target" && name != "peers" && !name.starts_with('.');
            if path.is_dir() && (is_ours || path.ends_with("benches/src/peers")) {
                walk(&path, into);
            } else if name.ends_with(".rs") {
                into.push(path.strip_prefix(root()).expect("inside").to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    assert!(found.len() > 50, "the workspace has sources");
    found
}

fn library_sources() -> impl Iterator<Item = (PathBuf, String)> {
    let in_library = |path: &PathBuf| LIBRARIES.iter().any(|library| path.starts_with(library));
    sources().into_iter().filter(in_library).map(|path| {
        let text = read(&path);
        (path, text)
    })
}

/// The lines of code of a source: without comments, and without its unit tests, which come last.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    lines
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_start()))
        .filter(|(_, line)| !line.starts_with("//"))
}

fn assert_nothing(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// The keys of the table `[dependencies]` in a manifest.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let table = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    let keys = lines.filter_map(|line| line.split(['.', '=', ' ']).next());
    keys.filter(|key| !key.is_empty() && !key.starts_with('#')).collect()
}

/// I1: dependencies run one way, and no backend knows another.
#[test]
fn dependencies_run_one_way() {
    let packages: BTreeSet<&str> =
        MAY_USE.iter().map(|(package, _)| *package).chain(["unix-transport"]).collect();
    for (package, may_use) in MAY_USE {
        let manifest = read(Path::new(package).join("Cargo.toml"));
        let manifest = format!("\n{manifest}");
        let of_workspace = dependencies(&manifest).into_iter().filter(|key| packages.contains(key));
        let more: Vec<_> = of_workspace.filter(|key| !may_use.contains(key)).collect();
        assert!(more.is_empty(), "{package} must not depend on {more:?}");
    }
}

/// I1: the list above is complete.
#[test]
fn every_member_has_its_place() {
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members: BTreeSet<&str> = members.expect("members").split('"').skip(1).step_by(2).collect();
    let placed = MAY_USE.iter().map(|(package, _)| *package).filter(|package| *package != ".");
    assert_eq!(members, placed.collect());
}

/// I2: core has no backend's way of waiting in it.
#[test]
fn core_waits_for_nothing_by_itself() {
    let mut found = Vec::new();
    for (path, text) in library_sources().filter(|(path, _)| path.starts_with("transport-core")) {
        for (at, line) in code(&text) {
            if ["sys::epoll", "io_uring::", "epoll_wait", "thread::spawn", "thread::sleep"]
                .iter()
                .any(|waits| line.contains(waits))
            {
                found.push(format!("{}:{at}: {line}", path.display()));
            }
        }
    }
    assert_nothing("core waits, or starts a thread", &found);
}

/// I3: the backends have files of the same names, so that two of them can be compared.
#[test]
fn backends_mirror_each_other() {
    for backend in ["backend-blocking", "backend-epoll", "backend-uring"] {
        for concept in ["lib", "driver", "probe", "reactor"] {
            let file = root().join(backend).join("src").join(concept);
            let exists = file.with_extension("rs").is_file() || file.join("mod.rs").is_file();
            assert!(exists, "{backend} has no {concept}");
        }
    }
}

/// I4: unsafe code is where a file says that it needs it and why, and `ARCHITECTURE.md` lists
/// those files. That each block has its SAFETY note, Clippy checks.
#[test]
fn unsafe_code_is_listed() {
    let architecture = read("ARCHITECTURE.md");
    let mut found = Vec::new();
    for path in sources() {
        if path == Path::new("tests/architecture.rs") {
            continue;
        }
        let text = read(&path);
        let shown = path.display();
        let opts_in = text.contains("#![expect(unsafe_code, reason = \"");
        let forms =
            ["{", "fn ", "impl", "extern", "trait", "("].map(|next| format!("unsafe {next}"));
        let uses = code(&text).any(|(_, line)| {
            let line = line.split("//").next().unwrap_or_default();
            forms.iter().any(|form| line.contains(form))
        });
        if uses && !opts_in {
            found.push(format!("{shown}: unsafe without #![expect(unsafe_code, reason = ...)]"));
        }
        if text.contains("allow(unsafe_code") {
            found.push(format!("{shown}: allows unsafe code instead of expecting it"));
        }
        let in_library = LIBRARIES.iter().any(|library| path.starts_with(library));
        if opts_in && in_library && !architecture.contains(&format!("`{shown}`")) {
            found.push(format!("{shown}: missing from the list in ARCHITECTURE.md"));
        }
    }
    assert_nothing("unsafe code", &found);
}

/// I5: no panic stands in for an error in the libraries.
#[test]
fn libraries_do_not_unwrap() {
    let mut found = Vec::new();
    for (path, text) in library_sources() {
        for (at, line) in code(&text) {
            let bad =
                [".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "println!(", "eprintln!("];
            if bad.iter().any(|bad| line.contains(bad)) {
                found.push(format!("{}:{at}: {line}", path.display()));
            }
        }
    }
    assert_nothing("in library sources", &found);
}

/// I6: every source says in its first line what it is.
#[test]
fn every_source_says_what_it_is() {
    let silent = sources().into_iter().filter(|path| !read(path).starts_with("//! "));
    assert_nothing(
        "no //! opening",
        &silent.map(|path| path.display().to_string()).collect::<Vec<_>>(),
    );
}

/// No test is switched off, and none passes by failing.
#[test]
fn no_test_is_switched_off() {
    let mut found = Vec::new();
    for path in sources().into_iter().filter(|path| path != Path::new("tests/architecture.rs")) {
        for (at, line) in read(&path).lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[ignore") || line.starts_with("#[should_panic") {
                found.push(format!("{}:{}: {line}", path.display(), at + 1));
            }
        }
    }
    assert_nothing("tests that prove nothing", &found);
}

/// The names in backquotes that look like paths of this repository.
fn paths_in(text: &str) -> BTreeSet<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    let looks_like_a_path = |span: &&str| {
        let known = [".rs", ".md", ".toml", "/"].iter().any(|end| span.ends_with(end));
        known && !span.contains([' ', '*', '<', ':']) && !span.starts_with(['/', '.'])
    };
    spans.filter(looks_like_a_path).collect()
}

/// `ARCHITECTURE.md` names only what exists, and every folder of sources.
#[test]
fn architecture_tells_the_truth() {
    let architecture = read("ARCHITECTURE.md");
    let gone = paths_in(&architecture).into_iter().filter(|path| !root().join(path).exists());
    assert_nothing("named and not there", &gone.map(str::to_owned).collect::<Vec<_>>());
    let folders: BTreeSet<PathBuf> =
        sources().iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
    let untold = folders.iter().map(|folder| format!("{}/", folder.display()));
    let untold: Vec<_> = untold.filter(|folder| !architecture.contains(folder.as_str())).collect();
    assert_nothing("folders that it does not name", &untold);
}

/// The links of the documents lead somewhere.
#[test]
fn documents_link_to_what_exists() {
    let mut found = Vec::new();
    let documents = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/semantics.md"];
    let more =
        ["docs/performance.md", "docs/kernel.md", "docs/from-racket.md", "docs/adr/README.md"];
    for document in documents.into_iter().chain(more) {
        let text = read(document);
        let folder = root().join(document).parent().expect("a folder").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                found.push(format!("{document}: {target}"));
            }
        }
    }
    assert_nothing("links that lead nowhere", &found);
}

/// Every decision is in the list of decisions.
#[test]
fn decisions_are_listed() {
    let list = read("docs/adr/README.md");
    for entry in fs::read_dir(root().join("docs/adr")).expect("the decisions") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(name == "README.md" || list.contains(&format!("({name})")), "{name} is not listed");
    }
}

/// Every invariant names what keeps it, and that exists: a test here, a lint that is switched on,
/// a file, or a case that the suite has.
#[test]
fn invariants_are_kept_by_something() {
    let (architecture, tests) = (read("ARCHITECTURE.md"), read("tests/architecture.rs"));
    let (lints, cases) = (read("Cargo.toml"), read("docs/semantics.md"));
    let rows: Vec<&str> = architecture.lines().filter(|line| line.starts_with("| I")).collect();
    assert!(rows.len() > 10, "the table of invariants");
    let mut found = Vec::new();
    for row in rows {
        let keeper = row.trim_end_matches(" |").rsplit("| ").next().expect("a last column");
        let names: Vec<&str> = keeper.split('`').skip(1).step_by(2).collect();
        for name in &names {
            let is_test = tests.contains(&format!("\nfn {name}()"));
            let is_lint = lints.contains(&format!("\n{name} = "));
            if !is_test && !is_lint && !root().join(name).exists() {
                found.push(format!("{name}, of: {row}"));
            }
        }
        let words = keeper.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        let numbers: Vec<&str> = words.collect();
        for number in &numbers {
            let listed = cases.lines().find(|line| line.starts_with(&format!("| {number} |")));
            if !listed.is_some_and(|line| line.contains("| yes |")) {
                found.push(format!("case {number}, of: {row}"));
            }
        }
        if names.is_empty() && numbers.is_empty() {
            found.push(format!("nothing keeps: {row}"));
        }
    }
    assert_nothing("invariants that name a keeper that is not there", &found);
}
