//! Whom the identity store knows: the scenario's people and groups, and what was made beside them.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::local::{
    aws::{error::StartError, refusal::Refusal},
    scenario::{Group, Scenario},
};

/// What was made beside the story, kept in `directory.json` when there is a data folder.
#[derive(Debug)]
pub(crate) struct Directory {
    file: Option<PathBuf>,
    made: Mutex<Made>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) groups: Vec<Group>,
    pub(super) memberships: Vec<Membership>,
    /// Groups and memberships of the story that were removed, by their id.
    pub(super) removed: Vec<String>,
    pub(super) assignments: Vec<Assignment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) user: String,
}

/// A user or group that may use an application of Identity Center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) application: String,
    pub(crate) principal: String,
    /// `USER` or `GROUP`.
    pub(crate) kind: String,
}

impl Directory {
    /// Reads what an earlier run made, if `folder` holds it.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, StartError> {
        let file = folder.map(|folder| folder.join("directory.json"));
        let made = match &file {
            Some(path) if path.exists() => {
                let text = std::fs::read(path)
                    .map_err(|source| StartError::Data { path: path.clone(), source })?;
                serde_json::from_slice(&text)
                    .map_err(|source| StartError::State { path: path.clone(), source })?
            }
            _ => Made::default(),
        };
        Ok(Self { file, made: Mutex::new(made) })
    }

    /// A group of the scenario or one that was made, by its id.
    pub(crate) fn group(&self, scenario: &Scenario, id: &str) -> Option<Group> {
        self.groups(scenario).into_iter().find(|group| group.group_id == id)
    }

    pub(super) fn groups(&self, scenario: &Scenario) -> Vec<Group> {
        let made = self.lock();
        let of_story = scenario.groups().iter();
        let all = of_story.chain(&made.groups);
        all.filter(|group| !made.removed.contains(&group.group_id)).cloned().collect()
    }

    pub(super) fn memberships(&self, scenario: &Scenario) -> Vec<Membership> {
        let made = self.lock();
        let of_story = scenario.people().iter().flat_map(|person| {
            person.groups.iter().map(|group| Membership {
                id: uuid_of(&format!("membership {} {group}", person.user_id)),
                group: group.clone(),
                user: person.user_id.clone(),
            })
        });
        let all = of_story.chain(made.memberships.iter().cloned());
        all.filter(|m| !made.removed.contains(&m.id) && !made.removed.contains(&m.group)).collect()
    }

    pub(crate) fn assignments(&self) -> Vec<Assignment> {
        self.lock().assignments.clone()
    }

    pub(crate) fn assign(&self, assignment: Assignment) -> Result<(), Refusal> {
        self.change(|made| {
            if made.assignments.contains(&assignment) {
                return Err(conflict("the assignment exists"));
            }
            made.assignments.push(assignment);
            Ok(())
        })
    }

    pub(crate) fn unassign(&self, assignment: &Assignment) -> Result<(), Refusal> {
        self.change(|made| {
            let before = made.assignments.len();
            made.assignments.retain(|present| present != assignment);
            if made.assignments.len() == before {
                return Err(missing("ASSIGNMENT", &assignment.principal));
            }
            Ok(())
        })
    }

    /// Changes what was made and, if that succeeds, writes it down.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Made) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut made = self.lock();
        let mut changed = made.clone();
        let answer = change(&mut changed)?;
        if let Some(path) = &self.file {
            let text = serde_json::to_vec(&changed).map_err(std::io::Error::other);
            text.and_then(|text| std::fs::write(path, text)).map_err(|error| Refusal::Ordered {
                code: "InternalServerException".into(),
                status: 500,
                message: format!("the simulator cannot write its state: {error}"),
            })?;
        }
        *made = changed;
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id of the store's form, always the same for the same text.
fn uuid_of(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, length: usize| hex.get(from..from + length).unwrap_or_default();
    [part(0, 8), part(8, 4), part(12, 4), part(16, 4), part(20, 12)].join("-")
}

pub(super) fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::NotFound { what: format!("{kind} [{id}]") }
}

pub(super) fn conflict(why: &str) -> Refusal {
    Refusal::Ordered { code: "ConflictException".into(), status: 400, message: why.into() }
}
