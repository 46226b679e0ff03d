"""Steps that run once for each element: naming, alignment, gathering, tolerance, conditions, and what is run again."""

import math

import msgspec
import pytest
from engine_world import World, each, elements, fanned, gather, matrix, node, over
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from legato.domain.errors import MissingError
from legato.domain.events import StepFinished
from legato.domain.graph import Input
from legato.domain.plan import Decision
from legato.domain.progress import Expanded, Gathered
from legato.engine import read

STORES = (node("stores"), elements("stores"))


def names(ran, template):
    return [name for name in ran.states if name.startswith(f"{template}[")]


def failing_for(*items):
    def function(item):
        if item in items:
            raise ArithmeticError(f"no {item}")
        return item

    return function


@pytest.fixture
def stores(world):
    """A world in which `stores` are three."""
    world.functions["stores"] = lambda: ["rome", "berlin", "paris"]
    world.functions["training"] = lambda item: f"model of {item}"
    world.functions["report"] = lambda training: training
    return world


PIPELINE = (*STORES, each("training", "stores"), gather("report", "training"))


def test_a_step_runs_once_for_each_element_and_all_are_gathered(stores):
    ran = stores.run(*PIPELINE)

    assert names(ran, "training") == ["training[item=berlin]", "training[item=paris]", "training[item=rome]"]
    assert stores.value(ran.steps["report"].outputs["report"]) == {
        "berlin": "model of berlin",
        "paris": "model of paris",
        "rome": "model of rome",
    }
    assert "training" not in ran.states
    assert {step.family for step in ran.summary.steps if step.name.startswith("training")} == {"training"}


def test_a_second_run_reuses_every_element(stores):
    stores.run(*PIPELINE)

    ran = stores.run(*PIPELINE)

    assert set(ran.states.values()) == {"reused"}
    assert ran.summary.number == 0
    assert ran.summary.saved_s == pytest.approx(sum(step.usage.wall_s for step in ran.summary.steps))


def test_order_changes_nothing_and_an_addition_runs_alone(stores):
    stores.run(*PIPELINE)
    stores.functions["stores"] = lambda: ["paris", "berlin", "rome"]
    stores.versions["stores"] = "sorted otherwise"
    first = stores.run(*PIPELINE)
    stores.functions["stores"] = lambda: ["paris", "oslo", "berlin", "rome"]
    stores.versions["stores"] = "with oslo"
    stores.ran.clear()

    stores.run(*PIPELINE)

    assert [name for name, state in first.states.items() if state == "computed"] == [
        "stores",
        "stores.elements",
    ]
    assert stores.ran == ["stores", "stores.elements", "training[item=oslo]", "report"]


def test_a_family_is_announced_and_summed_up(stores):
    stores.run(*PIPELINE)

    (known,) = [one for one in stores.progress if isinstance(one, Expanded)]
    (over_,) = [one for one in stores.progress if isinstance(one, Gathered)]
    assert known.step == over_.step == "training"
    assert len(known.elements) == 3
    assert over_.counts == {"computed": 3}


def test_what_takes_a_fanned_out_artifact_is_fanned_out_along_with_it(stores):
    stores.functions["score"] = lambda training, wide: f"{training}/{wide}"

    ran = stores.run(
        *STORES,
        node("wide"),
        each("training", "stores"),
        fanned("score", [over("stores")], "training", "wide"),
    )

    artifact = ran.steps["score[item=rome]"].outputs["score[item=rome]"]
    assert stores.value(artifact) == "model of rome/1"


def test_an_element_goes_on_while_a_sibling_is_tried_again(stores):
    tries = []

    def flaky(item):
        tries.append(item)
        if tries.count(item) == 1 and item == "berlin":
            raise ArithmeticError("once")
        return item

    stores.functions["training"] = flaky
    score = fanned("score", [over("stores")], "training")

    stores.run(*STORES, each("training", "stores", retries=1), score)

    again = len(stores.ran) - 1 - stores.ran[::-1].index("training[item=berlin]")
    assert stores.ran.index("score[item=rome]") < again


def test_two_axes_make_their_cross_product(stores):
    stores.functions["training"] = lambda item, depth: f"{item} {depth}"
    depth = matrix("depth", 4, 8)
    step = each("training", "stores", axes=[depth], matrix=["depth"])

    ran = stores.run(*STORES, step, gather("report", "training"))

    found = stores.value(ran.steps["report"].outputs["report"])
    assert len(found) == 6
    assert found["depth=8,item=rome"] == "rome 8"


