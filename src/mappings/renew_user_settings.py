"""Makes user_settings.json beside it anew from the API model of botocore and the SDKs' partitions.

    python3 -m pip install botocore && python3 src/mappings/renew_user_settings.py

One shape on a line, so that a new version shows in a pull request what has changed in the API.
"""

import json
import pathlib

import botocore
from botocore.loaders import Loader

HERE = pathlib.Path(__file__).parent
LOADER = Loader()
SHAPES = LOADER.load_service_model("sagemaker", "service-2")["shapes"]


def shape(name):
    """What the model says about a shape, without its documentation."""
    model = SHAPES[name]
    bounds = {key: model[key] for key in ["min", "max"] if key in model}
    match model["type"]:
        case "structure":
            kept = {"members": {key: member["shape"] for key, member in model["members"].items()}}
            if required := model.get("required"):
                kept["required"] = required
            return kept
        case "list":
            return {"list": model["member"]["shape"], **bounds}
        case "string":
            return {key: model[key] for key in ["enum", "pattern"] if key in model} | {"text": True} | bounds
        case "integer" | "long":
            return {"number": True, **bounds}
        case "boolean":
            return {"flag": True}
    raise SystemExit(f"{name} is of the type {model['type']}, which user_settings.rs does not know")


def reachable(name, found):
    if name not in found:
        found[name] = shape(name)
        for member in [*found[name].get("members", {}).values(), found[name].get("list")]:
            if member:
                reachable(member, found)
    return found


def main():
    partitions = LOADER.load_data("partitions")["partitions"]
    regions = {
        one["id"]: sorted(name for name in one["regions"] if not name.endswith("-global"))
        for one in partitions
    }
    lines = [f'"source": {json.dumps("botocore " + botocore.__version__)}']
    lines.append('"regions": ' + json.dumps(regions))
    shapes = sorted(reachable("UserSettings", {}).items())
    body = ",\n".join(f"{json.dumps(name)}: {json.dumps(kept)}" for name, kept in shapes)
    lines.append('"shapes": {\n' + body + "\n}")
    (HERE / "user_settings.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
