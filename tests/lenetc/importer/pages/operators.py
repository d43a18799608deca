"""The operators of ONNX in docs/coverage.md: `python -m tests.lenetc.importer.pages.operators` writes that section."""

from __future__ import annotations

import collections
from pathlib import Path

import onnx

import lenetc.importer.operators  # noqa: F401 - fills the table
from lenetc.importer.registry import MICROSOFT, TABLE

PAGE = Path(__file__).parents[4] / "docs" / "coverage.md"
VERSION = ".".join(onnx.__version__.split(".")[:2])
TITLE = "\n## Operators of ONNX, that files are imported with\n"
_HEAD = f"""{TITLE}
Made by `python -m tests.lenetc.importer.pages.operators` from the importer's table and that of ONNX {VERSION}.
*yes*: imported, in all the versions that are named, with ONNX's values on the cases of its backend suite, and gradients
where the operator has such. *composed*: ONNX says which other operators it is made of, and those are imported.
Attributes that are not understood, and dtypes that tensors have not here, are told as errors that name the node; none
is passed over.
"""
_STRINGS, _TREES = "strings, which tensors cannot hold", "no gradient goes through trees"
# Of those that are not here: why.
REASONS = {
    **dict.fromkeys(
        ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"), _STRINGS
    ),
    **dict.fromkeys(
        ("CastMap", "CategoryMapper", "LabelEncoder", "DictVectorizer", "ZipMap"), "strings and maps"
    ),
    **dict.fromkeys(("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"), _TREES),
    **dict.fromkeys(("Adagrad", "Adam", "Momentum", "Gradient"), "training is that of who imports the file"),
    **dict.fromkeys(("Binarizer", "FeatureVectorizer", "Imputer", "OneHotEncoder"), "preparation of data"),
    **dict.fromkeys(("SVMClassifier", "SVMRegressor"), "not trained by gradients"),
    "ImageDecoder": "preparation of data",
    "NonMaxSuppression": "how many boxes are left depends on their values",
}


def rows(domain: str) -> list[tuple[str, str, str, str]]:
    """(name, versions, state, note) of a domain's operators."""
    versions: dict[str, list[int]] = collections.defaultdict(list)
    latest: dict[str, onnx.defs.OpSchema] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == domain:
            versions[schema.name].append(schema.since_version)
            if schema.name not in latest or schema.since_version > latest[schema.name].since_version:
                latest[schema.name] = schema
    found = []
    for name in sorted({*latest, *(n for d, n in TABLE if d == domain)}, key=str.lower):
        schema, entry = latest.get(name), TABLE.get((domain, name))
        since = ", ".join(map(str, sorted(versions[name]))) or "ONNX Runtime's"
        if entry is not None:
            note = "" if entry.differentiable else "no gradient"
            state = "yes"
        elif schema is not None and (schema.has_function or schema.has_context_dependent_function):
            state, note = "composed", ""
        else:
            state, note = "no", REASONS.get(name, "")
        if schema is not None and schema.deprecated:
            note = "; ".join(filter(None, (note, "deprecated by ONNX")))
        found.append((name, since, state, note))
    return found


def text() -> str:
    """The section."""
    parts = [_HEAD]
    for domain in ("", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", MICROSOFT):
        of = rows(domain)
        count = collections.Counter(state for _, _, state, _ in of)
        told = ", ".join(f"{count[state]} {state}" for state in ("yes", "composed", "no") if count[state])
        what = f"of ONNX Runtime that its exports hold: {told}" if domain == MICROSOFT else told
        parts.append(
            f"\n### {domain or 'ai.onnx'}\n\n"
            f"{len(of)} operator{'s' * (len(of) > 1)}{' ' if domain == MICROSOFT else ': '}{what}.\n"
        )
        parts.append("\n| operator | changed in versions | here | note |\n|---|---|---|---|\n")
        parts += [f"| `{name}` | {since} | {state} | {note} |\n" for name, since, state, note in of]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().split(TITLE)[0] + text())
