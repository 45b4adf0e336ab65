//! A place in a line, as a waiting page's address holds it.

use std::fmt;

use fair_line::Millis;

use crate::team::door::{DoorKind, ROWS};

/// The calls that are throttled each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `AssumeRole`, throttled in the broker's own account.
    Assume,
    /// `DescribeUserProfile` and `ListTags`.
    Look,
    /// `CreateUserProfile`.
    Create,
    /// `UpdateUserProfile` and `AddTags`.
    Change,
    /// `CreatePresignedDomainUrl`.
    Presign,
    /// The URL of a door.
    Door(DoorKind),
}

/// A place in a line, as a waiting page's address holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) step: Step,
    pub(super) ticket: u64,
    /// When the page was told to come back.
    pub(super) at: Millis,
}

/// How somebody comes back who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// By a page, which came back to a place or is new.
    ByPage(Option<Place>),
    /// By a page that this answer leads to.
    ByRedirect,
    /// Nobody knows: a client that is no browser.
    ByItself,
}

impl Step {
    const PLAIN: [(Self, &'static str); 5] = [
        (Self::Assume, "role"),
        (Self::Look, "look"),
        (Self::Create, "create"),
        (Self::Change, "change"),
        (Self::Presign, "url"),
    ];

    pub(super) fn word(self) -> &'static str {
        let plain = Self::PLAIN.into_iter().find_map(|(step, word)| (step == self).then_some(word));
        match self {
            Self::Door(kind) => kind.row().word,
            _ => plain.unwrap_or_default(),
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        let doors = ROWS.iter().map(|row| (Self::Door(row.kind), row.word));
        let mut all = Self::PLAIN.into_iter().chain(doors);
        all.find_map(|(step, known)| (known == word).then_some(step))
    }
}

impl Returns {
    /// The place that somebody has come back to.
    pub fn place(self) -> Option<Place> {
        match self {
            Self::ByPage(place) => place,
            Self::ByRedirect | Self::ByItself => None,
        }
    }
}

impl Place {
    /// The place that an address holds; `None` when it cannot be one.
    pub fn from_text(text: &str) -> Option<Self> {
        let [word, ticket, at] = text.split('.').collect::<Vec<_>>()[..] else { return None };
        Some(Self {
            step: Step::of_word(word)?,
            ticket: ticket.parse().ok()?,
            at: at.parse().ok()?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.step.word(), self.ticket, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_told_and_nothing_else_is_one() {
        let doors = ROWS.iter().map(|row| Step::Door(row.kind));
        for step in Step::PLAIN.iter().map(|(step, _)| *step).chain(doors) {
            let place = Place { step, ticket: 17, at: 1_800_000_000_123 };
            assert_eq!(Place::from_text(&place.to_string()), Some(place));
        }
        for odd in ["", "url", "url.1", "url.1.2.3", "URL.1.2", "url.-1.2", "url.1.x", ".1.2"] {
            assert_eq!(Place::from_text(odd), None, "{odd}");
        }
    }
}
