//! What a case works with: a directory of its own, addresses in it, and the backend under test.

use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use transport_core::{Address, Backend, Runtime};

use crate::child::{DIRECTORY, NOTE, ROLE};
use crate::fixture::{DriverOf, Fixture, TransportOf};

/// The surroundings of one case, in its own process.
pub struct Context<F: Fixture> {
    directory: PathBuf,
    fixture: PhantomData<F>,
}

impl<F: Fixture> Context<F> {
    /// # Panics
    /// Outside a child process of the runner.
    pub(crate) fn new() -> Context<F> {
        let directory =
            std::env::var_os(DIRECTORY).expect("the runner gives each case a directory");
        Context { directory: PathBuf::from(directory), fixture: PhantomData }
    }

    /// This case's temporary directory: absolute, short, empty at first, mode 0700, and removed
    /// after the case by the parent process. A subdirectory named `closed` may be left without
    /// rights.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of `name` in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The address of `name` in the directory.
    #[must_use]
    pub fn address(&self, name: &str) -> Address {
        Address::path(self.path(name)).expect("the directory's name is short")
    }

    /// A path in the directory that is exactly `length` bytes long.
    ///
    /// # Panics
    /// If `length` is too short for a name in the directory, or makes a name of over 255 bytes.
    #[must_use]
    pub fn path_of_length(&self, length: usize) -> PathBuf {
        let taken = self.directory.as_os_str().len() + 1;
        assert!((taken + 1..taken + 256).contains(&length), "no file name makes {length} bytes");
        self.path(&"n".repeat(length - taken))
    }

    /// The address with the path of exactly `length` bytes.
    #[must_use]
    pub fn address_of_length(&self, length: usize) -> Address {
        Address::path(self.path_of_length(length)).expect("the case asks for a legal length")
    }

    /// The bytes of an abstract name that no other case and no other run uses, ending in `name`.
    #[must_use]
    pub fn abstract_bytes(&self, name: &str) -> Vec<u8> {
        let unique = self.directory.file_name().expect("a temporary directory has a name");
        [b"\0", unique.as_bytes(), b"/", name.as_bytes()].concat()
    }

    /// The abstract address of [`abstract_bytes`](Self::abstract_bytes).
    #[must_use]
    pub fn abstract_address(&self, name: &str) -> Address {
        Address::abstract_name(self.abstract_bytes(name)).expect("the name is short")
    }

    /// A new runtime over the backend.
    #[must_use]
    pub fn runtime(&self) -> Runtime<F::Backend> {
        Runtime::new(&F::settings())
            .unwrap_or_else(|error| panic!("{} must open: {error}", F::NAME))
    }

    /// A new transport and its driver, for cases that turn it themselves.
    #[must_use]
    pub fn open(&self) -> (TransportOf<F>, DriverOf<F>) {
        F::Backend::open(&F::settings())
            .unwrap_or_else(|error| panic!("{} must open: {error}", F::NAME))
    }

    /// Runs `body` to its end in a new runtime, which is dropped afterwards. For tasks, timers and
    /// more than one runtime take [`runtime`](Self::runtime).
    pub fn run<T>(&self, body: impl AsyncFnOnce(TransportOf<F>) -> T) -> T {
        let mut runtime = self.runtime();
        let transport = runtime.transport().clone();
        runtime.block_on(body(transport))
    }

    /// Says what the case measured: the run's summary shows it, also if the case passes.
    pub fn note(&self, text: impl std::fmt::Display) {
        println!("{NOTE}{text}");
    }

    /// Which part this process plays, if the case started it with [`role_command`](Self::role_command).
    #[must_use]
    pub fn role(&self) -> Option<String> {
        std::env::var(ROLE).ok()
    }

    /// A command that runs this same case in a further process, where [`role`](Self::role) answers
    /// `role`. It shares the directory.
    #[must_use]
    pub fn role_command(&self, role: &str) -> Command {
        let program = std::env::current_exe().expect("the running program has a path");
        let mut command = Command::new(program);
        command.env(ROLE, role);
        command
    }
}

/// Waits until `condition` holds, or panics after five seconds.
///
/// This polls: it is for what nothing announces, such as another thread's state in `/proc` or an
/// object that the kernel frees in the background. Everything else has a channel or a readiness.
///
/// # Panics
/// After five seconds; `what` completes the sentence "waited in vain until ...".
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
