//! Buffers that the kernel takes one of when it receives: the provided-buffer ring.
#![expect(unsafe_code, reason = "memory that is shared with the kernel")]

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use command::buffer;
use io_uring::types::BufRingEntry;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use super::queue::Queue;

/// A buffer's size as the kernel takes it: lossless.
const SIZE: u32 = buffer::SIZE as u32;

/// The group that receives name.
pub(super) const GROUP: u16 = 0;

/// The most buffers there can be: a power of two.
const MOST: u16 = 1024;

/// The least.
const LEAST: u16 = 16;

/// A buffer, by its number.
pub(super) type Number = u16;

/// The buffers that the kernel has, and the memory for more of them.
///
/// One mapping, which lives as long as the process: the ring of entries, which the kernel reads,
/// then the buffers. The kernel takes them in turn, so the fewer there are, the more likely each
/// is still in the cache; too few end receives, which then have to be asked for again.
pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    /// How many buffers are in use, from the first on.
    count: u16,
    /// How many were ever given to the kernel, modulo 2^16.
    tail: u16,
    /// How many of them came with completions, modulo 2^16.
    taken: u16,
}

impl Buffers {
    /// Registers memory with the ring. Its pages become real when they are first used.
    pub(super) fn new(queue: &Queue<'_>) -> io::Result<Buffers> {
        let head = usize::from(MOST) * size_of::<BufRingEntry>();
        let length = NonZeroUsize::MIN.saturating_add(head + usize::from(MOST) * buffer::SIZE - 1);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping disturbs nothing.
        let mapping = unsafe { mmap_anonymous(None, length, protection, flags) }?;
        let entries: NonNull<BufRingEntry> = mapping.cast();
        // SAFETY: the mapping is longer than its head.
        let memory = unsafe { mapping.cast::<u8>().add(head) };
        let at = entries.as_ptr() as u64;
        // SAFETY: that many entries are there, page-aligned, and the mapping is never unmapped.
        unsafe { queue.submitter().register_buf_ring_with_flags(at, MOST, GROUP, 0) }?;
        let mut buffers = Buffers { entries, memory, count: 0, tail: 0, taken: 0 };
        buffers.grow(LEAST);
        Ok(buffers)
    }

    /// Gives the kernel twice as many buffers, because it ran out of them: at most two for each of
    /// so many connections, one to be received into while the other is being sent.
    pub(super) fn grow_for(&mut self, connections: usize) {
        let useful = u16::try_from(connections.saturating_mul(2)).unwrap_or(MOST).min(MOST);
        if self.count < useful {
            self.grow(self.count.saturating_mul(2).min(MOST));
        }
    }

    fn grow(&mut self, count: u16) {
        let new = self.count..count;
        self.count = count;
        new.for_each(|number| self.give(number));
    }

    /// Where in memory a byte of a buffer is.
    pub(super) fn start(&self, number: Number, byte: u32) -> *const u8 {
        assert!(number < self.count && byte < SIZE, "the kernel knows only our buffers");
        // SAFETY: within the mapping, by the assertion and `new`.
        unsafe { self.memory.add(usize::from(number) * buffer::SIZE + byte as usize) }.as_ptr()
    }

    /// What the kernel put into a buffer that was not given back.
    pub(super) fn bytes(&self, number: Number, range: Range<u32>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= SIZE, "as long as a buffer");
        let start = self.start(number, range.start);
        // SAFETY: within the mapping, by the assertions; only the kernel writes there, and not until
        // it is given back.
        unsafe { std::slice::from_raw_parts(start, range.len()) }
    }

    /// Counts a buffer that a completion brought.
    pub(super) fn count_taken(&mut self) {
        self.taken = self.taken.wrapping_add(1);
    }

    /// Whether the kernel has a buffer to receive into, as far as completions were taken.
    pub(super) fn is_any_left(&self) -> bool {
        self.tail != self.taken
    }

    /// Lets the kernel receive into a buffer again.
    pub(super) fn give(&mut self, number: Number) {
        let start = self.start(number, 0) as u64;
        // SAFETY: the place is within the ring of entries.
        let entry = unsafe { self.entries.add(usize::from(self.tail % MOST)) };
        // SAFETY: the entry is initialised (zero pages), and the kernel does not read it until the
        // tail passes it. The first shares its last field with the tail, which is not set here.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(start);
        entry.set_len(SIZE);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the ring of entries begins there.
        let shown = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail is an aligned `u16` in the mapping that both sides access atomically.
        let shown = unsafe { AtomicU16::from_ptr(shown.cast_mut()) };
        shown.store(self.tail, Ordering::Release);
    }
}
