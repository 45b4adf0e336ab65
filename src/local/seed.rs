//! Seeding: the scenario is written into a simulated AWS that runs.

use jiff::Timestamp;
use serde_json::json;

use super::aws::{DatabaseError, RunningAws};
use super::scenario::Scenario;

/// The identity provider that is registered with the broker when the scenario is seeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeededIdp {
    /// Key of the item.
    pub entity_id: String,
    /// The provider's metadata.
    pub metadata_xml: String,
    /// Where its tiles are.
    pub portal_url: String,
}

/// Writes the story into a running simulated AWS: domains, planted profiles, teams and, if given,
/// the identity provider. Only what is missing is written, so edits survive a restart; of an
/// identity provider that is there only metadata and portal are brought up to date, since its key
/// may be newer.
///
/// # Errors
///
/// [`DatabaseError`] if the tables cannot be written.
pub fn seed(aws: &RunningAws, idp: Option<&SeededIdp>) -> Result<(), DatabaseError> {
    let simulator = &aws.simulator;
    let Scenario { domains, doors, .. } = &simulator.scenario;
    #[expect(clippy::disallowed_methods, reason = "what is planted has been there since the start")]
    let now = Timestamp::now();
    simulator.sagemaker.plant(domains, doors, now);
    let tables = &simulator.options.tables;
    for item in simulator.scenario.teams() {
        simulator.dynamodb.put_if_missing(&tables.teams, "team_id", item)?;
    }
    if let Some(idp) = idp {
        let item = json!({
            "entity_id": idp.entity_id,
            "display_name": "Test identity provider",
            "metadata_xml": idp.metadata_xml,
            "portal_url": idp.portal_url,
            "allowed_teams": ["*"],
            "groups_attribute": "groups",
        });
        let item = item.as_object().cloned().unwrap_or_default();
        if !simulator.dynamodb.put_if_missing(&tables.idps, "entity_id", &item)? {
            let key = ("entity_id", idp.entity_id.as_str());
            let database = &simulator.dynamodb;
            database.set_text(&tables.idps, key, "metadata_xml", &idp.metadata_xml)?;
            database.set_text(&tables.idps, key, "portal_url", &idp.portal_url)?;
        }
    }
    Ok(())
}
