//! IAM Identity Center as it stands: the application, who is assigned to it, the store's groups.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::Region as SdkRegion;
use aws_sdk_ssoadmin::types::{ListApplicationsFilter, PrincipalType};

use crate::aws::error::{AwsError, Kind, sorted};
use crate::cli::hub::Hub;
use crate::cli::output::Failure;
use crate::team::idp::Idp;

/// The provider of SAML applications that somebody made in the console.
const CUSTOM_SAML: &str = "applicationProvider/custom-saml";

/// One application and its identity store.
#[derive(Debug)]
pub(super) struct Center {
    admin: aws_sdk_ssoadmin::Client,
    identity_store: aws_sdk_identitystore::Client,
    /// ARN of the application.
    pub(super) application: String,
    /// Its name.
    pub(super) name: String,
    /// Id of the identity store.
    pub(super) store: String,
    /// Names of the store's groups by id.
    pub(super) groups: BTreeMap<String, String>,
    /// Whether groups come from elsewhere (SCIM, Active Directory): those made here would not last.
    pub(super) is_external: bool,
    /// Ids of users and groups that may use the application.
    pub(super) assigned: BTreeSet<String>,
}

impl Center {
    /// Finds instance, application, groups and assignments.
    pub(super) async fn find(
        hub: &Hub,
        idp: Option<&Idp>,
        application: Option<&str>,
    ) -> Result<Self, Failure> {
        let region = idp.and_then(|idp| idp.identity_store_region.as_ref());
        let mut sdk = hub.sdk.to_builder();
        if let Some(region) = region {
            sdk = sdk.region(SdkRegion::new(region.to_string()));
        }
        let sdk = sdk.build();
        let admin = aws_sdk_ssoadmin::Client::new(&sdk);
        let identity_store = aws_sdk_identitystore::Client::new(&sdk);
        let wanted_store = idp.and_then(|idp| idp.identity_store_id.as_deref());
        let (instance, store) = instance(&admin, wanted_store).await?;
        let (application, name) = match application {
            Some(arn) => described(&admin, arn).await?,
            None => only_application(&admin, &instance).await?,
        };
        let (groups, assigned) =
            tokio::join!(groups(&identity_store, &store), assigned(&admin, &application));
        let (groups, is_external) = groups?;
        let assigned = assigned?;
        Ok(Self { admin, identity_store, application, name, store, groups, is_external, assigned })
    }

    /// Makes a group; its id.
    pub(super) async fn create_group(
        &self,
        name: &str,
        team_name: &str,
    ) -> Result<String, AwsError> {
        let sent = self
            .identity_store
            .create_group()
            .identity_store_id(&self.store)
            .display_name(name)
            .description(format!("SageMaker Studio: {team_name}"))
            .send()
            .await;
        Ok(sorted("identitystore:CreateGroup", sent)?.group_id)
    }

    /// How many members a group has.
    pub(super) async fn members(&self, group: &str) -> Result<usize, AwsError> {
        let store = self.identity_store.list_group_memberships().identity_store_id(&self.store);
        let mut pages = store.group_id(group).max_results(100).into_paginator().send();
        let mut number = 0;
        while let Some(page) = pages.next().await {
            number += sorted("identitystore:ListGroupMemberships", page)?.group_memberships.len();
        }
        Ok(number)
    }

    /// Lets a group use the application; nothing where it may already.
    pub(super) async fn assign(&self, group: &str) -> Result<(), AwsError> {
        let sent = self
            .admin
            .create_application_assignment()
            .application_arn(&self.application)
            .principal_id(group)
            .principal_type(PrincipalType::Group)
            .send()
            .await;
        match sorted("sso:CreateApplicationAssignment", sent) {
            Err(error) if error.kind != Kind::Conflict => Err(error),
            _ => Ok(()),
        }
    }
}

