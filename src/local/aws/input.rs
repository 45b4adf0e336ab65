//! The parameters of one operation, each held against its pattern in the service model.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::refusal::{Refusal, invalid};

/// The JSON object of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Map<String, Value>);

/// A string's pattern, as the model writes it and as code.
pub(crate) struct Rule {
    pub(crate) pattern: &'static str,
    pub(crate) holds: fn(&str) -> bool,
}

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

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, the alphabet of tags in STS and `SageMaker`.
pub(crate) fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

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
