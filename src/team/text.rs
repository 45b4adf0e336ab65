//! The texts that a team is made of, each parsed where it enters and never a raw string after.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::team::item::Attribute;

/// Defines a text type: a rule in words, a rule as a pattern for the schema, a rule as code.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $expected:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = $pattern))]
        pub struct $name(String);

        impl $name {
            /// The text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let rule: fn(&str) -> bool = $rule;
                if rule(&text) { Ok(Self(text)) } else { Err(concat!("expected ", $expected).into()) }
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Attribute for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(value: &Value) -> Option<Self> {
                Self::try_from(value.as_str()?.to_owned()).ok()
            }
        }
    };
}

text! {
    /// A team's id, the key of its item: the unit of access.
    TeamId,
    "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    "1 to 63 of a-z A-Z 0-9 -, first and last a letter or digit",
    |text| text.len() <= 63 && is_hyphenated(text)
}

text! {
    /// An AWS account id, as text.
    AccountId,
    "^[0-9]{12}$",
    "12 digits as text (S): a number loses leading zeros",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

text! {
    /// The name of an AWS Region of a known partition.
    Region,
    "^(us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov|us-iso|us-isob|us-isof|eu-isoe|eusc-de)-[a-z]+-[0-9]{1,2}$",
    "the name of a Region, such as eu-west-1",
    |text| partition_of(text).is_some()
}

text! {
    /// A SageMaker domain id
    /// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateUserProfile.html>).
    DomainId,
    "^d-(-*[a-z0-9]){1,61}$",
    "a domain id: d- and 1 to 61 of a-z 0-9 -, the last a letter or digit",
    |text| {
        let Some(rest) = text.strip_prefix("d-") else { return false };
        text.len() <= 63
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && rest.bytes().last().is_some_and(|b| b != b'-')
    }
}

text! {
    /// The ARN of an IAM role
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
    RoleArn,
    "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z_0-9+=,.@/-]+$",
    "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/Name",
    |text| RoleParts::of(text).is_some()
}

text! {
    /// The name of a SageMaker space.
    SpaceName,
    "^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$",
    "1 to 63 of a-z A-Z 0-9 -, first and last a letter or digit",
    |text| text.len() <= 63 && is_hyphenated(text)
}

text! {
    /// The id of a door, in its address.
    DoorId,
    "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
    "1 to 32 of a-z 0-9 -, first and last a letter or digit",
    |text| {
        text.len() <= 32 && is_hyphenated(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
    }
}

/// Letters, digits and hyphens between them: `[a-zA-Z0-9](-*[a-zA-Z0-9])*`.
pub(super) fn is_hyphenated(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl Region {
    /// The partition that the Region lies in: `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &'static str {
        partition_of(&self.0).unwrap_or("aws")
    }
}

/// The partition of a Region by its name; the prefixes are those of the SDKs' `partitions.json`.
fn partition_of(region: &str) -> Option<&'static str> {
    let (rest, number) = region.rsplit_once('-')?;
    let (prefix, place) = rest.rsplit_once('-')?;
    let number_holds =
        (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let place_holds = !place.is_empty() && place.bytes().all(|b| b.is_ascii_lowercase());
    if !number_holds || !place_holds {
        return None;
    }
    Some(match prefix {
        "us" | "eu" | "ap" | "sa" | "ca" | "me" | "af" | "il" | "mx" => "aws",
        "cn" => "aws-cn",
        "us-gov" => "aws-us-gov",
        "us-iso" => "aws-iso",
        "us-isob" => "aws-iso-b",
        "us-isof" => "aws-iso-f",
        "eu-isoe" => "aws-iso-e",
        "eusc-de" => "aws-eusc",
        _ => return None,
    })
}

/// The partition of a Region by its name, for a Region that the SDK was given.
pub fn partition(region: &str) -> &'static str {
    partition_of(region).unwrap_or("aws")
}

impl RoleArn {
    /// The role named `name` in an account: what the broker assumes when a team names no role.
    pub fn target(partition: &str, account: &AccountId, name: &str) -> Self {
        Self(format!("arn:{partition}:iam::{account}:role/{name}"))
    }

    /// The partition that the ARN names.
    pub fn partition(&self) -> &str {
        RoleParts::of(&self.0).map_or("", |parts| parts.partition)
    }

    /// The account that the ARN names.
    pub fn account(&self) -> &str {
        RoleParts::of(&self.0).map_or("", |parts| parts.account)
    }

    /// The path, without a slash in front, and the name: `studio-broker/Studio-team1`.
    pub fn path_and_name(&self) -> &str {
        RoleParts::of(&self.0).map_or("", |parts| parts.path_and_name)
    }
}

struct RoleParts<'a> {
    partition: &'a str,
    account: &'a str,
    path_and_name: &'a str,
}

impl<'a> RoleParts<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (arn_, partition) = (parts.next()?, parts.next()?);
        let (service, region) = (parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let name = resource.strip_prefix("role/")?;
        let holds = arn_ == "arn"
            && partition
                .strip_prefix("aws")
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
            && service == "iam"
            && region.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !name.is_empty()
            && !name.ends_with('/')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
            && (20..=2048).contains(&arn.len());
        holds.then_some(Self { partition, account, path_and_name: name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds<T: TryFrom<String>>(text: &str) -> bool {
        T::try_from(text.to_owned()).is_ok()
    }

    #[test]
    fn team_ids_are_letters_digits_and_inner_hyphens_up_to_63() {
        for good in ["a", "Team1", "a-b", "a--b", &"x".repeat(63)] {
            assert!(holds::<TeamId>(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert!(!holds::<TeamId>(bad), "{bad}");
        }
    }

    #[test]
    fn regions_belong_to_a_known_partition() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("ap-southeast-5", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-isob-east-1", "aws-iso-b"),
        ] {
            assert_eq!(partition_of(region), Some(partition), "{region}");
        }
        for bad in [
            "",
            "mars-north-1",
            "eu-west",
            "eu-west-1a",
            "EU-WEST-1",
            "eu-west-1.evil.com",
            "eu-wеst-1",
        ] {
            assert!(!holds::<Region>(bad), "{bad}");
        }
    }

    #[test]
    fn role_arns_name_partition_and_account() {
        let arn =
            RoleArn::try_from("arn:aws-cn:iam::123456789012:role/path/Name".to_owned()).unwrap();
        assert_eq!((arn.partition(), arn.account()), ("aws-cn", "123456789012"));
        for bad in [
            "arn:aws:iam::123456789012:user/Name",
            "arn:aws:iam::12345678901:role/Name",
            "arn:aws:iam:us-east-1:123456789012:role/Name",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:evil:iam::123456789012:role/Name",
        ] {
            assert!(!holds::<RoleArn>(bad), "{bad}");
        }
    }

    #[test]
    fn domain_ids_start_with_d() {
        assert!(holds::<DomainId>("d-abc123def456"));
        for bad in ["abc", "d-", "d-ABC", "d-a-", "d-a_b", &format!("d-{}", "a".repeat(62))] {
            assert!(!holds::<DomainId>(bad), "{bad}");
        }
    }
}
