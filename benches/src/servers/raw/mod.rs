//! Echo and sink servers written directly on system calls, without a task, a trait or a waker
//! between them and the kernel: the limit that a backend is measured against. ([`epoll_tasks()`],
//! [`ring_tasks()`], [`ring_owned_tasks()`] and [`ring_oneshot_tasks()`] have tasks and wakers, and nothing
//! else: the limit of what runs futures.)
//!
//! Each is the fastest that could be found for its technique. They stop only with their process,
//! and an error that is not one connection's ends them.

mod answering;
mod blocking;
mod buffers;
mod epoll;
mod epoll_tasks;
mod listening;
mod queue;
mod ready;
mod ring;
mod ring_borrowed;
mod ring_oneshot_tasks;
mod ring_owned;
mod ring_owned_sink;
mod ring_owned_tasks;
mod ring_tasks;
mod tasks;

pub(super) use blocking::serve as blocking;
pub(super) use epoll::serve as epoll;
pub(super) use epoll_tasks::serve as epoll_tasks;
pub(super) use queue::probe as probe_ring;
pub(super) use ring::serve as ring;
pub(super) use ring_borrowed::serve as ring_borrowed;
pub(super) use ring_oneshot_tasks::serve as ring_oneshot_tasks;
pub(super) use ring_owned::{serve as ring_owned, serve_directly as ring_direct};
pub(super) use ring_owned_tasks::serve as ring_owned_tasks;
pub(super) use ring_tasks::serve as ring_tasks;

use answering::answer;
use listening::{accept, listener};
