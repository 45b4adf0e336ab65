//! What a role may do once somebody is in: IAM's own answer (`iam:SimulatePrincipalPolicy`) on the
//! policies that are attached to it, its permissions boundary included.
//!
//! The context is ours: the session tags of a person, the tags of a profile. So "refuses a foreign
//! profile" is asked without there being one, and without ever being the broker.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::aws::error::{AwsError, sorted};
use crate::aws::spoke::{LIFECYCLE_ROLE, Spoke};
use crate::cli::findings::{Cause, Finding};
use crate::config::Settings;
use crate::team::Team;

/// A person whom no directory has, and another.
const ANN: &str = "studio-broker-doctor";
const EVE: &str = "studio-broker-doctor-2";
/// A team that no mapping may have: no id ends in a hyphen.
const NO_TEAM: &str = "studio-broker-doctor-";

/// A question to IAM: actions on resources in a context, all of which must get the same answer.
struct Question {
    /// What it means, for the finding.
    about: Cow<'static, str>,
    actions: Vec<&'static str>,
    resources: Vec<String>,
    context: Vec<(String, Vec<String>)>,
    allowed: bool,
}

/// Asks everything about one team's statements in the target role.
///
/// # Errors
///
/// IAM did not answer one of the questions.
pub(super) async fn of_target(
    spoke: &Spoke,
    team: &Team,
    target_role: &str,
) -> Result<Vec<Finding>, AwsError> {
    let subject = format!("team {}", team.team_id);
    let fix = format!(
        "deploy the template of account {} with team {} in it, its domain and its role",
        team.account_id, team.team_id
    );
    let wrong = ask(&spoke.iam, target_role, target_questions(spoke, team)).await?;
    let causes = (Cause::RoleRefuses, Cause::RoleTooWide);
    Ok(findings(wrong, &subject, causes, &fix))
}

fn target_questions(spoke: &Spoke, team: &Team) -> Vec<Question> {
    let team_id = team.team_id.as_str();
    let domain = team.domain_id.as_str();
    let profile = spoke.arn(&format!("user-profile/{domain}/{ANN}"));
    let session = |team: &str, user: &str| tags("aws:PrincipalTag", team, user);
    let resource = |team: &str, user: &str| tags("sagemaker:ResourceTag", team, user);
    let at_creation = |user: &str| {
        let mut context = tags("aws:RequestTag", team_id, user);
        let keys = ["Team", "User"].into_iter().map(str::to_owned);
        context.push(("aws:TagKeys".into(), keys.chain(team.tags.keys().cloned()).collect()));
        context.push(one("sagemaker:TaggingAction", "CreateUserProfile"));
        context
    };
    let with = |parts: &[Vec<(String, Vec<String>)>]| parts.concat();
    let opening = vec!["sagemaker:CreatePresignedDomainUrl", "sagemaker:UpdateUserProfile"];
    let creating = vec!["sagemaker:CreateUserProfile", "sagemaker:AddTags"];
    let ann = session(team_id, ANN);
    let question =
        |about: &'static str, actions: &[&'static str], resource: &str, context, allowed| {
            Question {
                about: about.into(),
                actions: actions.to_vec(),
                resources: vec![resource.to_owned()],
                context,
                allowed,
            }
        };
    let mut reading = opening.clone();
    reading.extend(["sagemaker:DescribeUserProfile", "sagemaker:ListTags"]);
    let mut everything = opening.clone();
    everything.extend(["sagemaker:DescribeUserProfile", "sagemaker:CreateUserProfile"]);
    let passing = with(&[ann.clone(), vec![one("iam:PassedToService", "sagemaker.amazonaws.com")]]);
    let role_elsewhere =
        format!("arn:{}:iam::{}:role/{LIFECYCLE_ROLE}", team.region.partition(), team.account_id);
    let other_domain = spoke.arn(&format!("user-profile/{domain}x/{ANN}"));
    let own = with(&[ann.clone(), resource(team_id, ANN)]);
    let nobodys = session(NO_TEAM, ANN);
    let doors = team.doors.iter().flat_map(|door| {
        let row = door.kind.row();
        [(true, ann.clone()), (false, nobodys.clone())].map(|(allowed, context)| Question {
            about: match allowed {
                true => format!("door {}", door.id),
                false => format!("door {}, in an unknown team's session", door.id),
            }
            .into(),
            actions: vec![row.open_action, row.describe_action],
            resources: vec![door.arn.to_string()],
            context,
            allowed,
        })
    });
    let doors = doors.collect::<Vec<_>>();
    let mut questions = vec![
        question("the own profile", &reading, &profile, own.clone(), true),
        question(
            "a new profile",
            &creating,
            &profile,
            with(&[ann.clone(), at_creation(ANN)]),
            true,
        ),
        question(
            "the team's domain",
            &["sagemaker:DescribeDomain"],
            &spoke.arn(&format!("domain/{domain}")),
            ann.clone(),
            true,
        ),
        question(
            "the team's execution role",
            &["iam:PassRole"],
            team.execution_role_arn.as_str(),
            passing.clone(),
            true,
        ),
        question("another role", &["iam:PassRole"], &role_elsewhere, passing, false),
        question(
            "somebody else's profile",
            &opening,
            &profile,
            with(&[ann.clone(), resource(team_id, EVE)]),
            false,
        ),
        question(
            "another team's profile",
            &opening,
            &profile,
            with(&[ann.clone(), resource(NO_TEAM, ANN)]),
            false,
        ),
        question("a profile without tags", &opening, &profile, ann.clone(), false),
        question("another domain's profile", &opening, &other_domain, own.clone(), false),
        question(
            "a new profile for somebody else",
            &creating,
            &profile,
            with(&[ann.clone(), at_creation(EVE)]),
            false,
        ),
        question(
            "tags of a profile that is there",
            &["sagemaker:AddTags"],
            &profile,
            with(&[own.clone(), tags("aws:RequestTag", team_id, ANN)]),
            false,
        ),
        question(
            "a session without tags",
            &everything,
            &profile,
            with(&[resource(team_id, ANN), at_creation(ANN)]),
            false,
        ),
        question(
            "an unknown team's session",
            &everything,
            &profile,
            with(&[session(NO_TEAM, ANN), resource(NO_TEAM, ANN)]),
            false,
        ),
        question(
            "what no sign-in needs",
            &[
                "sagemaker:ListUserProfiles",
                "sagemaker:DeleteUserProfile",
                "sagemaker:DeleteTags",
                "sagemaker:CreateApp",
                "sts:AssumeRole",
            ],
            &profile,
            own,
            false,
        ),
    ];
    questions.extend(doors);
    questions
}

