//! The roles that exist, and the documents by which their calls are decided.
//!
//! | role | where | documents |
//! | --- | --- | --- |
//! | target roles | accounts of teams | [`target`] |
//! | execution roles | accounts of teams | trusted by `SageMaker`, without permissions |
//! | [`DOCTOR_ROLE`], [`LIFECYCLE_ROLE`] | every account | [`administrators`] |
//! | the hub's | the hub account | [`hub`] |
//!
//! The control route's setting `roles` puts other documents in their place, or takes a role away.

pub(crate) mod administrators;
pub(crate) mod grant;
pub(crate) mod hub;
pub(crate) mod target;

use std::sync::Arc;

use serde_json::{Value, json};

use self::{grant::Grant, hub::Hub};
use super::{
    caller::{HUB_ACCOUNT, HUB_ROLE, Session},
    simulator::Simulator,
};
use crate::aws::spoke::{DOCTOR_ROLE, LIFECYCLE_ROLE};

/// A role as IAM shows it.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) trust_policy: Value,
    pub(crate) permission_policy: Value,
}

/// The last part of a role's ARN.
pub(crate) fn name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

impl Simulator {
    /// The role with an ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<Role> {
        let mut parts = arn.splitn(6, ':').skip(1);
        let (partition, account) = (parts.next()?, parts.nth(2)?);
        let replaced = self.control.knobs().roles.get(arn).cloned();
        let role = match replaced {
            Some(None) => return None,
            Some(Some(_)) | None => self.standing_role(arn, partition, account),
        };
        let Some(Some(documents)) = replaced else { return role };
        let nothing = || json!({"Version": "2012-10-17", "Statement": []});
        let role = role.unwrap_or_else(|| Role {
            arn: arn.into(),
            trust_policy: nothing(),
            permission_policy: nothing(),
        });
        Some(Role {
            arn: role.arn,
            trust_policy: documents.trust_policy.unwrap_or(role.trust_policy),
            permission_policy: documents.permission_policy.unwrap_or(role.permission_policy),
        })
    }

    /// The role of an account with a name, whatever its path.
    pub(crate) fn role_named(&self, account: &str, role_name: &str) -> Option<Role> {
        let plain = |partition: &str| format!("arn:{partition}:iam::{account}:role/{role_name}");
        let grants = self.grants();
        let of_teams = grants.iter().filter(|grant| grant.account_id == account);
        let of_teams = of_teams
            .flat_map(|grant| [grant.target_role_arn.clone(), grant.execution_role_arn.clone()]);
        let knobs = self.control.knobs();
        let replaced = knobs.roles.into_keys().filter(|arn| arn.contains(account));
        ["aws", "aws-cn", "aws-us-gov"]
            .map(plain)
            .into_iter()
            .chain(of_teams)
            .chain(replaced)
            .filter(|arn| name(arn) == role_name)
            .find_map(|arn| self.role(&arn))
    }

    fn standing_role(&self, arn: &str, partition: &str, account: &str) -> Option<Role> {
        let hub = Hub::of(partition);
        let role = |trust_policy: Value, permission_policy: Value| {
            Some(Role { arn: arn.into(), trust_policy, permission_policy })
        };
        // Without a path, as the templates make them.
        match arn.split_once(":role/").map(|(_, name)| name)? {
            DOCTOR_ROLE => {
                return role(administrators::trust_policy(&hub), administrators::doctor_policy());
            }
            LIFECYCLE_ROLE => {
                let grants = self.grants();
                let passed = grants.iter().filter(|grant| grant.account_id == account);
                let passed: Vec<String> =
                    passed.map(|grant| grant.execution_role_arn.clone()).collect();
                let permissions = administrators::lifecycle_policy(&passed);
                return role(administrators::trust_policy(&hub), permissions);
            }
            HUB_ROLE if account == HUB_ACCOUNT => {
                let service = json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                    "Principal": {"Service": "lambda.amazonaws.com"}}]});
                return role(service, self.hub_policy(&hub));
            }
            _ => {}
        }
        let grants = self.grants();
        let targets: Vec<Grant> =
            grants.iter().filter(|grant| grant.target_role_arn == arn).cloned().collect();
        if !targets.is_empty() {
            let trust = target::trust_policy(&hub, &targets);
            return role(trust, target::permission_policy(&targets));
        }
        grants.iter().any(|grant| grant.execution_role_arn == arn).then(|| Role {
            arn: arn.into(),
            trust_policy: json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
            }]}),
            permission_policy: json!({"Version": "2012-10-17", "Statement": []}),
        })
    }

    pub(crate) fn hub_policy(&self, hub: &Hub) -> Value {
        let role_name = self.control.knobs().target_role_name;
        hub::hub_policy(hub, &role_name, &self.options.tables)
    }

    /// The permissions of a session. A target role's are those of its team alone: nothing else in the
    /// role's document speaks of the session, and a lookup by team costs the same with any number.
    pub(crate) fn session_permissions(&self, session: &Session, action: &str) -> Option<Value> {
        if self.control.knobs().roles.contains_key(&session.role_arn) {
            return self.role(&session.role_arn).map(|role| role.permission_policy);
        }
        match name(&session.role_arn) {
            DOCTOR_ROLE => Some(administrators::doctor_policy()),
            LIFECYCLE_ROLE if action != "iam:PassRole" => {
                Some(administrators::lifecycle_policy(&[]))
            }
            LIFECYCLE_ROLE => self.role(&session.role_arn).map(|role| role.permission_policy),
            _ => {
                let team = session.tag("Team")?;
                let grant = self.grant(team, &session.role_arn)?;
                Some(target::permission_policy(&[grant]))
            }
        }
    }

    /// The trust policy of a role that is being assumed with these tags, for the same reason of the
    /// team's alone where it is a target role.
    pub(crate) fn trust_of(&self, arn: &str, partition: &str, team: Option<&str>) -> Option<Value> {
        let replaced = self.control.knobs().roles.contains_key(arn);
        if replaced || matches!(name(arn), DOCTOR_ROLE | LIFECYCLE_ROLE | HUB_ROLE) {
            return self.role(arn).map(|role| role.trust_policy);
        }
        let grant = self.grant(team?, arn)?;
        Some(target::trust_policy(&Hub::of(partition), &[grant]))
    }

    /// What the role `role_arn` grants to `team`.
    fn grant(&self, team: &str, role_arn: &str) -> Option<Grant> {
        self.grant_of(team).filter(|grant| grant.target_role_arn == role_arn)
    }

    /// What is deployed for `team`.
    ///
    /// Teams of the scenario have the grants that the scenario gives them, whatever the table says
    /// by now: re-pointing one at another team's domain or role is refused. For any other team the
    /// table counts as it stands, as if its account's stack had just been deployed for it.
    pub(crate) fn grant_of(&self, team: &str) -> Option<Grant> {
        if self.scenario.has_team(team) {
            return self.scenario.grant(team);
        }
        let table = &self.options.tables.teams;
        let item = self.dynamodb.item(table, "team_id", team).ok().flatten()?;
        Grant::of_item(&item, &self.control.knobs().target_role_name)
    }

    /// What is deployed for all teams.
    fn grants(&self) -> Arc<Vec<Grant>> {
        let role_name = self.control.knobs().target_role_name;
        self.grants.at((self.dynamodb.changes(), role_name.clone()), || {
            let items = self.dynamodb.items(&self.options.tables.teams).unwrap_or_default();
            let of_table = items.iter().filter_map(|item| Grant::of_item(item, &role_name));
            let of_table = of_table.filter(|grant| !self.scenario.has_team(&grant.team_id));
            self.scenario.grants().cloned().chain(of_table).collect()
        })
    }
}
