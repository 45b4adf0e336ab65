"""The evaluator itself, against the rules that IAM documents, one statement for each.

Source: IAM user guide, "IAM JSON policy elements: Condition operators", "… Multivalued context keys",
"… Variables and tags", "Policy evaluation logic". Every operator that a template here uses is in this
table, with the case that people get wrong. Not in it: a negated operator with a variable that has no
value, which no template uses.
"""

import pytest
from iam import FULL_ACCESS

PROFILE = "arn:aws:sagemaker:eu-west-1:222222222222:user-profile/d-1/ann"
SESSION = "arn:aws:sts::222222222222:assumed-role/Some/ann"
CONTEXT = {
    "aws:PrincipalTag/Team": "team1",
    "aws:PrincipalTag/User": "ann",
    "aws:RequestTag/Team": "team1",
    "aws:TagKeys": ["Team", "User"],
    "aws:PrincipalArn": "arn:aws:iam::222222222222:role/Some",
    "aws:SourceIp": "203.0.113.7",
}


def statement(**elements):
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sagemaker:CreateUserProfile", "Resource": "*", **elements}
        ],
    }


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"aws:RequestTag/Team": "team1"}}, True),
        ({"StringEquals": {"aws:RequestTag/Team": ["team2", "team1"]}}, True),
        ({"StringEquals": {"aws:RequestTag/Team": "Team1"}}, False),
        ({"StringEquals": {"AWS:requesttag/team": "team1"}}, True),
        ({"StringEquals": {"aws:RequestTag/User": "ann"}}, False),
        ({"StringEqualsIfExists": {"aws:RequestTag/User": "ann"}}, True),
        ({"StringNotEquals": {"aws:RequestTag/User": "ann"}}, True),
        ({"StringNotEquals": {"aws:RequestTag/Team": ["team1", "team2"]}}, False),
        ({"StringLike": {"aws:RequestTag/Team": "?*"}}, True),
        ({"StringLike": {"aws:RequestTag/User": "?*"}}, False),
        ({"StringNotLike": {"aws:RequestTag/Team": "team*"}}, False),
        ({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}, True),
        ({"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Nobody}"}}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "User", "More"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}, False),
        ({"ForAllValues:StringEquals": {"sagemaker:ImageArns": ["none"]}}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Team"]}}, True),
        ({"ForAnyValue:StringEquals": {"sagemaker:ImageArns": ["none"]}}, False),
        ({"Null": {"aws:RequestTag/User": "true"}}, True),
        ({"Null": {"aws:RequestTag/Team": "true"}}, False),
        ({"Null": {"aws:TagKeys": "false"}}, True),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/Some"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:*:role/Some"}}, False),
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Other"}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "203.0.113.7"]}}, True),
        ({"IpAddress": {"aws:VpcSourceIp": "0.0.0.0/0"}}, False),
        ({"NotIpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}, True),
        ({"Bool": {"aws:ViaAWSService": "false"}}, False),
        ({"StringEquals": {"aws:RequestTag/Team": "team1", "aws:RequestTag/User": "ann"}}, False),
        (
            {
                "StringEquals": {"aws:RequestTag/Team": "team1"},
                "Null": {"aws:RequestTag/Team": "true"},
            },
            False,
        ),
    ],
    ids=str,
)
def test_a_condition_holds_exactly_as_iam_documents_it(iam, condition, holds):
    decision = iam.decide(
        SESSION,
        "sagemaker:CreateUserProfile",
        PROFILE,
        CONTEXT,
        identity={"policy": statement(Condition=condition)},
    )
    assert decision == ("allowed" if holds else "denied")


@pytest.mark.parametrize(
    ("resource", "holds"),
    [
        ("arn:aws:sagemaker:*:*:user-profile/d-1/*", True),
        ("arn:aws:sagemaker:*:*:user-profile/d-2/*", False),
        ("arn:aws:sagemaker:*:*:user-profile/*/${aws:PrincipalTag/User}", True),
        ("arn:aws:sagemaker:*:*:user-profile/*/${aws:PrincipalTag/Team}", False),
        ("arn:aws:sagemaker:*:*:user-profile/*/${aws:PrincipalTag/Nobody}", False),
    ],
)
def test_a_resource_matches_with_wildcards_and_variables(iam, resource, holds):
    decision = iam.decide(
        SESSION,
        "sagemaker:CreateUserProfile",
        PROFILE,
        CONTEXT,
        identity={"policy": statement(Resource=resource)},
    )
    assert decision == ("allowed" if holds else "denied")


def old(version, **elements):
    """A document of an older version of the policy language, or of none."""
    document = statement(**elements)
    del document["Version"]
    return {**version, **document}


