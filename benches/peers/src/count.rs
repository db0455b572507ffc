//! What is allocated, counted: how often, how much of it is held now, and how much was at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

pub(crate) struct Counting;

/// To count takes as long as a small allocation: where time is measured, nothing is counted.
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all, and gets what it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        shrank(layout.size());
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        shrank(layout.size());
        grew(size);
        unsafe { System.realloc(at, layout, size) }
    }
}

/// From now on all is counted. What is given back later must not have been there before.
pub(crate) fn begin() {
    IS_COUNTING.store(true, Relaxed);
}

fn shrank(octets: usize) {
    if IS_COUNTING.load(Relaxed) {
        HELD.fetch_sub(octets, Relaxed);
    }
}

fn grew(octets: usize) {
    if !IS_COUNTING.load(Relaxed) {
        return;
    }
    CALLS.fetch_add(1, Relaxed);
    let held = HELD.fetch_add(octets, Relaxed) + octets;
    PEAK.fetch_max(held, Relaxed);
}

/// How often something was allocated, or grew.
pub(crate) fn calls() -> usize {
    CALLS.load(Relaxed)
}

/// Octets on the heap now.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// The most octets on the heap since the last call, and from now on anew.
pub(crate) fn peak() -> usize {
    PEAK.swap(held(), Relaxed)
}
