"""Evaluates the cases of interpolation.cases.json with the real CDK.

    python interpolation.py CASES OUT

writes what each case gives there. Cases are our own writing; the CDK is only run. Time stands
still, and random identifiers are the one the tests of the crate draw.
"""

import datetime
import importlib.metadata
import json
import os
import sys
import time
import uuid

os.environ["TZ"] = "UTC"
time.tzset()

NOW = datetime.datetime(2024, 2, 29, 13, 7, 9, 123456, tzinfo=datetime.timezone.utc)


class FrozenModule:
    """The module with its clock standing still; its types are those of the real one."""

    def __init__(self):
        for name in dir(datetime):
            setattr(self, name, getattr(datetime, name))
        self.datetime = FrozenType


class Meta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, datetime.datetime)

    def __getattr__(cls, name):
        return getattr(datetime.datetime, name)


class FrozenType(metaclass=Meta):
    @staticmethod
    def now(tz=None):
        return NOW.astimezone(tz) if tz else NOW.replace(tzinfo=None)


from airbyte_cdk.sources.declarative.datetime.datetime_parser import DatetimeParser
from airbyte_cdk.sources.declarative.interpolation import macros
from airbyte_cdk.sources.declarative.interpolation.interpolated_boolean import InterpolatedBoolean
from airbyte_cdk.sources.declarative.interpolation.interpolated_mapping import InterpolatedMapping
from airbyte_cdk.sources.declarative.interpolation.interpolated_nested_mapping import (
    InterpolatedNestedMapping,
)
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation
from airbyte_cdk.sources.types import StreamSlice
from isodate import parse_duration
from requests.structures import CaseInsensitiveDict

macros.datetime = FrozenModule()
macros.uuid = type("Frozen", (), {"uuid4": staticmethod(lambda: uuid.UUID(int=0, version=4))})

TYPES = {
    "str": str, "int": int, "float": float, "bool": bool,
    "list": list, "dict": dict, "tuple": tuple,
}


def context(case):
    given = dict(case.get("context", {}))
    config = given.pop("config", {})
    parameters = given.pop("parameters", {})
    if "stream_slice" in given and given["stream_slice"] is not None:
        slice_ = given["stream_slice"]
        if "partition" in slice_ or "cursor" in slice_:
            extra = slice_.get("extra", {})
            given["stream_slice"] = StreamSlice(
                partition=slice_.get("partition", {}),
                cursor_slice=slice_.get("cursor", {}),
                extra_fields=extra,
            )
            given.update(extra)
    if "headers" in given and case.get("kind") == "condition":
        given["headers"] = CaseInsensitiveDict(given["headers"])
    if given.pop("json_loads", False):
        given["json_loads"] = json.loads
    return config, parameters, given


def types(names):
    return tuple(TYPES[name] for name in names) if names else None


def evaluate(case):
    """The value of a case; exceptions go through."""
    kind = case.get("kind", "string")
    config, parameters, given = context(case)
    if kind == "string":
        valid = types(case.get("types"))
        more = {"valid_types": valid} if valid else {}
        text = InterpolatedString(
            case["template"], parameters=parameters, default=case.get("default")
        )
        return text.eval(config, **given, **more)
    if kind == "plain":
        return JinjaInterpolation().eval(
            case["template"], config, valid_types=types(case.get("types")),
            parameters=parameters, **given,
        )
    if kind == "text":
        return str(InterpolatedString(case["template"], parameters=parameters).eval(config, **given))
    if kind == "condition":
        return InterpolatedBoolean(case["template"], parameters=parameters).eval(config, **given)
    if kind == "mapping":
        mapping = InterpolatedMapping(case["template"], parameters=parameters)
        more = {}
        if "keys" in case:
            more["valid_key_types"] = types(case["keys"])
        if "values" in case:
            more["valid_value_types"] = types(case["values"])
        return mapping.eval(config, **given, **more)
    if kind == "nested":
        return InterpolatedNestedMapping(case["template"], parameters=parameters).eval(
            config, **given
        )
    if kind == "parse":
        moment = DatetimeParser().parse(case["value"], case["format"])
        return moment.isoformat()
    if kind == "print":
        moment = datetime.datetime.fromisoformat(case["value"])
        return DatetimeParser().format(moment, case["format"])
    if kind == "move":
        moment = datetime.datetime.fromisoformat(case["value"])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
        span = parse_duration(case["span"])
        return [(moment + span).isoformat(), (moment - span).isoformat()]
    raise SystemExit(f"unknown kind {kind}")


def as_json(value):
    """A form JSON can hold, or a text of the value where it has none."""
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError("no form in JSON")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError("beyond 64 bits")
    return value


def main():
    cases_path, out_path = sys.argv[1:3]
    with open(cases_path) as file:
        read = json.load(file)
    cases = read["cases"]
    for case in cases:
        case["context"] = {**read["context"], **case.get("context", {})}
    expected = []
    for case in cases:
        try:
            value = evaluate(case)
        except Exception as error:  # Whatever the CDK raises is what is expected.
            expected.append({"error": type(error).__name__})
            continue
        try:
            value = as_json(value)
            json.dumps(value, allow_nan=False)
            expected.append({"value": value})
        except (TypeError, ValueError):
            expected.append({"unfit": type(value).__name__})
    with open(out_path, "w") as file:
        version = importlib.metadata.version("airbyte-cdk")
        file.write('{"cdk": %s, "expected": [\n' % json.dumps(version))
        file.write(",\n".join(json.dumps(one) for one in expected))
        file.write("\n]}\n")


if __name__ == "__main__":
    main()
