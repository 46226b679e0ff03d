"""Opens a bucket from its address: `s3://bucket/prefix?endpoint=…`, `gs://`, `az://`, `file:///…`, `memory:`, a path.

Rule: no secret is part of an address, nor of any name that is shown; credentials come from the environment given.
"""

import json
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from legato.domain.errors import ConfigurationError
from legato.store.bucket_requests import Bucket, FolderBucket, Patience
from legato.store.trouble import outside

if TYPE_CHECKING:
    from obstore.store import AzureConfig, GCSConfig, ObjectStore, S3Config

FOLDER: Final = "store"
"""The store lies below the prefix in a folder of its own: other things of a project have the prefix too."""

_CONNECT_S: Final = 10.0
_FROM_AWS: Final = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_DEFAULT_REGION": "region",
    "AWS_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ENDPOINT_URL_S3": "endpoint",
    "AWS_ROLE_ARN": "role_arn",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "container_credentials_full_uri",
    "AWS_SKIP_SIGNATURE": "skip_signature",
}
_FROM_GOOGLE: Final = {
    "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    "GOOGLE_SERVICE_ACCOUNT": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
    "GOOGLE_BASE_URL": "endpoint",
    "GOOGLE_SKIP_SIGNATURE": "skip_signature",
}
_FROM_AZURE: Final = {
    "AZURE_STORAGE_ACCOUNT": "account_name",
    "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
    "AZURE_STORAGE_KEY": "account_key",
    "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
    "AZURE_STORAGE_ENDPOINT": "endpoint",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_FEDERATED_TOKEN_FILE": "federated_token_file",
    "AZURE_SKIP_SIGNATURE": "skip_signature",
}
_CLOUDS: Final = {"s3": _FROM_AWS, "gs": _FROM_GOOGLE, "az": _FROM_AZURE}
_OPTIONS: Final = {
    "s3": {"endpoint": "endpoint", "region": "region"},
    "gs": {"endpoint": "endpoint"},
    "az": {"endpoint": "endpoint", "account": "account_name"},
}
"""Options of an address besides `timeout_s`, which all have; they come before the environment."""

_AMAZON_KEYS: Final = ("access_key_id", "secret_access_key", "session_token")


class Address(NamedTuple):
    """Where a bucket is: the kind (`s3`, `gs`, `az`, `file`, `memory`), its name or folder, the prefix, options."""

    kind: str
    bucket: str
    prefix: str
    options: Mapping[str, str]

    @property
    def name(self) -> str:
        """The address for people, without options."""
        if self.kind == "memory":
            return "memory:"
        return (
            self.bucket if self.kind == "file" else f"{self.kind}://{self.bucket}/{self.prefix}".rstrip("/")
        )

    def below(self, folder: str) -> str:
        """Return the prefix of a folder below the address."""
        return f"{self.prefix}/{folder}" if self.prefix else folder


class Manner(NamedTuple):
    """How one connection asks.

    Attributes:
        silence_s: How long a server may be silent, unless the address has `timeout_s`.
        whole: A whole request may take so many times as long, for slow lines.
        tries: How often a failed request is made again by the connection itself.
        tries_s: After so many seconds it is not made again.
        writing: For writing alone: while bytes go out, nothing comes back.
    """

    silence_s: float = 60.0
    whole: int = 10
    tries: int = 0
    tries_s: float = 180.0
    writing: bool = False


def read_address(text: str) -> Address:
    """Return what an address says; a relative folder lies in the current one.

    >>> read_address("s3://team/wine?region=eu-west-1")
    Address(kind='s3', bucket='team', prefix='wine', options={'region': 'eu-west-1'})

    Raises:
        ConfigurationError: It is none, or holds a password.
    """
    if text in {"memory:", "memory://"}:
        return Address("memory", "", "", {})
    if "://" not in text:
        return Address("file", str(Path(text).absolute()), "", {})
    try:
        parts = urlsplit(text)
        host, secret = parts.netloc, parts.password or parts.username
    except ValueError as error:
        raise _refused(text.partition("?")[0], str(error)) from None
    if secret:
        raise _refused(f"{parts.scheme}://…@{host.rpartition('@')[2]}", "it holds a name or password")
    shown = f"{parts.scheme}://{host}{parts.path}"
    if parts.scheme == "file":
        return Address("file", unquote(parts.path), "", _options(shown, parts.query, {}))
    if parts.scheme not in _CLOUDS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", host):
        raise _refused(shown, "its kind or bucket is not understood")
    prefix = unquote(parts.path).strip("/")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise _refused(shown, "its prefix is not normalised")
    return Address(parts.scheme, host, prefix, _options(shown, parts.query, _OPTIONS[parts.scheme]))


def _options(shown: str, query: str, known: Mapping[str, str]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - known.keys() - {"timeout_s"})
    if unknown:
        raise _refused(shown, f"it has the unknown option {unknown[0]!r}")
    return options


