//! Everything behind the endpoint: what each service keeps, what is ordered, and the scenario.

use std::sync::Arc;

use super::{
    caller::Sessions, control::state::Control, dynamodb::database::DynamoDb, error::StartError,
    identity_store::directory::Directory, options::AwsOptions, recorder::Recorder,
    roles::grant::Grants, sagemaker::state::Store,
};
use crate::local::{scenario::Scenario, studio::Studio};

/// What the endpoint answers from.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) options: AwsOptions,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) sagemaker: Store,
    pub(crate) directory: Directory,
    pub(crate) scenario: Scenario,
    pub(crate) sessions: Sessions,
    pub(crate) control: Control,
    pub(crate) recorder: Recorder,
    pub(crate) grants: Grants,
    pub(crate) studio: Arc<Studio>,
}

impl Simulator {
    /// Opens what an earlier run kept, or begins anew.
    pub(crate) fn open(options: AwsOptions) -> Result<Self, StartError> {
        if let Some(folder) = &options.data {
            std::fs::create_dir_all(folder)
                .map_err(|source| StartError::Data { path: folder.clone(), source })?;
        }
        Ok(Self {
            dynamodb: DynamoDb::open(options.data.as_deref(), &options.tables)?,
            sagemaker: Store::open(options.data.as_deref())?,
            directory: Directory::open(options.data.as_deref())?,
            sessions: Sessions::default(),
            control: Control::default(),
            recorder: Recorder::default(),
            grants: Grants::default(),
            studio: Arc::new(Studio::default()),
            scenario: Scenario::embedded()?,
            options,
        })
    }
}
