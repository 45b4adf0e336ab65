//! `DynamoDB`: consumed responses, each with its session. One conditional write is at once the replay
//! guard and the session record.
//!
//! # Why one assertion gives one sign-in, and one request of ours, too
//!
//! An assertion has a key `A`, a request of ours a key `R`. A sign-in writes `A` where nobody was asked,
//! and `A` and `R` in one transaction where the assertion answers `R`; each write holds only while its key
//! is not there, and the program deletes none. So whatever two sign-ins have in common, the assertion or
//! the request, is a key that both must create, and the table lets one of them: which process it is, in
//! which order they come, and whether the other one was asked for plays no part.
//!
//! Whoever finds a key taken is a replay, unless it is by a write of its own whose answer was lost: the
//! record holds the hash of a secret that is fresh for each sign-in, and a transaction is written as a
//! whole, so that its own hash under one key stands for both. Two writes that meet are told so by
//! `DynamoDB` and written by nobody or one; whoever was not heard writes again.
//!
//! Global tables of multi-Region strong consistency know no transactions. There `A` is written first and `R`
//! after it, each under its own condition: what two sign-ins have in common is still a key that both must
//! create. Only who has written both is signed in; who fails between them has used up an assertion for
//! nothing, and starts again.
//!
//! A record outlives the moment at which the last clock could accept the assertion, and the last clock
//! could accept the request. The tests below walk through every order of two and three sign-ins, with
//! lost answers and conflicts anywhere; `tests/system/test_state.py` does it with two processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::conditional::{Attributes, Conditional, conditional};
use super::error::{AwsError, Kind, sorted};
use super::remember_request_id;
use crate::random::{hex, random};
use crate::session::{Secret, Seen, Session};

/// The table of consumed responses.
#[derive(Debug, Clone)]
pub struct StateTable {
    client: Client,
    /// Whether the table has said that it knows no transactions.
    without_transactions: Arc<AtomicBool>,
    /// The table's name.
    pub name: String,
}

/// The key of a consumed assertion or of an answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey(String);

impl StateKey {
    /// The key of an assertion, by its ID from the verified subtree.
    pub fn of_assertion(idp: &str, assertion_id: &str) -> Self {
        Self::new("assertion", idp, assertion_id)
    }

    /// The key of a request of ours, by the ID that the verified subtree answers.
    pub fn of_request(idp: &str, request_id: &str) -> Self {
        Self::new("request", idp, request_id)
    }

    fn new(kind: &str, idp: &str, id: &str) -> Self {
        let mut bytes = Vec::new();
        for part in [kind, idp, id] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes)))
    }

    /// A key as a browser sent it; `None` when it cannot be one.
    pub fn from_cookie(text: &str) -> Option<Self> {
        (URL_SAFE_NO_PAD.decode(text).ok()?.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text for the cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a sign-in makes single-use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// Key of the record that holds the session: the request's where one was answered, else the
    /// assertion's.
    pub key: StateKey,
    /// Key of the assertion where it answered a request.
    guard: Option<StateKey>,
}

impl Consumed {
    /// The keys of a verified assertion.
    pub fn new(idp: &str, assertion_id: &str, in_response_to: Option<&str>) -> Self {
        let assertion = StateKey::of_assertion(idp, assertion_id);
        match in_response_to {
            Some(request) => {
                Self { key: StateKey::of_request(idp, request), guard: Some(assertion) }
            }
            None => Self { key: assertion, guard: None },
        }
    }
}

/// What became of a change that a session takes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was this request that changed it.
    Now,
    /// Another request had done so.
    Before,
    /// There is no such session, or not any more.
    Gone,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The response had not been seen: the sign-in is ours.
    Accepted,
    /// The response was consumed before, by somebody else or by this browser earlier.
    Replayed,
}

/// What the table says of one key of a write that it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// Nothing stands against it.
    Free,
    /// It is there; by the write of which secret, if that can be read.
    Held(Option<String>),
    /// Another write is under way there, or there is too much to do.
    Busy,
    /// Something else is wrong with the write.
    Wrong,
}

/// What follows from a refused write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Known(Claim),
    WriteAgain,
    Failed,
}

