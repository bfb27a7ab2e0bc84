"""The sets of pictures behind the presets: their terms, whom to credit, and whether weights may be shipped."""

from zoo.registry import FREE

# What each set is, and under which terms; weights trained on it carry this along.
TERMS = {
    "DIV2K_train_Y_subset": "181 luma crops of DIV2K training pictures; academic research",
    "BSDS500_train": "BSDS500 train, 200 JPEGs; non-commercial research and education",
    "BSDS500_test": "BSDS500 test, 200 JPEGs, disjoint from BSD100; non-commercial research and education",
    "T91": "T91 (Yang et al. 2010), 90 pictures; terms not stated",
    "photos_2k": "38 photographs (CC0, CC-BY-4.0, CC-BY-SA-4.0, Unsplash/NASA public domain)",
    "photos_free": "40 photographs (CC0, CC-BY-4.0, Unsplash and NASA, as the credits name them)",
    "sample": "photographs that scikit-image ships; public domain or CC0",
    "graphics": "text, lines, user interfaces and flat colours drawn by code; no licence is needed",
    "screenshots": "words, lines and patterns as a screen has them, drawn by code; no licence is needed",
    "div2k": "DIV2K train, 800 pictures; academic research",
}
RESEARCH = "research only"
# Sets whose every picture may be used for weights that people ship → whom to name.
CREDITS = {
    "photos_free": (
        "BuddiesOfBudgie/budgie-backgrounds, 16 photographs, CC0-1.0",
        'Trevor "Freespace", 2018, two photographs (Debian package lomiri-wallpapers-16.04), CC-BY-4.0',
        "Jakub Mede, 2018, one photograph (Debian package lomiri-wallpapers-16.04), CC-BY-4.0",
        "Aitzol Berasategi, 2018, five photographs (Debian package lomiri-wallpapers-16.04), CC-BY-4.0",
        "Clemens Engelhardt, 2018, one photograph (Debian package lomiri-wallpapers-16.04), CC0-1.0",
        "pop-os/wallpapers, 15 photographs, stated to be in the public domain: Ahmadreza Sajadi, Galen Crout, "
        "Jad Limcaco, Jake Hills, Jared Evans, Kait Herzog, NASA (three), Ng, Samuel Zeller, Sean Afnan, "
        "Sebastien Gabriel, SpaceX, Tony Webster",
    ),
    "sample": ("scikit-image's sample photographs, public domain or CC0",),
    "graphics": (),
    "screenshots": (),
}


def redistribution(training: dict) -> dict:
    """What a card says of shipping its weights, by all data that they and what they started from have seen.

    Args:
        training: a card's `training`: `data` by name, `started_from` in turn.

    Returns:
        `redistribution`, FREE or RESEARCH; and `credits`, a list, where it is FREE.

    Example:
        >>> redistribution({"data": {"sample": ""}})["redistribution"]
        'free pictures only'
        >>> redistribution({"data": {"sample": ""}, "started_from": {"data": {"T91": ""}}})
        {'redistribution': 'research only'}
    """
    names = []
    stage: dict | None = training
    while stage:
        names += stage["data"]
        stage = stage.get("started_from")
    if any(name not in CREDITS for name in names):
        return {"redistribution": RESEARCH}
    return {
        "redistribution": FREE,
        "credits": [line for name in CREDITS if name in names for line in CREDITS[name]],
    }
