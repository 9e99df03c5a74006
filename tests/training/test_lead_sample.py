"""Where not all rows fit: all leads that converted, one in k of the others, weighted by k."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xxhash

from data.errors import InputError
from data.project import load_project
from data.reading.read_tables import read_tables
from data.world import make_world, write_world
from training import lead_sample
from training.dataset import make_dataset
from training.lead_sample import hashes, take_sample, training_memory
from training.train import train


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(make_world("consulting", 1000, 5), folder, project="examples/consulting.toml")
    project = load_project(folder / "consulting.toml")
    tables, outcomes = read_tables(project)
    return project, tables, outcomes, make_dataset(project, tables, outcomes, threads=1)


def sample(company, fits, seed=0):
    _, tables, _, whole = company
    taken = take_sample(whole.labelled, whole.cut, tables, fits=fits, memory=10**9, seed=seed)
    assert taken is not None
    return taken


def test_nothing_is_left_out_where_all_fits(company):
    _, tables, _, whole = company
    n = len(whole.cut.train)
    assert take_sample(whole.labelled, whole.cut, tables, fits=n, memory=1, seed=0) is None


def test_all_that_converted_are_taken_and_the_others_whole_and_weighted_by_their_rate(company):
    _, _, _, whole = company
    n = len(whole.cut.train)
    rows, weights, said = sample(company, int(0.6 * n))
    assert len(rows) <= 0.6 * n
    assert (np.diff(rows) > 0).all()
    train, groups, y = whole.cut.train, whole.groups, whole.y
    won = np.unique(groups[train[y[train] > 0]])
    assert np.isin(won, groups[rows]).all()
    for group in np.unique(groups[rows]):  # whole: all of its training rows, one weight
        assert (groups[train] == group).sum() == (groups[rows] == group).sum()
        assert len(set(weights[groups[rows] == group])) == 1
    converted = np.isin(groups[rows], won)
    assert set(weights[converted]) == {1.0}
    assert len(set(weights[~converted])) == 1
    assert weights[~converted][0] == pytest.approx(said.one_in, rel=0.5)  # accounts are few
    assert weights.sum() == pytest.approx(n)
    assert (weights * y[rows]).sum() == y[train].sum()
    assert (said.rows, said.rows_taken) == (n, len(rows))


def test_a_larger_budget_takes_the_same_leads_and_more(company):
    n = len(company[3].cut.train)
    small, large = sample(company, int(0.5 * n))[0], sample(company, int(0.75 * n))[0]
    assert len(small) < len(large)
    assert np.isin(small, large).all()
    other = sample(company, int(0.5 * n), seed=1)[0]
    assert not np.isin(small, other).all()


def test_the_hash_is_xxh64_of_the_id_with_the_seed():
    assert hashes(["L0000001"], 5) == [float(xxhash.xxh64_intdigest(b"L0000001", seed=5))]
    assert hashes(["a", "b"], 3).tolist() == hashes(["a", "b"], 3).tolist()
    assert hashes(["a"], 3).tolist() != hashes(["a"], 4).tolist()
    even = hashes([f"L{i:07d}" for i in range(20_000)], 0) / 2.0**64
    assert abs(float((even < 0.1).mean()) - 0.1) < 0.01


def test_too_little_memory_is_refused_in_one_line(company):
    with pytest.raises(InputError, match=r"GB of memory are too little: .* leads converted"):
        sample(company, 10)


def test_a_size_that_is_none_is_refused(company):
    project = company[0]
    with pytest.raises(InputError, match="--memory: '8 elephants' is no size of memory"):
        training_memory(project, "8 elephants")
    given = replace_memory(project, "2GB")
    assert training_memory(given) == 2 * 10**9
    assert training_memory(given, "1GiB") == 2**30


def replace_memory(project, size):
    return project.model_copy(update={"train": project.train.model_copy(update={"memory": size})})


def test_training_learns_from_the_sample_and_says_so(company):
    project, tables, outcomes, whole = company
    n = len(whole.cut.train)
    memory = budget_for(tables, whole, int(0.6 * n))
    trained = train(project, tables, outcomes, seed=0, threads=1, learner="logistic", memory=memory)
    dataset = trained.dataset
    assert dataset.sample is not None
    assert len(dataset.cut.train) <= 0.6 * n
    assert len(dataset.cut.test) == len(whole.cut.test)
    assert len(dataset.frame) == len(dataset.cut.train) + len(dataset.cut.test)
    notes = " ".join(trained.evaluation.notes)
    assert "learned from a sample" in notes
    assert "learning curve at this size" in notes
    card = json.loads(trained.card.to_json())
    assert card["sample"]["one_in"] == dataset.sample.one_in
    assert trained.facts.typical == pytest.approx(whole.y[whole.cut.train].mean(), rel=0.1)


def budget_for(tables, dataset, rows):
    catalogue, test = dataset.frame.catalogue, len(dataset.cut.test)
    fixed = lead_sample.PROGRAM + lead_sample.tables_bytes(tables)
    fixed += test * lead_sample.test_row_bytes(catalogue)
    return fixed + rows * lead_sample.row_bytes(catalogue)


def test_the_card_of_a_model_that_saw_every_row_says_nothing_of_a_sample(company):
    project, tables, outcomes, _ = company
    dataset = make_dataset(project, tables, outcomes, threads=1, memory=64 * 10**9)
    assert dataset.sample is None
    assert replace(dataset, row_weights=None).weights(dataset.cut.train) is None
