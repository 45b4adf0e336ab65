//! The query protocol of STS and IAM: a form in, XML out.

use crate::local::html::escape;

/// A parsed query-protocol request.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self { fields: form_urlencoded::parse(body).into_owned().collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The fields as JSON text, for the log of calls and for faults.
    pub(crate) fn as_input(&self) -> serde_json::Map<String, serde_json::Value> {
        self.fields.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
    }

    /// `<name>.member.1`, `<name>.member.2`, … with an optional `.suffix`.
    pub(crate) fn members(&self, name: &str, suffix: &str) -> Vec<&str> {
        (1..).map_while(|number| self.get(&format!("{name}.member.{number}{suffix}"))).collect()
    }
}

/// Wraps a result as the service does.
pub(crate) fn envelope(namespace: &str, operation: &str, result: &str, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{namespace}\">\
         <{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

/// An error as the service writes it.
pub(crate) fn error(
    namespace: &str,
    code: &str,
    status: u16,
    message: &str,
    request_id: &str,
) -> String {
    let fault = if status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error>\
         <Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(code),
        escape(message)
    )
}
