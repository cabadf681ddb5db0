#![doc = include_str!("../README.md")]

pub mod connector;
pub mod digest;
pub mod event;
pub mod id;
pub mod json;
pub mod outcome;
pub mod run;
pub mod step;
pub mod time;
