//! A test identity provider that really signs.
//!
//! It behaves like an IAM Identity Center application: its own key and entity ID, a portal with
//! tiles (IdP-initiated), a sign-in address for `AuthnRequest`s (SP-initiated), responses signed
//! twice. There are no passwords: whoever opens the portal is whom they choose. So it posts to one
//! assertion consumer service only, the one that it was started with.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /` | the portal: a card per person, a button per tile |
//! | `GET /sso`, `POST /sso` | takes an `AuthnRequest`, asks who you are |
//! | `POST /sign-in` | the page that posts the response to the broker |
//! | `GET /metadata` | the metadata |
//! | `GET /auth`, `GET /session` | the simulated Studio |
//! | `GET /_control/response` | a response for tests; `GET /_control` explains |

mod fields;
mod key;
mod request;
mod response;
mod xml;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::net::TcpListener;

pub use self::key::SigningKeyError;
use self::{
    fields::Fields,
    key::Key,
    response::{Mint, PASSWORD, SECOND_FACTOR, Sign},
};
use super::{
    html::{escape, page},
    scenario::{Person, Scenario, ScenarioError},
    seed::SeededIdp,
    server::{self, Body, ListenError, Server},
    studio::Studio,
};

/// How the identity provider is set up.
#[derive(Debug, Clone)]
pub struct IdpOptions {
    /// Where its key is kept between runs; none makes a fresh key for this run.
    pub data: Option<PathBuf>,
    /// The broker's assertion consumer service: the only address that responses are posted to.
    pub acs_url: String,
    /// The broker's entity ID: the audience.
    pub sp_entity_id: String,
    /// The simulated Studio whose pages the same listener serves.
    pub studio: Arc<Studio>,
}

/// Why the identity provider does not start.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The listener is not usable.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The key can be neither read nor made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The embedded scenario does not parse.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

impl IdpError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Scenario(error) => error.code(),
        }
    }
}

/// The identity provider, until this is dropped.
#[derive(Debug)]
pub struct RunningIdp {
    server: Server,
    idp: Arc<Idp>,
}

