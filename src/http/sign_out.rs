//! `/sign-out`: ends the broker's session; open Studio sessions stay, and the page says so.

use super::cookies::Cookies;
use super::error::Failure;
use super::{Context, Response, pages, set_cookies};
use crate::broker::Refusal;
use crate::broker::audit::Outcome;

pub(super) fn page(context: &Context<'_>) -> Response {
    pages::sign_out(context, false)
}

/// Ends the session. Another site cannot: its posts come without the session's cookie, and without it
/// nothing is changed, neither in the table nor in the browser.
pub(super) async fn end(context: &mut Context<'_>) -> Result<Response, Failure> {
    let (broker, now) = (context.broker, context.now);
    let cookies = Cookies::new(&broker.settings.public_url);
    let mut response = pages::sign_out(context, true);
    if let Some((key, secret)) = cookies.session(&context.request.headers) {
        let session = broker.state.session(&key, &secret).await.map_err(Refusal::from)?;
        if let Some(session) = session {
            context.facts.idp = Some(session.idp.clone());
            context.facts.directory = Some(session.directory.clone());
            context.facts.owner = Some(session.owner().to_string());
            context.facts.assertion_digest = Some(session.assertion_digest.clone());
            context.facts.key_fingerprint = Some(session.key_fingerprint.clone());
            broker.state.end(&key, &secret).await.map_err(Refusal::from)?;
            broker.audit.record(now, &context.facts, Outcome::SignedOut, None, None);
        }
        set_cookies(&mut response, [cookies.end_session()]);
    }
    Ok(response)
}
