"""How Sphinx makes these pages: sphinx-build -W --keep-going docs build/docs"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import gdexp  # noqa: E402

project = "gdexp"
author = "the authors of gdexp"
release = gdexp.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "catalogue"]
html_theme = "furo"
html_title = f"gdexp {release}"
exclude_patterns = ["build"]
myst_heading_anchors = 3
os.environ["PLOTLY_RENDERER"] = "notebook"  # figures as HTML, their script in the page
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
autodoc_typehints = "none"  # the signature has them
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, which tests check
