//! The accounts and domains that teams ever had: profiles may stand there when no team does any more.
//!
//! They are one item of the teams table, under a key that no team can have, since no id begins with a
//! hyphen. It is written before a team is, so that it does not matter how a team goes: by a command, by
//! hand, or with the account. It is a String Set that writes only add to, so that two administrators never
//! overwrite each other, and nothing but [`crate::aws::mapping_tables`] ever reads it as anything else: a
//! sign-in looks teams up by ids that it has parsed.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::team::item::{Item, Record};
use crate::team::{AccountId, DomainId, Region, Team};

/// The key of the item.
pub const KEY: &str = "-places";
/// The attribute that holds them.
pub const ATTRIBUTE: &str = "places";

/// Where teams live together.
pub type Place = (AccountId, Region, DomainId);

/// The place of a team.
pub fn of_team(team: &Team) -> Place {
    (team.account_id.clone(), team.region.clone(), team.domain_id.clone())
}

/// The place that an item names, usable or not.
pub fn of_item(item: &Item) -> Option<Place> {
    let text = |name: &str| item.get(name)?.as_str().map(str::to_owned);
    let account = AccountId::try_from(text("account_id")?).ok()?;
    let region = Region::try_from(text("region")?).ok()?;
    Some((account, region, DomainId::try_from(text("domain_id")?).ok()?))
}

/// A place as the item holds it: `222222222222 eu-west-1 d-abc`.
pub fn written((account, region, domain): &Place) -> String {
    format!("{account} {region} {domain}")
}

/// The places of the item; what is none is left out.
pub fn read(record: &Record) -> BTreeSet<Place> {
    let texts: Vec<&String> = match record.get(ATTRIBUTE) {
        Some(AttributeValue::Ss(set)) => set.iter().collect(),
        Some(AttributeValue::L(list)) => list.iter().filter_map(|one| one.as_s().ok()).collect(),
        _ => Vec::new(),
    };
    let place = |text: &String| {
        let mut words = text.split(' ').map(str::to_owned);
        let (account, region) = (words.next()?, words.next()?);
        let domain = DomainId::try_from(words.next()?).ok()?;
        Some((AccountId::try_from(account).ok()?, Region::try_from(region).ok()?, domain))
    };
    texts.into_iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::TeamId;

    #[test]
    fn no_team_can_have_the_key() {
        assert!(TeamId::try_from(KEY.to_owned()).is_err());
    }

    #[test]
    fn places_are_read_as_they_are_written_and_nonsense_is_left_out() {
        let text = "222222222222 eu-west-1 d-abc";
        let set = AttributeValue::Ss(vec![text.into(), "x".into(), "1 eu-west-1 d-abc".into()]);
        let read = read(&Record::from([(ATTRIBUTE.to_owned(), set)]));
        assert_eq!(read.iter().map(written).collect::<Vec<_>>(), [text]);
    }
}
