//! The ring's receive buffers: the kernel takes one when data is there, and a chunk gives it back.
#![expect(unsafe_code, reason = "memory that is shared with the kernel")]

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use transport_core::Chunk;
use transport_core::chunk::Lender;

/// How many buffers the kernel gets at first.
const FEW: u16 = 8;

/// The one group of buffers that a ring has.
pub(crate) const GROUP: u16 = 0;

/// Buffers that are registered with a ring. The memory lives until the last chunk is dropped and
/// the ring, which writes into it, has ended.
///
/// One mapping: first the ring of entries (the kernel reads them, only this side writes them),
/// then the buffers (the kernel writes one that it has taken, until its completion is reaped).
pub(crate) struct Buffers {
    memory: NonNull<u8>,
    mapped: NonZeroUsize,
    entries: u16,
    size: u32,
    /// How many of the buffers are in use; the others were never given to the kernel. Written by
    /// the driver alone.
    used: AtomicU16,
    /// How many buffers were ever given to the kernel, modulo 2^16: the ring's tail.
    tail: Mutex<u16>,
    /// The same, for those who don't hold the lock.
    given: AtomicU16,
    /// How many the kernel has taken, as far as its completions were reaped, modulo 2^16. Written
    /// by the driver alone.
    taken: AtomicU16,
}

// SAFETY: the memory belongs to this value; entries are written under the lock, and each buffer
// has one holder at a time, the kernel or a chunk.
unsafe impl Send for Buffers {}
// SAFETY: as above.
unsafe impl Sync for Buffers {}

impl Buffers {
    /// Maps `count` buffers (a power of two) of `size` bytes and registers them with `ring`. The
    /// memory becomes real when it is first used.
    pub(crate) fn new(ring: &IoUring, count: u16, size: u32) -> io::Result<Arc<Buffers>> {
        let entries = count.clamp(2, 1 << 15).next_power_of_two();
        let size = size.clamp(64, 1 << 24);
        let length = entries_size(entries) + usize::from(entries) * size as usize;
        let mapped = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping disturbs nothing.
        let memory = unsafe { mmap_anonymous(None, mapped, protection, flags) }?.cast();
        let tail = Mutex::new(0);
        let [used, given, taken] = [0, 0, 0].map(AtomicU16::new);
        let buffers = Buffers { memory, mapped, entries, size, used, tail, given, taken };
        let at = memory.as_ptr() as u64;
        // SAFETY: the mapping holds that many entries, page-aligned, and is unmapped only when
        // this value is dropped, after the ring's driver ended its use or leaked this value.
        unsafe { ring.submitter().register_buf_ring_with_flags(at, entries, GROUP, 0) }?;
        buffers.giving().grow();
        Ok(Arc::new(buffers))
    }

    /// To give buffers to the kernel, several under one lock.
    pub(crate) fn giving(&self) -> Giving<'_> {
        // Nothing inside panics.
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Giving { buffers: self, tail, has_grown: false }
    }

    /// How many bytes the kernel could write to now.
    pub(crate) fn lent(&self) -> usize {
        self.available() * self.size as usize
    }

    /// How many the kernel has now, as far as its completions were reaped.
    fn available(&self) -> usize {
        let given = self.given.load(Ordering::Relaxed);
        usize::from(given.wrapping_sub(self.taken.load(Ordering::Relaxed)))
    }

    /// Counts a buffer that a completion brought; on the driver's thread, so without a
    /// read-modify-write.
    fn count_taken(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
    }

    /// What the kernel put into `buffer`: as the buffer itself, or, if all are in use and the kernel
    /// has too few left, as a copy, so that chunks that somebody holds never stall another
    /// connection.
    pub(crate) fn received(
        self: &Arc<Self>,
        giving: &mut Giving<'_>,
        buffer: u16,
        length: usize,
    ) -> Chunk {
        self.count_taken();
        let start = self.start(buffer);
        let low = usize::from(self.entries / 4).max(1);
        let are_all_used = self.used.load(Ordering::Relaxed) == self.entries;
        if are_all_used && self.available() < low {
            // SAFETY: the kernel wrote `length` bytes there, and its completion was reaped.
            let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), length) };
            let copy = Chunk::from(bytes);
            giving.put(buffer);
            return copy;
        }
        let lender: Arc<dyn Lender> = Arc::clone(self) as Arc<dyn Lender>;
        // SAFETY: as above; the kernel gets the buffer again only when the chunk is dropped.
        unsafe { Chunk::lent(lender, u64::from(buffer), start, length) }
    }

    /// Whether `bytes` lie in these buffers.
    pub(crate) fn contains(&self, bytes: &[u8]) -> bool {
        let start = self.memory.as_ptr() as usize;
        let all: Range<usize> = start..start + self.mapped.get();
        let range = bytes.as_ptr_range();
        all.contains(&(range.start as usize)) && range.end as usize <= all.end
    }

    fn start(&self, buffer: u16) -> NonNull<u8> {
        assert!(buffer < self.entries, "the kernel knows only our buffers");
        let offset = entries_size(self.entries) + usize::from(buffer) * self.size as usize;
        // SAFETY: within the mapping, by the assertion and `new`.
        unsafe { self.memory.add(offset) }
    }
}

