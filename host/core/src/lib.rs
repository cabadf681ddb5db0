#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod access;
pub mod bounds;
pub mod command;
pub mod connector;
pub mod decide;
pub mod definition;
pub mod digest;
pub mod effect;
pub mod event;
pub mod expression;
pub mod graph;
pub mod id;
pub mod json;
pub mod limits;
pub mod outcome;
pub mod pointer;
pub mod retry;
pub mod run;
pub mod step;
pub mod template;
pub mod time;
pub mod trace;
