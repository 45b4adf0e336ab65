"""How long files and functions are, without the unit tests at their foot; and which may be longer than others."""

import re

from imports import ROOT, House

FILE, FUNCTION = 500, 80

#: Each stays with a reason; whoever makes it shorter takes its line out.
LONG = {
    "src/aws/profile.rs": "all calls about one profile and the one judgement over their answers, read together",
    "src/cli/doctor/permissions.rs: target_questions": "a table: what a target role may and may not, a row for each",
    "src/mappings/yaml.rs": "one grammar: reading with positions, and the writing that must be read back",
    "src/policy.rs": "one evaluator, in the order in which AWS documents the decision",
    "src/team/mapping.rs: read": "a table: each attribute of a team with its rule, in the order of the schema",
    "saml/src/canonical.rs: element": "Exclusive C14N's rule for one element, in the order of the specification",
    "saml/src/xml/reader.rs": "one parser: its states share the limits and the position",
}

_TESTS = re.compile(r"\n#\[cfg\(test\)\]\n(?:#\[[^\]]*\]\n)*(?:pub(?:\(crate\))? )?mod tests")
_FUNCTION = re.compile(r"( *)(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?fn (\w+)")


def functions(lines):
    """(name, number of lines) of each function that rustfmt has laid out."""
    begun = []
    for number, line in enumerate(lines):
        if head := _FUNCTION.match(line):
            begun.append((number, head[1] + "}", head[2]))
        elif begun and line == begun[-1][1]:
            first, _, name = begun.pop()
            yield name, number - first + 1


def too_long():
    """{file, or file and function: lines} of those beyond the bounds."""
    found = {}
    for crate in ("src", "saml/src", "line/src"):
        for file in House(ROOT / crate).files.values():
            lines = _TESTS.split(file.read_text())[0].splitlines()
            name = str(file.relative_to(ROOT))
            if len(lines) > FILE:
                found[name] = len(lines)
            found |= {f"{name}: {of}": long for of, long in functions(lines) if long > FUNCTION}
    return found
