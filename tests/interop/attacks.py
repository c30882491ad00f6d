"""Good and bad manifests by name; tests/golden/manifest holds the same cases as files."""
import attacks_envelope  # noqa: F401: registers its cases
import attacks_store  # noqa: F401
import attacks_taxonomy  # noqa: F401
import attacks_withdrawal  # noqa: F401
from attacks_records import BAD_FIELDS  # noqa: F401
from case_list import CASES, TAXONOMY  # noqa: F401
