//! Identity Store: the scenario's people, and groups that can be made, filled and removed.
//!
//! User ids of the story are the store's user ids; user names are the e-mail addresses.

pub(crate) mod directory;

use serde_json::{Map, Value, json};

use self::directory::{Membership, conflict, missing};
use super::{
    context::Context,
    input::{ANY, Input, constraint},
    random,
    refusal::{Refusal, invalid},
    simulator::Simulator,
};
use crate::local::scenario::{Group, Person, Scenario};

/// The one store that there is, in every Region.
pub(crate) const IDENTITY_STORE: &str = "d-1234567890";

/// Answers one operation.
pub(crate) fn answer(
    context: &Context<'_>,
    operation: &str,
    input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let input = Input(input);
    let simulator = context.simulator;
    let scenario = &simulator.scenario;
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
        "ListGroups" => input.page(
            "Groups",
            simulator.directory.groups(&simulator.scenario).iter().map(group).collect(),
        ),
        "DescribeGroup" => Ok(group(&the_group(simulator, input)?)),
        "GetGroupId" => get_group_id(simulator, input),
        "CreateGroup" => create_group(simulator, input),
        "DeleteGroup" => delete_group(simulator, input),
        "ListGroupMembershipsForMember" => {
            let person = member(scenario, input)?;
            let all = simulator.directory.memberships(&simulator.scenario).into_iter();
            let own = all.filter(|membership| membership.user == person.user_id);
            input.page("GroupMemberships", own.map(|m| membership(&m)).collect())
        }
        "ListGroupMemberships" => {
            let group = the_group(simulator, input)?;
            let all = simulator.directory.memberships(&simulator.scenario).into_iter();
            let of_group = all.filter(|membership| membership.group == group.group_id);
            input.page("GroupMemberships", of_group.map(|m| membership(&m)).collect())
        }
        "CreateGroupMembership" => create_membership(simulator, input),
        "DeleteGroupMembership" => delete_membership(simulator, input),
        "IsMemberInGroups" => is_member(simulator, input),
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
    found.map(|p| named("User", &p.user_id, json!({}))).ok_or_else(|| missing("USER", &name))
}

fn get_group_id(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let name = unique_attribute(input, "displayName")?;
    let found = simulator
        .directory
        .groups(&simulator.scenario)
        .into_iter()
        .find(|g| g.display_name == name);
    found.map(|g| named("Group", &g.group_id, json!({}))).ok_or_else(|| missing("GROUP", &name))
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

fn create_group(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let display_name = input.required("DisplayName", &ANY)?;
    if !(1..=1024).contains(&display_name.chars().count()) {
        let rule = "Member must have length between 1 and 1024";
        return Err(constraint(display_name, "displayName", rule));
    }
    // Names are unique whatever their case.
    if simulator
        .directory
        .groups(&simulator.scenario)
        .iter()
        .any(|g| g.display_name.eq_ignore_ascii_case(display_name))
    {
        return Err(conflict("a group of this name exists"));
    }
    let group_id = format!("9067000000-{}", random::uuid()?);
    let group = Group { group_id: group_id.clone(), display_name: display_name.into() };
    simulator.directory.change(|made| {
        made.groups.push(group);
        Ok(named("Group", &group_id, json!({"Revision": "1"})))
    })
}

fn delete_group(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let group = the_group(simulator, input)?;
    simulator.directory.change(|made| {
        made.memberships.retain(|membership| membership.group != group.group_id);
        made.assignments.retain(|assignment| assignment.principal != group.group_id);
        made.removed.push(group.group_id);
        Ok(json!({}))
    })
}

fn create_membership(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let group = the_group(simulator, input)?;
    let user = member(&simulator.scenario, input)?.user_id.clone();
    if simulator
        .directory
        .memberships(&simulator.scenario)
        .iter()
        .any(|m| m.group == group.group_id && m.user == user)
    {
        return Err(conflict("the user is a member already"));
    }
    let id = random::uuid()?;
    let made = Membership { id: id.clone(), group: group.group_id, user };
    simulator.directory.change(|all| {
        all.memberships.push(made);
        Ok(named("Membership", &id, json!({})))
    })
}

fn delete_membership(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.required("MembershipId", &ANY)?;
    if !simulator
        .directory
        .memberships(&simulator.scenario)
        .iter()
        .any(|membership| membership.id == id)
    {
        return Err(missing("MEMBERSHIP", id));
    }
    simulator.directory.change(|made| {
        made.memberships.retain(|membership| membership.id != id);
        made.removed.push(id.into());
        Ok(json!({}))
    })
}

fn is_member(simulator: &Simulator, input: Input<'_>) -> Result<Value, Refusal> {
    let person = member(&simulator.scenario, input)?;
    let groups = input.0.get("GroupIds").and_then(Value::as_array).cloned().unwrap_or_default();
    if !(1..=100).contains(&groups.len()) {
        return Err(constraint("…", "groupIds", "Member must have length between 1 and 100"));
    }
    let memberships = simulator.directory.memberships(&simulator.scenario);
    let results: Vec<Value> = groups
        .iter()
        .filter_map(Value::as_str)
        .map(|group| {
            let of = |m: &Membership| m.group == group && m.user == person.user_id;
            json!({
                "GroupId": group,
                "MemberId": {"UserId": person.user_id},
                "MembershipExists": memberships.iter().any(of),
            })
        })
        .collect();
    Ok(json!({"Results": results}))
}

fn the_group(simulator: &Simulator, input: Input<'_>) -> Result<Group, Refusal> {
    let id = input.required("GroupId", &ANY)?;
    simulator.directory.group(&simulator.scenario, id).ok_or_else(|| missing("GROUP", id))
}

fn member<'a>(scenario: &'a Scenario, input: Input<'_>) -> Result<&'a Person, Refusal> {
    let id = input.0.get("MemberId").and_then(|m| m.get("UserId")).and_then(Value::as_str);
    let id = id.ok_or_else(|| constraint("null", "memberId", "Member must not be null"))?;
    let found = scenario.people().iter().find(|person| person.user_id == id);
    found.ok_or_else(|| missing("USER", id))
}

fn user(person: &Person) -> Value {
    let more = json!({
        "Revision": "1",
        "UserName": person.email,
        "DisplayName": person.display_name,
        "Emails": [{"Value": person.email, "Type": "work", "Primary": true}],
    });
    named("User", &person.user_id, more)
}

fn group(group: &Group) -> Value {
    let more = json!({"Revision": "1", "DisplayName": group.display_name});
    named("Group", &group.group_id, more)
}

fn membership(membership: &Membership) -> Value {
    let more = json!({"GroupId": membership.group, "MemberId": {"UserId": membership.user}});
    named("Membership", &membership.id, more)
}

/// Something of the store by its id and ARN, with `more` members.
fn named(kind: &str, id: &str, more: Value) -> Value {
    let mut named = Map::new();
    named.insert("IdentityStoreId".into(), IDENTITY_STORE.into());
    named.insert(format!("{kind}Id"), id.into());
    let arn = format!("arn:aws:identitystore:::{}/{id}", kind.to_ascii_lowercase());
    named.insert(format!("{kind}Arn"), arn.into());
    named.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(named)
}
