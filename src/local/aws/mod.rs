//! A simulated AWS on one loopback endpoint: `DynamoDB`, STS, `SageMaker`, IAM, Service Quotas,
//! Identity Store and SSO Admin in their wire formats, for the real SDKs in any language.
//!
//! One request goes through: who calls ([`caller`]) → which service and operation → the faults and
//! rates that were ordered (`GET /_control` explains) → the service → the log of calls. The account of a request
//! is the account of its credentials, its Region that of the signature; `SageMaker` keeps separate
//! state for each pair. Calls with assumed credentials are evaluated against their role's documents
//! (`roles`) by [`crate::policy`].

pub mod caller;
mod control;
mod dynamodb;
mod error;
mod iam;
mod identity_store;
mod input;
mod options;
mod query;
pub(crate) mod random;
mod recorder;
mod refusal;
mod replicas;
pub(crate) mod roles;
mod sagemaker;
mod service;
mod service_quotas;
mod sso_admin;
mod sts;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use self::{
    caller::{Caller, Principal, Session, Sessions},
    control::{
        fault::{Effect, Facts, Settle},
        settings::HubPermissions,
        state::Control,
    },
    dynamodb::DynamoDb,
    identity_store::directory::Directory,
    query::Form,
    recorder::{Asked, Recorder},
    refusal::Refusal,
    roles::{
        grant::Grants,
        hub::{self, Hub},
    },
    service::{Dialect, Service},
};
pub use self::{
    dynamodb::DatabaseError,
    error::StartError,
    options::{AwsOptions, TableNames},
};
use super::{
    scenario::Scenario,
    server::{self, Body, DropConnection, Server},
    studio::Studio,
};
pub use crate::policy;
use crate::team::partition;

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
    if let Some(folder) = &options.data {
        std::fs::create_dir_all(folder)
            .map_err(|source| StartError::Data { path: folder.clone(), source })?;
    }
    let simulator = Arc::new(Simulator {
        dynamodb: DynamoDb::open(options.data.as_deref(), &options.tables)?,
        sagemaker: sagemaker::Store::open(options.data.as_deref())?,
        directory: Directory::open(options.data.as_deref())?,
        sessions: Sessions::default(),
        control: Control::default(),
        recorder: Recorder::default(),
        grants: Grants::default(),
        studio: Arc::new(Studio::default()),
        scenario: Scenario::embedded()?,
        options,
    });
    let asked = Arc::downgrade(&simulator);
    simulator.studio.ask(move |opening, now| {
        asked.upgrade().is_some_and(|simulator| simulator.lets_through(opening, now))
    });
    let handling = Arc::clone(&simulator);
    let server = Server::start(listener, move |request| {
        let simulator = Arc::clone(&handling);
        async move { simulator.handle(request).await }
    })?;
    Ok(RunningAws { server, simulator })
}

/// Everything behind the endpoint.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) options: AwsOptions,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) sagemaker: sagemaker::Store,
    pub(crate) directory: Directory,
    pub(crate) scenario: Scenario,
    sessions: Sessions,
    control: Control,
    recorder: Recorder,
    grants: Grants,
    studio: Arc<Studio>,
}

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

/// A request that has been told apart: service, operation, parameters.
struct Call {
    service: Service,
    operation: String,
    /// The JSON body, or the form's fields.
    input: Map<String, Value>,
    form: Form,
}

/// What a service answers when it does what was asked.
enum Done {
    Json(Value),
    /// The XML inside `<…Result>`.
    Xml(String),
    /// As the embedded database wrote it.
    Database(dynamodb::Answer),
}

