//! What an operation may look at beside its own parameters, and whether its caller may do it.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    caller::{Caller, Principal, Session},
    control::{fault::Settle, knobs::HubPermissions},
    policy::{self, Decision, Policy},
    refusal::Refusal,
    roles::hub::{self, Hub},
    simulator::Simulator,
};
use crate::team::partition;

/// What an operation may look at beside its own parameters.
pub(crate) struct Context<'a> {
    pub(crate) simulator: &'a Simulator,
    pub(crate) caller: &'a Caller,
    pub(crate) now: Timestamp,
    /// The `Host` that the client used; it has been checked to be loopback.
    pub(crate) host: &'a str,
    /// How an asynchronous change ends, where a fault orders it.
    pub(crate) settle: Option<Settle>,
}

impl Context<'_> {
    /// Whether the caller may do `action` on `resource`; `with` adds condition keys.
    ///
    /// Sessions are held against their target role's permissions (and session policy), the hub
    /// against its own role's where that is asked for; everybody else is an administrator.
    ///
    /// # Errors
    ///
    /// [`Refusal::Denied`].
    pub(crate) fn authorize(
        &self,
        action: &str,
        resource: &str,
        with: impl FnOnce(policy::Request) -> policy::Request,
    ) -> Result<(), Refusal> {
        let allowed = match &self.caller.principal {
            Principal::Administrator => true,
            Principal::Hub => self.hub_may(&policy::Request::new(action, resource)),
            Principal::Session(session) => {
                let mut request = policy::Request::new(action, resource)
                    .with("aws:PrincipalArn", &session.role_arn)
                    .with("aws:PrincipalAccount", &session.account);
                request.principal.clone_from(&session.arn);
                for (key, value) in &session.tags {
                    request = request.with(&format!("aws:PrincipalTag/{key}"), value);
                }
                self.session_may(session, &with(request))
            }
        };
        if allowed {
            return Ok(());
        }
        Err(Refusal::Denied {
            principal: self.caller.arn(),
            action: action.into(),
            resource: resource.into(),
        })
    }

    fn session_may(&self, session: &Session, request: &policy::Request) -> bool {
        let granted = self
            .simulator
            .session_permissions(session, &request.action)
            .is_some_and(|document| allows(&document, request));
        let limited =
            session.policy.as_ref().is_some_and(|policy| policy.decide(request) != Decision::Allow);
        granted && !limited
    }

    fn hub_may(&self, request: &policy::Request) -> bool {
        let knobs = self.simulator.control.knobs();
        if knobs.hub_permissions == HubPermissions::Administrator {
            return true;
        }
        let hub = Hub::of(partition(&self.caller.region));
        let document = self.simulator.hub_policy(&hub);
        // Every role that anybody can have here belongs to the organization, and whoever comes with the
        // hub's credentials stands for its function.
        let request = request
            .clone()
            .with("aws:PrincipalOrgID", &hub.organization_id)
            .with("aws:ResourceOrgID", &hub.organization_id)
            .with("lambda:SourceFunctionArn", hub::function_arn(&hub));
        allows(&document, &request)
    }
}

fn allows(document: &Value, request: &policy::Request) -> bool {
    Policy::parse(document).is_ok_and(|policy| policy.decide(request) == Decision::Allow)
}
