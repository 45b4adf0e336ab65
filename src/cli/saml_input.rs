//! A response as people get hold of one: XML, base64, the body of the form as browsers copy it, or a HAR file.

use serde_json::Value;

/// The response that a file holds, as XML or base64; what is none of these is returned as it is, so that
/// the verifier refuses it. Beside it what is odd about the file.
pub(super) fn response(bytes: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    let Ok(text) = std::str::from_utf8(&bytes) else { return (bytes, None) };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{')
        && let Ok(har) = serde_json::from_str::<Value>(text)
    {
        return match from_har(&har) {
            Some(response) => (response.into_bytes(), None),
            None => (
                bytes,
                Some(
                    "no request in it holds a SAMLResponse; record a HAR file with \"preserve log\", from before the sign-in on",
                ),
            ),
        };
    }
    if let Some(response) = from_form(text) {
        return (response.into_bytes(), None);
    }
    let is_encoded = text.contains('%') && !text.starts_with('<');
    match is_encoded {
        true => (percent_encoding::percent_decode_str(text).collect(), None),
        false => (bytes, None),
    }
}

/// The field of a form's body. A `+` of base64 that was copied without its encoding reads as a space.
fn from_form(body: &str) -> Option<String> {
    const FIELD: &str = "SAMLResponse=";
    if !body.starts_with(FIELD) && !body.contains("&SAMLResponse=") {
        return None;
    }
    let mut fields = form_urlencoded::parse(body.as_bytes());
    let (_, value) = fields.find(|(name, _)| name == "SAMLResponse")?;
    Some(value.replace(' ', "+"))
}

/// The last response that was posted: the recorder may have begun before an earlier sign-in.
fn from_har(har: &Value) -> Option<String> {
    let entries = har.pointer("/log/entries")?.as_array()?;
    entries.iter().rev().find_map(|entry| {
        let data = entry.pointer("/request/postData")?;
        let params = data.get("params").and_then(Value::as_array).into_iter().flatten();
        let named = params
            .filter(|param| param.get("name").and_then(Value::as_str) == Some("SAMLResponse"))
            .find_map(|param| param.get("value")?.as_str());
        // Some recorders keep the encoding in the list of fields.
        let decoded = |value: &str| {
            percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
        };
        named.map(decoded).or_else(|| from_form(data.get("text")?.as_str()?))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_response_is_found_wherever_a_browser_puts_it() {
        let base64 = "PHNhbWw+/a==";
        let encoded = "PHNhbWw%2B%2Fa%3D%3D";
        let har = |data: Value| {
            json!({"log": {"entries": [{"request": {"postData": data}}, {"request": {}}]}})
                .to_string()
        };
        for text in [
            base64.to_owned(),
            encoded.to_owned(),
            format!("SAMLResponse={encoded}&RelayState=x"),
            format!("RelayState=x&SAMLResponse={encoded}\n"),
            format!("SAMLResponse={base64}"),
            har(json!({"params": [{"name": "SAMLResponse", "value": encoded}]})),
            har(json!({"params": [{"name": "SAMLResponse", "value": base64}]})),
            har(json!({"text": format!("SAMLResponse={encoded}")})),
        ] {
            let (found, doubt) = response(text.clone().into_bytes());
            assert_eq!(doubt, None, "{text}");
            assert_eq!(String::from_utf8_lossy(&found).trim(), base64, "{text}");
        }
        assert!(response(har(json!({})).into_bytes()).1.is_some());
        assert_eq!(response(b"<a>100%</a>".to_vec()).0, b"<a>100%</a>");
        assert_eq!(response(vec![0xff]).0, [0xff]);
    }
}
