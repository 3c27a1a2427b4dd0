"""The page in a real browser: nothing is fetched, names are text, what is not there is told."""

import re

from bad_input import assert_one_line
from report_cases import NAMES, write_detector_run

from resnest_dense.cli import main

SECTIONS = ["Scores", "AP by class and size", "Precision-recall curves", "Errors by kind",
            "Confusion matrix", "Worst images", "Calibration", "Training", "Speed and memory",
            "What the checks said", "Settings"]


def write(folder, **options):
    """The report of a detector's run."""
    assert main(["report", str(write_detector_run(folder, **options))]) == 0
    return folder / "report.html"


def test_the_whole_page(page, tmp_path):
    path = write(tmp_path / "<run>")
    assert path.stat().st_size < 4e6
    page.goto(path.as_uri())
    urls = [request.url for request in page.requests]
    assert [url for url in urls if not url.startswith("data:")] == [path.as_uri()]
    assert not page.said
    assert page.locator("h1").inner_text() == "<run>"
    assert page.locator("h2").all_inner_texts() == SECTIONS
    assert page.locator("nav a").all_inner_texts() == SECTIONS
    assert page.locator("script").count() == 1  # ours
    first = page.locator("section", has_text="AP by class").locator("table").first
    assert first.locator("td:first-child").all_inner_texts() == ["all classes", *NAMES]
    pictures = page.locator("img").evaluate_all(
        "all => all.map(one => [one.complete && one.naturalWidth, one.alt])")
    assert len(pictures) > 10 and all(width and alt for width, alt in pictures)
    assert page.locator("h3").first.inner_text().startswith("<b>")
    text = page.locator("body").inner_text()
    for words in ("Finished: 40 of 40 iterations", "Preflight, weights: warning", "1234M",
                  "0:01:30", "0.500 s for 2 images", "--name '<i>'", "bbox/AP50", "mmseg"):
        assert (words in text) == (words != "mmseg"), words


def test_a_click_on_a_head_sorts(page, tmp_path):
    page.goto(write(tmp_path / "run").as_uri())
    table = page.locator("section", has_text="AP by class").locator("table").first
    head = table.locator("th", has_text=re.compile("^objects$"))
    numbers = table.locator("td:nth-child(2)")
    head.click()
    assert numbers.all_inner_texts() == ["131", "53", "41", "37"]
    head.click()
    assert numbers.all_inner_texts() == ["37", "41", "53", "131"]


def test_a_run_that_was_interrupted(page, tmp_path):
    page.goto(write(tmp_path / "run", done=20, evaluated=False).as_uri())
    text = page.locator("body").inner_text()
    assert "Not finished: 20 of 40 iterations" in text
    missing = page.locator(".missing").first.inner_text()
    for words in ("Scores: the log has no validation", "Confusion matrix", "not been evaluated",
                  "Curves of Validation"):
        assert words in missing
    assert page.locator("h2").all_inner_texts() == [
        "Not measured", "Training", "Speed and memory", "What the checks said", "Settings"]
    assert not page.said


def test_folders_that_hold_no_run(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "none"):
        assert_one_line(main(["report", str(folder)]), capsys, ("holds no starts.jsonl", "name"))
    (tmp_path / "starts.jsonl").write_text("")
    assert_one_line(main(["report", str(tmp_path)]), capsys, ("cannot be read", "empty"))
    assert not (tmp_path / "report.html").exists()
