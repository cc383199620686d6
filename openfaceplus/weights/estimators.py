"""scikit-learn's classifiers as bytes, through skops and an allow-list of our own.

skops trusts every estimator of scikit-learn and some of its functions. Here each node of the
stored tree must be one of the few classes below and be rebuilt by the loader that belongs to it;
this is checked on skops' schema before skops sees the file. Trees and support vector machines
index their arrays unchecked in C, so these arrays are checked as well.

Importing skops takes seconds: it is done on use.
"""

from __future__ import annotations

import io
import json
from typing import Any

from openfaceplus.errors import ModelCorrupt, UnsafeFile
from openfaceplus.files import shown

_ESTIMATORS = frozenset(
    f"sklearn.{name}"
    for name in (
        "calibration.CalibratedClassifierCV",
        "decomposition._pca.PCA",
        "discriminant_analysis.LinearDiscriminantAnalysis",
        "linear_model._logistic.LogisticRegression",
        "mixture._gaussian_mixture.GaussianMixture",
        "model_selection._search.GridSearchCV",
        "multiclass.OneVsRestClassifier",
        "naive_bayes.GaussianNB",
        "pipeline.Pipeline",
        "preprocessing._data.Normalizer",
        "preprocessing._data.StandardScaler",
        "preprocessing._label.LabelBinarizer",
        "preprocessing._label.LabelEncoder",
        "svm._classes.LinearSVC",
        "svm._classes.SVC",
        "tree._classes.DecisionTreeClassifier",
    )
)
_PARTS = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.StratifiedKFold",
    }
)
_NUMPY = ("ndarray", "bool", "bool_", "float32", "float64", "int32", "int64", "str_")
_ALLOWED = frozenset(
    {(name, "ObjectNode") for name in _ESTIMATORS | _PARTS}
    | {(f"numpy.{name}", "NdArrayNode") for name in _NUMPY}
    | {
        ("builtins.dict", "DictNode"),
        ("builtins.list", "ListNode"),
        ("builtins.tuple", "TupleNode"),
        ("builtins.str", "JsonNode"),
        ("builtins.str", "TypeNode"),
        ("numpy.ma.MaskedArray", "MaskedArrayNode"),
        ("sklearn.tree._tree.Tree", "TreeNode"),
    }
)
_UNTRUSTED_BY_SKOPS = [*_PARTS, "sklearn.tree._tree.Tree"]
_RETRAIN = "Train again with openfaceplus."


def dump_estimator(estimator: Any) -> bytes:
    """The fitted estimator as bytes for ``load_estimator``; ``TypeError`` if it would refuse."""
    import skops.io

    data = skops.io.dumps(estimator)
    try:
        _check_schema(data)
    except (UnsafeFile, ValueError) as error:
        raise TypeError(f"{type(estimator).__name__} cannot be stored: {error}") from error
    return data


def load_estimator(data: bytes) -> Any:
    """The estimator stored by ``dump_estimator``.

    Raises ``UnsafeFile`` where anything else than the allowed classes is in it (nothing was
    built then), ``ModelCorrupt`` where it is damaged.
    """
    import zipfile

    try:
        _check_schema(data)
        import skops.io
        from sklearn.utils.validation import check_is_fitted

        estimator = skops.io.loads(data, trusted=_UNTRUSTED_BY_SKOPS)
        check_is_fitted(estimator)
        _check_indices(estimator)
    except (
        *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError),
        *(RuntimeError, TypeError, ValueError, zipfile.BadZipFile),  # skops lets all of them out
    ) as error:
        raise ModelCorrupt(f"the stored classifier is damaged ({error}). {_RETRAIN}") from error
    return estimator


def _check_schema(data: bytes) -> None:
    """Every node allowed, nothing compressed; ``ValueError`` or ``BadZipFile`` where damaged."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise UnsafeFile(f"the stored classifier is compressed; nothing was run. {_RETRAIN}")
        if sum(member.file_size for member in members) > len(data):
            raise ValueError("its parts overlap")
        schema = json.loads(archive.read("schema.json"))
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, dict):
            if not node.keys().isdisjoint({"__class__", "__module__", "__loader__"}):
                _check_node(node)
            nodes.extend(node.values())
    if f"{schema.get('__module__')}.{schema.get('__class__')}" not in _ESTIMATORS:
        raise ValueError("it is no classifier")


def _check_node(node: dict[str, Any]) -> None:
    name = f"{node.get('__module__')}.{node.get('__class__')}"
    if (name, node.get("__loader__")) not in _ALLOWED:
        raise UnsafeFile(
            f"the stored classifier holds {shown(name)[:200]}, which could run code when loaded; "
            f"nothing was run. {_RETRAIN}"
        )


def _check_indices(root: Any) -> None:
    """``ValueError`` where a tree's or an SVC's arrays would send C code out of bounds."""
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    seen: set[int] = set()
    parts = [root]
    while parts:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, DecisionTreeClassifier) and hasattr(part, "tree_"):
            _check_tree(part)
        elif isinstance(part, SVC) and hasattr(part, "support_vectors_"):
            _check_svc(part)
        if not isinstance(part, list | tuple):
            part = (part if isinstance(part, dict) else getattr(part, "__dict__", {})).values()
        parts.extend(part)


def _check_tree(classifier: Any) -> None:
    import numpy as np

    tree = classifier.tree_
    count = tree.node_count
    # Before the arrays are looked at: their length is node_count, whatever was allocated.
    if not 0 < count <= tree.capacity or classifier.n_features_in_ != tree.n_features:
        raise ValueError("a decision tree's sizes disagree")
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    own = np.flatnonzero(inner)
    # Children stand behind their parent, as depth-first growth leaves them: so no cycles either.
    ordered = all(((kids[inner] > own) & (kids[inner] < count)).all() for kids in (left, right))
    feature = tree.feature[inner]
    if not ordered or not ((feature >= 0) & (feature < tree.n_features)).all():
        raise ValueError("a decision tree's nodes point outside it")


def _check_svc(svc: Any) -> None:
    vectors, features = svc.support_vectors_.shape
    classes = len(svc._n_support)
    pairs = classes * (classes - 1) // 2
    sound = (
        svc._sparse is False
        and features == svc.n_features_in_
        and svc.support_.shape == (vectors,)
        and (svc._n_support >= 0).all()
        and int(svc._n_support.sum()) == vectors
        and len(svc.classes_) == classes
        and svc._dual_coef_.shape == svc.dual_coef_.shape == (classes - 1, vectors)
        and svc._intercept_.shape == svc.intercept_.shape == (pairs,)
        and svc._probA.shape in {(0,), (pairs,)}
        and svc._probB.shape == svc._probA.shape
    )
    if not sound:
        raise ValueError("a support vector machine's arrays disagree")
