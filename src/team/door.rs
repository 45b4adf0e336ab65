//! What else of a team opens by a presigned URL: the attribute `doors`.
//!
//! Each door stands for itself. One that breaks a rule stays closed, harms no other, and does not close the
//! team. Adding a kind: a row of [`ROWS`] here, and its file in `src/aws/door`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::item::{Attribute, Fault, ItemReader, excerpt, found};
use super::session_duration::{self, LONGEST, SHORTEST, SessionDuration};
use super::text::{AccountId, DoorId, Region, is_hyphenated};

/// The attribute's name.
pub const ATTRIBUTE: &str = "doors";

/// Doors that a team may have.
pub const MOST: usize = 20;

/// One door of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Door {
    /// The door's name in its address, `/teams/{team_id}/doors/{id}`; no two doors of a team share one.
    pub id: DoorId,
    /// What is behind it.
    pub kind: DoorKind,
    /// What is behind it, by name: in the team's account, Region and partition, of the kind's own form.
    pub arn: DoorArn,
    /// Name in the chooser; the id when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Length of a session behind the door in seconds, 1800 to 43200.
    #[schemars(default = "session_duration::longest", range(min = SHORTEST, max = LONGEST))]
    pub session_duration_seconds: u32,
}

impl Door {
    /// The name that people see.
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(self.id.as_str())
    }
}

/// What a door leads to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DoorKind {
    /// An `MLflow` App.
    MlflowApp,
    /// An `MLflow` tracking server.
    MlflowServer,
    /// A Partner AI App.
    PartnerApp,
}

/// What the broker knows of a kind beside the calls that open it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The kind.
    pub kind: DoorKind,
    /// The word in the item, the audit and the log.
    pub word: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What stands in front of the resource's name in its ARN.
    pub resource_type: &'static str,
    /// Whether a name can be the resource's
    /// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html>).
    is_name: fn(&str) -> bool,
    /// The action that makes the presigned URL.
    pub open_action: &'static str,
    /// The action that tells the state.
    pub describe_action: &'static str,
}

/// Every kind, a row each.
pub const ROWS: [Row; 3] = [
    Row {
        kind: DoorKind::MlflowApp,
        word: "mlflow_app",
        name: "MLflow App",
        resource_type: "mlflow-app",
        is_name: |name| name.len() <= 64 && is_hyphenated(name),
        open_action: "sagemaker:CreatePresignedMlflowAppUrl",
        describe_action: "sagemaker:DescribeMlflowApp",
    },
    Row {
        kind: DoorKind::MlflowServer,
        word: "mlflow_server",
        name: "MLflow tracking server",
        resource_type: "mlflow-tracking-server",
        is_name: |name| name.len() <= 256 && is_hyphenated(name),
        open_action: "sagemaker:CreatePresignedMlflowTrackingServerUrl",
        describe_action: "sagemaker:DescribeMlflowTrackingServer",
    },
    Row {
        kind: DoorKind::PartnerApp,
        word: "partner_app",
        name: "Partner AI App",
        resource_type: "partner-app",
        is_name: |name| {
            name.strip_prefix("app-").is_some_and(|id| {
                id.len() == 12 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            })
        },
        open_action: "sagemaker:CreatePartnerAppPresignedUrl",
        describe_action: "sagemaker:DescribePartnerApp",
    },
];

impl DoorKind {
    /// The kind's row.
    pub fn row(self) -> Row {
        let [app, server, partner] = ROWS;
        match self {
            Self::MlflowApp => app,
            Self::MlflowServer => server,
            Self::PartnerApp => partner,
        }
    }

    /// The word in the item, the audit and the log.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }
}

impl fmt::Display for DoorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Attribute for DoorKind {
    const EXPECTED: &'static str = "mlflow_app, mlflow_server or partner_app";

    fn parse(value: &Value) -> Option<Self> {
        let word = value.as_str()?;
        ROWS.iter().find(|row| row.word == word).map(|row| row.kind)
    }
}

/// The ARN of what a door leads to: nothing in it is a pattern to IAM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(extend("pattern" =
    "^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:(mlflow-app|mlflow-tracking-server|partner-app)/[A-Za-z0-9](-*[A-Za-z0-9])*$"))]
pub struct DoorArn(String);

