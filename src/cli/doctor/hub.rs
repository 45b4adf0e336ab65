//! What the hub itself looks like: settings, clock, tables, identity providers.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::Region as SdkRegion;
use aws_sdk_dynamodb::types::{
    KeyType, MultiRegionConsistency, PointInTimeRecoveryStatus, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveStatus,
};
use jiff::{SignedDuration, Timestamp};

use super::asked::Asked;
use crate::aws::error::{AwsError, Kind, sorted};
use crate::aws::spoke::Administrator;
use crate::cli::findings::{Cause, Finding};
use crate::cli::fleet::{Mappings, alike};
use crate::cli::hub::Hub;
use crate::cli::output::word;
use crate::config::{SettingFaults, Settings};
use crate::mappings::change::cut;
use crate::mappings::{Stored, advice, plan};
use crate::team::TeamId;
use crate::team::idp::Idp;
use crate::team::item::excerpt;
use strict_saml::MetadataWarning;

/// A public URL in the place of one that cannot be used, so that the other settings can be read.
const NO_PUBLIC_URL: &str = "https://studio-broker.invalid";

/// Reads the settings as the broker would, and goes on with the defaults of those that cannot be used.
pub(super) fn settings(
    get: impl Fn(&str) -> Option<String>,
) -> Result<(Settings, Vec<Finding>), SettingFaults> {
    let faults = match Settings::read(&get) {
        Ok(settings) => return Ok((settings, Vec::new())),
        Err(SettingFaults(faults)) => faults,
    };
    let unusable: BTreeSet<&str> = faults.iter().map(|fault| fault.variable).collect();
    let settings = Settings::read(|name| match name {
        "STUDIO_BROKER_PUBLIC_URL" if unusable.contains(name) => Some(NO_PUBLIC_URL.into()),
        name if unusable.contains(name) => None,
        name => get(name),
    })?;
    let findings = faults.into_iter().map(|fault| {
        let found = format!("found {}, expected {}", fault.found, fault.expected);
        let fix = format!("export {}=… as the function has it", fault.variable);
        Finding::new(Cause::Setting, fault.variable, found, fix)
    });
    Ok((settings, findings.collect()))
}

/// Holds the clock of this machine against that of AWS.
pub(super) fn clock(
    administrator: &Administrator,
    now: Timestamp,
    tolerated_seconds: u32,
) -> Option<Finding> {
    let aws_time = administrator.aws_time?;
    let apart = now.duration_since(aws_time).abs().as_secs();
    // The answer's time has whole seconds, and was on its way.
    (apart > i64::from(tolerated_seconds) + 2).then(|| {
        let found = format!("{now} here, {aws_time} at AWS: {apart} seconds apart");
        Finding::new(Cause::Clock, "this machine", found, "timedatectl set-ntp true")
    })
}

/// What each of the three tables must be.
struct Wanted<'a> {
    name: &'a str,
    variable: &'static str,
    key: &'static str,
    is_state: bool,
}

/// Checks the three tables; with the ARNs of those that are there, by name.
pub(super) async fn tables(
    hub: &Hub,
    settings: &Settings,
) -> (Vec<Finding>, BTreeMap<String, String>) {
    let client = aws_sdk_dynamodb::Client::new(&hub.sdk);
    let region = hub.sdk.region().map_or("", AsRef::as_ref);
    let wanted = [
        Wanted {
            name: &settings.teams_table,
            variable: "STUDIO_BROKER_TEAMS_TABLE",
            key: "team_id",
            is_state: false,
        },
        Wanted {
            name: &settings.idps_table,
            variable: "STUDIO_BROKER_IDPS_TABLE",
            key: "entity_id",
            is_state: false,
        },
        Wanted {
            name: &settings.state_table,
            variable: "STUDIO_BROKER_STATE_TABLE",
            key: "pk",
            is_state: true,
        },
    ];
    let checks = wanted.iter().map(|wanted| table(&client, wanted, region));
    let (mut findings, mut arns) = (Vec::new(), BTreeMap::new());
    for (wanted, (found, arn)) in wanted.iter().zip(futures_util::future::join_all(checks).await) {
        findings.extend(found);
        arns.extend(arn.map(|arn| (wanted.name.to_owned(), arn)));
    }
    (findings, arns)
}

