//! `DynamoDB`: the tables of teams and `IdPs`, as administrators read and write them.
//!
//! Reads are consistent and complete. A write depends on everything that was read: each attribute must
//! still have its value, and each attribute that an item may have and did not have must still be absent. So
//! an edit by hand counts as much as another `apply`. Only what differs is sent, so an attribute that
//! nobody knows, added in those very seconds, survives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use futures_util::stream::{self, StreamExt as _};

use super::conditional::{Conditional, conditional};
use super::error::{AwsError, sorted};
use crate::config::TableSettings;
use crate::mappings::places::{self, Place};
use crate::mappings::plan::Change;
use crate::mappings::{NOTES, Table};
use crate::team::item::Record;

/// The administrators' tables.
#[derive(Debug, Clone)]
pub struct MappingTables {
    pub(super) client: Client,
    teams: String,
    idps: String,
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// As wanted, by this very write or by an earlier one of the same content.
    Done,
    /// Somebody else changed the item meanwhile; what it is now, `None` when it is gone.
    ChangedMeanwhile(Option<Record>),
}

/// How one change of a plan ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// As wanted.
    Written,
    /// Somebody else changed the item meanwhile; what it is now, `None` when it is gone.
    ChangedMeanwhile(Option<Record>),
    /// AWS refused, or nobody knows.
    Failed(AwsError),
    /// Another one had failed before, or somebody interrupted.
    NotTried,
}

impl Outcome {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::ChangedMeanwhile(_) => "changed_meanwhile",
            Self::Failed(_) => "failed",
            Self::NotTried => "not_tried",
        }
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Together {
    /// Every change is made.
    Written,
    /// None is made: somebody else changed these items meanwhile, by their place among the changes.
    ChangedMeanwhile(Vec<usize>),
}

/// What one transaction holds at most
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const MOST_AT_ONCE: usize = 100;

/// How many writes are under way at once.
const SIDE_BY_SIDE: usize = 16;

impl MappingTables {
    /// The tables that the settings name.
    pub fn new(client: Client, settings: &TableSettings) -> Self {
        let TableSettings { teams_table, idps_table, .. } = settings;
        Self { client, teams: teams_table.clone(), idps: idps_table.clone() }
    }

    /// The name of a table.
    pub fn name(&self, table: Table) -> &str {
        match table {
            Table::Teams => &self.teams,
            Table::Idps => &self.idps,
        }
    }

    /// Every item of a table by its key.
    ///
    /// # Errors
    ///
    /// The table could not be read completely.
    pub async fn all(&self, table: Table) -> Result<BTreeMap<String, Record>, AwsError> {
        let mut items = self.scan(table).await?;
        items.remove(places::KEY);
        Ok(items)
    }

    /// Every team by its id, and the places where teams ever were ([`places`]).
    ///
    /// # Errors
    ///
    /// The table could not be read completely.
    pub async fn teams_and_places(
        &self,
    ) -> Result<(BTreeMap<String, Record>, BTreeSet<Place>), AwsError> {
        let mut items = self.scan(Table::Teams).await?;
        let places = items.remove(places::KEY).map(|record| places::read(&record));
        Ok((items, places.unwrap_or_default()))
    }

    /// Adds places to those that are remembered, whatever others add meanwhile.
    ///
    /// # Errors
    ///
    /// AWS refused the write, or nobody knows.
    pub async fn remember(&self, places: &BTreeSet<Place>) -> Result<(), AwsError> {
        super::places::remember(&self.client, &self.teams, places).await
    }

    /// Takes places out of those that are remembered.
    ///
    /// # Errors
    ///
    /// AWS refused the write, or nobody knows.
    pub async fn forget(&self, places: &BTreeSet<Place>) -> Result<(), AwsError> {
        super::places::forget(&self.client, &self.teams, places).await
    }

