"""The two programs as processes: started, watched through files, stopped.

Standard output and error go to files, so that what a program wrote before it answered is there to be
read as soon as the answer is.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = Path(os.environ.get("STUDIO_BROKER_BIN", REPOSITORY / "target" / "debug")).resolve()

#: A machine with two busy cores may take this long to start a program.
START_SECONDS = 30


def binary(name):
    """The path of one of the two programs; a missing one is an error, never a skip."""
    path = BINARIES / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build it, or set STUDIO_BROKER_BIN")
    return str(path)


def clean_environment(settings):
    """The settings and nothing else that a program could find."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **{
        name: value if isinstance(value, bytes) else str(value)
        for name, value in settings.items()
        if value is not None
    }}


def run(*arguments, settings=None, input=None, program="studio-broker", timeout=60):
    """Runs a program to its end; the completed process with text output."""
    return subprocess.run(
        [binary(program), *map(str, arguments)],
        env=clean_environment(settings or {}),
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Program:
    """A running program."""

    def __init__(self, folder, arguments, settings, program="studio-broker"):
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.err = folder / "stdout", folder / "stderr"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [binary(program), *map(str, arguments)],
                env=clean_environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def first_line(self):
        """The JSON that the program prints once it answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = self.out.read_text()
            if "\n" in text:
                return json.loads(text.splitlines()[0])
            if self.process.poll() is not None:
                raise RuntimeError(f"exit {self.process.returncode}: {self.err.read_text()}")
            time.sleep(0.01)
        raise TimeoutError(f"nothing on standard output: {self.err.read_text()}")

    @property
    def is_alive(self):
        return self.process.poll() is None

    def output(self):
        """Everything that was written so far, both streams."""
        return self.out.read_text() + self.err.read_text()

    def log(self):
        """All JSON lines so far."""
        lines = []
        for line in self.output().splitlines():
            if line.startswith("{"):
                lines.append(json.loads(line))
        return lines

    def decisions(self, **wanted):
        """The audit's lines whose members are as wanted."""
        lines = [line for line in self.log() if line.get("event") == "decision"]
        return [line for line in lines if all(line.get(k) == v for k, v in wanted.items())]

    def stop(self):
        """Asks to stop, as a container would; the exit code."""
        if self.is_alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
