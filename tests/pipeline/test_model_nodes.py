import msgspec
import pytest

from legato.domain.verdicts import Gate
from legato.pipeline.select import select

STEPS = """
class Split(NamedTuple):
    train_set: list
    test_set: list

@lg.step
def split() -> Split: ...

@lg.step
def classifier(train_set: list) -> dict: ...

@lg.step(cpus=2)
def evaluation(classifier: dict, test_set: list, *, seed: int = 1) -> lg.Evaluation: ...

@lg.check
def test_set_is_full(test_set: list) -> None: ...
"""
MODEL = """
wine = lg.model("wine-quality", classifier, evaluation, gates=[
    lg.at_least("accuracy", 0.8), lg.no_worse_than_champion("f1", margin=0.01)])
served = lg.endpoint("wine", wine, environments=["local", "staging"])
"""


def inputs(graph, name):
    return {taken.parameter: taken.artifact for taken in graph.node(name).inputs}


def test_a_model_becomes_package_champion_gates_and_register(studio):
    graph = studio.collect(STEPS + MODEL).graph

    kinds = {node.name: node.kind for node in graph.nodes if node.name.startswith("wine")}
    assert kinds == {
        "wine.package": "package",
        "wine.champion_evaluation": "champion",
        "wine.gates": "gates",
        "wine": "register",
    }
    assert inputs(graph, "wine.package") == {"model": "classifier", "test_set": "test_set"}
    assert inputs(graph, "wine.champion_evaluation") == {"classifier": "classifier", "test_set": "test_set"}
    assert inputs(graph, "wine.gates") == {"evaluation": "evaluation", "champion": "wine.champion_evaluation"}
    assert inputs(graph, "wine") == {
        "model": "classifier",
        "servable": "wine.servable",
        "judgement": "wine.judgement",
        "evaluation": "evaluation",
    }


def test_the_champion_is_scored_like_the_candidate(studio, override):
    collected = studio.collect(STEPS + MODEL, override("evaluation.seed=9"))
    node = collected.graph.node("wine.champion_evaluation")

    assert node.detail == {"model": "wine-quality", "parameter": "classifier", "step": "evaluation"}
    assert node.settings == collected.graph.node("evaluation").settings
    assert node.settings[0].wire == "9"
    assert node.words.cpus == 2.0
    assert collected.functions[node.name] is collected.functions["evaluation"]


def test_gates_travel_as_plain_data(studio):
    detail = studio.collect(STEPS + MODEL).graph.node("wine.gates").detail

    gates = msgspec.convert(detail["gates"], tuple[Gate, ...])

    assert [gate.name for gate in gates] == ["accuracy >= 0.8", "f1 no worse than champion by 0.01"]
    assert detail["model"] == "wine-quality"


def test_an_endpoint_comes_after_its_model(studio):
    node = studio.collect(STEPS + MODEL).graph.node("served")

    assert (node.kind, node.after) == ("deploy", ("wine",))
    assert inputs(studio.collect(STEPS + MODEL).graph, "served") == {"servable": "wine.servable"}
    assert node.detail == {"endpoint": "wine", "model": "wine-quality", "environments": ["local", "staging"]}


def test_checks_stop_what_judges_and_packs_the_model(studio):
    graph = studio.collect(STEPS + MODEL).graph

    for name in ("evaluation", "wine.package", "wine.champion_evaluation"):
        assert "test_set_is_full" in graph.node(name).after


def test_without_a_champion_gate_nothing_scores_the_champion(studio):
    graph = studio.collect(
        STEPS + 'wine = lg.model("wine", classifier, evaluation, gates=[lg.at_least("f1", 0.5)])\n'
    ).graph

    assert [node.name for node in graph.nodes if node.kind == "champion"] == []
    assert inputs(graph, "wine.gates") == {"evaluation": "evaluation"}


def test_an_evaluation_that_cannot_be_handed_the_champion_says_why(studio):
    graph = studio.collect(
        STEPS
        + """
@lg.step
def predictions(classifier: dict, test_set: list) -> list: ...

@lg.step
def scored(predictions: list) -> lg.Evaluation: ...

wine = lg.model("wine", classifier, scored, gates=[lg.no_worse_than_champion("f1")])
"""
    ).graph

    assert "does not take `classifier` itself" in graph.node("wine.gates").detail["champion_note"]
    assert "champion" not in inputs(graph, "wine.gates")


def test_a_derived_evaluation_and_one_output_serve_as_well(studio):
    graph = studio.collect(
        STEPS
        + """
class Trained(NamedTuple):
    weights: dict
    scores: lg.Evaluation

@lg.step
def training(test_set: list) -> Trained: ...

first = lg.model("first", "weights", training.output("scores"), gates=[lg.no_worse_than_champion("f1")])
baseline = classifier.using(train_set="test_set")
baseline_evaluation = evaluation.using(classifier=baseline, seed=3)
second = lg.model("second", baseline, baseline_evaluation, gates=[lg.no_worse_than_champion("f1")])
"""
    ).graph

    assert inputs(graph, "first.gates") == {"evaluation": "scores"}
    champion = graph.node("second.champion_evaluation")
    assert champion.detail["step"] == "baseline_evaluation"
    assert champion.settings[0].wire == "3"


def test_an_input_called_model_makes_room_for_the_model(studio):
    graph = studio.collect(
        "@lg.step\ndef model() -> list: ...\n@lg.step\ndef fitted() -> dict: ...\n"
        "@lg.step\ndef judged(fitted: dict, model: list) -> lg.Evaluation: ...\n"
        "m = lg.model('m', fitted, judged)\n"
    ).graph

    assert inputs(graph, "m.package") == {"model": "fitted", "model_": "model"}


def test_an_endpoint_as_target_brings_all_of_its_model(studio):
    graph = select(studio.collect(STEPS + MODEL).graph, ["served"])

    assert len(graph.nodes) == 9


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "m = lg.model('m', classifier, classifier)",
            "`classifier`, which returns dict, not an Evaluation",
            "lg.Evaluation",
        ),
        (
            "m = lg.model('m', split, evaluation)",
            "makes several artifacts: train_set, test_set",
            'split.output("train_set")',
        ),
        ("m = lg.model('m', 'clasifier', evaluation)", "`clasifier`, which nothing makes", "`classifier`"),
        (
            "m = lg.model('m', classifier, test_set_is_full)",
            "which is a check and makes no artifact",
            "a step makes",
        ),
        ("m = lg.model('m', 3, evaluation)", "takes '3', which is no artifact", "pass a step"),
        (
            "m = lg.model('m', classifier, evaluation)\nn = lg.model('m', classifier, evaluation)",
            "two models are called 'm'",
            "rename",
        ),
        (
            "e = lg.endpoint('e', lg.model('m', classifier, evaluation))",
            "which has no name in this module",
            "e_model = lg.model",
        ),
    ],
)
def test_a_model_that_cannot_be_judged_is_refused(studio, text, message, hint):
    error = studio.refused(STEPS + text + "\n")

    told = f"{error.message}\n{error.hint}"
    assert message in told
    assert hint in told
