//! Who refuses the person: `denied_users` of the identity providers.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::mapping_tables::Written;
use crate::cli::Exit;
use crate::cli::findings::Finding;
use crate::cli::fleet::Mappings;
use crate::cli::hub::Hub;
use crate::cli::output::{Failure, Format, say};
use crate::config::environment;
use crate::mappings::Table;
use crate::team::idp::Idp;
use crate::team::item::{Record, excerpt};
use crate::team::members::Name;

/// The usable `IdPs` of the person's directory, each with its entity ID.
fn of_directory<'a>(
    name: &'a Name,
    mappings: &'a Mappings,
) -> impl Iterator<Item = (&'a String, &'a Idp)> {
    let usable =
        mappings.idps.iter().filter_map(|(key, stored)| Some((key, stored.mapping()?.idp()?)));
    usable.filter(|(_, idp)| idp.directory == name.directory)
}

/// The `IdPs` that refuse the person.
pub(super) fn denying(name: &Name, mappings: &Mappings) -> Vec<String> {
    let denying =
        of_directory(name, mappings).filter(|(_, idp)| idp.denied_users.contains(&name.user_id));
    denying.map(|(key, _)| key.clone()).collect()
}

/// The `IdPs` of the directory that do not refuse the person yet.
pub(super) fn to_deny(name: &Name, mappings: &Mappings) -> Vec<String> {
    let letting_in =
        of_directory(name, mappings).filter(|(_, idp)| !idp.denied_users.contains(&name.user_id));
    letting_in.map(|(key, _)| key.clone()).collect()
}

/// The `IdPs` that cannot be used and may be of the person's directory: nobody is refused there.
pub(super) fn unusable_idps(name: &Name, mappings: &Mappings) -> Vec<Finding> {
    let may_be = |finding: &Finding| {
        let key = finding.subject.strip_prefix("IdP ").unwrap_or_default();
        let item = mappings.idps.get(key).map(|stored| &stored.item);
        let directory = item.and_then(|item| item.get("directory"));
        directory.is_none_or(|directory| directory.as_str().is_none_or(|one| one == name.directory))
    };
    mappings.unusable_idps().into_iter().filter(may_be).collect()
}

/// Adds the person to the `denied_users` of an IdP. `go_on` repeats the command.
pub(super) async fn deny(
    hub: &Hub,
    entity_id: &str,
    user: &str,
    go_on: Option<String>,
) -> Result<(), Failure> {
    change_denied(hub, entity_id, go_on, |read| with_denied(read, user)).await
}

/// Takes the person out of the `denied_users` of an IdP.
pub(super) async fn undeny(
    hub: &Hub,
    entity_id: &str,
    user: &str,
    go_on: Option<String>,
) -> Result<(), Failure> {
    change_denied(hub, entity_id, go_on, |read| without_denied(read, user)).await
}

/// How often an IdP that changes under us is read again.
const ATTEMPTS: usize = 3;

/// Changes the `denied_users` of an IdP, whatever else changes in it meanwhile.
async fn change_denied(
    hub: &Hub,
    entity_id: &str,
    go_on: Option<String>,
    change: impl Fn(&Record) -> Option<Record>,
) -> Result<(), Failure> {
    let tables = hub.tables();
    for _ in 0..ATTEMPTS {
        let mut idps = tables.all(Table::Idps).await.map_err(|e| hub.failure(Table::Idps, e))?;
        let Some(read) = idps.remove(entity_id) else { return Ok(()) };
        let Some(wanted) = change(&read) else { return Ok(()) };
        let written = tables.write(Table::Idps, entity_id, Some(&read), &wanted).await;
        match written.map_err(|e| hub.failure(Table::Idps, e))? {
            Written::Done => return Ok(()),
            Written::ChangedMeanwhile(_) => {}
        }
    }
    let message = format!("somebody keeps changing the IdP {}", excerpt(entity_id));
    Err(Failure::new(Exit::Conflict, message).hint(go_on))
}

/// The item with one denied user less; `None` where nobody is denied by that id.
fn without_denied(read: &Record, user: &str) -> Option<Record> {
    let mut wanted = read.clone();
    let is_empty = match wanted.get_mut("denied_users")? {
        AttributeValue::Ss(set) => {
            set.retain(|id| id != user);
            set.is_empty()
        }
        AttributeValue::L(list) => {
            list.retain(|id| id.as_s().map(String::as_str) != Ok(user));
            list.is_empty()
        }
        _ => return None,
    };
    if is_empty {
        wanted.remove("denied_users");
    }
    (wanted != *read).then_some(wanted)
}

/// The item with one more denied user, as the list or set that it is; `None` when he is there.
fn with_denied(read: &Record, user: &str) -> Option<Record> {
    let denied = match read.get("denied_users") {
        Some(AttributeValue::Ss(set)) if set.iter().any(|id| id == user) => return None,
        Some(AttributeValue::Ss(set)) => {
            AttributeValue::Ss(set.iter().cloned().chain([user.to_owned()]).collect())
        }
        Some(AttributeValue::L(list)) => {
            let entry = AttributeValue::S(user.to_owned());
            if list.contains(&entry) {
                return None;
            }
            AttributeValue::L(list.iter().cloned().chain([entry]).collect())
        }
        _ => AttributeValue::L(vec![AttributeValue::S(user.to_owned())]),
    };
    let mut wanted = read.clone();
    wanted.insert("denied_users".into(), denied);
    Some(wanted)
}

/// What the broker believes of its tables at most, whatever it is set to.
const LONGEST_CACHE: Duration = Duration::from_secs(300);

/// How long the broker may go on without the denial. Its own setting cannot be seen from here, so that
/// its longest counts unless somebody says here what it is.
pub(super) fn noticed(hub: &Hub, format: Format) -> Duration {
    const VARIABLE: &str = "STUDIO_BROKER_TEAM_CACHE_SECONDS";
    let set = environment(VARIABLE).is_some_and(|value| !value.is_empty());
    let wait = match set {
        true => Duration::from_secs(u64::from(hub.settings.team_cache_seconds)),
        false => LONGEST_CACHE,
    };
    if format == Format::Table && !wait.is_zero() {
        let seconds = wait.as_secs();
        let whose = if set {
            format!("{VARIABLE} is {seconds}")
        } else {
            format!("set {VARIABLE} here as the broker has it to wait no longer than it needs")
        };
        say(format!(
            "The broker may not know of the denial for {seconds} s, as long as it may believe an identity provider's item; until then an open session can make a profile, so they are looked for again then ({whose})."
        ));
    }
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(value: AttributeValue) -> Record {
        Record::from([("denied_users".to_owned(), value)])
    }

    #[test]
    fn a_denied_user_joins_the_list_or_set_that_is_there() {
        let text = |text: &str| AttributeValue::S(text.into());
        let list = AttributeValue::L(vec![text("a")]);
        let after = with_denied(&denied(list), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("a"), text("b")]));
        let set = AttributeValue::Ss(vec!["a".into()]);
        let after = with_denied(&denied(set.clone()), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::Ss(vec!["a".into(), "b".into()]));
        assert_eq!(with_denied(&denied(set), "a"), None);
        let both = AttributeValue::L(vec![text("a"), text("b")]);
        let after = without_denied(&denied(both), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("a")]));
        let one = denied(AttributeValue::Ss(vec!["a".into()]));
        assert_eq!(without_denied(&one, "a").unwrap(), Record::new());
        assert_eq!(without_denied(&one, "b"), None);
        let after = with_denied(&Record::new(), "b").unwrap();
        assert_eq!(after["denied_users"], AttributeValue::L(vec![text("b")]));
    }
}