/// The instance with a store, or the only one: its ARN and its store.
async fn instance(
    admin: &aws_sdk_ssoadmin::Client,
    store: Option<&str>,
) -> Result<(String, String), Failure> {
    let mut found = Vec::new();
    let mut pages = admin.list_instances().into_paginator().send();
    while let Some(page) = pages.next().await {
        for instance in sorted("sso:ListInstances", page)?.instances.unwrap_or_default() {
            found.extend(instance.instance_arn.zip(instance.identity_store_id));
        }
    }
    found.retain(|(_, id)| store.is_none_or(|store| store == id));
    match (found.pop(), store) {
        (Some(instance), _) if found.is_empty() => Ok(instance),
        (None, Some(store)) => Err(Failure::new(
            crate::cli::Exit::Failed,
            format!("no instance of IAM Identity Center here has the identity store {store}"),
        )
        .hint("aws sso-admin list-instances, in the Region and account (or delegate) of Identity Center")),
        (None, None) => Err(Failure::new(
            crate::cli::Exit::Failed,
            "there is no instance of IAM Identity Center in this Region and account",
        )
        .hint("aws sso-admin list-instances")),
        (Some(_), _) => Err(Failure::usage(
            "there are several instances of IAM Identity Center: give the IdP its identity_store_id",
        )),
    }
}

async fn described(
    admin: &aws_sdk_ssoadmin::Client,
    arn: &str,
) -> Result<(String, String), Failure> {
    let sent = admin.describe_application().application_arn(arn).send().await;
    let application = sorted("sso:DescribeApplication", sent)?;
    Ok((arn.to_owned(), application.name.unwrap_or_default()))
}

/// The one SAML application that there is.
async fn only_application(
    admin: &aws_sdk_ssoadmin::Client,
    instance: &str,
) -> Result<(String, String), Failure> {
    let partition = instance.split(':').nth(1).unwrap_or("aws");
    let provider = format!("arn:{partition}:sso::aws:{CUSTOM_SAML}");
    let filter = ListApplicationsFilter::builder().application_provider(provider).build();
    let listed = admin.list_applications().instance_arn(instance).filter(filter);
    let mut pages = listed.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        for application in sorted("sso:ListApplications", page)?.applications.unwrap_or_default() {
            let name = application.name.unwrap_or_default();
            found.extend(application.application_arn.map(|arn| (arn, name)));
        }
    }
    match (found.pop(), found.len()) {
        (Some(application), 0) => Ok(application),
        (Some((arn, _)), _) => {
            let each = found.iter().map(|(arn, name)| format!("{name} ({arn})"));
            let message = format!(
                "there are several SAML applications, name one: {}, {arn}",
                each.collect::<Vec<_>>().join(", ")
            );
            Err(Failure::usage(message)
                .hint(format!("studio-broker identity-center plan --application {arn}")))
        }
        (None, _) => Err(Failure::new(
            crate::cli::Exit::Failed,
            "there is no SAML application yet, and only the console can make one: Applications, Add application, I have an application I want to set up, SAML 2.0",
        )
        .hint("studio-broker idps add METADATA_FILE, with the metadata that the console offers then")),
    }
}

async fn groups(
    client: &aws_sdk_identitystore::Client,
    store: &str,
) -> Result<(BTreeMap<String, String>, bool), AwsError> {
    let (mut groups, mut is_external) = (BTreeMap::new(), false);
    let listed = client.list_groups().identity_store_id(store).max_results(100);
    let mut pages = listed.into_paginator().send();
    while let Some(page) = pages.next().await {
        for group in sorted("identitystore:ListGroups", page)?.groups {
            is_external |= group.external_ids.is_some_and(|ids| !ids.is_empty());
            groups.insert(group.group_id, group.display_name.unwrap_or_default());
        }
    }
    Ok((groups, is_external))
}

async fn assigned(
    admin: &aws_sdk_ssoadmin::Client,
    application: &str,
) -> Result<BTreeSet<String>, AwsError> {
    let mut assigned = BTreeSet::new();
    let listed = admin.list_application_assignments().application_arn(application);
    let mut pages = listed.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = sorted("sso:ListApplicationAssignments", page)?;
        for assignment in page.application_assignments.unwrap_or_default() {
            assigned.insert(assignment.principal_id);
        }
    }
    Ok(assigned)
}
