//! `GET /saml/login`: a sign-in that starts here, bound to this browser.

use std::sync::Arc;

use http::StatusCode;
use strict_saml::Ask;

use super::answer::{Response, redirect, set_cookies};
use super::context::Context;
use super::cookies::{Cookies, OpenRequest};
use super::destination::Destination;
use super::failure::Failure;
use super::pages;
use crate::aws::tables::Entry;
use crate::broker::Refusal;
use crate::team::idp::Idp;

pub(super) async fn page(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let value = |name: &str| context.request.query_value(name);
    let destination = value("team").and_then(|team| Destination::new(&team, value));
    if value(pages::AGAIN).is_some()
        && let Some(entity_id) = value("idp")
        && let Entry::Found(idp) =
            context.broker.tables.idp(&entity_id, context.now).await.map_err(Refusal::from)?
        && idp.enabled
        && idp.metadata.sso_redirect_url().is_some()
    {
        let asked = Box::pin(asked_for(context, &idp, destination.as_ref())).await;
        let ask = Ask { force: true, authn_contexts: &asked };
        return start(context, &idp, destination, None, ask, StatusCode::FOUND);
    }
    sign_in_first(context, destination).await
}

/// The kinds of sign-in to ask the IdP for, where its item lets us ask: those of the team, for a person
/// whose session knows of it, else the IdP's own.
async fn asked_for(
    context: &mut Context<'_>,
    idp: &Arc<Idp>,
    destination: Option<&Destination>,
) -> Vec<String> {
    if !idp.request_authn_contexts {
        return Vec::new();
    }
    let own = idp.authn_contexts.clone();
    let facts = context.facts.clone();
    let session = context.session().await;
    context.facts = facts;
    let team = match (session, destination) {
        (Ok(Some((key, session, at))), Some(destination)) if at.entity_id == idp.entity_id => {
            let visitor = context.visitor(&key, &session, idp);
            let asked = context.broker.asks_for(visitor, &destination.team, context.now);
            Box::pin(asked).await.ok().flatten()
        }
        _ => None,
    };
    match (team, own) {
        (Some(team), Some(own)) if team.iter().any(|one| own.contains(one)) => {
            team.into_iter().filter(|one| own.contains(one)).collect()
        }
        (team, own) => team.or(own).unwrap_or_default(),
    }
}

/// Starts a sign-in at the one enabled identity provider, or lets the person choose among several;
/// `destination` is opened afterwards.
pub(super) async fn sign_in_first(
    context: &mut Context<'_>,
    destination: Option<Destination>,
) -> Result<Response, Failure> {
    let tables = &context.broker.tables;
    if let Some(entity_id) = context.request.query_value("idp") {
        return match tables.idp(&entity_id, context.now).await.map_err(Refusal::from)? {
            Entry::Found(idp) if idp.enabled => begin(context, &idp, destination),
            Entry::Faulty(faults) => Err(Refusal::IdpInvalid(faults).into()),
            _ => Err(Failure::NotFound),
        };
    }
    let idps = tables.enabled_idps(context.now).await.map_err(Refusal::from)?;
    match idps.as_slice() {
        [only] => begin(context, only, destination),
        several => Ok(pages::choose_idp(context, several, destination.as_ref())),
    }
}

fn begin(
    context: &Context<'_>,
    idp: &Idp,
    destination: Option<Destination>,
) -> Result<Response, Failure> {
    if idp.metadata.sso_redirect_url().is_some() {
        start(context, idp, destination, None, usual(idp), StatusCode::FOUND)
    } else {
        Ok(pages::start_at_portal(context, idp))
    }
}

/// What a sign-in asks for that nobody has refused before.
pub(super) fn usual(idp: &Idp) -> Ask<'_> {
    let own = idp.authn_contexts.as_deref().filter(|_| idp.request_authn_contexts);
    Ask { force: false, authn_contexts: own.unwrap_or_default() }
}

/// Sends the browser to the identity provider with a request that only this browser can have answered.
/// What the browser itself asked for travels in the cookie, which the identity provider does not see;
/// what came from there as RelayState goes back as it.
pub(super) fn start(
    context: &Context<'_>,
    idp: &Idp,
    destination: Option<Destination>,
    relayed: Option<&Destination>,
    ask: Ask<'_>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let Some(address) = idp.metadata.sso_redirect_url() else {
        return Ok(pages::start_at_portal(context, idp));
    };
    let cookies = Cookies::new(&context.broker.settings.public_url);
    let request = OpenRequest::start(&idp.entity_id, destination, context.now);
    let service_provider = &context.broker.service_provider;
    // SAML bindings, 3.4.3: at most 80 bytes.
    let relay_state = relayed.map(Destination::to_path).filter(|path| path.len() <= 80);
    let relay_state = relay_state.as_deref();
    let location =
        service_provider.login_redirect(address, &request.id(), relay_state, ask, context.now);
    let open = cookies.requests(&context.request.headers, context.now);
    let mut response = redirect(status, &location);
    set_cookies(&mut response, cookies.remember_request(&request, &open));
    Ok(response)
}
