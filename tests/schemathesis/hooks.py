"""Ids and codes that the node under test knows, so that more than refusals is seen."""

import json
import os

import schemathesis
from hypothesis import strategies as st

KNOWN = json.loads(os.environ.get("TOWNMESH_KNOWN", "{}"))


def often(known, otherwise):
    """Mostly what is known, sometimes anything of that form."""
    known = [value for value in known if value]
    return st.one_of(st.sampled_from(known), st.sampled_from(known), otherwise) if known else otherwise


DIGITS = st.from_regex(r"\A[1-9][0-9]([0-9]{2}([0-9]{2}([0-9]{3}([0-9]{3})?)?)?)?\Z")
schemathesis.openapi.format("RegionCode", often([KNOWN.get("region")], DIGITS))
ID = st.from_regex(r"\A[0-9a-f]{32}\Z")
schemathesis.openapi.format("DocumentId", often([KNOWN.get("household"), KNOWN.get("case")], ID))