OLD_DOCUMENTS = {
    "a variable in a condition": ({"Condition": {"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}}, "team1", "denied"),
    "that text as somebody's tag": ({"Condition": {"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}}, "${aws:PrincipalTag/Team}", "allowed"),
    "a variable under a negation": ({"Condition": {"StringNotEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}}, "team1", "allowed"),
    "a variable in a resource": ({"Resource": "arn:aws:sagemaker:*:*:user-profile/d-1/${aws:PrincipalTag/User}"}, "team1", "denied"),
    "a wildcard": ({"Resource": "arn:aws:sagemaker:*:*:user-profile/d-1/*"}, "team1", "allowed"),
    "a wildcard in a condition": ({"Condition": {"StringLike": {"aws:RequestTag/Team": "team?"}}}, "team1", "allowed"),
}  # fmt: skip


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}], ids=["none", "2008-10-17"])
@pytest.mark.parametrize("case", OLD_DOCUMENTS)
def test_in_a_document_of_an_older_version_a_variable_is_text(iam, case, version):
    elements, team, decision = OLD_DOCUMENTS[case]
    answer = iam.decide(
        SESSION, "sagemaker:CreateUserProfile", PROFILE, {**CONTEXT, "aws:RequestTag/Team": team},
        identity={"policy": old(version, **elements)},
    )  # fmt: skip
    assert answer == decision


def test_a_wildcard_in_somebodys_tag_is_no_wildcard_in_the_policy(iam):
    decision = iam.decide(
        SESSION,
        "sagemaker:CreateUserProfile",
        PROFILE,
        {**CONTEXT, "aws:PrincipalTag/User": "*"},
        identity={
            "policy": statement(Resource="arn:aws:sagemaker:*:*:*/*/${aws:PrincipalTag/User}")
        },
    )
    assert decision == "denied"


def test_a_deny_wins_over_every_allow(iam):
    deny = statement(Effect="Deny", Action="sagemaker:Create*")
    decision = iam.decide(
        SESSION,
        "sagemaker:CreateUserProfile",
        PROFILE,
        CONTEXT,
        identity={"allow": FULL_ACCESS, "deny": deny},
    )
    assert decision == "forbidden"


def test_a_service_control_policy_forbids_and_never_grants(iam):
    ask = ("sagemaker:CreateUserProfile", PROFILE, CONTEXT)
    deny = statement(Effect="Deny")
    assert iam.decide(SESSION, *ask, scps={}, identity={}) == "denied"
    assert iam.decide(SESSION, *ask, scps={"d": deny}, identity={"a": FULL_ACCESS}) == "forbidden"


def test_a_list_action_is_not_granted_by_a_resource(iam):
    for resource, decision in [("*", "allowed"), ("arn:aws:sagemaker:*:*:user-profile/*/*", "denied")]:
        policy = statement(Action="sagemaker:ListUserProfiles", Resource=resource)
        answer = iam.decide(SESSION, "sagemaker:ListUserProfiles", "*", {}, identity={"p": policy})
        assert answer == decision


def test_another_accounts_role_needs_both_its_own_policy_and_the_trust(iam):
    hub, target = "arn:aws:iam::111111111111:role/Hub", "arn:aws:iam::222222222222:role/Target"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": hub}, "Action": "sts:AssumeRole"}],
    }
    ask = (hub, "sts:AssumeRole", target, {})
    assert iam.decide(*ask, resource_policy=trust, identity={"a": FULL_ACCESS}) == "allowed"
    assert iam.decide(*ask, resource_policy=trust, identity={}) == "denied"
    trust["Statement"][0]["Principal"] = {"AWS": hub + "2"}
    assert iam.decide(*ask, resource_policy=trust, identity={"a": FULL_ACCESS}) == "denied"


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("sagemaker:CreateEverything", PROFILE, {}),
        ("sagemaker:DescribeDomain", PROFILE, {}),
        ("sagemaker:DescribeUserProfile", PROFILE, {"sts:ExternalId": "x"}),
        ("iam:PassRole", "arn:aws:iam::222222222222:role/R", {"sagemaker:DomainId": "d-1"}),
        (
            "sagemaker:CreateApp",
            "arn:aws:sagemaker:eu-west-1:222222222222:app/d-1/ann/JupyterLab/default",
            {"sagemaker:DomainId": "d-1", "sagemaker:TaggingAction": "CreateApp"},
        ),
    ],
)
def test_what_aws_never_sends_is_not_decided(iam, action, resource, context):
    with pytest.raises(AssertionError):
        iam.decide(SESSION, action, resource, context, identity={"all": FULL_ACCESS})
