"""What the guides name exists: files, parameters, outputs, commands, and items as the schemas have them."""

import json
import re

import jsonschema
import pytest
import yaml
from templates import HUB, INFRA, ORGANIZATION, ROOT, all_templates, render

GUIDES = sorted(INFRA.rglob("*.md"))
PARAMETERS = {name for path in all_templates() for name in render.load(path)["Parameters"]}
OUTPUTS = {name for path in all_templates() for name in render.load(path).get("Outputs", {})}
#: The command line, as its contract has it.
COMMANDS = {
    "local": set(), "serve": set(), "doctor": set(), "completions": set(), "saml": {"verify"},
    "teams": {"list", "show", "export", "plan", "apply", "remove", "spoke", "pause", "resume", "history"},
    "idps": {"list", "show", "export", "plan", "apply", "add", "remove", "enable", "disable", "teams"},
    "profiles": {"list", "offboard", "drift", "revoke"}, "identity-center": {"plan", "apply"},
    "access": {"grant", "end", "explain", "report"}, "explain": {"reference", "code"},
}  # fmt: skip

#: What stands before an equals sign and is no parameter of a template: members of calls of AWS.
OF_AWS = {
    "AccountFilterType", "Accounts", "Action", "AdditionalVersionWeights", "AttributeKey", "AttributeValue", "CostCenter", "Enabled",
    "Filters", "Key", "MaxReadRequestUnits", "MaxWriteRequestUnits", "Name", "Operator", "OrganizationalUnitIds", "ParameterKey", "PointInTimeRecoveryEnabled", "StackName",
    "ProviderName", "StreamEnabled", "SigningProfileVersionArns", "StreamViewType", "Tags", "UntrustedArtifactOnDeployment", "Value", "Values",
}  # fmt: skip

guides = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(INFRA)))


@guides
def test_links_lead_somewhere(guide):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", guide.read_text()):
        if not target.startswith("https://"):
            assert (guide.parent / target).exists(), target


@guides
def test_links_inside_lead_to_headings(guide):
    text = guide.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@guides
def test_parameters_exist(guide):
    text = guide.read_text()
    for name in re.findall(r"(?<![A-Za-z-])([A-Z][A-Za-z0-9]+)=", text):
        known = PARAMETERS | OF_AWS
        assert name in known or name.isupper(), name


@guides
def test_outputs_exist(guide):
    text = guide.read_text()
    named = set(re.findall(r"outputs? `(\w+)`", text)) | set(re.findall(r"`((?:Acs|Metadata)Url|Audience)`", text))
    assert named <= OUTPUTS


@guides
def test_commands_exist(guide):
    found = re.findall(r"studio-broker (?!-)([a-z-]+)(?: (?!-)([a-z-]+))?", guide.read_text())
    for command, subcommand in found:
        if command in COMMANDS:
            assert not COMMANDS[command] or subcommand in COMMANDS[command], (command, subcommand)
    assert {command for command, _ in found} & set(COMMANDS) or guide.parent.name in ("organization", "cost")


@guides
def test_examples_are_items_that_the_tables_take(guide):
    schemas = {
        kind: json.loads((ROOT / "schemas" / f"{kind}.json").read_text()) for kind in ("team", "idp")
    }
    for block in re.findall(r"```yaml\n(.*?)```", guide.read_text(), re.S):
        document = yaml.safe_load(block)
        assert set(document) <= {"teams", "idps"}
        for team in document.get("teams", []):
            jsonschema.validate(team, schemas["team"])
        for idp in document.get("idps", []):
            item = {name: value for name, value in idp.items() if name != "metadata_file"}
            jsonschema.validate({**item, "metadata_xml": "<EntityDescriptor/>"}, schemas["idp"])


def test_the_guide_has_a_word_for_every_output_that_an_identity_provider_needs():
    text = (INFRA / "README.md").read_text()
    assert all(f"`{name}`" in text for name in ("AcsUrl", "Audience", "MetadataUrl"))


