//! What teams are: parsed once, from an item that nobody trusts, into types that cannot be wrong.

pub mod owner;
mod team;
mod text;

pub use team::Team;
pub use text::{AccountId, DomainId, Region, RoleArn, SpaceName, TeamId, partition};
