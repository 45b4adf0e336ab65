"""The cost page is what its script computes from the templates and the price list."""

import importlib.util
import json
import subprocess
import sys

import pytest
from templates import INFRA, ROOT, render, stack

COST = INFRA / "cost"
spec = importlib.util.spec_from_file_location("cost", COST / "cost.py")
cost = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cost)
PRICES = json.loads((COST / "prices.json").read_text())


def price(name):
    return PRICES[name]["price"]


def run(*arguments):
    return subprocess.run(
        [sys.executable, COST / "cost.py", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_page_holds_what_the_script_prints():
    printed = run()
    assert printed.returncode == 0, printed.stderr
    (shown,) = [(COST / "README.md").read_text().split("<!-- tables -->\n")[1].split("<!-- end of tables -->")[0]]
    assert shown == printed.stdout, "python3 infra/cost/cost.py --write"
    assert "10 people | 100 people | 1,000 people" in shown


def test_what_stands_there_is_counted_in_the_templates():
    lines = dict(cost.fixed(cost.resources(cost.HUB, {}), price))
    made = stack(cost.HUB)
    alarms = made.of_type("AWS::CloudWatch::Alarm").values()
    counted = sum(len([m for m in a["Metrics"] if "MetricStat" in m]) if "Metrics" in a else 1 for a in alarms)
    assert lines["alarms"] == pytest.approx(counted * price("cloudwatch_alarm_metric_month"))
    private = dict(cost.fixed(cost.resources(cost.HUB, {"EndpointType": "PRIVATE", "Network": "new", "WebAcl": "no"}), price))
    endpoints = stack(cost.HUB, {"EndpointType": "PRIVATE", "Network": "new", "WebAcl": "no"}).of_type("AWS::EC2::VPCEndpoint")
    interfaces = sum(e["VpcEndpointType"] == "Interface" for e in endpoints.values())
    assert private["endpoints"] == pytest.approx(interfaces * 2 * 730 * price("vpc_interface_endpoint_hour"))
    assert lines["endpoints"] == 0


def test_twice_the_people_cost_twice_what_people_use_and_no_more_of_what_stands_there():
    made, variant = cost.resources(cost.HUB, {}), cost.VARIANTS["a hub as it comes"]
    one, two = (dict(cost.used(people, made, variant, price)) for people in (100, 200))
    for words in ("API Gateway", "Lambda", "DynamoDB", "logs"):
        assert two[words] == pytest.approx(2 * one[words])
    assert two["metrics of the log"] == one["metrics of the log"]


def test_the_metrics_that_are_paid_are_those_that_are_written():
    written = (ROOT / "src/broker/metrics.rs").read_text().split("#[cfg(test)]")[0]
    assert all(f'"{name}"' in written for name in cost.METRICS)
    import re

    assert set(re.findall(r'(?:counted\(|name: )"([A-Z]\w+)"', written)) == set(cost.METRICS)


def test_another_price_list_is_another_page(tmp_path):
    dearer = {n: {**p, "price": p["price"] * 2} if isinstance(p, dict) else p for n, p in PRICES.items()}
    (tmp_path / "dearer.json").write_text(json.dumps(dearer))
    assert run("--prices", tmp_path / "dearer.json").stdout != run().stdout
    dearer["lambda_million_requests"] = {"price": "cheap"}
    (tmp_path / "wrong.json").write_text(json.dumps(dearer))
    wrong = run("--prices", tmp_path / "wrong.json")
    assert wrong.returncode == 1 and "lambda_million_requests" in wrong.stderr


def test_every_price_says_where_to_look_it_up():
    for name, one in PRICES.items():
        if isinstance(one, dict):
            assert one["page"].startswith("https://aws.amazon.com/"), name
    assert render.load(cost.OPERATIONS)


def options():
    """{option: what it costs} of the table beside the computed ones."""
    text = (COST / "README.md").read_text().split("<!-- end of tables -->")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {option: (dollars, words) for option, dollars, words in rows if set(option) != {"-"} and option != "option"}


def test_options_without_a_line_in_the_tables_have_a_price_or_say_that_it_is_not_known():
    told = options()
    for asked in ("`Release`", "`CodeSigningConfigArn`", "`ArchiveDestinationArn`", "`FipsEndpoints`", "EKS"):
        (dollars, words) = next(row for option, row in told.items() if asked in option)
        assert dollars and words and ("known" in dollars or "nothing" in dollars or any(c.isdigit() for c in dollars)), asked


def test_the_figures_of_the_options_follow_from_the_price_list():
    told = options()

    def figure(word):
        return next(row for option, row in told.items() if word in option)

    assert figure("EKS")[0].startswith(f"{cost.HOURS * price('eks_cluster_hour'):.2f} ")
    assert float(figure("ManagedRules")[0]) == 2 * price("waf_rule_month")
    habits = cost.HABITS
    lines = 1000 * habits["working_days"] * (habits["sign_ins_a_day"] + habits["openings_a_day"])
    assert f"{lines * habits['log_kilobytes_of_a_decision'] / 1e6:.2f} GB" in figure("ArchiveDestinationArn")[1]
