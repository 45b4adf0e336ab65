//! The documents of a target role, as a team's account must carry them.
//!
//! They are the reference for the templates: who may assume the role and with which tags, and the
//! little that the role may do. Every statement names one team, its one domain and its one role, so
//! that a mapping which points a team at another team's domain or role is refused by IAM, whoever
//! wrote the mapping.

use serde_json::{Value, json};

use super::{grant::Grant, hub::Hub};
use crate::team::partition;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Decision, Policy, Request};

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
    fn another_teams_session_gets_nothing_from_this_teams_statements() {
        let request = Request::new("sagemaker:DescribeUserProfile", PROFILE)
            .with("aws:PrincipalTag/Team", "team2")
            .with("aws:PrincipalTag/User", "ann");
        assert!(!permitted(&request));
    }
}
