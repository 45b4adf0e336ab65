"""Asks IAM, as `evaluate.mjs` stands in for it."""

import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent
FULL_ACCESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class Iam:
    """One evaluator process; a request goes in, a decision comes out."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["node", str(HERE / "evaluate.mjs")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)

    def decide(self, principal, action, resource, context, **policies):
        """Says "allowed", "denied" (nothing allows it) or "forbidden" (a Deny applies).

        principal: ARN of a role or session. context: condition keys as AWS sends them, a list for
        those with several values. policies, each a {name: document} but the first: resource_policy,
        identity, boundary, scps, endpoints.
        """
        parts = resource.split(":")
        account = parts[4] if len(parts) > 4 and parts[4] else principal.split(":")[4]
        request = {
            "principal": principal,
            "action": action,
            "resource": resource,
            "account": account,
            "context": context,
        }
        if "resource_policy" in policies:
            request["resourcePolicy"] = policies.pop("resource_policy")
        if "scps" in policies:
            # Organizations attaches it beside every other policy unless somebody takes it away.
            policies["scps"] = {"FullAWSAccess": FULL_ACCESS, **policies["scps"]}
        request.update(policies)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, f"{action} on {resource}: {answer['error']}"
        return {
            "Allowed": "allowed",
            "ImplicitlyDenied": "denied",
            "ExplicitlyDenied": "forbidden",
        }[answer["result"]]
