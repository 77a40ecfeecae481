"""`--strict-protocol`: every message of both sides held against its JSON Schema, and what is otherwise forgiven."""

from pathlib import Path
from typing import Any

import msgspec

import clip_spec
from clip_conformance import arrays, protocol


class Strict:
    """Validates messages by the schema `protocol` of the standard."""

    def __init__(self) -> None:
        # Loaded where it is asked for: it takes longer than the rest of the command.
        from jsonschema import Draft202012Validator

        schema = clip_spec.schema("protocol")
        self._validators = {
            title: Draft202012Validator({"$ref": f"#/$defs/{title}", "$defs": schema["$defs"]})
            for title in (kind.__name__ for kind in (*protocol.REPLIES, *protocol.REPLIES.values()))
        }

    def sent(self, line: bytes) -> None:
        """Check a message of the suite itself."""
        message = msgspec.json.decode(line)
        if breach := self._breach(message["cmd"].capitalize(), message):
            raise AssertionError(f"the suite sent {message['cmd']} against its own schema: {breach}")

    def received(self, message: protocol.Message, line: bytes) -> None:
        """Check the answer to a message.

        Raises:
            msgspec.ValidationError: it breaks the schema, or does not hold what was asked for.
        """
        answer = msgspec.json.decode(line)
        if breach := self._breach(protocol.REPLIES[type(message)].__name__, answer):
            raise msgspec.ValidationError(breach)
        if isinstance(message, protocol.Run) and answer["status"] == "ok":
            given, wanted = set(answer.get("outputs", {})), set(message.stages)
            if given != wanted:
                raise msgspec.ValidationError(
                    f"outputs of {', '.join(sorted(given)) or 'nothing'}, asked for {', '.join(sorted(wanted))}"
                )

    def output(self, stage: str, path: Path) -> None:
        """Check that a .npy file is in C order and little-endian.

        Raises:
            Unreadable: it is not.
        """
        found = arrays.layout(path)
        if found is None:
            return  # the scoring says what it is
        shape, order, dtype = found
        if dtype.str.startswith(">"):
            raise arrays.Unreadable(f"{stage} is big-endian")
        if order == "F" and sum(side > 1 for side in shape) > 1:
            raise arrays.Unreadable(f"{stage} is in Fortran order")

    def _breach(self, title: str, document: Any) -> str:
        from jsonschema.exceptions import best_match

        error = best_match(self._validators[title].iter_errors(document))
        return "" if error is None else f"{error.message} at {error.json_path}"
