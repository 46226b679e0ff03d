"""What a step may ask for: limits, its own packages, folders that last, addresses, references, other modules, models.

Rule: each is tried as a person would, by running a pipeline and looking at what it left.
"""

import base64
import hashlib
import json
import sys
import zipfile

import pytest
from project_folder import wait_for

FREE = {"UV_NO_INDEX": "1", "UV_OFFLINE": "1"}


# -- memory ------------------------------------------------------------------------------------------------------


def test_a_step_above_its_memory_ends_with_its_peak_and_the_limit(project):
    project.pipeline("""
        @lg.step(memory="200MiB")
        def hungry() -> int:
            return len([bytearray(20_000_000) for _ in range(200)])
    """)

    ran = project.legato("run", code=1)

    assert "memory=200.0 MiB" in ran.err
    assert "it held 2" in ran.err
    assert "raise that on the step" in ran.err


def test_what_a_steps_programs_held_and_used_counts_for_the_step(project):
    project.pipeline("""
        import subprocess, sys

        BUSY = "x = bytearray(90_000_000); import time\\nwhile time.process_time() < 0.5: pass"

        @lg.step
        def tree() -> int:
            programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
            return sum(program.wait() for program in programs)
    """)

    project.legato("run")

    (step,) = project.legato("show", "1", "--json").json()["steps"]
    assert step["peak_bytes"] > 180_000_000
    assert step["cpu_s"] > 0.8


# -- folders -----------------------------------------------------------------------------------------------------


def test_a_folder_becomes_the_artifact_by_rename(project):
    project.pipeline("""
        import os
        from pathlib import Path

        @lg.step
        def model() -> Path:
            folder = lg.out_folder()
            with open(folder / "weights.bin", "wb") as file:
                for _ in range(64):
                    file.write(os.urandom(2**16))
            print("inode", os.stat(folder / "weights.bin").st_ino)
            return folder
    """)

    project.legato("run")

    inode = int(project.legato("logs", "model").out.split("inode")[1])
    objects = (path for path in (project.state / "store" / "objects").rglob("*") if path.is_file())
    assert inode in {path.stat().st_ino for path in objects}


def test_outputs_that_share_a_folder_are_all_kept(project):
    project.pipeline("""
        from pathlib import Path
        from typing import NamedTuple

        class Both(NamedTuple):
            whole: Path
            part: Path

        @lg.step
        def both() -> Both:
            folder = lg.out_folder()
            (folder / "part.txt").write_text("part")
            return Both(folder, folder / "part.txt")

        @lg.step
        def read(whole: Path, part: Path) -> str:
            return (whole / "part.txt").read_text() + part.read_text()
    """)

    project.legato("run")

    assert project.got("read") == "partpart"


RESUMES = """
    import os
    from pathlib import Path

    @lg.step(retries={retries})
    def training() -> int:
        folder = lg.checkpoints()
        epochs = len(list(folder.iterdir()))
        (folder / f"epoch{{epochs}}").touch()
        print("epoch", epochs)
        if epochs < 2:
            os.kill(os.getpid(), 9)
        return epochs
"""


def test_checkpoints_survive_attempts_that_are_killed(project):
    project.pipeline(RESUMES.format(retries=2))

    project.legato("run")

    assert project.got("training") == "2"
    assert not list((project.state / "checkpoints").iterdir())


def test_checkpoints_survive_to_a_later_run_of_the_same_key_only(project):
    project.pipeline(RESUMES.format(retries=0))

    project.legato("run", code=1)
    project.legato("run", code=1)

    assert project.computed() == ["training"]
    assert project.got("training") == "2"
    project.edit("pipeline.py", "epochs < 2", "epochs < 1")
    project.legato("run", code=1)
    assert project.legato("logs", "training").out.split() == ["epoch", "0"]


# -- addresses and references --------------------------------------------------------------------------------------


