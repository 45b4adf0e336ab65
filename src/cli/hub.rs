//! The hub as an administrator reaches it: the settings that its tables need, and a patient SDK.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Exit;
use super::output::{Code, Failure, has_spoken, plain, say, warn};
use crate::aws::error::{AwsError, Kind};
use crate::aws::mapping_tables::MappingTables;
use crate::aws::spoke::{Administrator, administrator};
use crate::aws::{patient, sdk_config};
use crate::config::{SETTINGS, TableSettings, TlsRoots, environment, with_sdk};
use crate::mappings::{Signature, Stored, Table, nearest};

/// Settings and clients of a command that works on the tables.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) settings: TableSettings,
    pub(super) sdk: SdkConfig,
    /// Who runs the command, once somebody has asked; `None` where STS does not say it at once.
    caller: OnceCell<Option<Administrator>>,
}

impl Hub {
    /// Reads the settings and loads the SDK's configuration; makes no call to a table.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used, a missing Region among them, in one message.
    #[expect(clippy::disallowed_methods, reason = "the edge: names of settings that are none")]
    pub(super) async fn connect() -> Result<Self, Failure> {
        let read = TableSettings::read(environment);
        let sdk = load_sdk(read.as_ref().ok().and_then(|settings| settings.tls_roots)).await?;
        let settings = with_sdk(read, sdk.region().map(AsRef::as_ref))?;
        for name in misspelt_settings(std::env::vars_os().map(|(name, _)| name)) {
            warn(name);
        }
        tell_when_it_takes_long(&sdk);
        Ok(Self { settings, sdk: patient(&sdk), caller: OnceCell::new() })
    }

    /// Who runs the command, as far as STS says so within a moment.
    pub(super) async fn caller(&self) -> Option<&Administrator> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let ask = async {
            let asked = tokio::time::timeout(PATIENCE, administrator(&self.sdk)).await;
            asked.ok().and_then(Result::ok)
        };
        self.caller.get_or_init(|| ask).await.as_ref()
    }

    /// What the items keep of who writes now.
    #[expect(clippy::disallowed_methods, reason = "the edge: time enters here")]
    pub(super) async fn signature(&self) -> Signature {
        let by = self.caller().await.map(|caller| caller.arn.clone());
        let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        Signature { by, at }
    }

    /// Which hub this is. Whose account it is remains open where STS does not say it.
    pub(super) async fn head(&self) -> Head {
        Head {
            account: self.caller().await.map(|caller| caller.account.to_string()),
            region: self.sdk.region().map_or_else(String::new, ToString::to_string),
            teams: self.settings.teams_table.clone(),
            idps: self.settings.idps_table.clone(),
        }
    }

    /// The administrators' tables.
    pub(super) fn tables(&self) -> MappingTables {
        MappingTables::new(aws_sdk_dynamodb::Client::new(&self.sdk), &self.settings)
    }

    /// What a table holds.
    pub(super) async fn stored(&self, table: Table) -> Result<BTreeMap<String, Stored>, Failure> {
        let records = self.tables().all(table).await;
        let records = records.map_err(|error| self.failure(table, error))?;
        let of = |(key, record)| (key, Stored::of(table, record));
        Ok(records.into_iter().map(of).collect())
    }

    /// A failed call on a table; of a table that is not there, which one and where.
    pub(super) fn failure(&self, table: Table, error: AwsError) -> Failure {
        if error.kind != Kind::Missing {
            return error.into();
        }
        let (variable, name) = match table {
            Table::Teams => ("STUDIO_BROKER_TEAMS_TABLE", &self.settings.teams_table),
            Table::Idps => ("STUDIO_BROKER_IDPS_TABLE", &self.settings.idps_table),
        };
        let region = self.sdk.region().map_or("", AsRef::as_ref);
        let message = format!("there is no table {name} in {region} ({variable})");
        Failure::new(Exit::Failed, message)
            .code(Code::TableMissing)
            .hint(format!("aws dynamodb list-tables --region {region}"))
    }
}

/// Which hub a plan is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    account: Option<String>,
    region: String,
    teams: String,
    idps: String,
}

impl Head {
    pub(super) fn as_json(&self) -> Value {
        let Self { account, region, teams, idps } = self;
        json!({"account": account, "region": region, "teams_table": teams, "idps_table": idps})
    }

    /// In one line.
    pub(super) fn in_words(&self) -> String {
        Self::words(&self.as_json())
    }

    /// What a head as JSON says, in one line.
    pub(super) fn words(head: &Value) -> String {
        let text = |name: &str| plain(head.get(name).and_then(Value::as_str).unwrap_or("unknown"));
        format!(
            "account {}, {}, tables {} and {}",
            text("account"),
            text("region"),
            text("teams_table"),
            text("idps_table")
        )
    }
}

/// Variables of ours that are no settings of the program: of completion scripts, and of the test suites.
const OTHERS: [&str; 3] =
    ["STUDIO_BROKER_COMPLETE", "STUDIO_BROKER_BIN", "STUDIO_BROKER_TEST_PYTHON"];

/// One sentence for each variable that looks like a setting of ours and is none.
fn misspelt_settings(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let ours = names.filter_map(|name| name.into_string().ok());
    let ours = ours.filter(|name| name.starts_with("STUDIO_BROKER_"));
    let known = || SETTINGS.iter().map(|setting| setting.variable);
    let unknown =
        ours.filter(|name| !OTHERS.contains(&name.as_str()) && known().all(|one| one != name));
    let sentence = |name: String| {
        let near = nearest(&name, known());
        let perhaps = near.first().map(|near| format!(", perhaps {near}")).unwrap_or_default();
        format!("{}: no setting has this name{perhaps}; it is ignored", plain(&name))
    };
    unknown.map(sentence).collect()
}

/// Nobody should look at a dark screen while AWS is asked again and again.
fn tell_when_it_takes_long(sdk: &SdkConfig) {
    const SILENCE: Duration = Duration::from_secs(3);
    let region = sdk.region().map_or_else(String::new, ToString::to_string);
    let endpoint = sdk.endpoint_url().map(|url| format!(" at {}", plain(url))).unwrap_or_default();
    tokio::spawn(async move {
        tokio::time::sleep(SILENCE).await;
        if !has_spoken() {
            say(format!(
                "AWS in {region}{endpoint} has not answered yet; it is asked again for up to half a minute"
            ));
        }
    });
}

/// The SDK's configuration with these trust roots.
pub(super) async fn load_sdk(roots: Option<TlsRoots>) -> Result<SdkConfig, Failure> {
    sdk_config(roots).await.map_err(|error| {
        Failure::new(Exit::Failed, format!("the trust roots cannot be loaded: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_no_setting_is_named_with_the_nearest() {
        let names = ["STUDIO_BROKER_TEAM_TABLE", "STUDIO_BROKER_LOG", "AWS_REGION"];
        let said = misspelt_settings(names.into_iter().map(OsString::from));
        assert_eq!(
            said,
            [
                "STUDIO_BROKER_TEAM_TABLE: no setting has this name, perhaps STUDIO_BROKER_TEAMS_TABLE; it is ignored"
            ]
        );
    }
}
