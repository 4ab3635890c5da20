//! What a process has open: its descriptors and its threads, counted before and after each case
//! (rule X1, case 151).

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// How long threads that were joined and descriptors that the kernel closes in the background may
/// take to go.
const SETTLING: Duration = Duration::from_secs(2);

/// The descriptors and threads of this process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// What each descriptor refers to, by number, as `/proc/self/fd` shows it.
    pub descriptors: BTreeMap<i32, String>,
    /// How many threads there are.
    pub threads: usize,
}

impl Census {
    /// Counts now.
    #[must_use]
    pub fn take() -> Census {
        let descriptors = fs::read_dir("/proc/self/fd")
            .expect("Linux has /proc/self/fd")
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number = entry.file_name().to_str()?.parse().ok()?;
                // The descriptor that reads the directory is gone when it is looked at.
                Some((number, fs::read_link(entry.path()).ok()?.display().to_string()))
            })
            .filter(|(_, target)| !is_own_directory(target))
            .collect();
        let threads = fs::read_dir("/proc/self/task").expect("Linux has /proc/self/task").count();
        Census { descriptors, threads }
    }

    /// Panics unless descriptors and threads are as many as in this census.
    ///
    /// Waits for them for a bounded time: a thread that was joined stays in `/proc` for a moment,
    /// and nothing announces its end.
    ///
    /// # Panics
    /// If more, or fewer, are left; the message lists them.
    pub fn assert_unchanged(&self) {
        let end = Instant::now() + SETTLING;
        let mut now = Census::take();
        while !self.same_counts(&now) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            now = Census::take();
        }
        let new: Vec<_> = now
            .descriptors
            .iter()
            .filter(|(number, _)| !self.descriptors.contains_key(number))
            .collect();
        assert!(
            self.same_counts(&now),
            "descriptors and threads must return to the baseline: {} descriptors became {} (new: {new:?}), \
             {} threads became {}",
            self.descriptors.len(),
            now.descriptors.len(),
            self.threads,
            now.threads,
        );
    }

    fn same_counts(&self, other: &Census) -> bool {
        self.descriptors.len() == other.descriptors.len() && self.threads == other.threads
    }
}

/// Whether this is the descriptor that lists the descriptors.
fn is_own_directory(target: &str) -> bool {
    target.starts_with("/proc/") && target.ends_with("/fd")
}
