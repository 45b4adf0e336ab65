//! What teams are: parsed once, from an item that nobody trusts, into types that cannot be wrong.
//!
//! In comes an item of a table, out goes a [`Team`], an [`idp::Idp`] or every fault at once ([`item`]). Who may
//! open what is [`entitlement`], who somebody is to AWS [`owner`], whose a profile is [`whose`]. Nothing here
//! touches the world outside.

pub mod address;
pub mod app;
pub mod door;
pub mod entitlement;
pub mod idp;
pub mod item;
mod mapping;
pub mod members;
pub mod owner;
pub mod portal;
mod session_duration;
pub mod spoke;
mod text;
pub mod whose;

pub use mapping::{Team, counts_at, group_of, groups_as_written};
pub use text::{AccountId, DomainId, DoorId, Region, RoleArn, SpaceName, TeamId, partition};
