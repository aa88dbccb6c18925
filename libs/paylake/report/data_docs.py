"""The Data Docs' pages: Great Expectations' content in a page of our own, without scripts and with nothing to fetch.

Its own pages load scripts and styles from half a dozen hosts, and their lists of tables are drawn by those scripts: where
nothing may be fetched, or should be, they are empty. Only its site builder imports this module, by its name.
"""

from __future__ import annotations

from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, PackageLoader

from paylake import __version__


class DataDocsPage(DefaultJinjaPageView):
    """The list of tables, a suite, or what became of it: `data_docs.html.j2` with the content's own templates inside."""

    _template = "data_docs.html.j2"

    def __init__(self, **directories: Any) -> None:
        """Ours are the templates that go by a name which both have: `bootstrap_table.j2`, here a plain table."""
        super().__init__(**directories)
        theirs = self.env.loader
        assert theirs is not None
        self.env.loader = ChoiceLoader([PackageLoader("paylake", "report"), theirs])
        self.env.globals["version"] = __version__
