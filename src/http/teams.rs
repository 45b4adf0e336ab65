//! `GET /teams/{id}` and `/teams/{id}/doors/{door}`, which open a team or a door of it.

use std::sync::Arc;

use http::StatusCode;

use super::destination::Destination;
use super::error::Failure;
use super::login::sign_in_first;
use super::{Context, Response, redirect};
use crate::aws::state_table::StateKey;
use crate::broker::audit::{Facts, Outcome, unverified};
use crate::broker::door::Visitor;
use crate::broker::opening::{Opening, Wait};
use crate::broker::{Refusal, Waiting};
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
            let Facts { reference, owner, team, account, region, .. } = &context.facts;
            tracing::warn!(reference, owner, team, account, region, error = %refusal, "AWS throttles");
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
    let (broker, landing) = (context.broker, destination.landing());
    let (returns, waited) = (context.returns(), context.waited());
    if let Some(measure) = &mut context.facts.measure {
        measure.waited = waited;
    }
    let (client, now, deadline) = (context.facts.client_address, context.now, context.deadline);
    let facts = &mut context.facts;
    let team = &destination.team;
    if let Some(door) = &destination.door {
        let visitor = Visitor { session, idp, client, returns, waited };
        Box::pin(broker.open_door(visitor, team, door, facts, now, deadline)).await
    } else {
        let waiting = Waiting { key, returns, waited };
        broker.open(session, idp, team, landing, waiting, client, facts, now, deadline).await
    }
}
