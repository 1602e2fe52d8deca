"""One HTML page with tables and PNG pictures beside it."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}
td:first-child,th:first-child,td:nth-child(2){text-align:left}img{max-width:100%}"""


@dataclass
class Page:
    """Collects sections and writes `report.html` into a folder."""

    title: str
    folder: Path
    parts: list[str] = field(default_factory=list)

    def table(self, heading: str, header: list[str], rows: list[list[str]]) -> None:
        """A section with one table."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self.parts.append(f"<h2>{escape(heading)}</h2><table><tr>{head}</tr>{body}</table>")

    def picture(self, heading: str, name: str, figure: Figure) -> None:
        """A section with one picture, stored as `name` beside the page; the figure is closed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / name, dpi=110)
        plt.close(figure)
        self.parts.append(f'<h3>{escape(heading)}</h3><img src="{escape(name)}" alt="{escape(heading)}">')

    def write(self) -> None:
        """Store the page."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = "\n".join(self.parts)
        (self.folder / "report.html").write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f"<style>{STYLE}</style><h1>{escape(self.title)}</h1>\n{body}\n</html>\n"
        )
