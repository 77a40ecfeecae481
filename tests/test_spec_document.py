"""The standard as a document: whole clauses, numbers without gaps, and no reference to what is not there."""

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest

import clip_spec
from clip_fixtures import fixtures

ROOT = Path(__file__).resolve().parents[1]
CLAUSES = clip_spec.clauses()
# Everything in the tree that may cite a clause.
CITING = sorted(
    path
    for folder, suffixes in {
        "spec": (".toml", ".py", ".json", ".md"),
        "reference": (".py",),
        "fixtures": (".py", ".toml"),
        "conformance": (".py", ".j2", ".html"),
        "tests": (".py",),
        "benchmarks": (".py",),
        "examples": (".py", ".md"),
        "docs": (".md",),
    }.items()
    for path in (ROOT / folder).rglob("*")
    if path.suffix in suffixes
) + sorted(ROOT.glob("*.md"))


def cited(text: str) -> set[str]:
    return set(clip_spec.CLAUSE_ID.findall(text))


@functools.cache
def clauses_named_by_tests() -> dict[str, set[str]]:
    """Return clause -> test modules that mark a test with it, read from their source."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.clause":
                for argument in node.args:
                    found.setdefault(ast.literal_eval(argument), set()).add(path.name)
    return found


@pytest.mark.parametrize("clause", CLAUSES.values(), ids=CLAUSES.keys())
def test_a_clause_has_text_rationale_and_source(clause: clip_spec.Clause) -> None:
    assert clause.title
    assert clause.text
    assert clause.rationale
    assert clause.source


def test_clause_ids_are_unique_and_numbered_without_gaps() -> None:
    headings = re.findall(r"^#+ ([A-Z]{3}-\d+)\b", clip_spec.document(), flags=re.MULTILINE)
    assert headings == list(CLAUSES)  # in the order of the text, none parsed twice, none overlooked
    numbers: dict[str, list[int]] = {}
    for heading in headings:
        group, number = heading.split("-")
        numbers.setdefault(group, []).append(int(number))
    for group, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), group


def test_the_pattern_of_ids_knows_every_group() -> None:
    assert cited(" ".join(CLAUSES)) == set(CLAUSES)


@pytest.mark.parametrize("path", CITING, ids=[str(path.relative_to(ROOT)) for path in CITING])
def test_every_cited_clause_exists(path: Path) -> None:
    assert cited(path.read_text(encoding="utf-8")) <= set(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_has_a_fixture_or_says_why_not(clause: str) -> None:
    covering = [fixture.slug for fixture in fixtures().values() if clause in fixture.clauses]
    assert covering or CLAUSES[clause].no_fixture, "no fixture cites it and it has no **Fixtures.** line"


@pytest.mark.parametrize("clause", [c.id for c in CLAUSES.values() if c.no_fixture])
def test_a_reason_for_having_no_fixture_is_true(clause: str) -> None:
    assert CLAUSES[clause].no_fixture.startswith("none")
    assert [fixture.slug for fixture in fixtures().values() if clause in fixture.clauses] == []


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_is_named_by_a_test(clause: str) -> None:
    assert clauses_named_by_tests().get(clause), f'no test is marked @pytest.mark.clause("{clause}")'


def test_tests_name_only_clauses_that_exist() -> None:
    assert set(clauses_named_by_tests()) <= set(CLAUSES)


def test_fault_ids_are_unique() -> None:
    counts = Counter(fault.id for fault in clip_spec.faults())
    assert [fault for fault, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("fault", clip_spec.faults(), ids=lambda fault: fault.id)
def test_a_fault_names_its_stage_and_the_clause_that_it_breaks(fault: clip_spec.Fault) -> None:
    assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", fault.id)
    assert fault.stage in clip_spec.stage_ids()
    assert fault.title
    assert cited(fault.fix)
    assert cited(fault.fix) <= set(CLAUSES)
    assert fault.evidence == "" or fault.evidence.startswith("https://")


@pytest.mark.parametrize("dialect", clip_spec.canon().dialects, ids=lambda dialect: dialect.id)
def test_a_dialect_cites_its_clause_and_stands_in_section_14(dialect: clip_spec.Dialect) -> None:
    assert dialect.clause in CLAUSES
    section = clip_spec.document().split("## 14. Dialects")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{dialect.id}` |"))
    assert row.endswith(f"| {dialect.clause} |")


def test_every_claimed_mistake_is_a_known_one_and_every_known_one_is_claimed() -> None:
    claimed = {fault for fixture in fixtures().values() for fault in fixture.catches}
    assert claimed == {fault.id for fault in clip_spec.faults()}