impl DoorArn {
    /// The ARN, when it is of the kind's own form.
    pub fn of(kind: DoorKind, arn: &str) -> Option<Self> {
        let row = kind.row();
        let parts = Parts::of(arn)?;
        let holds = parts.resource_type == row.resource_type && (row.is_name)(parts.name);
        holds.then(|| Self(arn.to_owned()))
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource's own name: what stands behind the last `/`.
    pub fn resource_name(&self) -> &str {
        Parts::of(&self.0).map_or("", |parts| parts.name)
    }

    /// Whether it names a resource of this account in this Region.
    fn is_in(&self, account: &AccountId, region: &Region) -> bool {
        Parts::of(&self.0).is_some_and(|parts| {
            parts.partition == region.partition()
                && parts.region == region.as_str()
                && parts.account == account.as_str()
        })
    }
}

impl fmt::Display for DoorArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Parts<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    resource_type: &'a str,
    name: &'a str,
}

impl<'a> Parts<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (arn_, partition) = (parts.next()?, parts.next()?);
        let (service, region) = (parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let (resource_type, name) = resource.split_once('/')?;
        let is_sagemakers = arn_ == "arn" && service == "sagemaker";
        is_sagemakers.then_some(Self { partition, region, account, resource_type, name })
    }
}

/// Reads the attribute; faults go to the reader, each for its door alone. `place` is the account and Region
/// of the team, where they could be read.
pub(super) fn read(reader: &mut ItemReader<'_>, place: Option<(&AccountId, &Region)>) -> Vec<Door> {
    let Some(value) = reader.raw(ATTRIBUTE) else { return Vec::new() };
    let Some(elements) = value.as_array() else {
        reader.fault_in_part(Fault {
            attribute: ATTRIBUTE.to_owned(),
            found: found(value),
            expected: format!("a list (L) of at most {MOST} doors, each a map of id, kind and arn"),
        });
        return Vec::new();
    };
    if elements.len() > MOST {
        reader.fault_in_part(Fault {
            attribute: ATTRIBUTE.to_owned(),
            found: format!("{} doors", elements.len()),
            expected: format!("at most {MOST}: those behind the {MOST}th stay closed"),
        });
    }
    let mut doors = Vec::new();
    // What names an id takes it, readable or not: a link must not lead through another door than before.
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for id in elements.iter().filter_map(|element| element.get("id")?.as_str()) {
        *named.entry(id).or_default() += 1;
    }
    for (number, element) in elements.iter().take(MOST).enumerate() {
        match Door::read(number, element, place) {
            Ok(door) if named.get(door.id.as_str()).is_some_and(|&times| times > 1) => {
                reader.fault_in_part(Fault {
                    attribute: format!("{ATTRIBUTE}[{number}].id"),
                    found: excerpt(door.id.as_str()),
                    expected: "an id that no other door of the team has: each of them stays closed"
                        .to_owned(),
                });
            }
            Ok(door) => doors.push(door),
            Err(faults) => faults.into_iter().for_each(|fault| reader.fault_in_part(fault)),
        }
    }
    doors
}

impl Door {
    fn read(
        number: usize,
        value: &Value,
        place: Option<(&AccountId, &Region)>,
    ) -> Result<Self, Vec<Fault>> {
        let at = format!("{ATTRIBUTE}[{number}]");
        let Some(map) = value.as_object() else {
            let expected = "a map (M) of id, kind and arn".to_owned();
            return Err(vec![Fault { attribute: at, found: found(value), expected }]);
        };
        let mut members = Members { map, at, faults: Vec::new() };
        let id = members.required::<DoorId>("id");
        let kind = members.required::<DoorKind>("kind");
        let arn = members.required::<String>("arn");
        let arn = kind.zip(arn).and_then(|(kind, arn)| members.arn(kind, &arn, place));
        let display_name = members.optional::<String>("display_name");
        let session_duration = members.optional::<SessionDuration>("session_duration_seconds");
        members.no_others();
        match (id, kind, arn) {
            (Some(id), Some(kind), Some(arn)) if members.faults.is_empty() => Ok(Self {
                id,
                kind,
                arn,
                display_name,
                session_duration_seconds: SessionDuration::seconds(session_duration),
            }),
            _ => Err(members.faults),
        }
    }
}

