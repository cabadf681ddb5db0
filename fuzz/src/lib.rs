//! Made-up files and made-up answers against the plugin host.
//!
//! ```sh
//! cargo run -p millwork-fuzz -- loader --minutes 30 --seed 7     # files: arbitrary, cut, with bits flipped, spliced
//! cargo run -p millwork-fuzz -- manifest --minutes 10            # what a plugin says of itself
//! cargo run -p millwork-fuzz -- boundary --minutes 30            # what it answers, logs, keeps and sends
//! ```
//!
//! An input is made of the seed and its number and of nothing else: `--seed 7 --from 1234 --inputs 1` makes one of them again. They
//! are tried in a process of their own. Whatever ends it, panics in it or holds it up is a finding, and it goes on behind that.

pub mod boundary;
pub mod corpus;
pub mod loader;
pub mod manifest;
pub mod report;
pub mod supervise;
pub mod target;
pub mod words;
pub mod worker;