def test_inputs_of_different_axes_are_crossed_and_each_is_aligned(world):
    world.functions |= {"a": lambda x: f"a{x}", "b": lambda y: f"b{y}", "both": lambda a, b: a + b}
    x, y = matrix("x", 1, 2), matrix("y", 3, 4)

    ran = world.run(
        fanned("a", [x], matrix=["x"]), fanned("b", [y], matrix=["y"]), fanned("both", [x, y], "a", "b")
    )

    made = {name: world.value(ran.steps[name].outputs[name]) for name in names(ran, "both")}
    assert made == {
        "both[x=1,y=3]": "a1b3",
        "both[x=1,y=4]": "a1b4",
        "both[x=2,y=3]": "a2b3",
        "both[x=2,y=4]": "a2b4",
    }


def test_each_element_may_see_all_the_others(stores):
    stores.functions["ranked"] = lambda training, pool: f"{training} of {len(pool)}"
    pool = Input(parameter="pool", artifact="training", part="gathered")
    ranked = fanned("ranked", [over("stores")], "training", inputs=(pool,))

    ran = stores.run(*STORES, each("training", "stores"), ranked)

    assert stores.value(ran.steps["ranked[item=rome]"].outputs["ranked[item=rome]"]) == "model of rome of 3"


def test_nothing_to_fan_out_over_gathers_an_empty_mapping(stores):
    stores.functions["stores"] = list

    ran = stores.run(*PIPELINE)

    assert ran.states == {"stores": "computed", "stores.elements": "computed", "report": "computed"}
    assert stores.value(ran.steps["report"].outputs["report"]) == {}
    assert [one.counts for one in stores.progress if isinstance(one, Gathered)] == [{}]


def test_a_failed_element_takes_down_only_what_depends_on_it(stores):
    stores.functions["training"] = failing_for("rome")
    score = fanned("score", [over("stores")], "training")

    ran = stores.run(*STORES, each("training", "stores"), score, gather("report", "score"))

    assert ran.summary.state == "failed"
    assert ran.states["score[item=rome]"] == "skipped"
    assert ran.states["score[item=berlin]"] == ran.states["score[item=paris]"] == "computed"
    assert ran.states["report"] == "skipped"
    assert ran.steps["report"].message == "not run: 1 of 3 elements of score failed (score[item=rome])"


def test_a_gather_goes_on_without_what_it_tolerates_and_says_so(stores):
    stores.functions["training"] = failing_for("rome")
    score = fanned("score", [over("stores")], "training")
    stores.functions["report"] = lambda score: score

    ran = stores.run(*STORES, each("training", "stores"), score, gather("report", "score", tolerate=0.34))

    assert ran.summary.state == "succeeded"
    assert ran.states["training[item=rome]"] == "failed"
    assert ran.steps["report"].notes == ("went on without 1 of 3 of score: rome",)
    assert stores.value(ran.steps["report"].outputs["report"])["missing"] == ["rome"]
    rows = {row.step: row for row in read.executions(stores.ledger, 1)}
    assert rows["report"].message == "went on without 1 of 3 of score: rome"


def test_a_failure_beside_the_tolerated_one_fails_the_run(stores):
    stores.functions["training"] = failing_for("rome")

    ran = stores.run(
        *STORES,
        each("training", "stores"),
        gather("report", "training", tolerate=0.5),
        gather("strict", "training"),
    )

    assert ran.summary.state == "failed"
    assert ran.states["report"] == "computed"
    assert ran.states["strict"] == "skipped"


def test_more_failures_than_tolerated_stop_the_gather(stores):
    stores.functions["training"] = failing_for("rome", "paris")

    ran = stores.run(*STORES, each("training", "stores"), gather("report", "training", tolerate=0.34))

    assert ran.summary.state == "failed"
    assert ran.steps["report"].message.endswith("tolerate=0.34")


def test_equal_elements_are_computed_once(stores):
    stores.functions["stores"] = lambda: {"a": 1, "b": 1, "c": 1}

    ran = stores.run(*PIPELINE)

    assert [name for name in stores.ran if name.startswith("training")] == ["training[item=a]"]
    assert sorted(ran.states[name] for name in names(ran, "training")) == ["computed", "reused", "reused"]


def test_equal_outputs_cut_a_gather_off(stores):
    stores.run(*PIPELINE)
    stores.versions["training"] = "same results"

    ran = stores.run(*PIPELINE)

    assert ran.states["training[item=rome]"] == "computed"
    assert ran.states["report"] == "reused"


def test_a_source_that_fails_skips_the_family_as_one(stores):
    stores.functions["stores"] = _raise

    ran = stores.run(*PIPELINE)

    assert ran.states == {
        "stores": "failed",
        "stores.elements": "skipped",
        "training": "skipped",
        "report": "skipped",
    }


def _raise():
    raise ArithmeticError("no stores")


