//! The binary's parts: command line, settings, the running process, the demo.

pub mod advise;
pub mod check;
pub mod cli;
pub mod demo;
pub mod run;
pub mod settings;
