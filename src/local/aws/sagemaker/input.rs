//! What only `SageMaker`'s parameters know: its ids and names, `UserSettings`, `Tags`.

use serde_json::{Map, Value};

use super::state::Tag;
use crate::local::aws::{
    caller::is_account,
    input::{Input, Rule, constraint, is_tag_character},
    refusal::{Refusal, invalid},
};

pub(crate) const DOMAIN_ID: Rule = Rule {
    pattern: "d-(-*[a-z0-9]){1,61}",
    holds: |text| {
        text.len() <= 63
            && text.strip_prefix("d-").is_some_and(|id| {
                id.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    },
};

/// Profiles, spaces, apps and domains.
pub(crate) const NAME: Rule = Rule {
    pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    holds: |text| {
        text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    },
};

const ROLE_ARN: Rule = Rule {
    pattern: r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
    holds: |text| {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service, region, account, role) =
            (next(), next(), next(), next(), next(), next());
        (20..=2048).contains(&text.len())
            && arn == "arn"
            && partition.starts_with("aws")
            && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            && (service, region) == ("iam", "")
            && is_account(account)
            && role.strip_prefix("role").is_some_and(|name| {
                !name.trim_start_matches('/').is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
            })
    },
};

impl Input<'_> {
    /// `UserSettings` and its like: opaque, but for what the service must look at.
    pub(super) fn settings(
        self,
        member: &str,
        account: &str,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let settings = self.object(member)?;
        if let Some(settings) = &settings {
            if let Some(role) = Input(settings).optional("ExecutionRole", &ROLE_ARN)?
                && role.split(':').nth(4) != Some(account)
            {
                return Err(invalid(format!("Cross-account pass role is not allowed: {role}")));
            }
            match settings.get("SecurityGroups") {
                None | Some(Value::Null) => {}
                Some(Value::Array(groups)) if groups.len() <= 5 => {}
                Some(_) => {
                    return Err(constraint(
                        "…",
                        &format!("{member}.SecurityGroups"),
                        "Member must have length less than or equal to 5",
                    ));
                }
            }
        }
        Ok(settings)
    }

    /// `Tags`: at most 50, the tag alphabet, no key twice, none that starts with `aws:`.
    pub(super) fn tags(self) -> Result<Vec<Tag>, Refusal> {
        let Some(value) = self.0.get("Tags").filter(|v| !v.is_null()) else {
            return Ok(Vec::new());
        };
        let tags: Vec<Tag> = serde_json::from_value(value.clone())
            .map_err(|e| Refusal::Serialization { message: format!("Tags: {e}") })?;
        if tags.len() > 50 {
            return Err(constraint(
                "…",
                "tags",
                "Member must have length less than or equal to 50",
            ));
        }
        for (index, tag) in tags.iter().enumerate() {
            let length = tag.key.chars().count();
            let alphabet = tag.key.chars().chain(tag.value.chars()).all(is_tag_character);
            if !(1..=128).contains(&length) || tag.value.chars().count() > 256 || !alphabet {
                return Err(constraint(
                    &format!("{}={}", tag.key, tag.value),
                    "tags",
                    r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
                ));
            }
            if tag.key.to_ascii_lowercase().starts_with("aws:") {
                return Err(invalid(
                    "aws: prefixed tag key names are not allowed for external use.",
                ));
            }
            if tags.iter().take(index).any(|earlier| earlier.key == tag.key) {
                return Err(invalid(format!("Duplicate tag key: {}", tag.key)));
            }
        }
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_inner_hyphens() {
        for (name, holds) in [
            ("a", true),
            ("user-1-team1", true),
            ("a--b", true),
            (&"a".repeat(63), true),
            (&"a".repeat(64), false),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a.b", false),
            ("jane@example.com", false),
            ("a_b", false),
        ] {
            assert_eq!((NAME.holds)(name), holds, "{name}");
        }
    }

    #[test]
    fn role_arns_are_complete() {
        for (arn, holds) in [
            ("arn:aws:iam::222222222222:role/R", true),
            ("arn:aws-cn:iam::222222222222:role/path/R", true),
            ("arn:aws:iam::22222222222:role/R", false),
            ("arn:aws:iam::222222222222:user/R", false),
            ("arn:aws:iam::222222222222:role/", false),
            ("arn:aws:sts::222222222222:role/Rabcdef", false),
        ] {
            assert_eq!((ROLE_ARN.holds)(arn), holds, "{arn}");
        }
    }
}