def test_the_runbooks_queries_name_fields_of_the_audit_line():
    code = (ROOT / "src" / "broker" / "audit.rs").read_text()

    def fields(struct):
        (body,) = re.findall(rf"struct {struct}\b.*? \{{\n(.*?)\n\}}", code, re.S)
        return set(re.findall(r"^    (?:pub )?(\w+):", body, re.M))

    known = fields("DecisionLine") | fields("Facts") | {f"unverified.{name}" for name in fields("Unverified")}
    words = {"filter", "fields", "coalesce", "display", "stats", "count", "count_distinct", "sort", "by", "as", "and", "in", "desc"}
    queries = [q for q in re.findall(r"```text\n(.*?)```", (INFRA / "runbooks.md").read_text(), re.S) if "filter" in q]
    assert len(queries) == 2
    for query in queries:
        bare = re.sub(r'"[^"]*"', "", query)
        given = set(re.findall(r"\bas (\w+)", bare))
        assert set(re.findall(r"(?<![@\w.])[a-z][\w.]*", bare)) - words - given <= known
    # A response that is refused has neither: what it says is not verified.
    (_, one_page) = queries
    assert "coalesce(detail, unverified.detail)" in one_page and "coalesce(idp, unverified.issuer)" in one_page


def test_a_spoke_as_the_guides_deploy_it_has_the_roles_that_the_command_line_takes():
    for guide in (INFRA / "README.md", INFRA / "organization" / "README.md"):
        blocks = re.findall(r"```sh\n(.*?)```", guide.read_text(), re.S)
        given = next(
            dict(re.findall(r"\b([A-Z][A-Za-z]+)=([^\s']+)", block)) for block in blocks if "AdministratorRoleArns=" in block
        )
        parameters = {name: given[name] for name in
                      ("HubRoleArn", "OrganizationId", "AdministratorAccountId", "AdministratorRoleArns")}  # fmt: skip
        roles = render.render(INFRA / "spoke" / "template.yaml", parameters).of_type("AWS::IAM::Role")
        assert {"DoctorRole", "LifecycleRole"} <= set(roles)


def test_the_key_policy_is_json():
    (block,) = re.findall(r"```json\n(.*?)```", (INFRA / "README.md").read_text(), re.S)
    assert [statement["Effect"] for statement in json.loads(block)] == ["Allow", "Allow"]


def test_the_key_policy_admits_every_service_through_which_the_hub_role_uses_the_key():
    (block,) = re.findall(r"```json\n(.*?)```", (INFRA / "README.md").read_text(), re.S)
    (of_services,) = (s for s in json.loads(block) if "kms:ViaService" in s["Condition"].get("StringEquals", {}))
    hub = render.load(HUB)["Resources"]["HubRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (of_hub,) = (s["Fn::If"][1] for s in hub if s.get("Fn::If", [""])[0] == "HasKey")
    # Those of another Region are for the key there.
    used = [name["Fn::Sub"] for name in of_hub["Condition"]["StringLike"]["kms:ViaService"] if "Fn::Sub" in name]
    assert of_services["Condition"]["StringEquals"]["kms:ViaService"] == [
        name.replace("${AWS::Region}", "eu-west-1").rstrip("*") for name in used
    ]
    assert set(of_hub["Action"]) <= set(of_services["Action"])


def test_the_organizations_guide_explains_every_statement():
    text = (INFRA / "organization" / "README.md").read_text()
    policies = [r for r in render.load(ORGANIZATION)["Resources"].values() if r["Type"] == "AWS::Organizations::Policy"]
    assert len(policies) == 3
    all_of_them = [s for policy in policies for s in policy["Properties"]["Content"]["Statement"]]
    statements = [s["Fn::If"][1] if "Fn::If" in s else s for s in all_of_them]
    assert all(f"`{statement['Sid']}`" in text for statement in statements)
