//! STS: `AssumeRole` and `GetCallerIdentity`.

use aws_lc_rs::error::Unspecified;
use jiff::{Timestamp, ToSpan as _};

use super::{
    caller::{self, Caller, Principal, Session},
    context::Context,
    input::is_tag_character,
    policy::{Decision, Policy, Request},
    query::Form,
    random,
    refusal::{Refusal, invalid},
    roles::hub::Hub,
};
use crate::aws::spoke::{DOCTOR_ROLE, LIFECYCLE_ROLE};
use crate::local::html::escape;

/// Longest session of a role that another role assumes ("role chaining").
const CHAINED_SECONDS: i64 = 3600;
/// Plain text of policy and tags that STS would still pack; ours is a plain count of bytes.
const PACKED_LIMIT: usize = 4096;

/// Answers an STS operation with the XML inside `<…Result>`.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    form: &Form,
) -> Result<String, Refusal> {
    match operation {
        "AssumeRole" => assume_role(context, form),
        "GetCallerIdentity" => Ok(identity(context.caller)),
        _ => Err(Refusal::UnknownOperation { operation: operation.into() }),
    }
}

fn identity(caller: &Caller) -> String {
    let user = match &caller.principal {
        Principal::Administrator => "AIDALOCALADMINISTRATOR".into(),
        Principal::Hub => "AROALOCALSTUDIOBROKER:studio-broker".into(),
        Principal::Session(session) => session.role_id.clone(),
    };
    format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape(&caller.arn()),
        escape(&user),
        caller.account
    )
}

/// The parameters of `AssumeRole`, each within its documented pattern.
struct Assumption<'a> {
    role: Role<'a>,
    session_name: &'a str,
    external_id: Option<&'a str>,
    source_identity: Option<&'a str>,
    tags: Vec<(String, String)>,
    transitive: Vec<&'a str>,
    policy: Option<Policy>,
    duration: i64,
    packed_percent: usize,
}

struct Role<'a> {
    arn: &'a str,
    partition: &'a str,
    account: &'a str,
    name: &'a str,
}

fn assume_role(context: &Context<'_>, form: &Form) -> Result<String, Refusal> {
    let assumption = Assumption::parse(form, context.caller)?;
    trusted(context, &assumption)?;
    let session = issue(&assumption, context.now)?;
    let secret = random::token(30)?;
    let answer = format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>\
         <PackedPolicySize>{packed}</PackedPolicySize>\
         <SessionTokenUtilization>{packed}</SessionTokenUtilization>{}",
        session.access_key_id,
        session.session_token,
        session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        escape(&session.role_id),
        escape(&session.arn),
        assumption
            .source_identity
            .map(|identity| format!("<SourceIdentity>{}</SourceIdentity>", escape(identity)))
            .unwrap_or_default(),
        packed = assumption.packed_percent,
    );
    context.simulator.sessions.add(session, context.now);
    Ok(answer)
}

/// The trust policy of the role. "No such role" and "the role does not trust you" look alike, as
/// they do in AWS.
fn trusted(context: &Context<'_>, assumption: &Assumption<'_>) -> Result<(), Refusal> {
    let role = &assumption.role;
    let denied = |action: &str| Refusal::Denied {
        principal: context.caller.arn(),
        action: action.into(),
        resource: role.arn.into(),
    };
    // A session of one of these roles may do nothing in STS.
    context.authorize("sts:AssumeRole", role.arn, |request| request)?;
    let hub = Hub::of(role.partition);
    let team = assumption.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case("Team"));
    let team = team.map(|(_, team)| team.as_str());
    let trust = context
        .simulator
        .trust_of(role.arn, role.partition, team)
        .and_then(|document| Policy::parse(&document).ok())
        .ok_or_else(|| denied("sts:AssumeRole"))?;
    // In front of a target role everybody counts as the broker; the administrators' roles tell an
    // administrator from the broker.
    let principal = match (&context.caller.principal, role.name) {
        (Principal::Administrator, DOCTOR_ROLE | LIFECYCLE_ROLE) => context.caller.arn(),
        _ => hub.role_arn.clone(),
    };

    let mut actions = vec!["sts:AssumeRole"];
    if !assumption.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if assumption.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    for action in actions {
        let request = trust_request(action, &principal, &hub, assumption);
        if trust.decide(&request) != Decision::Allow {
            return Err(denied(action));
        }
    }
    Ok(())
}

fn trust_request(action: &str, principal: &str, hub: &Hub, assumption: &Assumption<'_>) -> Request {
    let account = principal.split(':').nth(4).unwrap_or_default();
    let mut request = Request::new(action, assumption.role.arn)
        .with("aws:PrincipalArn", principal)
        .with("aws:PrincipalOrgID", &hub.organization_id)
        .with("aws:PrincipalAccount", account);
    request.principal = principal.into();
    for (key, value) in &assumption.tags {
        request = request.with(&format!("aws:RequestTag/{key}"), value).with("aws:TagKeys", key);
    }
    for key in &assumption.transitive {
        request = request.with("sts:TransitiveTagKeys", *key);
    }
    if let Some(identity) = assumption.source_identity {
        request = request.with("sts:SourceIdentity", identity);
    }
    // The two keys that TagSession does not have.
    if action == "sts:AssumeRole" {
        request = request.with("sts:RoleSessionName", assumption.session_name);
        if let Some(external_id) = assumption.external_id {
            request = request.with("sts:ExternalId", external_id);
        }
    }
    request
}