/// A key that is held decides: by us, then the whole write is ours; by anybody else, then it is a replay.
fn verdict(said: &[Said], hash_is_ours: impl Fn(&str) -> bool) -> Verdict {
    let is_ours = |holder: &Option<String>| holder.as_deref().is_some_and(&hash_is_ours);
    let holders = || {
        said.iter().filter_map(|said| match said {
            Said::Held(holder) => Some(holder),
            _ => None,
        })
    };
    if holders().any(|holder| !is_ours(holder)) {
        Verdict::Known(Claim::Replayed)
    } else if holders().next().is_some() {
        Verdict::Known(Claim::Accepted)
    } else if said.contains(&Said::Busy) && !said.contains(&Said::Wrong) {
        Verdict::WriteAgain
    } else {
        Verdict::Failed
    }
}

/// The attribute by which the record of a session is told from another's.
const SECRET_HASH: &str = "secret_hash";
/// Which request has confirmed or ended the session: of several at once, one.
const CONFIRMED_BY: &str = "confirmed_by";
const ENDED_BY: &str = "ended_by";
/// The same of an assertion whose session stands under the request's key. It is no session's.
const CLAIMED_BY: &str = "claimed_by";
/// How long a write waits for another one to the same keys, in milliseconds, each time.
const CONFLICT_PAUSES: [u64; 5] = [10, 20, 40, 80, 160];

/// No clock within this distance of ours may accept a response whose record has gone.
const LARGEST_SKEW_SECONDS: i64 = 180;

