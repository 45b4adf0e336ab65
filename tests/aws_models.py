"""Holds what went over the wire against AWS's own service models, as botocore carries them.

The simulated AWS records every request and every answer of a suite. Of requests those are held against the
model that the product sent, with its own SDK; of answers all that no test has ordered to be wrong: members,
types, required members, enums, patterns, lengths and ranges, and the codes of errors. botocore itself checks
less: neither patterns nor enums, and of answers nothing at all.

A conftest imports the hooks at the end of this file, records with `record(endpoint)` and calls `check(endpoint)`
before the simulated AWS ends.
"""

import datetime
import json
import os
import pathlib
import urllib.request
from collections import Counter
from functools import lru_cache
from urllib.parse import parse_qsl

import botocore.session
import pytest
import regex
from botocore.model import ServiceModel
from botocore.parsers import create_parser

ROOT = pathlib.Path(__file__).resolve().parents[1]
COUNTS = ROOT / "target" / "aws-models"

#: The names that the control route gives, and botocore's.
MODELS = {
    "dynamodb": "dynamodb",
    "sagemaker": "sagemaker",
    "sts": "sts",
    "iam": "iam",
    "servicequotas": "service-quotas",
    "identitystore": "identitystore",
    "sso": "sso-admin",
}

#: Errors that any operation may answer: API references, "Common Errors"; of DynamoDB its guide,
#: Programming.Errors; those of credentials as SigV4 services send them.
COMMON = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalFailure",
    "InvalidAction",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
}

#: DynamoDB's API reference, BatchGetItem and BatchWriteItem: "the response contains an empty … map".
MAY_BE_EMPTY = {"UnprocessedKeys", "UnprocessedItems"}

#: DynamoDB's API reference, DescribeTable, shows 0 in its examples, where the model wants 1 at least.
MAY_BE_ZERO = {"NumberOfDecreasesToday"}

#: The people of the story have short ids in their identity store, too: they can be told apart on a page.
STORY = regex.compile(r"(arn:aws:identitystore:::user/)?user-\d+")

#: Whatever stands below is the mapping's, which may know more than the model.
OPAQUE = {"UserSettings"}


class Violation(AssertionError):
    pass


@lru_cache
def model(service):
    loader = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(MODELS[service], "service-2"), MODELS[service])


@lru_cache
def pattern(text):
    """A pattern of the model, which is Java's, applied to the whole value. None: one that is no pattern."""
    try:
        return regex.compile(text.replace("\\p{IsSpace}", "\\s"))
    except regex.error:
        return None


