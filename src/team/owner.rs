//! Owner and profile: the names of one person, and of one person in one team.
//!
//! Both are injective: two people never share an owner, two person–team pairs never share a profile,
//! whatever their ids hold, and for profiles also when SageMaker folds case. Where the ids are simple
//! the names are readable; everywhere else a digest over length-prefixed parts decides.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use super::text::TeamId;

/// The directory whose people have plain names.
pub const DEFAULT_DIRECTORY: &str = "default";

/// One person, as AWS sees them: the `User` tag, the `User` session tag and the role session name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner(String);

impl Owner {
    /// The owner for a user id of a directory. Injective over (directory, user id).
    pub fn new(directory: &str, user_id: &str) -> Self {
        let plain = directory == DEFAULT_DIRECTORY
            && (2..=64).contains(&user_id.len())
            && user_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.=+@-".contains(&b))
            && !ends_like_digest(user_id);
        if plain {
            return Self(user_id.to_owned());
        }
        Self(format!("{}-{}", readable(user_id), digest_of(&[directory, user_id])))
    }

    /// The owner whom a `User` tag names; `None` for a text that no owner has.
    pub fn of_tag(text: &str) -> Option<Self> {
        let legal = (2..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.=+@-".contains(&b));
        legal.then(|| Self(text.to_owned()))
    }

    /// The name as written in tags: at most 64 of `A-Z a-z 0-9 _.=+@-`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a person's profile in a team: at most 63 of `A-Z a-z 0-9 -`, injective over
/// (directory, user id, team id) even when case is folded.
///
/// Team ids that differ in case only are refused where they are written, so the digest takes the
/// team id as it stands.
pub fn profile_name(directory: &str, user_id: &str, team: &TeamId) -> String {
    let team = team.as_str();
    let plain = directory == DEFAULT_DIRECTORY
        && is_simple(user_id)
        && !team.contains('-')
        && !ends_like_digest(user_id)
        && !ends_like_digest(team)
        && user_id.len() + 1 + team.len() <= 63;
    if plain {
        return format!("{user_id}-{team}");
    }
    format!("{}-{}", readable(user_id), digest_of(&[directory, user_id, team]))
}

fn is_simple(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Texts of which every name of a person's profile begins with one, for searches: AWS finds names by a
/// part of them only.
pub fn profile_name_starts(user_id: &str) -> Vec<String> {
    let readable = readable(user_id);
    // A plain name holds the user id as it is, also where `readable` would change it.
    let plain = is_simple(user_id) && !user_id.starts_with(&readable);
    [Some(readable), plain.then(|| user_id.to_owned())].into_iter().flatten().collect()
}

/// The same for a person of whom only the owner is known.
pub fn profile_name_starts_of(owner: &Owner) -> Vec<String> {
    let text = owner.as_str();
    let digest = text.len().checked_sub(DIGEST_LENGTH + 1).filter(|_| ends_like_digest(text));
    match digest.and_then(|at| text.get(..at)) {
        // What stands before the digest is the readable part of the name, too.
        Some(readable) => vec![readable.to_owned()],
        None => profile_name_starts(text),
    }
}

/// Length of a digest: 26 characters of base32 hold 130 bits of SHA-256.
const DIGEST_LENGTH: usize = 26;

/// RFC 4648 base32, lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn digest_of(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        // Ids are bounded to 256 characters, far below u32::MAX bytes.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    base32(digest(&SHA256, &bytes).as_ref()).chars().take(DIGEST_LENGTH).collect()
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut buffer, mut bits) = (String::new(), 0u32, 0u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = (buffer >> bits) & 31;
            text.extend(BASE32.get(index as usize).map(|b| char::from(*b)));
        }
        buffer &= (1 << bits) - 1;
    }
    text
}

/// Whether the last 26 characters could be a digest: such names are never taken as they are.
fn ends_like_digest(text: &str) -> bool {
    let mut tail = text.bytes().rev().take(DIGEST_LENGTH);
    text.len() >= DIGEST_LENGTH && tail.all(|b| BASE32.contains(&b))
}

