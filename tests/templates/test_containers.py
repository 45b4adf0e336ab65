"""`serve` elsewhere: the hub role is the same, the manifests are what Kubernetes and ECS take, and what they
say of starting, health and the end is what the program does."""

import json
import pathlib
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from browser import over_http
from programs import Program, binary, clean_environment
from templates import CERTIFICATE, HUB, IDENTITY_STORE, INFRA, KEY, ROOT, SECRET, stack
from world import World

CONTAINERS = INFRA / "containers"
ECS, EKS = CONTAINERS / "ecs.yaml", CONTAINERS / "eks.yaml"
MANIFEST = CONTAINERS / "kubernetes" / "broker.yaml"
OPTIONS = {
    "SpKeySecretArn": SECRET, "IdentityStoreArn": IDENTITY_STORE, "KmsKeyArn": KEY,
    "FurtherTargetRoleArns": "arn:aws:iam::333333333333:role/studio/Opener",
}  # fmt: skip
ECS_PARAMETERS = {
    "DomainName": "studio.example.com", "CertificateArn": CERTIFICATE, "VpcId": "vpc-0123456789abcdef0",
    "LoadBalancerSubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SubnetIds": "subnet-0123456789abcdef2,subnet-0123456789abcdef3",
    "ImageUri": "111111111111.dkr.ecr.eu-central-1.amazonaws.com/studio-broker@sha256:" + "0" * 64,
}  # fmt: skip
#: How long openings that are under way may take after the end of the drain (src/http/serve.rs).
FAREWELL = int(re.search(r"FAREWELL: Duration = Duration::from_secs\((\d+)\)", (ROOT / "src/http/serve.rs").read_text())[1])


def documents():
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def of_kind(kind):
    (one,) = [document for document in documents() if document["kind"] == kind]
    return one


# ---------------------------------------------------------------- the role


def statements(made):
    """What a hub role may, but for its own log, and without what only Lambda tells."""
    (policies,) = [d for name, d in made.permissions("HubRole").items() if name == "Broker"]
    kept = {}
    for statement in policies["Statement"]:
        if statement["Sid"] == "WriteLog":
            continue
        condition = {
            operator: keys for operator, keys in statement.get("Condition", {}).items()
            if set(keys) != {"lambda:SourceFunctionArn"}
        }  # fmt: skip
        resource = statement["Resource"]
        kept[statement["Sid"]] = {
            **statement, "Condition": condition, "Resource": sorted([resource] if isinstance(resource, str) else resource),
        }  # fmt: skip
    return kept


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "everything"])
def test_the_hub_role_may_in_a_container_what_it_may_in_lambda(options):
    of_hub = statements(stack(HUB, options))
    assert statements(stack(ECS, {**ECS_PARAMETERS, **options})) == of_hub
    assert statements(stack(EKS, {"ClusterName": "cluster", **options})) == of_hub


