//! The documents of the roles for administrators, in every account: one for `doctor`, one for `lifecycle`.

use serde_json::{Value, json};

use super::hub::Hub;

/// The trust policy of the roles for administrators (doctor, lifecycle): everybody in the hub account
/// whom an administrator there lets assume them, but never the broker itself.
#[must_use]
pub fn trust_policy(hub: &Hub) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Decision, Policy, Request};

    const PROFILE: &str = "arn:aws:sagemaker:us-east-1:222222222222:user-profile/d-team1/u-team1";

    fn with_resource_tags(request: Request) -> Request {
        request
            .with("sagemaker:ResourceTag/Team", "team1")
            .with("sagemaker:ResourceTag/User", "ann")
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
}
