"""What a release says of itself: notices that name everything, checks that find what is wrong, steps that exist."""

import importlib.machinery
import importlib.util
import json
import os
import re
import struct
import subprocess
import zlib

import pytest
from imports import ROOT

RELEASE = ROOT / "infra" / "release"
BUILD = RELEASE / "build"


def script(name):
    """A script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(RELEASE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


NOTICES, CHECK = script("notices"), script("check")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The notices as text, by binary."""
    folder = tmp_path_factory.mktemp("notices")
    done = subprocess.run([RELEASE / "notices", folder], capture_output=True, text=True, check=False)
    if "is missing, which says what is in the standard library" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return {binary: (folder / f"THIRD-PARTY-NOTICES.{binary}.txt").read_text() for binary in NOTICES.BINARIES}


def named(text):
    return set(re.findall(r"^(\S+ \d+\.\d+\.\d+\S*)\n    licence: \S", text, re.M))


def lines_of_tree(binary, edges):
    features, targets = NOTICES.BINARIES[binary]
    for target in targets:
        tree = ["cargo", "tree", "--locked", "--target", target, *features, "--edges", edges, "--prefix", "none"]
        done = subprocess.run(tree, cwd=ROOT, capture_output=True, text=True, check=True)
        yield from {line.removesuffix(" (*)") for line in done.stdout.splitlines() if line}


@pytest.mark.parametrize("binary", NOTICES.BINARIES)
def test_every_crate_of_a_binary_is_named_and_no_other(written, binary):
    linked = {line for line in lines_of_tree(binary, "normal") if not line.endswith("(proc-macro)")}
    # What only a macro needs is not in the binary: it is in the tree of all, and not in that without macros.
    without = {line.replace(" v", " ", 1) for line in lines_of_tree(binary, "normal,no-proc-macro") if f"({ROOT}" not in line}
    assert without <= {line.replace(" v", " ", 1) for line in linked}
    assert named(written[binary]) == without
    locked = set(re.findall(r'name = "(.*)"\nversion = "(.*)"', (ROOT / "Cargo.lock").read_text()))
    assert {tuple(crate.split()) for crate in without} <= locked
    assert len(without) > 150


def test_the_function_has_nothing_of_the_command_line(written):
    function, program = map(named, (written["studio-broker-lambda"], written["studio-broker"]))
    assert function < program
    assert {crate.split()[0] for crate in program - function} >= {"clap", "dynoxide-rs", "libsqlite3-sys"}


@pytest.mark.parametrize("binary", NOTICES.BINARIES)
def test_what_is_no_crate_is_named_too(written, binary):
    for name in ["Rust's standard library", "Amazon Trust Services' root certificates", "hashbrown-"]:
        assert f"\n{name}" in written[binary]
    for name in ["musl\n", "SQLite "]:
        assert (f"\n{name}" in written[binary]) == (binary == "studio-broker")
    # Of aws-lc, its own texts: BoringSSL's, OpenSSL's, and those of what it took over.
    for words in ["AWS Libcrypto (AWS-LC)", "Copyright (c) 2015-2020 the fiat-crypto authors", "Jitter Entropy RNG"]:
        assert words in written[binary]


@pytest.mark.parametrize("binary", NOTICES.BINARIES)
def test_every_crate_has_texts_and_every_text_is_somebodys(written, binary):
    head, *texts = re.split(r"^-{16} text \d+ -{16}$", written[binary], flags=re.M)
    entries = re.findall(r"^(\S+ \d+\.\d+\.\d+\S*)\n(    licence: .*\n    from: .*\n(?:    texts: (.*)\n)?)", head, re.M)
    assert [name for name, _, numbers in entries if not numbers] == []
    used = {int(number) for numbers in re.findall(r"^    texts: (.*)$", head, re.M) for number in numbers.split(", ")}
    assert used == set(range(1, len(texts) + 1))
    same = [" ".join(text.split()) for text in texts]
    assert len(set(same)) == len(same) and all(same)


def test_the_notices_are_the_same_every_time_and_name_no_folder(written, tmp_path):
    subprocess.run([RELEASE / "notices", tmp_path], capture_output=True, check=True)
    for binary, text in written.items():
        assert (tmp_path / f"THIRD-PARTY-NOTICES.{binary}.txt").read_text() == text
        assert str(ROOT) not in text and "/.cargo" not in text and "/registry/src" not in text


def test_a_crate_without_a_licence_text_is_an_error(monkeypatch):
    monkeypatch.setattr(NOTICES, "WITHOUT_TEXT", {})
    with pytest.raises(SystemExit, match=r"no licence text in .*lambda_runtime .*WITHOUT_TEXT"):
        NOTICES.notices("studio-broker-lambda")


def test_the_list_of_crates_without_a_text_is_not_longer_than_it_must_be():
    without = {package["name"] for package in NOTICES.crates(*NOTICES.BINARIES["studio-broker"]) if not NOTICES.texts_of(package)}
    assert without == set(NOTICES.WITHOUT_TEXT)
    assert all(texts and reason for texts, reason in NOTICES.WITHOUT_TEXT.values())


