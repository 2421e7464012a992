//! What a panic says, told to the host before the trap that it ends in: the dead letter of the row then
//! shows the author's message and line.

/// Has panics reported to the host; called once for each instance, before any code of the author's.
pub fn report() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        use crate::bindings::millstream::plugin::log::{Level, log};
        log(Level::Error, &panic.to_string());
    }));
}
