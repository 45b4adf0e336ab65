//! The IAM documents of a target role, as a team's account must carry them, and of the hub role that
//! the broker itself runs with.
//!
//! They are the reference for the templates: who may assume the role and with which tags, and the
//! little that the role may do. Every statement names one team, its one domain and its one role, so
//! that a mapping which points a team at another team's domain or role is refused by IAM, whoever
//! wrote the mapping.

use serde_json::{Map, Value, json};

use super::TableNames;

/// What one team is granted in its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The team's id: the literal that the session tag `Team` must equal.
    pub team_id: String,
    /// 12 digits.
    pub account_id: String,
    /// The domain's Region.
    pub region: String,
    /// The one domain of the team.
    pub domain_id: String,
    /// The one role that the team's profiles run with.
    pub execution_role_arn: String,
    /// The role that the broker assumes.
    pub target_role_arn: String,
    /// Asked for by the trust policy when set.
    pub external_id: Option<String>,
    /// Keys of the team's further tags, beside `Team` and `User`.
    pub tag_keys: Vec<String>,
    /// Whether the role may put the `User` tag on a profile that has none.
    pub adopt_profiles: bool,
    /// ARNs of the MLflow Apps, MLflow tracking servers and Partner AI Apps that the team opens.
    pub doors: Vec<String>,
}

impl Grant {
    /// What a deployment for this item of the teams table (as plain JSON) would grant; `None` for an
    /// item that could not be deployed. `default_role` is the role's name where the item names none.
    #[must_use]
    pub fn of_item(item: &Map<String, Value>, default_role: &str) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let (account_id, region) = (text("account_id")?, text("region")?);
        let target_role_arn = text("broker_role_arn").unwrap_or_else(|| {
            format!("arn:{}:iam::{account_id}:role/{default_role}", partition(&region))
        });
        let tags = item.get("tags").and_then(Value::as_object);
        let doors = item.get("doors").and_then(Value::as_array).into_iter().flatten();
        let arn = |door: &Value| door.get("arn").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            team_id: text("team_id")?,
            domain_id: text("domain_id")?,
            execution_role_arn: text("execution_role_arn")?,
            external_id: text("external_id"),
            tag_keys: tags.map(|tags| tags.keys().cloned().collect()).unwrap_or_default(),
            adopt_profiles: item.get("adopt_profiles").and_then(Value::as_bool).unwrap_or(false),
            doors: doors.filter_map(arn).collect(),
            account_id,
            region,
            target_role_arn,
        })
    }
}

/// Who may assume target roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// ARN of the role that the broker runs with.
    pub role_arn: String,
    /// Id of the AWS Organization that hub and spokes belong to.
    pub organization_id: String,
}

