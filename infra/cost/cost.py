#!/usr/bin/env python3
"""What a month costs, for 10, 100 and 1,000 people: from the templates and a price list.

    python3 infra/cost/cost.py                          # the tables of README.md
    python3 infra/cost/cost.py --prices mine.json --people 250
    python3 infra/cost/cost.py --write                  # puts them into README.md

What stands there whether somebody comes or not (alarms, metrics, endpoints, load balancers) is counted in the
templates, rendered with the parameters of each variant. What people use follows from HABITS. SageMaker, its
domains and people's machines are not in it. Needs PyYAML.
"""

import argparse
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "policies"))

import render  # noqa: E402 (the renderer of the tests)
import yaml  # noqa: E402

HOURS = 730
ZONES = 2
#: What one person does, and what that takes. The sizes are those of the tests' responses and log lines.
HABITS = {
    "working_days": 21,
    "sign_ins_a_day": 1.5,
    "openings_a_day": 3,
    "requests_of_a_sign_in": 3,
    "lambda_milliseconds": 150,
    "write_units_of_a_sign_in": 3,
    "read_units_of_an_opening": 3,
    "log_kilobytes_of_a_decision": 2.0,
    "log_kilobytes_of_a_request": 0.6,
    "kept_log_months": 12,
    "codes_that_occur": 8,
    "accounts_that_throttle": 1,
}
#: Metrics that the program's log brings for a hub (src/broker/metrics.rs), but for those by code and account.
METRICS = ["SignIns", "Openings", "OpeningMilliseconds", "WaitedSeconds", "Waits", "Refusals", "Failures",
           "ProfilesCreated", "Throttles", "ColdStarts"]  # fmt: skip

HUB = ROOT / "infra" / "hub" / "template.yaml"
OPERATIONS = ROOT / "infra" / "operations" / "template.yaml"
TABLES = ROOT / "infra" / "regions" / "tables.yaml"
FRONT = ROOT / "infra" / "regions" / "front.yaml"
ALARM = ROOT / "infra" / "regions" / "alarm.yaml"
ECS = ROOT / "infra" / "containers" / "ecs.yaml"
EKS = ROOT / "infra" / "containers" / "eks.yaml"
MANIFEST = ROOT / "infra" / "containers" / "kubernetes" / "broker.yaml"
CERTIFICATE = "arn:aws:acm:eu-central-1:111111111111:certificate/0f7a2c34-1111-4222-8333-444455556666"
FRONT_PARAMETERS = {
    "DomainName": "studio.example.com", "HostedZoneId": "Z0123456789ABCDEFGHIJ", "Place": "PRIMARY",
    "DomainTarget": "d-abc.execute-api.eu-central-1.amazonaws.com", "RestApiId": "a1b2c3d4e5",
    "HealthName": "eu-central-1.studio.example.com", "HealthCertificateArn": CERTIFICATE,
}  # fmt: skip
ALARM_PARAMETERS = {
    "AlarmTopicArn": "arn:aws:sns:us-east-1:111111111111:operators",
    "PrimaryHealthCheckId": "0f7a2c34-1111-4222-8333-444455556666",
    "SecondaryHealthCheckId": "0f7a2c34-1111-4222-8333-444455557777",
}  # fmt: skip
ECS_PARAMETERS = {
    "DomainName": "studio.example.com", "CertificateArn": CERTIFICATE, "VpcId": "vpc-0123456789abcdef0",
    "LoadBalancerSubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "ImageUri": "111111111111.dkr.ecr.eu-central-1.amazonaws.com/studio-broker@sha256:" + "0" * 64,
}  # fmt: skip
#: What can be had: stacks with their parameters, and whether requests pay API Gateway and Lambda.
VARIANTS = {
    "a hub as it comes": {"stacks": [(HUB, {})]},
    "… on the Internet's other side (`EndpointType=PRIVATE`, `Network=new`)": {
        "stacks": [(HUB, {"EndpointType": "PRIVATE", "Network": "new", "WebAcl": "no"})],
    },
    "… with one execution always warm (`ProvisionedConcurrency=1`)": {
        "stacks": [(HUB, {"ProvisionedConcurrency": 1})],
    },
    "… with `infra/operations`, its doctor and the alarm on a certificate": {
        "stacks": [(HUB, {}), (OPERATIONS, {
            "HubStackName": "hub", "DoctorBucket": "bucket", "PublicUrl": "https://studio.example.com",
            "CertificateArn": CERTIFICATE,
        })],
    },  # fmt: skip
    "… in two Regions, with a witness in a third": {
        "stacks": [
            (HUB, {"Tables": "shared"}), (HUB, {"Tables": "shared"}),
            (TABLES, {"SecondRegion": "eu-west-1", "ThirdRegion": "eu-west-3"}),
            (FRONT, FRONT_PARAMETERS), (FRONT, FRONT_PARAMETERS), (ALARM, ALARM_PARAMETERS),
        ],
        "replicas": 2,
    },  # fmt: skip
    "`serve` on ECS, two tasks behind a load balancer": {
        "stacks": [(TABLES, {}), (ECS, ECS_PARAMETERS)], "serverless": False,
    },  # fmt: skip
    "`serve` on EKS, with a cluster of its own; its machines are not counted": {
        "stacks": [(TABLES, {}), (EKS, {"ClusterName": "cluster"})], "serverless": False, "manifest": True,
    },  # fmt: skip
}


