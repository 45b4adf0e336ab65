//! A team that is not there, and those whose ids are near.

use super::Exit;
use super::hub::Hub;
use super::output::{Failure, word};
use crate::mappings::{Table, distance};
use crate::team::item::excerpt;

/// The most ids that are named.
const MOST: usize = 3;

/// The failure of a command whose team is not there, with the ids that are near.
pub(super) async fn missing(hub: &Hub, id: &str) -> Failure {
    let records = match hub.tables().all(Table::Teams).await {
        Ok(records) => records,
        Err(error) => return hub.failure(Table::Teams, error),
    };
    let lower = id.to_lowercase();
    let mut near: Vec<_> = records
        .keys()
        .map(|key| (distance(&lower, &key.to_lowercase()), key))
        .filter(|(distance, _)| *distance <= 2)
        .collect();
    near.sort();
    let near: Vec<_> = near.into_iter().take(MOST).map(|(_, key)| word(key)).collect();
    let perhaps = match near.as_slice() {
        [] => String::new(),
        near => format!(", perhaps {}", near.join(" or ")),
    };
    let message = format!("there is no team {}{perhaps}", excerpt(id));
    Failure::new(Exit::Failed, message).hint("studio-broker teams list")
}