impl Simulator {
    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Body>, DropConnection> {
        let path = request.uri().path();
        if path == "/_control" || path.starts_with("/_control/") {
            return Ok(control::answer(self, &request));
        }
        if let Some(rest) = path.strip_prefix("/studio/") {
            return Ok(self.studio.answer(rest, &request, now()));
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
        let started = now();
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
        let (mut refused, mut settle) = (None, None);
        let (mut lose_answer, mut malformed, mut trickle) = (false, false, None);
        let mut clock = None;
        for effect in self.control.effects(&call.facts(Some(&caller)), started) {
            match effect {
                Effect::Delay { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
                Effect::Hang => {
                    self.control.log_dropped(&call.facts(Some(&caller)), started, "hang");
                    std::future::pending().await
                }
                Effect::Reset => {
                    self.control.log_dropped(&call.facts(Some(&caller)), started, "reset");
                    return Err(DropConnection);
                }
                Effect::Throttle => refused = Some(Refusal::Throttled),
                Effect::Error { code, status, message } => {
                    refused = Some(Refusal::Ordered { code, status, message });
                }
                Effect::Deny => {
                    refused = Some(Refusal::Denied {
                        principal: caller.arn(),
                        action: format!("{}:{}", service.name(), call.operation),
                        resource: "*".into(),
                    });
                }
                Effect::LoseAnswer => lose_answer = true,
                Effect::Malformed => malformed = true,
                Effect::Trickle { ms } => trickle = Some(Duration::from_millis(ms)),
                Effect::Skew { minutes } => {
                    let there = started + SignedDuration::from_mins(minutes);
                    clock = Some(there);
                    if !signed_about(request.headers(), there) {
                        refused = Some(Refusal::SignedAtAnotherTime);
                    }
                }
                Effect::Settle(end) => settle = Some(end),
            }
        }
        let asked = self.asked(&request, &call);
        let ordered =
            refused.is_some() || self.control.settings().leaves_the_model(&call.operation);
        let done = match refused {
            Some(refusal) => Err(refusal),
            None => self.dispatch(request, &call, &caller, settle).await,
        };
        let facts = call.facts(Some(&caller));
        if lose_answer {
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
        let mut response = if malformed { scramble(response) } else { response };
        if let Some(there) = clock
            && let Ok(date) = there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse()
        {
            response.headers_mut().insert(header::DATE, date);
        }
        Ok(match trickle {
            Some(pause) => slowly(response, pause).await,
            None => response,
        })
    }

    /// The request as it is recorded, where that is asked for.
    fn asked(&self, request: &Request<Bytes>, call: &Call) -> Option<Asked> {
        let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        self.control.settings().recording.then(|| Asked {
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
        let context = Context { simulator: self, caller, now: now(), host: &host, settle };
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
                context.authorize_tables(call)?;
                let (operation, region) = (call.operation.clone(), &caller.region);
                let answer = self.dynamodb.perform(operation, request.into_body(), region);
                Ok(Done::Database(answer.await))
            }
        }
    }
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
        let limited = session
            .policy
            .as_ref()
            .is_some_and(|policy| policy.decide(request) != policy::Decision::Allow);
        granted && !limited
    }

    fn hub_may(&self, request: &policy::Request) -> bool {
        let settings = self.simulator.control.settings();
        if settings.hub_permissions == HubPermissions::Administrator {
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

    /// Reading and writing tables needs the permission for each table that the request names.
    fn authorize_tables(&self, call: &Call) -> Result<(), Refusal> {
        let (region, account) = (&self.caller.region, &self.caller.account);
        let partition = partition(region);
        for (action, table) in tables_of(&call.operation, &call.input) {
            let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
            self.authorize(&format!("dynamodb:{action}"), &arn, |request| request)?;
        }
        Ok(())
    }
}

fn allows(document: &Value, request: &policy::Request) -> bool {
    policy::Policy::parse(document)
        .is_ok_and(|policy| policy.decide(request) == policy::Decision::Allow)
}

/// The tables that a `DynamoDB` request names (`*` if it names none), each with the action that it needs:
/// a transaction needs those of its parts, and has none of its own
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>).
fn tables_of<'c>(operation: &'c str, input: &'c Map<String, Value>) -> Vec<(&'c str, &'c str)> {
    let named = input.get("TableName").and_then(Value::as_str).into_iter();
    let batch = input.get("RequestItems").and_then(Value::as_object).into_iter();
    let batch = batch.flat_map(|tables| tables.keys().map(String::as_str));
    let whole = named.chain(batch).map(|table| (operation, table));
    let parts = input.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(Value::as_object).flatten();
    let transacted = parts.filter_map(|(part, action)| {
        let needed = match part.as_str() {
            "Get" => "GetItem",
            "Put" => "PutItem",
            "Update" => "UpdateItem",
            "Delete" => "DeleteItem",
            _ => "ConditionCheckItem",
        };
        Some((needed, action.get("TableName")?.as_str()?))
    });
    let tables: Vec<_> = whole.chain(transacted).collect();
    if tables.is_empty() { vec![(operation, "*")] } else { tables }
}

impl Call {
    fn read(request: &Request<Bytes>) -> Result<Self, Refusal> {
        let Some(target) = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok())
        else {
            let form = Form::parse(request.body());
            let operation = form
                .get("Action")
                .ok_or(Refusal::UnknownOperation { operation: "without a name".into() })?
                .to_owned();
            let input = form.as_input();
            let service = match form.get("Version") {
                Some("2010-05-08") => Service::Iam,
                _ => Service::Sts,
            };
            return Ok(Self { service, operation, input, form });
        };
        let unknown = || Refusal::UnknownOperation { operation: target.into() };
        let (prefix, operation) = target.split_once('.').ok_or_else(unknown)?;
        let service = match prefix {
            "DynamoDB_20120810" | "DynamoDBStreams_20120810" => Service::DynamoDb,
            "SageMaker" => Service::SageMaker,
            "AWSIdentityStore" => Service::IdentityStore,
            "ServiceQuotasV20190624" => Service::Quotas,
            "SWBExternalService" => Service::SsoAdmin,
            _ => return Err(unknown()),
        };
        let input = match serde_json::from_slice(request.body()) {
            Ok(Value::Object(input)) => input,
            // The database has its own words for a body that it cannot read.
            _ if service == Service::DynamoDb => Map::new(),
            _ => return Err(Refusal::Serialization { message: "expected a JSON object".into() }),
        };
        Ok(Self { service, operation: operation.into(), input, form: Form::default() })
    }

    fn facts<'a>(&'a self, caller: Option<&'a Caller>) -> Facts<'a> {
        Facts {
            service: self.service.name(),
            operation: &self.operation,
            caller,
            input: &self.input,
        }
    }
}

fn render(done: Done, service: Service, operation: &str, request_id: &str) -> Response<Body> {
    let body = match done {
        Done::Database(answer) => {
            let body = server::answer(answer.status, service.content_type(), answer.body);
            return signed_off(body, request_id);
        }
        Done::Json(value) => value.to_string(),
        Done::Xml(result) => query::envelope(service.namespace(), operation, &result, request_id),
    };
    signed_off(server::answer(StatusCode::OK, service.content_type(), body), request_id)
}

fn refuse(refusal: &Refusal, service: Service, request_id: &str) -> Response<Body> {
    let dialect = service.dialect();
    let (code, status) = (refusal.code(dialect), refusal.status(dialect));
    let body = match dialect {
        Dialect::Query => {
            let message = refusal.to_string();
            query::error(service.namespace(), code, status.as_u16(), &message, request_id)
        }
        Dialect::SageMaker | Dialect::Json => {
            json!({"__type": code, refusal.message_member(dialect): refusal.to_string()})
                .to_string()
        }
    };
    signed_off(server::answer(status, service.content_type(), body), request_id)
}

fn signed_off(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    response
}

/// Whether a request was signed within five minutes of `moment`, as AWS wants it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>).
fn signed_about(headers: &http::HeaderMap, moment: Timestamp) -> bool {
    let signed = headers.get("x-amz-date").and_then(|date| date.to_str().ok());
    let signed = signed
        .and_then(|date| Timestamp::strptime("%Y%m%dT%H%M%S%z", date.replace('Z', "+0000")).ok());
    signed.is_some_and(|signed| signed.duration_since(moment).abs() < SignedDuration::from_mins(5))
}

/// An answer that promises JSON or XML and holds neither.
fn scramble(response: Response<Body>) -> Response<Body> {
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove("x-amz-crc32");
    let body = http_body_util::Full::new(Bytes::from_static(b"{\"<cut off")).boxed_unsync();
    Response::from_parts(head, body)
}

/// The same answer, one byte at a time.
async fn slowly(response: Response<Body>, pause: Duration) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let bytes = match body.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(never) => match never {},
    };
    let drops = futures_util::stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(Bytes::copy_from_slice(&[byte])))
    });
    Response::from_parts(head, StreamBody::new(drops).boxed_unsync())
}

#[expect(clippy::disallowed_methods, reason = "the endpoint is where requests meet the clock")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
