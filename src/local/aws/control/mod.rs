//! The control route: slow, throttle, fail and watch the simulated AWS.
//!
//! `GET /_control` prints [`HELP`], which is the documentation.

pub(crate) mod fault;
pub(crate) mod settings;
pub(crate) mod state;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::fault::Fault;
use super::Simulator;
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

/// Which faults are cleared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    about: String,
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
        (&Method::POST, "faults") => match Fault::read(request.body()) {
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
        (&Method::POST, "settings") => match control.settings().changed(request.body()) {
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
    Some(json!({
        "role_arn": role.arn,
        "trust_policy": role.trust_policy,
        "permission_policy": role.permission_policy,
    }))
}

fn malformed(message: &str) -> Response<Body> {
    server::json(StatusCode::BAD_REQUEST, &json!({"error": message}))
}
