//! The control route: slow, throttle, fail and watch the simulated AWS.
//!
//! `GET /_control` prints [`HELP`], which is the documentation.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Simulator, caller::Caller, dynamodb::Answer, iam, refusal::Refusal, roles::Documents,
    service::Service,
};
use crate::local::server::{self, Body};

/// What `GET /_control` says.
const HELP: &str = "\
The control route of the simulated AWS. Bodies and answers are JSON.

GET    /_control                     this text
GET    /_control/calls               the calls so far, oldest first (the last 10000): time, service,
                                     operation, account, region, principal, session_tags,
                                     parameters, status, error
DELETE /_control/calls               forgets them
GET    /_control/faults              the faults that are ordered
POST   /_control/faults              orders one:
         service    dynamodb, sts, sagemaker, iam, servicequotas, identitystore, sso; any if
                    absent
         operation  for example DescribeUserProfile; any if absent
         account, region, profile    only calls for these (profile: UserProfileName, any case; an
                                     AssumeRole is for its role's account as well)
         about      only calls whose principal or parameters hold this text, such as a table's
                    name, a key or a person's id
         times      so many calls, then the fault is gone; until cleared if absent
         effect     one of
           throttle                       ThrottlingException
           error     code, status (500), message
           deny                           AccessDeniedException
           delay     ms                   then goes on
           hang                           never answers
           reset                          drops the connection, does nothing
           lose_answer                    does the work, then drops the connection
           trickle   ms                   one byte of the answer every so many milliseconds
           malformed                      an answer that is neither JSON nor XML
           skew      minutes              the service's clock is off by so many: a request that was
                                          signed at another time is refused, and the answer's Date
                                          tells which time it is there
           settle    ms, status, reason   how the asynchronous change of a create, update or
                                          delete ends: after ms, in status (InService, Failed,
                                          Update_Failed, Delete_Failed; of MLflow and Partner AI
                                          Apps also a word of their own)
DELETE /_control/faults              clears all faults, or with {about} in the body those with it
GET    /_control/settings            the settings
POST   /_control/settings            changes those that are named:
         profile_delay_ms      a new profile is Pending so long (700)
         update_delay_ms       Updating (200)
         delete_delay_ms       Deleting (200)
         domain_delay_ms       a new domain, space or app is Pending so long (0)
         profile_quota         profiles per account (1000)
         profile_quotas        the same for single accounts, {account: number}
         target_role_name      role of teams that name none (StudioBrokerTarget)
         hub_permissions       administrator or hub_role: what credentials may do that are neither
                               twelve digits nor issued here (administrator)
         existing_profile      in_use or validation: CreateUserProfile on a name that exists
         pending_presign       refuse or allow: CreatePresignedDomainUrl on a Pending profile
         missing_presign       iam_first or not_found: the same on a missing profile, assumed role
         missing_list_tags     validation, not_found or empty: ListTags on a missing resource
         roles                 other documents for roles, {arn: {trust_policy, permission_policy}},
                               each as it stands if absent; {arn: null} takes the role away
         recording             true: requests and answers are kept as they go over the wire (false)
         studio_url_uses       how often a presigned URL opens; 0 is without limit (0). That a URL can
                               be used once is documented for MLflow, where it always holds, for Studio
                               and Partner AI Apps nowhere
         shut_door             validation, not_found or allow: a presigned URL for an MLflow App, a tracking
                               server or a Partner AI App that does not run (validation). The model lists
                               ResourceNotFound alone, and says nothing of this
         studio_host           local, aws or fips: the host of presigned URLs, this machine's or that of
                               the Region's partition, where nothing answers here (local)
         What real SageMaker does, as far as people have written it down; each is off unless set:
         leaves_out_empty      true: Describe leaves out of UserSettings what is {} or []
                               (hashicorp/terraform-provider-aws#27982, #28581)
         keeps_settings        paths of UserSettings that no create and no update changes, such as
                               RStudioServerProAppSettings.UserGroup
                               (hashicorp/terraform-provider-aws#35382,
                               aws-cloudformation/cloudformation-coverage-roadmap#2494)
         fills_in_defaults     true: Describe shows members that nobody sent: AutoMountHomeEFS,
                               SharingSettings.NotebookOutputOption (API reference, UserSettings and
                               SharingSettings)
         reorders              true: Describe shows lists in an order of its own
                               (hashicorp/terraform-provider-aws#38567)
         odd_answers           true: Describe shows 60.0 for 60, null in lists of texts, and {} for a
                               union whose member it does not tell (unions: awslabs/aws-sdk-rust#1095;
                               nothing that is published forbids the rest)
         updates_with_apps     allow, in_use or validation: UpdateUserProfile while apps of the profile
                               run (hashicorp/terraform-provider-aws#31912, aws/aws-sdk#367)
         tags_delay_ms         ListTags and policies see the tags of a new profile so much later than
                               Describe sees the profile (IAM is eventually consistent: IAM user guide,
                               troubleshooting)
         strong_tables         whether the tables are global ones of multi-Region strong consistency,
                               which know no transactions (false)
         cut_off_regions       Regions whose tables have lost the others: they answer eventually
                               consistent reads with what they held then, and refuse all else ([])
         rates                 [{service, operation, per_second, burst}]: token buckets for each
                               account; above them ThrottlingException
GET    /_control/recording           takes the requests and answers that were recorded, word for word
POST   /_control/expire-credentials  ends every assumed-role session at once
POST   /_control/sweep-expired       deletes DynamoDB items past their TTL
GET    /_control/roles/{team_id}     the trust and permission documents by which the calls of this
                                     team's sessions are decided; 404 if no role serves the team

An account is there as soon as it is named: to have two hundred, create a domain with each account's
number as access key id, and put a team for each into the table. Its target role, execution role and
administrators' roles (StudioBrokerDoctor, StudioBrokerLifecycle) are then there as well, and faults
with \"account\" hit it alone.

For example, two throttled calls and then service as usual:
  curl -d '{\"operation\": \"DescribeUserProfile\", \"effect\": \"throttle\", \"times\": 2}' \\
    http://127.0.0.1:8402/_control/faults
";

/// Calls that are remembered.
const LOG_LENGTH: usize = 10_000;

/// Everything that can be set through the route, and what it has seen.
#[derive(Debug, Default)]
pub(crate) struct Control {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    settings: Settings,
    faults: Vec<Fault>,
    buckets: HashMap<(usize, String), Bucket>,
    calls: VecDeque<Value>,
}

/// See [`HELP`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) profile_delay_ms: u64,
    pub(crate) update_delay_ms: u64,
    pub(crate) delete_delay_ms: u64,
    pub(crate) domain_delay_ms: u64,
    pub(crate) profile_quota: u64,
    pub(crate) profile_quotas: HashMap<String, u64>,
    pub(crate) target_role_name: String,
    pub(crate) hub_permissions: HubPermissions,
    pub(crate) existing_profile: ExistingProfile,
    pub(crate) pending_presign: PendingPresign,
    pub(crate) missing_presign: MissingPresign,
    pub(crate) missing_list_tags: MissingListTags,
    pub(crate) roles: HashMap<String, Option<Documents>>,
    pub(crate) recording: bool,
    pub(crate) studio_url_uses: u32,
    pub(crate) strong_tables: bool,
    pub(crate) cut_off_regions: Vec<String>,
    pub(crate) studio_host: StudioHost,
    pub(crate) shut_door: ShutDoor,
    pub(crate) leaves_out_empty: bool,
    pub(crate) keeps_settings: Vec<String>,
    pub(crate) fills_in_defaults: bool,
    pub(crate) reorders: bool,
    pub(crate) odd_answers: bool,
    pub(crate) updates_with_apps: UpdatesWithApps,
    pub(crate) tags_delay_ms: u64,
    pub(crate) rates: Vec<Rate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile_delay_ms: 700,
            update_delay_ms: 200,
            delete_delay_ms: 200,
            domain_delay_ms: 0,
            profile_quota: 1000,
            profile_quotas: HashMap::new(),
            target_role_name: "StudioBrokerTarget".into(),
            hub_permissions: HubPermissions::Administrator,
            existing_profile: ExistingProfile::InUse,
            pending_presign: PendingPresign::Refuse,
            missing_presign: MissingPresign::IamFirst,
            missing_list_tags: MissingListTags::Validation,
            roles: HashMap::new(),
            recording: false,
            studio_url_uses: 0,
            strong_tables: false,
            cut_off_regions: Vec::new(),
            studio_host: StudioHost::Local,
            shut_door: ShutDoor::Validation,
            leaves_out_empty: false,
            keeps_settings: Vec::new(),
            fills_in_defaults: false,
            reorders: false,
            odd_answers: false,
            updates_with_apps: UpdatesWithApps::Allow,
            tags_delay_ms: 0,
            rates: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether an operation's answers are ordered to be what AWS's own model does not know.
    pub(crate) fn leaves_the_model(&self, operation: &str) -> bool {
        match operation {
            "DescribeUserProfile" => self.odd_answers,
            "ListTags" => self.missing_list_tags == MissingListTags::NotFound,
            _ => false,
        }
    }
}

/// Whether the broker's own credentials are held against the hub role's permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HubPermissions {
    Administrator,
    HubRole,
}

/// Where presigned URLs lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StudioHost {
    Local,
    Aws,
    Fips,
}

/// AWS does not say what comes of a presigned URL for something that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShutDoor {
    Validation,
    NotFound,
    Allow,
}

/// What comes of an update while apps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdatesWithApps {
    Allow,
    InUse,
    Validation,
}

