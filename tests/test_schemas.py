"""The JSON Schemas: valid, kept by what the suite ships and writes, and one with the structs that read it."""

import copy
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from PIL import Image

import clip_conformance
import clip_fixtures.types
import clip_spec
import clip_spec.types
from clip_conformance import bundle, known, protocol, records, summary
from clip_conformance.reports import diff, statement
from clip_conformance.reports.lines import encode

Node = dict[str, Any]

NAMES = (
    "bundle",
    "canon",
    "diff",
    "faults",
    "fixtures",
    "known",
    "levels",
    "models",
    "protocol",
    "report",
    "statement",
    "summary",
)
LINES = {kind.__name__ for kind in get_args(records.Line)}
WRITTEN = {"diff": diff.Diff, "report": records.Line, "statement": statement.Statement, "summary": summary.Summary}
READ = {
    "bundle": (bundle.Bundle, bundle.BundleCase),
    "canon": clip_spec.types.Canon,
    "faults": clip_spec.types.Faults,
    "fixtures": clip_fixtures.types.Catalogue,
    "known": known.KnownFile,
    "levels": clip_spec.types.Levels,
    "models": clip_spec.types.Models,
    "protocol": (*protocol.REPLIES, *protocol.REPLIES.values()),
}
DATA = {
    **{name: ("clip_spec", name) for name in ("canon", "faults", "levels", "models")},
    **dict.fromkeys(("arrays", "modes", "files"), ("clip_fixtures", "fixtures")),
}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(clip_spec.schema(name), format_checker=FormatChecker())


def data(name: str) -> Any:
    """A data file as the JSON value that its schema describes."""
    text = resources.files(DATA[name][0]).joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.to_builtins(msgspec.toml.decode(text))


# --- the schemas themselves


