//! What a team's doors lead to: whether it is there and runs, and whom a Partner AI App takes people for.

use futures_util::StreamExt as _;

use crate::aws::door::{Behind, Knock, State};
use crate::aws::error::Kind;
use crate::aws::spoke::Spoke;
use crate::cli::findings::{Cause, Finding};
use crate::team::Team;
use crate::team::door::{Door, DoorKind};

/// Doors of one team that are looked at once.
const AT_ONCE: usize = 4;

/// Looks behind every door of a team, with the doctor role.
pub(super) async fn of_team(spoke: &Spoke, team: &Team) -> Vec<Finding> {
    let each = team.doors.iter().map(|door| behind(spoke, team, door));
    let each = futures_util::stream::iter(each).buffered(AT_ONCE);
    each.collect::<Vec<_>>().await.concat()
}

async fn behind(spoke: &Spoke, team: &Team, door: &Door) -> Vec<Finding> {
    let subject = format!("team {}, door {}", team.team_id, door.id);
    let knock = Knock { client: &spoke.sagemaker, credentials: None, door };
    match knock.look().await {
        Ok(behind) => findings(&subject, door, &behind),
        Err(error) if error.kind == Kind::Missing => {
            let found = format!("there is no {} {}", door.kind.row().name, door.arn);
            let fix = format!("studio-broker teams show {}", team.team_id);
            vec![Finding::new(Cause::DoorMissing, subject, found, fix)]
        }
        Err(error) => vec![Finding::of_error(subject, &error)],
    }
}

fn findings(subject: &str, door: &Door, behind: &Behind) -> Vec<Finding> {
    let Behind { state, status, identity } = behind;
    let (arn, what) = (&door.arn, door.kind.row().name);
    let mut findings = Vec::new();
    let cause = match state {
        State::Runs => None,
        State::Changes => Some(Cause::DoorChanges),
        State::Shut => Some(Cause::DoorShut),
    };
    if let Some(cause) = cause {
        let found = format!("the {what} {arn} is in status {status}");
        findings.push(Finding::new(cause, subject, found, how_to_start(door)));
    }
    let Some(identity) = identity else { return findings };
    if identity.auth_type != "IAM" {
        let found =
            format!("AuthType of {arn} is {}: presigned URLs are not for it", identity.auth_type);
        let fix = "make a Partner AI App whose AuthType is IAM, and lead the door there";
        findings.push(Finding::new(Cause::PartnerAppNotIam, subject, found, fix));
    } else if !identity.by_session {
        let found = format!("{arn} takes everybody for the target role");
        let fix = format!(
            "aws sagemaker update-partner-app --arn {arn} --enable-iam-session-based-identity"
        );
        findings.push(Finding::new(Cause::PartnerAppIdentityOff, subject, found, fix));
    }
    findings
}

/// What an administrator of the account does about it.
fn how_to_start(door: &Door) -> String {
    let (arn, name) = (&door.arn, door.arn.resource_name());
    match door.kind {
        DoorKind::MlflowApp => format!("aws sagemaker describe-mlflow-app --arn {arn}"),
        DoorKind::MlflowServer => {
            format!("aws sagemaker start-mlflow-tracking-server --tracking-server-name {name}")
        }
        DoorKind::PartnerApp => format!("aws sagemaker describe-partner-app --arn {arn}"),
    }
}
