"""The report as a file: one self-contained page of valid HTML, the same bytes for the same results."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from report_fixtures import DIGITS, diverged, experiment, keep, on_mnist, published, run, study
from test_plots import contrast

from clearprop.display.plots.style import GRID, INK, MUTED, PAPER, SERIES
from clearprop.report import write_report
from clearprop.report.figures import gallery as figures
from clearprop.report.figures.svg import VARIABLES
from clearprop.report.page import slugs_of
from clearprop.report.render import TEMPLATES
from clearprop.utils.errors import StudyError

HOSTILE = '"><script>alert(1)</script>'
VOID = {"meta", "img", "br", "hr", "link", "input"}
SECTIONS = [
    "glance",
    "introduction",
    "data",
    "experiments",
    "comparison",
    "published",
    "notes",
    "conclusion",
    "reproduce",
]


class Page(HTMLParser):
    """A page taken apart: its elements in order, and whether every element was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data) -> None:
        if not {"style", "script"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def every(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def mixed_study():
    """Return a study with every outcome: several seeds, a collapse, a divergence, something missing."""
    return study(
        experiment(
            "numpy-sigmoid",
            [run("numpy-sigmoid"), run("numpy-sigmoid", seed=1, accuracy=0.8)],
            activation="sigmoid",
            title="Sigmoid, SGD",
            description="The historical choice.",
        ),
        experiment(
            "torch-sigmoid-adam-l2",
            [run("torch-sigmoid-adam-l2", seed=seed, only=3, end=2.3) for seed in (0, 1)],
            optimizer="adam",
            loss="double_softmax",
            weight_decay=0.001,
        ),
        experiment("too-fast", [diverged("too-fast"), diverged("too-fast", seed=1, epochs=0)]),
        planned=["numpy-sigmoid", "torch-sigmoid-adam-l2", "too-fast", "never-run"],
        published=published(),
        note="On digits the learning rates differ.",
    )


@pytest.fixture(scope="module", autouse=True)
def _small_figures():
    """Draw small: what is tested here is the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "PNG_DPI", 20)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = keep(tmp_path_factory.mktemp("study"), mixed_study())
    assert write_report(place) == place / "report.html"
    return place


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


# ---- One sound file ----------------------------------------------------------------------------------


def test_page_loads_no_external_resource(folder: Path, page: Page) -> None:
    text = (folder / "report.html").read_text("utf-8")
    for attributes in page.every(*{tag for tag, _ in page.elements}):
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)\)", text))
    assert "@import" not in text
    assert not page.every("script", "link", "iframe", "object", "base")


def test_every_link_has_a_target_and_ids_are_unique(page: Page) -> None:
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {attributes["href"][1:] for attributes in page.every("a", "use")}
    clipped = {
        name for _, attributes in page.elements for name in re.findall(r"url\(#(.*?)\)", str(attributes))
    }
    labels = {
        attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes
    }
    assert targets | clipped | labels <= set(names)


def test_headings_are_in_order_with_one_title(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


def test_every_picture_has_alternative_text(page: Page) -> None:
    assert all("alt" in attributes for attributes in page.every("img"))
    charts = page.every("svg")
    assert charts
    assert all(chart["role"] == "img" and chart["aria-labelledby"] for chart in charts)
    assert page.every("html") == [{"lang": "en"}]


def test_tables_have_row_and_column_headers(page: Page) -> None:
    assert all(attributes.get("scope") in ("row", "col", "colgroup") for attributes in page.every("th"))


def test_sections_are_in_the_published_order(page: Page) -> None:
    assert [attributes["id"] for attributes in page.every("section")] == SECTIONS


def test_contents_list_every_section_and_experiment(page: Page) -> None:
    links = {attributes["href"] for attributes in page.every("a")}
    assert {f"#{name}" for name in [*SECTIONS, "numpy-sigmoid", "torch-sigmoid-adam-l2", "too-fast"]} <= links


def test_same_results_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere"
    shutil.copytree(folder, again, ignore=shutil.ignore_patterns("report.*", "figures"))
    write_report(again)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in files)


# ---- What it says ------------------------------------------------------------------------------------


def test_failures_have_badges(page: Page) -> None:
    assert "The study is not complete. Planned, but not in these results: never-run." in page.text
    assert "Seed 0 diverged. The loss became NaN or infinite in epoch 2, batch 3 of 10." in page.text
    assert "Every test row is predicted as 3: the network tells no classes apart." in page.text
    assert "one class only" in page.text


def test_caption_states_how_many_losses_are_averaged(page: Page) -> None:
    assert "Training loss by iteration, not averaged: of 40 iterations" in page.text


def test_paragraphs_of_the_study_file_are_kept(page: Page) -> None:
    for words in (
        "First paragraph of two lines.",
        "Second paragraph.",
        "On digits the learning rates differ.",
    ):
        assert words in page.words


def test_published_figures_of_other_data_are_marked(page: Page) -> None:
    assert "Other data. The published figures belong to MNIST, and this run is on digits" in page.text


def test_command_seeds_versions_and_machine_are_given(page: Page) -> None:
    assert "clearprop study activations --data digits" in page.words
    for words in (
        "Seeds 0 and 1.",
        "2.4.6",
        "a processor",
        "8.0 GiB",
        "0123456789abcdef",
        "2026-03-01 12:30 UTC",
    ):
        assert words in page.text


def test_weights_are_drawn_from_the_run_files(folder: Path, page: Page) -> None:
    assert "All 12 units." in page.text
    assert (folder / "figures/numpy-sigmoid-first-layer.png").exists()
    assert not (folder / "figures/too-fast-first-layer.png").exists()


def test_markdown_links_to_figures_that_exist(folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    linked = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert sorted(linked) == sorted(f"figures/{path.name}" for path in (folder / "figures").iterdir())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Introduction",
        "The data",
        "Experiments",
        "Comparison",
        "Published and reproduced",
        "Notes on the published figures",
        "Conclusion",
        "How to reproduce",
    ]


def test_markdown_tables_have_as_many_cells_in_every_row(folder: Path) -> None:
    for block in (folder / "report.md").read_text("utf-8").split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1


# ---- Other kinds of results --------------------------------------------------------------------------


def written(tmp_path: Path, results) -> Page:
    return Page(write_report(keep(tmp_path, results)).read_text("utf-8"))


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    names = [HOSTILE, *DIGITS[1:]]
    results = study(
        experiment(
            HOSTILE,
            [run(HOSTILE, class_names=names, folder="runs/x/0")],
            title=HOSTILE,
            description=HOSTILE,
        ),
        class_names=names,
        title=HOSTILE,
        introduction=HOSTILE,
        note=HOSTILE,
        command=HOSTILE,
    )
    found = written(tmp_path, results)
    assert not found.every("script")
    assert found.text.count("<script>alert(1)</script>") >= 10
    assert "<script" not in (tmp_path / "report.md").read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir() if "confusion" in path.name) == [
        "script-alert-1-script-confusion.png"
    ]


def test_markdown_in_names_is_escaped(tmp_path: Path) -> None:
    keep(tmp_path, study(experiment("a", title="a|b\n[c](http://d) `e` *f* <g> 'h'")))
    write_report(tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert r"**a\|b \[c\](http://d) \`e\` \*f\* &lt;g&gt; &#39;h&#39;.**" in text


def test_data_without_images_gets_tables(tmp_path: Path) -> None:
    found = written(tmp_path, study(experiment("a", [run("a", images=False)]), images=False))
    assert not found.every("img")
    assert "are not images, so there are no samples to show" in found.text
    assert "the weights have no picture" in found.text
    assert "Most confident mistakes on the test set" in found.text


def test_study_without_published_figures_has_no_section_on_them(tmp_path: Path) -> None:
    found = written(tmp_path, study(experiment("a")))
    assert [attributes["id"] for attributes in found.every("section")] == [
        name for name in SECTIONS if name not in ("published", "notes")
    ]


def test_summary_shows_published_accuracies_on_mnist(tmp_path: Path) -> None:
    results = on_mnist(study(experiment("numpy-tanh"), published=published()))
    found = written(tmp_path, results)
    assert "Other data." not in found.text
    assert "Not trained as published. numpy-tanh: " in found.text
    assert "Published Time numpy-tanh 0.9000 0.95 2.5 s" in found.text


def test_report_needs_no_validation_or_test_counts(tmp_path: Path) -> None:
    results = study(experiment("a", [run("a", validation=None)]))
    data = results.data.model_copy(update={"counts": {"train": [5] * 10}})
    found = written(tmp_path, results.model_copy(update={"data": data}))
    assert "Loss by epoch." in found.text


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    keep(tmp_path, study(experiment("a")))
    shutil.rmtree(tmp_path / "runs")
    found = Page(write_report(tmp_path).read_text("utf-8"))
    assert "The parameters of this run are no longer in the study's folder" in found.text


def test_study_without_a_complete_run_has_a_report(tmp_path: Path) -> None:
    found = written(tmp_path, study(experiment("a", [diverged("a", epochs=0)])))
    assert "0 of 1 trainings reached their last epoch." in found.text


def test_experiment_with_missing_seeds_is_named(tmp_path: Path) -> None:
    whole = experiment("whole", [run("whole"), run("whole", seed=1)])
    found = written(tmp_path, study(whole, experiment("half", [run("half")])))
    assert "The study is not complete. With fewer seeds than planned: half." in found.text
    assert "1 of 2 seeds" in found.text


def test_similar_names_get_different_slugs() -> None:
    slugs = slugs_of(study(*(experiment(name) for name in ("a b", "A_B", "ok", "!!!"))))
    assert len(set(slugs.values())) == 4
    assert all(re.fullmatch(r"[a-z0-9-]+", slug) for slug in slugs.values())


def test_damaged_image_gives_one_sentence(tmp_path: Path) -> None:
    results = study(experiment("a"))
    data = results.data.model_copy(update={"samples": [["no picture"]] + [[]] * 9})
    keep(tmp_path, results.model_copy(update={"data": data}))
    with pytest.raises(StudyError, match=r"results\.json is damaged: one of its images is no PNG"):
        write_report(tmp_path)


def test_folder_without_results_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"Cannot read .*results\.json"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- Its style and its place -------------------------------------------------------------------------


def colors_of(theme: int) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", (TEMPLATES / "report.css").read_text("utf-8"), re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[theme]))


def test_style_sheet_has_the_colours_of_the_figures() -> None:
    light = colors_of(0)
    assert {color: f"--{name}" for name, color in light.items() if color in VARIABLES} | {
        PAPER: "--paper"
    } == VARIABLES
    assert light["ink"], light["muted"] == (INK, MUTED)
    assert light["line"] == GRID


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_have_enough_contrast_in_both_themes(theme: int) -> None:
    colors = colors_of(theme)
    for name in ("ink", "muted", "accent", "alert"):
        assert contrast(colors[name], colors["paper"]) >= 4.5
        assert contrast(colors[name], colors["wash"]) >= 4.5
    assert contrast(colors["ink"], colors["alert-wash"]) >= 4.5
    for number in range(1, len(SERIES) + 1):
        assert contrast(colors[f"series-{number}"], colors["paper"]) >= 3


def test_wide_table_is_shaded_at_the_side_where_it_goes_on() -> None:
    style = (TEMPLATES / "report.css").read_text("utf-8")
    (rule,) = re.findall(r"^\.scroll \{(.*)\}", style, re.MULTILINE)
    # the paper moves with the table and uncovers the shade, which stays at the side
    assert "background-attachment: local, local, scroll, scroll" in rule
    assert rule.count("linear-gradient(to right") == rule.count("linear-gradient(to left") == 2


def test_report_imports_no_engine() -> None:
    code = (
        "import sys, clearprop.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import clearprop.report.page, clearprop.report.render\n"
        "assert not {'clearprop.engines', 'clearprop.training.trainer', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