async fn table(
    client: &aws_sdk_dynamodb::Client,
    wanted: &Wanted<'_>,
    region: &str,
) -> (Vec<Finding>, Option<String>) {
    let Wanted { name, variable, is_state, .. } = *wanted;
    let subject = format!("table {name}");
    let (described, recovery, ttl) = tokio::join!(
        client.describe_table().table_name(name).send(),
        client.describe_continuous_backups().table_name(name).send(),
        async {
            let ttl = client.describe_time_to_live().table_name(name).send();
            if is_state { Some(ttl.await) } else { None }
        }
    );
    let table = match sorted("dynamodb:DescribeTable", described) {
        Ok(output) => output.table,
        Err(error) if error.kind == Kind::Missing => None,
        Err(error) => return (vec![Finding::of_error(subject, &error)], None),
    };
    let Some(table) = table else {
        let found = format!("there is none in {region}, account of these credentials ({variable})");
        let fix = format!("aws dynamodb list-tables --region {region}");
        return (vec![Finding::new(Cause::TableMissing, subject, found, fix)], None);
    };
    let mut findings = structure(&table, wanted);
    match sorted("dynamodb:DescribeContinuousBackups", recovery) {
        // What the state table holds is worth nothing a day later.
        Ok(_) if is_state => {}
        Ok(output) => {
            let status = output
                .continuous_backups_description
                .and_then(|described| described.point_in_time_recovery_description)
                .and_then(|described| described.point_in_time_recovery_status);
            if status != Some(PointInTimeRecoveryStatus::Enabled) {
                let fix = format!(
                    "aws dynamodb update-continuous-backups --region {region} --table-name {name} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
                );
                let found = "point-in-time recovery is off";
                findings.push(Finding::new(Cause::NoRecovery, &subject, found, fix));
            }
        }
        Err(_) if is_state => {}
        Err(error) => findings.push(Finding::of_error(&subject, &error)),
    }
    let strong = table.multi_region_consistency == Some(MultiRegionConsistency::Strong);
    match ttl.map(|sent| sorted("dynamodb:DescribeTimeToLive", sent)) {
        None => {}
        // Such tables know no time to live; what is old there is removed by hand.
        Some(_) if strong => {}
        Some(Ok(output)) => {
            let described = output.time_to_live_description;
            let on = described.as_ref().and_then(|d| d.time_to_live_status.clone());
            let attribute = described.and_then(|d| d.attribute_name);
            let on = matches!(on, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
            if !on || attribute.as_deref() != Some("expires_at") {
                let found = match attribute {
                    Some(attribute) if on => format!("time to live is on {attribute}"),
                    _ => "time to live is off".into(),
                };
                let fix = format!(
                    "aws dynamodb update-time-to-live --region {region} --table-name {name} --time-to-live-specification Enabled=true,AttributeName=expires_at"
                );
                findings.push(Finding::new(Cause::StateWithoutTtl, &subject, found, fix));
            }
        }
        Some(Err(error)) => findings.push(Finding::of_error(&subject, &error)),
    }
    (findings, table.table_arn)
}

/// Key, status and replicas of a table.
fn structure(table: &TableDescription, wanted: &Wanted<'_>) -> Vec<Finding> {
    let subject = format!("table {}", wanted.name);
    let mut findings = Vec::new();
    let schema: Vec<_> = table.key_schema.iter().flatten().collect();
    let is_text = table.attribute_definitions.iter().flatten().any(|definition| {
        definition.attribute_name == wanted.key
            && definition.attribute_type == ScalarAttributeType::S
    });
    let right = matches!(schema.as_slice(), [key] if key.attribute_name == wanted.key
        && key.key_type == KeyType::Hash && is_text);
    if !right {
        let named: Vec<_> = schema.iter().map(|key| key.attribute_name.as_str()).collect();
        let found = format!("its key is {}, expected {} (S) alone", named.join(", "), wanted.key);
        let fix = "make the table anew as the hub's template does, and name it in the setting";
        findings.push(Finding::new(Cause::TableKey, &subject, found, fix));
    }
    let status = table.table_status.clone();
    if !matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
        let found = format!("it is {}", status.as_ref().map_or("in no status", |s| s.as_str()));
        findings.push(Finding::new(
            Cause::TableNotActive,
            &subject,
            found,
            format!("aws dynamodb describe-table --table-name {}", wanted.name),
        ));
    }
    let replicas: Vec<_> =
        table.replicas.iter().flatten().filter_map(|replica| replica.region_name()).collect();
    let strong = table.multi_region_consistency == Some(MultiRegionConsistency::Strong);
    if wanted.is_state && !replicas.is_empty() && !strong {
        let found = format!(
            "it is a global table with replicas in {}: a conditional write succeeds once in each Region",
            replicas.join(", ")
        );
        let fix = "use a state table in one Region, or one of multi-Region strong consistency";
        findings.push(Finding::new(Cause::StateNotConsistent, subject, found, fix));
    }
    findings
}