def test_a_remote_is_an_address_that_can_be_read_in_place(project):
    project.write("rows.txt", "three\nrows\nhere\n")
    project.pipeline("""
        from urllib.request import urlopen

        rows = lg.dataset("rows.txt")

        @lg.step
        def count(rows: lg.Remote) -> int:
            assert str(rows).startswith("file:///")
            return len(urlopen(rows.address).readlines())
    """)

    project.legato("run")

    assert project.got("count") == "3"


def test_a_reference_is_keyed_by_its_name_and_version_and_is_not_held(project):
    project.pipeline("""
        @lg.step
        def features(*, version: int = 1, address: str = "s3://a/b") -> lg.Reference:
            return lg.Reference("warehouse.features", version=version, address=address)

        @lg.step
        def use(features: lg.Reference) -> str:
            return f"{features.name} {features.version}"

        @lg.step
        def where(features: lg.Remote) -> str:
            return str(features)
    """)
    project.legato("run")

    moved = project.computed("-p", "features.address=s3://c/d")
    newer = project.computed("-p", "features.version=2")

    assert moved == ["features"]
    assert newer == ["features", "use", "where"]
    assert project.got("use") == "warehouse.features 2"
    assert project.got("where") == "s3://a/b"
    assert "not held" in project.legato("show", "features").out
    refused = project.legato("get", "features", "-o", "copy", code=2)
    assert "warehouse.features (version 2) is not held here" in refused.err


def test_a_reference_taken_as_a_value_is_refused_before_anything_runs(project):
    project.pipeline("""
        @lg.step
        def features() -> lg.Reference:
            return lg.Reference("warehouse.features", version=1)

        @lg.step
        def use(features: dict[str, int]) -> int:
            return 1
    """)

    ran = project.legato("run", code=2)

    assert "takes `features` as dict[str, int]" in ran.err


# -- steps of another module ---------------------------------------------------------------------------------------


SHARED = """
import legato as lg
from typing import NamedTuple

class Split(NamedTuple):
    train_set: list[int]
    test_set: list[int]

@lg.step
def split(rows: list[int], *, share: float = 0.5) -> Split:
    at = int(len(rows) * share)
    return Split(rows[:at], rows[at:])

@lg.step
def score(train_set: list[int], test_set: list[int], offset: int) -> int:
    return sum(train_set) - sum(test_set) + offset

swapped = score.using(train_set=split.output("test_set"), test_set=split.output("train_set"))
"""

INCLUDES = """
    from shared import steps

    lg.include(steps, prefix="churn_")
    lg.include(steps, "split", prefix="other_")

    @lg.step
    def rows() -> list[int]:
        return [1, 2, 3, 4]

    @lg.step
    def offset() -> int:
        return 100
"""


def test_included_steps_are_wired_among_themselves_and_to_the_rest_by_name(project):
    project.write("shared/steps.py", SHARED)
    project.pipeline(INCLUDES)

    project.run("-p", "churn_split.share=0.25")

    assert project.got("churn_score") == "92"
    assert project.got("churn_swapped") == "108"
    assert project.got("other_split.train_set") == "[1,2]"


def test_a_step_that_is_not_there_cannot_be_included(project):
    project.write("shared/steps.py", SHARED)
    project.pipeline(INCLUDES.replace('"split", prefix', '"spilt", prefix'))

    ran = project.legato("plan", code=2)

    assert "pipeline.py:6: shared.steps has no step 'spilt'" in ran.err
    assert "did you mean `split`?" in ran.err


def test_two_inclusions_of_one_name_are_refused_with_both_lines(project):
    project.write("shared/steps.py", SHARED)
    project.pipeline(INCLUDES.replace('prefix="other_"', 'prefix="churn_"'))

    ran = project.legato("plan", code=2)

    assert "two things are called `churn_split`" in ran.err
    assert "shared/steps.py:9" in ran.err
    assert "pipeline.py:6" in ran.err


# -- registered models -----------------------------------------------------------------------------------------------


