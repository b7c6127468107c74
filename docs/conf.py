"""Sphinx configuration; ``make docs`` builds with every warning an error."""

from importlib.metadata import version as installed_version

project = "kundenwert"
author = "The kundenwert developers"
project_copyright = author
release = version = installed_version("kundenwert")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings give shapes and units, which types cannot
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False  # the API pages list the members
add_module_names = False

# A reference to kundenwert must resolve. Those to other projects would need their inventories from the network.
nitpick_ignore_regex = [(r"py:.*", r"(?!kundenwert).*")]

html_theme = "furo"
html_title = f"kundenwert {release}"
