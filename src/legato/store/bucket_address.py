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

_OPTIONS: Final = frozenset({"endpoint", "region", "timeout_s"})
_TIMEOUT_S: Final = 60.0
"""How long a server may be silent; a whole request may take ten times as long, for slow lines."""

_WHOLE: Final = 10
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
}
_FROM_GOOGLE: Final = {
    "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    "GOOGLE_SERVICE_ACCOUNT": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
}
_FROM_AZURE: Final = {
    "AZURE_STORAGE_ACCOUNT": "account_name",
    "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
    "AZURE_STORAGE_KEY": "account_key",
    "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_FEDERATED_TOKEN_FILE": "federated_token_file",
}
_CLOUDS: Final = {"s3": _FROM_AWS, "gs": _FROM_GOOGLE, "az": _FROM_AZURE}


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


def read_address(text: str) -> Address:
    """Return what an address says.

    >>> read_address("s3://team/wine?region=eu-west-1")
    Address(kind='s3', bucket='team', prefix='wine', options={'region': 'eu-west-1'})

    Raises:
        ConfigurationError: It is none, or holds a password.
    """
    if text == "memory:":
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
    options = _options(f"{parts.scheme}://{host}{parts.path}", parts.query)
    if parts.scheme == "file":
        return Address("file", unquote(parts.path), "", options)
    prefix = unquote(parts.path).strip("/")
    if parts.scheme not in _CLOUDS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", host):
        raise _refused(text.partition("?")[0], "its kind or bucket is not understood")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise _refused(text.partition("?")[0], "its prefix is not normalised")
    return Address(parts.scheme, host, prefix, options)


def _options(shown: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - _OPTIONS)
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
    if address.kind == "memory":
        from obstore.store import MemoryStore

        return Bucket(MemoryStore(), address.name, patience)
    if address.kind == "file":
        folder = Path(address.bucket) / FOLDER
        return FolderBucket(_folder(folder), folder, patience)
    from obstore.exceptions import BaseError

    try:
        reading, writing = (_cloud(address, environment, writing=writing) for writing in (False, True))
        return Bucket(reading, address.name, patience, writing)
    except (BaseError, ValueError) as error:
        raise _refused(address.name, " ".join(str(error).split())[:200]) from None


def _folder(folder: Path) -> "ObjectStore":
    from obstore.store import LocalStore

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise outside(error, "make the folder", folder) from None
    return LocalStore(folder, automatic_cleanup=False)


def _cloud(address: Address, environment: Mapping[str, str], *, writing: bool) -> "ObjectStore":
    from datetime import timedelta

    from obstore.store import AzureStore, GCSStore, S3Store

    config: dict[str, Any] = {
        key: environment[name] for name, key in _CLOUDS[address.kind].items() if environment.get(name)
    }
    endpoint = address.options.get("endpoint") or config.get("endpoint", "")
    silence = timedelta(seconds=_timeout_s(address))
    rest: dict[str, Any] = {
        "prefix": f"{address.prefix}/{FOLDER}" if address.prefix else FOLDER,
        "client_options": {
            "timeout": _WHOLE * silence,
            "connect_timeout": min(silence, timedelta(seconds=_CONNECT_S)),
            **({} if writing else {"read_timeout": silence}),  # while bytes go out, nothing comes back
            "allow_http": endpoint.startswith("http://"),
        },
        "retry_config": {"max_retries": 0},
    }
    if address.kind == "gs":
        return GCSStore(address.bucket, config=cast("GCSConfig", _google(config, endpoint)), **rest)
    if endpoint:
        config["endpoint"] = endpoint
    if address.kind == "az":
        return AzureStore(address.bucket, config=cast("AzureConfig", config), **rest)
    if address.options.get("region"):
        config["region"] = address.options["region"]
    return S3Store(address.bucket, config=cast("S3Config", _amazon(config, environment)), **rest)


def _timeout_s(address: Address) -> float:
    text = address.options.get("timeout_s", str(_TIMEOUT_S))
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0
    if not 0 < timeout_s < 1e6:  # noqa: PLR2004 - eleven days
        raise _refused(address.name, f"its timeout_s is {text!r}")
    return timeout_s


def _google(config: dict[str, Any], endpoint: str) -> dict[str, Any]:
    if endpoint.startswith(
        "http://"
    ):  # an emulator, which asks for no credentials: Google itself answers https only
        emulator = {"gcs_base_url": endpoint, "disable_oauth": True}
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return {"service_account_key": json.dumps(emulator | nobody)}
    if endpoint:
        config["base_url"] = endpoint
    return config


def _amazon(config: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Complete credentials from the files of Amazon's own tools, for the profile that is asked for."""
    profile = environment.get("AWS_PROFILE", "default")
    home = Path(environment.get("HOME", "/"))
    if "access_key_id" not in config and "role_arn" not in config:
        path = environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"
        found = _section(Path(path), profile)
        names = {"aws_access_key_id": "access_key_id", "aws_secret_access_key": "secret_access_key"}
        names["aws_session_token"] = "session_token"  # noqa: S105 - a name, no secret
        config |= {key: found[name] for name, key in names.items() if found.get(name)}
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
