"""Plain Keras: `compile` and `fit` on the dataset of `zoo.data`, for people who want no loop but their own."""

import keras
import numpy as np

import zoo
import zoo.data


def test_fit_trains_a_model_on_the_patches_of_a_source(tmp_path):
    keras.utils.set_random_seed(0)
    model = zoo.create_model("espcn", scale=3)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mae")
    patches = zoo.data.sample(3).patches(batch=8, lr_size=16, seed=0)
    history = model.fit(patches, steps_per_epoch=10, epochs=2, verbose=0).history["loss"]
    assert history[1] < 0.7 * history[0]
    model.save(tmp_path / "model.keras")
    lr = np.random.default_rng(0).uniform(size=(1, 9, 7, 1)).astype(np.float32)
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(lr), model(lr))
