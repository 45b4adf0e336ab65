//! `GET /teams/{id}`, which opens a team.

use std::sync::Arc;

use http::StatusCode;

use super::destination::Destination;
use super::error::Failure;
use super::login::sign_in_first;
use super::{Context, Response, redirect};
use crate::aws::state_table::StateKey;
use crate::broker::audit::{Facts, Outcome, unverified};
use crate::broker::opening::{Opening, Wait};
use crate::broker::{Refusal, Waiting};
use crate::session::Session;
use crate::team::idp::Idp;

pub(super) async fn open(context: &mut Context<'_>, id: &str) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let Some(destination) = Destination::new(id, |name| context.request.query_value(name)) else {
        return Err(Failure::NotFound);
    };
    context.facts.unverified.team = Some(unverified(id));
    match Box::pin(open_or_sign_in(context, &destination)).await {
        Err(Failure::Refusal(refusal)) if refusal.is_throttled() => {
            let Facts { reference, owner, team, account, region, .. } = &context.facts;
            tracing::warn!(reference, owner, team, account, region, error = %refusal, "AWS throttles");
            Err(Failure::NotYet(destination, Wait::for_aws()))
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
        Opening::NotYet(wait) => Err(Failure::NotYet(destination.clone(), wait)),
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
    let waiting = Waiting { key, waited: context.waited() };
    if let Some(measure) = &mut context.facts.measure {
        measure.waited = waiting.waited;
    }
    let (client, now, deadline) = (context.facts.client_address, context.now, context.deadline);
    let facts = &mut context.facts;
    let team = &destination.team;
    let opening =
        broker.open(session, idp, team, landing, waiting, client, facts, now, deadline).await;
    if facts.team.is_some() {
        facts.unverified.team = None;
    }
    opening
}
