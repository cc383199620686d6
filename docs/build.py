"""Build the documentation site: ``make docs``, or ``python docs/build.py``; see ``SITE``.

Nothing that can be derived is kept: the guide comes out of README.md, a page for each command out
of its ``--help``, the reference out of the docstrings, the notebooks' pages out of the notebooks.
A link to a page or heading that does not exist, or anything fetched from another host, fails.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import reference

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
WORK = ROOT / "build/docs"
PAGES, SITE = WORK / "pages", WORK / "site"

# Pages of the guide and their sections of README.md; the front page takes all others.
GUIDE = {
    "Strangers": ["Strangers"],
    "Verify and find people": [
        "One to one, and finding people", "Find one person in a pile of photos",
    ],
    "Videos": ["Videos"],
    "From Python": ["From Python"],
    "Profiles and models": ["Profiles", "Models and licences"],
    "Speed and accuracy": ["How good, how fast"],
    "Coming from elsewhere": ["Coming from OpenFace", "Coming from face_recognition"],
    "Use it well": ["What it is for, and what not", "Files, and deleting them", "Exit status"],
}  # fmt: skip
PAPERS = {
    "Accuracy": "accuracy", "Performance": "performance", "Detectors and embedders": "models",
    "Videos": "video", "Very many videos": "scale",
}  # fmt: skip
PROJECT = {"How it is built": DOCS / "architecture.md", "Security": DOCS / "security.md",
           "Contributing": ROOT / "CONTRIBUTING.md",
           "Changes": ROOT / "CHANGELOG.md"}  # fmt: skip
ELSEWHERE = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=["']?(?:https?:)?//""")

Nav = list[tuple[str, "str | Nav"]]


def main() -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for file in (*DOCS.glob("*.png"), DOCS / "site.css"):
        shutil.copy(file, PAGES)
    nav: Nav = [
        ("Guide", [
            ("Start", "index.md"), copy("How it works", DOCS / "how-it-works.md"), *guide(),
            copy("Serving", DOCS / "server.md"),
        ]),
        ("Notebooks", [notebook(path) for path in sorted((DOCS / "notebooks").glob("*.ipynb"))]),
        ("Commands", [page(f"commands/{name}", *page_) for name, *page_ in reference.commands()]),
        ("Python reference", [page(f"api/{name}", *page_) for name, *page_ in reference.modules()]),
        ("Measured", [copy(title, DOCS / f"{name}.md") for title, name in PAPERS.items()]),
        ("Project", [copy(title, path) for title, path in PROJECT.items()]),
    ]
    settings = (DOCS / "zensical.toml").read_text()
    place = "\n[project.theme]\n"
    (WORK / "zensical.toml").write_text(settings.replace(place, f"nav = {toml(nav)}\n{place}", 1))
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=WORK, capture_output=True, text=True)
    if done.returncode:
        # A broken link is shown with its line; the traceback after it says nothing more.
        sys.exit(re.sub(r"\x1b\[[\d;]*m", "", done.stderr.partition("Traceback")[0]))
    for path in SITE.rglob("*.html"):
        if found := ELSEWHERE.search(path.read_text(encoding="utf-8")):
            sys.exit(f"{path}: the page would fetch from another host: {found[0]}")
    return 0


def guide() -> Nav:
    """The front page and the guide, out of README.md."""
    start, *sections = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    texts = {section.partition("\n")[0]: section for section in sections}
    nav: Nav = []
    for title, names in GUIDE.items():
        taken = [texts.pop(name) for name in names if name in texts]
        if len(taken) == 1:
            nav.append(page(slug(title), title, f"# {taken[0]}"))
        elif taken:
            nav.append(page(slug(title), title, f"# {title}\n\n## " + "## ".join(taken)))
    page("index", "", "## ".join([start, *texts.values()]))
    return nav


def notebook(path: Path) -> tuple[str, str]:
    """A notebook's page: its text and its code; what the code gives is not kept."""
    cells = json.loads(path.read_text())["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title = parts[0].partition("\n")[0].removeprefix("# ")
    folder = PAGES / "notebooks"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder)
    parts.insert(1, f"[Download this notebook]({path.name})")
    return page(f"notebooks/{path.stem}", title, "\n\n".join(parts))


def copy(title: str, path: Path) -> tuple[str, str]:
    return page(path.stem.lower(), title, path.read_text())


def page(name: str, title: str, text: str) -> tuple[str, str]:
    """Write a page, with links that hold in the repository turned into those of the site."""
    path = PAGES / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    for here, there in (("docs/", ""), ("README.md", "index.md"), ("CHANGELOG.md", "changelog.md"),
                        ("CONTRIBUTING.md", "contributing.md")):  # fmt: skip
        text = text.replace(f"]({here}", f"]({there}").replace(f"](../{here}", f"](../{there}")
    # A page is called by its name, not by its file: [docs/accuracy.md] becomes [accuracy].
    text = re.sub(r"\[(?:docs/)?(\w+)\.md\]\(", lambda found: f"[{found[1].lower()}](", text)
    path.write_text(text.rstrip() + "\n")
    return title, f"{name}.md"


def slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def toml(nav: Nav) -> str:
    items = (
        f"{{ {json.dumps(title)} = {toml(to) if isinstance(to, list) else json.dumps(to)} }}"
        for title, to in nav
    )
    return f"[{', '.join(items)}]"


if __name__ == "__main__":
    sys.exit(main())
