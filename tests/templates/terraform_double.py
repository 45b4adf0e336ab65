#!/usr/bin/env python3
"""A double of Terraform's AWS provider, which cannot be had without its registry: the few things that the
modules use, with the attributes that the provider's documentation gives them. The plans are Terraform's own.

Stacks are made of the templates by the renderer, so that outputs are what CloudFormation would answer, and
kept in the file of FAKE_CLOUD.
https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/cloudformation_stack
"""

import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "policies")]

from tf.iface import DataSource, Provider, Resource  # noqa: E402
from tf.runner import run_provider  # noqa: E402
from tf.schema import Attribute, Schema  # noqa: E402
from tf.types import Map, Set, String  # noqa: E402

CLOUD = pathlib.Path(os.environ["FAKE_CLOUD"])


def cloud():
    return json.loads(CLOUD.read_text()) if CLOUD.exists() else {"objects": {}, "stacks": {}}


def keep(state):
    CLOUD.write_text(json.dumps(state))


class Object(Resource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "s3_object"

    @classmethod
    def get_schema(cls):
        return Schema(attributes=[
            Attribute("bucket", String(), required=True, requires_replace=True),
            Attribute("key", String(), required=True, requires_replace=True),
            Attribute("source", String(), optional=True),
            Attribute("content", String(), optional=True),
        ])  # fmt: skip

    def create(self, ctx, planned):
        state = cloud()
        state["objects"][planned["key"]] = planned["content"] or planned["source"]
        keep(state)
        return planned

    def read(self, ctx, current):
        return current

    def update(self, ctx, current, planned):
        return self.create(ctx, planned)

    def delete(self, ctx, current):
        pass


class Stack(Resource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "cloudformation_stack"

    @classmethod
    def get_schema(cls):
        return Schema(attributes=[
            Attribute("name", String(), required=True, requires_replace=True),
            Attribute("template_url", String(), optional=True),
            Attribute("capabilities", Set(String()), optional=True),
            Attribute("parameters", Map(String()), optional=True),
            Attribute("policy_body", String(), optional=True),
            Attribute("tags", Map(String()), optional=True),
            Attribute("id", String(), computed=True),
            Attribute("outputs", Map(String()), computed=True),
        ])  # fmt: skip

    def _made(self, planned):
        import templates

        state = cloud()
        key = planned["template_url"].partition("/studio-broker/")[2]
        text = state["objects"][f"studio-broker/{key}"]
        path = CLOUD.parent / key
        path.write_text(text)
        made = templates.stack(path, planned["parameters"] or {})
        stack = {name: planned[name] for name in ("parameters", "policy_body", "capabilities", "tags")}
        stack["capabilities"] = sorted(stack["capabilities"] or [])
        state["stacks"][planned["name"]] = {**stack, "resources": made.resources, "outputs": made.outputs}
        keep(state)
        return {**planned, "id": planned["name"], "outputs": {n: str(v) for n, v in made.outputs.items()}}

    def create(self, ctx, planned):
        return self._made(planned)

    def read(self, ctx, current):
        return current

    def update(self, ctx, current, planned):
        return self._made(planned)

    def delete(self, ctx, current):
        state = cloud()
        state["stacks"].pop(current["name"], None)
        keep(state)


class Bucket(DataSource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "s3_bucket"

    @classmethod
    def get_schema(cls):
        return Schema(attributes=[
            Attribute("bucket", String(), required=True),
            Attribute("bucket_regional_domain_name", String(), computed=True),
        ])  # fmt: skip

    def read(self, ctx, config):
        name = f"{config['bucket']}.s3.eu-central-1.amazonaws.com"
        return {"bucket": config["bucket"], "bucket_regional_domain_name": name}


class Aws(Provider):
    def get_model_prefix(self):
        return "aws_"

    def full_name(self):
        return "registry.terraform.io/hashicorp/aws"

    def get_provider_schema(self, diags):
        return Schema(attributes=[Attribute("region", String(), optional=True)])

    def validate_config(self, diags, config):
        pass

    def configure_provider(self, diags, config):
        pass

    def get_data_sources(self):
        return [Bucket]

    def get_resources(self):
        return [Object, Stack]


if __name__ == "__main__":
    run_provider(Aws())
