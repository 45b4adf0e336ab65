//! `profiles offboard`: the end of everything that one person has.
//!
//! | part | what it does |
//! | --- | --- |
//! | `find` | where the person's profiles are |
//! | `plan` | what is to be done about the person, and what is not |
//! | `unknown` | people whom nothing knows, perhaps a typing error |
//! | `deny` | who refuses the person: `denied_users` of the identity providers |
//! | `carry_out` | what is open ends, everybody is refused, profile after profile goes |
//! | `words` | what is said about all this |

mod carry_out;
mod deny;
mod find;
mod plan;
mod unknown;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use self::carry_out::Work;
use self::deny::{denying, to_deny, undeny, unusable_idps};
use self::find::Field;
use self::plan::{Leaver, Offboarding};
use self::unknown::{nobody_knows, unknown};
use self::words::{answer, answer_of, confirmed, report, show, tell};
use super::end::Ended;
use crate::aws::spoke::administrator;
use crate::cli::Exit;
use crate::cli::again::again;
use crate::cli::findings::Finding;
use crate::cli::fleet::{self, Mappings, PARALLEL};
use crate::cli::hub::Hub;
use crate::cli::input::text_of;
use crate::cli::interrupt::{Interrupt, interrupted};
use crate::cli::output::{Code, Failure, Format, count, hint, plain, warn};
use crate::cli::person::{must_be_possible, person};
use crate::mappings::change::cut;
use crate::team::members::Name;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// User ids, exactly as the identity provider sends them.
    #[arg(value_name = "USER", required_unless_present = "file")]
    users: Vec<String>,
    /// User ids, one on a line; what follows a # is left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The directory of the user ids; needed where identity providers have several.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Does it, without asking.
    #[arg(long)]
    yes: bool,
    /// Lets them in again: takes them out of denied_users, and does nothing else.
    #[arg(long, conflicts_with_all = ["shared_spaces", "wait", "parallel", "allow_unknown"])]
    undeny: bool,
    /// Refuses also a user id that nothing knows: no profile, no session, no identity store.
    #[arg(long)]
    allow_unknown: bool,
    /// Ends shared spaces of the person too, with whatever others keep in them.
    #[arg(long)]
    shared_spaces: bool,
    /// How long apps, spaces and profiles are waited for.
    #[arg(long, value_name = "MINUTES", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=240))]
    wait: u64,
    /// How many accounts are worked in at once.
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = fleet::parallel)]
    parallel: usize,
}

