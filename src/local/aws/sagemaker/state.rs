//! What the simulated `SageMaker` remembers, and the file in which it does.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::local::aws::{control::Settle, error::StartError, refusal::Refusal};
use crate::team::door::DoorKind;

/// All accounts and Regions, kept in `sagemaker.json` when there is a data folder.
#[derive(Debug)]
pub(crate) struct Store {
    file: Option<PathBuf>,
    world: Mutex<World>,
}

/// Keyed by account, then Region.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct World {
    places: BTreeMap<String, BTreeMap<String, Place>>,
}

/// One account in one Region.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) domains: BTreeMap<String, Domain>,
    /// What doors lead to, by ARN.
    #[serde(default)]
    pub(super) doors: BTreeMap<String, Behind>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) auth_mode: String,
    /// Every further member of `CreateDomain`, as it was given.
    pub(super) settings: Map<String, Value>,
    pub(super) tags: Vec<Tag>,
    pub(super) life: Life,
    /// Keyed by the name in lower case: names are not case sensitive.
    pub(super) profiles: BTreeMap<String, Profile>,
    #[serde(default)]
    pub(super) spaces: BTreeMap<String, Space>,
    #[serde(default)]
    pub(super) apps: Vec<App>,
    /// Of the story: new profiles of this domain are `Pending` so long.
    pub(super) profile_delay_ms: Option<u64>,
    /// Of the story: new profiles of this domain fail, for this reason.
    pub(super) profiles_fail: Option<String>,
}

impl Domain {
    /// An app of a profile, or of a space that it owns, that runs.
    pub(super) fn running_app(&self, profile: &str, now: Timestamp) -> Option<String> {
        let same = |other: &str| fold(other) == fold(profile);
        let owned = |space: &String| {
            let space = self.spaces.get(&fold(space));
            space.and_then(Space::owner).is_some_and(same)
        };
        let mut apps = self.apps.iter().filter(|app| app.life.status(now) == "InService");
        let app = apps.find(|app| {
            app.profile.as_deref().is_some_and(same) || app.space.as_ref().is_some_and(owned)
        })?;
        Some(format!("{}/{}", app.kind, app.name))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) settings: Map<String, Value>,
    pub(super) tags: Vec<Tag>,
    pub(super) efs_uid: u64,
    pub(super) life: Life,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Space {
    pub(super) name: String,
    /// Every further member of `CreateSpace`, as it was given.
    pub(super) settings: Map<String, Value>,
    pub(super) tags: Vec<Tag>,
    pub(super) life: Life,
}

impl Space {
    /// The profile that owns it, if one does.
    pub(super) fn owner(&self) -> Option<&str> {
        self.settings.get("OwnershipSettings")?.get("OwnerUserProfileName")?.as_str()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct App {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) profile: Option<String>,
    pub(super) space: Option<String>,
    pub(super) settings: Map<String, Value>,
    pub(super) tags: Vec<Tag>,
    pub(super) life: Life,
}

impl App {
    /// Whether it stops its profile or space from being deleted: an app that failed does not.
    pub(super) fn blocks(&self, now: Timestamp) -> bool {
        !matches!(self.life.status(now), "Deleted" | "Failed")
    }
}

/// An `MLflow` App, an `MLflow` tracking server or a Partner AI App.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Behind {
    pub(super) kind: DoorKind,
    pub(super) name: String,
    /// What is said of it while it changes.
    pub(super) doing: String,
    /// Every further member of its Create, as it was given.
    pub(super) settings: Map<String, Value>,
    pub(super) tags: Vec<Tag>,
    pub(super) life: Life,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

/// Where a resource stands in its asynchronous life: in `phase` until `settles`, then at `end`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Life {
    created: Timestamp,
    changed: Timestamp,
    phase: Phase,
    settles: Timestamp,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Pending,
    Updating,
    Deleting,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Status { status: String, reason: Option<String> },
    Gone,
}

impl Life {
    /// A new resource: `Pending` for `delay_ms`, then `InService`, or as ordered.
    pub(super) fn begin(now: Timestamp, delay_ms: u64, settle: Option<&Settle>) -> Self {
        let end = End::Status { status: "InService".into(), reason: None };
        let life = Self { created: now, changed: now, phase: Phase::Pending, settles: now, end };
        life.entering(Phase::Pending, now, delay_ms, settle)
    }

