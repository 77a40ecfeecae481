"""Documents made hostile: bytes of any kind, JSON and its lines, TOML, the headers of .npy files, lists of sums.

Everything is chosen by a `random.Random`, so that Hypothesis can choose (and shrink), and the long run as well.
"""

import json
import re
import struct

# Put where a value of JSON was; replaced by text that json.dumps would not write.
_HOLE = "@hole@"

PATHS = (
    *("../outside/{name}", "{outside}/{name}"),
    *("a/../../outside/{name}", "./../outside/./{name}", "out/../../outside/{name}"),
    *("{inside}/../outside/{name}", "link/{name}", "link-to-a-file", "pipe", "/dev/zero", "/dev/stdin", "/etc/passwd"),
    *("/proc/self/environ", "\\\\host\\share", "file:///etc/passwd", "", ".", "..", "/", "a\0b", "~/x", "x" * 5000),
    *("a/" * 3000, "\u202egpj.exe\x1b[2J\n"),
)


def _quoted(text):
    return json.dumps(text).replace("{", "(").replace("}", ")")


VALUES = (
    *("null", "true", "[]", "{}", '""', "0", "-1", "1.5", "[[]]", "[null]", '{"":null}', "-0.0", "1e-400"),
    *("1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9007199254740993", "18446744073709551616", "1e308", "5e-324"),
    *("1" + "0" * 400, "1" * 4000, "1" * 5000, "-" + "9" * 5000, "0." + "1" * 5000),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u202e\\u2066"', '"\\u001b[2J\\r\\n"', '"\ufeff"', '"\\x41"'),
    *('"' + "a" * 3000 + '"', '"' + "\u0645\u200f" * 300 + '"', '"' + "%s{0}$(x)`x`" + '"', "{" * 400, "[" * 100_000),
    *("[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600, "[0," * 300 + "0" + "]" * 300),
    *('["a"' + ',"a"' * 3000 + "]",),
    *("[0, 67108864, 67108864, 67108864]", "[67108864, 67108864, 67108864]", "[-1]", "[0]", "[3, 4, 4]", "[[3]]"),
    *('"exact"', '"ok"', '"error"', '"normalize"', '"resize"', '"image"', '"reject"', '"float32"', '"object"', '"1.0"'),
    *('"QUFBQQ=="', '"QUFBQQ="', '"!"', '"2031-02-30"', '"*"', '"[a-"', '"**********a"', '"clip-conformance/report/1"'),
    *(_quoted(path) for path in PATHS),
)

TOKENS = tuple(
    token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    for token in (
        *("\0", "\n", "\r\n", "\ufeff", "\u2028", "\u202e", "\ud800", "\x1b[2J", "\x7f", '"', "\\", "{", "}", "[", "]"),
        *(":", ",", "'", "#", "=", "[[known]]", "a.b.c", "-", "1e400", "nan", "\\u0000", "\\ud83d", "//", "/*", "  "),
        *("\x80\x04", "\x93NUMPY", "cos\nsystem\n(S'true'\ntR.", "PK\x03\x04", "[" * 3000, "(" * 3000, "9" * 5000),
        *(b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\x00" * 64),
    )
)


def _pick(rng, choices):
    return choices[rng.randrange(len(choices))]


# Bytes of any kind.


def _flipped(rng, content, others):
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def _replaced(rng, content, others):
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _inserted(rng, content, others):
    at = rng.randrange(len(content) + 1)
    return content[:at] + _pick(rng, TOKENS) + content[at:]


def _deleted(rng, content, others):
    at = rng.randrange(len(content))
    return content[:at] + content[at + 1 + rng.randrange(24) :]


def _cut(rng, content, others):
    return content[: rng.randrange(len(content))]


def _doubled(rng, content, others):
    begin = rng.randrange(len(content))
    part = content[begin : begin + 1 + rng.randrange(200)]
    at = rng.randrange(len(content) + 1)
    return content[:at] + part * (1 + rng.randrange(3)) + content[at:]


def _spliced(rng, content, others):
    other = _pick(rng, others)
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other) + 1) :]


def of_bytes(rng, content, others):
    """Return content with one change that knows nothing of its form."""
    if not content:
        return _pick(rng, others)
    changes = (_flipped, _replaced, _inserted, _deleted, _cut, _doubled, _spliced)
    return _pick(rng, changes)(rng, content, others)


# Lines.


def of_lines(rng, content, others):
    """Return content with a line repeated, left out, moved, cut, or with another end."""
    lines = content.splitlines(keepends=True) or [b""]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(6)
    if how == 0:
        lines.insert(to, lines[at])
    elif how == 1:
        del lines[at]
    elif how == 2:
        lines[at], lines[to] = lines[to], lines[at]
    elif how == 3:
        lines[at] = lines[at].rstrip(b"\r\n") + _pick(rng, (b"\r\n", b"", b"\n\n", b"\x85", b"\x00\n"))
    elif how == 4:
        lines.insert(
            to, _pick(rng, (b"\n", b"{}\n", b"null\n", b"[]\n", b'""\n', b"\xef\xbb\xbf", b"\xff\n", b" " * 9000))
        )
    else:
        lines += lines * rng.randrange(4)
    return b"".join(lines)


