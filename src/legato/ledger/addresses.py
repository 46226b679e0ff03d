"""From the address of a bucket or a shared folder to a connection.

Rule: credentials come from the environment that is handed in, or from the machine's own role; never from an address.
"""

import json
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from legato.domain.errors import ConfigurationError, OutsideError
from legato.ledger.objects import Objects

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FOLDER: Final = "ledger"
"""Below the address: what a ledger's objects begin with, so that a store can have the same address."""

_OPTIONS: Final = frozenset({"endpoint", "region", "timeout_s"})
_RETRY: Final = {"max_retries": 6, "retry_timeout": timedelta(seconds=45)}
_TIMEOUT_S: Final = 20.0
_MOST_S: Final = 3600.0
_AMAZON: Final = {
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
_GOOGLE: Final = {
    "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    "GOOGLE_SERVICE_ACCOUNT": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
}
_AZURE: Final = {
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
_CLOUDS: Final = {"s3": _AMAZON, "gs": _GOOGLE, "az": _AZURE}
_CREDENTIALS: Final = ("access_key_id", "secret_access_key", "session_token")


def open_objects(address: str, environment: Mapping[str, str]) -> Objects:
    """Return the objects of a ledger at `s3://`, `gs://`, `az://`, `memory://`, `file://`, or in a folder.

    Args:
        address: `s3://bucket/prefix?endpoint=http://…&region=…`, `az://container/prefix`, or a path.
        environment: Where the usual variables are looked up (`AWS_…`, `GOOGLE_…`, `AZURE_…`), and `HOME`, below
            which the files of Amazon's own tools are.

    Raises:
        ConfigurationError: The address cannot be followed.
        OutsideError: The folder cannot be made.
    """
    scheme, separator, _ = address.partition("://")
    if not separator or scheme == "file":
        return _in_folder(address)
    if scheme == "memory":
        from obstore.store import MemoryStore

        return Objects(MemoryStore(), FOLDER, address)
    if scheme not in _CLOUDS:
        raise _misspelt(address, f"{scheme}:// is no kind of bucket that a ledger can be in")
    return _in_bucket(address, scheme, environment)


def _in_bucket(address: str, scheme: str, environment: Mapping[str, str]) -> Objects:
    parts = urlsplit(address)
    if not parts.netloc or parts.username or parts.password:
        raise _misspelt(f"{scheme}://…", "it needs the bucket's name first, and no credentials")
    name = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    options = dict(parse_qsl(parts.query))
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise _misspelt(name, f"{min(unknown)!r} is no option of it")
    timeout = timedelta(seconds=_timeout_s(options.pop("timeout_s", str(_TIMEOUT_S)), name))
    config = {
        key: environment[name] for name, key in _CLOUDS[scheme].items() if environment.get(name)
    } | options
    store = _bucket(scheme, parts.netloc, _completed(scheme, config, environment), timeout, name)
    prefix = unquote(parts.path).strip("/")
    return Objects(store, f"{prefix}/{FOLDER}" if prefix else FOLDER, name)


def _timeout_s(text: str, name: str) -> float:
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s <= _MOST_S:
        raise _misspelt(name, f"its timeout_s is {text!r}")
    return timeout_s


def _completed(scheme: str, config: dict[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration with what else is known of such a cloud."""
    if scheme == "s3":
        return _from_files(config, environment)
    endpoint = config.pop("endpoint", "") if scheme == "gs" else ""
    if endpoint.startswith("http://"):  # an emulator, which knows nobody: Google itself answers by https only
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return {
            "service_account_key": json.dumps({"gcs_base_url": endpoint, "disable_oauth": True, **nobody})
        }
    return config | {"base_url": endpoint} if endpoint else config


def _from_files(config: dict[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration with keys and region from the files of Amazon's own tools, of the profile asked for."""
    profile = environment.get("AWS_PROFILE", "default")
    folder = Path(environment.get("HOME", "/")) / ".aws"
    if "access_key_id" not in config and "role_arn" not in config:
        found = _section(environment.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials", profile)
        config |= {key: found[f"aws_{key}"] for key in _CREDENTIALS if found.get(f"aws_{key}")}
    if "region" not in config:
        section = profile if profile == "default" else f"profile {profile}"
        found = _section(environment.get("AWS_CONFIG_FILE") or folder / "config", section)
        config["region"] = found.get("region", "us-east-1")
    return config


def _section(path: str | Path, name: str) -> Mapping[str, str]:
    parser = ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}
    except ConfigParserError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {type(error).__name__}",
            hint="correct the file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from None
    return dict(parser[name]) if parser.has_section(name) else {}


def _bucket(scheme: str, bucket: str, config: dict[str, str], timeout: timedelta, name: str) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    kinds: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    plain = config.get("endpoint", "").startswith("http://") or "gcs_base_url" in config.get(
        "service_account_key", ""
    )
    client = {"timeout": timeout, "connect_timeout": min(timeout, timedelta(seconds=10)), "allow_http": plain}
    try:
        store: ObjectStore = kinds[scheme](bucket, config=config, client_options=client, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        raise _misspelt(name, " ".join(str(error).split())[:200]) from None
    return store


def _in_folder(address: str) -> Objects:
    from obstore.store import LocalStore

    path = Path(unquote(urlsplit(address).path) if address.startswith("file://") else address)
    if not path.is_absolute():
        raise _misspelt(address, "a shared folder is named by its whole path")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(
            f"cannot make the folder {path}: {error.strerror}", hint="name another folder"
        ) from None
    return Objects(LocalStore(path), FOLDER, str(path))


def _misspelt(address: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the address {address!r} of the shared ledger cannot be followed: {why}",
        hint='write it so: remote = "s3://bucket/prefix", "gs://…", "az://…" or the path of a shared folder',
    )