/// Asks what the hub role may do: reach the target roles, read the mappings, keep the state, no more.
///
/// # Errors
///
/// IAM did not answer one of the questions.
pub(super) async fn of_hub(
    iam: &Client,
    hub_role: &str,
    organization: Option<&str>,
    target_roles: &[String],
    tables: &HubTables,
) -> Result<Vec<Finding>, AwsError> {
    let organization: Vec<_> = organization
        .into_iter()
        .flat_map(|id| ["aws:ResourceOrgID", "aws:PrincipalOrgID"].map(|key| one(key, id)))
        .collect();
    let mappings = vec![tables.teams.clone(), tables.idps.clone()];
    let mut questions = vec![
        Question {
            about: "the mappings".into(),
            actions: vec!["dynamodb:GetItem", "dynamodb:Scan"],
            resources: mappings.clone(),
            context: Vec::new(),
            allowed: true,
        },
        Question {
            about: "the mappings".into(),
            actions: vec!["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
            resources: mappings,
            context: Vec::new(),
            allowed: false,
        },
        Question {
            about: "the state table".into(),
            actions: vec!["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            resources: vec![tables.state.clone()],
            context: Vec::new(),
            allowed: true,
        },
        Question {
            about: "the state table".into(),
            actions: vec!["dynamodb:DeleteItem", "dynamodb:Scan", "dynamodb:Query"],
            resources: vec![tables.state.clone()],
            context: Vec::new(),
            allowed: false,
        },
    ];
    questions.extend(target_roles.chunks(TARGETS_AT_ONCE).map(|roles| Question {
        about: "a target role".into(),
        actions: vec!["sts:AssumeRole", "sts:TagSession"],
        resources: roles.to_vec(),
        context: organization.clone(),
        allowed: true,
    }));
    let mut wrong = ask(iam, hub_role, questions).await?;
    wrong.retain(|wrong| !wrong.depends_on_function_alone());
    let fix = "deploy the hub's template as it is";
    let causes = (Cause::HubRefuses, Cause::HubTooWide);
    Ok(findings(wrong, &format!("role {hub_role}"), causes, fix))
}

/// Which function uses the role: only Lambda gives it a value.
const FUNCTION: &str = "lambda:SourceFunctionArn";

/// ARNs of the broker's tables.
#[derive(Debug, Clone)]
pub(super) struct HubTables {
    pub(super) teams: String,
    pub(super) idps: String,
    pub(super) state: String,
}

impl HubTables {
    /// The tables of the settings, where all three are there.
    pub(super) fn of(settings: &Settings, arns: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            teams: arns.get(&settings.teams_table)?.clone(),
            idps: arns.get(&settings.idps_table)?.clone(),
            state: arns.get(&settings.state_table)?.clone(),
        })
    }
}

/// Two actions each: below the hundred results of one answer.
const TARGETS_AT_ONCE: usize = 40;

