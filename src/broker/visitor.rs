//! Who wants something opened.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::SignedDuration;

use super::line::Returns;
use crate::aws::state_table::StateKey;
use crate::session::Session;
use crate::team::idp::Idp;

/// Who wants something opened, and comes back who has to wait.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// The session's record, which remembers what the next visit need not look at again.
    pub key: &'a StateKey,
    /// Their session.
    pub session: &'a Session,
    /// The `IdP` that signed, as it is now.
    pub idp: &'a Arc<Idp>,
    /// Their address.
    pub client: Option<IpAddr>,
    /// How they come back who have to wait.
    pub returns: Returns,
    /// How long they have waited on pages that say so.
    pub waited: SignedDuration,
}
