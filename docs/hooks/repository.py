"""Pages of the repository that lie outside docs/, and links that lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "data/*.md", "checkpoints/**/*.md", "checkpoints/*/*.png")
LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])")
NO_PAGE = re.compile(r"\[([^\]]+)\]\(#not-a-page[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them under the paths that they have in the repository."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages; what is no page keeps its words alone."""
    here = page.file.src_uri
    in_docs = page.file.generated_by is None
    folder = posixpath.dirname(f"docs/{here}" if in_docs else here)

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[1]))
        target = path.removeprefix("docs/")
        if files.get_file_from_path(target) is None:
            return "#not-a-page" if (ROOT / path).exists() else found[1]
        return posixpath.relpath(target, posixpath.dirname(here) or ".")

    return NO_PAGE.sub(r"\1", LINK.sub(link, markdown))
