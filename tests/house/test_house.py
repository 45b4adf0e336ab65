"""ARCHITECTURE.md is how the code is: who uses whom, no circles, and names that exist."""

import json
import re
import subprocess

import pytest
from imports import ROOT, House, circles
from plan import PICTURE, picture, rooms
from sizes import LONG, functions, too_long
from touch import OUTSIDE, touched

ARROWS = House().arrows()
ROOMS = rooms()
#: Rooms that are crates of their own.
CRATES = {"strict_saml", "fair_line"}


def words(module):
    return "::".join(module) or "lib"


def room_of(module):
    return module[0] if module else "lib"


def test_imports_are_read_at_all():
    files = {words(module) for arrow in ARROWS for module in arrow}
    assert len(files) > 100 and len(ARROWS) > 400
    assert "broker" in files and "http::sign_in" in files


def test_every_folder_of_src_is_a_room_and_every_room_is_there():
    there = {path.stem for path in (ROOT / "src").iterdir() if path.name != "lib.rs"}
    # A file of data beside them is none.
    assert there == set(ROOMS) - CRATES


def test_a_room_uses_those_that_the_table_says():
    used = {}
    for (importer, imported), names in ARROWS.items():
        if room_of(importer) != room_of(imported) and importer:
            used.setdefault((room_of(importer), room_of(imported)), []).append(
                f"{words(importer)} -> {words(imported)}: {', '.join(sorted(names))}"
            )
    wrong = [line for (a, b), lines in used.items() if b not in ROOMS[a].uses for line in lines]
    assert wrong == []


def test_the_table_has_no_arrow_back_up():
    seen = []
    for name, room in ROOMS.items():
        seen.append(name)
        assert not set(room.uses) & set(seen), f"{name} uses a room above it"


def test_a_room_touches_what_the_table_says_and_nothing_else():
    there = touched(House())
    there["strict_saml"], there["fair_line"] = (
        {word: of for room in touched(House(ROOT / crate / "src")).values() for word, of in room.items()}
        for crate in ("saml", "line")
    )
    wrong = [
        f"{name}: {word} ({', '.join(there.get(name, {}).get(word, ['no file']))})"
        for name, room in ROOMS.items()
        for word in set(room.touches) ^ set(there.get(name, {}))
    ]
    assert wrong == [] and "lib" not in there
    assert {word for room in ROOMS.values() for word in room.touches} == set(OUTSIDE)


@pytest.mark.parametrize("src", ["src", "saml/src", "line/src"])
def test_no_files_import_each_other_in_a_circle(src):
    arrows = House(ROOT / src).arrows()
    told = [
        "\n".join(
            f"{words(a)} -> {words(b)}: {', '.join(sorted(names))}"
            for (a, b), names in sorted(arrows.items())
            if a in group and b in group
        )
        for group in circles(arrows)
    ]
    assert arrows
    assert told == [], "\n\n".join(told)


def test_a_parent_that_calls_its_part_by_a_bare_path_is_seen(tmp_path):
    (tmp_path / "lib.rs").write_text("mod room;")
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "mod.rs").write_text("mod part;\npub struct Table;\nfn f() { part::g(&Table); std::f(); }")
    (tmp_path / "room" / "part.rs").write_text("use super::Table;\npub fn g(_: &Table) {}")
    assert circles(House(tmp_path).arrows()) == [[("room",), ("room", "part")]]


def test_a_circle_would_be_found():
    assert circles({(("a",), ("b",)): set(), (("b",), ("c",)): set(), (("c",), ("a",)): set()}) == [[("a",), ("b",), ("c",)]]


def test_what_is_long_has_a_reason_and_every_reason_something_long():
    assert set(too_long()) == set(LONG)
    assert list(functions(["    fn a() {", "        b", "    }", "fn c() {", "}"])) == [("a", 3), ("c", 2)]


def test_the_picture_is_that_of_the_table():
    assert PICTURE.read_text() == picture(), "draw it anew: python tests/house/plan.py"


def names_of_tests():
    """Every test function and test file, whatever it is written in."""
    files = subprocess.run(["git", "ls-files", "*.rs", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = set()
    for name in files.stdout.split():
        path = ROOT / name
        if path.exists():
            found.add(path.name)
            found |= set(re.findall(r"\b(?:fn|def) (\w+)\(", path.read_text()))
    return found


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "THREAT-MODEL.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_what_a_document_names_is_there(document):
    text = (ROOT / document).read_text()
    known = names_of_tests()
    assert [name for name in re.findall(r"`(test_\w+(?:\.py)?)`", text) if name not in known] == []
    for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([\w-]+))?\)", text):
        assert (ROOT / target).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / target).read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", words).lower().replace(" ", "-") for words in headings}, anchor


def settings_rows():
    """The table of settings, as `schemas/settings.json` says it."""
    for row in json.loads((ROOT / "schemas" / "settings.json").read_text())["settings"]:
        if row.get("required"):
            default = "required"
        elif "default_means" in row:
            default = row["default_means"]
        else:
            default = f"`{row['default']}`" if "default" in row else "–"
        bounds = f"; {row['minimum']}–{row['maximum']} {row['unit']}" if "unit" in row else ""
        yield f"| `{row['variable']}` | {default} | {row['meaning']}{bounds} |"


def test_the_guide_lists_the_settings():
    guide = (ROOT / "infra" / "settings.md").read_text().splitlines()
    assert [line for line in guide if line.startswith("| `STUDIO_BROKER_")] == list(settings_rows())