def test_only_tasks_and_pods_wear_it():
    (of_ecs,) = stack(ECS, ECS_PARAMETERS).trust("HubRole")["Statement"]
    assert of_ecs["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert of_ecs["Condition"]["StringEquals"] == {"aws:SourceAccount": "111111111111"}
    assert of_ecs["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:ecs:eu-central-1:111111111111:*"}
    made = stack(EKS, {"ClusterName": "cluster"})
    (of_eks,) = made.trust("HubRole")["Statement"]
    assert of_eks["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    association = made.resources["Association"]["Properties"]
    account = of_kind("ServiceAccount")["metadata"]
    assert (association["Namespace"], association["ServiceAccount"]) == (account["namespace"], account["name"])
    # Tags of EKS are transitive; the target roles admit Team and User alone.
    assert association["DisableSessionTags"] is True


# ---------------------------------------------------------------- ECS


def task():
    made = stack(ECS, ECS_PARAMETERS)
    (container,) = made.resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    return made, container


def test_a_task_writes_nothing_and_may_nothing():
    _, container = task()
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"].split(":")[0] != "0"
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert not [e for e in container["Environment"] if "BEGIN" in str(e["Value"])]


def test_a_task_is_red_before_it_refuses_and_ends_after_it_has_finished():
    made, container = task()
    drain = int(container["Command"][container["Command"].index("--drain") + 1])
    group = made.resources["TargetGroup"]["Properties"]
    red_after = int(group["HealthCheckIntervalSeconds"]) * int(group["UnhealthyThresholdCount"])
    assert red_after + int(group["HealthCheckTimeoutSeconds"]) < drain
    assert drain + FAREWELL < container["StopTimeout"]
    assert group["HealthCheckPath"] == "/healthz" and group["Matcher"] == {"HttpCode": "200"}


def test_nothing_but_the_load_balancer_reaches_a_task():
    made, container = task()
    (rule,) = made.resources["TaskSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert "LoadBalancerSecurityGroup" in rule["SourceSecurityGroupId"] and "CidrIp" not in rule
    environment = {one["Name"]: one["Value"] for one in container["Environment"]}
    # The load balancer appends the browser's address; whatever a browser wrote stands further left.
    assert environment["STUDIO_BROKER_CLIENT_ADDRESS"] == "forwarded:1"
    attributes = made.resources["LoadBalancer"]["Properties"]["LoadBalancerAttributes"]
    assert {"Key": "routing.http.xff_header_processing.mode", "Value": "append"} in attributes


def test_a_new_task_that_does_not_get_healthy_brings_the_old_ones_back():
    deployment = stack(ECS, ECS_PARAMETERS).resources["Service"]["Properties"]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100


# ---------------------------------------------------------------- Kubernetes


def test_kubernetes_takes_every_document_of_the_manifest():
    for document in documents():
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_everything_of_the_manifest_is_in_its_namespace():
    namespace = of_kind("Namespace")["metadata"]["name"]
    for document in documents():
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == namespace


def pod():
    spec = of_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def test_a_pod_writes_nothing_and_may_nothing():
    spec, container = pod()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_a_pod_is_red_before_it_refuses_and_ends_after_it_has_finished():
    spec, container = pod()
    drain = int(container["args"][container["args"].index("--drain") + 1])
    probe = container["readinessProbe"]
    assert probe["httpGet"]["path"] == "/healthz"
    assert probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] < drain
    assert drain + FAREWELL < spec["terminationGracePeriodSeconds"]
    # A pod that drains lives: only readiness looks at /healthz.
    assert "httpGet" not in container["livenessProbe"]


def test_nothing_but_the_load_balancer_reaches_a_pod():
    policy = of_kind("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= of_kind("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert [list(peer) for peer in rule["from"]] == [["ipBlock"]]
    assert of_kind("ConfigMap")["data"]["STUDIO_BROKER_CLIENT_ADDRESS"] == "forwarded:1"


# ---------------------------------------------------------------- the program


def settings_of(kind):
    if kind == "ecs":
        return {one["Name"]: str(one["Value"]) for one in task()[1]["Environment"]}
    return dict(of_kind("ConfigMap")["data"], AWS_REGION="eu-central-1", STUDIO_BROKER_PUBLIC_URL="https://studio.example.com")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


@pytest.mark.parametrize("kind", ["ecs", "kubernetes"])
def test_the_program_starts_with_what_the_manifests_give_it(world, tmp_path, kind):
    arguments = list(map(str, task()[1]["Command"] if kind == "ecs" else pod()[1]["args"]))
    arguments[arguments.index("--listen") + 1] = "127.0.0.1:0"
    arguments[arguments.index("--drain") + 1] = "0"
    environment = world.aws.environment(**settings_of(kind))
    program = Program(tmp_path, [*arguments, "--output", "json"], environment)
    port = int(program.first_line()["listen"].rpartition(":")[2])
    answer = over_http(port)("GET", "/healthz", [], None)
    assert (answer.status, answer.text) == (200, "ok")
    assert program.stop() == 0


def test_the_container_starts_the_program_as_the_manifests_do():
    text = (CONTAINERS / "Containerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.M)
    assert json.loads(command) == list(map(str, task()[1]["Command"])) == list(map(str, pod()[1]["args"]))
    _, image = text.split("\nFROM scratch\n")
    assert f"USER {task()[1]['User']}\n" in image and "RUN" not in image
    assert pathlib.Path(ROOT / "Cargo.lock").exists() and "--locked" in text


# ---------------------------------------------------------------- the image's root, run without an engine


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What the image would hold, with the debug build: that one is dynamic, so its libraries come along."""
    if not shutil.which("readelf"):
        pytest.skip("readelf is not here: the package binutils has it")
    folder = tmp_path_factory.mktemp("image") / "root"
    notices = ROOT / "README.md"
    subprocess.run([CONTAINERS / "root", folder, binary("studio-broker"), notices], check=True, capture_output=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


def in_root(root, *command):
    return subprocess.run(
        [CONTAINERS / "run", root, *command], env=clean_environment({}), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def runnable(root):
    """The root, where it can be run at all."""
    asked = ["unshare", "--user", "--map-root-user", "--mount", "unshare", "--user", "--map-user=65532", "true"]
    tried = subprocess.run(asked, capture_output=True, text=True, check=False) if shutil.which("unshare") else None
    if tried is None or tried.returncode:
        pytest.skip(f"no user namespaces here: {tried.stderr.strip() if tried else 'unshare is missing'}")
    return root


def test_the_root_holds_the_program_its_user_and_nothing_to_write(root):
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    libraries = {name for name in files if name.startswith(("lib", "usr/lib"))}
    asked = subprocess.run(["readelf", "-lW", root / "studio-broker"], capture_output=True, text=True, check=True).stdout
    assert bool(libraries) == ("INTERP" in asked)
    assert files - libraries - {"etc/ssl/certs/ca-certificates.crt"} == {
        "studio-broker", "LICENSE", "THIRD-PARTY-NOTICES", "etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf",
    }  # fmt: skip
    user = (root / "etc/passwd").read_text().split(":")
    assert f"{user[2]}:{user[3]}" == task()[1]["User"] == "65532:65532"
    assert [path for path in root.rglob("*") if path.stat().st_mode & 0o222] == []


def test_the_root_is_run_read_only_as_nobody_and_without_a_shell(world, runnable, tmp_path):
    environment = world.aws.environment(**settings_of("ecs"))
    arguments = [runnable, "/studio-broker", "serve", "--listen", "127.0.0.1:0", "--drain", "0", "--output", "json"]
    program = Program(tmp_path, list(map(str, arguments)), environment, program=CONTAINERS / "run")
    port = int(program.first_line()["listen"].rpartition(":")[2])
    answer = over_http(port)("GET", "/healthz", [], None)
    assert (answer.status, answer.text) == (200, "ok")
    # The program has taken the place of the script: one process.
    of_process = pathlib.Path(f"/proc/{program.process.pid}")
    status = dict(line.split(":\t", 1) for line in (of_process / "status").read_text().splitlines())
    assert status["Name"].startswith("studio-broker")
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1"
    assert (of_process / "uid_map").read_text().split()[0] == "65532"
    mounts = [line.split() for line in (of_process / "mountinfo").read_text().splitlines()]
    assert {mount[4] for mount in mounts} == {"/", "/etc/resolv.conf", "/etc/hosts"}
    assert [mount for mount in mounts if "ro" not in mount[5].split(",")] == []
    assert program.stop() == 0


def test_there_is_no_shell_in_the_root(runnable):
    assert in_root(runnable, "/studio-broker", "--version").returncode == 0
    assert in_root(runnable, "/bin/sh", "-c", "true").returncode == 127


def test_what_is_no_binary_makes_no_root(tmp_path):
    done = subprocess.run([CONTAINERS / "root", tmp_path / "root", tmp_path / "none"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "is not there" in done.stderr and not (tmp_path / "root").exists()
