"""What this suite shares with the others: the renderer and the decisions of IAM (`tests/policies`), the
programs and the browser (`tests/system`), and what every answer of the simulated AWS is held against."""

import pathlib
import sys

for suite in ("policies", "system", "."):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / suite))
