//! Who is still in the groups that give access: asked of identity stores, where there are any.
//!
//! Only what a store knows can be said. A team that somebody may also reach by the teams attribute, or
//! through an identity provider without a store, says nothing about who is gone.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::Region as SdkRegion;
use aws_sdk_identitystore::types::MemberId;
use aws_sdk_identitystore::{Client, config};

use crate::aws::error::{AwsError, Kind, sorted};
use crate::cli::findings::Finding;
use crate::cli::hub::Hub;
use crate::team::idp::Idp;
use crate::team::owner::Owner;
use crate::team::{Team, group_of};

/// The people of all identity stores.
#[derive(Debug, Default)]
pub(in crate::cli) struct People {
    stores: Vec<Store>,
    /// `IdPs` without a store: whoever comes through them is not known here.
    without_store: Vec<Idp>,
    /// By which a group of one IdP is told.
    entity_ids: Vec<String>,
}

/// The groups of a team that count at an IdP, by their names there.
fn groups_at<'a>(
    team: &'a Team,
    idp: &'a Idp,
    entity_ids: &'a [String],
) -> impl Iterator<Item = &'a str> {
    let each = team.groups.iter().map(move |written| group_of(written, entity_ids));
    each.filter(|(only, _)| only.is_none_or(|only| only == idp.entity_id)).map(|(_, group)| group)
}

#[derive(Debug)]
struct Store {
    idp: Idp,
    /// The owners that a user of the store may be, by user id.
    owners: BTreeMap<String, BTreeSet<String>>,
    /// Members of each group, by user id.
    members: BTreeMap<String, BTreeSet<String>>,
}

impl People {
    /// Reads the users of each store, and the members of the teams' groups.
    pub(in crate::cli) async fn read(
        hub: &Hub,
        idps: &[Idp],
        teams: &[&Team],
    ) -> (Self, Vec<Finding>) {
        let entity_ids: Vec<_> = idps.iter().map(|idp| idp.entity_id.clone()).collect();
        let mut people = Self { entity_ids: entity_ids.clone(), ..Self::default() };
        let mut failed = Vec::new();
        for idp in idps.iter().filter(|idp| idp.enabled) {
            let Some(id) = &idp.identity_store_id else {
                people.without_store.push(idp.clone());
                continue;
            };
            match store(hub, idp, id, teams, &entity_ids).await {
                Ok(store) => people.stores.push(store),
                // Nobody is gone because a store does not answer.
                Err(error) => {
                    people.without_store.push(idp.clone());
                    failed.push(Finding::of_error(format!("identity store {id}"), &error));
                }
            }
        }
        (people, failed)
    }

    /// Whether a store knows somebody whose owner this is.
    pub(super) fn knows(&self, owner: &str) -> bool {
        self.stores.iter().any(|store| store.owners.values().any(|owners| owners.contains(owner)))
    }

    /// The owners that stores know: user ids as they are, where they need no digest.
    pub(super) fn user_names(&self) -> impl Iterator<Item = &str> {
        self.stores.iter().flat_map(|store| store.owners.values().flatten().map(String::as_str))
    }

    /// Everybody whom a group of a store gives one of the teams: the `IdP`, the owners that the person may
    /// be, and the group.
    pub(in crate::cli) fn members<'a>(
        &'a self,
        team: &'a Team,
    ) -> impl Iterator<Item = (&'a Idp, &'a str, &'a BTreeSet<String>, &'a str)> {
        let stores = self.stores.iter();
        let stores = stores.filter(|store| store.idp.allowed_teams.allow(&team.team_id));
        stores.flat_map(move |store| {
            let groups = groups_at(team, &store.idp, &self.entity_ids);
            let groups = groups.filter_map(|group| Some((group, store.members.get(group)?)));
            groups.flat_map(move |(group, members)| {
                let known = members.iter();
                let known = known.filter_map(|user| Some((user, store.owners.get(user)?)));
                known.map(move |(user, owners)| (&store.idp, user.as_str(), owners, group))
            })
        })
    }

    /// Why an owner seems to have no way into a team any more.
    pub(in crate::cli) fn gone(&self, owner: &str, team: &Team) -> Option<&'static str> {
        let allows = |idp: &Idp| idp.allowed_teams.allow(&team.team_id);
        let stores: Vec<_> = self.stores.iter().filter(|store| allows(&store.idp)).collect();
        if team.groups.is_empty() || stores.is_empty() || self.without_store.iter().any(allows) {
            return None;
        }
        let known: Vec<_> = stores
            .iter()
            .flat_map(|store| {
                let users = store.owners.iter().filter(|(_, owners)| owners.contains(owner));
                users.map(|(user, _)| (*store, user))
            })
            .collect();
        if known.is_empty() {
            return Some("no identity store knows the person");
        }
        let member = known.iter().any(|(store, user)| {
            let here = groups_at(team, &store.idp, &self.entity_ids);
            let mut groups = here.filter_map(|group| store.members.get(group));
            groups.any(|members| members.contains(*user))
        });
        (!member).then_some("the person is in none of the team's groups")
    }
}

async fn store(
    hub: &Hub,
    idp: &Idp,
    id: &str,
    teams: &[&Team],
    entity_ids: &[String],
) -> Result<Store, AwsError> {
    let mut config = config::Builder::from(&hub.sdk);
    if let Some(region) = &idp.identity_store_region {
        config = config.region(SdkRegion::new(region.to_string()));
    }
    let client = Client::from_conf(config.build());
    let owners = users(&client, id, &idp.directory).await?;
    let groups: BTreeSet<_> = teams
        .iter()
        .filter(|team| idp.allowed_teams.allow(&team.team_id))
        .flat_map(|team| groups_at(team, idp, entity_ids))
        .collect();
    let mut members = BTreeMap::new();
    for group in groups {
        members.insert(group.to_owned(), members_of(&client, id, group).await?);
    }
    Ok(Store { idp: idp.clone(), owners, members })
}

/// What an assertion may hold as a user's id: the store's own id, a name, an address, or an id from
/// elsewhere.
async fn users(
    client: &Client,
    store: &str,
    directory: &str,
) -> Result<BTreeMap<String, BTreeSet<String>>, AwsError> {
    let mut users = BTreeMap::new();
    let mut pages =
        client.list_users().identity_store_id(store).max_results(100).into_paginator().send();
    while let Some(page) = pages.next().await {
        for user in sorted("identitystore:ListUsers", page)?.users {
            let mut ids = vec![user.user_id.clone()];
            ids.extend(user.user_name);
            ids.extend(user.emails.into_iter().flatten().filter_map(|email| email.value));
            ids.extend(user.external_ids.into_iter().flatten().map(|id| id.id));
            let owners = ids.iter().map(|id| Owner::new(directory, id).to_string()).collect();
            users.insert(user.user_id, owners);
        }
    }
    Ok(users)
}

/// The members of a group; none of a group that is not in the store.
async fn members_of(
    client: &Client,
    store: &str,
    group: &str,
) -> Result<BTreeSet<String>, AwsError> {
    let mut members = BTreeSet::new();
    let listed = client.list_group_memberships().identity_store_id(store).group_id(group);
    let mut pages = listed.max_results(100).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match sorted("identitystore:ListGroupMemberships", page) {
            Ok(page) => page,
            // A value of an attribute is no group of the store.
            Err(error) if matches!(error.kind, Kind::Missing | Kind::Invalid) => break,
            Err(error) => return Err(error),
        };
        for membership in page.group_memberships {
            if let Some(MemberId::UserId(user)) = membership.member_id {
                members.insert(user);
            }
        }
    }
    Ok(members)
}