/// The trust policy of a target role that serves `grants`.
///
/// Teams with different external ids get statements of their own: otherwise one team's id would
/// open the other team's door.
#[must_use]
pub fn trust_policy(hub: &Hub, grants: &[Grant]) -> Value {
    let mut external_ids: Vec<&Option<String>> = grants.iter().map(|g| &g.external_id).collect();
    external_ids.sort();
    external_ids.dedup();
    let statements: Vec<Value> = external_ids
        .into_iter()
        .flat_map(|external_id| {
            let teams: Vec<&str> = grants
                .iter()
                .filter(|grant| grant.external_id == *external_id)
                .map(|grant| grant.team_id.as_str())
                .collect();
            [assume_role(hub, external_id.as_deref(), &teams), tag_session(hub, &teams)]
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn assume_role(hub: &Hub, external_id: Option<&str>, teams: &[&str]) -> Value {
    let mut statement = trust_statement(hub, "sts:AssumeRole", teams);
    if let Some(equals) =
        statement.pointer_mut("/Condition/StringEquals").and_then(Value::as_object_mut)
    {
        equals.insert("sts:RoleSessionName".into(), "${aws:RequestTag/User}".into());
        if let Some(external_id) = external_id {
            equals.insert("sts:ExternalId".into(), external_id.into());
        }
    }
    statement
}

fn tag_session(hub: &Hub, teams: &[&str]) -> Value {
    trust_statement(hub, "sts:TagSession", teams)
}

fn trust_statement(hub: &Hub, action: &str, teams: &[&str]) -> Value {
    json!({
        "Effect": "Allow",
        "Principal": {"AWS": hub.role_arn},
        "Action": action,
        "Condition": {
            "ArnEquals": {"aws:PrincipalArn": hub.role_arn},
            "StringEquals": {
                "aws:PrincipalOrgID": hub.organization_id,
                "aws:RequestTag/Team": teams,
            },
            "StringLike": {"aws:RequestTag/User": "?*"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "User"]},
            "Null": {"sts:TransitiveTagKeys": "true"},
        },
    })
}

/// The permissions of a target role that serves `grants`.
#[must_use]
pub fn permission_policy(grants: &[Grant]) -> Value {
    let statements: Vec<Value> = grants.iter().flat_map(team_statements).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn team_statements(grant: &Grant) -> Vec<Value> {
    let Grant { account_id, region, domain_id, .. } = grant;
    let partition = partition(region);
    let arn =
        |kind: &str| format!("arn:{partition}:sagemaker:{region}:{account_id}:{kind}/{domain_id}");
    let profiles = format!("{}/*", arn("user-profile"));
    let tag_keys: Vec<&str> =
        ["Team", "User"].into_iter().chain(grant.tag_keys.iter().map(String::as_str)).collect();

    let request_tags = json!({
        "aws:RequestTag/Team": "${aws:PrincipalTag/Team}",
        "aws:RequestTag/User": "${aws:PrincipalTag/User}",
    });
    let resource_tags = json!({
        "sagemaker:ResourceTag/Team": "${aws:PrincipalTag/Team}",
        "sagemaker:ResourceTag/User": "${aws:PrincipalTag/User}",
    });
    let mut on_creation = request_tags.clone();
    merge(&mut on_creation, &json!({"sagemaker:TaggingAction": "CreateUserProfile"}));
    let only_known_keys = json!({"ForAllValues:StringEquals": {"aws:TagKeys": tag_keys}});

    let mut statements = vec![
        allow(grant, &["CreateUserProfile"], &profiles, &request_tags, &only_known_keys),
        allow(grant, &["AddTags"], &profiles, &on_creation, &only_known_keys),
        // The tag that `profiles revoke` sets closes the profile, and ends what is open.
        allow(
            grant,
            &["CreatePresignedDomainUrl"],
            &profiles,
            &resource_tags,
            &json!({"Null": {"sagemaker:ResourceTag/StudioBrokerRevoked": "true"}}),
        ),
        allow(grant, &["UpdateUserProfile"], &profiles, &resource_tags, &json!({})),
        // Without a tag condition: a profile that does not exist has no tags, and must be told from
        // somebody else's.
        allow(grant, &["DescribeUserProfile", "ListTags"], &profiles, &json!({}), &json!({})),
        allow(grant, &["DescribeDomain"], &arn("domain"), &json!({}), &json!({})),
        allow(grant, &["DescribeSpace"], &format!("{}/*", arn("space")), &json!({}), &json!({})),
        pass_role(grant),
    ];
    if !grant.doors.is_empty() {
        let mut statement = allow(grant, &DOOR_ACTIONS, "", &json!({}), &json!({}));
        if let Some(statement) = statement.as_object_mut() {
            statement.insert("Resource".into(), json!(grant.doors));
        }
        statements.push(statement);
    }
    if grant.adopt_profiles {
        statements.push(allow(
            grant,
            &["AddTags"],
            &profiles,
            &json!({
                "sagemaker:ResourceTag/Team": "${aws:PrincipalTag/Team}",
                "aws:RequestTag/User": "${aws:PrincipalTag/User}",
            }),
            &json!({
                "Null": {"sagemaker:ResourceTag/User": "true", "aws:TagKeys": "false"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["User"]},
            }),
        ));
    }
    statements
}

/// What opens a team's doors; each action knows resources of one kind.
const DOOR_ACTIONS: [&str; 6] = [
    "CreatePartnerAppPresignedUrl",
    "CreatePresignedMlflowAppUrl",
    "CreatePresignedMlflowTrackingServerUrl",
    "DescribeMlflowApp",
    "DescribeMlflowTrackingServer",
    "DescribePartnerApp",
];

fn pass_role(grant: &Grant) -> Value {
    let mut statement = allow(
        grant,
        &[],
        &grant.execution_role_arn,
        &json!({"iam:PassedToService": "sagemaker.amazonaws.com"}),
        &json!({}),
    );
    if let Some(statement) = statement.as_object_mut() {
        statement.insert("Action".into(), "iam:PassRole".into());
    }
    statement
}

/// An Allow for this team's sessions alone, with further `StringEquals` keys and other conditions.
fn allow(
    grant: &Grant,
    actions: &[&str],
    resource: &str,
    equals: &Value,
    conditions: &Value,
) -> Value {
    let actions: Vec<String> = actions.iter().map(|a| format!("sagemaker:{a}")).collect();
    let mut string_equals = json!({"aws:PrincipalTag/Team": grant.team_id});
    merge(&mut string_equals, equals);
    let mut condition = json!({
        "StringEquals": string_equals,
        "StringLike": {"aws:PrincipalTag/User": "?*"},
    });
    merge(&mut condition, conditions);
    json!({"Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition})
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// The trust policy of the roles for administrators (doctor, lifecycle): everybody in the hub account
/// whom an administrator there lets assume them, but never the broker itself.
#[must_use]
pub fn administrators(hub: &Hub) -> Value {
    let mut parts = hub.role_arn.split(':');
    let (partition, account) = (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default());
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:{partition}:iam::{account}:root")},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:PrincipalOrgID": hub.organization_id},
            "ArnNotEquals": {"aws:PrincipalArn": hub.role_arn},
        },
    }]})
}

