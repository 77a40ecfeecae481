"""spec/PROTOCOL.md: its messages keep the schema, its tables name every key, its adapter works as written."""

import re
import shlex
import sys

import msgspec
import pytest
from jsonschema import Draft202012Validator

import clip_spec
from clip_conformance import bundle, check, protocol

TEXT = clip_spec.document("PROTOCOL.md")
SCHEMA = clip_spec.schema("protocol")
ANSWER = {"start": "Started", "profile": "Ready", "run": "Result", "stop": "Stopped"}


def section(heading):
    return re.split(r"\n#{2,3} ", TEXT.partition(f"\n### {heading}\n")[2])[0]


def keys(heading, first):
    """The keys of the table of a section whose first row begins with `first`."""
    for table in re.findall(r"(?:^\|.*\n)+", section(heading), re.MULTILINE):
        rows = [re.match(r"\| `(\w+)`( \*| \(\*\))? \|", line) for line in table.splitlines()]
        if table.startswith(f"| {first} |"):
            return {row[1]: (row[2] or "").strip() for row in rows if row}
    raise AssertionError(f"{heading} has no table {first}")


def definition(title):
    return SCHEMA["$defs"][title]


@pytest.mark.parametrize("cmd", ANSWER)
def test_messages_in_the_text_keep_their_schema(cmd):
    lines = re.findall(r"^    ([<>]) (\{.*\})$", section(cmd), re.MULTILINE)
    assert [side for side, _ in lines] == [">", "<"]
    for side, line in lines:
        title = cmd.capitalize() if side == ">" else ANSWER[cmd]
        document = msgspec.json.decode(line.encode())
        Draft202012Validator({"$ref": f"#/$defs/{title}", "$defs": SCHEMA["$defs"]}).validate(document)


@pytest.mark.parametrize(
    ("heading", "table", "title"),
    [
        ("start", "answer", "Started"),
        ("profile", "answer", "Ready"),
        ("run", "message", "Run"),
        ("run", "`input`", "Input"),
        ("run", "answer", "Result"),
    ],
)
def test_tables_name_every_key_and_no_other(heading, table, title):
    named = keys(heading, table)
    known = set(definition(title)["properties"]) - {"cmd"}
    # These two are told of in one place.
    named = dict.fromkeys(known & {"traceback"}, "") | named
    assert set(named) - {"input"} == known - {"input"}
    required = {key for key, mark in named.items() if mark == "*"}
    if table == "answer":
        assert required == set(definition(title)["required"])


def test_stages_and_limits_are_those_of_the_code():
    stages = re.findall(r"^\| `(\w+)` \|", section("profile").partition("| stage | array |")[2], re.MULTILINE)
    assert tuple(stages) == protocol.STAGES
    from clip_conformance.transports import conversation, process

    assert f"a line of more than {process.LINE_LIMIT >> 20} MiB" in TEXT
    assert f"have {conversation._START_SECONDS:g} seconds each" in TEXT
    assert f"within {conversation._STOP_SECONDS:g} seconds" in TEXT


def test_a_bundle_has_the_keys_that_the_text_names():
    named = set(
        re.findall(r"`(\w+)`", TEXT.partition("A line of `cases.jsonl` has")[2].partition("\n\nThe outputs")[0])
    )
    fields = set(bundle.BundleCase.__struct_fields__)
    assert fields <= named


@pytest.mark.parametrize("scope", ["arrays", "modes"])
def test_the_adapter_in_full_works_as_written(tmp_path, scope):
    code = re.search(r"### An adapter in full\n\n```python\n(.*?)```", TEXT, re.DOTALL)[1]
    preprocess = (
        "import numpy, clip_reference\n"
        "def preprocess(samples, width, height, n_px):\n"
        "    image = numpy.frombuffer(samples, numpy.uint8).reshape(height, width, 3)\n"
        "    return clip_reference.preprocess(image, n_px).tobytes()\n"
    )
    path = tmp_path / "adapter.py"
    path.write_text(preprocess + code)
    candidate = f"cmd:{shlex.join([sys.executable, str(path)])}"
    few = ["pin-*", "crop-right-3", "sides-640x480", "empty-width", "cmyk-values"]
    report = check(candidate, scopes=[scope], select=few, strict=True)
    levels = {case.fixture: (case.status, case.level) for case in report.cases}
    if scope == "arrays":
        assert set(levels.values()) == {("ok", "exact")}
    else:
        assert levels == {"cmyk-values": ("rejected", "divergent"), "empty-width": ("ok", "exact")}
