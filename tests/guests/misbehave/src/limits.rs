//! Calls that use more than they may, each of one kind.

use crate::millstream::plugin::batches::Batch;
use crate::millstream::plugin::metrics::Counter;

/// Never returns.
pub fn run_forever() -> ! {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until it gets none.
pub fn take_all_memory() -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

/// Asks for more memory than any step may have, and goes on without.
pub fn ask_for_too_much() {
    let refused = Vec::<u8>::new().try_reserve_exact(std::hint::black_box(2_000_000_000));
    assert!(refused.is_err(), "nobody gets so much");
}

/// Takes stack until there is none.
#[inline(never)]
pub fn recurse(depth: u64) -> u64 {
    std::hint::black_box(depth) + if depth == 0 { 0 } else { recurse(std::hint::black_box(depth + 1)) }
}

/// Asks the host the same thing over and over.
pub fn call_host_forever(batch: &Batch) -> ! {
    loop {
        std::hint::black_box(batch.rows());
    }
}

/// Takes handles of the host and never lets go of them.
pub fn hold_handles() -> ! {
    loop {
        std::mem::forget(Counter::new("held"));
    }
}

/// Takes its time, and returns.
pub fn run_long() {
    for turn in 0..100_000_000u64 {
        std::hint::black_box(turn);
    }
}