fn readable(user_id: &str) -> String {
    let mut text = String::new();
    for c in user_id.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
    }
    let trimmed: String = text.trim_end_matches('-').chars().take(36).collect();
    if trimmed.is_empty() { "u".into() } else { trimmed }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn team(id: &str) -> TeamId {
        TeamId::try_from(id.to_owned()).unwrap()
    }

    #[test]
    fn simple_ids_are_taken_as_they_are() {
        assert_eq!(Owner::new("default", "jane.doe@example.com").as_str(), "jane.doe@example.com");
        assert_eq!(profile_name("default", "user-1", &team("Team1")), "user-1-Team1");
    }

    #[test]
    fn the_digest_is_over_length_prefixed_parts() {
        // echo -n, by hand in Python: base64.b32encode(sha256(struct.pack('>I',4)+b'okta'+
        // struct.pack('>I',4)+b'jane').digest()).decode().lower()[:26]
        assert_eq!(Owner::new("okta", "jane").as_str(), "jane-7davcdtpilbgfwed7fvbbgk7wo");
        assert_eq!(profile_name("okta", "jane", &team("a-b")), "jane-7yj7z3wqqzjvf6kxbhoobrlk2o");
    }

    #[test]
    fn an_id_is_an_owners_name_only_where_it_can_be_a_tag_and_a_session_name() {
        let is_plain = |user_id: &str| Owner::new("default", user_id).as_str() == user_id;
        assert!(is_plain("ab") && !is_plain("a"));
        assert!(is_plain(&"A".repeat(64)) && !is_plain(&"A".repeat(65)));
        assert!(is_plain("_.=+@-") && !is_plain("a/b") && !is_plain("ab ") && !is_plain("äb"));
        assert!(!is_plain(&format!("jane-{}", "a2".repeat(13))), "ends like a digest");
        assert_eq!(Owner::new("default", "jane").to_string(), "jane");
    }

    #[test]
    fn a_tag_names_an_owner_only_where_some_owner_is_called_so() {
        for text in ["ab", "jane.doe@example.com", "_.=+@-", &*"a".repeat(64)] {
            assert_eq!(Owner::of_tag(text).unwrap().as_str(), text);
        }
        for text in ["", "a", "a b", "a/b", "äb", &*"a".repeat(65)] {
            assert_eq!(Owner::of_tag(text), None, "{text}");
        }
    }

    #[test]
    fn a_profile_is_called_by_its_ids_only_where_they_are_simple() {
        let is_plain = |directory: &str, user_id: &str, of: &str| {
            profile_name(directory, user_id, &team(of)) == format!("{user_id}-{of}")
        };
        assert!(is_plain("default", "a", "T") && !is_plain("okta", "a", "T"));
        assert!(is_plain("default", "a-1", "T") && !is_plain("default", "A", "T"));
        assert!(!is_plain("default", "-a", "T") && !is_plain("default", "a-", "T"));
        assert!(!is_plain("default", "a.b", "T") && !is_plain("default", "a", "T-1"));
        // 63 characters in all.
        assert!(is_plain("default", &"1".repeat(58), "Team"));
        assert!(!is_plain("default", &"1".repeat(59), "Team"));
        let like_a_digest = "a".repeat(26);
        assert!(!is_plain("default", &like_a_digest, "T"));
        assert!(!is_plain("default", "a", &like_a_digest));
        assert!(is_plain("default", &"a".repeat(25), "T"));
        assert!(is_plain("default", &"1".repeat(26), "T"), "no base32 has a 1");
    }

    #[test]
    fn searches_begin_with_what_every_name_of_a_person_begins_with() {
        assert_eq!(profile_name_starts("jane"), ["jane"]);
        assert_eq!(profile_name_starts("Jane.Doe"), ["jane-doe"]);
        // Plain, and yet not as `readable` has it.
        assert_eq!(profile_name_starts("a--b"), ["a-b", "a--b"]);
        assert_eq!(profile_name_starts(""), ["u"]);
        let of = |directory: &str, user_id| profile_name_starts_of(&Owner::new(directory, user_id));
        assert_eq!(of("okta", "Jane.Doe"), ["jane-doe"]);
        assert_eq!(of("default", "a--b"), ["a-b", "a--b"]);
        assert_eq!(of("default", "jane"), ["jane"]);
    }

    #[test]
    fn base32_is_that_of_rfc_4648_in_lower_case() {
        // Whole groups of five bytes: what is left of a last byte is not written.
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
        assert_eq!(base32(&[0xff; 5]), "77777777");
        assert_eq!(base32(&[0x00, 0x44, 0x32, 0x14, 0xc7]), "abcdefgh");
        assert_eq!(base32(b"foobarbaz!"), "mzxw6ytbojrgc6rb");
    }

    #[test]
    fn readable_is_bounded_trimmed_and_never_empty() {
        assert_eq!(readable("--Jane  Döe@X--"), "jane-d-e-x");
        assert_eq!(readable("日本"), "u");
        assert_eq!(readable(&"a".repeat(50)).len(), 36);
    }

    #[test]
    fn names_that_the_published_sample_mixes_up_stay_apart() {
        assert_ne!(
            profile_name("default", "a-b", &team("c")),
            profile_name("default", "a", &team("b-c"))
        );
        assert_ne!(
            profile_name("default", "u1", &team("t")),
            profile_name("okta", "u1", &team("t"))
        );
    }

    #[test]
    fn a_user_id_cannot_be_chosen_to_equal_a_digest_name() {
        let victim = Owner::new("okta", "jane");
        assert_ne!(Owner::new("default", victim.as_str()), victim);
        let profile = profile_name("okta", "jane", &team("t1"));
        let (user, digest) = profile.rsplit_once('-').unwrap();
        assert_ne!(profile_name("default", user, &team(digest)), profile);
    }

    fn hostile_id() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-cA-C0-2.@_-]{1,5}",
            "[a-b-]{1,3}-[a-z2-7]{26}",
            "[a-z2-7]{26,30}",
            "\\PC{1,40}",
            "[aAeé ]{1,70}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn owners_and_profiles_are_legal_and_never_shared(
            ids in proptest::collection::vec(
                (prop_oneof!["default", "okta"], hostile_id(), "[aB][abB-]{0,2}[ab]|[a-z2-7]{26}"), 1..60)
        ) {
            let mut owners = HashMap::new();
            let mut profiles = HashMap::new();
            for (directory, user, team_id) in ids {
                let owner = Owner::new(&directory, &user);
                prop_assert!((2..=64).contains(&owner.as_str().len()));
                prop_assert!(owner.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"_.=+@-".contains(&b)));
                let person = (directory.clone(), user.clone());
                prop_assert_eq!(owners.entry(owner).or_insert_with(|| person.clone()), &person);

                let name = profile_name(&directory, &user, &team(&team_id));
                prop_assert!(profile_name_starts(&user).iter().any(|start| name.starts_with(start)));
                let starts = profile_name_starts_of(&Owner::new(&directory, &user));
                prop_assert!(starts.iter().any(|start| name.starts_with(start)));
                prop_assert!(name.len() <= 63 && !name.starts_with('-') && !name.ends_with('-'));
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                // Two team ids may not differ in case only, so the pair is compared folded.
                let pair = (directory, user, team_id.to_lowercase());
                prop_assert_eq!(
                    profiles.entry(name.to_lowercase()).or_insert_with(|| pair.clone()), &pair);
            }
        }
    }
}
