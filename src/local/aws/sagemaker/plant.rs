//! The scenario's domains, profiles and what doors lead to, as `SageMaker` would have made them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, json};

use super::{
    life::Life,
    state::{Behind, Domain, Profile, Store, Tag, fold},
};
use crate::local::scenario::{Planted, PlantedDomain, PlantedDoor};

impl Store {
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
    fn state_survives_a_restart() {
        let folder = std::env::temp_dir().join(format!("studio-broker-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let scenario = crate::local::scenario::Scenario::embedded().unwrap();
        Store::open(Some(&folder)).unwrap().plant(
            &scenario.domains,
            &scenario.doors,
            Timestamp::UNIX_EPOCH,
        );
        let store = Store::open(Some(&folder)).unwrap();
        let mut world = store.lock();
        let place = world.place("222222222222", "us-east-1", Timestamp::UNIX_EPOCH);
        assert!(place.domain("d-localteam001").is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
