//! A part of the log in a file: JSON lines, or what `aws logs filter-log-events` and
//! `aws logs get-query-results` print.

use std::path::Path;

use serde_json::Value;

use super::input::text_of;
use super::output::{Code, Failure, plain};

/// The lines of a log, each a JSON object; what is none is left out.
pub(super) fn lines(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = text_of(path).map_err(|error| {
        let name = plain(&path.to_string_lossy());
        Failure::usage(format!("{name}: {error}")).code(Code::FileUnreadable)
    })?;
    Ok(of(&text))
}

fn of(text: &str) -> Vec<Value> {
    let line =
        |text: &str| serde_json::from_str::<Value>(text.trim()).ok().filter(Value::is_object);
    if let Some(whole) = line(text)
        && let Some(events) = whole.get("events").or_else(|| whole.get("results"))
    {
        let messages = events.as_array().into_iter().flatten().filter_map(message);
        return messages.filter_map(|text| line(&text)).collect();
    }
    // `aws logs tail` writes a moment and a stream in front of each line.
    let bare = |text: &str| line(text).or_else(|| line(text.get(text.find('{')?..)?));
    text.lines().filter_map(bare).collect()
}

/// The text of one event, or of one row of fields.
fn message(event: &Value) -> Option<String> {
    let text = match event {
        Value::Array(fields) => fields
            .iter()
            .find(|field| field.get("field").and_then(Value::as_str) == Some("@message"))?
            .get("value"),
        event => event.get("message"),
    };
    text?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_in_which_aws_gives_the_log_is_read() {
        let inner = json!({"event": "decision", "reference": "r"});
        let text = inner.to_string();
        for log in [
            format!("{text}\nnot json\n"),
            format!("2026-01-01T00:00:00 stream {text}\n"),
            json!({"events": [{"message": format!("{text}\n")}]}).to_string(),
            json!({"results": [[{"field": "@message", "value": text}]]}).to_string(),
        ] {
            assert_eq!(of(&log), std::slice::from_ref(&inner), "{log}");
        }
        assert!(of("").is_empty());
    }
}