    /// The same resource, `Updating` for `delay_ms`.
    pub(super) fn update(&mut self, now: Timestamp, delay_ms: u64, settle: Option<&Settle>) {
        self.end = End::Status { status: "InService".into(), reason: None };
        *self = self.clone().entering(Phase::Updating, now, delay_ms, settle);
    }

    /// The same resource, `Deleting` for `delay_ms`, then gone unless ordered otherwise.
    pub(super) fn delete(&mut self, now: Timestamp, delay_ms: u64, settle: Option<&Settle>) {
        self.end = End::Gone;
        *self = self.clone().entering(Phase::Deleting, now, delay_ms, settle);
    }

    /// Ends in `Failed` with this reason instead.
    pub(super) fn failing(mut self, reason: &str) -> Self {
        self.end = End::Status { status: "Failed".into(), reason: Some(reason.into()) };
        self
    }

    fn entering(
        mut self,
        phase: Phase,
        now: Timestamp,
        delay_ms: u64,
        settle: Option<&Settle>,
    ) -> Self {
        let delay_ms = settle.and_then(|s| s.ms).unwrap_or(delay_ms);
        if let Some(status) = settle.and_then(|s| s.status.clone()) {
            self.end = End::Status { status, reason: settle.and_then(|s| s.reason.clone()) };
        }
        let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
        self.settles = now.checked_add(delay).unwrap_or(Timestamp::MAX);
        self.changed = now;
        self.phase = phase;
        self
    }

    pub(super) fn status(&self, now: Timestamp) -> &str {
        if self.is_changing(now) {
            return match self.phase {
                Phase::Pending => "Pending",
                Phase::Updating => "Updating",
                Phase::Deleting => "Deleting",
            };
        }
        match &self.end {
            End::Status { status, .. } => status,
            End::Gone => "Deleted",
        }
    }

    pub(super) fn failure_reason(&self, now: Timestamp) -> Option<&str> {
        match &self.end {
            End::Status { reason, .. } if !self.is_changing(now) => reason.as_deref(),
            _ => None,
        }
    }

    pub(super) fn is_changing(&self, now: Timestamp) -> bool {
        now < self.settles
    }

    /// Whether it was created less than so long ago.
    pub(super) fn is_younger(&self, ms: u64, now: Timestamp) -> bool {
        let age = now.duration_since(self.created).as_millis();
        age < i128::from(ms)
    }

    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.end == End::Gone && !self.is_changing(now)
    }

    /// `Status`, `CreationTime`, `LastModifiedTime` and, after a failure, `FailureReason`.
    pub(super) fn describe(&self, now: Timestamp) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("Status".into(), self.status(now).into());
        members.insert("CreationTime".into(), seconds(self.created));
        let changed = if self.is_changing(now) { self.changed } else { self.settles };
        members.insert("LastModifiedTime".into(), seconds(changed));
        if let Some(reason) = self.failure_reason(now) {
            members.insert("FailureReason".into(), reason.into());
        }
        members
    }
}

/// Epoch seconds with milliseconds, as `SageMaker` writes times.
pub(super) fn seconds(time: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this epoch fit a double")]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}

/// Names are not case sensitive.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl World {
    /// The caller's account and Region; what has gone by now is gone.
    pub(super) fn place(&mut self, account: &str, region: &str, now: Timestamp) -> &mut Place {
        let place =
            self.places.entry(account.into()).or_default().entry(region.into()).or_default();
        place.domains.retain(|_, domain| !domain.life.is_gone(now));
        for domain in place.domains.values_mut() {
            domain.profiles.retain(|_, profile| !profile.life.is_gone(now));
            domain.spaces.retain(|_, space| !space.life.is_gone(now));
            domain.apps.retain(|app| !app.life.is_gone(now - 24.hours()));
        }
        place.doors.retain(|_, behind| !behind.life.is_gone(now));
        place
    }

    /// Profiles of an account, in all Regions.
    pub(super) fn profiles(&self, account: &str) -> usize {
        let regions = self.places.get(account).into_iter().flat_map(BTreeMap::values);
        regions.flat_map(|place| place.domains.values()).map(|domain| domain.profiles.len()).sum()
    }
}