fn issue(assumption: &Assumption<'_>, now: Timestamp) -> Result<Session, Unspecified> {
    let Role { arn, partition, account, name } = assumption.role;
    let session_name = assumption.session_name;
    Ok(Session {
        access_key_id: caller::access_key_id()?,
        session_token: random::token(256)?,
        account: account.into(),
        role_arn: arn.into(),
        arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"),
        role_id: format!("AROA{}:{session_name}", random::upper(17)?),
        session_name: session_name.into(),
        tags: assumption.tags.clone(),
        policy: assumption.policy.clone(),
        expires: now + assumption.duration.seconds(),
    })
}

impl<'a> Assumption<'a> {
    fn parse(form: &'a Form, caller: &Caller) -> Result<Self, Refusal> {
        let role = Role::parse(required(form, "RoleArn")?)?;
        let session_name = required(form, "RoleSessionName")?;
        let name = |c: char| is_word(c) || "+=,.@-".contains(c);
        within(session_name, "roleSessionName", 2..=64, r"[\w+=,.@-]*", name)?;
        let external_id = form.get("ExternalId");
        if let Some(id) = external_id {
            let allowed = |c: char| is_word(c) || "+=,.@:/-".contains(c);
            within(id, "externalId", 2..=1224, r"[\w+=,.@:\/-]*", allowed)?;
        }
        let source_identity = form.get("SourceIdentity");
        if let Some(identity) = source_identity {
            within(identity, "sourceIdentity", 2..=64, r"[\w+=,.@-]*", name)?;
            if identity.starts_with("aws:") {
                return Err(invalid("SourceIdentity must not start with aws:"));
            }
        }
        let tags = tags(form)?;
        let transitive = form.members("TransitiveTagKeys", "");
        for key in &transitive {
            if !tags.iter().any(|(k, _)| k.eq_ignore_ascii_case(key)) {
                return Err(invalid(
                    "The specified transitive tag key must be included in the \
                                    requested tags.",
                ));
            }
        }
        let policy = form.get("Policy").map(session_policy).transpose()?;
        let packed = form.get("Policy").map_or(0, str::len)
            + tags.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>();
        let packed_percent = packed.saturating_mul(100).div_ceil(PACKED_LIMIT);
        if packed_percent > 100 {
            return Err(Refusal::Ordered {
                code: "PackedPolicyTooLarge".into(),
                status: 400,
                message: format!("Serialized token too large for session: {packed_percent}%"),
            });
        }
        Ok(Self {
            role,
            session_name,
            external_id,
            source_identity,
            tags,
            transitive,
            policy,
            duration: duration(form, caller)?,
            packed_percent,
        })
    }
}

impl<'a> Role<'a> {
    fn parse(arn: &'a str) -> Result<Self, Refusal> {
        let wrong = || invalid(format!("{arn} is invalid"));
        if !(20..=2048).contains(&arn.len()) {
            return Err(wrong());
        }
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(wrong);
        let (prefix, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let name = resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
        match name {
            Some(name)
                if prefix == "arn"
                    && partition.starts_with("aws")
                    && service == "iam"
                    && region.is_empty()
                    && caller::is_account(account)
                    && !name.is_empty() =>
            {
                Ok(Self { arn, partition, account, name })
            }
            _ => Err(wrong()),
        }
    }
}

fn tags(form: &Form) -> Result<Vec<(String, String)>, Refusal> {
    let keys = form.members("Tags", ".Key");
    let values = form.members("Tags", ".Value");
    if keys.len() > 50 {
        return Err(constraint("tags", "Member must have length less than or equal to 50"));
    }
    if keys.len() != values.len() {
        return Err(invalid("Each tag needs a Key and a Value"));
    }
    let pattern = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+";
    let mut tags: Vec<(String, String)> = Vec::new();
    for (key, value) in keys.into_iter().zip(values) {
        within(key, "tags.member.key", 1..=128, pattern, is_tag_character)?;
        within(value, "tags.member.value", 0..=256, pattern, is_tag_character)?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys must not start with aws:"));
        }
        if tags.iter().any(|(k, _)| k.to_lowercase() == key.to_lowercase()) {
            return Err(Refusal::Ordered {
                code: "InvalidParameterValue".into(),
                status: 400,
                message: "Duplicate tag keys found. Please note that Tag keys are case \
                          insensitive."
                    .into(),
            });
        }
        tags.push((key.into(), value.into()));
    }
    Ok(tags)
}

fn session_policy(text: &str) -> Result<Policy, Refusal> {
    let malformed = |message: String| Refusal::Ordered {
        code: "MalformedPolicyDocument".into(),
        status: 400,
        message,
    };
    if text.len() > 2048 {
        return Err(constraint("policy", "Member must have length less than or equal to 2048"));
    }
    let document = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
    Policy::parse(&document).map_err(|e| malformed(e.to_string()))
}

fn duration(form: &Form, caller: &Caller) -> Result<i64, Refusal> {
    let Some(text) = form.get("DurationSeconds") else { return Ok(CHAINED_SECONDS) };
    let seconds: i64 = text.parse().map_err(|_| invalid("DurationSeconds is not a number"))?;
    if !(900..=43_200).contains(&seconds) {
        return Err(constraint("durationSeconds", "Member must have value between 900 and 43200"));
    }
    if seconds > CHAINED_SECONDS && !matches!(caller.principal, Principal::Administrator) {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        ));
    }
    Ok(seconds)
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    form.get(name).ok_or_else(|| constraint(name, "Member must not be null"))
}

fn within(
    value: &str,
    member: &str,
    length: std::ops::RangeInclusive<usize>,
    pattern: &str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), Refusal> {
    if !length.contains(&value.chars().count()) {
        let (least, most) = (length.start(), length.end());
        return Err(constraint(member, &format!("Member must have length {least} to {most}")));
    }
    if !value.chars().all(allowed) {
        return Err(constraint(
            member,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        ));
    }
    Ok(())
}

fn constraint(member: &str, rule: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: {rule}"
    ))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