# ---------------------------------------------------------------- checks of a binary


def elf(packages=None, loader=False, words=b"", processor=62):
    """The smallest file that has what the check reads: one program header, and a section of crates."""
    names = b"\0.dep-v0\0.names\0"
    packed = zlib.compress(json.dumps({"packages": packages}).encode()) if packages is not None else b""
    start = 64 + 56
    body = names + packed + words
    sections = [(0, 0, 0), (9, start, len(names))] + ([(1, start + len(names), len(packed))] if packed else [])
    header = b"\x7fELF\x02\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 2, processor, 1, 0, 64, start + len(body), 0, 64, 56, 1, 64, len(sections), 1)
    program = struct.pack("<IIQQQQQQ", CHECK.PT_INTERP if loader else 1, 4, 0, 0, 0, 0, 0, 0)
    return header + program + body + b"".join(struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0) for name, at, size in sections)


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({"packages": [{"name": "serde", "version": "1.0.1"}]}, None),
        ({"packages": [{"name": "serde", "version": "1.0.2"}]}, "serde 1.0.1 is named"),
        ({"packages": [{"name": "serde", "version": "1.0.1"}], "processor": 183}, "cpufeatures 0.2.1 is named"),
        ({}, "does not say what it was built from"),
        ({"packages": [{"name": "serde", "version": "1.0.1"}], "loader": True}, "not static"),
        ({"packages": [{"name": "serde", "version": "1.0.1"}], "words": f"{ROOT}/src/lib.rs".encode()}, "it names"),
    ],
    ids=["right", "other-version", "other-processor", "no-list", "dynamic", "folder"],
)
def test_a_binary_is_held_against_what_is_said_of_it(tmp_path, made, fault):
    binary, notices = tmp_path / "binary", tmp_path / "notices.txt"
    binary.write_bytes(elf(**made))
    notices.write_text(
        "cpufeatures 0.2.1\n    licence: MIT\n    from: x\n    texts: 1\n    only for: aarch64\n\n"
        "serde 1.0.1\n    licence: MIT\n    from: x\n    texts: 1\n\nSQLite (in libsqlite3-sys)\n    licence: none\n\n"
    )
    done = subprocess.run([RELEASE / "check", binary, notices, "static"], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if fault else 0), done.stderr
    assert (fault or "") in done.stderr


# ---------------------------------------------------------------- the command


def test_every_step_is_there_and_is_told():
    text = BUILD.read_text()
    steps = re.search(r'^all="(.*)"$', text, re.M)[1].split() + ["again"]
    assert {step for step in steps if not re.search(rf"^{step}\(\) \{{$", text, re.M)} == set()
    assert re.search(r"^#   infra/release/build --only STEP .*: (.*)$", text, re.M)[1].split() == steps


@pytest.mark.parametrize("words", [["--only"], ["--only", "everything"], ["--wrong"]])
def test_a_step_that_is_none_is_refused_before_anything_is_done(words):
    done = subprocess.run([BUILD, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "a step is one of: notices" in done.stderr


def scripts_of_shell():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.split("\n")) - {""}):
        path = ROOT / name
        if path.is_file() and not path.suffix == ".md":
            with path.open("rb") as file:
                first = file.readline(80)
            if re.match(rb"#!.*\b(ba)?sh\b|# shellcheck shell", first):
                yield name


SHELL = list(scripts_of_shell())


def test_the_scripts_are_found():
    assert {"infra/hub/build", "infra/operations/build", "infra/release/build", "infra/release/environment", "tests/run"} <= set(SHELL)


@pytest.mark.parametrize("name", SHELL)
def test_a_script_can_be_read(name):
    shell = "bash" if "bash" in (ROOT / name).read_text().splitlines()[0] else "sh"
    done = subprocess.run([shell, "-n", ROOT / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["infra/hub/build", "infra/operations/build"])
def test_what_is_deployed_is_built_with_the_paths_replaced_and_the_list_of_crates(name):
    text = (ROOT / name).read_text()
    assert text.index('build_tools "$target"\nbuild_paths\n') < text.index("cargo auditable ")
    assert re.findall(r"^cargo (?!auditable)", text, re.M) == []


def test_paths_of_this_machine_are_replaced_also_where_a_folder_has_a_blank(tmp_path):
    folder = tmp_path / "a folder"
    (folder / "home").mkdir(parents=True)
    said = subprocess.run(
        ["bash", "-euc", f'. "{RELEASE}/environment"; build_paths; echo "$CFLAGS"; "{RELEASE}/rustc-wrapper" printf "%s\\n"'],
        cwd=folder, env={**os.environ, "CARGO_HOME": str(folder / "home"), "CFLAGS": "-g0"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    flags, *arguments = said.stdout.splitlines()
    assert flags == f"-g0 '-ffile-prefix-map={folder}/home=/cargo' '-ffile-prefix-map={folder}=/studio-broker'"
    assert f"{folder}/home=/cargo" in arguments and f"{folder}=/studio-broker" in arguments
    # The last one that fits wins in rustc: the checkout's comes last, since it may lie inside of the others.
    assert arguments[-1] == f"{folder}=/studio-broker"
