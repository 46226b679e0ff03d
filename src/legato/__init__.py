"""CI/CD for machine learning in one Python package: `import legato as lg` hands every word of a pipeline on.

Rule (law 8): importing this loads nothing else; a word's home is imported when the word is first used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    "command": "legato.pipeline.authoring",
    "dataset": "legato.pipeline.authoring",
    "dvc": "legato.pipeline.authoring",
    "endpoint": "legato.pipeline.authoring",
    "format": "legato.pipeline.authoring",
    "include": "legato.pipeline.authoring",
    "load": "legato.app.notebook",
    "log": "legato.pipeline.context",
    "model": "legato.pipeline.authoring",
    "no_worse_than_champion": "legato.domain.gates",
    "out_folder": "legato.pipeline.context",
    "parameter": "legato.pipeline.authoring",
    "registered": "legato.pipeline.authoring",
    "retries": "legato.pipeline.retrying",
    "run": "legato.pipeline.context",
    "runs": "legato.app.notebook",
    "step": "legato.pipeline.authoring",
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
