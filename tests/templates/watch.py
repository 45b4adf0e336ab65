"""CloudWatch in small: metrics out of log lines (EMF), and what alarms make of metrics.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import json
import math
import re
from collections import defaultdict

UNITS = {"Count", "Milliseconds", "Seconds"}


class Invalid(Exception):
    """CloudWatch Logs would make no metric of this line (EMFValidationErrors)."""


def embedded(line):
    """(namespace, name, dimensions, epoch seconds, value) of everything that a line of the log brings."""
    root = json.loads(line) if isinstance(line, str) else line
    if not isinstance(root, dict) or "_aws" not in root:
        return
    head = root["_aws"]
    if not isinstance(head.get("Timestamp"), int) or head["Timestamp"] < 1_000_000_000_000:
        raise Invalid("Timestamp is milliseconds since 1970")
    for directive in head["CloudWatchMetrics"]:
        if set(directive) != {"Namespace", "Dimensions", "Metrics"}:
            raise Invalid(f"members of a directive: {sorted(directive)}")
        if not 1 <= len(directive["Namespace"]) <= 1024 or not 1 <= len(directive["Metrics"]) <= 100:
            raise Invalid("namespace or number of metrics")
        for names in directive["Dimensions"]:
            if len(names) > 30:
                raise Invalid("more than 30 dimensions")
            pairs = {name: root.get(name) for name in names}
            if not all(isinstance(value, str) and 1 <= len(value) <= 1024 for value in pairs.values()):
                raise Invalid(f"dimensions are texts of the line: {pairs}")
            for metric in directive["Metrics"]:
                value = root.get(metric["Name"])
                if metric.get("Unit", "None") not in UNITS:
                    raise Invalid(f"unit {metric.get('Unit')}")
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise Invalid(f"{metric['Name']} is no number of the line: {value!r}")
                yield directive["Namespace"], metric["Name"], pairs, head["Timestamp"] / 1000, value


class Metrics:
    """What CloudWatch has been told."""

    def __init__(self):
        self.points = defaultdict(list)

    @staticmethod
    def _key(namespace, name, dimensions):
        return namespace, name, tuple(sorted(dimensions.items()))

    def put(self, namespace, name, dimensions, at, value):
        self.points[self._key(namespace, name, dimensions)].append((at, value))

    def read(self, lines):
        """Takes in lines of a log."""
        for line in lines:
            for namespace, name, dimensions, at, value in embedded(line):
                self.put(namespace, name, dimensions, at, value)

    def names(self):
        return {(namespace, name, tuple(n for n, _ in pairs)) for namespace, name, pairs in self.points}

    def statistic(self, namespace, name, dimensions, statistic, begin, end):
        """The statistic of one period; None where there was no data."""
        values = sorted(v for at, v in self.points[self._key(namespace, name, dimensions)] if begin <= at < end)
        if not values:
            return None
        match statistic:
            case "Sum":
                return sum(values)
            case "Maximum":
                return values[-1]
            case "Minimum":
                return values[0]
            case "Average":
                return sum(values) / len(values)
            case "SampleCount":
                return len(values)
        percentile = float(statistic.removeprefix("p"))
        return values[min(len(values) - 1, math.ceil(percentile / 100 * len(values)) - 1)]


def state(alarm, metrics, now):
    """`OK` or `ALARM`, as the properties of an AWS::CloudWatch::Alarm decide it at a moment.

    The last whole periods count. Missing data is read as TreatMissingData says; what is `ignore` or
    `missing` there is not known here.
    """
    period = int(alarm.get("Period") or next(
        m["MetricStat"]["Period"] for m in alarm["Metrics"] if "MetricStat" in m
    ))  # fmt: skip
    end = now - now % period
    breaching = []
    for number in range(int(alarm["EvaluationPeriods"])):
        begin = end - period * (number + 1)
        value = _value(alarm, metrics, begin, begin + period)
        if value is None:
            assert alarm["TreatMissingData"] in ("breaching", "notBreaching")
            breaching.append(alarm["TreatMissingData"] == "breaching")
        else:
            breaching.append(_compares(value, alarm["ComparisonOperator"], float(alarm["Threshold"])))
    needed = int(alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]))
    return "ALARM" if sum(breaching) >= needed else "OK"


def _compares(value, operator, threshold):
    return {
        "GreaterThanThreshold": value > threshold,
        "GreaterThanOrEqualToThreshold": value >= threshold,
        "LessThanThreshold": value < threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
    }[operator]


def _value(alarm, metrics, begin, end):
    if "Metrics" not in alarm:
        dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions", [])}
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        return metrics.statistic(alarm["Namespace"], alarm["MetricName"], dimensions, statistic, begin, end)
    known, left = {}, []
    for one in alarm["Metrics"]:
        if "MetricStat" in one:
            metric = one["MetricStat"]["Metric"]
            dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions", [])}
            statistic = one["MetricStat"]["Stat"]
            known[one["Id"]] = metrics.statistic(
                metric["Namespace"], metric["MetricName"], dimensions, statistic, begin, end
            )
        else:
            left.append(one)
    of_metrics = list(known.values())
    while left:
        ready = [one for one in left if not (set(re.findall(r"\b[a-z]\w*\b", one["Expression"])) & {o["Id"] for o in left})]
        assert ready, "expressions that name each other"
        for one in ready:
            known[one["Id"]] = _math(one["Expression"], known, of_metrics)
            left.remove(one)
    (returned,) = (one["Id"] for one in alarm["Metrics"] if one.get("ReturnData", True))
    return known[returned]


class _Number(float):
    """As metric math divides: nothing by nothing is no number, and no error."""

    def __truediv__(self, other):
        return _Number(float(self) / float(other)) if other else _Number("nan")

    def __rtruediv__(self, other):
        return _Number(other) / self


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul"):
    setattr(
        _Number, f"__{_name}__",
        lambda self, other, name=_name: _Number(getattr(float, f"__{name}__")(self, float(other))),
    )  # fmt: skip


def _math(expression, known, of_metrics):
    """One period of metric math; what names a metric without data is missing itself, but for FILL."""
    there = [value for value in of_metrics if value is not None]
    names = {
        **{name: None if value is None else _Number(value) for name, value in known.items()},
        # Both halves are made before one is taken.
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
        "FILL": lambda value, other: _Number(other if value is None else value),
        "SUM": lambda: sum(there) if there else None,
    }
    python = re.sub(r"\bAND\b", "and", re.sub(r"\bOR\b", "or", expression)).replace("METRICS()", "")
    try:
        return eval(python, {"__builtins__": {}}, names)  # noqa: S307 (expressions of our own templates)
    except TypeError:
        return None
