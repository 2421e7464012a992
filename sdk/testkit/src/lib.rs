//! Tests plugins in the engine they run in: cases in folders, batches cut at random, state in memory.
