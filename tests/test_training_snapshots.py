"""Checkpoints of the engine on a device: the newest that can be read, of one run and of several that go together."""

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.training.snapshots import Snapshots, restore_together


def state(value: float) -> dict:
    return {"weights": [np.full((2, 3), value, np.float32), np.float32(value)], "optimizer": [np.int32(value)]}


def test_snapshots_fall_back_to_the_newest_that_can_be_read(tmp_path, caplog):
    snapshots = Snapshots(tmp_path)
    assert snapshots.restore(state(0)) is None and snapshots.kept() == "There is no checkpoint yet"
    for step in (10, 20, 30, 40):
        snapshots.save(step, state(step))
    paths = sorted((tmp_path / "checkpoints").iterdir())
    assert [path.name for path in paths] == ["000000020.npz", "000000030.npz", "000000040.npz"]
    step, found = Snapshots(tmp_path).restore(state(0))
    assert step == 40 and found["weights"][0].tolist() == [[40.0] * 3] * 2 and found["optimizer"][0] == 40
    content = paths[-1].read_bytes()
    paths[-1].write_bytes(content[: len(content) // 2])
    again = Snapshots(tmp_path)
    assert again.restore(state(0))[0] == 30 and "Cannot read" in caplog.text
    assert again.kept() == "The checkpoint of step 30 is kept"
    damaged = bytearray(paths[1].read_bytes())
    damaged[len(damaged) // 4] ^= 255
    paths[1].write_bytes(damaged)
    assert Snapshots(tmp_path).restore(state(0))[0] == 20
    with pytest.raises(UsageError, match="of this network and optimizer"):
        Snapshots(tmp_path).restore({"weights": [np.zeros((3, 2), np.float32)]})
    paths[0].write_bytes(b"")
    with pytest.raises(UsageError, match="Expected a checkpoint that can be read"):
        Snapshots(tmp_path).restore(state(0))


def steps_kept(folder) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "checkpoints").iterdir())


def saved(folder, *steps, own=0.0) -> Snapshots:
    """A run's checkpoints; `own` is added to what they hold. They are opened anew, as by another process."""
    for step in steps:
        Snapshots(folder).save(step, state(step + own))
    return Snapshots(folder)


def test_a_run_that_went_back_leaves_nothing_of_later_steps(tmp_path):
    snapshots = saved(tmp_path, 10, 20, 30)
    assert snapshots.restore(state(0))[0] == 30
    step, found = snapshots.restore(state(0), most=29)
    assert step == 20 and found["optimizer"][0] == 20
    assert snapshots.kept() == "The checkpoint of step 20 is kept"
    # Nothing is taken away before something else is there.
    assert steps_kept(tmp_path) == [10, 20, 30]
    snapshots.save(25, state(25))
    assert steps_kept(tmp_path) == [10, 20, 25]
    # A step that was read once and gone back from is written again.
    assert snapshots.restore(state(0), most=9) is None and snapshots.kept() == "There is no checkpoint yet"
    snapshots.save(25, state(26))
    assert Snapshots(tmp_path).restore(state(0))[1]["optimizer"][0] == 26
    # Control: from the beginning on, three of later steps do not push out the first that is written.
    assert snapshots.restore(state(0), most=9) is None
    snapshots.save(5, state(5))
    assert steps_kept(tmp_path) == [5]


@pytest.mark.parametrize(
    "kept, step",
    [
        ([(10, 20, 30), (10, 20), (10, 20, 30)], 20),
        ([(4, 8, 12), (5, 8, 9)], 8),
        ([(10,), (), ()], 0),
        ([(10, 20), (10, 20)], 20),
        ([(), ()], 0),
    ],
)
def test_runs_go_on_from_the_newest_step_that_all_have(tmp_path, caplog, kept, step):
    runs = [saved(tmp_path / str(index), *steps, own=index / 4) for index, steps in enumerate(kept)]
    received, states = restore_together(runs, state(0))
    assert received == step
    if step:
        assert [float(each["weights"][1]) for each in states] == [step + index / 4 for index in range(len(runs))]
        assert {run.step for run in runs} == {step}
    else:
        assert states == [None] * len(runs) and {run.step for run in runs} == {None}
    said = f"on from the checkpoint of step {step}" if step else "from the beginning"
    assert (f"all go {said}" in caplog.text) == (len({steps[-1:] for steps in kept}) > 1)


def test_a_damaged_checkpoint_takes_all_runs_back(tmp_path):
    runs = [saved(tmp_path / name, 10, 20) for name in "ab"]
    (tmp_path / "b" / "checkpoints" / "000000020.npz").write_bytes(b"")
    assert restore_together(runs, state(0))[0] == 10


def test_a_seed_beside_others_that_are_well_on_is_refused(tmp_path):
    """From the beginning on, the others would lose what they have."""
    runs = [saved(tmp_path / "old", 10, 20), saved(tmp_path / "new")]
    with pytest.raises(UsageError, match="Expected all seeds at the same step. Received: 0, 20"):
        restore_together(runs, state(0))
    assert steps_kept(tmp_path / "old") == [10, 20]
