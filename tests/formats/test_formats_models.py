"""Models come back as they were, and a file that names other code is refused before that code is imported."""

import json
import operator
import sys
import zipfile

import numpy as np
import pytest
from formats_bench import Times, artifact_of, halved, new_shelf, there_and_back
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from legato.domain.errors import ConfigurationError
from legato.formats.archives import Bytes, write_archive

ROWS = np.abs(np.random.default_rng(0).normal(size=(60, 3)))
LABELS = (ROWS[:, 0] > 0.7).astype(int)


def test_first_party_parts_of_a_pipeline_are_declared_and_come_back(tmp_path):
    model = make_pipeline(Times(3.0), FunctionTransformer(halved), LogisticRegression()).fit(ROWS, LABELS)

    saved = new_shelf().save(model, tmp_path)
    back = new_shelf().load(saved.path, artifact_of(saved))

    assert saved.classes == ("formats_bench:Times", "formats_bench:halved")
    assert saved.type == "sklearn.pipeline.Pipeline"
    np.testing.assert_array_equal(back.predict_proba(ROWS), model.predict_proba(ROWS))


def test_a_model_read_back_and_saved_again_gives_the_same_bytes(tmp_path):
    model = RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)

    first = new_shelf().save(model, tmp_path / "first")
    second = new_shelf().save(new_shelf().load(first.path, artifact_of(first)), tmp_path / "second")

    assert first.path.read_bytes() == second.path.read_bytes()


def test_what_is_shared_inside_a_model_stays_shared(tmp_path):
    inner = StandardScaler().fit(ROWS)
    model = make_pipeline(inner, inner)

    back = there_and_back(model, tmp_path)

    assert back.steps[0][1] is back.steps[1][1]


@pytest.mark.parametrize("wrapper", ["XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRanker"])
def test_an_xgboost_wrapper_keeps_its_settings_and_predictions(wrapper, tmp_path):
    import xgboost

    given = {"group": [30, 30]} if wrapper == "XGBRanker" else {}
    model = getattr(xgboost, wrapper)(n_estimators=4, n_jobs=1, max_depth=3).fit(ROWS, LABELS, **given)

    back = there_and_back(model, tmp_path)

    assert repr(back.get_params()) == repr(model.get_params())
    np.testing.assert_array_equal(back.predict(ROWS), model.predict(ROWS))


def test_early_stopping_of_xgboost_comes_back(tmp_path):
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=50, early_stopping_rounds=2, n_jobs=1)
    model.fit(ROWS, LABELS, eval_set=[(ROWS, LABELS)], verbose=False)

    back = there_and_back(model, tmp_path)

    assert back.best_iteration == model.best_iteration


@pytest.mark.parametrize("wrapper", ["LGBMClassifier", "LGBMRegressor"])
def test_a_lightgbm_wrapper_keeps_its_settings_and_predictions(wrapper, tmp_path):
    import lightgbm

    labels = np.array(["no", "yes"])[LABELS] if wrapper == "LGBMClassifier" else ROWS[:, 1]
    model = getattr(lightgbm, wrapper)(n_estimators=4, n_jobs=1, verbose=-1).fit(ROWS, labels)

    back = there_and_back(model, tmp_path)

    assert back.get_params() == model.get_params()
    np.testing.assert_array_equal(back.predict(ROWS), model.predict(ROWS))


