//! What a team is granted in its account: the facts that the documents of its role are made of.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::team::partition;

/// What one team is granted in its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The team's id: the literal that the session tag `Team` must equal.
    pub team_id: String,
    /// 12 digits.
    pub account_id: String,
    /// The domain's Region.
    pub region: String,
    /// The one domain of the team.
    pub domain_id: String,
    /// The one role that the team's profiles run with.
    pub execution_role_arn: String,
    /// The role that the broker assumes.
    pub target_role_arn: String,
    /// Asked for by the trust policy when set.
    pub external_id: Option<String>,
    /// Keys of the team's further tags, beside `Team` and `User`.
    pub tag_keys: Vec<String>,
    /// Whether the role may put the `User` tag on a profile that has none.
    pub adopt_profiles: bool,
    /// ARNs of the MLflow Apps, MLflow tracking servers and Partner AI Apps that the team opens.
    pub doors: Vec<String>,
}

impl Grant {
    /// What a deployment for this item of the teams table (as plain JSON) would grant; `None` for an
    /// item that could not be deployed. `default_role` is the role's name where the item names none.
    #[must_use]
    pub fn of_item(item: &Map<String, Value>, default_role: &str) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let (account_id, region) = (text("account_id")?, text("region")?);
        let target_role_arn = text("broker_role_arn").unwrap_or_else(|| {
            format!("arn:{}:iam::{account_id}:role/{default_role}", partition(&region))
        });
        let tags = item.get("tags").and_then(Value::as_object);
        let doors = item.get("doors").and_then(Value::as_array).into_iter().flatten();
        let arn = |door: &Value| door.get("arn").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            team_id: text("team_id")?,
            domain_id: text("domain_id")?,
            execution_role_arn: text("execution_role_arn")?,
            external_id: text("external_id"),
            tag_keys: tags.map(|tags| tags.keys().cloned().collect()).unwrap_or_default(),
            adopt_profiles: item.get("adopt_profiles").and_then(Value::as_bool).unwrap_or(false),
            doors: doors.filter_map(arn).collect(),
            account_id,
            region,
            target_role_arn,
        })
    }
}

/// What is granted to all teams, as of a state of the database and a name of the target role.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Option<(State, Arc<Vec<Grant>>)>>);

/// The count of the database's changes, and the name of the target role.
type State = (u64, String);

impl Grants {
    /// What was read at this state, or what is read now.
    pub(super) fn at(&self, state: State, read: impl FnOnce() -> Vec<Grant>) -> Arc<Vec<Grant>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, grants)) = kept.as_ref()
            && *then == state
        {
            return Arc::clone(grants);
        }
        let grants = Arc::new(read());
        *kept = Some((state, Arc::clone(&grants)));
        grants
    }
}
