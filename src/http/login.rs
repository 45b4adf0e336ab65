//! `GET /saml/login`: a sign-in that starts here, bound to this browser.

use http::StatusCode;

use super::cookies::{Cookies, OpenRequest};
use super::error::Failure;
use super::teams::Destination;
use super::{Context, Response, pages, redirect, set_cookies};
use crate::aws::tables::Entry;
use crate::broker::Refusal;
use crate::idp::Idp;
use crate::team::TeamId;

pub(super) async fn page(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let team = context.request.query_value("team").and_then(|id| TeamId::try_from(id).ok());
    sign_in_first(context, team.map(Destination::team)).await
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
        start(context, idp, destination, StatusCode::FOUND)
    } else {
        Ok(pages::start_at_portal(context, idp))
    }
}

/// Sends the browser to the identity provider with a request that only this browser can have answered.
pub(super) fn start(
    context: &Context<'_>,
    idp: &Idp,
    destination: Option<Destination>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let Some(address) = idp.metadata.sso_redirect_url() else {
        return Ok(pages::start_at_portal(context, idp));
    };
    let cookies = Cookies::new(&context.broker.settings.public_url);
    let request = OpenRequest::start(&idp.entity_id, destination, context.now);
    let service_provider = &context.broker.service_provider;
    // The destination travels in the cookie: RelayState would hand it to the identity provider.
    let location = service_provider.login_redirect(address, &request.id(), None, context.now);
    let mut open = cookies.requests(&context.request.headers, context.now);
    open.push(request);
    let mut response = redirect(status, &location);
    set_cookies(&mut response, [cookies.remember_requests(&open)]);
    Ok(response)
}
