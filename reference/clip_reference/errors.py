"""The one exception of the reference: an image that the canon does not define."""


class Rejected(ValueError):  # noqa: N818 - the spec's word for it
    """The canon rejects this image.

    `clause` is the id of the clause that says so, `reason` one line for a person.
    """

    def __init__(self, clause: str, reason: str) -> None:
        super().__init__(f"{clause}: {reason}")
        self.clause = clause
        self.reason = reason

    def __reduce__(self) -> tuple[type["Rejected"], tuple[str, str]]:
        return Rejected, (self.clause, self.reason)
