#![doc = include_str!("../README.md")]

pub mod connector;
pub mod digest;
pub mod id;
pub mod json;
pub mod outcome;
pub mod time;
