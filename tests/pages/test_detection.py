"""The table of detectors as the page shows it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from core.registration.bench_detection import recorded
from pages.ui import detection


def draw() -> None:
    from pages.ui.detection import detection_table

    detection_table()


def test_the_page_shows_the_recorded_scores_and_says_what_favours_whom() -> None:
    app = AppTest.from_function(draw).run()
    assert not app.exception
    table, scenes = (frame.value for frame in app.dataframe)
    record = recorded()
    assert list(table["right"]) == [entry["right"] for entry in record["detectors"].values()]
    assert list(scenes["scene"]) == [scene["title"] for scene in record["scenes"].values()]
    words = " ".join(block.value for block in app.markdown)
    assert "Read this with care" in words
    assert f"scanned {len(record['seeds'])} times" in words


def test_the_sentence_names_the_scenes_that_each_test_fails_in() -> None:
    words = detection.differences(recorded())
    relative, absolute, both = (part.rsplit("fail", 1)[1] for part in words.split(". ", 2))
    assert "*Sphere*" in relative
    assert "*Corridor*" in absolute
    assert "*Corridor*" not in relative
    assert "none of the scenes" in both


def test_a_scene_s_cell_tells_right_and_partly_right_scans() -> None:
    cells = detection.by_scene(recorded()).set_index("scene")
    assert cells.loc["Corridor", "schur"] == "10"
    assert cells.loc["Corridor", "fcn"] == "0 (10)"
