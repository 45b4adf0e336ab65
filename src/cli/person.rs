//! Whom a user id means: the person of one directory.

use std::collections::BTreeSet;

use super::again::again;
use super::fleet::Mappings;
use super::output::{Failure, word};
use crate::team::idp::must_be_user_id;
use crate::team::item::excerpt;
use crate::team::members::Name;
use crate::team::owner::DEFAULT_DIRECTORY;

/// The person with a user id, in the directory that was named or the only one that the IdPs have.
///
/// # Errors
///
/// Nobody can have the user id, no IdP has the directory, or there are several directories, in each of
/// which the same user id may be another person.
pub(super) fn person(
    user_id: &str,
    directory: Option<&str>,
    mappings: &Mappings,
) -> Result<Name, Failure> {
    must_be_user_id(user_id)
        .map_err(|why| Failure::usage(format!("nobody can have this user id: {why}")))?;
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let known: BTreeSet<_> = idps.map(|idp| idp.directory.clone()).collect();
    let all: Vec<_> = known.iter().cloned().collect();
    // The directory of an item that cannot be used is not known: it may be the one that is meant.
    let unusable = mappings.unusable_idps();
    let directory = match (directory, all.as_slice()) {
        (Some(directory), []) => directory.to_owned(),
        (Some(directory), _) if known.contains(directory) || !unusable.is_empty() => {
            directory.to_owned()
        }
        (Some(directory), all) => {
            let message = format!(
                "no identity provider has the directory {}, there is {}",
                excerpt(directory),
                all.join(", ")
            );
            return Err(Failure::usage(message).hint("studio-broker idps list"));
        }
        (None, []) => DEFAULT_DIRECTORY.to_owned(),
        (None, [only]) if unusable.is_empty() => only.clone(),
        (None, [first, ..]) => {
            let message = format!(
                "the same user id may be another person in each directory: {}{}",
                all.join(", "),
                if unusable.is_empty() { "" } else { ", and that of an item that cannot be used" }
            );
            let option = format!("--directory {}", word(first));
            return Err(Failure::usage(message).hint(again(&option)));
        }
    };
    if !crate::team::idp::is_directory(&directory) {
        return Err(Failure::usage("a directory is 1 to 32 of a-z 0-9 -"));
    }
    Ok(Name { directory, user_id: user_id.to_owned() })
}
