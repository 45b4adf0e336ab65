//! `POST /saml/acs`: a response of an identity provider.
//!
//! Once the response is consumed, the answer is a redirect or the handoff page and never an error, so
//! that reload and Back never meet a replay.

use http::StatusCode;

use super::answer::{Response, redirect, set_cookies};
use super::confirm::CONTINUE;
use super::context::Context;
use super::cookies::{Cookies, OpenRequest, PendingSignIn};
use super::destination::Destination;
use super::failure::Failure;
use super::form::Form;
use super::login::{start, usual};
use super::pages;
use crate::broker::audit::{Outcome, unverified};
use crate::broker::opening::Opening;
use crate::broker::{Browser, LastOwner, Refusal, SignedIn};
use crate::team::idp::{Handoff, Idp};

pub(super) async fn acs(context: &mut Context<'_>) -> Result<Response, Failure> {
    // A frame or a script of another page consumes nothing and leaves nothing in the browser.
    context.must_be_navigation()?;
    let form = Form::read(context.request.body.whole()).ok_or(Failure::FormMalformed(
        "the form must hold SAMLResponse exactly once, as application/x-www-form-urlencoded",
    ))?;
    let cookies = Cookies::new(&context.broker.settings.public_url);
    let headers = &context.request.headers;
    let requests = cookies.requests(headers, context.now);
    let ids_at = |idp: &str| {
        requests.iter().filter(|request| request.is_for(idp)).map(OpenRequest::id).collect()
    };
    let last_owner = |session: &_| cookies.last_owner(headers, session);
    let browser = Browser { request_ids_at: &ids_at, last_owner: &last_owner };
    let public_url = &context.broker.settings.public_url;
    let relayed = form.relay_state.as_deref();
    let relayed = relayed.and_then(|state| Destination::from_relay_state(state, public_url));

    let (broker, now) = (context.broker, context.now);
    let response = form.saml_response.as_bytes();
    let signed_in = broker.sign_in(response, browser, &mut context.facts, now, context.deadline);
    let signed_in = match Box::pin(signed_in).await {
        Ok(signed_in) => signed_in,
        // The person decides at the IdP who they are: what it answers then was asked for here.
        Err(Refusal::OtherPerson(idp)) if idp.metadata.sso_redirect_url().is_some() => {
            super::error::record(context, &Failure::Refusal(Refusal::OtherPerson(idp.clone())));
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

    let answered = signed_in.in_response_to.as_deref();
    let answered = requests.iter().find(|request| Some(request.id().as_str()) == answered);
    // What others put into RelayState selects among the person's own teams, or nothing.
    let among_their_own = || relayed.filter(|relayed| is_among_choices(&signed_in, relayed));
    let asked_for = answered.and_then(|request| request.destination.clone());
    let destination = asked_for.or_else(among_their_own).or_else(|| only_team(&signed_in));
    let mut set: Vec<_> =
        answered.map(|request| cookies.forget_request(request)).into_iter().collect();
    let mut response = if signed_in.session.pending {
        let (key, secret) = (signed_in.key.clone(), signed_in.secret.clone());
        set.push(cookies.start_pending(&PendingSignIn { key, secret, destination }));
        send_on(context, &signed_in.idp, CONTINUE)
    } else {
        let seconds = signed_in.session.ends_at - now.as_second();
        set.push(cookies.start_session(&signed_in.key, &signed_in.secret, seconds));
        // An identity provider that says the last owner's own name is not yet the one whose next person
        // nobody is asked about.
        if cookies.last_owner(headers, &signed_in.session) != LastOwner::ThemselvesFromElsewhere {
            set.push(cookies.remember_owner(&signed_in.session));
        }
        hand_over(context, &signed_in, destination).await
    };
    set_cookies(&mut response, set);
    Ok(response)
}

/// The team of somebody who has only one.
fn only_team(signed_in: &SignedIn) -> Option<Destination> {
    match signed_in.choices.as_deref() {
        Ok([only]) => Some(Destination::team(only.id.clone())),
        _ => None,
    }
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
    destination: Option<Destination>,
) -> Response {
    let SignedIn { key, session, idp, .. } = signed_in;
    if let Some(destination) = destination.as_ref().filter(|_| idp.handoff == Handoff::Redirect) {
        let deadline = context.deadline;
        context.facts.unverified.team = Some(unverified(destination.team.as_str()));
        context.facts.unverified.door =
            destination.door.as_ref().map(|door| unverified(door.as_str()));
        let opened = Box::pin(super::teams::open_for(context, key, session, idp, destination));
        match tokio::time::timeout_at(deadline, opened).await {
            Ok(Ok(Opening::Ready(url))) => {
                context.record(Outcome::Opened, None, None);
                return redirect(StatusCode::FOUND, &url.into_location());
            }
            // Whatever is in the way is told at the team's own address, which survives a reload. It is
            // decided here all the same, and whoever does not go there must not leave no trace.
            Ok(Err(refusal)) if !refusal.is_throttled() => {
                super::error::record(context, &refusal.into());
            }
            Ok(Err(_) | Ok(Opening::NotYet(_))) | Err(_) => {}
        }
    }
    let path = destination.as_ref().map_or_else(|| "/".to_owned(), Destination::to_path);
    send_on(context, idp, &path)
}

/// To an address of ours, in the way that the identity provider's pages allow.
fn send_on(context: &Context<'_>, idp: &Idp, path: &str) -> Response {
    match idp.handoff {
        Handoff::Page => pages::handoff(context, &context.url(path)),
        Handoff::Redirect => redirect(StatusCode::SEE_OTHER, &context.url(path)),
    }
}
