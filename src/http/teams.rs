//! `GET /teams/{id}` and `/teams/{id}/doors/{door}`, which open a team or a door of it.

use std::sync::Arc;

use http::StatusCode;

use super::answer::{Response, redirect};
use super::context::Context;
use super::destination::Destination;
use super::failure::Failure;
use super::login::sign_in_first;
use crate::aws::state_table::StateKey;
use crate::broker::Refusal;
use crate::broker::audit::{Outcome, about, unverified};
use crate::broker::opening::{Opening, Wait};
use crate::session::Session;
use crate::team::idp::Idp;

/// Whether a path behind `/teams/` is one that opens something.
pub(super) fn is_opened_at(rest: &str) -> bool {
    let (id, door) = parts(rest);
    let is_one = |part: &str| !part.is_empty() && !part.contains('/');
    is_one(id) && door.is_none_or(is_one)
}

fn parts(rest: &str) -> (&str, Option<&str>) {
    rest.split_once("/doors/").map_or((rest, None), |(id, door)| (id, Some(door)))
}

pub(super) async fn open(context: &mut Context<'_>, rest: &str) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let (id, door) = parts(rest);
    let destination = match door {
        Some(door) => Destination::at_door(id, door),
        None => Destination::in_team(id, |name| context.request.query_value(name)),
    };
    let Some(destination) = destination else { return Err(Failure::NotFound) };
    context.destination = Some(destination.clone());
    context.facts.unverified.team = Some(unverified(id));
    context.facts.unverified.door = door.map(unverified);
    match Box::pin(open_or_sign_in(context, &destination)).await {
        Err(Failure::Refusal(refusal)) if refusal.is_throttled() => {
            about!(warn, &context.facts, error = %refusal, "AWS throttles");
            let wait = Wait { place: context.returns().place(), ..Wait::for_aws() };
            Err(Failure::NotYet(destination.into(), wait))
        }
        answer => answer,
    }
}

async fn open_or_sign_in(
    context: &mut Context<'_>,
    destination: &Destination,
) -> Result<Response, Failure> {
    let Some((key, session, idp)) = context.session().await? else {
        return sign_in_first(context, Some(destination.clone())).await;
    };
    match open_for(context, &key, &session, &idp, destination).await? {
        Opening::Ready(url) => {
            context.record(Outcome::Opened, None, None);
            Ok(redirect(StatusCode::FOUND, &url.into_location()))
        }
        Opening::NotYet(wait) => Err(Failure::NotYet(destination.clone().into(), wait)),
    }
}

pub(super) async fn open_for(
    context: &mut Context<'_>,
    key: &StateKey,
    session: &Session,
    idp: &Arc<Idp>,
    destination: &Destination,
) -> Result<Opening, Refusal> {
    let (broker, team, time) = (context.broker, &destination.team, context.time());
    let visitor = context.visitor(key, session, idp);
    if let Some(measure) = &mut context.facts.measure {
        measure.waited = visitor.waited;
    }
    let facts = &mut context.facts;
    match &destination.door {
        Some(door) => Box::pin(broker.open_door(visitor, team, door, facts, time)).await,
        None => broker.open(visitor, team, destination.landing(), facts, time).await,
    }
}
