//! People whom nothing knows: a typing error would refuse somebody else, or nobody.

use serde_json::{Value, json};

use super::find::Field;
use super::plan::Leaver;
use crate::aws::sessions::has_session;
use crate::cli::again::again;
use crate::cli::fleet::Mappings;
use crate::cli::output::{Code, Failure, warn};
use crate::cli::profiles::people::People;
use crate::config::{environment, state_table};
use crate::mappings::change::cut;
use crate::mappings::nearest;
use crate::team::item::excerpt;
use crate::team::members::Name;
use crate::team::owner::Owner;

/// Somebody whom nothing knows.
pub(super) struct Unknown {
    user: String,
    /// User ids and owners that look alike.
    near: Vec<String>,
}

impl Unknown {
    pub(super) fn in_words(&self) -> String {
        let perhaps = match self.near.is_empty() {
            true => String::new(),
            false => {
                let near: Vec<_> = self.near.iter().map(|one| excerpt(one)).collect();
                format!("; perhaps {}", near.join(" or "))
            }
        };
        format!(
            "nothing knows {}: no profile, no session, no identity store{perhaps}",
            excerpt(&self.user)
        )
    }
}

/// Those of the people whom neither a profile, an `IdP`'s list, a session nor an identity store knows.
pub(super) async fn unknown(
    field: &Field<'_>,
    mappings: &Mappings,
    people: &[Leaver],
) -> Vec<Unknown> {
    let has_none = |leaver: &&Leaver| {
        let plan = &leaver.plan;
        plan.profiles.is_empty() && plan.left_alone.is_empty() && !plan.is_denied
    };
    let doubtful: Vec<&Name> = people.iter().filter(has_none).map(|leaver| &leaver.name).collect();
    if doubtful.is_empty() {
        return Vec::new();
    }
    let idps: Vec<_> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp().cloned()).collect();
    // What a store cannot say, it does not know either: then the flag is needed.
    let (stored, _) = People::read(field.hub, &idps, &[]).await;
    let client = aws_sdk_dynamodb::Client::new(&field.hub.sdk);
    let state_table = state_table(environment);
    if let Err(faults) = &state_table {
        warn(faults.to_string());
    }
    let mut unknown = Vec::new();
    for name in doubtful {
        let Name { directory, user_id } = name;
        let in_session = match &state_table {
            Ok(table) => has_session(&client, table, directory, user_id).await.ok(),
            Err(_) => None,
        };
        let owner = Owner::new(directory, user_id);
        if !stored.knows(owner.as_str()) && !in_session.unwrap_or(false) {
            unknown.push(user_id);
        }
    }
    if unknown.is_empty() {
        return Vec::new();
    }
    let owners = field.all_owners().await;
    let near = |user: &String| {
        let known = owners.iter().map(String::as_str).chain(stored.user_names());
        let near = nearest(user, known).into_iter().map(str::to_owned).collect();
        Unknown { user: user.clone(), near }
    };
    unknown.into_iter().map(near).collect()
}

pub(super) fn nobody_knows(unknown: &[Unknown]) -> Failure {
    let users: Vec<_> = unknown.iter().map(|one| excerpt(&one.user)).collect();
    let each: Vec<_> =
        unknown.iter().map(|one| json!({"user": one.user, "nearest": one.near})).collect();
    Failure::usage(format!("nothing was done: nobody knows {}", cut(&users, 10).join(", ")))
        .code(Code::UserUnknown)
        .with("unknown", Value::Array(each))
        .hint(again("--allow-unknown"))
}
