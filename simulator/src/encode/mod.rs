//! What a message looks like on the wire. An event goes in as a struct and leaves as bytes in a buffer that is
//! used again; what the device's fault does to the bytes is done here as well.

pub mod json;
