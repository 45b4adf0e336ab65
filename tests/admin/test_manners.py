"""Manners: where words go, colours, settings, completions."""

import json
import os
import pty
import shlex
import subprocess
import time

import pytest

from conftest import BINARY, METADATA, item, team

COMMANDS = [
    ["teams", "list"],
    ["teams", "show", "team1"],
    ["teams", "export"],
    ["teams", "plan", "mappings.json"],
    ["teams", "apply", "mappings.json"],
    ["teams", "remove", "team1"],
    ["idps", "list"],
    ["idps", "add", METADATA / "idp.xml", "--all-teams"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(map(str, c[:2])))
def test_json_is_one_object_on_standard_output(local_world, command):
    local_world.put(local_world.teams, item(team()))
    local_world.file({"teams": [team(), team("team2")]})
    code = 3 if command[1] == "plan" else 0
    assert isinstance(local_world.json(*command, code=code), dict)


def test_a_failure_is_one_object_on_standard_output_too(local_world):
    done = local_world.run("teams", "show", "nobody", "--output", "json", code=1)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "not_found" and error["exit"] == 1 and error["hints"] == ["studio-broker teams list"]


@pytest.mark.parametrize("key", ["a; touch gone", "$(touch gone)", "it's \"here\"", "two words", "\n-x"])
def test_a_hint_is_one_command_whatever_an_item_is_called(local_world, key):
    local_world.put(local_world.teams, {"team_id": {"S": key}})
    shown = ["studio-broker", "teams", "show", key.replace("\n", "\\n")]
    listed = local_world.run("teams", "list")
    assert [shlex.split(line) for line in after("hint: ", listed.stderr)] == [shown]
    refused = local_world.run("profiles", "offboard", "ann", code=1)
    assert [shlex.split(line) for line in after("  fix: ", refused.stderr)] == [shown]


def test_ids_that_differ_in_case_only_are_called_out(local_world):
    for team_id in ("Vision", "vision"):
        local_world.put(local_world.teams, item(team(team_id)))
    listed = local_world.run("teams", "list")
    assert "Vision, vision differ in case only" in listed.stderr


@pytest.mark.parametrize("role", ["garbage", "arn:aws:iam::1:role/x"])
def test_a_hub_role_that_is_none_is_a_wrong_argument(local_world, role):
    refused = local_world.run("doctor", "--hub-role", role, code=2)
    assert "IAM role" in refused.stderr


@pytest.mark.parametrize("command", [["teams", "list"], ["teams", "export"], ["idps", "list"]])
def test_what_cannot_be_written_is_a_failure_and_a_reader_who_has_gone_is_none(local_world, command):
    local_world.put(local_world.teams, item(team()))
    for output, code in (("/dev/full", 1), ("closed", 0)):
        if output == "closed":
            reader, writer = os.pipe()
            os.close(reader)
        else:
            writer = os.open(output, os.O_WRONLY)
        done = subprocess.run(
            [BINARY, *command],
            cwd=local_world.folder,
            env=local_world.settings,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        assert done.returncode == code
        assert ("standard output cannot be written" in done.stderr) is (code == 1)


def test_no_name_in_an_item_writes_lines_into_the_export(local_world):
    name = "x\nidps:\n- entity_id: https://evil.example.com\n#\ufeff\x1b"
    odd = {**item(team()), "user_settings": {"M": {name: {"B": b"x"}}}}
    local_world.put(local_world.teams, odd)
    exported = local_world.run("teams", "export", code=1)
    assert "\n- entity_id" not in exported.stdout and "\x1b" not in exported.stdout
    assert "\x1b" not in exported.stderr and "\nidps" not in exported.stderr
    (local_world.folder / "exported.yaml").write_text(exported.stdout)
    local_world.run("teams", "plan", "exported.yaml")


def after(start, text):
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


def on_a_terminal(world, *arguments, **settings):
    """What a command writes to a terminal, both streams."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)],
        cwd=world.folder,
        env={**world.settings, "TERM": "xterm", **settings},
        stdin=inner,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    written = b""
    while True:
        try:
            part = os.read(outer, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
    os.close(outer)
    process.wait(30)
    return written


def test_colour_is_for_terminals_and_never_with_no_color(local_world):
    local_world.file({"teams": [team()]})
    command = ["teams", "plan", "mappings.json"]
    assert b"\x1b[32m" in on_a_terminal(local_world, *command)
    assert b"\x1b" not in on_a_terminal(local_world, *command, NO_COLOR="1")
    done = local_world.run(*command, code=3)
    assert "\x1b" not in done.stdout + done.stderr


def test_nobody_writes_to_an_administrators_terminal_by_editing_an_item(local_world):
    evil = "\x1b]0;owned\x07\x1b[2J\u202egood"
    hostile = team(display_name=evil, description=evil, groups=[evil], tags={"Key": evil[-5:]})
    local_world.put(local_world.teams, item(hostile) | {evil: {"S": evil}})
    local_world.put(local_world.teams, item({"team_id": evil, "account_id": evil}))
    local_world.file({"teams": [team(display_name="new")]})
    for command in [
        ["teams", "list"],
        ["teams", "show", "team1"],
        ["teams", "show", evil],
        ["teams", "plan", "mappings.json", "--prune"],
        ["teams", "remove", evil, "--dry-run"],
    ]:
        written = on_a_terminal(local_world, *command, NO_COLOR="1").decode()
        assert not set(written) & {"\x1b", "\x07", "\u202e"}, (command, written)


def test_a_reader_that_goes_away_is_no_failure_to_speak_of(local_world):
    for number in range(300):
        local_world.put(local_world.teams, item(team(f"team{number}")))
    process = subprocess.Popen(
        [BINARY, "teams", "list"],
        env=local_world.settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert b"panicked" not in process.stderr.read()
    assert process.wait(30) == 0


def test_all_settings_that_cannot_be_used_come_in_one_message(local_world):
    bad = {
        "STUDIO_BROKER_TEAMS_TABLE": "a table!",
        "STUDIO_BROKER_TEAM_CACHE_SECONDS": "301",
        "STUDIO_BROKER_TLS_ROOTS": "none",
        "AWS_REGION": "",
    }
    done = local_world.run("teams", "list", code=2, **bad)
    for variable in bad:
        assert f"{variable}: found " in done.stderr
    # What a command does not use, it does not look at.
    local_world.run("teams", "list", STUDIO_BROKER_PUBLIC_URL="ftp://x", STUDIO_BROKER_URL_SECONDS="0")


def test_without_credentials_the_exit_code_is_4(local_world):
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]:
        del local_world.settings[name]
    done = local_world.run("teams", "list", code=4, AWS_EC2_METADATA_DISABLED="true")
    assert "credentials" in done.stderr and "hint:" in done.stderr


def test_a_mistyped_command_is_a_usage_error(local_world):
    for command in [["teams"], ["teams", "lst"], ["teams", "plan"], ["teams", "list", "--colour"]]:
        local_world.run(*command, code=2)
    local_world.run("teams", "plan", "no-such-file.yaml", code=2)


# completions

SHELLS = ["bash", "zsh", "fish"]


def complete(world, shell, *words, **settings):
    """What a shell's script asks for the last word."""
    began = time.monotonic()
    done = world.run(
        "--",
        "studio-broker",
        *words,
        STUDIO_BROKER_COMPLETE=shell,
        _CLAP_COMPLETE_INDEX=str(len(words)),
        _CLAP_COMPLETE_COMP_TYPE="9",
        _CLAP_COMPLETE_SPACE="true",
        _CLAP_IFS="\n",
        **settings,
    )
    assert done.stderr == ""
    return done.stdout.split(), time.monotonic() - began


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_asks_the_program_itself(local_world, shell):
    script = local_world.run("completions", shell).stdout
    assert f'STUDIO_BROKER_COMPLETE="{shell}"' in script or f"STUDIO_BROKER_COMPLETE={shell}" in script


@pytest.mark.parametrize("shell", SHELLS)
def test_team_ids_are_completed(local_world, shell):
    for name in ["analysts", "analogue", "vision"]:
        local_world.put(local_world.teams, item(team(name)))
    names, _ = complete(local_world, shell, "teams", "show", "ana")
    assert sorted(names) == ["analogue", "analysts"]
    commands, _ = complete(local_world, shell, "te")
    assert commands[0].startswith("teams")


def test_bash_itself_completes_team_ids(local_world):
    local_world.put(local_world.teams, item(team("analysts")))
    script = (
        'source <(studio-broker completions bash); COMP_WORDS=(studio-broker teams show ana);'
        ' COMP_CWORD=3; COMP_TYPE=9; _clap_complete_studio_broker studio-broker ana show;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{os.path.dirname(BINARY)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**local_world.settings, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["analysts"], (done.stdout, done.stderr)


@pytest.mark.parametrize(
    "settings",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        {"AWS_ENDPOINT_URL": "http://10.255.255.1"},
        {"AWS_REGION": ""},
        {"STUDIO_BROKER_TEAMS_TABLE": "no-such-table"},
        {"STUDIO_BROKER_TEAMS_TABLE": "not a table"},
    ],
    ids=["refused", "silent", "no-region", "no-table", "bad-setting"],
)
def test_completion_is_quick_and_silent_where_aws_does_not_answer(local_world, settings):
    names, seconds = complete(local_world, "bash", "teams", "show", "ana", **settings)
    assert names == []
    assert seconds < 5


# manual pages


def test_there_is_a_manual_page_for_each_command(local_world):
    folder = local_world.folder / "man"
    written = local_world.json("man", folder)
    pages = {page.name for page in folder.iterdir()}
    assert {"studio-broker.1", "studio-broker-teams-plan.1", "studio-broker-access-grant.1"} <= pages
    assert written["pages"] == len(pages) > 40
    text = (folder / "studio-broker-access-grant.1").read_text()
    assert text.lstrip().startswith((".ie", ".TH")) and "\\-\\-reason" in text
    local_world.file("in the way", "file")
    assert "file" in local_world.run("man", "file/below", code=2).stderr
