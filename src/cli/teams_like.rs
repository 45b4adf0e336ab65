//! A team that is not there, and those whose ids are near.

use super::Exit;
use super::hub::Hub;
use super::output::{Code, Failure, word};
use crate::mappings::{Table, nearest};
use crate::team::item::excerpt;

/// The failure of a command whose team is not there, with the ids that are near.
pub(super) async fn missing(hub: &Hub, id: &str) -> Failure {
    let records = match hub.tables().all(Table::Teams).await {
        Ok(records) => records,
        Err(error) => return hub.failure(Table::Teams, error),
    };
    let near = nearest(id, records.keys().map(String::as_str)).into_iter();
    let near: Vec<_> = near.map(word).collect();
    let perhaps = match near.as_slice() {
        [] => String::new(),
        near => format!(", perhaps {}", near.join(" or ")),
    };
    let message = format!("there is no team {}{perhaps}", excerpt(id));
    Failure::new(Exit::Failed, message).code(Code::NotFound).hint("studio-broker teams list")
}