/// The right to give buffers to the kernel. Dropping a chunk of theirs waits for its end.
pub(crate) struct Giving<'b> {
    buffers: &'b Buffers,
    tail: MutexGuard<'b, u16>,
    has_grown: bool,
}

impl Giving<'_> {
    /// Gives the kernel as many buffers again as are in use, at first [`FEW`], unless all are, or this
    /// has done so: the receives that stop in one turn stop for the same want. Few buffers stay in
    /// the cache, and too few stop receives. By the driver alone.
    pub(crate) fn grow(&mut self) {
        if std::mem::replace(&mut self.has_grown, true) {
            return;
        }
        let Buffers { used, entries, .. } = self.buffers;
        let now = used.load(Ordering::Relaxed);
        let more = now.saturating_mul(2).clamp(FEW, (*entries).max(FEW)).min(*entries);
        (now..more).for_each(|buffer| self.put(buffer));
        used.store(more, Ordering::Relaxed);
    }

    /// Gives a buffer that a completion brought straight back.
    pub(crate) fn recycle(&mut self, buffer: u16) {
        self.buffers.count_taken();
        self.put(buffer);
    }

    /// Writes a buffer's entry at the tail, then shows the kernel the new tail.
    pub(crate) fn put(&mut self, buffer: u16) {
        let Buffers { memory, entries, size, given, .. } = self.buffers;
        let start = self.buffers.start(buffer).as_ptr() as u64;
        let first: *mut BufRingEntry = memory.as_ptr().cast();
        let place = usize::from(*self.tail & (entries - 1));
        // SAFETY: the place is within the ring of entries.
        let entry = unsafe { first.add(place) };
        // SAFETY: the entry is initialised (zero pages), and the kernel does not read it until the
        // tail passes it; the lock keeps other writers away. The first entry shares its last field
        // with the tail, which none of the setters touches.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start);
        entry.set_len(*size);
        entry.set_bid(buffer);
        *self.tail = self.tail.wrapping_add(1);
        // SAFETY: the ring of entries begins there.
        let shown = unsafe { BufRingEntry::tail(first) };
        // SAFETY: the tail is an aligned `u16` in the mapping that both sides access atomically.
        let shown = unsafe { AtomicU16::from_ptr(shown.cast_mut()) };
        shown.store(*self.tail, Ordering::Release);
        given.store(*self.tail, Ordering::Relaxed);
    }
}

/// The ring of entries, in whole pages, so that the buffers behind it are aligned.
fn entries_size(entries: u16) -> usize {
    (usize::from(entries) * size_of::<BufRingEntry>()).next_multiple_of(4096)
}

impl Lender for Buffers {
    fn give_back(&self, token: u64) {
        self.giving().put(token as u16);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: nobody has a pointer any more: chunks hold this value, and the driver keeps it
        // until the kernel is done, or for ever.
        let unmapped = unsafe { munmap(self.memory.cast(), self.mapped.get()) };
        debug_assert!(unmapped.is_ok(), "the mapping is ours: {unmapped:?}");
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("entries", &self.entries)
            .field("size", &self.size)
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}
