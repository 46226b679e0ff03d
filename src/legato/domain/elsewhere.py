"""What is not held here: `lg.Remote`, an input as an address; `lg.Reference`, an output that stays where it is.

Rule: what a reference stands for is its name and version; an address only tells where to look.
"""

from legato.domain.errors import ConfigurationError


class Remote:
    """An input as an address: its bytes are neither downloaded nor read.

    Annotate a parameter with it: `def features(clicks: lg.Remote) -> ...`.

    Attributes:
        address: `s3://bucket/clicks/`, `https://…`, or `file://…` where the bytes lie on this machine.
        digest: Of the artifact, which is what the step's key holds.
        size_bytes: Of all its bytes; 0 where that is not known.
    """

    __slots__ = ("address", "digest", "size_bytes")

    def __init__(self, address: str, *, digest: str = "", size_bytes: int = 0) -> None:
        self.address = address
        self.digest = digest
        self.size_bytes = size_bytes

    def __str__(self) -> str:
        """Return the address."""
        return self.address

    def __repr__(self) -> str:
        """Return the remote as it is written."""
        return f"lg.Remote({self.address!r})"

    def __eq__(self, other: object) -> bool:
        """Say whether both are the same address."""
        return isinstance(other, Remote) and other.address == self.address

    def __hash__(self) -> int:
        """Return the hash of the address."""
        return hash(self.address)


class Reference:
    """An artifact that stays where it is: `return lg.Reference("warehouse.features", version="2026-11-01")`.

    What takes it runs again when the name or the version is another, and at no other time.

    Args:
        name: What a person calls it.
        version: Which state of it; a text or number that changes whenever the content does.
        address: Where it is, for those that take it as `lg.Remote`; may be left out.

    Raises:
        ConfigurationError: The name or the version is missing.
    """

    __slots__ = ("address", "name", "version")

    def __init__(self, name: str, *, version: object = None, address: str = "") -> None:
        if not str(name).strip():
            raise ConfigurationError(
                f"lg.Reference({name!r}) has no name",
                hint='write lg.Reference("warehouse.features", version=…)',
            )
        text = "" if version is None or isinstance(version, bool) else str(version)
        if not text.strip():
            raise ConfigurationError(
                f"lg.Reference({name!r}, version={version!r}) does not say which state of it is meant",
                hint="give version= a snapshot's id, a date or a counter that changes whenever the content does",
            )
        self.name = name
        self.version = text
        self.address = str(address)

    def __repr__(self) -> str:
        """Return the reference as it is written."""
        return f"lg.Reference({self.name!r}, version={self.version!r})"

    def __eq__(self, other: object) -> bool:
        """Say whether both name the same state of the same thing."""
        return isinstance(other, Reference) and (other.name, other.version) == (self.name, self.version)

    def __hash__(self) -> int:
        """Return the hash of name and version."""
        return hash((self.name, self.version))


Remote.__module__ = Reference.__module__ = "legato"  # as people write them, in every process alike
