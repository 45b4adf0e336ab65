//! Lambda's events: REST API (v1), HTTP API and function URL (v2), Application Load Balancer; and the
//! answers that each expects.
//!
//! `lambda_http` types them. How it tells the shapes apart is not used: it writes each event out again
//! and tries one type after the other, at a tenth of a sign-in's cost. Nor is its conversion to a
//! request: of a header that stands in an event twice it keeps one, and it panics on a host that is no
//! URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda_http::aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::aws_lambda_events::query_map::QueryMap;
use serde_json::{Map, Value, json};

use super::query::query;
use super::request::parse_address;
use super::{Body, MAX_BODY, Request, Response};

/// Which front sent an event, and so how it wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// REST API, or HTTP API with payload format 1.0.
    RestApi,
    /// HTTP API with payload format 2.0, or a function URL.
    HttpApi,
    /// Application Load Balancer; whether its target group has multi-value headers switched on.
    LoadBalancer {
        /// Answers may carry a header more than once.
        multi_value: bool,
    },
}

/// Reads an event of one of the fronts; `None` when it is something else.
///
/// What HTTP does not allow in a header's value is replaced, and the header stays: who can spoil one cookie
/// must not take away the others, nor a header that closes something.
pub fn request(mut event: Value) -> Option<(Request, Front)> {
    for member in ["headers", "multiValueHeaders"] {
        if let Some(Value::Object(headers)) = event.get_mut(member) {
            headers.retain(|name, _| HeaderName::from_bytes(name.as_bytes()).is_ok());
            headers.retain(|_, value| made_legal(value));
        }
    }
    if let Some(cookies) = event.get_mut("cookies") {
        made_legal(cookies);
    }
    // `query_map` takes a list in either member, and panics where it is empty; no front sends one.
    for member in ["queryStringParameters", "multiValueQueryStringParameters"] {
        if let Some(Value::Object(query)) = event.get_mut(member) {
            query.retain(|_, values| values.as_array().is_none_or(|values| !values.is_empty()));
        }
    }
    let has = |pointer: &str| event.pointer(pointer).is_some();
    if has("/requestContext/elb") {
        from_load_balancer(event)
    } else if has("/requestContext/http") {
        serde_json::from_value(event).ok().map(from_http_api)
    } else if has("/requestContext") && has("/httpMethod") {
        serde_json::from_value(event).ok().map(from_rest_api)
    } else {
        None
    }
}

fn from_rest_api(event: ApiGatewayProxyRequest) -> (Request, Front) {
    let query = if event.multi_value_query_string_parameters.is_empty() {
        encoded(&event.query_string_parameters)
    } else {
        encoded(&event.multi_value_query_string_parameters)
    };
    let source = event.request_context.identity.source_ip.as_deref();
    let request = Request {
        method: event.http_method,
        path: event.path.unwrap_or_default(),
        query,
        headers: merged(event.headers, event.multi_value_headers),
        body: body(event.body, event.is_base64_encoded),
        source_ip: source.and_then(parse_address),
        stage: event.request_context.stage,
    };
    (request, Front::RestApi)
}

fn from_http_api(event: ApiGatewayV2httpRequest) -> (Request, Front) {
    let mut headers = event.headers;
    // Function URLs hand the cookies over twice.
    let cookies = event.cookies.filter(|cookies| !cookies.is_empty());
    let cookies = cookies.and_then(|all| HeaderValue::from_str(&all.join("; ")).ok());
    if let Some(cookies) = cookies {
        headers.insert(header::COOKIE, cookies);
    }
    let source = event.request_context.http.source_ip.as_deref();
    let request = Request {
        method: event.request_context.http.method,
        path: event.raw_path.unwrap_or_default(),
        query: event.raw_query_string.unwrap_or_default(),
        headers,
        body: body(event.body, event.is_base64_encoded),
        source_ip: source.and_then(parse_address),
        stage: event.request_context.stage,
    };
    (request, Front::HttpApi)
}