/// Certificates end in so many days: time enough for a change of hands.
const ENDS_SOON_DAYS: i64 = 30;

/// Checks what the tables hold: items, identity providers and their pairs, team ids.
pub(super) async fn mappings(
    hub: &Hub,
    mappings: &Mappings,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = items(mappings, asked);
    let idps: Vec<&Idp> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp()).collect();
    let enabled: Vec<&Idp> = idps.into_iter().filter(|idp| idp.enabled).collect();
    if enabled.is_empty() {
        let fix = "studio-broker idps add METADATA_FILE --teams TEAM…";
        findings.push(Finding::new(Cause::NoIdp, "identity providers", "none is enabled", fix));
    }
    let team_ids: Vec<TeamId> =
        mappings.teams.keys().filter_map(|id| TeamId::try_from(id.clone()).ok()).collect();
    for idp in &enabled {
        findings.extend(metadata(idp, now));
        findings.extend(unknown_teams(idp, &team_ids));
    }
    findings.extend(shared_people(&enabled, &team_ids));
    findings.extend(shared_groups(mappings, asked));
    findings.extend(stores(hub, &enabled).await);
    findings
}

fn items(mappings: &Mappings, asked: &Asked<'_>) -> Vec<Finding> {
    let is_asked =
        |key: &str| mappings.teams.get(key).is_some_and(|stored| asked.includes(key, stored));
    let wanted: Vec<_> = mappings.teams.keys().filter(|key| is_asked(key)).cloned().collect();
    // An empty list would mean all of them.
    let mut findings = match wanted.is_empty() {
        true => Vec::new(),
        false => mappings.unusable_teams(&wanted),
    };
    findings.extend(mappings.unusable_idps());
    for (key, stored) in mappings.teams.iter().filter(|(key, _)| is_asked(key)) {
        let team = stored.mapping().and_then(|mapping| mapping.team());
        for advice in team.map(advice::of_team).unwrap_or_default() {
            let fix = format!("studio-broker teams show {}", word(key));
            findings.push(Finding::new(Cause::Doubtful, format!("team {key}"), advice, fix));
        }
    }
    let both = [("team", &mappings.teams, "teams"), ("IdP", &mappings.idps, "idps")];
    for (noun, items, command) in both {
        for (key, stored) in items.iter().filter(|(key, _)| noun == "IdP" || is_asked(key)) {
            let subject = format!("{noun} {key}");
            let fix = format!("studio-broker {command} show {}", word(key));
            for fault in stored.faults_in_part() {
                let (cause, found) = (Cause::PartInvalid, fault.to_string());
                findings.push(Finding::new(cause, &subject, found, &fix));
            }
            let unknown = &stored.unknown_attributes;
            if !unknown.is_empty() {
                let names: Vec<_> = unknown.iter().map(|name| excerpt(name)).collect();
                let cause = Cause::UnknownAttribute;
                findings.push(Finding::new(cause, &subject, names.join(", "), &fix));
            }
        }
    }
    let similar = alike(&mappings.teams).into_iter();
    for ids in similar.filter(|ids| ids.iter().any(|id| is_asked(id))) {
        let last = word(ids.last().copied().unwrap_or_default());
        let fix = format!("studio-broker teams remove {last}");
        let (subject, found) = (format!("teams {}", ids.join(", ")), "their profiles are the same");
        findings.push(Finding::new(Cause::TeamsAlike, subject, found, fix));
    }
    findings
}

fn metadata(idp: &Idp, now: Timestamp) -> Vec<Finding> {
    let subject = format!("IdP {}", idp.entity_id);
    let fix = "fetch the metadata anew at the identity provider, then: studio-broker idps add METADATA_FILE";
    let mut findings = Vec::new();
    for warning in idp.metadata.warnings(now) {
        let cause = match warning {
            MetadataWarning::CertificateExpired { .. } => Cause::CertificateExpired,
            _ => Cause::Metadata,
        };
        findings.push(Finding::new(cause, &subject, warning.to_string(), fix));
    }
    let soon = now.saturating_add(SignedDuration::from_hours(24 * ENDS_SOON_DAYS)).unwrap_or(now);
    let keys = idp.metadata.signing_keys();
    // Where another key lasts longer, the change has been prepared.
    if keys.iter().all(|key| key.not_after() < soon) {
        let last =
            keys.iter().max_by_key(|key| key.not_after()).filter(|key| key.not_after() >= now);
        if let Some(key) = last {
            let days = key.not_after().duration_since(now).as_hours() / 24;
            let found = format!("the last certificate ends in {days} days, {}", key.not_after());
            findings.push(Finding::new(Cause::CertificateEnds, subject, found, fix));
        }
    }
    findings
}