class Rendering(render._Rendering):
    """A stack whose resources' names and ARNs nobody needs to know."""

    def _ref(self, name):
        if name in self.template["Resources"]:
            return f"stack-{name}"
        # Resources that the SAM transform adds, such as a function's alias.
        known = name in self.parameters or name in self.pseudo
        return super()._ref(name) if known else f"stack-{name}"

    def _attribute(self, name, attribute):
        # What functions take apart must be of its form.
        known = {"CidrBlock": "10.97.0.0/24", "DnsEntries": ["zone:name"]}
        return known.get(attribute, f"stack-{name}-{attribute}")


def resources(path, parameters):
    """(type, properties) of everything that the stack makes."""
    template = {k: v for k, v in render.load(path).items() if k != "Outputs"}
    names = {name: value for name, value in parameters.items() if name in template["Parameters"]}
    made = Rendering(template, names, "eu-central-1", "111111111111").stack()
    return [(r["Type"], r.get("Properties", {})) for r in made.resources.values()]


def fixed(made, price):
    """What stands there for a month, as (words, dollars)."""
    def number(kind):
        return sum(1 for one, _ in made if one == kind)

    def of(kind):
        return [properties for one, properties in made if one == kind]

    alarm_metrics = sum(
        sum("MetricStat" in metric for metric in alarm["Metrics"]) if "Metrics" in alarm else 1
        for alarm in of("AWS::CloudWatch::Alarm")
    )
    endpoints = sum(e.get("VpcEndpointType") == "Interface" for e in of("AWS::EC2::VPCEndpoint"))
    rules = sum(len(acl["Rules"]) for acl in of("AWS::WAFv2::WebACL"))
    yield "metrics of filters", number("AWS::Logs::MetricFilter") * price("cloudwatch_metric_month")
    yield "alarms", alarm_metrics * price("cloudwatch_alarm_metric_month")
    yield "dashboards", number("AWS::CloudWatch::Dashboard") * price("cloudwatch_dashboard_month")
    yield "endpoints", endpoints * ZONES * HOURS * price("vpc_interface_endpoint_hour")
    yield "web ACL", number("AWS::WAFv2::WebACL") * price("waf_web_acl_month") + rules * price("waf_rule_month")
    yield "keys", number("AWS::KMS::Key") * price("kms_key_month")
    yield "health checks", number("AWS::Route53::HealthCheck") * price("route53_health_check_month")
    balancers = number("AWS::ElasticLoadBalancingV2::LoadBalancer")
    yield "load balancers", balancers * HOURS * price("load_balancer_hour")
    provisioned = sum(
        int(function["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]) * int(function["MemorySize"])
        for function in of("AWS::Serverless::Function")
        if "ProvisionedConcurrencyConfig" in function
    )
    yield "provisioned concurrency", (
        provisioned / 1024 * HOURS * 3600 * price("lambda_provisioned_gigabyte_second")
    )
    tasks = sum(int(service["DesiredCount"]) for service in of("AWS::ECS::Service"))
    for task in of("AWS::ECS::TaskDefinition"):
        yield "tasks", tasks * HOURS * (
            int(task["Cpu"]) / 1024 * price("fargate_vcpu_hour")
            + int(task["Memory"]) / 1024 * price("fargate_gigabyte_hour")
        )


def used(people, made, variant, price):
    """What so many people use in a month, as (words, dollars)."""
    habits = HABITS
    sign_ins = people * habits["working_days"] * habits["sign_ins_a_day"]
    openings = people * habits["working_days"] * habits["openings_a_day"]
    requests = sign_ins * habits["requests_of_a_sign_in"] + openings
    replicas = variant.get("replicas", 1)
    if variant.get("serverless", True):
        memory = max(int(p["MemorySize"]) for kind, p in made if kind == "AWS::Serverless::Function")
        seconds = requests * habits["lambda_milliseconds"] / 1000
        yield "API Gateway", requests / 1e6 * price("api_gateway_rest_million_requests")
        yield "Lambda", (
            requests / 1e6 * price("lambda_million_requests")
            + seconds * memory / 1024 * price("lambda_gigabyte_second")
        )
    writes = sign_ins * habits["write_units_of_a_sign_in"] * replicas
    reads = openings * habits["read_units_of_an_opening"]
    # Without TTL what a sign-in leaves stays: a year of it is what the table then holds on average.
    kept_months = 12 if replicas > 1 else 0.1
    gigabytes = sign_ins * 2e3 / 1e9 * kept_months * replicas
    yield "DynamoDB", (
        writes / 1e6 * price("dynamodb_million_write_units")
        + reads / 1e6 * price("dynamodb_million_read_units")
        + gigabytes * (price("dynamodb_gigabyte_month") + price("dynamodb_recovery_gigabyte_month"))
    )
    logged = (
        (sign_ins + openings) * habits["log_kilobytes_of_a_decision"] + requests * habits["log_kilobytes_of_a_request"]
    ) * 1e3 / 1e9
    yield "logs", (
        logged * price("logs_gigabyte_ingested")
        + logged * habits["kept_log_months"] * price("logs_gigabyte_month")
    )
    if any(kind == "AWS::WAFv2::WebACL" for kind, _ in made):
        yield "web ACL, by request", requests / 1e6 * price("waf_million_requests")
    metrics = (len(METRICS) + habits["codes_that_occur"] + habits["accounts_that_throttle"]) * replicas
    yield "metrics of the log", metrics * price("cloudwatch_metric_month")


def of_the_manifest(price):
    """What the manifest makes: a load balancer for each Ingress, in a cluster."""
    kinds = [document["kind"] for document in yaml.safe_load_all(MANIFEST.read_text())]
    yield "load balancers", kinds.count("Ingress") * HOURS * price("load_balancer_hour")
    yield "cluster", HOURS * price("eks_cluster_hour")


def month(people, variant, price):
    """{words: dollars} of one month."""
    made = [one for path, parameters in variant["stacks"] for one in resources(path, parameters)]
    beside = of_the_manifest(price) if "manifest" in variant else ()
    lines = {}
    for words, dollars in [*fixed(made, price), *used(people, made, variant, price), *beside]:
        lines[words] = lines.get(words, 0) + dollars
    return {words: dollars for words, dollars in lines.items() if dollars >= 0.005}


def amount(dollars):
    return f"{dollars:,.2f}" if dollars < 100 else f"{dollars:,.0f}"


def tables(prices, numbers):
    """The tables, as Markdown."""
    def price(name):
        return prices[name]["price"]

    out = [f"A month in {prices['currency']}, {prices['place']}:", ""]
    out.append("| | " + " | ".join(f"{n:,} people" for n in numbers) + " |")
    out.append("| --- |" + " ---: |" * len(numbers))
    months = {name: [month(n, variant, price) for n in numbers] for name, variant in VARIANTS.items()}
    for name, columns in months.items():
        out.append(f"| {name} | " + " | ".join(amount(sum(lines.values())) for lines in columns) + " |")
    out += ["", f"What that is made of, for {numbers[-1]:,} people:", "", "| | of that |", "| --- | --- |"]
    for name, columns in months.items():
        parts = sorted(columns[-1].items(), key=lambda part: -part[1])
        out.append(f"| {name} | " + ", ".join(f"{words} {amount(dollars)}" for words, dollars in parts) + " |")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description="What a month costs.")
    parser.add_argument("--prices", type=pathlib.Path, default=HERE / "prices.json", help="price list, as prices.json")
    parser.add_argument("--people", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--write", action="store_true", help="puts the tables into README.md")
    arguments = parser.parse_args()
    prices = json.loads(arguments.prices.read_text())
    wrong = [n for n, p in prices.items() if isinstance(p, dict) and not (
        isinstance(p.get("price"), int | float) and math.isfinite(p["price"]) and p["price"] >= 0)]  # fmt: skip
    if wrong:
        sys.exit(f"error: no price in {arguments.prices}: {', '.join(wrong)}")
    text = tables(prices, arguments.people)
    if not arguments.write:
        print(text, end="")
        return
    page = HERE / "README.md"
    before, _, rest = page.read_text().partition("<!-- tables -->\n")
    after = rest.partition("<!-- end of tables -->\n")[2]
    page.write_text(f"{before}<!-- tables -->\n{text}<!-- end of tables -->\n{after}")


if __name__ == "__main__":
    main()
