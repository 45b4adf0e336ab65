"""What the AWS CLI says of a command, without a call: whether its options exist, and what they lack.

The CLI needs other versions than these tests, so it lives in a place of its own (`tools/aws.txt`); this file, run
there, reads one command as JSON from each line and writes what came of it.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = ROOT / "target" / "tools" / "aws" / "bin" / "python"
#: Commands that only version 2 has: how many words stand before the options, and the options.
#: https://docs.aws.amazon.com/cli/latest/reference/logs/tail.html
ONLY_IN_2 = {
    ("logs", "tail"): (1, {"since", "follow", "format", "filter-pattern", "log-stream-names", "log-stream-name-prefix", "region"}),
}  # fmt: skip


class AwsCli:
    def __init__(self):
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "any", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [PYTHON, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)

    def error(self, words, folder):
        """What the CLI says of the words after `aws`, or None; files are those of a folder."""
        if tuple(words[:2]) in ONLY_IN_2:
            before, known = ONLY_IN_2[tuple(words[:2])]
            unknown = {word[2:].split("=")[0] for word in words if word.startswith("--")} - known
            given = len([word for word in words[2 : 2 + before] if not word.startswith("--")])
            return f"no such option: {sorted(unknown)}" if unknown else None if given == before else "lacks an argument"
        if words[:2] == ["cloudformation", "deploy"]:
            # A file of parameters as other commands have it: version 2, too.
            words = ["Name=value" if word.startswith("file://") and (folder / word[7:]).exists() else word for word in words]
        self.process.stdin.write(json.dumps({"words": words, "folder": str(folder)}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def fault(self, words, folder=ROOT, are_files_there=False):
        """What is wrong with a command of a page: `…` stands for what it leaves to the reader."""
        error = self.error(words[:-1] if words[-1] == "…" else words, folder)
        if error and "$" in "".join(words) and "Error parsing parameter" in error:
            return None
        if error and "…" in words and re.search(r"required|[Mm]issing|lacks|must be specified|too few", error):
            return None
        # What stands for an ARN or an id is shorter than one.
        if error and not re.sub(r"Invalid length for parameter \S+ value: \d+, valid min length: \d+", "", error).strip():
            return None
        # A page names files that its reader writes.
        if error and not are_files_there and re.search(r"No such file|Unable to load paramfile", error):
            return None
        return error


def words_of(command):
    """Each program with its arguments in a line of shell: of pipes, lists and `$(…)`, too."""
    found, words = [], []
    for inner in re.findall(r"\$\(([^()]+)\)", command):
        found += words_of(inner)
    lexer = shlex.shlex(re.sub(r"\$\([^()]+\)", "$PRINTED", command), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for token in [*lexer, ";"]:
        if token and set(token) <= set("();<>|&"):
            if words:
                found.append(words)
            words = []
            continue
        words.append(token)
    stripped = []
    for words in found:
        while words and (re.fullmatch(r"[A-Za-z_]+=.*", words[0], re.S) or words[0] in ("do", "while", "then", "$")):
            words = words[1:]
        if words:
            stripped.append(words)
    return stripped


def serve():
    # It brings a botocore of its own.
    import awscli.clidriver
    import botocore.client
    import botocore.exceptions
    import botocore.validate
    from awscli.customizations.commands import BasicCommand

    class Asked(BaseException):
        pass

    def record(self, operation, parameters):
        model = self.meta.service_model.operation_model(operation)
        # Tokens that tell one request from another are filled in by the CLI itself.
        parameters = self._emit_api_params(parameters, model, {"client_region": "eu-west-1"})
        if model.input_shape:
            report = botocore.validate.ParamValidator().validate(parameters, model.input_shape)
            if report.has_errors():
                raise botocore.exceptions.ParamValidationError(report=report.generate_report())
        raise Asked

    def only_parse(self, arguments, parsed_globals):
        self._run_main = lambda *_: 0
        return called(self, arguments, parsed_globals)

    botocore.client.BaseClient._make_api_call = record
    called, BasicCommand.__call__ = BasicCommand.__call__, only_parse
    driver, out = awscli.clidriver.create_clidriver(), sys.stdout
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked["folder"])
        told, code = io.StringIO(), 0
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            try:
                code = driver.main(asked["words"])
            except Asked:
                pass
            except SystemExit as ended:
                code = ended.code
        error = None
        if code:
            # Of a usage only the last paragraph says what is wrong.
            lines = [one for one in told.getvalue().splitlines() if one.strip()]
            wrong = next((n for n, one in enumerate(lines) if re.search(r"error:|Invalid choice|Unknown options|Parameter validation|Error", one)), -1)
            error = " ".join(lines[wrong:]).replace("Parameter validation failed: ", "")[:500]
        print(json.dumps(error), file=out, flush=True)


if __name__ == "__main__":
    serve()