/// AWS does not say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExistingProfile {
    InUse,
    Validation,
}

/// AWS does not say whether a URL can be had while the profile is being prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingPresign {
    Refuse,
    Allow,
}

/// AWS does not say whether tag conditions or existence are looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingPresign {
    IamFirst,
    NotFound,
}

/// The service model lists no error for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingListTags {
    Validation,
    NotFound,
    Empty,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    service: String,
    operation: String,
    per_second: f64,
    burst: f64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(flatten)]
    effect: Effect,
}

/// Which faults are cleared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    about: String,
}

/// What a fault does to a call; see [`HELP`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(crate) enum Effect {
    Throttle,
    Error {
        code: String,
        #[serde(default = "internal_error")]
        status: u16,
        #[serde(default)]
        message: String,
    },
    Deny,
    Delay {
        ms: u64,
    },
    Hang,
    Reset,
    LoseAnswer,
    Trickle {
        ms: u64,
    },
    Malformed,
    Skew {
        minutes: i64,
    },
    Settle(Settle),
}

/// How and when an asynchronous change ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settle {
    #[serde(default)]
    pub(crate) ms: Option<u64>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

fn internal_error() -> u16 {
    500
}

/// What is known about a call when faults are looked up and when it is logged.
pub(crate) struct Facts<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'a str,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) input: &'a Map<String, Value>,
}

