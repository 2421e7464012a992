//! What `millstream-simulator` simulates, as a library: worlds without I/O and without a wall clock, which the
//! command encodes and sends.

pub mod city;
