//! Responses as IAM Identity Center sends them: its prefixes, formats and double signature.

use aws_lc_rs::{digest, error::Unspecified};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};

use super::{fields::Fields, key::Key, xml::Element};
use crate::local::aws::random;

/// What the root declares, so that a signature over the assertion alone sees `xsd` in scope.
const ROOT_PREFIXES: [&str; 4] = ["ds", "saml2", "saml2p", "xsd"];
/// `xsi:type="xsd:string"` uses a prefix inside a value, where canonicalization does not look.
const PREFIX_LIST: [&str; 1] = ["xsd"];

/// What the test identity provider says of a sign-in, unless a second factor was used.
pub(super) const PASSWORD: &str =
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// What it says of a sign-in with a second factor: the profile of the REFEDS federation
/// (<https://refeds.org/profile/mfa>).
pub(super) const SECOND_FACTOR: &str = "https://refeds.org/profile/mfa";

/// What gets signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Both,
    Response,
    Assertion,
    None,
}

/// Everything that one response says.
#[derive(Debug, Clone)]
pub(super) struct Mint {
    pub(super) issuer: String,
    pub(super) user_id: String,
    pub(super) name_id: String,
    pub(super) teams: Vec<String>,
    pub(super) groups: Vec<String>,
    /// `AuthnContextClassRef`s, each in an `AuthnStatement` of its own.
    pub(super) authn_contexts: Vec<String>,
    pub(super) attributes: Vec<(String, Vec<String>)>,
    pub(super) audience: String,
    pub(super) recipient: String,
    pub(super) destination: String,
    pub(super) in_response_to: Option<String>,
    /// A second bearer confirmation, which names no request.
    pub(super) also_unsolicited: bool,
    pub(super) assertion_id: Option<String>,
    pub(super) sign: Sign,
    /// Seconds before now.
    pub(super) issued_ago: i64,
    /// Seconds after issuing.
    pub(super) expires_in: i64,
    /// Seconds after issuing.
    pub(super) session_expires_in: i64,
}

impl Mint {
    pub(super) fn in_response_to(mut self, request: Option<&str>) -> Self {
        self.in_response_to = request.filter(|id| !id.is_empty()).map(str::to_owned);
        self
    }

    /// With what the query parameters of the control route say instead.
    ///
    /// # Errors
    ///
    /// A sentence about the parameter that cannot be read.
    pub(super) fn overridden(mut self, fields: &Fields) -> Result<Self, String> {
        const KNOWN: [&str; 19] = [
            "person",
            "user_id",
            "name_id",
            "teams",
            "groups",
            "attribute",
            "authn_context",
            "issuer",
            "audience",
            "recipient",
            "destination",
            "in_response_to",
            "also_unsolicited",
            "assertion_id",
            "sign",
            "issued_ago",
            "expires_in",
            "session_expires_in",
            "format",
        ];
        if let Some(name) = fields.other_than(&KNOWN) {
            return Err(format!("{name}: unknown, expected one of {}", KNOWN.join(", ")));
        }
        let list = |text: &str| -> Vec<String> {
            text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        for (name, to) in [
            ("user_id", &mut self.user_id),
            ("name_id", &mut self.name_id),
            ("issuer", &mut self.issuer),
            ("audience", &mut self.audience),
            ("recipient", &mut self.recipient),
            ("destination", &mut self.destination),
        ] {
            if let Some(text) = fields.get(name) {
                text.clone_into(to);
            }
        }
        for (name, to) in [("teams", &mut self.teams), ("groups", &mut self.groups)] {
            if let Some(text) = fields.get(name) {
                *to = list(text);
            }
        }
        for (name, to) in [
            ("issued_ago", &mut self.issued_ago),
            ("expires_in", &mut self.expires_in),
            ("session_expires_in", &mut self.session_expires_in),
        ] {
            if let Some(text) = fields.get(name) {
                *to = text.parse().map_err(|_| format!("{name}: expected seconds, got {text}"))?;
            }
        }
        for text in fields.all("attribute") {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| format!("attribute: expected Name=value, got {text}"))?;
            match self.attributes.iter_mut().find(|(n, _)| n == name) {
                Some((_, values)) => values.push(value.into()),
                None => self.attributes.push((name.into(), vec![value.into()])),
            }
        }
        if fields.get("authn_context").is_some() {
            let classes = fields.all("authn_context").filter(|class| !class.is_empty());
            self.authn_contexts = classes.map(str::to_owned).collect();
        }
        self.sign = match fields.get("sign").unwrap_or("both") {
            "both" => Sign::Both,
            "response" => Sign::Response,
            "assertion" => Sign::Assertion,
            "none" => Sign::None,
            other => {
                return Err(format!("sign: expected both, response, assertion, none, got {other}"));
            }
        };
        self.also_unsolicited = fields.get("also_unsolicited").is_some();
        self.assertion_id = fields.get("assertion_id").map(str::to_owned);
        Ok(self.in_response_to(fields.get("in_response_to")))
    }

