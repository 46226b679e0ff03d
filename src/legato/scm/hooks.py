"""Git hooks that keep data in step with what git checks out.

Rule: a hook of someone else's is kept and goes on being called, with its exit code; ours never fails a checkout.
"""

import os
from pathlib import Path
from typing import Final

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.scm.asking import ask

NAMES: Final = ("post-checkout", "post-merge")
MARK: Final = "# legato hook 1"
KEPT: Final = ".before-legato"

_SCRIPT: Final = """#!/bin/sh
{mark}: keeps data in step with what git checks out; written by `legato init --hooks`.
# Another hook that was here before is called first, and its exit code is what git hears.
here=$(dirname "$0")
code=0
if [ -x "$here/{name}{kept}" ]; then
    "$here/{name}{kept}" "$@" || code=$?
fi
{moved}
if [ -n "$before" ] && git diff --quiet "$before" "$now" -- {lock} 2>/dev/null; then
    exit $code
fi
unset $(git rev-parse --local-env-vars)
cd {root} 2>/dev/null || exit $code
if [ -x {python} ]; then
    {python} -m legato data checkout --hook "$before" </dev/null || true
elif command -v legato >/dev/null 2>&1; then
    legato data checkout --hook "$before" </dev/null || true
fi
exit $code
"""

_MOVED: Final = {
    # a checkout of a branch or commit ($3 is 1), or of single files, after which the lock may be another
    "post-checkout": 'before=$1\nnow=$2\nif [ "$3" = 0 ]; then before=""; fi',
    "post-merge": "before=$(git rev-parse --quiet --verify ORIG_HEAD)\nnow=HEAD",
}


def install_hooks(root: Path, python: str) -> list[str]:
    """Install the hooks, or bring them up to date; return what was done, a line each.

    Args:
        root: The project.
        python: The interpreter that has Legato.

    Raises:
        MissingError: The project is in no git repository.
        ConfigurationError: The repository shares its hooks with other people or repositories.
        OutsideError: The hooks cannot be written.
    """
    folder = _folder(root)
    done = []
    for name in NAMES:
        script = _script(name, root, python)
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            done.append(_install(path, script))
        except OSError as error:
            raise OutsideError(
                f"cannot write the hook {path}: {(error.strerror or str(error)).lower()}",
                hint="look at its rights",
            ) from None
    return done


def _folder(root: Path) -> Path:
    found = ask(root, "rev-parse", "--git-path", "hooks")
    if found is None:
        raise MissingError(f"{root} is in no git repository", hint="`git init` makes one")
    folder = Path(os.path.join(root, found.decode().rstrip("\n")))  # noqa: PTH118 - git says it relative or absolute
    shared = ask(root, "config", "--get", "core.hooksPath")
    common = ask(root, "rev-parse", "--git-common-dir")
    own = Path(os.path.realpath(os.path.join(root, (common or b"").decode().rstrip("\n"))))  # noqa: PTH118 - as above
    if shared and not Path(os.path.realpath(folder)).is_relative_to(own):
        raise ConfigurationError(
            f"core.hooksPath says that hooks are in {folder}, which others may share",
            hint='put into its post-checkout and post-merge: legato data checkout --hook "$1" || true',
        )
    return folder


def _script(name: str, root: Path, python: str) -> str:
    import shlex

    top = ask(root, "rev-parse", "--show-toplevel")
    inside = os.path.relpath(root, (top or b"").decode().rstrip("\n")) if top else "."
    lock = "legato.lock" if inside == "." else f"{inside}/legato.lock"
    return _SCRIPT.format(
        mark=MARK,
        name=name,
        kept=KEPT,
        moved=_MOVED[name],
        lock=shlex.quote(f":(top,literal){lock}"),
        root=shlex.quote(inside),
        python=shlex.quote(python),
    )


def _install(path: Path, script: str) -> str:
    kept = path.with_name(path.name + KEPT)
    there = os.path.lexists(path)
    if there and not _is_ours(path):
        if os.path.lexists(kept):
            raise ConfigurationError(
                f"both {path} and {kept} are there, and neither is Legato's",
                hint="join the two by hand into the second, and remove the first",
            )
        path.rename(kept)
        _write(path, script)
        return f"installed the git hook {path.name}; the one that was there is called first ({kept.name})"
    if there and path.read_bytes() == script.encode():
        return f"the git hook {path.name} is installed"
    _write(path, script)
    return f"{'renewed' if there else 'installed'} the git hook {path.name}"


def _is_ours(path: Path) -> bool:
    try:
        return b"\n# legato hook " in path.read_bytes()[:200]
    except OSError:
        return False


def _write(path: Path, script: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(script, encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