def _scipy_search():
    import scipy.stats
    from sklearn.model_selection import RandomizedSearchCV

    return RandomizedSearchCV(Ridge(), {"alpha": scipy.stats.uniform()}, n_iter=1, cv=2, random_state=0).fit(
        ROWS, LABELS
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (FunctionTransformer(lambda rows: rows), "<lambda>"),
        (FunctionTransformer(np.save), "numpy.save"),
        (FunctionTransformer(operator.methodcaller("to_csv")), "operator.methodcaller"),
        (FunctionTransformer(Times().transform), "MethodNode"),
        (FunctionTransformer(np.log, kw_args={True: 1}), "a key of type bool"),
        (FunctionTransformer(np.log, kw_args={1: 1, "1": 2}), "keys that are one text"),
        (_scipy_search(), "scipy.stats._distn_infrastructure"),
    ],
    ids=["lambda", "numpy.save", "methodcaller", "method", "bool key", "equal keys", "scipy.stats"],
)
def test_a_model_that_would_not_be_read_back_is_refused_on_saving(model, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().save(model, tmp_path)

    assert caught.value.hint


def _node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def _text(content):
    return _node("JsonNode", "builtins", "str", content=json.dumps(content), is_json=True)


def _list(*items):
    return _node("ListNode", "builtins", "list", content=list(items))


def _call(module, name, *arguments):
    tuple_ = _node("TupleNode", "builtins", "tuple", content=list(arguments))
    return _node("ConstructorFromReduceNode", module, name, content=tuple_)


def _dictionary(key_kind, **items):
    content = {key: _text(value) for key, value in items.items()}
    kinds = _list(*[_node("TypeNode", *key_kind) for _ in items])
    return _node("DictNode", "builtins", "dict", content=content, key_types=kinds)


HOSTILE = {
    "calls a function": _call("os", "system", _text("touch CANARY")),
    "calls eval": _call("builtins", "eval", _text("1")),
    "opens a file": _call("numpy", "memmap", _text("CANARY")),
    "runs numpy's test helper": _call("numpy.testing._private.utils", "runstring", _text("1"), _text("{}")),
    "names a function": _node("FunctionNode", "os", "system"),
    "deletes a folder": _node("FunctionNode", "sklearn.datasets._base", "clear_data_home"),
    "reads a file": _node("FunctionNode", "numpy", "load"),
    "calls by a dictionary's keys": _dictionary(("builtins", "eval"), one="1"),
    "calls by a list": _node("ListNode", "numpy.testing._private.utils", "runstring", content=[]),
    "calls by an array": _node("NdArrayNode", "numpy", "memmap", type="numpy", file="0.npy"),
    "imports a module": _node("TypeNode", "formats_canary", "Thing"),
    "builds by a class of the standard library": _node("ObjectNode", "subprocess", "Popen", content=None),
    "executes a text by its state": _node(
        "ObjectNode", "scipy.stats._continuous_distns", "norm_gen", content=None
    ),
    "names first-party code it does not declare": _node("FunctionNode", "formats_bench", "halved"),
    "uses an unknown kind of node": _node("CachedNode", "builtins", "str"),
    "binds a method": _node("MethodNode", "builtins", "str", content={"func": "upper", "obj": _text("x")}),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_file_that_names_other_code_is_refused_before_it_is_imported(hostile, tmp_path, monkeypatch):
    (tmp_path / "formats_canary.py").write_text("class Thing: pass")
    monkeypatch.syspath_prepend(tmp_path)
    model = new_shelf().save(StandardScaler(), tmp_path / "model")
    with zipfile.ZipFile(model.path) as archive:
        schema = json.loads(archive.read("schema.json"))
    schema["content"]["content"]["copy"] = HOSTILE[hostile]
    write_archive(model.path, [("schema.json", Bytes(json.dumps(schema).encode()))])

    with pytest.raises(ConfigurationError, match=r"the model (holds|names)") as caught:
        new_shelf().load(model.path, artifact_of(model))

    assert caught.value.hint
    assert "formats_canary" not in sys.modules
    assert not (tmp_path / "CANARY").exists()


def test_an_older_protocol_with_laxer_rules_is_refused(tmp_path):
    model = new_shelf().save(StandardScaler(), tmp_path / "model")
    with zipfile.ZipFile(model.path) as archive:
        schema = json.loads(archive.read("schema.json"))
    schema["protocol"] = 0
    write_archive(model.path, [("schema.json", Bytes(json.dumps(schema).encode()))])

    with pytest.raises(ConfigurationError, match="protocol 0, which Legato never wrote"):
        new_shelf().load(model.path, artifact_of(model))
