//! The test identity provider over HTTP. That its signatures verify is shown by other people's
//! verifiers, in `tests/boto3/test_idp.py`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use studio_broker::local::{
    aws::{self, AwsOptions, RunningAws},
    idp::{self, IdpOptions, RunningIdp},
    seed,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const ACS: &str = "http://localhost:8400/saml/acs";
const SP: &str = "http://localhost:8400/saml/metadata";

struct Stage {
    idp: RunningIdp,
    _aws: RunningAws,
}

impl Stage {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = aws::start(listener, AwsOptions::default()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = IdpOptions {
            data: None,
            acs_url: ACS.into(),
            sp_entity_id: SP.into(),
            studio: aws.studio(),
        };
        let idp = idp::start(listener, options).unwrap();
        seed(&aws, Some(&idp.registration())).unwrap();
        Self { idp, _aws: aws }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.http(&format!("GET {path} HTTP/1.1"), &[], "").await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.http(&format!("POST {path} HTTP/1.1"), &[], &body).await
    }

    async fn http(&self, line: &str, headers: &[&str], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.idp.address()).await.unwrap();
        let mut request = format!("{line}\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str(&format!("Host: {}\r\n", self.idp.address()));
        }
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str(&format!(
            "Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn request(&self, acs: &str) -> String {
        let xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_req\" \
             Version=\"2.0\" Destination=\"{}/sso\" AssertionConsumerServiceURL=\"{acs}\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{SP}</saml:Issuer>\
             </samlp:AuthnRequest>",
            self.idp.base_url()
        );
        let deflated = miniz_oxide::deflate::compress_to_vec(xml.as_bytes(), 6);
        form_urlencoded::byte_serialize(STANDARD.encode(deflated).as_bytes()).collect()
    }

    async fn minted(&self, query: &str) -> String {
        let (status, body) = self.get(&format!("/_control/response?{query}")).await;
        assert_eq!(status, 200, "{body}");
        String::from_utf8(STANDARD.decode(body).unwrap()).unwrap()
    }
}

/// The response that a page carries.
fn posted(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"SAMLResponse\" value=\"").unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

#[tokio::test]
async fn the_portal_has_a_card_with_a_tile_for_everybody() {
    let stage = Stage::start().await;
    let (status, page) = stage.get("/").await;
    assert_eq!(status, 200);
    for number in 1..=14 {
        assert!(page.contains(&format!("id=\"user-{number}\"")), "user-{number}");
    }
    assert!(page.contains("name=\"RelayState\" value=\"/teams/team2\""));
    for button in ["user-1-open", "user-1-open-team2", "user-2-open"] {
        assert!(page.contains(&format!("id=\"{button}\"")), "{button}");
    }
}

#[tokio::test]
async fn a_tile_posts_an_unsolicited_response_to_the_broker() {
    let stage = Stage::start().await;
    let form = [("person", "user-1"), ("RelayState", "/teams/team2")];
    let (status, page) = stage.post("/sign-in", &form).await;
    assert_eq!(status, 200);
    assert!(page.contains(&format!("action=\"{ACS}\"")));
    assert!(page.contains("name=\"RelayState\" value=\"/teams/team2\""));
    assert!(page.contains("<button>Continue</button>"));
    let response = posted(&page);
    assert!(!response.contains("InResponseTo"));
    assert_eq!(
        response.matches("<ds:Signature ").count() + response.matches("<ds:Signature>").count(),
        2
    );
    for value in ["user-1<", "team1<", "team2<", "user-1@example.com<"] {
        assert!(response.contains(&format!(">{value}")), "{value}");
    }
}

#[tokio::test]
async fn a_request_is_answered_in_response_to_it() {
    let stage = Stage::start().await;
    let path = format!("/sso?SAMLRequest={}&RelayState=state", stage.request(ACS));
    let (status, page) = stage.get(&path).await;
    assert_eq!(status, 200);
    assert!(page.contains("name=\"in_response_to\" value=\"_req\""));
    assert!(page.contains("name=\"RelayState\" value=\"state\""));
    let form = [("person", "user-2"), ("RelayState", "state"), ("in_response_to", "_req")];
    let (_, page) = stage.post("/sign-in", &form).await;
    assert_eq!(posted(&page).matches("InResponseTo=\"_req\"").count(), 2);
}

#[tokio::test]
async fn a_request_that_wants_its_answer_elsewhere_is_refused() {
    let stage = Stage::start().await;
    let path = format!("/sso?SAMLRequest={}", stage.request("https://evil.example/acs"));
    let (status, page) = stage.get(&path).await;
    assert_eq!(status, 400);
    assert!(page.contains("request_unexpected"));
    assert!(!page.contains("SAMLResponse"));
    for path in ["/sso", "/sso?SAMLRequest=%%%", "/sso?SAMLRequest=AAAA"] {
        assert_eq!(stage.get(path).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn minted_responses_say_what_was_ordered() {
    let stage = Stage::start().await;
    let response = stage
        .minted(
            "person=user-2&user_id=j%C3%A4ne&teams=a,b&groups=&audience=urn:other&recipient=urn:r\
             &destination=&in_response_to=_7&sign=assertion&assertion_id=_fixed\
             &attribute=x%3D1&attribute=x%3D%3C2",
        )
        .await;
    for part in [
        ">jäne</saml2:AttributeValue>",
        ">a</saml2:AttributeValue>",
        ">b</saml2:AttributeValue>",
        "<saml2:Audience>urn:other</saml2:Audience>",
        "Recipient=\"urn:r\"",
        "InResponseTo=\"_7\"",
        "<saml2:Assertion ID=\"_fixed\"",
        "Name=\"x\"",
        ">&lt;2</saml2:AttributeValue>",
    ] {
        assert!(response.contains(part), "{part} in {response}");
    }
    assert!(!response.contains("Destination="));
    assert!(!response.contains("Name=\"groups\""));
    assert_eq!(response.matches("<ds:Signature>").count(), 1);
    assert!(!stage.minted("person=user-2&sign=none").await.contains("<ds:Signature>"));
    for wrong in ["person=nobody", "sign=maybe", "expires_in=soon", "tams=a", "attribute=x"] {
        let (status, _) = stage.get(&format!("/_control/response?{wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn each_run_without_a_folder_has_a_key_of_its_own() {
    let (one, two) = (Stage::start().await, Stage::start().await);
    let certificate = |stage: &Stage| {
        let metadata = stage.idp.registration().metadata_xml;
        let (_, rest) = metadata.split_once("X509Certificate>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    assert_ne!(certificate(&one), certificate(&two));
    let (status, metadata) = one.get("/metadata").await;
    assert_eq!((status, metadata), (200, one.idp.registration().metadata_xml));
}

#[tokio::test]
async fn foreign_hosts_and_pages_of_other_sites_are_turned_away() {
    let stage = Stage::start().await;
    let host = format!("Host: evil.example:{}", stage.idp.address().port());
    assert_eq!(stage.http("GET / HTTP/1.1", &[&host], "").await.0, 421);
    let line = "GET /_control/response?person=user-1 HTTP/1.1";
    assert_eq!(stage.http(line, &["Origin: https://evil.example"], "").await.0, 403);
}

#[tokio::test]
async fn an_unknown_studio_token_gets_the_page_of_an_expired_address() {
    let stage = Stage::start().await;
    let (status, page) = stage.get("/auth?token=x").await;
    assert_eq!(status, 403);
    assert!(page.contains("id=\"expired\""));
}
