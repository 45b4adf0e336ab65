//! Regions that are cut off from the others, as a global table with multi-Region strong consistency has
//! them.
//!
//! The simulated tables are the same in every Region: what one wrote the others read, conditional writes
//! included, as with that consistency. A Region that is cut off answers eventually consistent reads with
//! what it held at that moment and refuses everything else; one that is back, but has not caught up, does
//! the same. Such tables know no transactions (the setting `strong_tables`). Which errors say so is not
//! documented: here they are `InternalServerError` and `ValidationException`.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html>

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dynoxide::Database;
use serde_json::{Map, Value};

/// What each Region that is cut off holds.
#[derive(Clone, Default)]
pub(super) struct CutOff(Arc<Mutex<BTreeMap<String, Database>>>);

impl CutOff {
    /// What a Region holds that is cut off; `None` for every other.
    pub(super) fn held_by(&self, region: &str) -> Option<Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(region).cloned()
    }

    /// Exactly these Regions are cut off from now on. Those that were keep what they held; for others
    /// `copy` tells what there is now.
    pub(super) fn set<E>(
        &self,
        regions: &[String],
        copy: impl Fn() -> Result<Database, E>,
    ) -> Result<(), E> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|region, _| regions.contains(region));
        for region in regions {
            if !held.contains_key(region) {
                held.insert(region.clone(), copy()?);
            }
        }
        Ok(())
    }
}

/// Whether an operation needs no other Region.
pub(super) fn is_eventually_consistent_read(operation: &str, body: &Bytes) -> bool {
    let input: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let is_strong = |of: &Map<String, Value>| {
        of.get("ConsistentRead").and_then(Value::as_bool).unwrap_or_default()
    };
    match operation {
        "GetItem" | "Query" | "Scan" => !is_strong(&input),
        "BatchGetItem" => {
            let tables = input.get("RequestItems").and_then(Value::as_object);
            tables.is_some_and(|tables| {
                tables.values().filter_map(Value::as_object).all(|table| !is_strong(table))
            })
        }
        "DescribeTable" | "ListTables" => true,
        _ => false,
    }
}