def open_bucket(text: str, environment: Mapping[str, str], patience: Patience) -> Bucket:
    """Return the store's folder of the bucket at an address; nothing is asked of it yet.

    Args:
        text: The address.
        environment: Where credentials, region and endpoint are looked for under their usual names.
        patience: How failed requests are tried again.

    Raises:
        ConfigurationError: The address or the credentials cannot be understood.
        OutsideError: A folder cannot be made.
    """
    address = read_address(text)
    place = address.below(FOLDER)
    reading = connect(address, environment, Manner(), place)
    if address.kind == "file":
        return FolderBucket(reading, Path(address.bucket) / place, patience)
    if address.kind == "memory":
        return Bucket(reading, address.name, patience)
    return Bucket(reading, address.name, patience, connect(address, environment, Manner(writing=True), place))


def connect(
    address: Address, environment: Mapping[str, str], manner: Manner, place: str = ""
) -> "ObjectStore":
    """Return a connection to a bucket, or to a folder of it; nothing is asked yet.

    Args:
        address: Where it is. Its prefix does not count here, `place` does.
        environment: As for `open_bucket`.
        manner: How it asks.
        place: What all its paths are below, such as `address.below("store")`.

    Raises:
        ConfigurationError: The options or credentials cannot be understood.
        OutsideError: A folder cannot be made.
    """
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, MemoryStore

    if address.kind == "memory":
        return MemoryStore()
    if address.kind == "file":
        return LocalStore(_made(Path(address.bucket) / place))
    try:
        return _cloud(address, environment, manner, place)
    except (BaseError, ValueError) as error:
        raise _refused(address.name, " ".join(str(error).split())[:200]) from None


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise outside(error, "make the folder", folder) from None
    return folder


def _cloud(address: Address, environment: Mapping[str, str], manner: Manner, place: str) -> "ObjectStore":
    from obstore.store import AzureStore, GCSStore, S3Store

    found = {key: environment[name] for name, key in _CLOUDS[address.kind].items() if environment.get(name)}
    said = {key: address.options.get(option, "") for option, key in _OPTIONS[address.kind].items()}
    config: dict[str, Any] = found | {key: value for key, value in said.items() if value}
    rest = _asking(address, manner, config.get("endpoint", "")) | ({"prefix": place} if place else {})
    if address.kind == "gs":
        return GCSStore(address.bucket, config=cast("GCSConfig", _google(config)), **rest)
    if address.kind == "az":
        return AzureStore(address.bucket, config=cast("AzureConfig", config), **rest)
    return S3Store(address.bucket, config=cast("S3Config", _amazon(config, environment)), **rest)


def _asking(address: Address, manner: Manner, endpoint: str) -> dict[str, Any]:
    from datetime import timedelta

    silence = timedelta(seconds=_timeout_s(address, manner.silence_s))
    return {
        "client_options": {
            "timeout": manner.whole * silence,
            "connect_timeout": min(silence, timedelta(seconds=_CONNECT_S)),
            **({} if manner.writing else {"read_timeout": silence}),
            "allow_http": endpoint.startswith("http://"),
        },
        "retry_config": {"max_retries": manner.tries, "retry_timeout": timedelta(seconds=manner.tries_s)},
    }


def _timeout_s(address: Address, usual_s: float) -> float:
    text = address.options.get("timeout_s", str(usual_s))
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0
    if not 0 < timeout_s < 1e6:  # noqa: PLR2004 - eleven days
        raise _refused(address.name, f"its timeout_s is {text!r}")
    return timeout_s


def _google(config: dict[str, Any]) -> dict[str, Any]:
    endpoint = config.pop("endpoint", "")
    if endpoint.startswith("http://"):
        # an emulator, which asks for no credentials: Google itself answers https only
        emulator = {"gcs_base_url": endpoint, "disable_oauth": True}
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return {"service_account_key": json.dumps(emulator | nobody)}
    return config | ({"base_url": endpoint} if endpoint else {})


def _amazon(config: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Complete credentials from the files of Amazon's own tools, for the profile that is asked for."""
    profile = environment.get("AWS_PROFILE", "default")
    home = Path(environment.get("HOME", "/"))
    if not config.keys() & {"access_key_id", "role_arn", "skip_signature"}:
        path = environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"
        found = _section(Path(path), profile)
        config |= {key: found[f"aws_{key}"] for key in _AMAZON_KEYS if found.get(f"aws_{key}")}
    if "region" not in config:
        path = environment.get("AWS_CONFIG_FILE") or home / ".aws" / "config"
        section = profile if profile == "default" else f"profile {profile}"
        config["region"] = _section(Path(path), section).get("region", "us-east-1")
    return config


def _section(path: Path, name: str) -> Mapping[str, str]:
    parser = ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}
    except ConfigParserError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {type(error).__name__}",
            hint="correct the file, or set AWS_ACCESS_KEY_ID",
        ) from None
    return dict(parser[name]) if parser.has_section(name) else {}


def _refused(shown: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the address {shown!r} of a bucket cannot be used: {why}",
        hint="write for example s3://bucket/prefix?endpoint=https://host, gs://bucket/prefix, az://container/prefix "
        "or a folder; keep credentials in the environment",
    )
