//! `/sign-out`: ends the broker's session; open Studio sessions stay, and the page says so.

use super::answer::{Response, set_cookies};
use super::context::Context;
use super::cookies::Cookies;
use super::failure::Failure;
use super::pages;
use crate::broker::Refusal;

pub(super) fn page(context: &Context<'_>) -> Response {
    pages::sign_out(context, false)
}

/// Ends the session. Another site cannot: its posts come without the session's cookie, and without it
/// nothing is changed, neither in the table nor in the browser. A sibling domain's come with it, and say
/// that they are not of a page of ours.
pub(super) async fn end(context: &mut Context<'_>) -> Result<Response, Failure> {
    context.must_be_from_our_own_page()?;
    let (broker, now) = (context.broker, context.now);
    let cookies = Cookies::new(&broker.settings.public_url);
    let mut response = pages::sign_out(context, true);
    if let Some((key, secret)) = cookies.session(&context.request.headers) {
        let session = broker.state.session(&key, &secret).await.map_err(Refusal::from)?;
        if let Some(session) = session {
            context.facts.of_session(&session);
            broker.end(&key, &secret, None, &context.facts, now).await.map_err(Refusal::from)?;
        }
        set_cookies(&mut response, [cookies.end_session()]);
    }
    Ok(response)
}
