//! Whom a user id means: the person of one directory.

use std::collections::BTreeSet;

use super::again::again;
use super::findings::Finding;
use super::fleet::Mappings;
use super::output::{Failure, word};
use crate::team::idp::{is_directory, must_be_user_id};
use crate::team::item::excerpt;
use crate::team::members::Name;
use crate::team::owner::DEFAULT_DIRECTORY;

/// The person with a user id, in the directory that was named or the only one that the IdPs have.
///
/// # Errors
///
/// Nobody can have the user id, no IdP has the directory, or several directories can be meant, in each of
/// which the same user id may be another person.
pub(super) fn person(
    user_id: &str,
    named: Option<&str>,
    mappings: &Mappings,
) -> Result<Name, Failure> {
    must_be_possible(user_id)?;
    let idps = mappings.idps.values().filter_map(|stored| stored.mapping()?.idp());
    let known: BTreeSet<_> = idps.map(|idp| idp.directory.as_str()).collect();
    let known: Vec<_> = known.into_iter().collect();
    let directory = directory(named, &known, &mappings.unusable_idps())?;
    Ok(Name { directory, user_id: user_id.to_owned() })
}

/// Refuses a user id that nobody can have.
///
/// # Errors
///
/// It is one.
pub(super) fn must_be_possible(user_id: &str) -> Result<(), Failure> {
    must_be_user_id(user_id)
        .map_err(|why| Failure::usage(format!("nobody can have this user id: {why}")))
}

/// The directory that was named, or the only one of those that are `known`. While an IdP cannot be used, its
/// directory is unknown: it may be the one that was named, and none is taken for the only one.
fn directory(named: Option<&str>, known: &[&str], unusable: &[Finding]) -> Result<String, Failure> {
    match (named, known) {
        (Some(named), [_, ..]) if !known.contains(&named) && unusable.is_empty() => {
            let message = format!(
                "no identity provider has the directory {}, there is {}",
                excerpt(named),
                known.join(", ")
            );
            Err(Failure::usage(message).hint("studio-broker idps list"))
        }
        (Some(named), _) if !is_directory(named) => {
            Err(Failure::usage("a directory is 1 to 32 of a-z 0-9 -"))
        }
        (Some(named), _) => Ok(named.to_owned()),
        (None, _) if !unusable.is_empty() => {
            let each = unusable.iter().map(|one| format!("{}: {}", one.subject, one.found));
            let message = format!(
                "the directory of an identity provider that cannot be used is unknown, and the same user id may be another person there; {}",
                each.collect::<Vec<_>>().join("; ")
            );
            let fixes = unusable.iter().map(|one| &one.fix);
            let failure = fixes.fold(Failure::usage(message), Failure::hint);
            let perhaps = known.first().copied().unwrap_or(DEFAULT_DIRECTORY);
            Err(failure.hint(with_directory(perhaps)))
        }
        (None, []) => Ok(DEFAULT_DIRECTORY.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, [first, ..]) => {
            let message = format!(
                "the same user id may be another person in each directory: {}",
                known.join(", ")
            );
            Err(Failure::usage(message).hint(with_directory(first)))
        }
    }
}

fn with_directory(directory: &str) -> Option<String> {
    again(&format!("--directory {}", word(directory)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::findings::Cause;

    #[test]
    fn a_directory_is_the_named_or_the_only_one_and_never_guessed() {
        let broken =
            [Finding::new(Cause::IdpInvalid, "IdP https://broken", "no metadata", "fix it")];
        let (none, one, two) = (&[][..], &["okta"][..], &["default", "okta"][..]);
        for (named, known, unusable, expected) in [
            (None, none, &[][..], Ok("default")),
            (None, one, &[], Ok("okta")),
            (None, two, &[], Err("in each directory: default, okta")),
            (None, none, &broken, Err("another person there; IdP https://broken: no metadata")),
            (None, one, &broken, Err("another person there; IdP https://broken: no metadata")),
            (None, two, &broken, Err("another person there; IdP https://broken: no metadata")),
            (Some("okta"), none, &[], Ok("okta")),
            (Some("okta"), two, &[], Ok("okta")),
            (Some("entra"), one, &[], Err("has the directory \"entra\", there is okta")),
            (Some("entra"), one, &broken, Ok("entra")),
            (Some("Entra"), none, &[], Err("a directory is 1 to 32 of a-z 0-9 -")),
            (Some("Entra"), one, &[], Err("has the directory \"Entra\", there is okta")),
            (Some("Entra"), one, &broken, Err("a directory is 1 to 32 of a-z 0-9 -")),
            (Some(""), none, &broken, Err("a directory is 1 to 32 of a-z 0-9 -")),
        ] {
            let found = directory(named, known, unusable).map_err(|failure| failure.message);
            match expected {
                Ok(directory) => assert_eq!(found.as_deref(), Ok(directory)),
                Err(end) => assert!(found.unwrap_err().ends_with(end), "{named:?} {known:?}"),
            }
        }
    }
}