impl Control {
    pub(crate) fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// The faults that hit this call, in the order in which they were ordered.
    pub(crate) fn effects(&self, facts: &Facts<'_>, now: Timestamp) -> Vec<Effect> {
        let mut inner = self.lock();
        let mut effects = Vec::new();
        for fault in inner.faults.iter_mut().filter(|fault| fault.hits(facts)) {
            effects.push(fault.effect.clone());
            fault.times = fault.times.map(|times| times.saturating_sub(1));
        }
        inner.faults.retain(|fault| fault.times != Some(0));
        if inner.over_rate(facts, now) {
            effects.push(Effect::Throttle);
        }
        effects
    }

    pub(crate) fn log(
        &self,
        facts: &Facts<'_>,
        now: Timestamp,
        outcome: Result<(), (&Refusal, Service)>,
    ) {
        let (status, error) = match outcome {
            Ok(()) => (StatusCode::OK, None),
            Err((refusal, service)) => {
                let dialect = service.dialect();
                (refusal.status(dialect), Some(refusal.code(dialect).to_owned()))
            }
        };
        self.record(facts, now, json!(status.as_u16()), error);
    }

    pub(crate) fn log_database(&self, facts: &Facts<'_>, now: Timestamp, answer: &Answer) {
        let error = answer.error.map(str::to_owned);
        self.record(facts, now, json!(answer.status.as_u16()), error);
    }