# JSON.


def _places(value, found):
    """Collect every container of a document with the keys under which it holds something."""
    if isinstance(value, dict | list):
        found += [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
        for inner in value.values() if isinstance(value, dict) else value:
            _places(inner, found)
    return found


def of_json(rng, content, others):
    """Return a JSON document with a value, a key or a whole part replaced, left out, added or there twice."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return of_bytes(rng, content, others)
    places = _places(document, [])
    if not places:
        return _pick(rng, VALUES).encode("utf-8", "surrogatepass")
    holder, key = _pick(rng, places)
    filling = _pick(rng, VALUES)
    how = rng.randrange(8)
    if how < 4:
        holder[key] = _HOLE
    elif how == 4:
        del holder[key]
    elif how == 5 and isinstance(holder, dict):
        holder[_pick(rng, ("extra", "", "\x1b[2J\n", "x" * 2000, "\u202e", "type", "__class__", "0"))] = _HOLE
    elif how == 6 and isinstance(holder, dict):
        value = holder[key]
        holder[key] = _HOLE
        filling = f"{json.dumps(value)},{json.dumps(key)}:{filling if rng.randrange(2) else json.dumps(value)}"
    else:
        other = _pick(rng, places)
        holder[key] = other[0][other[1]] if other[0] is not holder else _HOLE
    try:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=bool(rng.randrange(2)))
    except (ValueError, RecursionError):  # what was moved holds itself
        return of_bytes(rng, content, others)
    return text.replace(f'"{_HOLE}"', filling).encode("utf-8", "surrogatepass") + content[len(content.rstrip()) :]


def of_json_lines(rng, content, others):
    """Return lines of JSON with one of them changed, or changed as lines."""
    lines = content.splitlines(keepends=True)
    if not lines or rng.randrange(4) == 0:
        return of_lines(rng, content, others)
    at = rng.randrange(len(lines))
    lines[at] = of_json(rng, lines[at], lines)
    return b"".join(lines)


# TOML, and what has a value a line.

_TOML = (
    *("1", "1e400", "nan", "inf", "''", '""', "[]", "{}", "true", "2031-02-30", "0001-01-01", "9999-12-31", "12:60:00"),
    *("2031-06-01T00:00:00Z", "9" * 5000, "0x" + "f" * 5000, "[" * 2000, "[" * 400 + "]" * 400, "{a=" * 400, "a." * 50),
    *('"\\uD800"', '"\\U00110000"', '"\\u202e"', '"\\u001b[2J\\n"', '"""\n\n"""', "'''a", '"' + "x" * 5000 + '"'),
    *("{a.b.c = 1}", "[{}, 1]", '"https://\u202e"', '"*"', '"[!a-"', '"' + "*a" * 200 + '"', "{a = 1, a = 2}"),
    *('"close"',),
)
_TOML_LINES = (
    *("[[known]]", "[known]", "[defaults]", "[[defaults]]", "[a.b]", "[[a]]\n[a]", "a = 1\na = 2", "known = []"),
    *(".".join("a" * 59) + " = 1", ".".join("a" * 80) + " = 1", "a = { " + ".".join("a" * 50) + " = 1 }", "# \u202e"),
    *("#\x00",),
    *("'\x1b[2J' = 1", '"" = 1', "wildcards = true", "schema = 1", "[[known]]\n" * 300, "[" + ".".join("b" * 59) + "]"),
)


def of_toml(rng, content, others):
    """Return TOML with a value replaced or a line put in, or changed as lines."""
    lines = content.splitlines(keepends=True) or [b""]
    at, how = rng.randrange(len(lines)), rng.randrange(6)
    if how < 3:
        value = _pick(rng, _TOML).encode()
        lines[at] = re.sub(rb"=.*", lambda _: b"= " + value, lines[at])
    elif how == 3:
        lines.insert(at, _pick(rng, _TOML_LINES).encode() + b"\n")
    else:
        return of_lines(rng, content, others)
    return b"".join(lines)


# Sums: a digest, two blanks, a name.


def of_sums(rng, content, others):
    """Return a list of sums with another name or digest in a line, or changed as lines."""
    lines = content.splitlines(keepends=True) or [b""]
    at, how = rng.randrange(len(lines)), rng.randrange(4)
    if how == 0:
        lines[at] = lines[at][:66] + _pick(rng, PATHS).encode() + b"\n"
    elif how == 1:
        lines.insert(at, b"0" * 64 + b"  " + _pick(rng, PATHS).encode() + b"\n")
    elif how == 2:
        lines[at] = _pick(rng, TOKENS) + lines[at][rng.randrange(70) :]
    else:
        return of_lines(rng, content, others)
    return b"".join(lines)


# .npy files.

_DESCRS = (
    *("'<f4'", "'>f4'", "'|u1'", "'<f8'", "'<f2'", "'|O'", "'<U9'", "'|S0'", "'<U0'", "'|V0'", "'|V4'", "'<c8'"),
    *("'<M8[s]'",),
    *("'|b1'", "[]", "[('a', '<f4')]", "[('a', '<f4')] * 9", "[('a', '|O')]", "('<f4', (2,))", "('<f4', (1 << 40,))"),
    *("None",),
    *("''", "'f4,f4'", "'<f4' * 99", "'(1000000000,)f4'", "{'names': ['a'], 'formats': ['<f4']}", "1", "'<i999'"),
    *("float",),
    *("[('\\x1b[2J\\n', '<f4')]", "'\\x1b[2J\\n'", "[('" + "a" * 900 + "', '|O')]", "'<f16'", "'<m8'", "'|T16'"),
)
_SHAPES = (
    *("(2, 3)", "(3, 2)", "(6,)", "()", "(0,)", "(0, 3)", "(-1, 6)", "(-2, -3)", "(1 << 62,)"),
    *("(4611686018427387904,)",),
    *("(0, 1152921504606846975, 1152921504606846975)", "(1" + "0" * 400 + ",)", "(True, 6)", "(2.0, 3)", "[2, 3]", "6"),
    *("(6L,)", "((2, 3),)", "(1,) * 6", "(" + "1, " * 70 + ")", "None", "(2, 3, 1)", "(9223372036854775808, 0)"),
    *("'ab'",),
    *("(" + "9" * 3000 + ",)", "(67108864, 67108864)", "(0, 1 << 59, 1 << 59)", "(4294967296, 4294967296)"),
)
_HEADERS = (
    *("", "{}", "[]", "None", "0", "'" * 99, "(" * 300, "(" * 3900, "[" * 3900, "-" * 3900 + "1", "{" * 3900),
    *("a" * 3900,),
    *("__import__('os').system('true')", "(lambda: 0)()", "'a' 'b'", "{'descr': 1}", "1 if 1 else 2", "9" * 4000, "\0"),
    *("{**{}}", "b''", "f'{1}'", "1e999", "'\\d'", "1 is 1", "'''", "(\n" * 900, "\\", "{'descr': '<f4'}"),
    *("not " * 900 + "1",),
    *("1+" * 1900 + "1", "~" * 3900 + "1", "1L", "{'a': 1L" + "[" * 200, "\ufeff{}", "5if 1else 2", "0_0", "0777"),
)
_ORDERS = ("True", "False", "1", "None", "'no'", "[]", "")


def npy(header, samples=b"\0" * 24, version=(1, 0), length=None):
    """Return a .npy file with any header, whose length may be a lie."""
    text = header if isinstance(header, bytes) else header.encode("latin1", "replace")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    told = len(text) if length is None else length
    prefix = struct.pack("<H", told % (1 << 16)) if version[0] == 1 else struct.pack("<I", told % (1 << 32))
    return b"\x93NUMPY" + bytes(version) + prefix + text + samples


def of_npy(rng, content, others):
    """Return a .npy file with a header made anew."""
    if rng.randrange(4) == 0:
        header = _pick(rng, _HEADERS)
    else:
        usual = {"descr": "'<f4'", "fortran_order": "False", "shape": "(2, 3)"}
        key = _pick(rng, tuple(usual))
        for other, choices in zip(usual, (_DESCRS, _ORDERS, _SHAPES), strict=True):
            if other == key or rng.randrange(4) == 0:
                usual[other] = _pick(rng, choices)
        parts = [f"{name!r}: {value}" for name, value in usual.items()]
        if rng.randrange(6) == 0:
            parts.insert(
                rng.randrange(4), _pick(rng, ("'descr': '<f4'", "'extra': 1", "0: 0", "**{}", "'shape': (6,)"))
            )
        header = "{" + ", ".join(parts) + ", }"
    version = _pick(rng, ((1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (1, 1), (255, 255)))
    length = None if rng.randrange(4) else _pick(rng, (0, 1, 63, 65, 4095, 4096, 4097, 65535, 1 << 31))
    samples = bytes(_pick(rng, (0, 1, 6, 12, 24, 24, 24, 25, 48, 1 << 16)))
    return npy(header, samples, version, length)


KINDS = {
    "bytes": of_bytes,
    "lines": of_lines,
    "json": of_json,
    "json lines": of_json_lines,
    "toml": of_toml,
    "sums": of_sums,
    "npy": of_npy,
}


def mutate(rng, kind, content, others):
    """Return a document with one to four changes, most of them of its own kind."""
    for _ in range(1 + rng.randrange(4)):
        change = KINDS[kind] if rng.randrange(4) else of_bytes
        content = change(rng, content, others)
        if len(content) > 1 << 20:
            break
    return content[: 1 << 20]
