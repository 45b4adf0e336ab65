//! `POST /saml/acs`: a response of an identity provider.
//!
//! Once the response is consumed, the answer is a redirect or the handoff page and never an error, so
//! that reload and Back never meet a replay.

use http::StatusCode;

use super::cookies::{Cookies, OpenRequest};
use super::error::Failure;
use super::form::Form;
use super::login::{start, usual};
use super::teams::Destination;
use super::{Context, Response, pages, redirect, set_cookies};
use crate::broker::audit::Outcome;
use crate::broker::opening::Opening;
use crate::broker::{Browser, Refusal, SignedIn};
use crate::team::idp::Handoff;

pub(super) async fn acs(context: &mut Context<'_>) -> Result<Response, Failure> {
    let form = Form::read(&context.request.body).ok_or(Failure::FormMalformed(
        "the form must hold SAMLResponse exactly once, as application/x-www-form-urlencoded",
    ))?;
    let cookies = Cookies::new(&context.broker.settings.public_url);
    let headers = &context.request.headers;
    let requests = cookies.requests(headers, context.now);
    let ids_at = |idp: &str| {
        requests.iter().filter(|request| request.is_for(idp)).map(OpenRequest::id).collect()
    };
    let is_somebody_else = |owner: &_| cookies.is_somebody_else(headers, owner);
    let browser = Browser { request_ids_at: &ids_at, is_somebody_else: &is_somebody_else };
    let relayed = form.relay_state.as_deref().and_then(Destination::from_path);

    let (broker, now) = (context.broker, context.now);
    let response = form.saml_response.as_bytes();
    let signed_in = broker.sign_in(response, browser, &mut context.facts, now, context.deadline);
    let signed_in = match Box::pin(signed_in).await {
        Ok(signed_in) => signed_in,
        // The person decides at the IdP who they are: what it answers then was asked for here.
        Err(Refusal::OtherPerson(idp)) if idp.metadata.sso_redirect_url().is_some() => {
            context.record(Outcome::Refused, Some("other_person"), None);
            return start(
                context,
                &idp,
                None,
                relayed.as_ref(),
                usual(&idp),
                StatusCode::SEE_OTHER,
            );
        }
        Err(refusal) => return Err(refusal.into()),
    };

    let mut still_open = requests.clone();
    let answered = signed_in.in_response_to.as_deref().and_then(|id| {
        let position = still_open.iter().position(|request| request.id() == id)?;
        Some(still_open.remove(position))
    });
    // What others put into RelayState selects among the person's own teams, or nothing.
    let among_their_own = || relayed.filter(|relayed| is_among_choices(&signed_in, relayed));
    let asked_for = answered.and_then(|request| request.destination).or_else(among_their_own);
    let mut response = hand_over(context, &signed_in, asked_for).await;
    let seconds = signed_in.session.ends_at - now.as_second();
    let owner = signed_in.session.owner();
    let mut set = vec![
        cookies.start_session(&signed_in.key, &signed_in.secret, seconds),
        cookies.remember_owner(&owner),
    ];
    if still_open.len() != requests.len() {
        set.push(cookies.remember_requests(&still_open));
    }
    set_cookies(&mut response, set);
    Ok(response)
}

fn is_among_choices(signed_in: &SignedIn, destination: &Destination) -> bool {
    signed_in
        .choices
        .as_ref()
        .is_ok_and(|choices| choices.iter().any(|choice| choice.id == destination.team))
}

/// Sends the person on: into the one team, or to where they choose.
async fn hand_over(
    context: &mut Context<'_>,
    signed_in: &SignedIn,
    asked_for: Option<Destination>,
) -> Response {
    let only = match &signed_in.choices {
        Ok(choices) => match choices.as_slice() {
            [only] => Some(Destination::team(only.id.clone())),
            _ => None,
        },
        Err(_) => None,
    };
    let destination = asked_for.or(only);
    let path = destination.as_ref().map_or_else(|| "/".to_owned(), Destination::to_path);
    if signed_in.idp.handoff == Handoff::Page {
        return pages::handoff(context, &context.url(&path));
    }
    if let Some(destination) = destination {
        // Whatever is in the way is told at the team's own address, which survives a reload.
        let SignedIn { key, session, idp, .. } = signed_in;
        let deadline = context.deadline;
        let opened = Box::pin(super::teams::open_for(context, key, session, idp, &destination));
        let opened = tokio::time::timeout_at(deadline, opened).await;
        if let Ok(Ok(Opening::Ready(url))) = opened {
            context.record(Outcome::Opened, None, None);
            return redirect(StatusCode::FOUND, &url.into_location());
        }
    }
    redirect(StatusCode::SEE_OTHER, &context.url(&path))
}
