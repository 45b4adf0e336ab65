//! The hub as an administrator reaches it: the settings that its tables need, and a patient SDK.

use aws_config::SdkConfig;

use super::Exit;
use super::output::Failure;
use crate::aws::error::{AwsError, Kind};
use crate::aws::mapping_tables::MappingTables;
use crate::aws::{patient, sdk_config};
use crate::config::{TableSettings, TlsRoots, environment, with_sdk};
use crate::mappings::Table;

/// Settings and clients of a command that works on the tables.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) settings: TableSettings,
    pub(super) sdk: SdkConfig,
}

impl Hub {
    /// Reads the settings and loads the SDK's configuration; makes no call to a table.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used, a missing Region among them, in one message.
    pub(super) async fn connect() -> Result<Self, Failure> {
        let read = TableSettings::read(environment);
        let sdk = load_sdk(read.as_ref().ok().and_then(|settings| settings.tls_roots)).await?;
        let settings = with_sdk(read, &sdk)?;
        Ok(Self { settings, sdk: patient(&sdk) })
    }

    /// The administrators' tables.
    pub(super) fn tables(&self) -> MappingTables {
        MappingTables::new(aws_sdk_dynamodb::Client::new(&self.sdk), &self.settings)
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
            .hint(format!("aws dynamodb list-tables --region {region}"))
    }
}

/// The SDK's configuration with these trust roots.
pub(super) async fn load_sdk(roots: Option<TlsRoots>) -> Result<SdkConfig, Failure> {
    sdk_config(roots).await.map_err(|error| {
        Failure::new(Exit::Failed, format!("the trust roots cannot be loaded: {error}"))
    })
}