/// Reading what profiles, spaces and apps there are.
const LOOK: [&str; 9] = [
    "sagemaker:DescribeApp",
    "sagemaker:DescribeDomain",
    "sagemaker:DescribeSpace",
    "sagemaker:DescribeUserProfile",
    "sagemaker:ListApps",
    "sagemaker:ListDomains",
    "sagemaker:ListSpaces",
    "sagemaker:ListTags",
    "sagemaker:ListUserProfiles",
];

/// Reading what doors lead to.
const LOOK_BEHIND_DOORS: [&str; 3] = [
    "sagemaker:DescribeMlflowApp",
    "sagemaker:DescribeMlflowTrackingServer",
    "sagemaker:DescribePartnerApp",
];

/// The permissions of the doctor role: it reads, and changes nothing.
#[must_use]
pub fn doctor_policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": LOOK, "Resource": "*"},
        {"Effect": "Allow", "Action": LOOK_BEHIND_DOORS, "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            "Resource": "arn:*:iam::*:role/*",
        },
        {
            "Effect": "Allow",
            "Action": ["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"],
            "Resource": "*",
        },
    ]})
}

/// The permissions of the lifecycle role: it repairs and removes profiles that carry both of the
/// broker's tags, with what hangs on them, and sets and takes away the one tag that revokes them;
/// `execution_roles` are those that a repair may pass.
#[must_use]
pub fn lifecycle_policy(execution_roles: &[String]) -> Value {
    let mut statements = vec![
        json!({"Effect": "Allow", "Action": LOOK, "Resource": "*"}),
        json!({
            "Effect": "Allow",
            "Action": ["sagemaker:DeleteUserProfile", "sagemaker:UpdateUserProfile"],
            "Resource": "arn:*:sagemaker:*:*:user-profile/*",
            "Condition": {"StringLike": {
                "sagemaker:ResourceTag/Team": "?*",
                "sagemaker:ResourceTag/User": "?*",
            }},
        }),
        json!({
            "Effect": "Allow",
            "Action": ["sagemaker:AddTags", "sagemaker:DeleteTags"],
            "Resource": "arn:*:sagemaker:*:*:user-profile/*",
            "Condition": {
                "StringLike": {
                    "sagemaker:ResourceTag/Team": "?*",
                    "sagemaker:ResourceTag/User": "?*",
                },
                "ForAllValues:StringEquals": {"aws:TagKeys": ["StudioBrokerRevoked"]},
                "Null": {"aws:TagKeys": "false"},
            },
        }),
        json!({
            "Effect": "Allow",
            "Action": ["sagemaker:DeleteApp", "sagemaker:DeleteSpace"],
            "Resource": ["arn:*:sagemaker:*:*:app/*", "arn:*:sagemaker:*:*:space/*"],
        }),
    ];
    if !execution_roles.is_empty() {
        statements.push(json!({
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": execution_roles,
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The permissions of the hub role: target roles by their name, the two tables of administrators
/// read only, and of the state table what a sign-in needs. What is written there is never deleted,
/// searched or listed.
#[must_use]
pub fn hub_policy(hub: &Hub, target_role_name: &str, tables: &TableNames) -> Value {
    let table = |name: &str| format!("arn:*:dynamodb:*:*:table/{name}");
    json!({"Version": "2012-10-17", "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Resource": format!("arn:*:iam::*:role/{target_role_name}"),
            "Condition": {
                "StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"},
                "ArnEquals": {"lambda:SourceFunctionArn": function_arn(hub)},
            },
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem",
                "dynamodb:Query", "dynamodb:Scan"],
            "Resource": [table(&tables.teams), table(&tables.idps)],
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem",
                "dynamodb:UpdateItem"],
            "Resource": table(&tables.state),
        },
        {
            "Effect": "Allow",
            "Action": ["identitystore:DescribeGroup", "identitystore:DescribeUser",
                "identitystore:GetUserId", "identitystore:IsMemberInGroups",
                "identitystore:ListGroupMembershipsForMember", "identitystore:ListUsers"],
            "Resource": "*",
        },
    ]})
}

/// The one function that may use the hub role towards target roles.
pub(crate) fn function_arn(hub: &Hub) -> String {
    let mut parts = hub.role_arn.split(':').skip(1);
    let partition = parts.next().unwrap_or_default();
    let account = parts.nth(2).unwrap_or_default();
    format!("arn:{partition}:lambda:us-east-1:{account}:function:studio-broker-broker")
}

/// The partition that a Region belongs to.
pub(crate) fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::aws::policy::{Decision, Policy, Request};

    const PROFILE: &str = "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-team1/u-team1";
    const ROLE: &str = "arn:aws:iam::222222222222:role/Team1Execution";

    fn hub() -> Hub {
        Hub {
            role_arn: "arn:aws:iam::111111111111:role/Hub".into(),
            organization_id: "o-example".into(),
        }
    }

    fn grant() -> Grant {
        Grant {
            team_id: "team1".into(),
            account_id: "222222222222".into(),
            region: "us-east-1".into(),
            domain_id: "d-team1".into(),
            execution_role_arn: ROLE.into(),
            target_role_arn: "arn:aws:iam::222222222222:role/StudioBrokerTarget".into(),
            external_id: Some("secret-1".into()),
            tag_keys: vec!["CostCenter".into()],
            adopt_profiles: false,
            doors: vec![],
        }
    }

    fn assume() -> Request {
        let mut request = tag();
        request.action = "sts:AssumeRole".into();
        request.with("sts:ExternalId", "secret-1").with("sts:RoleSessionName", "ann")
    }

    fn tag() -> Request {
        let mut request = Request::new("sts:TagSession", "arn:aws:iam::222222222222:role/X")
            .with("aws:PrincipalArn", hub().role_arn)
            .with("aws:PrincipalOrgID", "o-example")
            .with("aws:RequestTag/Team", "team1")
            .with("aws:RequestTag/User", "ann")
            .with("aws:TagKeys", "Team")
            .with("aws:TagKeys", "User");
        request.principal = hub().role_arn;
        request
    }

    fn trust(request: &Request) -> Decision {
        Policy::parse(&trust_policy(&hub(), &[grant()])).unwrap().decide(request)
    }

    fn session(action: &str, resource: &str) -> Request {
        Request::new(action, resource)
            .with("aws:PrincipalTag/Team", "team1")
            .with("aws:PrincipalTag/User", "ann")
    }

    fn permitted(request: &Request) -> bool {
        permitted_by(&grant(), request)
    }

    fn permitted_by(grant: &Grant, request: &Request) -> bool {
        let document = permission_policy(std::slice::from_ref(grant));
        Policy::parse(&document).unwrap().decide(request) == Decision::Allow
    }

    fn with_request_tags(request: Request) -> Request {
        request
            .with("aws:RequestTag/Team", "team1")
            .with("aws:RequestTag/User", "ann")
            .with("aws:TagKeys", "Team")
            .with("aws:TagKeys", "User")
    }

    fn with_resource_tags(request: Request) -> Request {
        request
            .with("sagemaker:ResourceTag/Team", "team1")
            .with("sagemaker:ResourceTag/User", "ann")
    }

    #[test]
    fn the_broker_with_both_tags_and_the_external_id_may_assume_the_role() {
        assert_eq!(trust(&assume()), Decision::Allow);
        assert_eq!(trust(&tag()), Decision::Allow);
    }

    #[test]
    fn any_one_thing_missing_or_different_refuses_the_assumption() {
        let base = || {
            Request::new("sts:AssumeRole", "*")
                .with("aws:PrincipalArn", hub().role_arn)
                .with("aws:PrincipalOrgID", "o-example")
        };
        let team = |r: Request| r.with("aws:RequestTag/Team", "team1").with("aws:TagKeys", "Team");
        let user = |r: Request| r.with("aws:RequestTag/User", "ann").with("aws:TagKeys", "User");
        let id = |r: Request| r.with("sts:ExternalId", "secret-1");
        let name = |r: Request| r.with("sts:RoleSessionName", "ann");
        for (mut request, why) in [
            (name(id(user(base()))), "no Team tag"),
            (name(id(team(base()))), "no User tag"),
            (name(user(team(base()))), "no external id"),
            (name(user(team(base()))).with("sts:ExternalId", "secret-2"), "another external id"),
            (id(user(team(base()))).with("sts:RoleSessionName", "eve"), "another session name"),
            (
                name(id(user(base()))).with("aws:RequestTag/Team", "team2"),
                "a team of another account",
            ),
            (name(id(user(team(base())))).with("aws:TagKeys", "Admin"), "a third tag"),
            (
                name(id(user(team(base())))).with("sts:TransitiveTagKeys", "Team"),
                "a transitive tag",
            ),
        ] {
            request.principal = hub().role_arn;
            assert_eq!(trust(&request), Decision::ImplicitDeny, "{why}");
        }
        let mut stranger = assume();
        stranger.principal = "arn:aws:iam::999999999999:role/Stranger".into();
        assert_eq!(trust(&stranger), Decision::ImplicitDeny);
    }

    #[test]
    fn a_source_identity_is_not_granted() {
        let mut request = assume();
        request.action = "sts:SetSourceIdentity".into();
        assert_eq!(trust(&request), Decision::ImplicitDeny);
    }

    #[test]
    fn creating_needs_the_own_tags_and_only_known_keys() {
        let create = || session("sagemaker:CreateUserProfile", PROFILE);
        assert!(permitted(&with_request_tags(create())));
        assert!(permitted(&with_request_tags(create()).with("aws:TagKeys", "CostCenter")));
        assert!(!permitted(&with_request_tags(create()).with("aws:TagKeys", "Other")));
        assert!(!permitted(&create()));
        assert!(!permitted(
            &create().with("aws:RequestTag/Team", "team1").with("aws:RequestTag/User", "eve")
        ));
    }

    #[test]
    fn tags_are_added_at_creation_only() {
        let add = || with_request_tags(session("sagemaker:AddTags", PROFILE));
        assert!(permitted(&add().with("sagemaker:TaggingAction", "CreateUserProfile")));
        assert!(!permitted(&add()));
        assert!(!permitted(&with_resource_tags(add())));
    }

    #[test]
    fn adoption_adds_the_missing_user_tag_and_nothing_else() {
        let adopting = Grant { adopt_profiles: true, ..grant() };
        let add = || {
            session("sagemaker:AddTags", PROFILE)
                .with("sagemaker:ResourceTag/Team", "team1")
                .with("aws:RequestTag/User", "ann")
                .with("aws:TagKeys", "User")
        };
        assert!(permitted_by(&adopting, &add()));
        assert!(!permitted(&add()));
        assert!(!permitted_by(&adopting, &add().with("sagemaker:ResourceTag/User", "eve")));
        assert!(!permitted_by(&adopting, &add().with("aws:TagKeys", "Team")));
    }

    #[test]
    fn opening_and_updating_need_the_tags_of_the_profile() {
        for action in ["sagemaker:CreatePresignedDomainUrl", "sagemaker:UpdateUserProfile"] {
            assert!(permitted(&with_resource_tags(session(action, PROFILE))));
            assert!(!permitted(&session(action, PROFILE)), "a missing profile has no tags");
            let foreign = session(action, PROFILE)
                .with("sagemaker:ResourceTag/Team", "team1")
                .with("sagemaker:ResourceTag/User", "eve");
            assert!(!permitted(&foreign));
        }
    }

    #[test]
    fn a_revoked_profile_is_opened_by_nobody_and_still_updated() {
        let revoked = |action: &str, value: &str| {
            with_resource_tags(session(action, PROFILE))
                .with("sagemaker:ResourceTag/StudioBrokerRevoked", value)
        };
        for value in ["", "2026-11-28T10:00:00Z"] {
            assert!(!permitted(&revoked("sagemaker:CreatePresignedDomainUrl", value)));
            assert!(permitted(&revoked("sagemaker:UpdateUserProfile", value)));
        }
    }

    #[test]
    fn the_lifecycle_role_sets_and_takes_away_the_tag_that_revokes_and_no_other() {
        let policy = Policy::parse(&lifecycle_policy(&[])).unwrap();
        let may = |request: Request| policy.decide(&request) == Decision::Allow;
        for action in ["sagemaker:AddTags", "sagemaker:DeleteTags"] {
            let tag = |key: &str| {
                with_resource_tags(Request::new(action, PROFILE)).with("aws:TagKeys", key)
            };
            assert!(may(tag("StudioBrokerRevoked")));
            assert!(!may(tag("User")));
            assert!(!may(tag("StudioBrokerRevoked").with("aws:TagKeys", "User")));
            assert!(!may(with_resource_tags(Request::new(action, PROFILE))));
            let foreign = Request::new(action, PROFILE).with("aws:TagKeys", "StudioBrokerRevoked");
            assert!(!may(foreign), "a profile that is not the broker's");
        }
    }

    #[test]
    fn a_team_opens_its_own_doors() {
        let door = "arn:aws:sagemaker:us-east-1:222222222222:mlflow-app/app-1";
        let item = json!({
            "team_id": "team1", "account_id": "222222222222", "region": "us-east-1",
            "domain_id": "d-team1", "execution_role_arn": ROLE,
            "doors": [{"id": "runs", "kind": "mlflow_app", "arn": door}],
        });
        let grant = Grant::of_item(item.as_object().unwrap(), "StudioBrokerTarget").unwrap();
        let action = "sagemaker:CreatePresignedMlflowAppUrl";
        assert!(permitted_by(&grant, &session(action, door)));
        assert!(!permitted_by(&grant, &session(action, &format!("{door}2"))));
        assert!(!permitted_by(&grant, &session("sagemaker:DeleteMlflowApp", door)));
        assert!(!permitted(&session(action, door)), "without doors");
    }

    #[test]
    fn reading_a_profile_needs_no_tags_but_the_right_domain() {
        for action in ["sagemaker:DescribeUserProfile", "sagemaker:ListTags"] {
            assert!(permitted(&session(action, PROFILE)));
            let other = PROFILE.replace("d-team1", "d-team2");
            assert!(!permitted(&session(action, &other)));
        }
    }

    #[test]
    fn exactly_the_teams_role_may_be_passed_and_only_to_sagemaker() {
        let pass = |role: &str, to: &str| {
            permitted(&session("iam:PassRole", role).with("iam:PassedToService", to))
        };
        assert!(pass(ROLE, "sagemaker.amazonaws.com"));
        assert!(!pass(ROLE, "lambda.amazonaws.com"));
        assert!(!pass("arn:aws:iam::222222222222:role/Admin", "sagemaker.amazonaws.com"));
    }

    #[test]
    fn everything_else_is_denied() {
        for action in [
            "sagemaker:ListUserProfiles",
            "sagemaker:DeleteUserProfile",
            "sagemaker:DeleteTags",
            "sagemaker:CreateApp",
            "sts:AssumeRole",
            "dynamodb:GetItem",
        ] {
            let request = with_resource_tags(with_request_tags(session(action, PROFILE)));
            assert!(!permitted(&request), "{action}");
        }
    }

    #[test]
    fn the_hub_role_reads_mappings_and_never_searches_or_deletes_state() {
        let tables = TableNames::default();
        let policy = Policy::parse(&hub_policy(&hub(), "StudioBrokerTarget", &tables)).unwrap();
        let may = |action: &str, table: &str| {
            let arn = format!("arn:aws:dynamodb:us-east-1:111111111111:table/{table}");
            let action = format!("dynamodb:{action}");
            policy.decide(&Request::new(&action, &arn)) == Decision::Allow
        };
        for (action, mappings, state) in [
            ("GetItem", true, true),
            ("Scan", true, false),
            ("Query", true, false),
            ("PutItem", false, true),
            ("UpdateItem", false, true),
            ("DeleteItem", false, false),
            ("DeleteTable", false, false),
        ] {
            assert_eq!(may(action, &tables.teams), mappings, "{action}");
            assert_eq!(may(action, &tables.idps), mappings, "{action}");
            assert_eq!(may(action, &tables.state), state, "{action}");
        }
        let assume = Request::new("sts:AssumeRole", "arn:aws:iam::222222222222:role/Admin")
            .with("aws:ResourceOrgID", "o-example");
        assert_eq!(policy.decide(&assume), Decision::ImplicitDeny);
    }

    #[test]
    fn the_hub_role_assumes_target_roles_of_its_organization_from_its_function_only() {
        let document = hub_policy(&hub(), "StudioBrokerTarget", &TableNames::default());
        let policy = Policy::parse(&document).unwrap();
        let function = "arn:aws:lambda:us-east-1:111111111111:function:studio-broker-broker";
        let decide = |organization: &str, function: &str| {
            let role = "arn:aws:iam::222222222222:role/StudioBrokerTarget";
            let request = Request::new("sts:AssumeRole", role)
                .with("aws:PrincipalOrgID", "o-example")
                .with("aws:ResourceOrgID", organization)
                .with("lambda:SourceFunctionArn", function);
            policy.decide(&request)
        };
        assert_eq!(decide("o-example", function), Decision::Allow);
        assert_eq!(decide("o-another", function), Decision::ImplicitDeny);
        assert_eq!(decide("o-example", &format!("{function}-2")), Decision::ImplicitDeny);
    }

    #[test]
    fn another_teams_session_gets_nothing_from_this_teams_statements() {
        let request = Request::new("sagemaker:DescribeUserProfile", PROFILE)
            .with("aws:PrincipalTag/Team", "team2")
            .with("aws:PrincipalTag/User", "ann");
        assert!(!permitted(&request));
    }
}
