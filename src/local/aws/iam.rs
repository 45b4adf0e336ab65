//! IAM: `GetRole` and `SimulatePrincipalPolicy`, as far as they speak of the roles that exist.

use super::{
    context::Context,
    policy::{Decision, Policy, Request},
    query::Form,
    refusal::{Refusal, invalid},
    roles::{self, Role},
};
use crate::local::html::escape;

/// Answers an IAM operation with the XML inside `<…Result>`.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    form: &Form,
) -> Result<String, Refusal> {
    match operation {
        "GetRole" => get_role(context, form),
        "SimulatePrincipalPolicy" => simulate(context, form),
        _ => Err(Refusal::UnknownOperation { operation: operation.into() }),
    }
}

fn get_role(context: &Context<'_>, form: &Form) -> Result<String, Refusal> {
    let name = form.get("RoleName").ok_or_else(|| invalid("RoleName must not be null"))?;
    let account = &context.caller.account;
    let role = context.simulator.role_named(account, name);
    let resource = match &role {
        Some(role) => role.arn.clone(),
        None => format!("arn:aws:iam::{account}:role/{name}"),
    };
    context.authorize("iam:GetRole", &resource, |request| request)?;
    let role = role.ok_or_else(|| no_such_role(name))?;
    Ok(format!("<Role>{}</Role>", described(&role)))
}

fn described(role: &Role) -> String {
    let resource = role.arn.split_once(":role").map_or("", |(_, resource)| resource);
    let path = resource.rsplit_once('/').map_or("", |(path, _)| path);
    // IAM writes documents percent-encoded.
    let document = percent_encoding::utf8_percent_encode(
        &role.trust_policy.to_string(),
        percent_encoding::NON_ALPHANUMERIC,
    )
    .to_string();
    format!(
        "<Path>{}/</Path><RoleName>{}</RoleName><RoleId>AROASIMULATEDROLE0001</RoleId>\
         <Arn>{}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument>\
         <MaxSessionDuration>3600</MaxSessionDuration>",
        escape(path),
        escape(roles::name(&role.arn)),
        escape(&role.arn),
    )
}

/// Only identity policies count, never the trust policy; the context is what the caller says it is.
fn simulate(context: &Context<'_>, form: &Form) -> Result<String, Refusal> {
    let source =
        form.get("PolicySourceArn").ok_or_else(|| invalid("PolicySourceArn must not be null"))?;
    context.authorize("iam:SimulatePrincipalPolicy", source, |request| request)?;
    let here = source.split(':').nth(4) == Some(context.caller.account.as_str());
    let role = context.simulator.role(source).filter(|_| here);
    let role = role.ok_or_else(|| no_such_role(roles::name(source)))?;
    let policy = Policy::parse(&role.permission_policy).map_err(|error| Refusal::Ordered {
        code: "PolicyEvaluation".into(),
        status: 500,
        message: error.to_string(),
    })?;
    let actions = form.members("ActionNames", "");
    if actions.is_empty() {
        return Err(invalid("ActionNames must not be empty"));
    }
    let mut resources = form.members("ResourceArns", "");
    if resources.is_empty() {
        resources.push("*");
    }
    let mut results = String::new();
    for action in actions {
        for resource in &resources {
            let request = with_context(Request::new(action, resource), form);
            let decision = match policy.decide(&request) {
                Decision::Allow => "allowed",
                Decision::ExplicitDeny => "explicitDeny",
                Decision::ImplicitDeny => "implicitDeny",
            };
            let missing = policy.missing_keys(&request);
            let missing: Vec<_> =
                missing.iter().map(|key| format!("<member>{}</member>", escape(key))).collect();
            results.push_str(&format!(
                "<member><EvalActionName>{}</EvalActionName>\
                 <EvalResourceName>{}</EvalResourceName><EvalDecision>{decision}</EvalDecision>\
                 <MatchedStatements/><MissingContextValues>{}</MissingContextValues></member>",
                escape(action),
                escape(resource),
                missing.concat(),
            ));
        }
    }
    Ok(format!("<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"))
}

fn with_context(mut request: Request, form: &Form) -> Request {
    let names = form.members("ContextEntries", ".ContextKeyName");
    for (index, name) in names.into_iter().enumerate() {
        let values = format!("ContextEntries.member.{}.ContextKeyValues", index + 1);
        for value in form.members(&values, "") {
            request = request.with(name, value);
        }
    }
    request
}

fn no_such_role(name: &str) -> Refusal {
    Refusal::Ordered {
        code: "NoSuchEntity".into(),
        status: 404,
        message: format!("The role with name {name} cannot be found."),
    }
}
