"""Which result serves: its key, the files it read, its age, its format and its bytes all have to hold."""

from engine_world import Reading, node

A = node("a")


def base_of(world, name="a"):
    return world.plan(node(name))[name].key


def test_a_result_serves_while_the_files_that_it_read_are_as_they_were(world):
    file = world.root / "repository" / "words.txt"
    file.write_text("one")
    world.functions["a"] = lambda: Reading(1, "words.txt", "absent.txt", "sub/")
    world.run(A)
    assert world.results().find(base_of(world)) is not None

    file.write_text("two")
    results = world.results()
    base = base_of(world)

    assert results.find(base) is None
    (cause,) = results.why("a", (), base)
    assert str(cause) == "file words.txt changed"


def test_what_was_looked_for_and_appears_is_a_cause(world):
    world.functions["a"] = lambda: Reading(1, "absent.txt", "sub/")
    world.run(A)
    (world.root / "repository" / "absent.txt").write_text("here")
    (world.root / "repository" / "sub").mkdir()

    causes = world.plan(A)["a"].causes

    assert [str(cause) for cause in causes] == ["file absent.txt is new", "folder sub/ is new"]


def test_what_was_read_and_is_gone_is_a_cause(world):
    file = world.root / "repository" / "words.txt"
    file.write_text("one")
    world.functions["a"] = lambda: Reading(1, "words.txt")
    world.run(A)
    file.unlink()

    assert [str(cause) for cause in world.plan(A)["a"].causes] == ["file words.txt is gone"]


def test_an_older_result_serves_again_when_its_files_are_back(world):
    file = world.root / "repository" / "words.txt"
    world.functions["a"] = lambda: Reading(file.read_text(), "words.txt")
    for text in ("one", "two"):
        file.write_text(text)
        world.run(A)
    file.write_text("one")

    ran = world.run(A)

    assert ran.states == {"a": "reused"}
    assert world.value(ran.steps["a"].outputs["a"]) == "one"


def test_a_result_grows_too_old(world):
    daily = node("a", cache_age_s=86_400.0)
    world.run(daily)
    world.clock.now += 86_000
    assert world.run(daily).states == {"a": "reused"}
    world.clock.now += 1_000

    plan = world.plan(daily)["a"]

    assert [cause.change for cause in plan.causes] == ["is too old"]
    assert world.run(daily).states == {"a": "computed"}


def test_a_result_whose_bytes_are_gone_does_not_serve(world):
    ran = world.run(A)
    world.store.delete(ran.steps["a"].outputs["a"].digest)

    assert [cause.change for cause in world.plan(A)["a"].causes] == ["is no longer whole in the store"]
    assert world.run(A).states == {"a": "computed"}
    assert world.run(A).states == {"a": "reused"}


def test_a_result_in_a_format_that_is_no_longer_written_does_not_serve(world):
    world.run(A)
    world.formats.clear()

    assert [cause.change for cause in world.plan(A)["a"].causes] == ["was written in an older format"]


def test_a_step_that_never_ran_says_so(world):
    assert [str(cause) for cause in world.plan(A)["a"].causes] == ["step a has not run before"]


def test_a_changed_parameter_is_named_with_both_values(world):
    world.run(node("a", settings={"depth": 4}))

    (cause,) = world.plan(node("a", settings={"depth": 8}))["a"].causes

    assert str(cause) == "parameter depth changed: 4 -> 8"


def test_a_result_serves_under_another_name(world):
    world.versions = {"a": "same code", "b": "same code"}
    world.run(A)

    assert world.run(node("b")).states == {"b": "reused"}


def test_new_results_tell_which_files_they_rest_on(world):
    results = world.results()
    file = world.root / "repository" / "words.txt"
    file.write_text("one")
    world.functions["a"] = lambda: Reading(1, "words.txt")
    world.results = lambda: results

    world.run(A)

    assert str(file) in results._files.touched