pub(super) async fn run(arguments: Arguments, format: Format) -> Result<Exit, Failure> {
    let users = users(&arguments)?;
    let hub = Hub::connect().await?;
    let mappings = Mappings::read(&hub).await?;
    let named = arguments.directory.as_deref();
    let names = users.iter().map(|user| person(user, named, &mappings));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    if arguments.undeny {
        return let_in_again(&hub, &mappings, &names, &arguments, format).await;
    }
    let administrator = administrator(&hub.sdk).await?;
    let field = Field {
        hub: &hub,
        administrator: &administrator,
        // Also where no team is any more: what was made there is there until somebody ends it.
        places: mappings.all_places(),
        parallel: arguments.parallel,
    };
    let mut people = Vec::new();
    for name in names {
        let plan = completed(field.find(&name).await, &name, &mappings);
        people.push(Leaver { name, plan, outcome: None });
    }
    let failed: Vec<Finding> = people.iter().flat_map(|one| one.plan.failed.clone()).collect();
    mappings.tell_unusable(&failed);
    if let Some(exit) = only_told(&field, &mappings, &mut people, &arguments, format).await? {
        return Ok(exit);
    }
    let work = Work {
        field: &field,
        format,
        interrupt: &Interrupt::listen(),
        shared_spaces: arguments.shared_spaces,
        patience: Duration::from_secs(arguments.wait * 60),
        go_on: again_with_yes(&arguments),
    };
    work.carry_out(&mut people).await?;
    people.iter().for_each(|leaver| report(leaver, format));
    answer_of(&people, format);
    if work.interrupt.is_asked() {
        return Err(interrupted_at(&people).hint(work.go_on));
    }
    let is_left = people.iter().flat_map(Leaver::ended).any(|(_, ended)| *ended != Ended::Gone);
    if is_left || people.iter().any(|leaver| !leaver.plan.failed.is_empty()) {
        if format == Format::Table {
            hint(work.go_on);
        }
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// The people, each once. An empty variable of a script would be denied at every IdP, whose items nobody
/// could read then.
fn users(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let mut users = arguments.users.clone();
    if let Some(path) = &arguments.file {
        let text = text_of(path).map_err(|error| {
            let name = plain(&path.to_string_lossy());
            Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable)
        })?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        users.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if users.is_empty() {
        return Err(Failure::usage("nobody is named: the file holds no user id"));
    }
    let mut seen = BTreeSet::new();
    users.retain(|user| seen.insert(user.clone()));
    users.iter().try_for_each(|user| must_be_possible(user))?;
    Ok(users)
}

/// What was found, with whom is to refuse the person, and what nobody could look into.
fn completed(mut plan: Offboarding, name: &Name, mappings: &Mappings) -> Offboarding {
    plan.deny = to_deny(name, mappings);
    plan.is_denied = !denying(name, mappings).is_empty();
    plan.failed.extend(mappings.lost_teams(&[]));
    plan.failed.extend(unusable_idps(name, mappings));
    plan
}

/// Shows the plans. The exit code where that is all: nobody is known, nothing is to be done, or nobody says
/// that it shall be.
async fn only_told(
    field: &Field<'_>,
    mappings: &Mappings,
    people: &mut [Leaver],
    arguments: &Arguments,
    format: Format,
) -> Result<Option<Exit>, Failure> {
    let nothing = people.iter().all(|leaver| leaver.plan.is_empty());
    let failed = people.iter().any(|leaver| !leaver.plan.failed.is_empty());
    // Where nothing is to be done and not everything was seen, that is what there is to say.
    let unknown = match nothing && failed {
        true => Vec::new(),
        false => unknown(field, mappings, people).await,
    };
    for leaver in people.iter() {
        let plan = &leaver.plan;
        if !plan.is_empty() || !plan.left_alone.is_empty() || !plan.failed.is_empty() {
            show(leaver, format);
        }
    }
    unknown.iter().for_each(|one| warn(one.in_words()));
    if !unknown.is_empty() && !arguments.allow_unknown {
        if arguments.yes {
            return Err(nobody_knows(&unknown));
        }
        answer_of(people, format);
        if format == Format::Table {
            hint(again("--yes --allow-unknown"));
        }
        return Ok(Some(Exit::Refused));
    }
    if nothing {
        people.iter_mut().for_each(|leaver| leaver.outcome = Some(Vec::new()));
        people.iter().for_each(|leaver| report(leaver, format));
        answer_of(people, format);
        return Ok(Some(if failed { Exit::Failed } else { Exit::Done }));
    }
    if !arguments.yes && !confirmed(people, format) {
        answer_of(people, format);
        return Ok(Some(Exit::Refused));
    }
    Ok(None)
}

/// The same command with all its options, carried out.
fn again_with_yes(arguments: &Arguments) -> Option<String> {
    again(if arguments.yes { "" } else { "--yes" })
}

/// Interrupted while profiles were ended: what is left.
fn interrupted_at(people: &[Leaver]) -> Failure {
    let ended = people.iter().flat_map(Leaver::ended);
    let (gone, left): (Vec<_>, Vec<_>) = ended.partition(|(_, ended)| *ended == Ended::Gone);
    let places: Vec<_> = left.iter().map(|(planned, _)| planned.standing.place()).collect();
    interrupted(format!(
        "interrupted: {} of {} gone; left: {}; deletions that were begun go on, and the same command goes on from there",
        gone.len(),
        count(gone.len() + left.len(), "profile"),
        if left.is_empty() {
            "nothing that was found".to_owned()
        } else {
            cut(&places, 10).join(", ")
        }
    ))
}

/// Lets people in again.
async fn let_in_again(
    hub: &Hub,
    mappings: &Mappings,
    names: &[Name],
    arguments: &Arguments,
    format: Format,
) -> Result<Exit, Failure> {
    let mut done = Vec::new();
    for name in names {
        let user = &name.user_id;
        let denying = denying(name, mappings);
        for entity_id in &denying {
            undeny(hub, entity_id, user, again_with_yes(arguments)).await?;
            tell(format, || {
                format!("may sign in again: {} at IdP {}", plain(user), plain(entity_id))
            });
        }
        if denying.is_empty() {
            tell(format, || format!("{} is refused nowhere", plain(user)));
        }
        done.push(json!({"user": user, "directory": name.directory, "undenied_at": denying}));
    }
    answer(&done, format);
    Ok(Exit::Done)
}
