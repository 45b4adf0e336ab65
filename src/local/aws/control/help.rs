//! What `GET /_control` says. Faults and knobs stand in their tables, from which their rows come.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    fault::{Calls, Effect},
    knobs::Knobs,
    table::Row,
};

/// The longest line.
const WIDTH: usize = 104;

const CALLS: &str = "\
The control route of the simulated AWS. Bodies and answers are JSON.

GET    /_control                     this text
GET    /_control/calls               the calls so far, oldest first (the last 10000): time, service,
                                     operation, account, region, principal, session_tags,
                                     parameters, status, error
DELETE /_control/calls               forgets them
GET    /_control/faults              the faults that are ordered
POST   /_control/faults              orders one:
";

const SETTINGS: &str = "\
DELETE /_control/faults              clears all faults, or with {about} in the body those with it
GET    /_control/settings            the settings
POST   /_control/settings            changes those that are named. Those that name an issue or a guide do
                                     what real SageMaker does, as far as people have written it down:
";

const REST: &str = "\
GET    /_control/recording           takes the requests and answers that were recorded, word for word
POST   /_control/expire-credentials  ends every assumed-role session at once
POST   /_control/sweep-expired       deletes DynamoDB items past their TTL
GET    /_control/roles/{team_id}     the trust and permission documents by which the calls of this
                                     team's sessions are decided; 404 if no role serves the team

An account is there as soon as it is named: to have two hundred, create a domain with each account's
number as access key id, and put a team for each into the table. Its target role, execution role and
administrators' roles (StudioBrokerDoctor, StudioBrokerLifecycle) are then there as well, and faults
with \"account\" hit it alone.

For example, two throttled calls and then service as usual:
  curl -d '{\"operation\": \"DescribeUserProfile\", \"effect\": \"throttle\", \"times\": 2}' \\
    http://127.0.0.1:8402/_control/faults
";

/// The text of `GET /_control`.
pub(super) fn help() -> String {
    let mut help = CALLS.to_owned();
    for Row { name, words, .. } in Calls::ROWS {
        row(&mut help, &format!("         {name:<11}"), words);
    }
    row(&mut help, "         effect     ", "one of");
    for Row { name, members, words } in Effect::ROWS {
        row(&mut help, &format!("           {name:<11} {:<21}", members.join(", ")), words);
    }
    help.push_str(SETTINGS);
    let defaults = json!(Knobs::default());
    for Row { name, words, .. } in Knobs::ROWS {
        let words = match defaults.get(name) {
            Some(Value::String(text)) => format!("{words} ({text})"),
            Some(Value::Object(map)) if map.is_empty() => (*words).to_owned(),
            Some(default) => format!("{words} ({default})"),
            None => (*words).to_owned(),
        };
        row(&mut help, &format!("         {name:<22}"), &words);
    }
    help.push_str(REST);
    help
}

/// Adds a row: `head`, and beside it the words, on as many lines as they take.
fn row(help: &mut String, head: &str, words: &str) {
    let indent = head.len();
    let mut column = indent;
    help.push_str(head);
    for word in words.split(' ') {
        if column > indent {
            if column + 1 + word.len() > WIDTH {
                let _ = write!(help, "\n{:indent$}", "");
                column = indent;
            } else {
                help.push(' ');
                column += 1;
            }
        }
        help.push_str(word);
        column += word.len();
    }
    help.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_fault_and_setting_with_its_default() {
        let help = help();
        for Row { name, .. } in [Calls::ROWS, Effect::ROWS, Knobs::ROWS].concat() {
            assert!(help.contains(&format!(" {name} ")), "{name}");
        }
        assert!(help.contains("profile_delay_ms      a new profile is Pending so long (700)\n"));
        assert!(help.contains("settle      ms, status, reason   how the asynchronous change"));
        assert!(help.contains("(administrator)") && help.contains("(StudioBrokerTarget)"));
        assert!(help.lines().all(|line| line.len() <= WIDTH + 1), "{help}");
    }
}
