//! `GET /`: what a person may open, and what helps them to choose.

use askama::Template;

use super::answer::Response;
use super::context::Context;
use super::destination::Destination;
use super::failure::Failure;
use super::login::sign_in_first;
use super::pages::{self, ContactLink, Frame};
use super::search::{self, Search};
use crate::broker::Choice;
use crate::broker::time::time_left;
use crate::session::Session;
use crate::team::Team;
use crate::team::idp::Idp;
use crate::team::members::Until;
use crate::team::portal::Link;

/// So many teams are more than one sees at once: they stand side by side, and a search helps.
const MANY: usize = 8;

pub(super) async fn page(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let Some((_, session, idp)) = context.session().await? else {
        return sign_in_first(context, None).await;
    };
    let patience = time_left(context.deadline);
    let teams = context.broker.teams(&session, &idp, patience, context.now);
    let choices = Box::pin(teams).await?;
    if choices.is_empty() {
        return Err(Failure::NoTeam);
    }
    Ok(rendered(context, &session, &idp, &choices))
}

#[derive(Template)]
#[template(path = "chooser.html")]
struct Chooser<'a> {
    frame: Frame<'a>,
    user: &'a str,
    cards: Vec<Card<'a>>,
    /// All teams of the person, found or not.
    number: usize,
    has_many: bool,
    search: Option<&'a Search>,
    longest_search: usize,
    sign_out: String,
}

/// One team.
struct Card<'a> {
    id: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    /// Account and Region.
    place: Option<(&'a str, &'a str)>,
    /// When the access ends, for people and for programs; `None` where it does not.
    until: Option<(String, String)>,
    /// Where the team opens; `None` when it cannot be opened now.
    url: Option<String>,
    /// Why it cannot.
    reason: &'a str,
    /// Where the person signs in as the team asks for.
    sign_in: Option<String>,
    /// What else opens: apps and doors.
    places: Vec<Place<'a>>,
    labels: Vec<(&'a str, &'a str)>,
    links: &'a [Link],
    contact: Option<ContactLink<'a>>,
}

/// Something of a team that opens by itself.
struct Place<'a> {
    name: &'a str,
    /// What it is, where the name does not say it.
    kind: Option<&'static str>,
    url: String,
}

fn rendered(context: &Context<'_>, session: &Session, idp: &Idp, choices: &[Choice]) -> Response {
    let search = context.request.query_value("q").and_then(|query| Search::of(&query));
    let found = choices.iter().filter(|choice| search.as_ref().is_none_or(|s| s.finds(choice)));
    let cards: Vec<_> = found.map(|choice| card(context, idp, choice)).collect();
    pages::page(&Chooser {
        frame: pages::frame(context),
        user: &session.name_id,
        cards,
        number: choices.len(),
        has_many: choices.len() >= MANY,
        search: search.as_ref(),
        longest_search: search::LONGEST,
        sign_out: context.url("/sign-out"),
    })
}

fn card<'a>(context: &Context<'_>, idp: &Idp, choice: &'a Choice) -> Card<'a> {
    let id = choice.id.as_str();
    let until = match choice.until {
        Until::Always => None,
        Until::At(end) => Some((end.strftime("%Y-%m-%d %H:%M UTC").to_string(), end.to_string())),
    };
    let shut = Card {
        id,
        name: id,
        description: None,
        place: None,
        until,
        url: None,
        reason: "The settings of this team hold a mistake. Ask your administrator.",
        sign_in: None,
        places: Vec::new(),
        labels: Vec::new(),
        links: &[],
        contact: choice.contact.as_ref().map(|contact| ContactLink::to(contact.as_str())),
    };
    let Some(team) = &choice.team else { return shut };
    let labels = team.labels.iter();
    let told = Card {
        name: team.name(),
        description: team.description.as_deref(),
        place: Some((team.account_id.as_str(), team.region.as_str())),
        labels: labels.map(|(name, text)| (name.as_str(), text.as_str())).collect(),
        links: &team.links,
        ..shut
    };
    if !team.enabled {
        let reason = team.paused_reason.as_deref().unwrap_or("This team is paused.");
        return Card { reason, ..told };
    }
    if choice.asks_again {
        let reason = "This team asks for another kind of sign-in than yours, for example one with a second factor.";
        let sign_in = Some(pages::sign_in_again(context, idp, Some(&team.team_id)));
        return Card { reason, sign_in, ..told };
    }
    let url = Some(context.url(&Destination::team(team.team_id.clone()).to_path()));
    Card { url, places: places(context, team), ..told }
}

/// What opens beside the team's own landing: the apps that the team offers, and its doors.
fn places<'a>(context: &Context<'_>, team: &'a Team) -> Vec<Place<'a>> {
    let apps = team.apps.iter().map(|app| Place {
        name: app.title(),
        kind: None,
        url: context.url(&Destination::app(team.team_id.clone(), *app).to_path()),
    });
    let doors = team.doors.iter().map(|door| Place {
        name: door.name(),
        kind: Some(door.kind.row().name).filter(|kind| !door.name().contains(kind)),
        url: context.url(&Destination::door(&team.team_id, &door.id).to_path()),
    });
    apps.chain(doors).collect()
}
