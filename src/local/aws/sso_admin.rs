//! SSO Admin, the API of IAM Identity Center: one instance, its applications and who is assigned.
//!
//! As in life, a SAML application cannot be made here: it stands there, made in the console.

use serde_json::{Map, Value, json};

use super::{
    caller::HUB_ACCOUNT,
    context::Context,
    identity_store::{IDENTITY_STORE, directory::Assignment},
    input::{ANY, Input, constraint},
    refusal::{Refusal, invalid},
    simulator::Simulator,
};

const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";

/// The applications: ARN, name, and by which provider they are.
const APPLICATIONS: [(&str, &str, &str); 2] = [
    (
        "arn:aws:sso::111111111111:application/ssoins-1234567890abcdef/apl-0123456789abcdef",
        "SageMaker Studio",
        "arn:aws:sso::aws:applicationProvider/custom-saml",
    ),
    (
        "arn:aws:sso::111111111111:application/ssoins-1234567890abcdef/apl-fedcba9876543210",
        "Something else",
        "arn:aws:sso::aws:applicationProvider/custom",
    ),
];

/// Answers one operation.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let input = Input(input);
    match operation {
        "ListInstances" => input.page("Instances", vec![instance()]),
        "ListApplications" => {
            let instance = input.required("InstanceArn", &ANY)?;
            if instance != INSTANCE {
                return Err(missing("Instance", instance));
            }
            let filter = input.object("Filter")?.unwrap_or_default();
            let provider = filter.get("ApplicationProvider").and_then(Value::as_str);
            let of_provider =
                |(_, _, by): &&(&str, &str, &str)| provider.is_none_or(|wanted| wanted == *by);
            let found = APPLICATIONS.iter().filter(of_provider).map(described);
            input.page("Applications", found.collect())
        }
        "DescribeApplication" => Ok(described(application(input)?)),
        "GetApplicationAssignmentConfiguration" => {
            application(input)?;
            Ok(json!({"AssignmentRequired": true}))
        }
        "ListApplicationAssignments" => {
            let (arn, _, _) = application(input)?;
            let all = context.simulator.directory.assignments();
            let of_application = all.iter().filter(|assignment| assignment.application == *arn);
            let shown = of_application.map(|assignment| {
                json!({
                    "ApplicationArn": assignment.application,
                    "PrincipalId": assignment.principal,
                    "PrincipalType": assignment.kind,
                })
            });
            input.page("ApplicationAssignments", shown.collect())
        }
        "CreateApplicationAssignment" => {
            let assignment = assignment(input)?;
            let Simulator { directory, scenario, .. } = context.simulator;
            if assignment.kind == "GROUP"
                && directory.group(scenario, &assignment.principal).is_none()
            {
                return Err(missing("Group", &assignment.principal));
            }
            directory.assign(assignment)?;
            Ok(json!({}))
        }
        "DeleteApplicationAssignment" => {
            context.simulator.directory.unassign(&assignment(input)?)?;
            Ok(json!({}))
        }
        _ => Err(Refusal::UnknownOperation { operation: operation.into() }),
    }
}

fn instance() -> Value {
    json!({
        "InstanceArn": INSTANCE,
        "IdentityStoreId": IDENTITY_STORE,
        "OwnerAccountId": HUB_ACCOUNT,
        "Name": "local",
        "Status": "ACTIVE",
    })
}

fn described((arn, name, provider): &(&str, &str, &str)) -> Value {
    json!({
        "ApplicationArn": arn,
        "ApplicationProviderArn": provider,
        "Name": name,
        "ApplicationAccount": HUB_ACCOUNT,
        "InstanceArn": INSTANCE,
        "Status": "ENABLED",
        "PortalOptions": {"SignInOptions": {"Origin": "IDENTITY_CENTER"}, "Visibility": "ENABLED"},
    })
}

fn application(
    input: Input<'_>,
) -> Result<&'static (&'static str, &'static str, &'static str), Refusal> {
    let wanted = input.required("ApplicationArn", &ANY)?;
    let found = APPLICATIONS.iter().find(|(arn, _, _)| *arn == wanted);
    found.ok_or_else(|| missing("Application", wanted))
}

fn assignment(input: Input<'_>) -> Result<Assignment, Refusal> {
    let (application, _, _) = application(input)?;
    let kind = input.required("PrincipalType", &ANY)?;
    if !matches!(kind, "USER" | "GROUP") {
        let rule = "Member must satisfy enum value set: [USER, GROUP]";
        return Err(constraint(kind, "principalType", rule));
    }
    let principal = input.required("PrincipalId", &ANY)?;
    if !(1..=47).contains(&principal.len()) {
        return Err(invalid("PrincipalId is not the id of a user or group"));
    }
    Ok(Assignment {
        application: (*application).into(),
        principal: principal.into(),
        kind: kind.into(),
    })
}

fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::NotFound { what: format!("{kind} [{id}]") }
}