MODEL = """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    @lg.step
    def classifier(*, strength: float = 1.0) -> LogisticRegression:
        values = np.linspace(-1, 1, 200)[:, None]
        return LogisticRegression(C=strength).fit(values, values[:, 0] > 0)

    @lg.step
    def evaluation(classifier: LogisticRegression) -> lg.Evaluation:
        values = np.linspace(-1, 1, 200)[:, None]
        return lg.Evaluation(labels=values[:, 0] > 0, predictions=classifier.predict(values))

    sign_model = lg.model("sign", classifier, evaluation, gates=[lg.at_least("accuracy", 0.9)])
"""

USES = """
    from sklearn.linear_model import LogisticRegression

    before = lg.registered("{}")

    @lg.step
    def strength(before: LogisticRegression) -> float:
        return before.C
"""


def test_a_registered_model_is_an_input_like_any_other(project):
    project.pipeline(MODEL)
    project.legato("run")
    project.pipeline(USES.format("sign@champion"))
    project.legato("run")
    first, again = project.got("strength"), project.run()
    project.pipeline(MODEL)
    project.legato("run", "-p", "classifier.strength=2.0")
    project.pipeline(USES.format("sign@champion"))

    why = project.legato("why", "before").out
    computed = project.computed()

    assert first == "1.0"
    assert again == {"before": "reused", "strength": "reused"}
    assert "sign:1 -> sign:2" in why
    assert computed == ["before", "strength"]
    assert project.got("strength") == "2.0"


def test_a_model_that_is_not_registered_is_told_from_those_that_are(project):
    project.pipeline(USES.format("sing@champion"))

    ran = project.legato("plan", code=4)

    assert "no model is called 'sing'" in ran.err
    project.pipeline(USES.format("sing@"))
    assert "'sing@' names no registered model" in project.legato("plan", code=2).err


# -- packages --------------------------------------------------------------------------------------------------------


def wheel(folder, name, version, body):
    """Write a wheel of one module, and return the line that locks it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{file},sha256={_digest(text)},{len(text)}" for file, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def wheels(tmp_path):
    pytest.importorskip("uv", reason="install uv")
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


APART = """
    import numpy as np

    @lg.step(packages={packages})
    def apart() -> dict[str, str]:
        import sys
        import tinything
        try:
            import numpy
            other = "numpy is here"
        except ImportError:
            other = "numpy is not here"
        return {{"tinything": tinything.WHAT, "other": other, "python": sys.prefix}}

    @lg.step
    def beside(apart: dict[str, str]) -> str:
        return f"{{np.pi:.2f}} {{apart['tinything']}} {{apart['other']}}"
