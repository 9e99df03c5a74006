"""A lead that is cut out of the tables has the row that it has among all."""

from __future__ import annotations

import numpy as np
import pytest

from data.clock import DAY
from data.part import part_of
from data.reading.read_tables import read_tables
from data.tables import Snapshots
from data.world import make_world
from features.build import Builder
from features.catalogue import make_catalogue
from tests.fakes.leak_structure import frames_of, project_of


@pytest.mark.parametrize("kind", ["software_trial", "consulting"])
def test_a_lead_cut_out_alone_has_its_row(kind):
    project = project_of(kind)
    world = make_world(kind, 400, 5, late_share=0.2)
    tables, _ = read_tables(project, frames=frames_of(world))
    catalogue = make_catalogue(tables, project)
    builder = Builder(catalogue)
    for lead in range(0, len(tables), 23):
        for days in (1, 30, 400):
            as_of = np.array([tables.created_at[lead] + days * DAY])
            whole = builder.build(tables, Snapshots(np.array([lead]), as_of))
            part = part_of(tables, np.array([lead]))
            own = builder.build(part, Snapshots(np.array([0]), as_of))
            assert np.array_equal(own.numbers, whole.numbers, equal_nan=True)
            for feature, values in zip(catalogue.categories, whole.categories, strict=True):
                expected = [None if code < 0 else values.categories[code] for code in values.codes]
                assert own.words()[feature.name] == expected, feature.name


def test_a_part_keeps_order_and_drops_names_that_do_not_occur():
    tables, _ = read_tables(
        project_of("consulting"), frames=frames_of(make_world("consulting", 200, 3))
    )
    rows = np.arange(0, 200, 7)
    part = part_of(tables, rows)
    assert part.lead_ids.tolist() == tables.lead_ids[rows].tolist()
    assert np.diff(part.events.offsets).tolist() == np.diff(tables.events.offsets)[rows].tolist()
    names = {part.events.person_names[code] for code in part.events.person if code >= 0}
    assert names == set(part.events.person_names)
    assert len(part_of(tables, np.empty(0, np.int64))) == 0
