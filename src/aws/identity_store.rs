//! IAM Identity Center's identity store: the groups of a user.

use aws_config::{Region as SdkRegion, SdkConfig};
use aws_sdk_identitystore::types::{AlternateIdentifier, MemberId, UniqueAttribute};
use aws_sdk_identitystore::{Client, config};
use aws_smithy_types::Document;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

use super::cache::Cache;
use super::error::{AwsError, sorted};
use super::{tables_budget, tables_timeouts};
use crate::team::idp::Idp;

/// Identity stores of any Region, asked with the broker's own credentials.
#[derive(Debug)]
pub struct IdentityStores {
    config: SdkConfig,
    life: SignedDuration,
    groups: Cache<(String, User), Arc<Vec<String>>>,
}

/// By what a store is asked about a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum User {
    /// The id that it has there.
    Id(String),
    /// The user name. Where people choose theirs, it may have the form of somebody else's id, and is a name
    /// all the same.
    Name(String),
}

impl User {
    fn of(user_id: &str, name_id: &str) -> Self {
        if is_user_id(user_id) {
            Self::Id(user_id.to_owned())
        } else {
            Self::Name(name_id.to_owned())
        }
    }
}

/// One hundred groups a page; nobody is in ten thousand.
const MAX_PAGES: usize = 100;

impl IdentityStores {
    /// Identity stores whose answers are believed for `cache_seconds`.
    pub fn new(config: SdkConfig, cache_seconds: u32) -> Self {
        let life = SignedDuration::from_secs(i64::from(cache_seconds));
        Self { config, life, groups: Cache::new(5_000) }
    }

    /// Ids of the groups that the person is in; none where the `IdP` has no identity store.
    ///
    /// # Errors
    ///
    /// The store could not be read, or does not know the person.
    pub async fn groups(
        &self,
        idp: &Idp,
        user_id: &str,
        name_id: &str,
        now: Timestamp,
    ) -> Result<Arc<Vec<String>>, AwsError> {
        let Some(store) = &idp.identity_store_id else { return Ok(Arc::default()) };
        let user = User::of(user_id, name_id);
        let key = (store.clone(), user.clone());
        let load = async {
            let client = self.client(idp);
            let user = match &user {
                User::Id(id) => id.clone(),
                User::Name(name) => user_id_of(&client, store, name).await?,
            };
            Ok((Arc::new(groups_of(&client, store, user).await?), self.life))
        };
        self.groups.get_or_load(key, now, load).await
    }

    fn client(&self, idp: &Idp) -> Client {
        let mut config = config::Builder::from(&self.config)
            .retry_partition(tables_budget())
            .timeout_config(tables_timeouts());
        if let Some(region) = &idp.identity_store_region {
            config = config.region(SdkRegion::new(region.to_string()));
        }
        Client::from_conf(config.build())
    }
}

/// Whether a text has the form of a user's id in an identity store: a UUID, in older stores after ten
/// hexadecimal digits
/// (<https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_User.html>).
fn is_user_id(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    matches!(lengths.as_slice(), [8, 4, 4, 4, 12] | [10, 8, 4, 4, 4, 12])
        && text.split('-').all(hex)
}

async fn user_id_of(client: &Client, store: &str, user_name: &str) -> Result<String, AwsError> {
    const OPERATION: &str = "identitystore:GetUserId";
    let by_name = UniqueAttribute::builder()
        .attribute_path("userName")
        .attribute_value(Document::String(user_name.to_owned()))
        .build()
        .map_err(|error| AwsError::not_sent(OPERATION, &error))?;
    let sent = client
        .get_user_id()
        .identity_store_id(store)
        .alternate_identifier(AlternateIdentifier::UniqueAttribute(by_name))
        .send()
        .await;
    let output = sorted(OPERATION, sent)?;
    Ok(output.user_id)
}

async fn groups_of(client: &Client, store: &str, user: String) -> Result<Vec<String>, AwsError> {
    const OPERATION: &str = "identitystore:ListGroupMembershipsForMember";
    let mut groups = Vec::new();
    let mut next = None;
    for _ in 0..MAX_PAGES {
        let sent = client
            .list_group_memberships_for_member()
            .identity_store_id(store)
            .member_id(MemberId::UserId(user.clone()))
            .max_results(100)
            .set_next_token(next)
            .send()
            .await;
        let output = sorted(OPERATION, sent)?;
        groups.extend(
            output.group_memberships.into_iter().filter_map(|membership| membership.group_id),
        );
        next = output.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::{User, is_user_id};

    #[test]
    fn a_name_with_the_form_of_somebody_elses_id_is_a_name() {
        let id = "12345678-1234-1234-1234-123456789abc";
        let (of_id, of_name) = (User::Id(id.into()), User::Name(id.into()));
        assert_eq!(User::of(id, "mallory@example.com"), of_id);
        assert_eq!(User::of("employee-7", id), of_name);
        assert_ne!(of_id, of_name, "nor is what is remembered of the one the other's");
    }

    #[test]
    fn user_ids_of_a_store_are_uuids_with_or_without_a_prefix() {
        assert!(is_user_id("906769aa66-12345678-1234-1234-1234-123456789abc"));
        assert!(is_user_id("12345678-1234-1234-1234-123456789abc"));
        assert!(!is_user_id("jane@example.com") && !is_user_id("12345678-1234-1234-1234"));
    }
}
