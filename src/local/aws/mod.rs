//! A simulated AWS on one loopback endpoint: `DynamoDB`, STS, `SageMaker`, IAM, Service Quotas,
//! Identity Store and SSO Admin in their wire formats, for the real SDKs in any language.
//!
//! One request goes through: which service and operation (`call`) → who calls ([`caller`]) → the faults and
//! rates that were ordered (`control`; `GET /_control` explains), as `orders` → the service, which sees a
//! `context` → the log of calls → the `answer`. Everything that is kept stands in `simulator`. The account
//! of a request is the account of its credentials, its Region that of the signature; `SageMaker` keeps
//! separate state for each pair. Calls with assumed credentials are evaluated against their role's documents
//! (`roles`) by [`crate::policy`].

mod answer;
mod call;
pub mod caller;
mod context;
mod control;
mod dynamodb;
mod error;
mod iam;
mod identity_store;
mod input;
mod options;
mod orders;
mod query;
pub(crate) mod random;
mod recorder;
mod refusal;
pub(crate) mod roles;
mod sagemaker;
mod service;
mod service_quotas;
mod simulator;
mod sso_admin;
mod sts;

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use tokio::net::TcpListener;

use self::{
    answer::{Done, refuse, render},
    call::Call,
    caller::Caller,
    context::Context,
    control::fault::Settle,
    orders::Orders,
    recorder::Asked,
    refusal::Refusal,
    service::Service,
    simulator::Simulator,
};
pub use self::{
    dynamodb::database::DatabaseError,
    error::StartError,
    options::{AwsOptions, TableNames},
};
use super::{
    server::{self, Body, DropConnection, Server},
    studio::Studio,
};
pub use crate::policy;

/// The simulated AWS, until this is dropped.
#[derive(Debug)]
pub struct RunningAws {
    server: Server,
    pub(crate) simulator: Arc<Simulator>,
}