impl Place {
    pub(super) fn domain(&mut self, id: &str) -> Result<&mut Domain, Refusal> {
        let missing = || Refusal::NotFound { what: format!("Domain [{id}]") };
        self.domains.get_mut(id).ok_or_else(missing)
    }

    pub(super) fn profile(&mut self, id: &str, name: &str) -> Result<&mut Profile, Refusal> {
        let missing = || Refusal::NotFound { what: format!("UserProfile [{id}/{name}]") };
        self.domain(id)?.profiles.get_mut(&fold(name)).ok_or_else(missing)
    }

    pub(super) fn space(&mut self, id: &str, name: &str) -> Result<&mut Space, Refusal> {
        let missing = || Refusal::NotFound { what: format!("Space [{id}/{name}]") };
        self.domain(id)?.spaces.get_mut(&fold(name)).ok_or_else(missing)
    }

    pub(super) fn behind(&mut self, kind: DoorKind, arn: &str) -> Result<&mut Behind, Refusal> {
        let missing = || Refusal::NotFound { what: format!("the resource [{arn}]") };
        self.doors.get_mut(arn).filter(|behind| behind.kind == kind).ok_or_else(missing)
    }
}

impl Store {
    /// Reads the state of an earlier run, if `folder` holds one.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, StartError> {
        let file = folder.map(|folder| folder.join("sagemaker.json"));
        let world = match &file {
            Some(path) if path.exists() => {
                let text = std::fs::read(path)
                    .map_err(|source| StartError::Data { path: path.clone(), source })?;
                serde_json::from_slice(&text)
                    .map_err(|source| StartError::State { path: path.clone(), source })?
            }
            _ => World::default(),
        };
        Ok(Self { file, world: Mutex::new(world) })
    }

    /// Looks at the state; what it changes is only the forgetting of what has gone.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.lock())
    }

    /// Changes the state and, if that succeeds, writes it down.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut World) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut world = self.lock();
        let changed = change(&mut world)?;
        self.save(&world).map_err(|error| Refusal::Ordered {
            code: "InternalFailure".into(),
            status: 500,
            message: format!("the simulator cannot write its state: {error}"),
        })?;
        Ok(changed)
    }

    /// Makes the story's domains, profiles and what doors lead to, where they are missing.
    pub(crate) fn plant(&self, domains: &[PlantedDomain], doors: &[PlantedDoor], now: Timestamp) {
        let mut world = self.lock();
        for planted in doors {
            let mut parts = planted.arn.split(':').skip(3);
            let (Some(region), Some(account)) = (parts.next(), parts.next()) else { continue };
            let place = world.place(account, region, now);
            place.doors.entry(planted.arn.clone()).or_insert_with(|| planted.behind(now));
        }
        for planted in domains {
            let place = world.place(&planted.account, &planted.region, now);
            let domain = place
                .domains
                .entry(planted.domain_id.clone())
                .or_insert_with(|| planted.domain(now));
            for profile in &planted.profiles {
                domain.profiles.entry(fold(&profile.name)).or_insert_with(|| profile.profile(now));
            }
        }
        // A story that could not be written down is told again at the next start.
        let _ = self.save(&world);
    }

    /// Writes beside the file and renames, so that a crash leaves the old or the new state.
    fn save(&self, world: &World) -> std::io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let beside = path.with_extension("json.new");
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(world)?)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A domain of the story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedDomain {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) domain_id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) auth_mode: Option<String>,
    #[serde(default)]
    pub(crate) profile_delay_ms: Option<u64>,
    #[serde(default)]
    pub(crate) profiles_fail: Option<String>,
    #[serde(default)]
    pub(crate) profiles: Vec<Planted>,
}

