"""What other settings have left is not taken for an experiment's own."""

import json
from unittest import mock

import pytest

from experiments import runs
from experiments.flags import recorded
from zoo.errors import UsageError
from zoo.files import alone


def test_what_was_trained_otherwise_is_not_taken(tmp_path, monkeypatch):
    setting = mock.Mock(workdir=tmp_path, engine="tensorflow", tuning="sample", batch=2, lr_size=8)
    monkeypatch.setattr(runs, "prepared", lambda setting, scale: "sample")
    corner, folder = runs.Corner("lr", "practice", 3, 0.5), tmp_path / "name" / "seed_0"
    options = ",".join(f"{key}={value}" for key, value in corner.options().items()).replace(", ", ",")
    config = {"steps": 10, "model_options": options, "batch": 2, "lr_size": 8, "learning_rate": 1e-3}
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps({"config": config}))
    assert runs.train_at(setting, corner, (0,), 1e-3, 10, "name") == [folder]
    with pytest.raises(UsageError, match="Expected steps=20 in .*seed_0, or no such folder. Received: 10"):
        runs.train_at(setting, corner, (0,), 1e-3, 20, "name")


def test_records_of_other_steps_are_refused(tmp_path):
    path = tmp_path / "seed0.json"
    assert recorded(path, 5, lambda: {"steps": 5}) == recorded(path, 5, lambda: {}) == {"steps": 5}
    with pytest.raises(UsageError, match="Expected a record of 6 steps in .*seed0.json, or none. Received: 5"):
        recorded(path, 6, lambda: {})


def test_prepared_pictures_are_shared_by_processes_and_not_by_data(tmp_path):
    setting = mock.Mock(workdir=tmp_path, data="sample")
    folder = runs.prepared(setting, 2)
    # Another process may be at them.
    with alone(tmp_path / "records_x2", "preparation"):
        assert runs.prepared(setting, 2) == folder
    with pytest.raises(
        UsageError, match="Expected pictures of 'graphics' in .*, or no such folder. Received: 'sample/"
    ):
        runs.prepared(mock.Mock(workdir=tmp_path, data="graphics"), 2)