impl RunningIdp {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:<port>`: the portal, and the base of Studio's addresses.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.idp.base
    }

    /// What the broker must know of it.
    #[must_use]
    pub fn registration(&self) -> SeededIdp {
        SeededIdp {
            entity_id: self.idp.entity_id(),
            metadata_xml: self.idp.metadata(),
            portal_url: format!("{}/", self.idp.base),
        }
    }
}

/// Starts the identity provider on a loopback listener.
///
/// # Errors
///
/// [`IdpError`]: a listener that is not loopback, or a key that can be neither read nor made.
pub fn start(listener: TcpListener, options: IdpOptions) -> Result<RunningIdp, IdpError> {
    let address = listener.local_addr().map_err(ListenError::from)?;
    #[expect(clippy::disallowed_methods, reason = "a certificate begins where its key is made")]
    let now = Timestamp::now();
    let key = Key::open(options.data.as_deref(), now)?;
    let base = format!("http://{address}");
    let idp = Arc::new(Idp { base, key, options, scenario: Scenario::embedded()? });
    let handling = Arc::clone(&idp);
    let server = Server::start(listener, move |request, now| {
        let idp = Arc::clone(&handling);
        async move { Ok(idp.handle(&request, now)) }
    })?;
    Ok(RunningIdp { server, idp })
}

#[derive(Debug)]
struct Idp {
    base: String,
    key: Key,
    options: IdpOptions,
    scenario: Scenario,
}

impl Idp {
    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Response<Body> {
        let query = request.uri().query();
        let fields = Fields::parse(query.unwrap_or_default().as_bytes());
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") => server::html(StatusCode::OK, self.portal()),
            (&Method::GET, "/metadata") => {
                server::answer(StatusCode::OK, "application/samlmetadata+xml", self.metadata())
            }
            (&Method::GET, "/sso") => self.single_sign_on(&fields, true),
            (&Method::POST, "/sso") => self.single_sign_on(&Fields::parse(request.body()), false),
            (&Method::POST, "/sign-in") => self.sign_in(&Fields::parse(request.body()), now),
            (&Method::GET, "/auth") => self.options.studio.answer("auth", request, now),
            (&Method::GET, "/session") => self.options.studio.answer("session", request, now),
            (_, path) if path.starts_with("/_control") && !server::same_site(request) => {
                server::text(StatusCode::FORBIDDEN, "not for pages of other sites\n")
            }
            (&Method::GET, "/_control") => server::text(StatusCode::OK, HELP),
            (&Method::GET, "/_control/response") => self.minted(&fields, now),
            _ => server::html(
                StatusCode::NOT_FOUND,
                page("Not found", "<h1>Not found</h1><p><a href=\"/\">To the portal</a></p>"),
            ),
        }
    }

    fn entity_id(&self) -> String {
        format!("{}/idp", self.base)
    }

    fn sso_url(&self) -> String {
        format!("{}/sso", self.base)
    }

    fn metadata(&self) -> String {
        let sso = escape(&self.sso_url());
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
             entityID=\"{entity_id}\">\
             <md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             <md:KeyDescriptor use=\"signing\">\
             <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>\
             </ds:KeyInfo></md:KeyDescriptor>\
             <md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\
             </md:NameIDFormat>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
             Location=\"{sso}\"/>\
             <md:SingleSignOnService \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{sso}\"/>\
             </md:IDPSSODescriptor></md:EntityDescriptor>\n",
            entity_id = escape(&self.entity_id()),
            certificate = STANDARD.encode(self.key.certificate()),
        )
    }

    /// The portal: everybody of the story with their tiles.
    fn portal(&self) -> String {
        let cards = self.cards(&[], |person| {
            let mut tiles = vec![("Open SageMaker Studio".to_owned(), String::new())];
            if person.teams.len() > 1 {
                tiles.extend(person.teams.iter().map(|team| {
                    let name = self.scenario.team_name(team).unwrap_or(team);
                    (format!("Open {name}"), format!("/teams/{team}"))
                }));
            }
            tiles
        });
        page(
            "Test identity provider",
            &format!(
                "<h1>Test identity provider</h1>\n\
                 <p class=\"soft\">Choose who you are. There are no passwords here; nothing leaves \
                 this machine.</p>\n{cards}"
            ),
        )
    }

    /// Takes an `AuthnRequest` and asks who you are.
    fn single_sign_on(&self, fields: &Fields, deflated: bool) -> Response<Body> {
        let request = fields
            .get("SAMLRequest")
            .ok_or(request::RequestError::Missing)
            .and_then(|message| request::AuthnRequest::read(message, deflated))
            .and_then(|request| {
                request.check(
                    &self.options.sp_entity_id,
                    &self.options.acs_url,
                    &self.sso_url(),
                )?;
                Ok(request)
            });
        let request = match request {
            Ok(request) => request,
            Err(error) => return refused(error.code(), &error.to_string()),
        };
        let relay_state = fields.get("RelayState").unwrap_or_default();
        // Whoever is asked to sign in anew, or in a certain way, has a second factor at hand.
        let hidden = [
            ("in_response_to", request.id.as_str()),
            ("authn_context", if request.asks_for_more { SECOND_FACTOR } else { "" }),
        ];
        let (label, asked) = if request.asks_for_more {
            (
                "Sign in with a second factor",
                "The broker asks who you are, and for a second factor.",
            )
        } else {
            ("Sign in", "The broker asks who you are.")
        };
        let cards = self.cards(&hidden, |_| vec![(label.into(), relay_state.to_owned())]);
        let body = format!("<h1>Sign in</h1>\n<p class=\"soft\">{asked}</p>\n{cards}");
        server::html(StatusCode::OK, page("Sign in", &body))
    }

    /// One card per person, with a button per (label, relay state). The first button's id is
    /// `<user id>-open`, that of a tile of one team `<user id>-open-<team id>`.
    fn cards(
        &self,
        hidden: &[(&str, &str)],
        tiles: impl Fn(&Person) -> Vec<(String, String)>,
    ) -> String {
        let hidden: String = hidden.iter().map(|(name, value)| input(name, value)).collect();
        let cards: String = self
            .scenario
            .people()
            .iter()
            .map(|person| {
                let buttons: String = tiles(person)
                    .into_iter()
                    .enumerate()
                    .map(|(index, (label, relay_state))| {
                        let (class, team) = match relay_state.strip_prefix("/teams/") {
                            Some(team) if index > 0 => (" class=\"plain\"", format!("-{team}")),
                            _ => ("", String::new()),
                        };
                        format!(
                            "<form method=\"post\" action=\"/sign-in\">{}{}{hidden}\
                             <button{class} id=\"{id}-open{}\" aria-label=\"{label} as {name}\" \
                             aria-describedby=\"{id}-shows\">{label}</button></form>",
                            input("person", &person.user_id),
                            input("RelayState", &relay_state),
                            escape(&team),
                            id = escape(&person.user_id),
                            label = escape(&label),
                            name = escape(&person.display_name),
                        )
                    })
                    .collect();
                format!(
                    "<li class=\"card\" id=\"{id}\"><h2>{name}</h2>\
                     <p class=\"soft\"><code>{id}</code> · {email}</p>\
                     <p id=\"{id}-shows\">{shows}</p><div class=\"actions\">{buttons}</div></li>\n",
                    id = escape(&person.user_id),
                    name = escape(&person.display_name),
                    email = escape(&person.email),
                    shows = escape(&person.shows),
                )
            })
            .collect();
        format!("<ul class=\"cards\">\n{cards}</ul>")
    }

    /// The page that carries the response to the broker.
    fn sign_in(&self, fields: &Fields, now: Timestamp) -> Response<Body> {
        let person = fields.get("person").and_then(|id| self.person(id));
        let Some(person) = person else { return refused("person_unknown", "Nobody of that name.") };
        let mut mint = self.mint_for(Some(person)).in_response_to(fields.get("in_response_to"));
        if let Some(class) = fields.get("authn_context").filter(|class| !class.is_empty()) {
            mint.authn_contexts = vec![class.to_owned()];
        }
        let Ok(message) = mint.sign(&self.key, now) else {
            return refused("signing_failed", "The response could not be signed.");
        };
        let relay_state = fields.get("RelayState").filter(|state| !state.is_empty());
        let body = format!(
            "<h1>Signing in {name}</h1>\n\
             <form id=\"response\" method=\"post\" action=\"{acs}\">{response}{relay_state}\n\
             <p>You are taken to the broker. If nothing happens, continue yourself.</p>\
             <button>Continue</button></form>\n\
             <script>document.getElementById('response').submit()</script>",
            name = escape(&person.display_name),
            acs = escape(&self.options.acs_url),
            response = input("SAMLResponse", &STANDARD.encode(message)),
            relay_state = relay_state.map(|state| input("RelayState", state)).unwrap_or_default(),
        );
        server::html(StatusCode::OK, page("Signing in", &body))
    }

    /// `GET /_control/response`.
    fn minted(&self, fields: &Fields, now: Timestamp) -> Response<Body> {
        let person = match fields.get("person").map(|id| self.person(id)) {
            Some(None) => {
                return server::text(StatusCode::BAD_REQUEST, "person: nobody of that id\n");
            }
            Some(person) => person,
            None => None,
        };
        let minted = self
            .mint_for(person)
            .overridden(fields)
            .and_then(|mint| mint.sign(&self.key, now).map_err(|error| error.to_string()));
        match minted {
            Ok(xml) if fields.get("format") == Some("xml") => {
                server::answer(StatusCode::OK, "text/xml; charset=utf-8", xml)
            }
            Ok(xml) => server::text(StatusCode::OK, STANDARD.encode(xml)),
            Err(message) => server::text(StatusCode::BAD_REQUEST, format!("{message}\n")),
        }
    }

    fn person(&self, id: &str) -> Option<&Person> {
        self.scenario.people().iter().find(|person| person.user_id == id)
    }

    fn mint_for(&self, person: Option<&Person>) -> Mint {
        let text = |of: fn(&Person) -> &String| person.map(of).cloned().unwrap_or_default();
        Mint {
            issuer: self.entity_id(),
            user_id: text(|p| &p.user_id),
            name_id: text(|p| &p.email),
            teams: person.map(|p| p.teams.clone()).unwrap_or_default(),
            groups: person.map(|p| p.groups.clone()).unwrap_or_default(),
            authn_contexts: vec![PASSWORD.into()],
            attributes: Vec::new(),
            audience: self.options.sp_entity_id.clone(),
            recipient: self.options.acs_url.clone(),
            destination: self.options.acs_url.clone(),
            in_response_to: None,
            also_unsolicited: false,
            assertion_id: None,
            sign: Sign::Both,
            issued_ago: 0,
            expires_in: 3600,
            session_expires_in: 12 * 3600,
        }
    }
}

fn input(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}

fn refused(code: &str, message: &str) -> Response<Body> {
    let body = format!(
        "<h1>The request is refused</h1>\n<p>{}</p>\n<p class=\"soft\">Code: \
         <code id=\"code\">{}</code></p>",
        escape(message),
        escape(code)
    );
    server::html(StatusCode::BAD_REQUEST, page("Refused", &body))
}

/// What `GET /_control` says.
const HELP: &str = "\
GET /_control/response?…  a freshly signed response, base64; all parameters are optional:
  person              user id of somebody in the story; their values are the defaults below
  user_id, name_id    attribute ssouserid (empty leaves it out), NameID
  teams, groups       comma-separated values of teamid and groups; empty leaves the attribute out
  authn_context       AuthnContextClassRef, may be repeated, each in a statement of its own; empty
                      leaves the AuthnStatement out (…:PasswordProtectedTransport)
  attribute           Name=value, may be repeated; the same Name gathers values
  issuer, audience, recipient, destination
                      empty leaves out Destination
  in_response_to      id of the AuthnRequest
  also_unsolicited    any value: a second bearer confirmation, which names no request
  assertion_id        instead of a random one
  sign                both (default), response, assertion, none
  issued_ago          seconds, may be negative (0)
  expires_in          seconds after issuing, may be negative (3600)
  session_expires_in  SessionNotOnOrAfter, likewise (43200)
  format              base64 (default) or xml
";
