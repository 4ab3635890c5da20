//! The two queues of a ring, as every loop on it uses them: queue many, enter once, take all.
#![expect(unsafe_code, reason = "queues entries, and owns the descriptors that accepts make")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, Submitter, cqueue, opcode, types};
use unix_transport::Availability;

/// How many operations may be queued between two enters; more are submitted early.
const SUBMISSIONS: u32 = 1024;

/// How many completions may wait; the kernel keeps what goes beyond, at a cost.
const COMPLETIONS: u32 = 16 * 1024;

/// The operation that a completion is about is in its lowest byte, the connection's key above.
const KEY_SHIFT: u32 = 8;

/// What every loop has; its own operations begin at [`OWN`].
const ACCEPT: u8 = 0;
const CANCEL: u8 = 1;

/// The first number that a loop may give to an operation of its own.
pub(super) const OWN: u8 = 2;

/// A ring on which accepting is done by itself.
pub(super) struct Queue<'a> {
    io: IoUring,
    listener: BorrowedFd<'a>,
}

/// What a completion says.
pub(super) enum Event {
    /// A new connection.
    Accepted(OwnedFd),
    /// An operation of the loop's own.
    Done {
        operation: u8,
        /// Whose.
        key: usize,
        /// A count, or a negated errno.
        result: i32,
        flags: u32,
    },
}

/// Whether a ring can be made here (Linux 6.1, for the deferred work).
pub(in super::super) fn probe() -> Availability {
    match make() {
        Ok(_) => Availability::Yes(String::new()),
        Err(error) => Availability::No(format!("no ring can be made: {error}")),
    }
}

/// A ring whose deferred work runs only when it is entered to wait.
fn make() -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
    builder.setup_cqsize(COMPLETIONS).build(SUBMISSIONS)
}

impl Queue<'_> {
    /// A ring that accepts at `listener`.
    pub(super) fn new(listener: BorrowedFd<'_>) -> io::Result<Queue<'_>> {
        let mut queue = Queue { io: make()?, listener };
        queue.accept()?;
        Ok(queue)
    }

    pub(super) fn submitter(&self) -> Submitter<'_> {
        self.io.submitter()
    }

    /// Queues an operation of the connection `key`.
    ///
    /// The memory that `entry` names must stay as it is until the completion: every loop keeps it
    /// with the connection, which it removes only when nothing is under way.
    pub(super) fn push(&mut self, operation: u8, key: usize, entry: Entry) -> io::Result<()> {
        let entry = entry.user_data(user_data(operation, key));
        // SAFETY: the callers keep what is said above.
        while unsafe { self.io.submission().push(&entry) }.is_err() {
            self.io.submit()?;
        }
        Ok(())
    }

    /// Asks an operation to end, which then completes by itself.
    pub(super) fn cancel(&mut self, operation: u8, key: usize) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(user_data(operation, key)).build();
        self.push(CANCEL, key, entry.flags(Flags::SKIP_SUCCESS))
    }

    /// Submits what is queued, and waits for a completion.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        match self.io.submit_and_wait(1) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            waited => waited.map(drop),
        }
    }

    /// Submits what is queued.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        self.io.submit().map(drop)
    }

    /// The next completion that is there.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            let Some(completion) = self.io.completion().next() else { return Ok(None) };
            let (result, flags) = (completion.result(), completion.flags());
            // The lowest byte is what is wanted; the key came from a `usize`.
            let operation = completion.user_data() as u8;
            let key = (completion.user_data() >> KEY_SHIFT) as usize;
            match operation {
                ACCEPT => {
                    if !cqueue::more(flags) {
                        self.accept()?;
                    }
                    return accepted(result).map(|fd| Some(Event::Accepted(fd)));
                }
                // It came too late: what it should have ended reports for itself.
                CANCEL => {}
                operation => return Ok(Some(Event::Done { operation, key, result, flags })),
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let listener = types::Fd(self.listener.as_raw_fd());
        let entry = opcode::AcceptMulti::new(listener).flags(libc::SOCK_CLOEXEC).build();
        self.push(ACCEPT, 0, entry)
    }
}

fn user_data(operation: u8, key: usize) -> u64 {
    (key as u64) << KEY_SHIFT | u64::from(operation)
}

fn accepted(result: i32) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    // SAFETY: the kernel made this descriptor for us, and tells of it once.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}