    pub(crate) fn log_dropped(&self, facts: &Facts<'_>, now: Timestamp, how: &str) {
        self.record(facts, now, Value::Null, Some(how.into()));
    }

    /// Adds a call to the log. Credentials are never part of it: headers are not looked at, and no
    /// operation here takes a credential as a parameter. Of `DynamoDB` calls only the table.
    fn record(&self, facts: &Facts<'_>, now: Timestamp, status: Value, error: Option<String>) {
        let session = facts.caller.and_then(Caller::session);
        let tags: Option<Map<String, Value>> =
            session.map(|s| s.tags.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect());
        let parameters = if facts.service == Service::DynamoDb.name() {
            json!({"TableName": facts.input.get("TableName")})
        } else {
            Value::Object(facts.input.clone())
        };
        let call = json!({
            "time": now.to_string(),
            "service": facts.service,
            "operation": facts.operation,
            "account": facts.caller.map(|c| &c.account),
            "region": facts.caller.map(|c| &c.region),
            "principal": facts.caller.map(Caller::arn),
            "session_tags": tags,
            "parameters": parameters,
            "status": status,
            "error": error,
        });
        let calls = &mut self.lock().calls;
        if calls.len() == LOG_LENGTH {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn hits(&self, facts: &Facts<'_>) -> bool {
        let is = |wanted: &Option<String>, got: Option<&str>| {
            wanted.as_deref().is_none_or(|w| got.is_some_and(|g| g.eq_ignore_ascii_case(w)))
        };
        is(&self.service, Some(facts.service))
            && is(&self.operation, Some(facts.operation))
            && (is(&self.account, facts.caller.map(|c| c.account.as_str()))
                || is(&self.account, account_of_role(facts.input)))
            && is(&self.region, facts.caller.map(|c| c.region.as_str()))
            && is(&self.profile, profile_of(facts.input))
            && self.about.as_deref().is_none_or(|text| facts.hold(text))
    }
}

impl Facts<'_> {
    /// Whether the principal's or a parameter's text holds `text`.
    fn hold(&self, text: &str) -> bool {
        self.caller.is_some_and(|caller| caller.arn().contains(text))
            || self.input.iter().any(|(name, value)| name.contains(text) || holds(value, text))
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.contains(text),
        Value::Array(list) => list.iter().any(|value| holds(value, text)),
        Value::Object(map) => map.iter().any(|(name, v)| name.contains(text) || holds(v, text)),
        _ => false,
    }
}

/// The account of the role that an `AssumeRole` is for.
fn account_of_role(input: &Map<String, Value>) -> Option<&str> {
    input.get("RoleArn")?.as_str()?.split(':').nth(4)
}

/// The profile that a `SageMaker` call is about, by name or by the end of its ARN.
fn profile_of(input: &Map<String, Value>) -> Option<&str> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    text("UserProfileName").or_else(|| {
        let arn = text("ResourceArn")?;
        arn.contains(":user-profile/").then(|| arn.rsplit('/').next())?
    })
}

impl Inner {
    fn over_rate(&mut self, facts: &Facts<'_>, now: Timestamp) -> bool {
        let Some(caller) = facts.caller else { return false };
        let mut over = false;
        for (index, rate) in self.settings.rates.iter().enumerate() {
            if !rate.service.eq_ignore_ascii_case(facts.service)
                || !rate.operation.eq_ignore_ascii_case(facts.operation)
            {
                continue;
            }
            let bucket = self
                .buckets
                .entry((index, caller.account.clone()))
                .or_insert(Bucket { tokens: rate.burst, filled: now });
            let seconds = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
            bucket.tokens = (bucket.tokens + seconds * rate.per_second).min(rate.burst);
            bucket.filled = now;
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
            } else {
                over = true;
            }
        }
        over
    }
}