def test_effects_are_held_element_by_element_and_what_gathers_them_too(stores):
    ran = stores.run(*STORES, each("training", "stores", effect=True), gather("report", "training"))

    assert ran.summary.state == "succeeded"
    assert ran.states["training[item=rome]"] == ran.states["report"] == "held"


def test_a_checked_family_holds_back_only_the_failed_element(stores):
    stores.functions["sane"] = _insane
    check = fanned("sane", [over("stores")], "training", kind="check")
    score = fanned("score", [over("stores")], "training", after=["sane"])

    ran = stores.run(*STORES, each("training", "stores"), check, score)

    assert ran.states["score[item=rome]"] == "skipped"
    assert ran.states["score[item=berlin]"] == "computed"


def test_an_element_that_its_check_found_bad_is_missing_from_a_tolerant_gather(stores):
    stores.functions["sane"] = _insane
    check = fanned("sane", [over("stores")], "training", kind="check")
    nodes = (*STORES, each("training", "stores"), check)

    strict = stores.run(*nodes, gather("report", "training", after=["sane"]))
    tolerant = stores.run(*nodes, gather("report", "training", after=["sane"], tolerate=0.34))

    assert strict.states["report"] == "skipped"
    assert "sane[item=rome]" in strict.steps["report"].message
    assert tolerant.summary.state == "succeeded"
    assert stores.value(tolerant.steps["report"].outputs["report"]) == {
        "berlin": "model of berlin",
        "paris": "model of paris",
        "missing": ["rome"],
    }


def _insane(training):
    if "rome" in training:
        raise ArithmeticError("not sane")


# -- conditions ----------------------------------------------------------------------------------------------


def test_a_false_condition_leaves_out_a_step_and_what_depends_on_it(world):
    world.functions["monday"] = lambda: False

    ran = world.run(node("monday"), fanned("mail", (), when="monday"), node("receipt", "mail"), node("other"))

    assert ran.summary.state == "succeeded"
    assert ran.states == {
        "monday": "computed",
        "mail": "not wanted",
        "receipt": "not wanted",
        "other": "computed",
    }
    assert ran.steps["mail"].message == "monday is False"


def test_a_true_condition_changes_nothing(world):
    world.functions["monday"] = lambda: True

    assert world.run(node("monday"), fanned("mail", (), when="monday")).states["mail"] == "computed"


def test_a_condition_that_is_no_bool_is_refused(world):
    world.functions["monday"] = lambda: "yes"

    ran = world.run(node("monday"), fanned("mail", (), when="monday"))

    assert ran.states["mail"] == "failed"
    assert "True or False" in ran.steps["mail"].message
    assert "bool" in ran.steps["mail"].hint


def test_a_parameter_may_say_that_a_step_is_not_wanted(world):
    unwanted = msgspec.structs.replace(node("mail"), wanted=False)

    ran = world.run(unwanted, node("receipt", "mail"), node("other"))

    assert ran.states == {"mail": "not wanted", "receipt": "not wanted", "other": "computed"}
    assert ran.summary.state == "succeeded"
    assert world.ran == ["other"]


def test_a_condition_for_each_element_leaves_some_out_of_the_gather(stores):
    stores.functions["is_big"] = lambda item: item != "rome"
    training = each("training", "stores", when="is_big")

    ran = stores.run(*STORES, each("is_big", "stores"), training, gather("report", "training"))

    assert ran.states["training[item=rome]"] == "not wanted"
    assert sorted(stores.value(ran.steps["report"].outputs["report"])) == ["berlin", "paris"]
    assert ran.summary.state == "succeeded"


# -- choosing and planning -----------------------------------------------------------------------------------


def _only(template, **chosen):
    return msgspec.structs.replace(template, chosen={axis: tuple(keys) for axis, keys in chosen.items()})


def test_only_chosen_elements_run(stores):
    ran = stores.run(*STORES, _only(each("training", "stores"), item=["rome"]))

    assert names(ran, "training") == ["training[item=rome]"]


def test_an_element_that_is_not_there_is_named_with_the_nearest(stores):
    ran = stores.run(*STORES, _only(each("training", "stores"), item=["rom"]))

    assert ran.states["training"] == "failed"
    assert ran.steps["training"].message == "stores has no element item=rom"
    assert ran.steps["training"].hint == "did you mean item=rome?"


def test_a_plan_fans_out_where_the_elements_are_known(stores):
    before = stores.plan(*PIPELINE)
    stores.run(*PIPELINE)
    stores.versions["training"] = "new code"

    after = stores.plan(*PIPELINE)

    assert before["training"].decision is Decision.MAY_RUN
    assert before["training"].fans_out_over == ("stores",)
    assert after["training[item=rome]"].decision is Decision.RUN
    assert after["training[item=rome]"].family == "training"
    assert after["report"].decision is Decision.MAY_RUN


