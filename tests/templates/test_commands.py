"""Every command of the guides is one that its program takes: options, what they lack, and their values."""

import os
import re
import subprocess

import pytest
from aws_cli import AwsCli, words_of
from steps import BINARY, every_command
from templates import INFRA, ROOT

#: The page, and the headings of its tables.
PAGE = INFRA / "only-an-account-can-tell.md"
COLUMNS = ["question", "ask", "right is", "if not"]
#: Options of programs that are not here; the versions' own help names them.
OTHERS = {
    "curl": {"-s", "-i", "-o", "-w", "-f", "--rate"},
    "podman": {"-f", "-t", "--rm", "--platform", "--username", "--password-stdin", "--help"},
    "terraform": {"-out"},
    "kubectl": {"-n", "-f", "-o", "-l", "--to-revision", "--revision", "--timeout", "--tail", "--dry-run", "--since"},
}  # fmt: skip


@pytest.fixture(scope="module")
def aws():
    cli = AwsCli()
    yield cli
    cli.close()


def spans(text):
    """What stands between backticks in a text, blocks left out; `\\|` of a table is a pipe."""
    plain = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    return [code.replace("\\|", "|") for code in re.findall(r"`([^`\n]+)`", plain)]


def is_command(code):
    return re.match(r"(aws [a-z0-9-]+ [a-z]|curl -|studio-broker [a-z]|podman [a-z]+ |kubectl |terraform [a-z]+ )", code) is not None


def fault(aws, command):
    """What is wrong with a line of shell, or None."""
    for program, *words in words_of(command):
        if program == "aws":
            found = aws.fault(words)
        elif program == "studio-broker":
            found = fault_of_ours(words)
        elif program in OTHERS:
            # -so is -s and -o.
            given = {word if word.startswith("--") or program == "terraform" else word[:2] for word in words if re.match(r"--?[a-z]", word)}
            given = {word.split("=")[0] for word in given}
            found = f"no such option: {given - OTHERS[program]}" if given - OTHERS[program] else None
        else:
            continue
        if found:
            return f"{program} {' '.join(words)}: {found}"
    return None


def fault_of_ours(words):
    """The parser comes upon `--help` only after it has taken everything before."""
    asked = [word for word in words if word != "…"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run([BINARY, *asked, "--help"], env=environment, capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 and "Usage:" in done.stdout else done.stderr


def test_what_is_wrong_is_found(aws):
    wrong = {
        "aws cloudformation describe-stacks --stack-nam x --nope y": "nope",
        "aws cloudformation describe-stack-instance --call-as DELEGATED_ADMIN": "required",
        "aws cloudformation frobnicate-stacks": "Invalid choice",
        "aws dynamodb update-table --table-name teams --stream-specification StreamEnabled=true,StreamVeiwType=KEYS_ONLY": "StreamVeiwType",
        "aws logs tail GROUP --sinse 1h": "sinse",
        "x=$(aws sts get-caller-identity --wrong y)": "wrong",
        "studio-broker teams plan --frobnicate teams.yaml": "frobnicate",
        "studio-broker teams frobnicate": "frobnicate",
        "curl -q https://NAME/healthz": "-q",
    }
    for command, word in wrong.items():
        assert word in (fault(aws, command) or "nothing"), command
    right = (
        "aws cloudformation deploy --stack-name studio-broker …",
        "aws logs tail BROKER_LOG --since 30m | studio-broker doctor",
        "STUDIO_BROKER_TEAMS_TABLE=x studio-broker teams export > restored.yaml",
        "curl -so /dev/null -w '%{http_code}' https://NAME/healthz",
    )
    assert [fault(aws, command) for command in right] == [None] * len(right)


@pytest.mark.parametrize("guide", sorted({guide for guide, _ in every_command()}))
def test_every_command_of_a_block_is_taken(aws, guide):
    commands = [command for where, command in every_command() if where == guide]
    assert [wrong for command in commands if (wrong := fault(aws, command))] == []


@pytest.mark.parametrize("guide", sorted(INFRA.rglob("*.md")), ids=lambda path: str(path.relative_to(INFRA)))
def test_every_command_in_the_text_is_taken(aws, guide):
    # In a sentence a command may be named without what it needs.
    commands = [code if code.endswith("…") else f"{code} …" for code in spans(guide.read_text()) if is_command(code)]
    assert [wrong for command in commands if (wrong := fault(aws, command))] == []


# ---------------------------------------------------------------- what only an account can tell


def rows():
    """(question, ask, right, if not) of every table of the page."""
    found = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells != COLUMNS and set(cells[0]) != {"-"}:
                found.append(cells)
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_each_row_has_a_command_that_is_taken_and_the_answer_that_is_right(aws, row):
    assert len(row) == len(COLUMNS)
    question, ask, right, otherwise = row
    commands = [code for code in spans(ask) if is_command(code)]
    assert question.endswith("?") and commands, ask
    assert [wrong for command in commands if (wrong := fault(aws, command))] == []
    assert "…" not in " ".join(commands).split(), "the whole command"
    assert re.search(r"\w", right), "the answer that is right"
    assert re.search(r"\w", otherwise), "what to do where it is another"


def test_the_page_is_one():
    """No other page keeps a list of its own, and each that has something unproven leads here."""
    assert len(rows()) >= 55
    for guide in INFRA.rglob("*.md"):
        text = guide.read_text()
        for part in re.findall(r"^## What is unproven\n(.*?)(?=^## |\Z)", text, re.M | re.S):
            assert "only-an-account-can-tell.md" in part, guide
            assert not re.search(r"^[-*|] ?", part, re.M), f"{guide.relative_to(ROOT)} has a list of its own"


def test_links_to_the_page_lead_to_its_headings():
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for guide in INFRA.rglob("*.md"):
        assert set(re.findall(r"only-an-account-can-tell\.md#([^)]+)\)", guide.read_text())) <= anchors, guide


def test_the_page_asks_whether_tags_arrive():
    asked = [question for question, *_ in rows() if "tags" in question]
    assert any("global tables" in one for one in asked) and any("StackSet" in one for one in asked)
