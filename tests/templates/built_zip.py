"""The zip that `infra/hub/build x86_64` leaves, unpacked and started as Lambda starts it.

    infra/hub/build x86_64 && target/test-venv/bin/python -m pytest -s tests/templates/built_zip.py

Not part of `tests/run`: a release build takes many minutes. STUDIO_BROKER_ZIP names another
zip. Beside what stands here, everything in `test_function.py` runs with it.
"""

import os
import pathlib
import struct
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZIP = pathlib.Path(os.environ.get("STUDIO_BROKER_ZIP", ROOT / "target/hub/x86_64/bootstrap.zip"))
#: ELF's names of processors.
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}
#: What Lambda takes unpacked: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNPACKED_LIMIT = 250 * 1024 * 1024


FOLDER = tempfile.TemporaryDirectory()


def unpack(path):
    """A folder with the two programs: the function from the zip, the command line as it was built here."""
    folder = pathlib.Path(FOLDER.name)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        (folder / "bootstrap").chmod(archive.getinfo("bootstrap").external_attr >> 16)
    (folder / "studio-broker-lambda").symlink_to("bootstrap")
    (folder / "studio-broker").symlink_to(ROOT / "target/debug/studio-broker")
    return folder


# Read when the programs' module is loaded.
os.environ["STUDIO_BROKER_BIN"] = str(unpack(ZIP))

from test_function import *  # noqa: E402, F403


def machine(path):
    with zipfile.ZipFile(path) as archive, archive.open("bootstrap") as binary:
        head = binary.read(20)
    assert head[:4] == b"\x7fELF"
    return struct.unpack_from("<H", head, 18)[0]


def test_the_zip_holds_one_executable_for_the_processor():
    with zipfile.ZipFile(ZIP) as archive:
        (entry,) = archive.infolist()
    assert entry.filename == "bootstrap"
    assert (entry.external_attr >> 16) & 0o111 == 0o111
    assert machine(ZIP) == MACHINES["x86_64"]
    assert entry.file_size < UNPACKED_LIMIT
    print(f"\n{ZIP}: {ZIP.stat().st_size} bytes, {entry.file_size} unpacked")


def test_a_zip_for_arm64_beside_it_is_for_arm64():
    other = ZIP.parent.parent / "arm64" / "bootstrap.zip"
    if other.exists():
        assert machine(other) == MACHINES["arm64"]
        print(f"\n{other}: {other.stat().st_size} bytes")
