//! A plan in words, and for programs.

use serde_json::{Value, json};

use super::hub::Hub;
use super::output::{ADDED, CHANGED, Format, REMOVED, STRONG, data, json, plain, say, styled};
use crate::aws::mapping_tables::Outcome;
use crate::mappings::change::cut;
use crate::mappings::plan::{Access, Action, Change, PersonChange, Plan};
use crate::mappings::subject;
use crate::team::members::{Name, Until};

/// Prints a plan, and how its writes ended where they were tried; `more` goes into the JSON beside it.
pub(super) fn print(
    hub: &Hub,
    plan: &Plan,
    outcomes: Option<&[Outcome]>,
    more: Option<Value>,
    format: Format,
) {
    let seconds = hub.settings.team_cache_seconds;
    let [creates, updates, removals] = plan.counts();
    if format == Format::Json {
        let unlisted = plan.unlisted.iter().map(|(table, key)| json!({"table": table, "key": key}));
        let mut shown = json!({
            "changes": plan.changes,
            "gains": plan.gains,
            "losses": plan.losses,
            "people": plan.people,
            "partial": plan.is_partial,
            "unlisted": unlisted.collect::<Vec<_>>(),
            "counts": {"create": creates, "update": updates, "remove": removals},
            "privileged": plan.is_privileged(),
            "in_effect_within_seconds": seconds,
        });
        if let (Some(outcomes), Some(changes)) =
            (outcomes, shown.get_mut("changes").and_then(Value::as_array_mut))
        {
            for (change, outcome) in changes.iter_mut().zip(outcomes) {
                if let Some(change) = change.as_object_mut() {
                    change.insert("outcome".into(), json!(outcome.word()));
                }
            }
        }
        if let (Some(Value::Object(more)), Some(shown)) = (more, shown.as_object_mut()) {
            shown.extend(more);
        }
        json(&shown);
        return;
    }
    for change in &plan.changes {
        print_change(change);
    }
    print_access("+", "gains", &plan.gains);
    print_access("-", "loses", &plan.losses);
    print_people(&plan.people);
    if plan.changes.is_empty() {
        data("no changes: the tables hold what is wanted");
    } else {
        data(format!(
            "{}: {creates} to create, {updates} to change, {removals} to remove; in effect within {seconds} seconds",
            styled(STRONG, "plan")
        ));
    }
    if !plan.unlisted.is_empty() {
        let names: Vec<_> = plan.unlisted.iter().map(|(table, key)| subject(*table, key)).collect();
        say(format!(
            "not in the file, and stays unless --prune is given: {}",
            cut(&names, 10).join(", ")
        ));
    }
}

/// The most people that are named one by one.
const MOST_PEOPLE: usize = 50;

/// Whose access by name comes, goes, or ends at another moment.
fn print_people(people: &[PersonChange]) {
    for PersonChange { team, directory, user_id, before, after } in people.iter().take(MOST_PEOPLE)
    {
        let name = Name { directory: directory.clone(), user_id: user_id.clone() }.key();
        let (name, team) = (plain(&name), plain(team));
        let until = |end: &Until| match end {
            Until::Always => "without end".to_owned(),
            end => format!("until {end}"),
        };
        data(match (before, after) {
            (None, Some(after)) => {
                styled(ADDED, format!("+ {name} gains access to {team} {}", until(after)))
            }
            (Some(before), Some(after)) => styled(
                CHANGED,
                format!("~ {name} has access to {team} {}, now {}", until(after), until(before)),
            ),
            (_, None) => styled(REMOVED, format!("- {name} loses access to {team}")),
        });
    }
    if people.len() > MOST_PEOPLE {
        data(format!("  and {} more people", people.len() - MOST_PEOPLE));
    }
}

fn print_change(change: &Change) {
    let name = subject(change.table, &change.key);
    data(match change.action {
        Action::Create => styled(ADDED, format!("+ {name} appears")),
        Action::Update => styled(CHANGED, format!("~ {name} changes")),
        Action::Remove => styled(REMOVED, format!("- {name} disappears")),
    });
    for difference in &change.differences {
        data(format!("    {difference}"));
    }
    for member in &change.privileged {
        let path = plain(&member.path);
        data(format!("    {} {path}: {}", styled(REMOVED, "privileged:"), member.reach));
    }
    for warning in &change.warnings {
        data(format!("    {} {warning}", styled(CHANGED, "look:")));
    }
    for consequence in &change.consequences {
        data(format!("    → {consequence}"));
    }
}

fn print_access(sign: &str, verb: &str, access: &[Access]) {
    let style = if sign == "+" { ADDED } else { REMOVED };
    for Access { idp, group, teams } in access {
        let idp = plain(idp);
        let who = match group {
            Some(group) => format!("group {} at {idp}", plain(group)),
            None => idp,
        };
        let teams = cut(teams, 10).join(", ");
        data(styled(style, format!("{sign} {who} {verb} access to {teams}")));
    }
}