impl RunningAws {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What to put into `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The simulated Studio, for the listener that serves its pages.
    #[must_use]
    pub fn studio(&self) -> Arc<Studio> {
        Arc::clone(&self.simulator.studio)
    }
}

/// Starts the simulated AWS on a loopback listener, with tables but without the scenario's items:
/// those come with [`seed`](fn@super::seed).
///
/// # Errors
///
/// [`StartError`]: a listener that is not loopback, or a data folder that cannot be used.
pub async fn start(listener: TcpListener, options: AwsOptions) -> Result<RunningAws, StartError> {
    let simulator = Arc::new(Simulator::open(options)?);
    let asked = Arc::downgrade(&simulator);
    simulator.studio.ask(move |opening, now| {
        asked.upgrade().is_some_and(|simulator| simulator.lets_through(opening, now))
    });
    let handling = Arc::clone(&simulator);
    let server = Server::start(listener, move |request, now| {
        let simulator = Arc::clone(&handling);
        async move { simulator.handle(request, now).await }
    })?;
    Ok(RunningAws { server, simulator })
}

impl Simulator {
    async fn handle(
        &self,
        request: Request<Bytes>,
        started: Timestamp,
    ) -> Result<Response<Body>, DropConnection> {
        let path = request.uri().path();
        if path == "/_control" || path.starts_with("/_control/") {
            return Ok(control::answer(self, &request));
        }
        if let Some(rest) = path.strip_prefix("/studio/") {
            return Ok(self.studio.answer(rest, &request, started));
        }
        if request.method() != Method::POST || path != "/" {
            return Ok(server::text(
                StatusCode::NOT_FOUND,
                "The simulated AWS of studio-broker. Use it as AWS_ENDPOINT_URL; GET /_control \
                 explains how to slow, throttle and fail it.\n",
            ));
        }
        // An AWS SDK in a page of another site is nobody's test double.
        if !server::same_site(&request) {
            return Ok(server::text(StatusCode::FORBIDDEN, "not for pages of other sites\n"));
        }
        let request_id = random::uuid().unwrap_or_default();
        let call = match Call::read(&request) {
            Ok(call) => call,
            Err(refusal) => return Ok(refuse(&refusal, Service::SageMaker, &request_id)),
        };
        let caller = match self.sessions.caller(request.headers(), started) {
            Ok(caller) => caller,
            Err(refusal) => {
                self.control.log(&call.facts(None), started, Err((&refusal, call.service)));
                let asked = self.asked(&request, &call);
                let answer = refuse(&refusal, call.service, &request_id);
                return Ok(match asked {
                    Some(asked) => self.recorder.keep(asked, answer, false).await,
                    None => answer,
                });
            }
        };
        self.perform(request, call, caller, &request_id, started).await
    }

    /// The call itself, in the middle of whatever faults were ordered for it.
    async fn perform(
        &self,
        request: Request<Bytes>,
        call: Call,
        caller: Caller,
        request_id: &str,
        started: Timestamp,
    ) -> Result<Response<Body>, DropConnection> {
        let service = call.service;
        let mut orders = Orders::given(self, &request, &call, &caller, started).await?;
        let asked = self.asked(&request, &call);
        let ordered =
            orders.refused.is_some() || self.control.knobs().leaves_the_model(&call.operation);
        let done = match orders.refused.take() {
            Some(refusal) => Err(refusal),
            None => self.dispatch(request, &call, &caller, orders.settle.take()).await,
        };
        let facts = call.facts(Some(&caller));
        if orders.lose_answer {
            self.control.log_dropped(&facts, started, "answer lost");
            return Err(DropConnection);
        }
        match &done {
            Ok(Done::Database(answer)) => self.control.log_database(&facts, started, answer),
            Ok(_) => self.control.log(&facts, started, Ok(())),
            Err(refusal) => self.control.log(&facts, started, Err((refusal, service))),
        }
        let response = match done {
            Ok(done) => render(done, service, &call.operation, request_id),
            Err(refusal) => refuse(&refusal, service, request_id),
        };
        let response = match asked {
            Some(asked) => self.recorder.keep(asked, response, ordered).await,
            None => response,
        };
        Ok(orders.sent(response).await)
    }

    /// The request as it is recorded, where that is asked for.
    fn asked(&self, request: &Request<Bytes>, call: &Call) -> Option<Asked> {
        let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        self.control.knobs().recording.then(|| Asked {
            service: call.service.name(),
            operation: call.operation.clone(),
            user_agent: agent.unwrap_or_default().to_owned(),
            body: request.body().clone(),
        })
    }

    async fn dispatch(
        &self,
        request: Request<Bytes>,
        call: &Call,
        caller: &Caller,
        settle: Option<Settle>,
    ) -> Result<Done, Refusal> {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        #[expect(clippy::disallowed_methods, reason = "a fault may have delayed the call")]
        let now = Timestamp::now();
        let context = Context { simulator: self, caller, now, host: &host, settle };
        match call.service {
            Service::Sts => sts::answer(&context, &call.operation, &call.form).map(Done::Xml),
            Service::SageMaker => {
                sagemaker::answer(&context, &call.operation, &call.input).map(Done::Json)
            }
            Service::Iam => iam::answer(&context, &call.operation, &call.form).map(Done::Xml),
            Service::Quotas => {
                service_quotas::answer(&context, &call.operation, &call.input).map(Done::Json)
            }
            Service::IdentityStore => {
                context.authorize(&format!("identitystore:{}", call.operation), "*", |r| r)?;
                identity_store::answer(&context, &call.operation, &call.input).map(Done::Json)
            }
            Service::SsoAdmin => {
                context.authorize(&format!("sso:{}", call.operation), "*", |r| r)?;
                sso_admin::answer(&context, &call.operation, &call.input).map(Done::Json)
            }
            Service::DynamoDb => {
                let body = request.into_body();
                let answer = dynamodb::answer(&context, &call.operation, &call.input, body);
                answer.await.map(Done::Database)
            }
        }
    }
}