impl StateTable {
    /// The table `name`.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, without_transactions: Arc::default(), name }
    }

    /// Consumes a response: writes its records unless there is one already.
    ///
    /// The SDK repeats a write whose answer was lost; the repetition finds our own record, which the
    /// hash of the secret (fresh for each sign-in) tells from somebody else's.
    ///
    /// `replayable_until` is when neither assertion nor request can be accepted any more, without skew.
    ///
    /// # Errors
    ///
    /// The write did not succeed, or nobody knows.
    pub async fn claim(
        &self,
        consumed: &Consumed,
        secret: &Secret,
        session: &Session,
        replayable_until: Timestamp,
    ) -> Result<Claim, AwsError> {
        let hash = secret.hash();
        // A second clock, as far ahead of ours as is tolerated, judges with a skew of its own.
        let last_acceptance = replayable_until.as_second() + 2 * LARGEST_SKEW_SECONDS + 1;
        let expires_at = last_acceptance.max(session.ends_at).to_string();
        let record = |key: &StateKey, mut item: Attributes, hash_name: &str| {
            item.insert("pk".to_owned(), AttributeValue::S(key.0.clone()));
            item.insert(hash_name.to_owned(), AttributeValue::S(hash.clone()));
            item.insert("expires_at".to_owned(), AttributeValue::N(expires_at.clone()));
            item
        };
        let item = serde_dynamo::to_item::<_, Attributes>(session)
            .map_err(|error| AwsError::not_sent("dynamodb:PutItem", &error))?;
        let item = record(&consumed.key, item, SECRET_HASH);
        let guard =
            consumed.guard.as_ref().map(|guard| record(guard, Attributes::new(), CLAIMED_BY));
        let mut pauses = CONFLICT_PAUSES.into_iter();
        // Once begun so it goes on so: half of what was written in turn is not a whole transaction.
        let mut in_turn = self.without_transactions.load(Ordering::Relaxed);
        loop {
            let refused = match &guard {
                None => self.put(item.clone()).await,
                Some(guard) if in_turn => {
                    let ours = |hash: &str| secret.matches(hash);
                    self.put_in_turn(item.clone(), guard.clone(), ours).await
                }
                Some(guard) => self.put_both(item.clone(), guard.clone()).await,
            };
            let Err((said, error)) = refused else { return Ok(Claim::Accepted) };
            if !in_turn && error.kind == Kind::Invalid && guard.is_some() {
                in_turn = true;
                self.without_transactions.store(true, Ordering::Relaxed);
                continue;
            }
            match verdict(&said, |hash| secret.matches(hash)) {
                Verdict::Known(claim) => return Ok(claim),
                Verdict::Failed => return Err(error),
                Verdict::WriteAgain => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    let [jitter] = random::<1>();
                    let pause = pause + pause * u64::from(jitter) / 256;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        }
    }

    async fn put(&self, item: Attributes) -> Result<(), (Vec<Said>, AwsError)> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(output) => {
                remember_request_id(output.request_id());
                Ok(())
            }
            Err(error) => {
                let failed = AwsError::new("dynamodb:PutItem", &error);
                let said = match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                        Said::Held(failed.item().and_then(holder))
                    }
                    Some(
                        PutItemError::TransactionConflictException(_)
                        | PutItemError::ReplicatedWriteConflictException(_),
                    ) => Said::Busy,
                    _ => Said::Wrong,
                };
                Err((vec![said], failed))
            }
        }
    }

    /// Both records, one after the other; what is said is said of the one that was refused.
    async fn put_in_turn(
        &self,
        item: Attributes,
        guard: Attributes,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<(), (Vec<Said>, AwsError)> {
        if let Err((said, error)) = self.put(guard).await
            && verdict(&said, is_ours) != Verdict::Known(Claim::Accepted)
        {
            return Err((said, error));
        }
        self.put(item).await
    }

    async fn put_both(
        &self,
        item: Attributes,
        guard: Attributes,
    ) -> Result<(), (Vec<Said>, AwsError)> {
        const OPERATION: &str = "dynamodb:TransactWriteItems";
        let mut transaction = self.client.transact_write_items();
        for item in [item, guard] {
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build();
            let put =
                put.map_err(|error| (vec![Said::Wrong], AwsError::not_sent(OPERATION, &error)))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match transaction.send().await {
            Ok(output) => {
                remember_request_id(output.request_id());
                Ok(())
            }
            Err(error) => {
                let failed = AwsError::new(OPERATION, &error);
                let said = match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                        canceled.cancellation_reasons().iter().map(said).collect()
                    }
                    Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                        vec![Said::Busy]
                    }
                    _ => vec![Said::Wrong],
                };
                let busy = verdict(&said, |_| false) == Verdict::WriteAgain;
                let kind = if busy { Kind::Throttled } else { failed.kind };
                Err((said, AwsError { kind, ..failed }))
            }
        }
    }

    /// The session of a browser that holds `key` and `secret`; `None` when there is none, it has been
    /// ended, or the secret is another's. Read consistently; the caller compares the end with `now`.
    ///
    /// # Errors
    ///
    /// The table could not be read.
    pub async fn session(
        &self,
        key: &StateKey,
        secret: &Secret,
    ) -> Result<Option<Session>, AwsError> {
        let sent = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .consistent_read(true)
            .send()
            .await;
        let output = sorted("dynamodb:GetItem", sent)?;
        let Some(item) = output.item else { return Ok(None) };
        let hash = item.get("secret_hash").and_then(|hash| hash.as_s().ok());
        if !hash.is_some_and(|hash| secret.matches(hash)) {
            return Ok(None);
        }
        Ok(serde_dynamo::from_item(item).ok())
    }

    /// Remembers in the session what its waiting person's next visit need not look at again. Signing
    /// out meanwhile wins.
    ///
    /// # Errors
    ///
    /// The record could not be changed; nothing depends on it.
    pub async fn remember(&self, key: &StateKey, seen: &Seen) -> Result<(), AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let seen = serde_dynamo::to_attribute_value::<_, AttributeValue>(seen)
            .map_err(|error| AwsError::not_sent(OPERATION, &error))?;
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .update_expression("SET seen = :seen")
            .condition_expression("attribute_exists(secret_hash)")
            .expression_attribute_values(":seen", seen)
            .send()
            .await;
        sorted(OPERATION, sent).map(|_| ())
    }

    /// Makes a session count that waited for its person to say who they are.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn confirm(&self, key: &StateKey, secret: &Secret) -> Result<Changed, AwsError> {
        let what = "REMOVE pending";
        let only_while = "secret_hash = :hash AND attribute_exists(pending)";
        let (changed, item) = self.change_once(key, secret, CONFIRMED_BY, what, only_while).await?;
        let hash = item.as_ref().and_then(|item| item.get(SECRET_HASH)?.as_s().ok());
        // Ended meanwhile, it does not count, whoever had confirmed it.
        Ok(match hash {
            _ if changed => Changed::Now,
            Some(hash) if secret.matches(hash) => Changed::Before,
            _ => Changed::Gone,
        })
    }

    /// Ends the session inside its record; the replay guard stays.
    ///
    /// # Errors
    ///
    /// The record could not be changed.
    pub async fn end(&self, key: &StateKey, secret: &Secret) -> Result<Changed, AwsError> {
        let (what, only_while) = ("REMOVE secret_hash", "secret_hash = :hash");
        let (changed, item) = self.change_once(key, secret, ENDED_BY, what, only_while).await?;
        Ok(match item {
            _ if changed => Changed::Now,
            Some(_) => Changed::Before,
            None => Changed::Gone,
        })
    }

    /// Changes a session as only one of all requests can, and leaves a mark by which a change of our own
    /// whose answer was lost is told from another request's. Whether it was ours, else what stands there.
    async fn change_once(
        &self,
        key: &StateKey,
        secret: &Secret,
        mark: &str,
        what: &str,
        only_while: &str,
    ) -> Result<(bool, Option<Attributes>), AwsError> {
        let ours = hex(&random::<16>());
        let updated = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.0.clone()))
            .update_expression(format!("SET {mark} = :ours {what}"))
            .condition_expression(only_while)
            .expression_attribute_values(":hash", AttributeValue::S(secret.hash()))
            .expression_attribute_values(":ours", AttributeValue::S(ours.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        Ok(match conditional("dynamodb:UpdateItem", updated)? {
            Conditional::Made(_) => (true, None),
            Conditional::Not(there) => {
                let is_ours = |item: &Attributes| {
                    item.get(mark).and_then(|mark| mark.as_s().ok()) == Some(&ours)
                };
                (there.as_ref().is_some_and(is_ours), there)
            }
        })
    }
}

