//! `teams pause · resume`, `idps enable · disable · teams`: what a hurried hand does in the console, with the
//! consequences said first and under the condition that nobody changed the item meanwhile.

use serde_json::{Value, json};

use super::Exit;
use super::hub::Hub;
use super::mapping_file::{self, DryRun, Orders, Removals};
use super::output::{Code, Failure, Format};
use crate::mappings::plan::{Change, Plan, State};
use crate::mappings::{Mapping, Table, nearest, subject};
use crate::team::item::Item;

/// Changes the items with these keys, each with `change`; nothing is written unless all of them are there
/// and can be used afterwards.
pub(super) async fn run(
    table: Table,
    keys: &[String],
    dry_run: DryRun,
    format: Format,
    change: impl Fn(&mut Item) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let hub = Hub::connect().await?;
    let state = mapping_file::state(&hub, |needed| needed == table).await?;
    let mut changes = Vec::new();
    let mut wanted: Vec<(Table, Mapping)> = Vec::new();
    for key in keys {
        let (one, mapping) = changed(table, key, &state, &change)?;
        changes.extend(one);
        wanted.push((table, mapping));
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes.dedup_by(|a, b| a.key == b.key);
    let plan = Plan::of_changes(changes, &wanted, &state);
    mapping_file::carry_out(&hub, plan, Orders::of(&Removals::none(dry_run), None), format).await
}

fn changed(
    table: Table,
    key: &str,
    state: &State,
    change: impl Fn(&mut Item) -> Result<(), Failure>,
) -> Result<(Option<Change>, Mapping), Failure> {
    let items = state.items(table);
    let Some(stored) = items.get(key) else {
        let near = nearest(key, items.keys().map(String::as_str));
        let perhaps = match near.is_empty() {
            true => String::new(),
            false => format!(", perhaps {}", near.join(" or ")),
        };
        let message = format!("there is no {}{perhaps}", subject(table, key));
        let list =
            format!("studio-broker {} list", if table == Table::Teams { "teams" } else { "idps" });
        return Err(Failure::new(Exit::Failed, message)
            .code(Code::NotFound)
            .with("nearest", json!(near))
            .hint(list));
    };
    let name = subject(table, key);
    if let Some(fault) = stored.unwritable.first() {
        let message = format!("{name} holds what cannot be kept: {fault}");
        return Err(Failure::new(Exit::Failed, message).code(Code::ItemInvalid));
    }
    let mut item = stored.item.clone();
    change(&mut item)?;
    let read = table.read(&item).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let message = format!("{name} cannot be used, so nobody gets in: {}", faults.join("; "));
        Failure::new(Exit::Failed, message).code(Code::ItemInvalid)
    })?;
    Ok((Change::to(table, key, Some(stored), &item, &read.value), read.value))
}

/// Pauses a team, with what people are told.
pub(super) fn paused(item: &mut Item, reason: Option<&str>) {
    item.insert("enabled".into(), json!(false));
    if let Some(reason) = reason {
        item.insert("paused_reason".into(), json!(reason));
    }
}

/// Opens a team again; what people were told has passed.
pub(super) fn resumed(item: &mut Item) {
    item.insert("enabled".into(), json!(true));
    item.remove("paused_reason");
}

/// `+team` adds to the teams that an `IdP` may grant, `-team` takes away.
pub(super) fn with_teams(item: &mut Item, words: &[String]) -> Result<(), Failure> {
    let mut teams: Vec<Value> = match item.get("allowed_teams") {
        Some(Value::Array(teams)) => teams.clone(),
        _ => Vec::new(),
    };
    for word in words {
        let (sign, team) = word.split_at_checked(1).unwrap_or_default();
        let team = Value::from(team);
        match sign {
            "+" if !teams.contains(&team) => teams.push(team),
            "+" => {}
            "-" if teams.contains(&team) => teams.retain(|other| *other != team),
            "-" => {
                let message = format!("the identity provider may not grant {team} anyway");
                return Err(Failure::new(Exit::Failed, message).code(Code::NotFound));
            }
            _ => {
                let message =
                    format!("found {word}, expected +TEAM or -TEAM; options stand before them");
                return Err(Failure::usage(message).hint("studio-broker idps teams --help"));
            }
        }
    }
    item.insert("allowed_teams".into(), Value::Array(teams));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_come_and_go() {
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut item = Item::new();
        item.insert("allowed_teams".into(), json!(["a", "b"]));
        with_teams(&mut item, &words(&["+c", "-a", "+b"])).unwrap();
        assert_eq!(item["allowed_teams"], json!(["b", "c"]));
        assert_eq!(with_teams(&mut item, &words(&["-a"])).unwrap_err().exit, Exit::Failed);
        assert_eq!(with_teams(&mut item, &words(&["c"])).unwrap_err().exit, Exit::Usage);
        assert_eq!(with_teams(&mut item, &words(&[""])).unwrap_err().exit, Exit::Usage);
    }
}