/// An answer that should have been the other one.
struct Wrong {
    /// What it is about, with the resource where the question named several.
    about: String,
    action: String,
    should_be_allowed: bool,
    /// Condition keys that nobody could give a value.
    unknown: Vec<String>,
    /// A statement denies it.
    is_denied: bool,
}

impl Wrong {
    /// Nothing but the function is missing for a yes; what that leaves unproven, the proof says.
    fn depends_on_function_alone(&self) -> bool {
        let of_function = |key: &String| key.eq_ignore_ascii_case(FUNCTION);
        self.should_be_allowed
            && !self.is_denied
            && !self.unknown.is_empty()
            && self.unknown.iter().all(of_function)
    }
}

/// Questions that are asked at once in one account: IAM throttles at a handful.
const AT_ONCE: usize = 4;

async fn ask(iam: &Client, role: &str, questions: Vec<Question>) -> Result<Vec<Wrong>, AwsError> {
    let asked = questions.into_iter().map(|question| ask_one(iam, role, question));
    let answers = futures_util::stream::iter(asked).buffered(AT_ONCE);
    Ok(answers.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

async fn ask_one(iam: &Client, role: &str, question: Question) -> Result<Vec<Wrong>, AwsError> {
    let Question { about, actions, resources, context, allowed } = question;
    let several = resources.len() > 1;
    let sent = iam
        .simulate_principal_policy()
        .policy_source_arn(role)
        .set_action_names(Some(actions.into_iter().map(str::to_owned).collect()))
        .set_resource_arns(Some(resources))
        .set_context_entries(Some(context.into_iter().map(entry).collect()))
        .send()
        .await;
    let output = sorted("iam:SimulatePrincipalPolicy", sent)?;
    let results = output.evaluation_results.unwrap_or_default().into_iter();
    let wrong = results
        .filter(|result| (result.eval_decision == PolicyEvaluationDecisionType::Allowed) != allowed)
        .map(|result| Wrong {
            about: match result.eval_resource_name {
                Some(resource) if several => format!("{about} {resource}"),
                _ => about.clone().into_owned(),
            },
            action: result.eval_action_name,
            should_be_allowed: allowed,
            unknown: result.missing_context_values.unwrap_or_default(),
            is_denied: result.eval_decision == PolicyEvaluationDecisionType::ExplicitDeny,
        });
    Ok(wrong.collect())
}

/// At most one finding of each of the two causes: refuses too much, allows too much.
fn findings(
    wrong: Vec<Wrong>,
    subject: &str,
    (refuses, too_wide): (Cause, Cause),
    fix: &str,
) -> Vec<Finding> {
    let (needed, forbidden): (Vec<_>, Vec<_>) =
        wrong.into_iter().partition(|wrong| wrong.should_be_allowed);
    // A condition on the network, say, is none that can be judged from here.
    let (unknown, needed): (Vec<_>, Vec<_>) =
        needed.into_iter().partition(|wrong| !wrong.unknown.is_empty() && !wrong.is_denied);
    let mut findings = Vec::new();
    if !unknown.is_empty() {
        let actions: BTreeSet<_> = unknown.iter().map(|wrong| wrong.action.as_str()).collect();
        let keys: BTreeSet<_> = unknown.iter().flat_map(|wrong| &wrong.unknown).cloned().collect();
        let (actions, keys): (Vec<_>, Vec<_>) =
            (actions.into_iter().collect(), keys.into_iter().collect());
        let found = format!("{} depends on {}", actions.join(", "), keys.join(", "));
        let fix = "sign in once: the log line of the sign-in says what was refused";
        findings.push(Finding::new(Cause::RoleUnproven, subject, found, fix));
    }
    for (cause, verb, wrong) in [(refuses, "refuses", needed), (too_wide, "allows", forbidden)] {
        if wrong.is_empty() {
            continue;
        }
        let mut actions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Wrong { about, action, .. } in &wrong {
            actions.entry(about).or_default().push(action);
        }
        let each =
            actions.iter().map(|(about, actions)| format!("{} for {about}", actions.join(", ")));
        let found = format!("{verb} {}", each.collect::<Vec<_>>().join("; "));
        findings.push(Finding::new(cause, subject, found, fix));
    }
    findings
}

fn tags(prefix: &str, team: &str, user: &str) -> Vec<(String, Vec<String>)> {
    vec![one(&format!("{prefix}/Team"), team), one(&format!("{prefix}/User"), user)]
}

fn one(key: &str, value: &str) -> (String, Vec<String>) {
    (key.to_owned(), vec![value.to_owned()])
}

fn entry((key, values): (String, Vec<String>)) -> ContextEntry {
    let kind = match key.as_str() {
        "aws:TagKeys" => ContextKeyTypeEnum::StringList,
        _ => ContextKeyTypeEnum::String,
    };
    ContextEntry::builder()
        .context_key_name(key)
        .set_context_key_values(Some(values))
        .context_key_type(kind)
        .build()
}
