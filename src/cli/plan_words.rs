//! A plan in words, and for programs.

use serde_json::{Value, json};

use super::hub::{Head, Hub};
use super::output::{
    ADDED, CHANGED, Format, REMOVED, STRONG, count, data, json, plain, say, styled, warn,
};
use crate::aws::mapping_tables::Outcome;
use crate::mappings::change::cut;
use crate::mappings::plan::{Access, Action, Change, PersonChange, Plan};
use crate::mappings::subject;
use crate::team::members::{Name, Until};

/// Prints a plan, and how its writes ended where they were tried; `more` goes into the JSON beside it.
pub(super) fn print(
    hub: &Hub,
    head: Option<&Head>,
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
            "hub": head.map(Head::as_json),
            "changes": plan.changes,
            "gains": plan.gains,
            "losses": plan.losses,
            "people": plan.people,
            "partial": plan.is_partial,
            "warnings": plan.warnings,
            "confirm": plan.risks(),
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
    plan.warnings.iter().for_each(warn);
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
            "not in the file, and {} unless --prune is given: {}",
            if names.len() == 1 { "stays" } else { "stay" },
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
    for one in access {
        data(styled(style, format!("{sign} {}", self::access(verb, one))));
    }
}

fn access(verb: &str, Access { idp, group, teams }: &Access) -> String {
    let idp = plain(idp);
    let who = match group {
        Some(group) => format!("group {} at {idp}", plain(group)),
        None => idp,
    };
    format!("{who} {verb} access to {}", cut(teams, 10).join(", "))
}

/// A plan as Markdown: for the people who read it before it is applied.
pub(super) fn markdown(hub: &Hub, head: &Head, plan: &Plan) -> String {
    let mut lines = vec![format!("### Plan for {}", head.in_words()), String::new()];
    let [creates, updates, removals] = plan.counts();
    lines.push(match plan.changes.is_empty() {
        true => "No changes: the tables hold what is wanted.".to_owned(),
        false => format!(
            "**{creates} to create, {updates} to change, {removals} to remove**; in effect within {} seconds",
            hub.settings.team_cache_seconds
        ),
    });
    for change in &plan.changes {
        let name = cell(&subject(change.table, &change.key));
        let heading = match change.action {
            Action::Create => format!("#### + {name} appears"),
            Action::Update => format!("#### ~ {name} changes"),
            Action::Remove => format!("#### - {name} disappears"),
        };
        lines.extend([String::new(), heading, String::new()]);
        let mut point = |mark: &str, text: &str| lines.push(format!("- {mark}{}", cell(text)));
        change.differences.iter().for_each(|one| point("", &one.to_string()));
        for member in &change.privileged {
            point("**privileged:** ", &format!("{}: {}", member.path, member.reach));
        }
        change.warnings.iter().for_each(|one| point("**look:** ", one));
        change.consequences.iter().for_each(|one| point("→ ", one));
    }
    let mut section = |title: &str, points: Vec<String>| {
        if !points.is_empty() {
            lines.extend([String::new(), format!("#### {title}"), String::new()]);
            lines.extend(points.iter().map(|point| format!("- {}", cell(point))));
        }
    };
    section("Access that comes", plan.gains.iter().map(|one| access("gains", one)).collect());
    section("Access that goes", plan.losses.iter().map(|one| access("loses", one)).collect());
    let confirm = plan.risks();
    let confirm = confirm.iter().map(|(risk, number)| format!("{}={number}", risk.word()));
    section("To be confirmed", confirm.collect());
    section("Warnings", plan.warnings.clone());
    if !plan.unlisted.is_empty() {
        let stays = count(plan.unlisted.len(), "item");
        section("Not in the files", vec![format!("{stays}, left as they are without --prune")]);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Foreign text as Markdown that means nothing else: no markup, no mention, one line.
fn cell(text: &str) -> String {
    plain(text)
        .chars()
        .flat_map(|c| {
            let escape =
                matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '@' | '~');
            escape.then_some('\\').into_iter().chain([c])
        })
        .collect()
}