fn unknown_teams(idp: &Idp, team_ids: &[TeamId]) -> Vec<Finding> {
    let known = |wanted: &&String| {
        *wanted == "*" || team_ids.iter().any(|id| id.as_str() == wanted.as_str())
    };
    let unknown: Vec<_> =
        idp.allowed_teams.names().iter().filter(|name| !known(name)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let found = format!("allowed_teams names {}", unknown.join(", "));
    let fix = format!("studio-broker idps show {}", word(&idp.entity_id));
    vec![Finding::new(Cause::UnknownTeam, format!("IdP {}", idp.entity_id), found, fix)]
}

/// Teams whose bare groups can be said in several directories: whoever rules one of these can let anybody
/// of it in.
fn shared_groups(mappings: &Mappings, asked: &Asked<'_>) -> Vec<Finding> {
    let idps: Vec<&Idp> =
        mappings.idps.values().filter_map(|stored| stored.mapping()?.idp()).collect();
    let of = |(key, stored): (&String, &Stored)| {
        let team = stored.mapping()?.team().filter(|_| asked.includes(key, stored))?;
        let (groups, directories) = plan::shared_groups(team, &idps)?;
        let groups: Vec<_> = groups.into_iter().map(excerpt).collect();
        let found =
            format!("{} in the directories {}", cut(&groups, 5).join(", "), directories.join(", "));
        let fix =
            "write entity-id#group, with the entity ID of the identity provider that is meant";
        Some(Finding::new(Cause::SharedGroups, format!("team {key}"), found, fix))
    };
    mappings.teams.iter().filter_map(of).collect()
}

/// Pairs of one directory whose teams overlap: either can sign in as a person of the other.
fn shared_people(idps: &[&Idp], team_ids: &[TeamId]) -> Vec<Finding> {
    const SHOWN: usize = 5;
    let mut findings = Vec::new();
    for (number, one) in idps.iter().enumerate() {
        for other in idps.iter().skip(number + 1).filter(|other| other.directory == one.directory) {
            let both = |id: &&TeamId| one.allowed_teams.allow(id) && other.allowed_teams.allow(id);
            let shared: Vec<_> = team_ids.iter().filter(both).map(TeamId::as_str).collect();
            if shared.is_empty() {
                continue;
            }
            let mut named = shared.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            if shared.len() > SHOWN {
                named.push_str(&format!(" and {} more", shared.len() - SHOWN));
            }
            let found = format!(
                "both speak for the people of directory {} in {named}: whoever rules one of them can be anybody of the other",
                one.directory
            );
            let fix = "give one of them a directory of its own, or allowed_teams that do not overlap; keep both only if you trust both alike";
            let subject = format!("IdPs {} and {}", one.entity_id, other.entity_id);
            findings.push(Finding::new(Cause::SharedPeople, subject, found, fix));
        }
    }
    findings
}

/// Whether each identity store answers.
async fn stores(hub: &Hub, idps: &[&Idp]) -> Vec<Finding> {
    let asked = idps.iter().filter_map(|idp| {
        let store = idp.identity_store_id.clone()?;
        let mut config = aws_sdk_identitystore::config::Builder::from(&hub.sdk);
        if let Some(region) = &idp.identity_store_region {
            config = config.region(SdkRegion::new(region.to_string()));
        }
        let client = aws_sdk_identitystore::Client::from_conf(config.build());
        Some(async move {
            let sent = client.list_groups().identity_store_id(&store).max_results(1).send().await;
            let error: AwsError = sorted("identitystore:ListGroups", sent).err()?;
            let subject = format!("IdP {}", idp.entity_id);
            let cause = Cause::StoreUnreadable;
            let fix = "aws identitystore list-groups --identity-store-id ID --region REGION, in the account that holds IAM Identity Center or its delegate";
            let found = format!("{store}: {error}");
            Some(Finding::new(cause, subject, found, fix))
        })
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}