def test_every_shipped_schema_is_tested() -> None:
    folder = resources.files("clip_spec").joinpath("schemas")
    assert sorted(file.name for file in folder.iterdir()) == [f"{name}.schema.json" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid(name: str) -> None:
    schema = clip_spec.schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert re.fullmatch(rf"urn:clip-conformance:schema:{name}:\d+", str(schema["$id"]))


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_and_every_property_described(name: str) -> None:
    for title, node in definitions(name).items():
        assert node.get("description") or node.get("title"), title
        if "properties" in node:
            assert node["additionalProperties"] is False, title
            for key, value in node["properties"].items():
                assert value.get("description"), f"{title}.{key}"


def definitions(name: str) -> dict[str, Node]:
    return msgspec.convert(clip_spec.schema(name)["$defs"], dict[str, Node])


# --- schemas and structs


STRUCTS = [(name, title) for name in NAMES for title, node in definitions(name).items() if "properties" in node]


@pytest.mark.parametrize("name", NAMES)
def test_schema_defines_every_struct_and_no_other(name: str) -> None:
    assert {title for known, title in STRUCTS if known == name} == set(generated(name))


@pytest.mark.parametrize(("name", "title"), STRUCTS)
def test_properties_are_the_fields(name: str, title: str) -> None:
    ours, theirs = definitions(name)[title], generated(name)[title]
    fields = set(theirs["properties"])
    if title in LINES:  # What holds the lines together is added to each.
        fields.add("digest")
    if title == "Fixture":  # The scope is the name of the file and stands nowhere in it.
        fields.remove("scope")
    assert set(ours["properties"]) == fields
    assert len(ours["required"]) == len(set(ours["required"]))
    # The suite writes every field of a report; what it reads may leave out what has a default.
    assert set(ours["required"]) == (fields if name in WRITTEN else set(theirs["required"]))


@pytest.mark.parametrize(("name", "title"), STRUCTS)
def test_properties_have_the_fields_types(name: str, title: str) -> None:
    ours, theirs = definitions(name), generated(name)
    for key, node in ours[title]["properties"].items():
        if (key, title in LINES) == ("digest", True):
            continue
        ours_shape, theirs_shape = shape(node, ours), shape(theirs[title]["properties"][key], theirs)
        # A schema may name the strings that a struct leaves open.
        narrowed = theirs_shape == {"string"} and all(value.startswith("'") for value in ours_shape)
        assert ours_shape == theirs_shape or narrowed, key


def generated(name: str) -> dict[str, Node]:
    """What msgspec itself makes of the structs behind a schema, by the structs' names."""
    kind = {**WRITTEN, **READ}[name]
    return msgspec.json.schema_components(kind if isinstance(kind, tuple) else [kind], ref_template="#/$defs/{name}")[1]


def shape(node: Node, defs: dict[str, Node]) -> set[Any]:
    """The kinds of values that a schema allows, without bounds or patterns; quoted where one is named."""
    if "$ref" in node:
        title = node["$ref"].rpartition("/")[2]
        return {title} if "properties" in defs[title] else shape(defs[title], defs)
    if "enum" in node or "const" in node:
        return {repr(value) for value in node.get("enum", [node.get("const")])}
    if "anyOf" in node:
        return set().union(*(shape(option, defs) for option in node["anyOf"]))
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return {_composed(kind, node, defs) for kind in kinds}


def _composed(kind: str, node: Node, defs: dict[str, Node]) -> Any:
    if kind == "array":
        items = node["prefixItems"] if "prefixItems" in node else [node["items"]]
        size = node.get("maxItems") if node.get("maxItems") == node.get("minItems") else None
        return kind, size, *sorted(set().union(*(shape(item, defs) for item in items)), key=str)
    if kind == "object":
        values = node["additionalProperties"]
        listed = [values] if isinstance(values, dict) else list(node["properties"].values())
        return kind, *sorted(set().union(*(shape(value, defs) for value in listed)), key=str)
    return kind


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_the_standards_in_its_order(name: str) -> None:
    ids = {"StageId": clip_spec.StageId, "LevelId": clip_spec.LevelId, "ScopeId": clip_spec.ScopeId}
    for title, node in definitions(name).items():
        if title in ids:
            assert node["enum"] == list(get_args(ids[title])), title


def test_summary_names_its_scopes_stages_and_counts() -> None:
    properties = definitions("summary")["Summary"]["properties"]
    assert properties["scopes"]["propertyNames"] == {"$ref": "#/$defs/ScopeId"}
    assert properties["stages"]["propertyNames"] == {"$ref": "#/$defs/StageId"}
    counted = [
        *get_args(clip_spec.LevelId),
        *(status for status in get_args(records.Status) if status != "ok"),
    ]
    assert list(properties["counts"]["properties"]) == properties["counts"]["required"] == counted


def test_report_line_is_one_of_four() -> None:
    options = clip_spec.schema("report")["oneOf"]
    assert options == [{"$ref": f"#/$defs/{kind.__name__}"} for kind in get_args(records.Line)]


# --- what the suite ships


@pytest.mark.parametrize("name", DATA)
def test_data_file_is_valid(name: str) -> None:
    validator(name if name in READ else "fixtures").validate(data(name))


# --- what the suite writes


@pytest.fixture(scope="module", params=["passes", "fails"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def faulty(image: Image.Image) -> Any:
        """Wrong in every way that a report can hold: shape, type, level, an exception."""
        if image.size == (224, 224):
            array = np.asarray(image.convert("RGB"), dtype=np.float64).transpose(2, 0, 1) / 255
            return array[:, :-1] if array[0, 0, 0] < 0.3 else array
        raise ValueError("not of the model's size")

    folder = tmp_path_factory.mktemp(request.param)
    candidate = "pillow" if request.param == "passes" else faulty
    report = clip_conformance.check(candidate, select=["pin-*", "crop-right-3"])
    assert report.passed == (request.param == "passes")
    report.write(folder)
    return folder


def lines(folder: Path) -> list[Any]:
    return [msgspec.json.decode(line) for line in (folder / "report.jsonl").read_bytes().splitlines()]


def test_report_is_valid(written: Path) -> None:
    found = lines(written)
    for line in found:
        validator("report").validate(line)
    kinds = [line["type"] for line in found]
    pictures = kinds.count("picture")
    assert kinds == ["header", *["case"] * (len(found) - 2 - pictures), *["picture"] * pictures, "footer"]
    assert (pictures > 0) == ("fails" in written.name)


def test_summary_is_valid(written: Path) -> None:
    validator("summary").validate(msgspec.json.decode((written / "summary.json").read_bytes()))


def test_statement_is_valid(written: Path) -> None:
    validator("statement").validate(msgspec.json.decode((written / "statement.json").read_bytes()))


def test_findings_are_valid() -> None:
    finding = records.Finding(fault="pillow-13", stage="resize", title="t", fix="f", residual=0.0, explained=1.0)
    footer = records.Footer(cases=1, expected=1, blame=["resize"], diagnosis=[finding])
    validator("report").validate(msgspec.json.decode(encode([footer])))


# --- what is refused


def spoilt(node: Any, path: str = "") -> Iterator[tuple[str, Callable[[], None]]]:
    """Every way to break a document by one key: (what is done, a function that does it in place)."""
    if isinstance(node, dict):
        yield f"{path} has another key", lambda: node.update(another=1)
        for key, value in node.items():
            yield f"{path}.{key} is missing", lambda key=key: node.pop(key)
            yield f"{path}.{key} is of another type", lambda key=key: node.update({key: {"of": [{}]}})
            yield from spoilt(value, f"{path}.{key}")
    elif isinstance(node, list) and node:
        yield from spoilt(node[0], f"{path}[0]")


def refuses_every_breach(name: str, document: Any, allowed: re.Pattern[str]) -> None:
    check = validator(name)
    assert check.is_valid(document)
    count = len(list(spoilt(document)))
    for index in range(count):
        broken = copy.deepcopy(document)
        what, spoil = list(spoilt(broken))[index]
        spoil()
        assert check.is_valid(broken) == bool(allowed.fullmatch(what)), what


# What a candidate and its environment say about themselves is open, and which scopes and stages were run.
OPEN = re.compile(r"\.(candidate|environment|scopes|stages)\.[^.]+ is missing")


@pytest.mark.parametrize("kind", ["header", "case", "picture", "footer"])
def test_broken_lines_are_refused(kind: str, written: Path) -> None:
    found = [line for line in lines(written) if line["type"] == kind]
    if kind == "picture" and "passes" in written.name:
        assert not found
        return
    refuses_every_breach("report", found[0], OPEN)


def test_broken_summaries_are_refused(written: Path) -> None:
    document = msgspec.json.decode((written / "summary.json").read_bytes())
    document["scopes"] |= {"files": "exact"}  # One of them alone must stay.
    refuses_every_breach("summary", document, OPEN)


def test_broken_statements_are_refused(written: Path) -> None:
    document = msgspec.json.decode((written / "statement.json").read_bytes())
    document["scopes"] |= {"files": "exact"}
    refuses_every_breach("statement", document, re.compile(rf"{OPEN.pattern}|\.cases\.[^.]+ is missing"))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("header", {"schema": "clip-conformance/report/2"}),
        ("header", {"required": "perfect"}),
        ("header", {"scopes": ["arrays", "videos"]}),
        ("header", {"stages": []}),
        ("header", {"expected": 0}),
        ("header", {"n_px": [0]}),
        ("case", {"level": "perfect"}),
        ("case", {"status": "passed"}),
        ("case", {"scope": "videos"}),
        ("case", {"pins": "crop"}),
        ("case", {"id": "pin-values"}),
        ("case", {"seconds": -1.0}),
        ("footer", {"blame": ["crop"]}),
        ("footer", {"cases": "15"}),
        ("footer", {"type": "end"}),
    ],
)
def test_unknown_values_are_refused(kind: str, change: Node, written: Path) -> None:
    document = next(line for line in lines(written) if line["type"] == kind)
    assert not validator("report").is_valid(document | change)


@pytest.mark.parametrize(
    "change",
    [
        {"view": "alone"},
        {"level": "perfect"},
        {"peak": "3"},
        {"peak": -1.0},
        {"share": 1.5},
        {"ulp": 0.5},
        {"stage": "crop"},
    ],
)
def test_unknown_values_in_a_check_are_refused(change: Node, written: Path) -> None:
    case = next(line for line in lines(written) if line["type"] == "case" and line["checks"])
    case["checks"][0] |= change
    assert not validator("report").is_valid(case)


OPTIONAL = {
    "canon": r"never",
    "faults": r".*\.((look|evidence|code|code\.\w+|change|change\.\w+) is missing|change has another key)",
    "levels": r".*\.(modes|peak_share|floor|peak_absolute|beyond|let_in) is missing",
    "models": r"never",
    "arrays": r".*\.params( is missing|\.\w+ is missing| has another key)",
    "modes": r".*\.params( is missing|\.\w+ is missing| has another key)",
    "files": r".*\.expect is missing",
}


@pytest.mark.parametrize("name", DATA)
def test_broken_data_files_are_refused(name: str) -> None:
    document = data(name)
    if name in ("arrays", "modes"):  # An entry with parameters tells more.
        document["fixture"].sort(key=lambda entry: "params" not in entry)
    for entries in document.values():
        if isinstance(entries, list) and isinstance(entries[0], dict):
            del entries[1:]
    refuses_every_breach(name if name in READ else "fixtures", document, re.compile(OPTIONAL[name]))


def fault_with(**fields: Any) -> Any:
    document = data("faults")
    document["faults"] = [document["faults"][0] | fields]
    return document


@pytest.mark.parametrize(
    "fields",
    [
        {"code": {}},
        {"code": {"pillow": "image = Image.open(path)", "shell": "true"}},
        {"change": {"kernel": "box", "scale": 256, "factor": 1.5, "first": True, "mean": [0.5, 1, "x"]}},
    ],
)
def test_a_fault_may_have_code_and_a_change(fields: Node) -> None:
    validator("faults").validate(fault_with(**fields))
    read = msgspec.convert(fault_with(**fields), clip_spec.types.Faults)
    assert msgspec.to_builtins(read.faults[0]).items() >= fields.items()


@pytest.mark.parametrize(
    "fields",
    [
        {"look": ""},
        {"evidence": "http://example.org"},
        {"code": {"cobol": "STOP RUN."}},
        {"code": {"pillow": ""}},
        {"change": {"kernel": {"name": "box"}}},
        {"change": {"mean": [[0.5]]}},
        {"change": {"mean": None}},
    ],
)
def test_broken_faults_are_refused(fields: Node) -> None:
    assert not validator("faults").is_valid(fault_with(**fields))


@pytest.mark.parametrize(
    "change",
    [
        {"size": ["n"]},
        {"size": ["n", "h"]},
        {"size": [-1, 5]},
        {"slug": "Pin_Values"},
        {"clauses": []},
        {"clauses": ["NRM1"]},
        {"expect": "maybe"},
        {"alpha": "half"},
        {"file": "a.png"},
        {"params": {"seed": 1.5}},
        {"transparency": 256},
    ],
)
def test_broken_fixtures_are_refused(change: Node) -> None:
    entry = data("arrays")["fixture"][0]
    assert not validator("fixtures").is_valid({"fixture": [entry | change]})
