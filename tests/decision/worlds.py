"""Worlds to decide about, drawn so that every check refuses often, and times lie at their boundaries."""

import random

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND

TEAM_IDS = ["alpha", "beta", "Gamma-1"]
USERS = ["jane", "john", "a/b", "jane@example.com", "üml", "x" * 256]
DIRECTORIES = ["default", "okta", "corp-2"]
GROUPS = ["g1", "g2", "G1", "", "d-9067#x"]
#: The person's IdP, one whose entity ID begins like it, and another one.
ENTITY_ID = "https://idp.example.com/metadata"
ENTITY_IDS = [ENTITY_ID, f"{ENTITY_ID}#x", "urn:other"]
#: Groups that count at one IdP alone, as far as that one is ours.
BOUND = [f"{entity_id}#{group}" for entity_id in ENTITY_IDS for group in ["g1", "x#g1", ""]]
CONTEXTS = ["urn:pw", "urn:mfa", "https://refeds.org/profile/mfa", ""]
ADDRESSES = [None, "192.0.2.7", "198.51.100.1", "2001:db8::7", "::ffff:192.0.2.7"]
RANGES = ["192.0.2.0/24", "198.51.100.1/32", "2001:db8::/32", "0.0.0.0/0", "192.0.2.9/24"]


def text_of(nanoseconds, fraction=True):
    """RFC 3339 of a moment."""
    from datetime import datetime, timedelta, timezone

    seconds, rest = divmod(nanoseconds, SECOND)
    whole = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    written = whole.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{written}.{rest:09d}Z" if rest or (fraction and seconds % 2) else f"{written}Z"


def an_end(draw):
    """What may stand for the end of an access: mostly near now, sometimes nothing that can be read."""
    kind = draw.random()
    if kind < 0.2:
        return "always"
    if kind < 0.75:
        offset = draw.choice([-1, 0, 1, -SECOND, SECOND, 1799 * SECOND, 1800 * SECOND, 1801 * SECOND])
        offset += draw.choice([0, 0, draw.randrange(-10**6, 10**6) * SECOND, 86_400 * SECOND])
        return text_of(NOW + offset)
    return draw.choice([
        "9999-12-31T23:59:59Z", "9999-12-30T22:00:00.999999999Z", "1970-01-01T00:00:00Z",
        "2027-01-15T08:00:00", "2027-01-15T08:00:00+01:00", "2027-01-15T08:00:00z", "Always", "",
        "2027-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2027-01-15T08:00:60Z", "10000-01-01T00:00:00Z",
        "2027-01-15T24:00:00Z", "2027-01-15 08:00:00Z", "2027-01-15T08:00:00.1234567891Z",
        1_900_000_000, None, True, ["always"], {"until": "always"},
    ])


def an_entry(draw):
    end = an_end(draw)
    if draw.random() < 0.6:
        return end
    entry = {"until": end, "reason": draw.choice(["", "audit", "x" * 256, "x" * 257, 7])}
    if draw.random() < 0.3:
        entry["by"] = draw.choice(["arn:aws:iam::1:user/a", 7])
    if draw.random() < 0.1:
        entry[draw.choice(["Until", "note"])] = "always"
    if draw.random() < 0.1:
        del entry["until"]
    if draw.random() < 0.5:
        entry.pop("by", None)
        entry["reason"] = "audit"
    return entry


def members_of(draw, directory, user_id):
    if draw.random() < 0.05:
        return draw.choice(["jane", ["jane"], 7, True, None])
    keys = [f"{d}/{u}" for d in DIRECTORIES for u in USERS] + USERS + [" jane", "/jane", "Okta/jane", ""]
    members = {draw.choice(keys): an_entry(draw) for _ in range(draw.randrange(4))}
    if draw.random() < 0.6:
        members[f"{directory}/{user_id}"] = an_entry(draw)
    if draw.random() < 0.4:
        members[user_id] = an_entry(draw)
    return members


def some(draw, values, most=3):
    return [draw.choice(values) for _ in range(draw.randrange(most + 1))]


def world(draw, keys):
    """One world. `keys` are the fingerprints of the metadata's keys."""
    directory, user_id = draw.choice(DIRECTORIES), draw.choice(USERS)
    team_id = draw.choice(TEAM_IDS)
    idp = {"allowed_teams": draw.choice([["*"], ["*"], TEAM_IDS, [team_id], ["other"], []])}
    idp["entity_id"] = ENTITY_ID
    idp["directory"] = directory if draw.random() < 0.93 else draw.choice(DIRECTORIES)
    maybe(draw, idp, "enabled", 0.3, [True, True, True, False])
    maybe(draw, idp, "denied_users", 0.2, [[user_id], ["nobody"], []])
    maybe(draw, idp, "authn_contexts", 0.15, [CONTEXTS[:2], CONTEXTS[1:3], []])
    team = None
    if draw.random() < 0.96:
        team = {
            "team_id": team_id,
            "account_id": "012345678901",
            "region": "eu-west-1",
            "domain_id": "d-abc",
            "execution_role_arn": "arn:aws:iam::012345678901:role/T",
        }
        bound = some(draw, [*BOUND, "d-9067#x", "x#g1"])
        maybe(draw, team, "groups", 0.7, [some(draw, GROUPS[:3]), some(draw, GROUPS[:3]), bound])
        maybe(draw, team, "enabled", 0.3, [True, True, False])
        maybe(draw, team, "allowed_cidrs", 0.25, [some(draw, RANGES), some(draw, RANGES), []])
        maybe(draw, team, "authn_contexts", 0.25, [CONTEXTS[:2], CONTEXTS[1:3], []])
        maybe(draw, team, "session_duration_seconds", 0.3, [1800, 3600, 43_200])
        if draw.random() < 0.7:
            team["members"] = members_of(draw, directory, user_id)
        if draw.random() < 0.06:
            name, value = draw.choice([("account_id", 12345678901), ("domain_id", "x"), ("enabled", "no")])
            team[name] = value
    # A text in these lists is never empty in the tables.
    for item in filter(None, [idp, team]):
        for name in ("authn_contexts", "groups"):
            if name in item:
                item[name] = [text for text in item[name] if text]
    said = {
        "directory": directory,
        "user_id": user_id,
        "teams": some(draw, TEAM_IDS, 2),
        "groups": [group for group in some(draw, [*GROUPS, "g1", "x#g1", BOUND[0]]) if group],
        "authn_contexts": some(draw, CONTEXTS),
        "key": keys[0] if draw.random() < 0.97 else "0" * 64,
    }
    if draw.random() < 0.5:
        said["teams"] = []
    now = NOW + draw.choice([0, 0, 0, 1, -1, SECOND // 2])
    client = draw.choice(ADDRESSES)
    entity_ids = [ENTITY_ID, *(one for one in ENTITY_IDS[1:] if draw.random() < 0.5)]
    place = {"team_id": team_id, "client": client, "now": now, "entity_ids": entity_ids}
    return {"idp": idp, "team": team, "said": said, **place}


def maybe(draw, item, name, chance, values):
    if draw.random() < chance:
        item[name] = draw.choice(values)


def worlds(seed, number, keys):
    draw = random.Random(seed)
    return (world(draw, keys) for _ in range(number))
