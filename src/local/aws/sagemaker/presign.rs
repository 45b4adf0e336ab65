//! `CreatePresignedDomainUrl`.

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{
    input::NAME,
    profile::{Named, resource_tags, tags_of},
    state::Tag,
};
use crate::local::{
    aws::{
        context::Context,
        control::knobs::{MissingPresign, PendingPresign, StudioHost},
        input::{ANY, Input, constraint},
        refusal::{Refusal, invalid},
        simulator::Simulator,
    },
    studio::{Opening, Room},
};
use crate::team::partition;

/// Presigned URLs of Studio are about this long.
const URL_LENGTH: usize = 4400;

pub(super) fn create(context: &Context<'_>, input: Input<'_>) -> Result<Value, Refusal> {
    let Named { domain: id, name, arn } = Named::read(context, input)?;
    let url_seconds = input.number("ExpiresInSeconds", 5..=300)?.unwrap_or(300);
    let session_seconds =
        input.number("SessionExpirationDurationInSeconds", 1800..=43_200)?.unwrap_or(43_200);
    let space = input.optional("SpaceName", &NAME)?;
    let landing_uri = input.optional("LandingUri", &ANY)?;
    if let Some(uri) = landing_uri {
        known_landing(uri)?;
    }
    let knobs = context.simulator.control.knobs();
    if knobs.missing_presign == MissingPresign::NotFound {
        context.place_look(|place| place.profile(id, name).map(|_| ()))?;
    }
    let tags = tags_of(context, id, name);
    context.authorize("sagemaker:CreatePresignedDomainUrl", &arn, |r| resource_tags(r, &tags))?;

    let pair = |tag: &Tag| (tag.key.clone(), tag.value.clone());
    let session = context.caller.session();
    let opening = context.place_look(|place| {
        let domain = place.domain(id)?;
        if domain.auth_mode != "IAM" {
            return Err(invalid(
                "CreatePresignedDomainUrl is not supported for a domain whose AuthMode is SSO",
            ));
        }
        let default_role = domain
            .settings
            .get("DefaultUserSettings")
            .and_then(|settings| settings.get("ExecutionRole"))
            .cloned();
        if let Some(space) = space {
            place.space(id, space)?;
        }
        let profile = place.profile(id, name)?;
        let status = profile.life.status(context.now);
        let usable = match status {
            "InService" | "Updating" | "Update_Failed" => true,
            "Pending" => knobs.pending_presign == PendingPresign::Allow,
            _ => false,
        };
        if !usable {
            return Err(invalid(format!("UserProfile {name} is in status {status}")));
        }
        let role = profile.settings.get("ExecutionRole").cloned().or(default_role);
        Ok(Opening {
            caller: context.caller.clone(),
            arn: arn.clone(),
            account: context.caller.account.clone(),
            region: context.caller.region.clone(),
            tags: profile.tags.iter().map(pair).collect(),
            session_name: session.map_or_else(|| "–".into(), |s| s.session_name.clone()),
            session_tags: session.map(|s| s.tags.clone()).unwrap_or_default(),
            session_seconds,
            expires: context.now + url_seconds.seconds(),
            uses_left: (knobs.studio_url_uses > 0).then_some(knobs.studio_url_uses),
            room: Room::Studio {
                domain: id.into(),
                profile: profile.name.clone(),
                execution_role: role.as_ref().and_then(Value::as_str).unwrap_or_default().into(),
                space: space.map(str::to_owned),
                landing_uri: landing_uri.map(str::to_owned),
                user_settings: Value::Object(profile.settings.clone()),
            },
        })
    })?;
    let token = context.simulator.studio.add(opening, URL_LENGTH, context.now)?;
    let base = match (knobs.studio_host, &context.simulator.options.studio_base) {
        (StudioHost::Local, Some(base)) => base.clone(),
        (StudioHost::Local, None) => format!("http://{}/studio", context.host),
        (host, _) => format!("https://{id}.{}", host_of(host, &context.caller.region)),
    };
    Ok(json!({"AuthorizedUrl": format!("{base}/auth?token={token}")}))
}

impl Simulator {
    /// Whether IAM lets a request of an open Studio session through: it is decided by the policies and tags
    /// of this moment, with the credentials that made the URL. "IAM authorization policies for this API are
    /// also enforced for every HTTP request and WebSocket frame that attempts to connect to the app"
    /// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html>).
    /// How soon changed tags count is not documented; here they do at once. Nothing of the kind is said of
    /// `MLflow` and Partner AI Apps, whose sessions last as long as they were asked for.
    pub(crate) fn lets_through(&self, opening: &Opening, now: Timestamp) -> bool {
        let Opening { caller, arn, room, .. } = opening;
        let Room::Studio { domain, profile, .. } = room else { return true };
        let context = Context { simulator: self, caller, now, host: "", settle: None };
        let tags = tags_of(&context, domain, profile);
        let action = "sagemaker:CreatePresignedDomainUrl";
        context.authorize(action, arn, |request| resource_tags(request, &tags)).is_ok()
    }
}

/// Where Studio is in a Region: Public Suffix List, section of Amazon SageMaker Studio
/// (<https://publicsuffix.org/list/public_suffix_list.dat>).
fn host_of(host: StudioHost, region: &str) -> String {
    let (studio, end) = match (host, partition(region)) {
        (_, "aws-cn") => ("studio", "sagemaker.com.cn"),
        (StudioHost::Fips, "aws-us-gov") => ("studio-fips", "sagemaker.aws"),
        _ => ("studio", "sagemaker.aws"),
    };
    format!("{studio}.{region}.{end}")
}

/// `studio::<path>` or `app:<Name>:<path>`, the path may be empty.
fn known_landing(uri: &str) -> Result<(), Refusal> {
    const APPS: [&str; 5] =
        ["JupyterServer", "JupyterLab", "RStudioServerPro", "CodeEditor", "Canvas"];
    if uri.chars().count() > 1023 {
        let rule = "Member must have length less than or equal to 1023";
        return Err(constraint(uri, "landingUri", rule));
    }
    let app = uri.strip_prefix("app:").and_then(|rest| rest.split_once(':')).map(|(app, _)| app);
    if uri.starts_with("studio::") || app.is_some_and(|app| APPS.contains(&app)) {
        return Ok(());
    }
    Err(invalid(format!("LandingUri {uri} is not supported")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studio_has_a_host_in_each_partition() {
        for (host, region, name) in [
            (StudioHost::Aws, "eu-west-1", "studio.eu-west-1.sagemaker.aws"),
            (StudioHost::Fips, "eu-west-1", "studio.eu-west-1.sagemaker.aws"),
            (StudioHost::Aws, "us-gov-west-1", "studio.us-gov-west-1.sagemaker.aws"),
            (StudioHost::Fips, "us-gov-west-1", "studio-fips.us-gov-west-1.sagemaker.aws"),
            (StudioHost::Aws, "cn-north-1", "studio.cn-north-1.sagemaker.com.cn"),
        ] {
            assert_eq!(host_of(host, region), name);
        }
    }

    #[test]
    fn landing_uris_name_studio_or_a_known_app() {
        for (uri, known) in [
            ("studio::", true),
            ("studio::projects/1", true),
            ("app:JupyterLab:", true),
            ("app:JupyterLab:lab/tree/x", true),
            ("app:Minesweeper:", false),
            ("app:JupyterLab", false),
            ("https://evil.example/", false),
        ] {
            assert_eq!(known_landing(uri).is_ok(), known, "{uri}");
        }
    }
}
