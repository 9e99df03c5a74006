"""A good project file -> damaged ones, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

VALUES = (
    *('""', '"x"', "0", "-1", "1e400", "true", "[]", "{}", '["a", 1]', "2026-01-01", "nan", "inf"),
    *('"90d"', '"-90d"', '"1e9d"', '"99999999999999d"', '"0s"', '"${HOME}"', '"${NOT_SET_X}"'),
    *(
        '"postgresql://a:b@evil/x"',
        '"../../etc/passwd"',
        '"/dev/zero"',
        '"*"',
        '"**/**"',
        '"\\u0000"',
    ),
    *('"sqlite:///x"', '"file:///etc/passwd"', '"gopher://x"', '"n_trial >= 1 or ("', '"a" * 3'),
    *("\"__import__('os')\"", "9" * 5_000, '"' + "(" * 2_000 + '"', '"' + "a" * 20_000 + '"'),
    *("[" * 300 + "]" * 300, '"not " ' * 3, '"1970-01-01"', '"9999-12-31"', "-0.0", '"\U0001f99c"'),
)
LINES = (
    *("[project]", "[[events]]", "[x]", "[leads.join]", "x = 1", "= 1", "[", "]", '"', "'''", "#"),
    *("\x00", "\ufeff", "[[leads.history]]", "horizon = 1", 'source = "x"', "[project.name.x]"),
)


def damaged_projects(good: list[str], n: int, seed: int) -> Iterator[bytes]:
    """Yield texts: values swapped, lines moved, doubled, left out, put in, bytes changed."""
    draw = random.Random(seed)
    for _ in range(n):
        lines = draw.choice(good).splitlines()
        for _ in range(draw.choice([1, 1, 1, 2, 3, 6])):
            at = draw.randrange(len(lines))
            act = draw.random()
            if act < 0.5:
                value = draw.choice(VALUES)
                lines[at] = re.sub(r"=.*", lambda _, v=value: f"= {v}", lines[at], count=1)
            elif act < 0.6:
                lines[at] = lines[draw.randrange(len(lines))]
            elif act < 0.7 and len(lines) > 2:
                del lines[at]
            elif act < 0.8:
                lines.insert(at, draw.choice(LINES))
            elif act < 0.9:
                lines[at] = lines[at].replace("_", draw.choice(["", "-", "__"]), 1)
            else:
                other = draw.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
        raw = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
        if draw.random() < 0.15:
            at = draw.randrange(len(raw))
            raw[at : at + draw.randint(0, 4)] = draw.randbytes(draw.randint(0, 4))
        yield bytes(raw)