    /// The whole document, signed.
    pub(super) fn sign(&self, key: &Key, now: Timestamp) -> Result<String, Unspecified> {
        let issued = after(now, self.issued_ago.saturating_neg());
        let assertion_id = match &self.assertion_id {
            Some(id) => id.clone(),
            None => fresh_id()?,
        };
        let assertion = self.assertion(&assertion_id, issued);
        let assertion = match self.sign {
            Sign::Both | Sign::Assertion => signed(assertion, &assertion_id, key)?,
            Sign::Response | Sign::None => assertion,
        };
        let response_id = fresh_id()?;
        let response = self.response(&response_id, issued).child(assertion);
        let response = match self.sign {
            Sign::Both | Sign::Response => signed(response, &response_id, key)?,
            Sign::Assertion | Sign::None => response,
        };
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{}",
            response.canonical(&ROOT_PREFIXES)
        ))
    }

    fn response(&self, id: &str, issued: Timestamp) -> Element {
        let mut response = Element::new("saml2p:Response")
            .attribute("ID", id)
            .attribute("IssueInstant", instant(issued))
            .attribute("Version", "2.0");
        if !self.destination.is_empty() {
            response = response.attribute("Destination", &self.destination);
        }
        if let Some(request) = &self.in_response_to {
            response = response.attribute("InResponseTo", request);
        }
        let success = Element::new("saml2p:StatusCode")
            .attribute("Value", "urn:oasis:names:tc:SAML:2.0:status:Success");
        response.child(self.issuer_element()).child(Element::new("saml2p:Status").child(success))
    }

    fn assertion(&self, id: &str, issued: Timestamp) -> Element {
        let expires = instant(after(issued, self.expires_in));
        let requests = [self.in_response_to.as_deref(), None];
        let confirmations = requests.iter().take(if self.also_unsolicited { 2 } else { 1 });
        let confirmations = confirmations.map(|request| {
            let mut data = Element::new("saml2:SubjectConfirmationData")
                .attribute("NotOnOrAfter", &expires)
                .attribute("Recipient", &self.recipient);
            if let Some(request) = request {
                data = data.attribute("InResponseTo", *request);
            }
            Element::new("saml2:SubjectConfirmation")
                .attribute("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
                .child(data)
        });
        let subject = Element::new("saml2:Subject")
            .child(
                Element::new("saml2:NameID")
                    .attribute("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
                    .text(&self.name_id),
            )
            .children(confirmations);
        let audience = Element::new("saml2:AudienceRestriction")
            .child(Element::new("saml2:Audience").text(&self.audience));
        let conditions = Element::new("saml2:Conditions")
            .attribute("NotBefore", instant(issued))
            .attribute("NotOnOrAfter", &expires)
            .child(audience);
        let statements = self.authn_contexts.iter().map(|class| {
            let class = Element::new("saml2:AuthnContextClassRef").text(class);
            Element::new("saml2:AuthnStatement")
                .attribute("AuthnInstant", instant(issued))
                .attribute("SessionIndex", id)
                .attribute("SessionNotOnOrAfter", instant(after(issued, self.session_expires_in)))
                .child(Element::new("saml2:AuthnContext").child(class))
        });
        Element::new("saml2:Assertion")
            .attribute("ID", id)
            .attribute("IssueInstant", instant(issued))
            .attribute("Version", "2.0")
            .child(self.issuer_element())
            .child(subject)
            .child(conditions)
            .children(statements)
            .child(self.attribute_statement())
    }

    fn issuer_element(&self) -> Element {
        Element::new("saml2:Issuer")
            .attribute("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity")
            .text(&self.issuer)
    }

    fn attribute_statement(&self) -> Element {
        let user_id = (!self.user_id.is_empty()).then(|| self.user_id.clone());
        let own = [
            ("ssouserid", user_id.into_iter().collect()),
            ("teamid", self.teams.clone()),
            ("groups", self.groups.clone()),
        ];
        let own = own.into_iter().filter(|(_, values): &(_, Vec<String>)| !values.is_empty());
        let all = own
            .map(|(name, values)| (name.to_owned(), values))
            .chain(self.attributes.iter().cloned());
        Element::new("saml2:AttributeStatement").children(all.map(|(name, values)| {
            Element::new("saml2:Attribute")
                .attribute("Name", name)
                .attribute("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified")
                .children(values.into_iter().map(|value| {
                    Element::new("saml2:AttributeValue")
                        .attribute("xsi:type", "xsd:string")
                        .text(value)
                }))
        }))
    }
}

/// The element with an enveloped signature over it (XML Signature, section 4).
fn signed(element: Element, id: &str, key: &Key) -> Result<Element, Unspecified> {
    let digest = digest::digest(&digest::SHA256, element.canonical(&PREFIX_LIST).as_bytes());
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let transforms = Element::new("ds:Transforms")
        .child(
            Element::new("ds:Transform")
                .attribute("Algorithm", "http://www.w3.org/2000/09/xmldsig#enveloped-signature"),
        )
        .child(Element::new("ds:Transform").attribute("Algorithm", exclusive).child(
            Element::new("ec:InclusiveNamespaces").attribute("PrefixList", PREFIX_LIST.join(" ")),
        ));
    let reference = Element::new("ds:Reference")
        .attribute("URI", format!("#{id}"))
        .child(transforms)
        .child(
            Element::new("ds:DigestMethod")
                .attribute("Algorithm", "http://www.w3.org/2001/04/xmlenc#sha256"),
        )
        .child(Element::new("ds:DigestValue").text(STANDARD.encode(digest)));
    let signed_info = Element::new("ds:SignedInfo")
        .child(Element::new("ds:CanonicalizationMethod").attribute("Algorithm", exclusive))
        .child(
            Element::new("ds:SignatureMethod")
                .attribute("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        )
        .child(reference);
    let value = key.sign(signed_info.canonical(&[]).as_bytes())?;
    let certificate = Element::new("ds:X509Certificate").text(STANDARD.encode(key.certificate()));
    let signature = Element::new("ds:Signature")
        .child(signed_info)
        .child(Element::new("ds:SignatureValue").text(STANDARD.encode(value)))
        .child(Element::new("ds:KeyInfo").child(Element::new("ds:X509Data").child(certificate)));
    Ok(element.after_first(signature))
}

fn fresh_id() -> Result<String, Unspecified> {
    Ok(format!("_{}", random::uuid()?))
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Milliseconds and `Z`, as Identity Center writes instants.
fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
