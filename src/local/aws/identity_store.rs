//! Identity Store: the scenario's people and groups, read only.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::local::scenario::Scenario;

pub(crate) fn answer(
    _scenario: &Scenario,
    operation: &str,
    _input: &Map<String, Value>,
) -> Result<Value, Refusal> {
    Err(Refusal::UnknownOperation { operation: operation.into() })
}