def control(endpoint, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{endpoint}/_control/{path}", data, timeout=60) as answer:
        return json.load(answer)


def record(endpoint):
    control(endpoint, "settings", {"recording": True})


def check(endpoint):
    """Holds everything against the models that was recorded since; a violation is an AssertionError."""
    taken = control(endpoint, "recording")
    assert taken["forgotten"] == 0, "more was exchanged than is recorded: check more often"
    counts, violations = Counter(), []
    for exchange in taken["exchanges"]:
        for what, held in [("requests", request_holds), ("answers", answer_holds)]:
            try:
                counts[what] += held(exchange)
            except Violation as violation:
                violations.append(f"{exchange['service']} {exchange['operation']}, {what}: {violation}")
    COUNTS.mkdir(parents=True, exist_ok=True)
    with counts_of_this_run().open("a") as file:
        file.write(json.dumps(counts) + "\n")
    found = "\n".join(f"{times} times {what}" for what, times in Counter(violations).most_common(20))
    assert not violations, found
    return counts


def operation_of(exchange):
    """None where AWS has none of this name: the answer must say so."""
    service = model(exchange["service"])
    if exchange["operation"] not in service.operation_names:
        return None
    return service.operation_model(exchange["operation"])


def request_holds(exchange):
    """Whether the request was one to be checked."""
    if not exchange["user_agent"].startswith("aws-sdk-rust"):
        return 0
    operation = operation_of(exchange)
    if operation is None:
        raise Violation("there is no such operation")
    if operation.service_model.protocol == "query":
        value = from_form(dict(parse_qsl(exchange["request"], keep_blank_values=True)), operation)
    else:
        value = json.loads(exchange["request"] or "{}")
    if operation.input_shape is not None:
        holds(operation.input_shape, value, operation.name)
    return 1


def answer_holds(exchange):
    operation = operation_of(exchange)
    if exchange["ordered"] or operation is None:
        return 0
    query = operation.service_model.protocol == "query"
    if exchange["status"] == 200:
        if query:
            parsed = parsed_answer(exchange, operation)
            holds(operation.output_shape, parsed, operation.name) if operation.output_shape else None
        elif operation.output_shape is not None:
            holds(operation.output_shape, json.loads(exchange["answer"]), operation.name)
        return 1
    error = parsed_answer(exchange, operation)["Error"] if query else json.loads(exchange["answer"])
    code = error["Code"] if query else error["__type"].rpartition("#")[2]
    modelled = {shape.error_code: shape for shape in operation.error_shapes}
    modelled |= {shape.name: shape for shape in operation.error_shapes}
    if code not in COMMON and code not in modelled:
        raise Violation(f"error {code} is none of {sorted(modelled)} and no common one")
    if not query and code in modelled:
        members = {name: value for name, value in error.items() if name != "__type"}
        # Clients read both spellings, and DynamoDB's models know only the small one.
        known = {name.lower() for name in modelled[code].members}
        members = {name: value for name, value in members.items() if name.lower() not in ("message",)}
        holds(modelled[code], members, code, known=known)
    return 1


def parsed_answer(exchange, operation):
    parser = create_parser(operation.service_model.protocol)
    response = {
        "status_code": exchange["status"],
        "headers": {"content-type": exchange["content_type"] or ""},
        "body": exchange["answer"].encode(),
    }
    parsed = parser.parse(response, operation.output_shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def from_form(form, operation):
    """The parameters of the query protocol as the structure that they stand for."""
    if form.pop("Action", None) != operation.name:
        raise Violation("the form names another operation")
    if form.pop("Version", None) != operation.service_model.api_version:
        raise Violation("the form is of another version")
    value = read_structure(form, operation.input_shape, "")
    if form:
        raise Violation(f"unknown parameters {sorted(form)}")
    return value


def read_structure(form, shape, prefix):
    value = {}
    for name, member in (shape.members if shape else {}).items():
        path = prefix + member.serialization.get("name", name)
        if member.type_name == "structure":
            below = read_structure(form, member, f"{path}.")
            if below:
                value[name] = below
        elif member.type_name == "list":
            elements, number = [], 1
            while any(key == f"{path}.member.{number}" or key.startswith(f"{path}.member.{number}.") for key in form):
                at = f"{path}.member.{number}"
                if member.member.type_name == "structure":
                    elements.append(read_structure(form, member.member, f"{at}."))
                else:
                    elements.append(form.pop(at))
                number += 1
            if elements or form.pop(path, None) == "":
                value[name] = elements
        elif path in form:
            text = form.pop(path)
            value[name] = int(text) if member.type_name in ("integer", "long") else text
    return value


SCALARS = {
    "string": str,
    "character": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "blob": (str, bytes),
    "timestamp": (int, float, str, datetime.datetime),
}


def holds(shape, value, path, known=()):
    """A value is one that the shape allows."""
    kind = shape.type_name
    if kind == "structure":
        if shape.metadata.get("document"):
            return
        if not isinstance(value, dict):
            raise Violation(f"{path} is no structure")
        for name in shape.required_members:
            if value.get(name) is None and name.lower() not in known:
                raise Violation(f"{path}.{name} is missing")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            raise Violation(f"{path} holds {len(value)} members of a union")
        for name, below in value.items():
            if name not in shape.members:
                raise Violation(f"{path}.{name} is no member")
            if name in OPAQUE:
                known_members_hold(shape.members[name], below, f"{path}.{name}")
            else:
                holds(shape.members[name], below, f"{path}.{name}")
    elif kind == "list":
        if not isinstance(value, list):
            raise Violation(f"{path} is no list")
        within(shape, len(value), path, "elements")
        for element in value:
            holds(shape.member, element, f"{path}[]")
    elif kind == "map":
        if not isinstance(value, dict):
            raise Violation(f"{path} is no map")
        if value or path.rpartition(".")[2] not in MAY_BE_EMPTY:
            within(shape, len(value), path, "entries")
        for name, below in value.items():
            holds(shape.key, name, f"{path}'s key")
            holds(shape.value, below, f"{path}.{name if len(name) < 20 else '…'}")
    else:
        scalar_holds(shape, value, path)


def scalar_holds(shape, value, path):
    kind = shape.type_name
    wrong = not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind != "boolean")
    if wrong:
        raise Violation(f"{path} is {type(value).__name__}, expected {kind}")
    enum, text = shape.metadata.get("enum"), shape.metadata.get("pattern")
    if kind == "string" and "identitystore" in (text or "") and STORY.fullmatch(value):
        return
    if kind in ("string", "blob"):
        within(shape, len(value), path, "characters")
    elif kind in ("integer", "long", "float", "double") and path.rpartition(".")[2] not in MAY_BE_ZERO:
        within(shape, value, path, "")
    if enum and value not in enum:
        raise Violation(f"{path} is {value!r}, expected one of {enum}")
    compiled = pattern(text) if text and kind == "string" else None
    if compiled and not compiled.fullmatch(value):
        raise Violation(f"{path} is {value!r}, expected {text}")


def within(shape, size, path, unit):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        raise Violation(f"{path} has {size} {unit}, expected at least {least}")
    if most is not None and size > most:
        raise Violation(f"{path} has {size} {unit}, expected at most {most}")


def known_members_hold(shape, value, path):
    """The same for what the mapping says: members that the model does not know pass, and what it does know
    has the model's type."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, below in value.items():
            if name in shape.members:
                known_members_hold(shape.members[name], below, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for element in value:
            known_members_hold(shape.member, element, f"{path}[]")
    elif shape.type_name not in ("structure", "list"):
        scalar_holds(shape, value, path)


# hooks


def counts_of_this_run():
    """One file for all processes of a run."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return COUNTS / f"{os.getppid() if is_worker else os.getpid()}.jsonl"


@pytest.hookimpl(optionalhook=True)
def pytest_terminal_summary(terminalreporter):
    if "PYTEST_XDIST_WORKER" in os.environ or not counts_of_this_run().exists():
        return
    total = Counter()
    for line in counts_of_this_run().read_text().splitlines():
        total.update(json.loads(line))
    counts_of_this_run().unlink()
    terminalreporter.write_line(
        f"held against AWS's models: {total['requests']} requests of the product, {total['answers']} answers"
    )
