"""CI/CD for machine learning in one Python package: `import legato as lg` hands every word of a pipeline on.

Rule (law 8): importing this loads nothing else; a word's home is imported when the word is first used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from legato.app.notebook import diff as diff
    from legato.app.notebook import load as load
    from legato.app.notebook import runs as runs
    from legato.domain.elsewhere import Reference as Reference
    from legato.domain.elsewhere import Remote as Remote
    from legato.domain.evaluation import Evaluation as Evaluation
    from legato.domain.gates import at_least as at_least
    from legato.domain.gates import at_most as at_most
    from legato.domain.gates import no_worse_than_champion as no_worse_than_champion
    from legato.domain.version import __version__ as __version__
    from legato.formats import Pickled as Pickled
    from legato.pipeline.authoring import check as check
    from legato.pipeline.authoring import command as command
    from legato.pipeline.authoring import dataset as dataset
    from legato.pipeline.authoring import dvc as dvc
    from legato.pipeline.authoring import endpoint as endpoint
    from legato.pipeline.authoring import format as format  # noqa: A004 - the word of the interface
    from legato.pipeline.authoring import include as include
    from legato.pipeline.authoring import model as model
    from legato.pipeline.authoring import parameter as parameter
    from legato.pipeline.authoring import registered as registered
    from legato.pipeline.authoring import step as step
    from legato.pipeline.context import checkpoints as checkpoints
    from legato.pipeline.context import log as log
    from legato.pipeline.context import out_folder as out_folder
    from legato.pipeline.context import run as run
    from legato.pipeline.gathered import Gathered as Gathered
    from legato.pipeline.handles import Step as Step
    from legato.pipeline.retrying import retries as retries
    from legato.pipeline.searches import choice as choice
    from legato.pipeline.searches import floats as floats
    from legato.pipeline.searches import ints as ints
    from legato.pipeline.searches import tune as tune
    from legato.pipeline.trigger_words import on_drift as on_drift
    from legato.pipeline.trigger_words import on_new_data as on_new_data
    from legato.pipeline.trigger_words import on_pull_request as on_pull_request
    from legato.pipeline.trigger_words import on_push as on_push
    from legato.pipeline.trigger_words import on_schedule as on_schedule
    from legato.pipeline.trigger_words import on_tag as on_tag
    from legato.pipeline.trigger_words import scheduled as scheduled

_HOMES = {
    "Evaluation": "legato.domain.evaluation",
    "Gathered": "legato.pipeline.gathered",
    "Pickled": "legato.formats",
    "Reference": "legato.domain.elsewhere",
    "Remote": "legato.domain.elsewhere",
    "Step": "legato.pipeline.handles",
    "__version__": "legato.domain.version",
    "at_least": "legato.domain.gates",
    "at_most": "legato.domain.gates",
    "check": "legato.pipeline.authoring",
    "checkpoints": "legato.pipeline.context",
    "choice": "legato.pipeline.searches",
    "command": "legato.pipeline.authoring",
    "dataset": "legato.pipeline.authoring",
    "diff": "legato.app.notebook",
    "dvc": "legato.pipeline.authoring",
    "endpoint": "legato.pipeline.authoring",
    "floats": "legato.pipeline.searches",
    "format": "legato.pipeline.authoring",
    "include": "legato.pipeline.authoring",
    "ints": "legato.pipeline.searches",
    "load": "legato.app.notebook",
    "log": "legato.pipeline.context",
    "model": "legato.pipeline.authoring",
    "no_worse_than_champion": "legato.domain.gates",
    "on_drift": "legato.pipeline.trigger_words",
    "on_new_data": "legato.pipeline.trigger_words",
    "on_pull_request": "legato.pipeline.trigger_words",
    "on_push": "legato.pipeline.trigger_words",
    "on_schedule": "legato.pipeline.trigger_words",
    "on_tag": "legato.pipeline.trigger_words",
    "out_folder": "legato.pipeline.context",
    "parameter": "legato.pipeline.authoring",
    "registered": "legato.pipeline.authoring",
    "retries": "legato.pipeline.retrying",
    "run": "legato.pipeline.context",
    "runs": "legato.app.notebook",
    "scheduled": "legato.pipeline.trigger_words",
    "step": "legato.pipeline.authoring",
    "tune": "legato.pipeline.searches",
}


def __getattr__(name: str) -> object:
    """Import the home of `name` and hand it on; later uses find it here at once."""
    home = _HOMES.get(name)
    if home is None:
        if name.startswith("_"):
            raise AttributeError(f"module 'legato' has no attribute {name!r}")
        from legato.pipeline.vocabulary import no_such_word

        raise no_such_word(name, _HOMES)
    word: object = getattr(__import__(home, fromlist=(name,)), name)
    globals()[name] = word
    return word


def __dir__() -> list[str]:
    """List the words of a pipeline, loaded or not."""
    return sorted({*globals(), *_HOMES})
