"""What stands between the broker and AWS: every call is decided by IAM before it is made.

The policies are those that CloudFormation made: they are read from the account's own roles. The calls
go on to moto (DynamoDB, STS) and to the simulated SageMaker. What is decided is remembered.
"""

import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import ClientError
from iam import Iam

ORGANIZATION = "o-exampleorg1"


def tags_of(pairs):
    return {
        **{f"aws:RequestTag/{key}": value for key, value in pairs.items()},
        "aws:TagKeys": list(pairs),
    }


class Gate:
    """The endpoint of all of AWS for one broker that runs as `role_arn`."""

    def __init__(self, cloud, sagemaker_url, administrator_of, role_arn):
        self.cloud, self.sagemaker_url, self.role_arn = cloud, sagemaker_url, role_arn
        self.administrator_of = administrator_of
        self.hub_key = cloud.hub_credentials["AWS_ACCESS_KEY_ID"]
        self.sessions, self.decided, self.iam, self.lock = {}, [], Iam(), threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.iam.close()

    def refused(self):
        """What IAM refused, but for the URL of a profile that does not exist yet: the broker asks for it
        beside Describe, and conditions on tags cannot hold for what is not there."""
        return [
            (action, resource)
            for action, resource, decision in self.decided
            if decision not in ("allowed", "not there yet")
        ]

    def actions(self):
        return {action for action, _, _ in self.decided}

    # --- decisions

    def _allows(self, principal, action, resource, context, missing=False, **policies):
        with self.lock:
            decision = self.iam.decide(principal, action, resource, context, **policies)
            noted = "not there yet" if missing and decision == "denied" else decision
            self.decided.append((action, resource, noted))
        return decision == "allowed"

    def _dynamodb(self, operation, request):
        tables = request.get("RequestItems") or [request["TableName"]]
        return all(
            self._allows(
                self.role_arn, f"dynamodb:{operation}", self.cloud.table_arn(table),
                {"aws:PrincipalArn": self.role_arn},
                identity=self.cloud.hub_policies, resource_policy=self.cloud.table_policy(table),
            )
            for table in tables
        )  # fmt: skip

    def _assume_role(self, form):
        pairs = {}
        for key, value in form.items():
            if match := re.fullmatch(r"Tags\.member\.(\d+)\.Key", key):
                pairs[value] = form[f"Tags.member.{match[1]}.Value"]
        target = self.cloud.role(form["RoleArn"])
        tagging = {
            "aws:PrincipalArn": self.role_arn,
            "aws:PrincipalOrgID": ORGANIZATION,
            "aws:ResourceOrgID": ORGANIZATION,
            **tags_of(pairs),
        }
        assuming = {**tagging, "sts:RoleSessionName": form["RoleSessionName"]}
        if "ExternalId" in form:
            assuming["sts:ExternalId"] = form["ExternalId"]
        policies = {"identity": self.cloud.hub_policies, "resource_policy": target and target.trust}
        allowed = target is not None and all(
            self._allows(self.role_arn, f"sts:{action}", form["RoleArn"], context, **policies)
            for action, context in (("AssumeRole", assuming), ("TagSession", tagging))
        )
        return allowed, (target, pairs, form["RoleSessionName"])

    def _sagemaker(self, operation, request, session, region):
        target, tags, name = session
        account = target.arn.split(":")[4]
        principal = f"arn:aws:sts::{account}:assumed-role/{target.name}/{name}"
        own = {
            "aws:PrincipalArn": target.arn,
            "aws:PrincipalAccount": account,
            "aws:PrincipalOrgID": ORGANIZATION,
            **{f"aws:PrincipalTag/{key}": value for key, value in tags.items()},
        }

        def allows(action, resource, missing=False, **context):
            context = {**own, **context}
            return self._allows(principal, action, resource, context, missing, identity=target.policies)

        place = f"arn:aws:sagemaker:{region}:{account}"
        domain = request.get("DomainId")
        if operation == "DescribeDomain":
            return allows("sagemaker:DescribeDomain", f"{place}:domain/{domain}")
        if operation == "DescribeSpace":
            return allows("sagemaker:DescribeSpace", f"{place}:space/{domain}/{request['SpaceName']}")
        profile = request.get("ResourceArn") or f"{place}:user-profile/{domain}/{request['UserProfileName']}"
        new_tags = tags_of({tag["Key"]: tag["Value"] for tag in request.get("Tags", [])})
        role = request.get("UserSettings", {}).get("ExecutionRole")
        passes = role is None or operation not in ("CreateUserProfile", "UpdateUserProfile") or allows(
            "iam:PassRole", role, **{"iam:PassedToService": "sagemaker.amazonaws.com"}
        )  # fmt: skip
        if operation == "CreateUserProfile":
            creation = {"sagemaker:TaggingAction": "CreateUserProfile"}
            return (
                passes
                and allows("sagemaker:CreateUserProfile", profile, **new_tags)
                and allows("sagemaker:AddTags", profile, **new_tags, **creation)
            )
        there = self._tags_on(profile, account, region)
        missing = there is None and operation == "CreatePresignedDomainUrl"
        given = new_tags if operation == "AddTags" else {}
        return passes and allows(f"sagemaker:{operation}", profile, missing, **(there or {}), **given)

    def _tags_on(self, profile, account, region):
        try:
            tags = self.administrator_of(account, region).list_tags(ResourceArn=profile)["Tags"]
        except ClientError:
            return None
        return {f"sagemaker:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags}

    # --- the wire

    def _handler(gate):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", self.headers["authorization"])
                key, region = scope.groups()
                service, _, operation = self.headers.get("x-amz-target", "").partition(".")
                if service.startswith("DynamoDB"):
                    if key != gate.hub_key or not gate._dynamodb(operation, json.loads(body)):
                        return self._deny()
                    return self._reply(*self._ask(gate.cloud.url, body))
                if service == "SageMaker":
                    session = gate.sessions.get(key)
                    if not session or not gate._sagemaker(operation, json.loads(body), session, region):
                        return self._deny()
                    return self._reply(*self._ask(gate.sagemaker_url, body, session[0].arn.split(":")[4]))
                form = dict(parse_qsl(body.decode()))
                assert form["Action"] == "AssumeRole", form["Action"]
                allowed, session = gate._assume_role(form)
                if not allowed or key != gate.hub_key:
                    return self._deny_xml()
                status, text, kind = self._ask(gate.cloud.url, body)
                # Before the answer leaves, so that the broker's next call finds the session.
                gate.sessions[re.search(rb"<AccessKeyId>([^<]+)<", text)[1].decode()] = session
                return self._reply(status, text, kind)

            def _ask(self, url, body, account=None):
                """What stands behind says. The simulated SageMaker takes twelve digits for an
                administrator of that account: what a session may do has been decided here."""
                headers = {name.lower(): value for name, value in self.headers.items()}
                del headers["host"]
                if account:
                    del headers["x-amz-security-token"]
                    headers["authorization"] = re.sub(
                        r"Credential=[^/]+/", f"Credential={account}/", headers["authorization"]
                    )
                connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
                connection.request("POST", "/", body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read(), answer.getheader("content-type")

            def _deny(self):
                body = {"__type": "AccessDeniedException", "message": "decided by the gate"}
                self._reply(400, json.dumps(body).encode(), "application/x-amz-json-1.1")

            def _deny_xml(self):
                self._reply(
                    403,
                    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                    b"<Message>decided by the gate</Message></Error></ErrorResponse>",
                    "text/xml",
                )

            def _reply(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind or "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        return Handler