/// The members of one door's map, and what is wrong with them.
struct Members<'a> {
    map: &'a Map<String, Value>,
    at: String,
    faults: Vec<Fault>,
}

impl Members<'_> {
    fn required<T: Attribute>(&mut self, name: &str) -> Option<T> {
        if !self.map.contains_key(name) {
            self.fault(name, "nothing".to_owned(), T::EXPECTED);
        }
        self.optional(name)
    }

    fn optional<T: Attribute>(&mut self, name: &str) -> Option<T> {
        let value = self.map.get(name)?;
        let parsed = T::parse(value);
        if parsed.is_none() {
            self.fault(name, found(value), T::EXPECTED);
        }
        parsed
    }

    fn arn(
        &mut self,
        kind: DoorKind,
        arn: &str,
        place: Option<(&AccountId, &Region)>,
    ) -> Option<DoorArn> {
        let row = kind.row();
        let parsed = DoorArn::of(kind, arn)
            .filter(|arn| place.is_none_or(|(account, region)| arn.is_in(account, region)));
        if parsed.is_none() {
            let (partition, region, account) = place
                .map_or(("aws", "<region>", "<account>"), |(account, region)| {
                    (region.partition(), region.as_str(), account.as_str())
                });
            let expected = format!(
                "the ARN of this kind ({}) in the team's account and Region, arn:{partition}:sagemaker:{region}:{account}:{}/…",
                row.name, row.resource_type
            );
            self.fault("arn", excerpt(arn), &expected);
        }
        parsed
    }

    fn no_others(&mut self) {
        const KNOWN: [&str; 5] = ["id", "kind", "arn", "display_name", "session_duration_seconds"];
        let map = self.map;
        for (name, value) in map.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
            self.fault(name, found(value), &format!("a map of {} alone", KNOWN.join(", ")));
        }
    }

    fn fault(&mut self, member: &str, found: String, expected: &str) {
        let attribute = format!("{}.{member}", self.at);
        self.faults.push(Fault { attribute, found, expected: expected.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APP: &str = "arn:aws:sagemaker:eu-west-1:012345678901:mlflow-app/app-ABCDEF123456";
    const SERVER: &str = "arn:aws:sagemaker:eu-west-1:012345678901:mlflow-tracking-server/runs";
    const PARTNER: &str = "arn:aws:sagemaker:eu-west-1:012345678901:partner-app/app-ABCDEF123456";

    fn read_doors(doors: &Value) -> (Vec<Door>, Vec<Fault>) {
        let account = AccountId::try_from("012345678901".to_owned()).unwrap();
        let region = Region::try_from("eu-west-1".to_owned()).unwrap();
        let item = json!({ "doors": doors });
        let mut reader = ItemReader::new(item.as_object().unwrap());
        let doors = read(&mut reader, Some((&account, &region)));
        (doors, reader.faults_in_part())
    }

    fn door(change: Value) -> Value {
        let mut door = json!({"id": "runs", "kind": "mlflow_app", "arn": APP});
        for (name, value) in change.as_object().unwrap() {
            door[name] = value.clone();
        }
        door
    }

    #[test]
    fn each_kind_has_its_own_form_of_arn() {
        let arns = [("mlflow_app", APP), ("mlflow_server", SERVER), ("partner_app", PARTNER)];
        for (kind, _) in arns {
            for (whose, arn) in arns {
                let (doors, faults) = read_doors(&json!([{"id": "x", "kind": kind, "arn": arn}]));
                assert_eq!(doors.len(), usize::from(kind == whose), "{kind} {arn} {faults:?}");
            }
        }
        let (doors, _) = read_doors(&json!([door(json!({"display_name": "Runs"}))]));
        assert_eq!((doors[0].name(), doors[0].session_duration_seconds), ("Runs", 43_200));
        assert_eq!(doors[0].arn.resource_name(), "app-ABCDEF123456");
    }

    #[test]
    fn rows_and_kinds_are_the_same() {
        for row in ROWS {
            assert_eq!(row.kind.row().word, row.word);
            assert_eq!(serde_json::to_value(row.kind).unwrap(), row.word);
            assert!(DoorKind::EXPECTED.contains(row.word));
        }
    }

    #[test]
    fn a_bad_door_closes_itself_and_nothing_else() {
        let elsewhere = |part: &str, other: &str| APP.replace(part, other);
        for (member, value) in [
            ("id", json!("")),
            ("id", json!("Runs")),
            ("id", json!("-runs")),
            ("id", json!("runs-")),
            ("id", json!("a/b")),
            ("id", json!("x".repeat(33))),
            ("id", json!(7)),
            ("id", json!(null)),
            ("kind", json!("studio")),
            ("kind", json!("MLFLOW_APP")),
            ("kind", json!(["mlflow_app"])),
            ("arn", json!(elsewhere("012345678901", "999999999999"))),
            ("arn", json!(elsewhere("eu-west-1", "eu-west-2"))),
            ("arn", json!(elsewhere("arn:aws:", "arn:aws-cn:"))),
            ("arn", json!(elsewhere("sagemaker", "iam"))),
            ("arn", json!(SERVER)),
            ("arn", json!(elsewhere("app-ABCDEF123456", "*"))),
            ("arn", json!(elsewhere("app-ABCDEF123456", "app-${aws:PrincipalTag/Team}"))),
            ("arn", json!(elsewhere("app-ABCDEF123456", "app-1/../app-2"))),
            ("arn", json!(elsewhere("app-ABCDEF123456", ""))),
            ("arn", json!(elsewhere("app-ABCDEF123456", &"x".repeat(3000)))),
            ("arn", json!(format!("{APP}\n"))),
            ("arn", json!(format!(" {APP}"))),
            ("arn", json!("")),
            ("display_name", json!("")),
            ("display_name", json!(1)),
            ("session_duration_seconds", json!(1799)),
            ("session_duration_seconds", json!(43_201)),
            ("session_duration_seconds", json!("3600")),
            ("enabled", json!(false)),
        ] {
            let good = json!({"id": "good", "kind": "mlflow_server", "arn": SERVER});
            let (doors, faults) = read_doors(&json!([door(json!({member: value})), good]));
            let open: Vec<_> = doors.iter().map(|door| door.id.as_str()).collect();
            assert_eq!(open, ["good"], "{member} {value}");
            let told: Vec<_> = faults.iter().map(|fault| fault.attribute.as_str()).collect();
            assert_eq!(told, [format!("doors[0].{member}")], "{value}");
        }
    }

    #[test]
    fn what_is_missing_is_told_all_at_once() {
        let (doors, faults) = read_doors(&json!([{}, "x", {"id": "a", "kind": "x", "arn": APP}]));
        assert!(doors.is_empty());
        let told: Vec<_> = faults.iter().map(|fault| fault.attribute.as_str()).collect();
        let expected =
            ["doors[0].id", "doors[0].kind", "doors[0].arn", "doors[1]", "doors[2].kind"];
        assert_eq!(told, expected);
        let (doors, faults) = read_doors(&json!({"runs": APP}));
        assert!(doors.is_empty() && faults.len() == 1);
    }

    #[test]
    fn a_partner_apps_id_is_twelve_of_its_alphabet() {
        for name in ["app-ABCDEF12345", "app-ABCDEF1234567", "app-abcdef123456", "ABCDEF123456"] {
            let arn = PARTNER.replace("app-ABCDEF123456", name);
            assert_eq!(DoorArn::of(DoorKind::PartnerApp, &arn), None, "{name}");
        }
    }

    #[test]
    fn an_id_that_stands_twice_opens_neither() {
        let twin = json!({"id": "runs", "kind": "mlflow_server", "arn": SERVER});
        let (doors, faults) = read_doors(&json!([door(json!({})), twin]));
        assert!(doors.is_empty());
        assert_eq!(faults.len(), 2);
        // Nor where one of them cannot be read.
        let (doors, faults) = read_doors(&json!([door(json!({})), {"id": "runs"}]));
        assert!(doors.is_empty(), "{faults:?}");
    }

    #[test]
    fn the_twenty_first_door_stays_closed() {
        let many: Vec<_> = (0..21).map(|n| door(json!({"id": format!("d{n}")}))).collect();
        let (doors, faults) = read_doors(&json!(many[..20]));
        assert_eq!((doors.len(), faults.len()), (20, 0));
        let (doors, faults) = read_doors(&json!(many));
        assert_eq!(doors.len(), 20);
        assert_eq!((faults.len(), faults[0].found.as_str()), (1, "21 doors"));
    }
}
