"""How long `import kundenwert` takes, and what it loads that is not in the standard library."""

from __future__ import annotations

import sys
import time

from measure import arguments, save

options = arguments(__doc__).parse_args()
before = set(sys.modules)
began = time.perf_counter()
import kundenwert  # noqa: E402, F401, ICN001 - this is what is timed

seconds = time.perf_counter() - began
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
third_party = sorted(loaded - sys.stdlib_module_names - {"kundenwert"})
save(options.out, ["kundenwert"], {"seconds": seconds, "third_party": third_party})
