//! The modules of `studio-broker` that read hostile bytes, as they are, and what must hold of them.
#![allow(dead_code, unused_imports)]

#[path = "../checks.rs"]
pub mod checks;
#[path = "../../src/config/mod.rs"]
mod config;
mod http;
#[path = "../../src/mappings/mod.rs"]
mod mappings;
#[path = "../../src/team/mod.rs"]
mod team;
