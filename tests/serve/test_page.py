"""The page in a real browser: pictures are dropped on it, filtered, and what is bad is told."""

import base64

from exported import SEGMENTOR, colour_cells, write_detector, write_segmentor
from serving import encode, served_here

IMAGE = colour_cells(100, 130, {(1, 2): 0, (3, 5): 2, (5, 1): 2, (0, 0): 1})
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  document.dispatchEvent(new DragEvent("drop", {dataTransfer, cancelable: true}));
}"""


def drop(page, name, content):
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


def pixel(page, x, y):
    return page.evaluate("""([x, y]) => [...document.querySelector("canvas").getContext("2d")
        .getImageData(x, y, 1, 1).data].slice(0, 3)""", [x, y])


def legend(page):
    return dict(zip(page.locator("#legend span").all_inner_texts(),
                    map(int, page.locator("#legend small").all_inner_texts())))


def slide(page, name, value):
    page.locator(name).evaluate("(slider, value) => { slider.value = value; slider.oninput(); }",
                                value)


def test_detections(page, tmp_path):
    with served_here(write_detector(tmp_path / "m.onnx")) as url:
        page.goto(url)
        drop(page, "<b>.png", encode(IMAGE))
        page.wait_for_selector("canvas")
        assert legend(page) == {"red": 1, "green": 1, "blue": 2}
        assert "<b>.png, 130×100" in page.locator("figcaption").inner_text()
        assert "model " in page.locator("figcaption").inner_text()
        middle = pixel(page, 88, 56)  # blue under blue: (30, 30, 220) over (0, 0, 220), by half
        assert middle == [15, 15, 220]
        slide(page, "#score", 0.81)  # red has 200 / 255
        assert legend(page) == {"red": 0, "green": 1, "blue": 2}
        page.locator("#legend input").first.uncheck()  # blue
        assert pixel(page, 88, 56) == [0, 0, 220]
        slide(page, "#score", 0.05)
        slide(page, "#strength", 1)
        page.locator("#legend input").first.check()
        assert legend(page)["red"] == 1 and pixel(page, 88, 56) == [30, 30, 220]
        assert [request.method for request in page.requests].count("POST") == 1
        drop(page, "bad.png", b"no image")
        page.wait_for_selector(".error")
        assert "bad.png: That is no image" in page.locator(".error").inner_text()


def test_labels_and_several_pictures_at_once(page, tmp_path):
    model = write_segmentor(tmp_path / "m.onnx", SEGMENTOR)
    files = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": encode(IMAGE)}
             for i in range(6)]
    with served_here(model) as url:
        page.goto(url)
        page.set_input_files("#files", files)
        page.wait_for_function("document.querySelectorAll('canvas').length == 6")
        assert legend(page) == {"dark": 6, "red": 6, "green": 6, "blue": 6}
        assert not page.locator("#sureness").is_visible()
        slide(page, "#strength", 1)
        assert pixel(page, 40, 24) == [220, 30, 30] and pixel(page, 60, 90) == [0, 0, 0]