fn from_load_balancer(event: Value) -> Option<(Request, Front)> {
    let multi_value = event.get("multiValueHeaders").is_some_and(Value::is_object);
    let event: AlbTargetGroupRequest = serde_json::from_value(event).ok()?;
    let query = if event.multi_value_query_string_parameters.is_empty() {
        as_sent(&event.query_string_parameters)
    } else {
        as_sent(&event.multi_value_query_string_parameters)
    };
    let headers = merged(event.headers, event.multi_value_headers);
    // The load balancer itself appends the peer's address.
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    let request = Request {
        method: event.http_method,
        path: event.path.unwrap_or_default(),
        query,
        source_ip: last.and_then(parse_address),
        headers,
        body: body(event.body, event.is_base64_encoded),
        stage: None,
    };
    Some((request, Front::LoadBalancer { multi_value }))
}

/// Makes the texts of a header legal (RFC 9110, 5.5): a control character becomes `?`, which stands in no
/// value that counts. What is no text is left out; whether anything stays.
fn made_legal(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            if text.contains(is_illegal) {
                *text = text.replace(is_illegal, "?");
            }
            true
        }
        Value::Array(values) => {
            values.retain_mut(|value| value.is_string() && made_legal(value));
            !values.is_empty()
        }
        _ => false,
    }
}

fn is_illegal(character: char) -> bool {
    character.is_ascii_control() && character != '\t'
}

/// Headers that an event holds once under each name, and those that it holds as lists.
fn merged(single: HeaderMap, mut multi: HeaderMap) -> HeaderMap {
    for (name, value) in &single {
        if !multi.contains_key(name) {
            multi.append(name, value.clone());
        }
    }
    multi
}

/// A query from parameters that the front has decoded.
fn encoded(parameters: &QueryMap) -> String {
    query(parameters.iter())
}

/// A query from parameters that the front has left as they were sent.
fn as_sent(parameters: &QueryMap) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// The body; empty when the event's base64 is broken, which the form's reader then reports.
fn body(text: Option<String>, is_base64: bool) -> Body {
    let text = text.unwrap_or_default();
    let longest = if is_base64 { (MAX_BODY / 3 + 2) * 4 } else { MAX_BODY };
    if text.len() > longest {
        return Body::TooLarge;
    }
    Body::Whole(if is_base64 {
        STANDARD.decode(text).unwrap_or_default().into()
    } else {
        text.into()
    })
}

/// The answer in the front's own shape.
pub fn response(response: Response, front: Front) -> Value {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let text = |value: &HeaderValue| Value::from(value.to_str().unwrap_or_default());
    let mut single = Map::new();
    let mut multi = Map::new();
    let mut cookies = Vec::new();
    for name in parts.headers.keys() {
        let values: Vec<_> = parts.headers.get_all(name).iter().map(text).collect();
        if name == header::SET_COOKIE {
            cookies.clone_from(&values);
        } else if let Some(value) = values.first() {
            single.insert(name.to_string(), value.clone());
        }
        multi.insert(name.to_string(), Value::Array(values));
    }
    match front {
        Front::RestApi => json!({
            "statusCode": status, "multiValueHeaders": multi, "body": body, "isBase64Encoded": false,
        }),
        Front::HttpApi => json!({
            "statusCode": status, "headers": single, "cookies": cookies, "body": body,
            "isBase64Encoded": false,
        }),
        Front::LoadBalancer { multi_value } => {
            let description =
                format!("{status} {}", parts.status.canonical_reason().unwrap_or("Unknown"));
            let headers = if multi_value {
                json!({"multiValueHeaders": multi})
            } else {
                // One name holds one value here, so each cookie gets a spelling of its own.
                for (name, cookie) in SET_COOKIE_SPELLINGS.iter().zip(cookies) {
                    single.insert((*name).to_owned(), cookie);
                }
                json!({"headers": single})
            };
            let mut answer = json!({
                "statusCode": status, "statusDescription": description, "body": body,
                "isBase64Encoded": false,
            });
            if let (Some(answer), Value::Object(headers)) = (answer.as_object_mut(), headers) {
                answer.extend(headers);
            }
            answer
        }
    }
}

