"""The page's sample pictures are what the command makes, and small."""

import numpy as np
from PIL import Image

from releasing import samples


def test_the_pictures_are_those_of_the_command(tmp_path, monkeypatch, capsys):
    assert samples.main(["--check"]) == 0, "run `python -m releasing.samples`"
    assert sorted(path.name for path in samples.FOLDER.iterdir()) == sorted(samples.samples())
    assert sum(path.stat().st_size for path in samples.FOLDER.iterdir()) < 50_000
    # Controls: where a picture is missing or another one, --check says so and writes nothing.
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    assert samples.main(["--check"]) == 1 and not list(tmp_path.iterdir())
    assert samples.main([]) == 0 and samples.main(["--check"]) == 0
    turned = np.asarray(Image.open(tmp_path / "face.png"))[:, ::-1]
    Image.fromarray(turned).save(tmp_path / "face.png")
    capsys.readouterr()
    assert samples.main(["--check"]) == 1
    assert capsys.readouterr().err == "out of date: face.png\n"