/// Whose write an item is from: the hash of the secret.
fn holder(item: &Attributes) -> Option<String> {
    let hash = item.get(SECRET_HASH).or_else(|| item.get(CLAIMED_BY))?;
    hash.as_s().ok().cloned()
}

/// What the table says of one part of a transaction
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
fn said(reason: &CancellationReason) -> Said {
    match reason.code() {
        None | Some("None") => Said::Free,
        Some("ConditionalCheckFailed") => Said::Held(reason.item().and_then(holder)),
        Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded") => {
            Said::Busy
        }
        Some(_) => Said::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_tell_idps_kinds_and_ids_apart() {
        let keys = [
            StateKey::of_assertion("a", "bc"),
            StateKey::of_assertion("ab", "c"),
            StateKey::of_assertion("a", "bd"),
            StateKey::of_request("a", "bc"),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[i + 1..].contains(key));
            assert_eq!(StateKey::from_cookie(key.as_str()).as_ref(), Some(key));
        }
    }

    #[test]
    fn whatever_a_response_answers_its_assertion_is_claimed() {
        let answer = Consumed::new("idp", "x", Some("r"));
        assert_eq!(answer.guard, Some(Consumed::new("idp", "x", None).key));
        assert_eq!(answer.key, Consumed::new("idp", "y", Some("r")).key);
    }

    /// One sign-in of the model: what it writes, and what becomes of its writes one after the other.
    #[derive(Clone)]
    struct SignIn {
        keys: Vec<StateKey>,
        secret: &'static str,
        writes: Vec<Write>,
        claim: Option<Claim>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Write {
        Answered,
        /// Done as far as it can be, and the answer does not arrive.
        Lost,
        /// Told that another write is under way, and not done.
        Conflicting,
    }

    impl SignIn {
        fn new(assertion: &str, request: Option<&str>, secret: &'static str, to: &[Write]) -> Self {
            let Consumed { key, guard } = Consumed::new("idp", assertion, request);
            let keys = std::iter::once(key).chain(guard).collect();
            Self { keys, secret, writes: to.iter().rev().copied().collect(), claim: None }
        }

        fn is_done(&self) -> bool {
            self.claim.is_some() || self.writes.is_empty()
        }

        /// The next write, against the table; the code's own verdict on what the table says.
        fn step(&mut self, table: &mut HashMap<StateKey, &'static str>) {
            let Some(write) = self.writes.pop() else { return };
            let held: Vec<_> = self.keys.iter().map(|key| table.get(key)).collect();
            let said: Vec<_> = match write {
                Write::Conflicting => vec![Said::Busy; held.len()],
                _ => held
                    .iter()
                    .map(|held| match held {
                        Some(secret) => Said::Held(Some((**secret).to_owned())),
                        None => Said::Free,
                    })
                    .collect(),
            };
            let is_written = said.iter().all(|said| *said == Said::Free);
            if is_written {
                table.extend(self.keys.iter().map(|key| (key.clone(), self.secret)));
            }
            if write == Write::Lost {
                return;
            }
            self.claim = match is_written {
                true => Some(Claim::Accepted),
                false => match verdict(&said, |hash| hash == self.secret) {
                    Verdict::Known(claim) => Some(claim),
                    Verdict::WriteAgain => None,
                    Verdict::Failed => panic!("the model knows no other fault"),
                },
            };
        }
    }

    /// Every order in which the sign-ins' writes can reach the table.
    fn walk(
        sign_ins: &[SignIn],
        table: &HashMap<StateKey, &'static str>,
        check: &mut impl FnMut(&[SignIn]),
    ) {
        let mut is_over = true;
        for next in 0..sign_ins.len() {
            if sign_ins[next].is_done() {
                continue;
            }
            is_over = false;
            let (mut sign_ins, mut table) = (sign_ins.to_vec(), table.clone());
            sign_ins[next].step(&mut table);
            walk(&sign_ins, &table, check);
        }
        if is_over {
            check(sign_ins);
        }
    }

    #[test]
    fn of_every_order_of_posts_with_lost_answers_exactly_one_signs_in() {
        use Write::{Answered, Conflicting, Lost};
        let fates: [&[Write]; 8] = [
            &[Answered],
            &[Lost, Answered],
            &[Conflicting, Answered],
            &[Lost, Lost, Answered],
            &[Conflicting, Lost, Answered],
            &[Lost, Conflicting, Answered],
            &[Conflicting, Conflicting, Answered],
            &[Lost],
        ];
        // Each pair, and with the third one each three, has an assertion or a request in common.
        let rivals = [
            [("a", None), ("a", None), ("a", None)],
            [("a", None), ("a", Some("r")), ("a", Some("s"))],
            [("a", Some("r")), ("a", Some("r")), ("a", None)],
            [("a", Some("r")), ("a", Some("s")), ("a", Some("r"))],
            [("a", Some("r")), ("b", Some("r")), ("c", Some("r"))],
        ];
        let mut orders = 0;
        for [first, second, third] in rivals {
            for (one, other) in fates.iter().flat_map(|one| fates.iter().map(move |o| (*one, *o))) {
                for with_third in [false, true] {
                    let mut sign_ins = vec![
                        SignIn::new(first.0, first.1, "1", one),
                        SignIn::new(second.0, second.1, "2", other),
                    ];
                    if with_third {
                        sign_ins.push(SignIn::new(third.0, third.1, "3", &[Lost, Answered]));
                    }
                    walk(&sign_ins, &HashMap::new(), &mut |ended| {
                        orders += 1;
                        let won = |s: &&SignIn| s.claim == Some(Claim::Accepted);
                        let unheard = ended.iter().filter(|s| s.claim.is_none()).count();
                        let winners = ended.iter().filter(won).count();
                        // Who never hears an answer may be the one who is written.
                        assert!(winners == 1 || (winners == 0 && unheard > 0), "{winners}");
                    });
                }
            }
        }
        assert!(orders > 10_000, "{orders}");
    }

    #[test]
    fn strangers_sign_in_beside_each_other() {
        let sign_ins = [
            SignIn::new("a", Some("r"), "1", &[Write::Lost, Write::Answered]),
            SignIn::new("b", Some("s"), "2", &[Write::Conflicting, Write::Answered]),
            SignIn::new("c", None, "3", &[Write::Answered]),
        ];
        walk(&sign_ins, &HashMap::new(), &mut |ended| {
            assert!(ended.iter().all(|sign_in| sign_in.claim == Some(Claim::Accepted)));
        });
    }

    #[test]
    fn a_held_key_that_nobody_can_read_is_a_replay() {
        assert_eq!(verdict(&[Said::Held(None)], |_| true), Verdict::Known(Claim::Replayed));
        let mixed = [Said::Free, Said::Held(Some("other".into()))];
        assert_eq!(verdict(&mixed, |hash| hash == "mine"), Verdict::Known(Claim::Replayed));
        let half = [Said::Busy, Said::Held(Some("mine".into()))];
        assert_eq!(verdict(&half, |hash| hash == "mine"), Verdict::Known(Claim::Accepted));
        assert_eq!(verdict(&[Said::Busy, Said::Wrong], |_| true), Verdict::Failed);
        assert_eq!(verdict(&[], |_| true), Verdict::Failed);
    }
}
