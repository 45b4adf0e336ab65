//! `/saml/continue`: asks before another identity provider's person takes over a browser.
//!
//! Whoever controls one enabled identity provider can have it answer any request as themselves, also one
//! that a link of theirs has made somebody else's browser send: then that browser would work in their
//! profile, and nobody would have typed a name. So where the last owner came from another identity
//! provider or directory, the session that the response made waits until its person has said here that
//! it is them: in this browser (a cookie that no post of another site brings) and on this page (a token
//! that only the page holds).

use http::StatusCode;

use super::answer::{Response, redirect, set_cookies};
use super::context::Context;
use super::cookies::{Cookies, PendingSignIn};
use super::destination::Destination;
use super::failure::Failure;
use super::pages;
use super::request::single;
use crate::broker::Refusal;

/// The path of the page.
pub(super) const CONTINUE: &str = "/saml/continue";

/// Who is signing in, where, and whether that is right. Without a sign-in that waits, the chooser.
pub(super) async fn page(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let cookies = Cookies::new(&context.broker.settings.public_url);
    let Some(pending) = cookies.pending(&context.request.headers) else { return Ok(home(context)) };
    let PendingSignIn { key, secret, .. } = &pending;
    let found =
        context.broker.pending_session(key, secret, &mut context.facts, context.now).await?;
    let Some((session, idp)) = found else { return Ok(home(context)) };
    let form = (context.url(CONTINUE), &*secret.form_token());
    Ok(pages::confirm(context, &session, &idp, form))
}

/// The person's answer. Nothing opens here: the answer leads to the address that was asked for.
pub(super) async fn answer(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_navigation()?;
    let (broker, now) = (context.broker, context.now);
    let cookies = Cookies::new(&broker.settings.public_url);
    let headers = &context.request.headers;
    let Some(pending) = cookies.pending(headers) else { return Ok(home(context)) };
    let PendingSignIn { key, secret, destination } = &pending;
    let field = |name| single(form_urlencoded::parse(context.request.body.whole()), name);
    if !field("token").is_some_and(|token| secret.has_form_token(&token)) {
        // The page of a sign-in that another tab has replaced: the newer one asks for itself.
        return Ok(redirect(StatusCode::SEE_OTHER, &context.url(CONTINUE)));
    }
    let goes_on = field("answer").as_deref() == Some("continue");
    let found = broker.pending_session(key, secret, &mut context.facts, now).await?;
    let Some((session, _)) = found else { return Ok(home(context)) };
    if !goes_on {
        let code = Some(Failure::NOT_CONTINUED);
        broker.end(key, secret, code, &context.facts, now).await.map_err(Refusal::from)?;
        let mut response = home(context);
        set_cookies(&mut response, [cookies.end_pending()]);
        return Ok(response);
    }
    if !broker.confirm(key, secret, &context.facts, now).await.map_err(Refusal::from)? {
        return Ok(home(context));
    }
    let path = destination.as_ref().map_or_else(|| "/".to_owned(), Destination::to_path);
    let mut response = redirect(StatusCode::SEE_OTHER, &context.url(&path));
    let seconds = session.ends_at - now.as_second();
    set_cookies(
        &mut response,
        [
            cookies.end_pending(),
            cookies.start_session(key, secret, seconds),
            cookies.remember_owner(&session),
        ],
    );
    Ok(response)
}

fn home(context: &Context<'_>) -> Response {
    redirect(StatusCode::SEE_OTHER, &context.url("/"))
}
