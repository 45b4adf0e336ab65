//! Whose profile it is: its tags and its name say so, and nothing else.
//!
//! Whoever can write tags in an account could call any profile anybody's; whoever can create profiles could
//! give one any name. Only where both agree, and with the very team, a profile is a person's own.

use std::collections::BTreeMap;

use super::TeamId;
use super::owner::Owner;

/// The tag that names the team.
pub const TEAM_TAG: &str = "Team";
/// The tag that names the owner.
pub const USER_TAG: &str = "User";
/// The tag that ends what is open: a profile that carries it, whatever its value, opens for nobody. IAM
/// compares the keys of tags without case, and so is it done wherever it is looked for.
pub const REVOKED_TAG: &str = "StudioBrokerRevoked";

/// Whether tags end what is open.
pub fn is_revoked(tags: &BTreeMap<String, String>) -> bool {
    tags.keys().any(|key| key.eq_ignore_ascii_case(REVOKED_TAG))
}

/// How a profile stands to an owner in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It is theirs.
    Theirs,
    /// It is the team's, and no person's yet.
    Nobodys,
    /// It has no tag at all. Tags of a profile that was just created may be seen later than the profile.
    Untagged,
    /// It has another name than the broker gives this owner in this team.
    OtherName,
    /// Its tag names another team, or none.
    OtherTeam,
    /// Its tag names another person.
    OtherOwner,
}

/// Whose the profile of this name with these tags is, to an owner whose profile in the team is called
/// `expected`. SageMaker takes names that differ in case alone for the same one.
pub fn whose(
    name: &str,
    tags: &BTreeMap<String, String>,
    expected: &str,
    team: &TeamId,
    owner: &Owner,
) -> Whose {
    let tag = |key| tags.get(key).map(String::as_str);
    if !name.eq_ignore_ascii_case(expected) {
        Whose::OtherName
    } else if tags.is_empty() {
        Whose::Untagged
    } else if tag(TEAM_TAG) != Some(team.as_str()) {
        Whose::OtherTeam
    } else {
        match tag(USER_TAG) {
            None => Whose::Nobodys,
            Some(user) if user == owner.as_str() => Whose::Theirs,
            Some(_) => Whose::OtherOwner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_theirs_only_where_name_team_and_owner_are() {
        let owner = Owner::new("default", "ann");
        let team = TeamId::try_from("blue".to_owned()).unwrap();
        let own = [("Team", "blue"), ("User", "ann")];
        let more = [own[0], own[1], ("x", "y")];
        let of = |name: &str, tags: &[(&str, &str)]| {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            whose(name, &tags.collect(), "ann-blue", &team, &owner)
        };
        for (name, tags) in [("ann-blue", &own[..]), ("Ann-BLUE", &more)] {
            assert_eq!(of(name, tags), Whose::Theirs, "{name}");
        }
        for name in ["", "ann-blu", "ann-blue2", "ann-blue "] {
            assert_eq!(of(name, &own), Whose::OtherName, "{name}");
            assert_eq!(of(name, &[]), Whose::OtherName, "{name}");
        }
        assert_eq!(of("ann-blue", &[]), Whose::Untagged);
        for tag in [("x", "y"), ("Team", "Blue"), ("team", "blue"), ("Team", "blue "), ("Team", "")]
        {
            assert_eq!(of("ann-blue", &[tag, own[1]]), Whose::OtherTeam, "{tag:?}");
        }
        assert_eq!(of("ann-blue", &[own[0]]), Whose::Nobodys);
        assert_eq!(of("ann-blue", &[own[0], ("user", "ann")]), Whose::Nobodys);
        for user in ["", "Ann", "ann2", "an"] {
            assert_eq!(of("ann-blue", &[own[0], ("User", user)]), Whose::OtherOwner, "{user}");
        }
    }

    #[test]
    fn the_tag_that_revokes_counts_in_any_case_and_with_any_value() {
        let tags = |key: &str| BTreeMap::from([(key.to_owned(), String::new())]);
        assert!(is_revoked(&tags("StudioBrokerRevoked")));
        assert!(is_revoked(&tags("studiobrokerREVOKED")));
        assert!(!is_revoked(&tags("StudioBrokerRevoked2")) && !is_revoked(&BTreeMap::new()));
    }
}