/// An answer sets few cookies: three after a sign-in, and one for each request that is open no more.
const SET_COOKIE_SPELLINGS: [&str; 12] = [
    "set-cookie",
    "Set-cookie",
    "sEt-cookie",
    "seT-cookie",
    "set-Cookie",
    "set-cOokie",
    "set-coOkie",
    "set-cooKie",
    "set-cookIe",
    "set-cookiE",
    "SEt-cookie",
    "SeT-cookie",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(change: Value) -> Request {
        let mut event = json!({
            "resource": "/{proxy+}", "path": "/saml/acs", "httpMethod": "POST",
            "headers": {"Cookie": "b=2", "Host": "not a url!"},
            "multiValueHeaders": {"Cookie": ["a=1", "b=2"], "Host": ["not a url!"]},
            "queryStringParameters": {"a": "1 &2"}, "multiValueQueryStringParameters": {"a": ["1 &2"]},
            "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.1"}, "httpMethod": "POST"},
            "body": "SAMLResponse=x", "isBase64Encoded": false
        });
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (request, front) = request(event).unwrap();
        assert_eq!(front, Front::RestApi);
        request
    }

    #[test]
    fn repeated_headers_of_a_rest_event_are_all_kept() {
        let request = rest(json!({}));
        assert_eq!(request.headers.get_all("cookie").iter().count(), 2);
        assert_eq!(request.stage.as_deref(), Some("prod"));
        assert_eq!(request.source_ip, Some([192, 0, 2, 1].into()));
        assert_eq!(request.query_value("a").as_deref(), Some("1 &2"));
    }

    #[test]
    fn a_parameter_without_a_value_is_none_and_breaks_nothing() {
        for member in ["queryStringParameters", "multiValueQueryStringParameters"] {
            let query = json!({"a": [], "b": ["1", "2"]});
            let rest = json!({"identity": {"sourceIp": "192.0.2.1"}, "httpMethod": "GET"});
            for context in [rest, json!({"elb": {"targetGroupArn": "x"}})] {
                let event = json!({
                    "httpMethod": "GET", "path": "/", "headers": {}, "body": "",
                    "isBase64Encoded": false, "requestContext": context, member: query
                });
                let (request, front) = request(event).unwrap();
                assert_eq!(request.query, "b=1&b=2", "{member} {front:?}");
            }
        }
    }

    #[test]
    fn the_base64_flag_is_obeyed_and_broken_base64_is_an_empty_body() {
        let encoded = json!({"body": "U0FNTFJlc3BvbnNlPXg=", "isBase64Encoded": true});
        assert_eq!(rest(encoded).body.whole(), b"SAMLResponse=x");
        assert!(rest(json!({"body": "%%%", "isBase64Encoded": true})).body.whole().is_empty());
    }

    #[test]
    fn bodies_over_the_limit_stay_over_the_limit() {
        let large = "x".repeat(MAX_BODY + 10);
        assert!(matches!(rest(json!({"body": large})).body, Body::TooLarge));
    }

    #[test]
    fn a_load_balancer_without_multi_value_headers_gets_every_cookie() {
        let mut answer = Response::new(String::new());
        for cookie in ["a=1", "b=2", "c=3"] {
            answer.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        let event = response(answer, Front::LoadBalancer { multi_value: false });
        let cookies: Vec<_> = event["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .collect();
        assert_eq!(cookies.len(), 3);
    }

    #[test]
    fn a_control_character_takes_away_neither_a_cookie_nor_a_header() {
        let request = rest(json!({
            "headers": {},
            "multiValueHeaders": {
                "Cookie": ["a=1\u{1}; b=2", "c=3"],
                "Sec-Fetch-Dest": ["document", "iframe\u{7f}"],
                "X-Forwarded-For": ["192.0.2.1\u{0}", "198.51.100.2"],
                "Bad name": ["x"],
                "Accept": [null, 7],
            },
        }));
        let values = |name: &str| {
            let values = request.headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(values("cookie"), ["a=1?; b=2", "c=3"]);
        assert_eq!(values("sec-fetch-dest"), ["document", "iframe?"]);
        assert_eq!(values("x-forwarded-for"), ["192.0.2.1?", "198.51.100.2"]);
        assert_eq!(values("accept"), [""; 0]);
        let event = json!({
            "version": "2.0", "rawPath": "/", "headers": {}, "cookies": ["a=\u{2}", "b=2", 7],
            "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}},
        });
        let (read, _) = super::request(event).unwrap();
        assert_eq!(read.headers["cookie"], "a=?; b=2");
    }

    #[test]
    fn other_events_are_no_requests() {
        assert!(request(json!({"Records": []})).is_none());
        assert!(request(json!({"hello": "world"})).is_none());
    }
}
