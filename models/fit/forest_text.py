"""LightGBM's text of a forest -> the same forest on a wider matrix, its columns elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_LEAVES: Final = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_SPLITS: Final = re.compile(r"^split_feature=(.*)$", re.MULTILINE)
_IMPORTANCE: Final = re.compile(r"^Column_(\d+)=", re.MULTILINE)


def on_columns(text: str, places: Sequence[int], width: int, times: float = 1.0) -> str:
    """Let a forest read column `places[j]` of `width` where it read column j.

    Its leaves count `times` as much: in an artifact all members of a forest weigh the same.
    """
    if times == 1.0 and all(place == j for j, place in enumerate(places)):
        head, begin, trees_and_tail = text.partition("Tree=")
        return _header(head, places, width, None) + begin + trees_and_tail
    head, *blocks = re.split(r"(?=^Tree=)", text, flags=re.MULTILINE)
    last, end, tail = blocks[-1].partition("end of trees") if blocks else ("", "", "")
    trees = [_moved(tree, places, times) for tree in [*blocks[:-1], last]] if blocks else []
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    tail = _IMPORTANCE.sub(lambda found: f"Column_{places[int(found[1])]}=", tail)
    return _header(head, places, width, sizes) + "".join(trees) + end + tail


def _moved(tree: str, places: Sequence[int], times: float) -> str:
    """Rewrite the columns and the leaves of one tree."""
    tree = _SPLITS.sub(
        lambda found: "split_feature=" + " ".join(str(places[int(c)]) for c in found[1].split()),
        tree,
    )
    if times == 1.0:
        return tree
    return _LEAVES.sub(
        lambda found: f"{found[1]}=" + " ".join(repr(float(v) * times) for v in found[2].split()),
        tree,
    )


def _header(head: str, places: Sequence[int], width: int, sizes: str | None) -> str:
    """Rewrite the lines that go by column, and the lengths of the trees where they changed."""
    lines = []
    for line in head.split("\n"):
        key, mark, value = line.partition("=")
        blank = {"feature_infos": "none", "monotone_constraints": "0"}
        if key in blank:
            wide = [blank[key]] * width
            for place, each in zip(places, value.split(), strict=True):
                wide[place] = each
            value = " ".join(wide)
        elif key == "feature_names":
            value = " ".join(f"Column_{j}" for j in range(width))
        elif key == "max_feature_idx":
            value = str(width - 1)
        elif key == "tree_sizes" and sizes is not None:
            value = sizes
        lines.append(key + mark + value)
    return "\n".join(lines)
