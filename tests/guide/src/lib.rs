//! Does what the guide says, block by block, in clean folders.
