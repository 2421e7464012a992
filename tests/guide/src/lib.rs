//! Does what the guide says: [`blocks`] takes a page apart, [`Session`] is the shell of a reader who types it all
//! into a clean folder, and [`follow`] does the one with the other and compares what the page promises.

mod block;
mod compare;
mod follow;
mod session;

pub use block::{Block, Command, Content, blocks};
pub use compare::difference;
pub use follow::follow;
pub use session::{Session, Typed};
