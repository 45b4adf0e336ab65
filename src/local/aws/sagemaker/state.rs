//! What the simulated `SageMaker` remembers, and the file in which it does.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::life::Life;
use crate::local::aws::{error::StartError, refusal::Refusal};
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

    /// Writes beside the file and renames, so that a crash leaves the old or the new state.
    pub(super) fn save(&self, world: &World) -> std::io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let beside = path.with_extension("json.new");
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(world)?)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