def test_a_plan_of_what_is_up_to_date_reuses_all(stores):
    stores.run(*PIPELINE)

    assert {step.decision for step in stores.plan(*PIPELINE).values()} == {Decision.REUSE}


def test_a_plan_asked_for_an_element_that_is_not_there_says_so(stores):
    stores.run(*PIPELINE)

    with pytest.raises(MissingError, match="item=oslo"):
        stores.plan(*STORES, _only(each("training", "stores"), item=["oslo"]))


def test_a_plan_tells_what_a_condition_leaves_out(world):
    world.functions["monday"] = lambda: False
    nodes = (node("monday"), fanned("mail", (), when="monday"), node("receipt", "mail"))
    before = world.plan(*nodes)
    world.run(*nodes)

    after = world.plan(*nodes)

    assert before["mail"].decision is Decision.MAY_RUN
    assert after["mail"].decision is after["receipt"].decision is Decision.NOT_WANTED


def test_asking_for_a_family_again_runs_all_its_elements(stores):
    stores.run(*PIPELINE)

    ran = stores.run(*PIPELINE, again=frozenset({"training"}))

    assert [ran.states[name] for name in names(ran, "training")] == ["computed"] * 3
    assert ran.states["report"] == "reused"


def test_results_of_elements_carry_their_own_names(stores):
    stores.run(*PIPELINE)

    made = [stored.event for stored in stores.ledger.events() if isinstance(stored.event, StepFinished)]

    assert "training[item=rome]" in {event.result.step for event in made}


def test_a_thousand_elements_are_each_run_once(stores):
    stores.functions["stores"] = lambda: list(range(1000))
    stores.functions["training"] = lambda item: item
    stores.functions["report"] = lambda **found: len(found["training"])

    ran = stores.run(*PIPELINE)

    assert stores.value(ran.steps["report"].outputs["report"]) == 1000
    assert len(stores.ran) == len(set(stores.ran)) == 1003


def test_elements_lost_from_the_store_are_taken_apart_again(stores):
    first = stores.run(*PIPELINE)
    family = first.steps["stores.elements"].outputs["stores.elements"]
    gone = stores.results().family(family).items["rome"]
    stores.store.delete(gone.digest)

    ran = stores.run(*PIPELINE)

    assert ran.states["stores.elements"] == "computed"
    assert ran.states["training[item=rome]"] == "reused"


@st.composite
def pipelines(draw):
    """Up to seven nodes over up to two matrices: each takes earlier ones plainly or gathers them."""
    known, nodes = {}, []
    axes = {"x": matrix("x", 1, 2, 3), "y": matrix("y", 7, 8)}
    for at in range(draw(st.integers(2, 7))):
        name, earlier = f"n{at}", list(known)
        plain = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        fans = [one for one in earlier if known[one] and one not in plain]
        gathers = draw(st.lists(st.sampled_from(fans), unique=True, max_size=2)) if fans else []
        own = draw(st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2))
        inherited = [axis for one in plain for axis in known[one]]
        known[name] = tuple(dict.fromkeys([*inherited, *own]))
        words = {"tolerate": draw(st.sampled_from([0.0, 0.5]))} if gathers else {}
        nodes.append(
            fanned(name, [axes[a] for a in known[name]], *plain, gathers=gathers, matrix=own, **words)
        )
    return nodes, known


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=pipelines(), data=st.data())
def test_any_fan_out_ends_and_then_does_what_was_forecast(tmp_path_factory, found, data):
    nodes, known = found
    world = World(tmp_path_factory.mktemp("world"))
    sizes = {"x": 3, "y": 2}
    expected = [math.prod(sizes[axis] for axis in axes) for axes in known.values()]
    bad = data.draw(st.sets(st.integers(0, sum(expected) - 1), max_size=2))

    def function(**_):
        world.calls += 1
        if world.calls - 1 in bad:
            raise ArithmeticError("drawn")
        return world.calls

    world.calls = 0
    world.functions |= dict.fromkeys(known, function)

    first = world.run(*nodes)
    bad.clear()
    plan = world.plan(*nodes)
    second = world.run(*nodes)

    assert len(first.summary.steps) == len(second.summary.steps) == sum(expected)
    assert set(second.states.values()) <= {"computed", "reused"}
    for name, step in plan.items():
        if step.decision in {Decision.REUSE, Decision.RUN}:
            assert second.states[name] == {"reuse": "reused", "run": "computed"}[step.decision]
    assert set(world.run(*nodes).states.values()) == {"reused"}
    world.ledger.close()
