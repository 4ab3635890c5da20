//! Kinds of servers: they have a colour each, and an order in tables and pictures.

/// What a server waits with, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Our epoll backend.
    Epoll,
    /// Our io_uring backend.
    Uring,
    /// Our blocking backend.
    Blocking,
    /// Loops on bare system calls.
    Raw,
    /// Runtimes and loops that wait for readiness.
    ReadinessPeer,
    /// Runtimes on io_uring.
    CompletionPeer,
    /// A thread for each connection, with the standard library.
    ThreadPeer,
}

impl Family {
    /// All, in their order.
    pub(crate) const ALL: [Family; 7] = [
        Family::Epoll,
        Family::Uring,
        Family::Blocking,
        Family::Raw,
        Family::ReadinessPeer,
        Family::CompletionPeer,
        Family::ThreadPeer,
    ];

    /// The family of the server with this name, or of the one that it is the control of.
    pub(crate) fn of(name: &str) -> Family {
        let name = name.strip_suffix("-again").unwrap_or(name);
        match name {
            "epoll" | "epoll-owned" | "epoll-spin" | "hosted-tokio" => Family::Epoll,
            "uring" | "uring-owned" | "uring-borrowed" | "uring-spin" | "nested-uring" => {
                Family::Uring
            }
            "blocking" => Family::Blocking,
            "threads" => Family::ThreadPeer,
            "compio" | "glommio" | "kimojio" | "monoio" | "nexio" | "ringline" | "runite"
            | "tokio-uring" => Family::CompletionPeer,
            raw if raw.starts_with("raw-") => Family::Raw,
            _ => Family::ReadinessPeer,
        }
    }

    /// Whether it is neither ours nor a raw loop.
    pub(crate) fn is_peer(self) -> bool {
        self >= Family::ReadinessPeer
    }

    /// In words, for a legend.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Family::Epoll => "unix-transport, epoll",
            Family::Uring => "unix-transport, io_uring",
            Family::Blocking => "unix-transport, blocking",
            Family::Raw => "raw system calls",
            Family::ReadinessPeer => "readiness: tokio, mio, smol …",
            Family::CompletionPeer => "io_uring: monoio, compio …",
            Family::ThreadPeer => "a thread each, standard library",
        }
    }

    /// Its colour, as red, green and blue.
    pub(crate) fn colour(self) -> (u8, u8, u8) {
        match self {
            Family::Epoll => (0x25, 0x63, 0xeb),
            Family::Uring => (0x05, 0x96, 0x69),
            Family::Blocking => (0x7c, 0x3a, 0xed),
            Family::Raw => (0x37, 0x41, 0x51),
            Family::ReadinessPeer => (0xd9, 0x77, 0x06),
            Family::CompletionPeer => (0xdb, 0x27, 0x77),
            Family::ThreadPeer => (0x8b, 0x6b, 0x4a),
        }
    }
}

/// Whether the server of this name has a thread for each connection.
pub(crate) fn has_thread_for_each(name: &str) -> bool {
    let name = name.strip_suffix("-again").unwrap_or(name);
    matches!(name, "blocking" | "raw-blocking" | "threads")
}
