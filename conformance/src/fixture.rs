//! What the suite asks of a backend: its types, its settings, and what it can do.

use std::ops::BitOr;

use transport_core::{Backend, Settings, Transport};

/// A backend under test.
pub trait Fixture: Sized + 'static {
    /// The name that test names begin with: `epoll` in `epoll::027_missing`.
    const NAME: &'static str;

    /// The backend.
    type Backend: Backend;

    /// How each case opens the backend.
    #[must_use]
    fn settings() -> Settings {
        Settings::default()
    }

    /// What the backend can do. A case that needs something else does not apply, and is counted
    /// as such; case 0 asserts that what is not declared is refused, and not half there.
    #[must_use]
    fn capabilities() -> Capabilities {
        Capabilities::all()
    }

    /// How many bytes of memory the kernel may still write to after everything of `transport` was
    /// dropped, and that were freed nevertheless; `None` where nothing is ever lent (case 154).
    fn bytes_lent_to_kernel(transport: &TransportOf<Self>) -> Option<usize> {
        _ = transport;
        None
    }

    /// Whether `bytes` lie in memory that the backend's kernel interface filled without a copy;
    /// `None` where there is no such memory (case 163).
    fn is_ring_memory(transport: &TransportOf<Self>, bytes: &[u8]) -> Option<bool> {
        _ = (transport, bytes);
        None
    }
}

/// The transport of a fixture.
pub type TransportOf<F> = <<F as Fixture>::Backend as Backend>::Transport;
/// The driver of a fixture.
pub type DriverOf<F> = <<F as Fixture>::Backend as Backend>::Driver;
/// The listener of a fixture.
pub type ListenerOf<F> = <TransportOf<F> as Transport>::Listener;
/// The connection of a fixture.
pub type ConnectionOf<F> = <TransportOf<F> as Transport>::Connection;

/// What a backend can do beyond one operation at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Nothing of the following.
    pub const NONE: Capabilities = Capabilities(0);
    /// Several operations wait at once on one thread, and any of them can be dropped while it
    /// waits. A face whose calls block the thread has neither.
    pub const CONCURRENT: Capabilities = Capabilities(1 << 0);
    /// The driver has a descriptor to wait for, so it can live in another loop.
    pub const NESTED: Capabilities = Capabilities(1 << 1);
    /// Owned receives hand out the backend's own buffers, and owned sends go on by themselves.
    pub const OWNED_BY_COMPLETION: Capabilities = Capabilities(1 << 2);
    /// Descriptors can be sent and received.
    pub const DESCRIPTORS: Capabilities = Capabilities(1 << 3);
    /// A listener can have several handles.
    pub const SHARED_LISTENERS: Capabilities = Capabilities(1 << 4);
    /// Listeners and connections depend on a driver, and end with it.
    pub const DRIVEN: Capabilities = Capabilities(1 << 5);

    /// Everything.
    #[must_use]
    pub const fn all() -> Capabilities {
        Capabilities((1 << 6) - 1)
    }

    /// These without `others`.
    #[must_use]
    pub const fn without(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 & !others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Capabilities) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Capabilities {
    type Output = Capabilities;

    fn bitor(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 | others.0)
    }
}