    async fn scan(&self, table: Table) -> Result<BTreeMap<String, Record>, AwsError> {
        let mut items = BTreeMap::new();
        let mut start = None;
        loop {
            let sent = self
                .client
                .scan()
                .table_name(self.name(table))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await;
            let output = sorted("dynamodb:Scan", sent)?;
            for item in output.items.unwrap_or_default() {
                let key = item.get(table.key()).and_then(|key| key.as_s().ok()).cloned();
                items.extend(key.map(|key| (key, item)));
            }
            start = output.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// One page of the keys that begin with `prefix`, as a read without consistency shows them, and where the
    /// next page begins: for completions, which show what they have got in time.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn keys(
        &self,
        table: Table,
        prefix: &str,
        start: Option<Record>,
    ) -> Result<(Vec<String>, Option<Record>), AwsError> {
        let mut scan = self
            .client
            .scan()
            .table_name(self.name(table))
            .projection_expression("#key")
            .expression_attribute_names("#key", table.key())
            .set_exclusive_start_key(start);
        if !prefix.is_empty() {
            scan = scan
                .filter_expression("begins_with(#key, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
        }
        let output = sorted("dynamodb:Scan", scan.send().await)?;
        let key = |item: Record| item.get(table.key())?.as_s().ok().cloned();
        let keys = output.items.unwrap_or_default().into_iter().filter_map(key);
        let keys = keys.filter(|key| key != places::KEY).collect();
        Ok((keys, output.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// Makes all changes, several at a time, each on its own condition; how each ended, in their order, and
    /// told when it ends. After a failure, or once `stop` says so, no further one is begun.
    pub async fn carry_out(
        &self,
        changes: &[Change],
        stop: impl Fn() -> bool,
        told: impl Fn(&Change, &Outcome),
    ) -> Vec<Outcome> {
        let failed = AtomicBool::new(false);
        let (failed, stop) = (&failed, &stop);
        let one = async |change: &Change| {
            if failed.load(Ordering::Relaxed) || stop() {
                return Outcome::NotTried;
            }
            let Change { table, key, before, after, .. } = change;
            let written = match (before, after) {
                (before, Some(after)) => self.write(*table, key, before.as_ref(), after).await,
                (Some(before), None) => self.remove(*table, key, before).await,
                (None, None) => Ok(Written::Done),
            };
            match written {
                Ok(Written::Done) => Outcome::Written,
                Ok(Written::ChangedMeanwhile(now)) => Outcome::ChangedMeanwhile(now),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    Outcome::Failed(error)
                }
            }
        };
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut ended = pin!(stream::iter(changes).map(one).buffered(SIDE_BY_SIDE));
        while let Some(outcome) = ended.next().await {
            if let Some(change) = changes.get(outcomes.len()) {
                told(change, &outcome);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Makes all changes or none, each on its condition: how many of a kept plan can be made in one
    /// transaction is [`MOST_AT_ONCE`].
    ///
    /// # Errors
    ///
    /// AWS refused the transaction, or nobody knows.
    pub async fn carry_out_together(&self, changes: &[Change]) -> Result<Together, AwsError> {
        const OPERATION: &str = "dynamodb:TransactWriteItems";
        let items = changes.iter().filter_map(|change| self.action(change)).collect();
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = sent else { return Ok(Together::Written) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        {
            let reasons = canceled.cancellation_reasons().iter().enumerate();
            let changed: Vec<usize> = reasons
                .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
                .map(|(i, _)| i)
                .collect();
            if !changed.is_empty() {
                return Ok(Together::ChangedMeanwhile(changed));
            }
        }
        Err(AwsError::new(OPERATION, &error))
    }

    /// One change as a part of a transaction.
    fn action(&self, change: &Change) -> Option<TransactWriteItem> {
        let Change { table, key, before, after, .. } = change;
        let key = || AttributeValue::S(key.clone());
        let item = TransactWriteItem::builder();
        if let Some(after) = after {
            let (update, expression) = Expression::update(*table, before.as_ref(), after);
            let update = Update::builder()
                .table_name(self.name(*table))
                .key(table.key(), key())
                .update_expression(update)
                .condition_expression(expression.condition)
                .set_expression_attribute_names(Some(expression.names))
                .set_expression_attribute_values(
                    Some(expression.values).filter(|values| !values.is_empty()),
                );
            return Some(item.update(update.build().ok()?).build());
        }
        let expression = Expression::unchanged(*table, Some(before.as_ref()?));
        let delete = Delete::builder()
            .table_name(self.name(*table))
            .key(table.key(), key())
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values));
        Some(item.delete(delete.build().ok()?).build())
    }

    /// Turns the item that was read (`None`: there was none) into `wanted`, if it is still what was read.
    ///
    /// # Errors
    ///
    /// AWS refused the write, or nobody knows.
    pub async fn write(
        &self,
        table: Table,
        key: &str,
        read: Option<&Record>,
        wanted: &Record,
    ) -> Result<Written, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let (update, expression) = Expression::update(table, read, wanted);
        let sent = self
            .client
            .update_item()
            .table_name(self.name(table))
            .key(table.key(), AttributeValue::S(key.to_owned()))
            .update_expression(update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(
                Some(expression.values).filter(|values| !values.is_empty()),
            )
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match conditional(OPERATION, sent)? {
            Conditional::Made(_) => Written::Done,
            // The answer to our own first attempt may have been lost.
            Conditional::Not(Some(now)) if now == *wanted => Written::Done,
            Conditional::Not(now) => Written::ChangedMeanwhile(now.filter(|item| !item.is_empty())),
        })
    }

    /// Removes an item, if it is still what was read.
    ///
    /// # Errors
    ///
    /// AWS refused the removal, or nobody knows.
    pub async fn remove(
        &self,
        table: Table,
        key: &str,
        read: &Record,
    ) -> Result<Written, AwsError> {
        const OPERATION: &str = "dynamodb:DeleteItem";
        let expression = Expression::unchanged(table, Some(read));
        let sent = self
            .client
            .delete_item()
            .table_name(self.name(table))
            .key(table.key(), AttributeValue::S(key.to_owned()))
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match conditional(OPERATION, sent)? {
            Conditional::Not(Some(now)) if !now.is_empty() => Written::ChangedMeanwhile(Some(now)),
            // Gone: by this attempt, by our own first one, or by somebody who wanted the same.
            Conditional::Made(_) | Conditional::Not(_) => Written::Done,
        })
    }
}

/// A condition and the placeholders that it and an update share: names such as `groups` are reserved words.
struct Expression {
    condition: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// What turns the item that was read into `wanted`, on the condition that it is still that.
    fn update(table: Table, read: Option<&Record>, wanted: &Record) -> (String, Self) {
        let nothing = Record::new();
        let old = read.unwrap_or(&nothing);
        let mut expression = Self::unchanged(table, read);
        let mut set = Vec::new();
        let mut remove = Vec::new();
        let names: BTreeSet<_> = old.keys().chain(wanted.keys()).collect();
        for name in names.into_iter().filter(|name| *name != table.key()) {
            match (old.get(name), wanted.get(name)) {
                (old, Some(new)) if old != Some(new) => {
                    let (name, value) = (expression.name(name), expression.value(new));
                    set.push(format!("{name} = {value}"));
                }
                (Some(_), None) => remove.push(expression.name(name)),
                _ => {}
            }
        }
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        let update = clause("SET", &set) + &clause("REMOVE", &remove);
        (update.trim_end().to_owned(), expression)
    }

    /// The item is what was read, in every attribute that it had or may have.
    fn unchanged(table: Table, read: Option<&Record>) -> Self {
        let mut expression =
            Self { condition: String::new(), names: HashMap::new(), values: HashMap::new() };
        let mut parts = Vec::new();
        let Some(read) = read else {
            let name = expression.name(table.key());
            expression.condition = format!("attribute_not_exists({name})");
            return expression;
        };
        let sorted: BTreeMap<_, _> = read.iter().collect();
        for (name, value) in sorted {
            let (name, value) = (expression.name(name), expression.value(value));
            parts.push(format!("{name} = {value}"));
        }
        let may_appear = |name: &&&str| !read.contains_key(**name) && !NOTES.contains(*name);
        for name in table.attributes().iter().filter(may_appear) {
            let name = expression.name(name);
            parts.push(format!("attribute_not_exists({name})"));
        }
        expression.condition = parts.join(" AND ");
        expression
    }

    fn name(&mut self, name: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: &AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.clone());
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_depends_on_every_attribute_that_was_read_and_on_every_other_one_being_absent() {
        let read = Record::from([
            ("team_id".to_owned(), AttributeValue::S("team1".into())),
            ("groups".to_owned(), AttributeValue::Ss(vec!["a".into()])),
            ("by_hand".to_owned(), AttributeValue::Null(true)),
        ]);
        let expression = Expression::unchanged(Table::Teams, Some(&read));
        assert!(expression.condition.starts_with("#n0 = :v0 AND #n1 = :v1 AND #n2 = :v2 AND "));
        let absent = expression.condition.matches("attribute_not_exists(").count();
        assert_eq!(absent, Table::Teams.attributes().len() - NOTES.len() - 2);
        let names: BTreeSet<_> = expression.names.values().map(String::as_str).collect();
        let all = Table::Teams.attributes().iter().copied();
        let mut expected: BTreeSet<_> = all.filter(|name| !NOTES.contains(name)).collect();
        expected.insert("by_hand");
        assert_eq!(names, expected);
    }

    #[test]
    fn a_new_item_depends_on_there_being_none() {
        let expression = Expression::unchanged(Table::Idps, None);
        assert_eq!(expression.condition, "attribute_not_exists(#n0)");
        assert_eq!(expression.names["#n0"], "entity_id");
    }
}