/// A profile of the story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planted {
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) execution_role: String,
}

/// Something of the story that a door leads to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedDoor {
    pub(crate) kind: DoorKind,
    pub(crate) arn: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) settings: Map<String, Value>,
}

impl PlantedDoor {
    fn behind(&self, now: Timestamp) -> Behind {
        Behind {
            kind: self.kind,
            name: self.name.clone(),
            doing: "Creating".into(),
            settings: self.settings.clone(),
            tags: Vec::new(),
            life: Life::begin(now, 0, None),
        }
    }
}

impl PlantedDomain {
    fn domain(&self, now: Timestamp) -> Domain {
        let default_role = format!("arn:aws:iam::{}:role/StudioDomainDefault", self.account);
        let settings = json!({
            "AppNetworkAccessType": "VpcOnly",
            "VpcId": "vpc-0a1b2c3d4e5f60718",
            "SubnetIds": ["subnet-0a1b2c3d4e5f60718"],
            "DefaultUserSettings": {"ExecutionRole": default_role},
        });
        Domain {
            name: self.name.clone(),
            auth_mode: self.auth_mode.clone().unwrap_or_else(|| "IAM".into()),
            settings: settings.as_object().cloned().unwrap_or_default(),
            tags: Vec::new(),
            life: Life::begin(now, 0, None),
            profiles: BTreeMap::new(),
            spaces: BTreeMap::new(),
            apps: Vec::new(),
            profile_delay_ms: self.profile_delay_ms,
            profiles_fail: self.profiles_fail.clone(),
        }
    }
}

impl Planted {
    fn profile(&self, now: Timestamp) -> Profile {
        let mut settings = Map::new();
        settings.insert("ExecutionRole".into(), self.execution_role.as_str().into());
        let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
        Profile {
            name: self.name.clone(),
            settings,
            tags: self.tags.iter().map(tag).collect(),
            efs_uid: 200_005,
            life: Life::begin(now, 0, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_from_pending_through_updating_and_deleting_to_gone() {
        let start = Timestamp::UNIX_EPOCH;
        let mut life = Life::begin(start, 1000, None);
        assert_eq!(life.status(start), "Pending");
        let ready = start + 1.second();
        assert_eq!(life.status(ready), "InService");
        life.update(ready, 1000, None);
        assert_eq!(life.status(ready), "Updating");
        life.delete(ready + 1.second(), 1000, None);
        assert_eq!(life.status(ready + 1.second()), "Deleting");
        assert!(!life.is_gone(ready + 1.second()));
        assert!(life.is_gone(ready + 2.seconds()));
    }

    #[test]
    fn an_ordered_end_carries_its_reason_once_it_is_reached() {
        let start = Timestamp::UNIX_EPOCH;
        let settle = Settle {
            ms: Some(50),
            status: Some("Update_Failed".into()),
            reason: Some("because".into()),
        };
        let mut life = Life::begin(start, 0, None);
        life.update(start, 1000, Some(&settle));
        assert_eq!(life.failure_reason(start), None);
        let later = start + 50.milliseconds();
        assert_eq!(life.status(later), "Update_Failed");
        assert_eq!(life.failure_reason(later), Some("because"));
    }

    #[test]
    fn state_survives_a_restart() {
        let folder = std::env::temp_dir().join(format!("studio-broker-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let scenario = crate::local::scenario::Scenario::embedded().unwrap();
        Store::open(Some(&folder)).unwrap().plant(
            &scenario.domains,
            &scenario.doors,
            Timestamp::UNIX_EPOCH,
        );
        let mut world = Store::open(Some(&folder)).unwrap().world.into_inner().unwrap();
        let place = world.place("222222222222", "us-east-1", Timestamp::UNIX_EPOCH);
        assert!(place.domain("d-localteam001").is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
