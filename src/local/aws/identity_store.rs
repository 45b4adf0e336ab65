//! Identity Store: the scenario's people and groups, read only.
//!
//! User ids of the story are the store's user ids; user names are the e-mail addresses.

use serde_json::{Map, Value, json};

use super::{
    refusal::{Refusal, invalid},
    sagemaker::input::{ANY, Input, constraint},
};
use crate::local::scenario::{Group, Person, Scenario};

/// The one store that there is, in every Region.
const IDENTITY_STORE: &str = "d-1234567890";

/// Answers one operation.
pub(crate) fn answer(
    scenario: &Scenario,
    operation: &str,
    input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let input = Input(input);
    let store = input.required("IdentityStoreId", &ANY)?;
    if store != IDENTITY_STORE {
        return Err(missing("IDENTITY_STORE", store));
    }
    match operation {
        "ListUsers" => list_users(scenario, input),
        "DescribeUser" => {
            let id = input.required("UserId", &ANY)?;
            let person = scenario.people().iter().find(|p| p.user_id == id);
            person.map(user).ok_or_else(|| missing("USER", id))
        }
        "GetUserId" => get_user_id(scenario, input),
        "ListGroups" => input.page("Groups", scenario.groups().iter().map(group).collect()),
        "DescribeGroup" => {
            let id = input.required("GroupId", &ANY)?;
            let found = scenario.groups().iter().find(|g| g.group_id == id);
            found.map(group).ok_or_else(|| missing("GROUP", id))
        }
        "GetGroupId" => get_group_id(scenario, input),
        "ListGroupMembershipsForMember" => memberships(scenario, input),
        "IsMemberInGroups" => is_member(scenario, input),
        _ => Err(Refusal::UnknownOperation { operation: operation.into() }),
    }
}

fn list_users(scenario: &Scenario, input: Input<'_>) -> Result<Value, Refusal> {
    let filters = input.0.get("Filters").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = match filters.as_slice() {
        [] => None,
        [filter] if filter.get("AttributePath").and_then(Value::as_str) == Some("UserName") => {
            filter.get("AttributeValue").and_then(Value::as_str).map(str::to_owned)
        }
        _ => return Err(invalid("Only one filter, on UserName, is supported")),
    };
    let people = scenario.people().iter();
    let found = people.filter(|p| wanted.as_deref().is_none_or(|name| p.email == name));
    input.page("Users", found.map(user).collect())
}

fn get_user_id(scenario: &Scenario, input: Input<'_>) -> Result<Value, Refusal> {
    let name = unique_attribute(input, "userName")?;
    let found = scenario.people().iter().find(|p| p.email == name);
    found
        .map(|p| json!({"UserId": p.user_id, "IdentityStoreId": IDENTITY_STORE}))
        .ok_or_else(|| missing("USER", &name))
}

fn get_group_id(scenario: &Scenario, input: Input<'_>) -> Result<Value, Refusal> {
    let name = unique_attribute(input, "displayName")?;
    let found = scenario.groups().iter().find(|g| g.display_name == name);
    found
        .map(|g| json!({"GroupId": g.group_id, "IdentityStoreId": IDENTITY_STORE}))
        .ok_or_else(|| missing("GROUP", &name))
}

/// `AlternateIdentifier.UniqueAttribute` with this path.
fn unique_attribute(input: Input<'_>, path: &str) -> Result<String, Refusal> {
    let attribute = input.0.get("AlternateIdentifier").and_then(|a| a.get("UniqueAttribute"));
    let text = |member: &str| attribute.and_then(|a| a.get(member)).and_then(Value::as_str);
    match (text("AttributePath"), text("AttributeValue")) {
        (Some(got), Some(value)) if got.eq_ignore_ascii_case(path) => Ok(value.to_owned()),
        _ => Err(invalid(format!("AlternateIdentifier must be a UniqueAttribute {path}"))),
    }
}

fn memberships(scenario: &Scenario, input: Input<'_>) -> Result<Value, Refusal> {
    let person = member(scenario, input)?;
    let memberships = person.groups.iter().map(|group| {
        json!({
            "IdentityStoreId": IDENTITY_STORE,
            "MembershipId": format!("membership-{}-{group}", person.user_id),
            "GroupId": group,
            "MemberId": {"UserId": person.user_id},
        })
    });
    input.page("GroupMemberships", memberships.collect())
}

fn is_member(scenario: &Scenario, input: Input<'_>) -> Result<Value, Refusal> {
    let person = member(scenario, input)?;
    let groups = input.0.get("GroupIds").and_then(Value::as_array).cloned().unwrap_or_default();
    if !(1..=100).contains(&groups.len()) {
        return Err(constraint("…", "groupIds", "Member must have length between 1 and 100"));
    }
    let results: Vec<Value> = groups
        .iter()
        .filter_map(Value::as_str)
        .map(|group| {
            json!({
                "GroupId": group,
                "MemberId": {"UserId": person.user_id},
                "MembershipExists": person.groups.iter().any(|g| g == group),
            })
        })
        .collect();
    Ok(json!({"Results": results}))
}

fn member<'a>(scenario: &'a Scenario, input: Input<'_>) -> Result<&'a Person, Refusal> {
    let id = input.0.get("MemberId").and_then(|m| m.get("UserId")).and_then(Value::as_str);
    let id = id.ok_or_else(|| constraint("null", "memberId", "Member must not be null"))?;
    let found = scenario.people().iter().find(|person| person.user_id == id);
    found.ok_or_else(|| missing("USER", id))
}

fn user(person: &Person) -> Value {
    json!({
        "IdentityStoreId": IDENTITY_STORE,
        "UserId": person.user_id,
        "UserName": person.email,
        "DisplayName": person.display_name,
        "Emails": [{"Value": person.email, "Type": "work", "Primary": true}],
    })
}

fn group(group: &Group) -> Value {
    json!({
        "IdentityStoreId": IDENTITY_STORE,
        "GroupId": group.group_id,
        "DisplayName": group.display_name,
    })
}

fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::NotFound { what: format!("{kind} [{id}]") }
}
