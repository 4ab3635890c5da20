//! What a caller can ask for when listening, connecting and adopting, and when opening a backend.

use std::time::Duration;

/// How to listen. The default is the longest backlog that the system has, mode 0600, and a file
/// that stays when the listener closes.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    pub(crate) backlog: u32,
    pub(crate) mode: Option<u32>,
    pub(crate) cleanup: Cleanup,
    pub(crate) check_parent: bool,
    pub(crate) descriptors: Descriptors,
    pub(crate) wake_one: bool,
}

impl ListenOptions {
    /// The defaults; see [`ListenOptions`].
    #[must_use]
    pub fn new() -> ListenOptions {
        ListenOptions {
            backlog: u32::MAX,
            mode: None,
            cleanup: Cleanup::Keep,
            check_parent: false,
            descriptors: Descriptors::Refuse,
            wake_one: false,
        }
    }

    /// Racket's default, a backlog of 4, in everything else as [`ListenOptions::new`].
    #[must_use]
    pub fn compatible() -> ListenOptions {
        ListenOptions::new().backlog(4)
    }

    /// How many clients wait to be accepted: `backlog` + 1, clamped to the system's maximum
    /// (`net.core.somaxconn`; rule B6).
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> ListenOptions {
        self.backlog = backlog;
        self
    }

    /// The permission bits of the socket file, exactly, whatever the umask; 0600 unless asked
    /// otherwise. Connecting needs the write bit. The file never has more than these bits, not
    /// even for a moment, and the umask is not touched (rule B3). An error on an abstract name.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> ListenOptions {
        self.mode = Some(mode & 0o7777);
        self
    }

    /// What becomes of the file when the listener closes (rule B7). Asking for
    /// [`Cleanup::Remove`] on an abstract name is an error.
    #[must_use]
    pub fn cleanup(mut self, cleanup: Cleanup) -> ListenOptions {
        self.cleanup = cleanup;
        self
    }

    /// Refuse to listen unless the parent directory belongs to this user or to root, and others
    /// can't write into it, or it is sticky (rule B4).
    #[must_use]
    pub fn check_parent(mut self, check: bool) -> ListenOptions {
        self.check_parent = check;
        self
    }

    /// Whether clients may pass descriptors to connections that are accepted here.
    #[must_use]
    pub fn descriptors(mut self, descriptors: Descriptors) -> ListenOptions {
        self.descriptors = descriptors;
        self
    }

    /// Whether a client that arrives wakes only one of the drivers that
    /// [share](crate::Transport::share_listener) the listener, if they wait on epoll
    /// (`EPOLLEXCLUSIVE`, epoll_ctl(2)) or on the ring; `ppoll` always wakes all. Off unless asked
    /// for, because it is a promise: every handle accepts again and again until the listener
    /// closes. They take turns: whoever was woken waits behind the others next. The client that woke
    /// a handle which accepts no more waits until the next one arrives.
    #[must_use]
    pub fn wake_one(mut self, wake_one: bool) -> ListenOptions {
        self.wake_one = wake_one;
        self
    }
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions::new()
    }
}

/// What becomes of a socket file when its listener closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleanup {
    /// It stays, as with Racket; the next bind there fails with "address in use" until somebody
    /// deletes it.
    #[default]
    Keep,
    /// It is removed, before the descriptor closes, if the file at the path is still the one that
    /// this listener made (same device and inode).
    Remove,
}

/// Whether descriptors may arrive with data (`SCM_RIGHTS`; rule K2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Descriptors {
    /// No: the sender gets EPERM where the kernel can refuse (`SO_PASSRIGHTS`, Linux 6.16);
    /// otherwise what arrives is closed.
    #[default]
    Refuse,
    /// Yes, at most this many (1 to 253) with one message; a message with more is an error, and
    /// all that came with it is closed.
    Accept {
        /// The most descriptors that one message may bring.
        limit: u8,
    },
}

impl Descriptors {
    /// The most that Linux carries in one message.
    pub const MOST: u8 = 253;

