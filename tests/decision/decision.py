"""Who may open what, until when, and if not, why: the contract's rules a second time.

Written from the contract alone, to be read beside it, and held against the broker's own decision over
many drawn worlds (`test_decision.py`) and against the running broker (`tests/system/test_decision.py`).
Nothing here knows the Rust code, and nothing is shared with it but the names of the answers.

A world is what a decision depends on:

    idp     the identity provider's item, as it is now
    entity_ids  the entity IDs of all identity providers of ours
    team    the team's item, or None where there is none
    said    what the sign-in said: directory, user_id, teams, groups, authn_contexts, key
    keys    fingerprints of the keys in the IdP's metadata
    team_id the team that is asked for
    client  the client's address as text, or None
    now     the moment, nanoseconds since 1970

The answer is a dictionary: `refused`, the first reason why not, or None; and where it opens `until`
(nanoseconds, or None for no end) and `session_seconds`.
"""

import ipaddress
import re
from datetime import datetime, timezone

#: The checks about the person, then those about the team, in their order.
PERSON = ["idp_enabled", "same_directory", "key_trusted", "not_denied", "idp_context"]
TEAM = ["idp_allows", "entitled", "readable", "enabled", "network", "team_context"]

SECOND = 1_000_000_000
#: The largest moment of the broker's clock: what lies behind it counts as it.
LARGEST = 253_402_207_200 * SECOND + 999_999_999


def decide(world):
    """The decision about one world."""
    for check in PERSON + TEAM:
        if not CHECKS[check](world):
            return {"refused": check}
    until = access_ends(world)
    return {"refused": None, "until": until, "session_seconds": session_seconds(world, until)}


def idp_enabled(world):
    return world["idp"].get("enabled", True)


def same_directory(world):
    return world["idp"].get("directory", "default") == world["said"]["directory"]


def key_trusted(world):
    return world["said"]["key"] in world["keys"]


def not_denied(world):
    return world["said"]["user_id"] not in world["idp"].get("denied_users", [])


def idp_context(world):
    return context_suffices(world["idp"].get("authn_contexts"), world["said"]["authn_contexts"])


def idp_allows(world):
    allowed = world["idp"]["allowed_teams"]
    return "*" in allowed or world["team_id"] in allowed


def entitled(world):
    return bool(ends_of_rules(world))


def readable(world):
    return is_usable(world["team"])


def enabled(world):
    return world["team"].get("enabled", True)


def network(world):
    ranges = world["team"].get("allowed_cidrs")
    if ranges is None:
        return True
    if world["client"] is None:
        return False
    client = ipaddress.ip_address(world["client"])
    return any(
        client.version == network.version and client in network
        for network in (ipaddress.ip_network(text, strict=False) for text in ranges)
    )


def team_context(world):
    return context_suffices(world["team"].get("authn_contexts"), world["said"]["authn_contexts"])


CHECKS = {name: globals()[name] for name in PERSON + TEAM}


def context_suffices(asked, said):
    """Any of the assertion's classes is one of those asked for; without a demand any sign-in does."""
    return asked is None or bool(set(asked) & set(said))


def is_usable(team):
    """Whether a sign-in can use a team's item. Drawn items are broken in one of these ways only."""
    if team is None:
        return False
    account = team.get("account_id")
    return (
        isinstance(account, str)
        and re.fullmatch(r"[0-9]{12}", account) is not None
        and team.get("domain_id", "").startswith("d-")
        and isinstance(team.get("enabled", True), bool)
    )


def ends_of_rules(world):
    """The ends of all rules that give access now; `LARGEST + 1` stands for none."""
    team, said = world["team"], world["said"]
    if team is None:
        return []
    never = LARGEST + 1
    ends = []
    if world["team_id"] in said["teams"]:
        ends.append(never)
    groups = team.get("groups", [])
    if isinstance(groups, list) and any(is_in(world, group) for group in groups if group):
        ends.append(never)
    end = member_end(team.get("members", {}), said["directory"], said["user_id"])
    if end is not None and (end == never or world["now"] < end):
        ends.append(end)
    return ends


def is_in(world, written):
    """Whether a group that a team writes is one of the person's: `entity-id#group` counts at that IdP alone,
    and of several entity IDs that fit the longest decides."""
    fitting = [entity_id for entity_id in world["entity_ids"] if written.startswith(entity_id + "#")]
    if not fitting:
        return written in world["said"]["groups"]
    only = max(fitting, key=len)
    group = written[len(only) + 1 :]
    return only == world["idp"]["entity_id"] and group in world["said"]["groups"]


def access_ends(world):
    """When the access ends: with the last of its rules. None for never."""
    end = max(ends_of_rules(world))
    return None if end > LARGEST else end


def session_seconds(world, until):
    """A Studio session is no longer than the access, but at least what the API asks for."""
    longest = world["team"].get("session_duration_seconds", 43_200)
    if until is None:
        return longest
    return max(1800, min(longest, (until - world["now"]) // SECOND))


def member_end(members, directory, user_id):
    """When the person's access by name ends: of several keys for one person the earliest end counts, and an
    entry that cannot be read does not count at all. None where there is no entry."""
    if not isinstance(members, dict):
        return None
    ends = [
        end_of(value)
        for key, value in members.items()
        if person_of(key) == (directory, user_id)
    ]
    return min((end for end in ends if end is not None), default=None)


def person_of(key):
    """(directory, user id) of a key, or None where it means nobody."""
    directory, slash, user_id = key.partition("/")
    if not slash:
        directory, user_id = "default", key
    if not re.fullmatch(r"[a-z0-9-]{1,32}", directory):
        return None
    control = any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in user_id)
    if not 1 <= len(user_id) <= 256 or control or user_id.strip() != user_id:
        return None
    return directory, user_id


def end_of(value):
    """The end that an entry's value says, or None where it cannot be read."""
    if isinstance(value, dict):
        if not set(value) <= {"until", "reason", "by"} or "until" not in value:
            return None
        reason, by = value.get("reason", ""), value.get("by", "")
        if not isinstance(reason, str) or not isinstance(by, str) or len(reason) > 256:
            return None
        value = value["until"]
    if not isinstance(value, str):
        return None
    return LARGEST + 1 if value == "always" else moment(value)


def moment(text):
    """Nanoseconds of an RFC 3339 moment in UTC, written with a `Z`; None for everything else."""
    shape = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z"
    found = re.fullmatch(shape, text)
    if not found:
        return None
    try:
        whole = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    if found[1].endswith("60"):
        return None
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    seconds = since.days * 86_400 + since.seconds
    nanoseconds = int((found[2] or "0").ljust(9, "0"))
    return min(seconds * SECOND + nanoseconds, LARGEST)
