//! The table of settings: what each is called, what may stand in it and what it means. Error texts,
//! `schemas/settings.json`, the table of `infra/settings.md` and the bounds of the hub's parameters follow from it.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// What it means, for `infra/settings.md`.
    pub meaning: &'static str,
    /// What may stand in it.
    pub value: Kind,
}

/// What may stand in a setting.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text {
        /// What it is where nothing is set.
        default: Absent,
        /// What is expected, for whoever wrote something else.
        expected: &'static str,
    },
    /// A whole number, in plain digits.
    Number {
        /// What it is where nothing is set.
        default: u32,
        /// The least that it may be.
        least: u32,
        /// The most that it may be.
        most: u32,
        /// What is counted.
        unit: &'static str,
    },
}

/// What counts where a setting is not set.
#[derive(Debug, Clone, Copy)]
pub enum Absent {
    /// Nothing: it has to be set.
    Required,
    /// This text.
    Is(&'static str),
    /// What these words say.
    Means(&'static str),
    /// Nothing: what it is for is not done.
    Off,
}

impl Setting {
    /// What is expected of it, for a message.
    pub fn expected(&self) -> String {
        match self.value {
            Kind::Text { expected, .. } => expected.to_owned(),
            Kind::Number { least, most, unit, .. } => {
                format!("a number of {unit}, {least} to {most}")
            }
        }
    }

    /// The default of a setting that is a text with one.
    pub(super) fn default_text(&self) -> &'static str {
        match self.value {
            Kind::Text { default: Absent::Is(text), .. } => text,
            _ => "",
        }
    }

    /// Default and bounds of a setting that is a number.
    pub(super) fn number(&self) -> (u32, RangeInclusive<u32>) {
        match self.value {
            Kind::Number { default, least, most, .. } => (default, least..=most),
            Kind::Text { .. } => (0, 0..=0),
        }
    }
}

/// All settings as `schemas/settings.json` lists them.
pub fn settings() -> Value {
    let rows = SETTINGS.iter().map(|setting| {
        let value = match setting.value {
            Kind::Text { default, .. } => match default {
                Absent::Required => json!({"required": true}),
                Absent::Is(text) => json!({"default": text}),
                Absent::Means(words) => json!({"default_means": words}),
                Absent::Off => json!({}),
            },
            Kind::Number { default, least, most, unit } => {
                json!({"default": default, "minimum": least, "maximum": most, "unit": unit})
            }
        };
        let words = json!({
            "variable": setting.variable,
            "meaning": setting.meaning,
            "expected": setting.expected(),
        });
        let members = [words, value].into_iter().filter_map(|part| match part {
            Value::Object(members) => Some(members),
            _ => None,
        });
        members.flatten().collect::<Map<_, _>>()
    });
    json!({ "settings": rows.collect::<Vec<_>>() })
}

/// Declares the rows and a constant for each, so that the list cannot miss one.
macro_rules! settings {
    ($($name:ident: $variable:literal, $value:expr, $meaning:literal;)*) => {
        $(pub(super) const $name: Setting =
            Setting { variable: $variable, meaning: $meaning, value: $value };)*
        /// Every setting, in the order of the guide.
        pub const SETTINGS: &[Setting] = &[$($name),*];
    };
}

const fn text(default: Absent, expected: &'static str) -> Kind {
    Kind::Text { default, expected }
}

const fn number(default: u32, least: u32, most: u32, unit: &'static str) -> Kind {
    Kind::Number { default, least, most, unit }
}

const A_TABLE: &str = "a table's name or ARN";

settings! {
    PUBLIC_URL: "STUDIO_BROKER_PUBLIC_URL",
        text(Absent::Required,
             "an https address without query, such as https://studio.example.com (http only for \
              loopback)"),
        "where browsers reach the broker; https, or http on loopback";
    ENTITY_ID: "STUDIO_BROKER_ENTITY_ID",
        text(Absent::Means("public URL + `/saml/metadata`"),
             "an entity ID: 1 to 1024 characters without white space"),
        "the audience that assertions must name";
    TEAMS_TABLE: "STUDIO_BROKER_TEAMS_TABLE",
        text(Absent::Is("studio-broker-teams"), A_TABLE),
        "the table of teams";
    IDPS_TABLE: "STUDIO_BROKER_IDPS_TABLE",
        text(Absent::Is("studio-broker-idps"), A_TABLE),
        "the table of identity providers";
    STATE_TABLE: "STUDIO_BROKER_STATE_TABLE",
        text(Absent::Is("studio-broker-state"), A_TABLE),
        "the table of consumed responses and their sessions";
    TARGET_ROLE_NAME: "STUDIO_BROKER_TARGET_ROLE_NAME",
        text(Absent::Is("StudioBrokerTarget"), "a role name: 1 to 64 of A-Z a-z 0-9 _+=,.@-"),
        "role assumed in a team's account when the team names none";
    URL_SECONDS: "STUDIO_BROKER_URL_SECONDS",
        number(30, 5, 300, "seconds"),
        "life of a presigned URL";
    SESSION_MINUTES: "STUDIO_BROKER_SESSION_MINUTES",
        number(60, 1, 720, "minutes"),
        "how long after a sign-in teams can be opened";
    CLOCK_SKEW_SECONDS: "STUDIO_BROKER_CLOCK_SKEW_SECONDS",
        number(60, 0, 180, "seconds"),
        "difference of clocks that is tolerated, both ways";
    TEAM_CACHE_SECONDS: "STUDIO_BROKER_TEAM_CACHE_SECONDS",
        number(30, 0, 300, "seconds"),
        "how long a change of a team or identity provider may go unnoticed";
    PROFILE_CACHE_SECONDS: "STUDIO_BROKER_PROFILE_CACHE_SECONDS",
        number(3600, 0, 86_400, "seconds"),
        "how long a profile seen ready and the owner's is believed to be";
    CLIENT_ADDRESS: "STUDIO_BROKER_CLIENT_ADDRESS",
        text(Absent::Is("direct"), "direct, or forwarded:N with N from 1 to 100"),
        "where the client's address comes from: `direct`, or `forwarded:N`, the N-th `X-Forwarded-For` \
         entry from the right";
    ORGANIZATION: "STUDIO_BROKER_ORGANIZATION",
        text(Absent::Off, "a name of at most 100 characters"),
        "a name, shown on pages";
    CONTACT: "STUDIO_BROKER_CONTACT",
        text(Absent::Off, "an e-mail address or an https address"),
        "whom people ask, shown on pages";
    TLS_ROOTS: "STUDIO_BROKER_TLS_ROOTS",
        text(Absent::Means("`amazon`, in China `system`"), "amazon or system"),
        "authorities trusted for AWS: `amazon` (compiled in) or `system`, honouring `SSL_CERT_FILE`";
    URL_HOSTS: "STUDIO_BROKER_URL_HOSTS",
        text(Absent::Off,
             "host suffixes of at least two labels, separated by commas, such as \
              studio.eusc-de-east-1.example.eu"),
        "further host suffixes from which presigned URLs are accepted, separated by commas, for \
         partitions whose hosts nobody has published";
    SP_KEY: "STUDIO_BROKER_SP_KEY",
        text(Absent::Off,
             "RSA private keys as PEM (PKCS#8 or PKCS#1), or the ARN of a Secrets Manager secret that \
              holds them"),
        "keys for encrypted assertions, or the ARN of a secret that holds them";
    LOG: "STUDIO_BROKER_LOG",
        text(Absent::Is("info"), "a log filter, such as info or studio_broker=debug,warn"),
        "filter of the JSON log";
}