"""


def test_a_step_runs_with_its_own_packages_and_no_others(project, wheels):
    project.write("requirements.lock", wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n"))
    project.pipeline(APART.format(packages='"requirements.lock"'))
    setup = FREE | {"UV_FIND_LINKS": str(wheels)}

    project.legato("run", env=setup)
    recipe = project.legato("why", "apart", env=setup).out

    assert project.got("beside") == "3.14 one numpy is not here"
    assert str(project.state) in json.loads(project.got("apart"))["python"]
    assert "tinything  1.0" in recipe
    assert "numpy" not in recipe


def test_another_lock_runs_the_step_again_and_an_environment_serves_without_an_index(project, wheels):
    first = wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n")
    project.write("requirements.lock", first)
    project.pipeline(APART.format(packages='"requirements.lock"'))
    setup = FREE | {"UV_FIND_LINKS": str(wheels)}
    project.legato("run", env=setup)
    project.write("requirements.lock", wheel(wheels, "tinything", "2.0", "WHAT = 'two'\n"))

    newer = project.computed(env=setup)
    project.write("requirements.lock", "# the same as before\n" + first)
    reused = project.run(env=FREE)
    project.legato("run", "--again", "apart", env=FREE)

    assert newer == ["apart", "beside"]
    assert set(reused.values()) == {"reused"}
    assert len(list((project.state / "environments").glob("*/made.json"))) == 2


def test_a_list_of_packages_is_locked_once(project, wheels):
    wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n")
    project.pipeline(APART.format(packages='["tinything>=1"]'))
    setup = FREE | {"UV_FIND_LINKS": str(wheels)}
    project.legato("run", env=setup)

    wheel(wheels, "tinything", "2.0", "WHAT = 'two'\n")
    project.edit("pipeline.py", "import sys", "import sys, os")
    project.legato("run", env=setup)

    assert project.got("beside") == "3.14 one numpy is not here"


def test_packages_that_cannot_be_had_are_named_with_what_to_do(project, wheels):
    locked = wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n")
    project.pipeline(APART.format(packages='"requirements.lock"'))
    setup = FREE | {"UV_FIND_LINKS": str(wheels)}

    missing = project.legato("plan", code=4)
    project.write("requirements.lock", "# what it needs\ntinything>=1\n")
    unlocked = project.legato("plan", code=2)
    project.write("requirements.lock", locked.replace("1.0", "9.0"))
    unknown = project.legato("run", env=setup, code=1)

    assert "packages='requirements.lock' is not there" in missing.err
    assert "requirements.lock:2: 'tinything>=1' is not locked" in unlocked.err
    assert "uv pip compile" in unlocked.err
    assert "tinything==9.0" in unknown.err
    assert not list((project.state / "environments").glob("*making*"))


def test_a_step_apart_fails_crashes_and_says_as_any_other(project, wheels):
    project.write("requirements.lock", wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n"))
    project.pipeline("""
        import numpy as np
        import os

        @lg.step(packages="requirements.lock")
        def raises() -> int:
            return 1 // int("0")

        @lg.step(packages="requirements.lock")
        def crashes() -> int:
            os.kill(os.getpid(), 11)

        @lg.step(packages="requirements.lock")
        def leaves() -> int:
            os._exit(3)

        @lg.step(packages="requirements.lock")
        def forgets() -> float:
            return float(np.mean([1, 2]))
    """)

    ran = project.legato("run", code=1, env=FREE | {"UV_FIND_LINKS": str(wheels)}, ours=True)

    assert "ZeroDivisionError" in ran.err
    assert "signal 11" in ran.err
    assert "exited with code 3" in ran.err
    assert "numpy.mean was called, but 'numpy' is not among the packages= of this step" in ran.err


def test_an_environment_that_was_being_made_when_all_was_killed_is_made_anew(project, wheels):
    project.write("requirements.lock", wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n"))
    project.pipeline(APART.format(packages='"requirements.lock"'))
    setup = FREE | {"UV_FIND_LINKS": str(wheels)}
    begun = project.begin("run", env=setup)
    wait_for(lambda: list((project.state / "environments").glob("*making*")) or begun.poll() is not None)
    begun.kill()
    begun.communicate()
    project.wait_until_quiet()

    project.legato("run", env=setup)

    assert project.got("beside") == "3.14 one numpy is not here"
    assert not list((project.state / "environments").glob("*making*"))


def test_outside_a_run_every_word_works_too(project):
    project.write(
        "alone.py",
        """
        import legato as lg

        assert lg.checkpoints().is_dir() and lg.checkpoints() == lg.checkpoints()
        assert lg.out_folder() != lg.out_folder()
        assert lg.Reference("a", version=1) == lg.Reference("a", version="1")
    """,
    )

    ran = project.legato("--version")

    import subprocess

    ended = subprocess.run([sys.executable, "alone.py"], cwd=project.root, check=False)
    assert ran.code == 0
    assert ended.returncode == 0


def test_a_program_runs_with_packages_of_its_own(project, wheels):
    project.write("requirements.lock", wheel(wheels, "tinything", "1.0", "WHAT = 'one'\n"))
    project.write("say.py", "import sys, tinything\nopen(sys.argv[1], 'w').write(tinything.WHAT)\n")
    project.pipeline("""
        said = lg.command("said", "python say.py {out.text}", outputs={"text": str}, packages="requirements.lock")

        @lg.step
        def read(text: str) -> str:
            return text
    """)

    project.legato("run", env=FREE | {"UV_FIND_LINKS": str(wheels)})

    assert project.got("read") == "one"
