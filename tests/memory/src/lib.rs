//! Counts what is allocated in the whole process: one test a program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all, and gets what it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Octets that are allocated.
pub fn now() -> usize {
    NOW.load(Ordering::Relaxed)
}

/// The most there were since [`restart`].
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// The peak is what there is now.
pub fn restart() {
    PEAK.store(now(), Ordering::Relaxed);
}

/// How far memory rises above what was there before.
pub fn rise<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = now();
    restart();
    let done = run();
    (peak() - before, done)
}