/// Answers a request of the control route.
pub(crate) fn answer(simulator: &Simulator, request: &Request<Bytes>) -> Response<Body> {
    if !server::same_site(request) {
        return server::text(StatusCode::FORBIDDEN, "not for pages of other sites\n");
    }
    let control = &simulator.control;
    let path = request.uri().path().trim_end_matches('/');
    let what = path.strip_prefix("/_control").unwrap_or(path).trim_start_matches('/');
    let ok = |value: Value| server::json(StatusCode::OK, &value);
    match (request.method(), what) {
        (&Method::GET, "") => server::text(StatusCode::OK, HELP),
        (&Method::GET, "calls") => ok(control.lock().calls.iter().cloned().collect()),
        (&Method::DELETE, "calls") => {
            control.lock().calls.clear();
            ok(json!({}))
        }
        (&Method::GET, "faults") => ok(json!(control.lock().faults)),
        (&Method::POST, "faults") => match read_fault(request.body()) {
            Ok(fault) => {
                let answer = ok(json!(fault));
                control.lock().faults.push(fault);
                answer
            }
            Err(message) => malformed(&message),
        },
        (&Method::DELETE, "faults") if request.body().is_empty() => {
            control.lock().faults.clear();
            ok(json!({}))
        }
        (&Method::DELETE, "faults") => match serde_json::from_slice::<About>(request.body()) {
            Ok(About { about }) => {
                control.lock().faults.retain(|fault| fault.about.as_ref() != Some(&about));
                ok(json!({}))
            }
            Err(error) => malformed(&error.to_string()),
        },
        (&Method::GET, "recording") => ok(simulator.recorder.take()),
        (&Method::GET, "settings") => ok(json!(control.settings())),
        (&Method::POST, "settings") => match change(&control.settings(), request.body()) {
            Ok(settings) => {
                simulator.dynamodb.strong(settings.strong_tables);
                if let Err(error) = simulator.dynamodb.cut_off(&settings.cut_off_regions) {
                    return malformed(&error.to_string());
                }
                let answer = ok(json!(settings));
                let mut inner = control.lock();
                inner.settings = settings;
                inner.buckets.clear();
                answer
            }
            Err(message) => malformed(&message),
        },
        (&Method::POST, "expire-credentials") => {
            ok(json!({"expired": simulator.sessions.expire_all()}))
        }
        (&Method::POST, "sweep-expired") => match simulator.dynamodb.sweep_expired() {
            Ok(deleted) => ok(json!({"deleted": deleted})),
            Err(error) => server::json(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"error": error.to_string()}),
            ),
        },
        (&Method::GET, what) => match what.strip_prefix("roles/").and_then(|t| roles(simulator, t))
        {
            Some(documents) => ok(documents),
            None => server::text(StatusCode::NOT_FOUND, HELP),
        },
        _ => server::text(StatusCode::NOT_FOUND, HELP),
    }
}

/// The documents of the role that serves a team.
fn roles(simulator: &Simulator, team: &str) -> Option<Value> {
    let role = simulator.role(&simulator.grant_of(team)?.target_role_arn)?;
    Some(iam::documents(&role))
}

fn read_fault(body: &[u8]) -> Result<Fault, String> {
    const MEMBERS: [&str; 14] = [
        "service",
        "operation",
        "account",
        "region",
        "profile",
        "about",
        "times",
        "effect",
        "minutes",
        "code",
        "status",
        "message",
        "ms",
        "reason",
    ];
    let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    // Flattened structs cannot refuse unknown members by themselves, and a misspelt one would make
    // a fault that hits more than was meant.
    if let Some(unknown) =
        value.as_object().and_then(|o| o.keys().find(|key| !MEMBERS.contains(&key.as_str())))
    {
        return Err(format!("unknown member {unknown}, expected one of {}", MEMBERS.join(", ")));
    }
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn change(settings: &Settings, body: &[u8]) -> Result<Settings, String> {
    let changes: Map<String, Value> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let mut merged = json!(settings);
    if let Some(merged) = merged.as_object_mut() {
        merged.extend(changes);
    }
    serde_json::from_value(merged).map_err(|e| e.to_string())
}

fn malformed(message: &str) -> Response<Body> {
    server::json(StatusCode::BAD_REQUEST, &json!({"error": message}))
}
