//! The parameters of one operation, each held against its pattern in the service model.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::state::Tag;
use crate::local::aws::{
    refusal::{Refusal, invalid},
    sts::is_tag_character,
};

/// The JSON object of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Map<String, Value>);

/// A string's pattern, as the model writes it and as code.
pub(crate) struct Rule {
    pub(crate) pattern: &'static str,
    pub(crate) holds: fn(&str) -> bool,
}

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
            && crate::local::aws::caller::is_account(account)
            && role.strip_prefix("role").is_some_and(|name| {
                !name.trim_start_matches('/').is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
            })
    },
};

/// Any text: the model sets no pattern.
pub(crate) const ANY: Rule = Rule { pattern: ".*", holds: |_| true };

impl<'a> Input<'a> {
    pub(crate) fn required(self, member: &str, rule: &Rule) -> Result<&'a str, Refusal> {
        self.optional(member, rule)?
            .ok_or_else(|| constraint("null", member, "Member must not be null"))
    }

    pub(crate) fn optional(self, member: &str, rule: &Rule) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if (rule.holds)(text) => Ok(Some(text)),
            Some(Value::String(text)) => {
                let rule = rule.pattern;
                Err(constraint(
                    text,
                    member,
                    &format!("Member must satisfy regular expression pattern: {rule}"),
                ))
            }
            Some(_) => Err(Refusal::Serialization { message: format!("{member} is no string") }),
        }
    }

    pub(crate) fn number(
        self,
        member: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Refusal> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) if range.contains(&number) => Ok(Some(number)),
                Some(number) => Err(constraint(
                    &number.to_string(),
                    member,
                    &format!(
                        "Member must have value between {} and {}",
                        range.start(),
                        range.end()
                    ),
                )),
                None => Err(Refusal::Serialization { message: format!("{member} is no integer") }),
            },
        }
    }

    /// A structure that is carried as it is, members that nobody has heard of included.
    pub(crate) fn object(self, member: &str) -> Result<Option<Map<String, Value>>, Refusal> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object.clone())),
            Some(_) => Err(Refusal::Serialization { message: format!("{member} is no structure") }),
        }
    }

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

    /// One page of `items` by `MaxResults` (1–100, 10 unless asked) and `NextToken`, as the object
    /// `{<member>: […], NextToken?}`.
    pub(crate) fn page(self, member: &str, items: Vec<Value>) -> Result<Value, Refusal> {
        let size = self.number("MaxResults", 1..=100)?.unwrap_or(10);
        let size = usize::try_from(size).unwrap_or(10);
        let from = match self.optional("NextToken", &ANY)? {
            None => 0,
            Some(token) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .and_then(|text| text.strip_prefix("from ")?.parse::<usize>().ok())
                .ok_or_else(|| invalid("The specified token is invalid."))?,
        };
        let rest = items.len().saturating_sub(from) > size;
        let page: Vec<Value> = items.into_iter().skip(from).take(size).collect();
        let mut answer = json!({member: page});
        if rest && let Some(answer) = answer.as_object_mut() {
            let token = URL_SAFE_NO_PAD.encode(format!("from {}", from.saturating_add(size)));
            answer.insert("NextToken".into(), token.into());
        }
        Ok(answer)
    }
}

/// The service's own words for a parameter outside its constraint.
pub(crate) fn constraint(value: &str, member: &str, rule: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         {rule}"
    ))
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

    #[test]
    fn pages_follow_one_another_until_the_last() {
        let items: Vec<Value> = (0..12).map(Value::from).collect();
        let first = Map::new();
        let page = Input(&first).page("Items", items.clone()).unwrap();
        assert_eq!(page["Items"].as_array().unwrap().len(), 10);
        let mut second = Map::new();
        second.insert("NextToken".into(), page["NextToken"].clone());
        let page = Input(&second).page("Items", items).unwrap();
        assert_eq!(page, json!({"Items": [10, 11]}));
    }
}
