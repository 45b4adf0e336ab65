//! What of the routes reads bytes.

#[path = "../../src/http/event.rs"]
pub mod event;
#[path = "../../src/http/form.rs"]
pub mod form;
#[path = "../../src/http/query.rs"]
mod query;
#[path = "../../src/http/request.rs"]
mod request;

pub use request::{Body, Request};

pub type Response = http::Response<String>;

/// As in `src/http/mod.rs`.
pub const MAX_BODY: usize = 512 * 1024;