    /// How many descriptors one message may bring: 0 where they are refused.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Descriptors::Refuse => 0,
            Descriptors::Accept { limit } => usize::from(limit.min(Descriptors::MOST)),
        }
    }
}

/// How to connect. The default waits without end while the server's backlog is full.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) descriptors: Descriptors,
}

impl ConnectOptions {
    /// The defaults; see [`ConnectOptions`].
    #[must_use]
    pub fn new() -> ConnectOptions {
        ConnectOptions::default()
    }

    /// How long to wait while the backlog is full; then the error is
    /// [`TimedOut`](std::io::ErrorKind::TimedOut). Zero means not to wait at all; a full backlog
    /// is then [`WouldBlock`](std::io::ErrorKind::WouldBlock) (rule C1).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> ConnectOptions {
        self.timeout = Some(timeout);
        self
    }

    /// Whether the server may pass descriptors.
    #[must_use]
    pub fn descriptors(mut self, descriptors: Descriptors) -> ConnectOptions {
        self.descriptors = descriptors;
        self
    }

    /// The timeout that was asked for.
    #[must_use]
    pub fn wait_limit(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether descriptors may arrive, as it was asked for.
    #[must_use]
    pub fn descriptor_policy(&self) -> Descriptors {
        self.descriptors
    }
}

/// How to take over a descriptor that was made elsewhere, and how to make a pair.
#[derive(Clone, Debug, Default)]
pub struct AdoptOptions {
    pub(crate) descriptors: Descriptors,
}

impl AdoptOptions {
    /// The defaults: descriptors are refused.
    #[must_use]
    pub fn new() -> AdoptOptions {
        AdoptOptions::default()
    }

    /// Whether the peer may pass descriptors.
    #[must_use]
    pub fn descriptors(mut self, descriptors: Descriptors) -> AdoptOptions {
        self.descriptors = descriptors;
        self
    }

    /// Whether descriptors may arrive, as it was asked for.
    #[must_use]
    pub fn descriptor_policy(&self) -> Descriptors {
        self.descriptors
    }
}

/// How to open a backend. Every field has a default that was measured; a backend takes what
/// concerns it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How many events one turn takes from the kernel at most (epoll), and how many entries the
    /// submission queue has (io_uring). Default 256.
    pub events: u32,
    /// How many buffers a ring shares among its connections for owned receives at most (io_uring);
    /// rounded up to a power of two. It begins with 8, and doubles them when they run short.
    /// Default 256.
    pub buffers: u16,
    /// The size of each of these buffers in bytes (io_uring). Default 64 KiB; much smaller than
    /// the messages is ruinous. Memory that nothing was received into is not used.
    pub buffer_size: u32,
    /// How many received chunks a connection may hold that its reader has not taken, before its
    /// receive is stopped until the reader catches up (io_uring, owned path). Default 16.
    pub run_ahead: usize,
    /// Whether one request may receive again and again (io_uring, owned path). Default true; where
    /// the kernel's such receives lose the end of a stream, it is not done all the same.
    pub multishot: bool,
    /// Whether every owned send is a call of `send(2)` (io_uring), and not only in a direction that
    /// moves large pieces, instead of a request that is submitted together with others. Default
    /// `None`: as it costs less here; a call does where the kernel is entered in less than 155 ns,
    /// which is measured once for the process.
    pub direct_sends: Option<bool>,
    /// How long dropping a driver waits for bytes that `send` took to be taken by their peers
    /// (io_uring, owned path; rule S7). Default 1 second.
    pub linger: Duration,
    /// How long a [`Runtime`](crate::Runtime) looks for events at most before it sleeps, on every
    /// backend. It looks shorter, and in the end not at all, while that finds nothing. Default
    /// zero: it sleeps at once. For those to whom latency is worth a processor: 50 to 100 µs
    /// cover the wake-up of a sleeping client. A loop of your own spins by turning its driver
    /// with a limit of zero.
    pub spin: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            events: 256,
            buffers: 256,
            buffer_size: 64 * 1024,
            run_ahead: 16,
            multishot: true,
            direct_sends: None,
            linger: Duration::from_secs(1),
            spin: Duration::ZERO,
        }
    }
}
