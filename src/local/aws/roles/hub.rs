//! The hub role, which the broker itself runs with, and its permissions as the template must give them.

use serde_json::{Value, json};

use crate::local::aws::{
    caller::{HUB_ACCOUNT, HUB_ROLE, ORGANIZATION},
    options::TableNames,
};

/// Who may assume target roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// ARN of the role that the broker runs with.
    pub role_arn: String,
    /// Id of the AWS Organization that hub and spokes belong to.
    pub organization_id: String,
}

impl Hub {
    /// The hub of the simulated AWS, by the name that it has in a partition.
    pub(crate) fn of(partition: &str) -> Self {
        Self {
            role_arn: format!("arn:{partition}:iam::{HUB_ACCOUNT}:role/{HUB_ROLE}"),
            organization_id: ORGANIZATION.into(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Decision, Policy, Request};

    fn hub() -> Hub {
        Hub {
            role_arn: "arn:aws:iam::111111111111:role/Hub".into(),
            organization_id: "o-example".into(),
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
}
