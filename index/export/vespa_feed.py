"""An application package of Vespa and the documents to feed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xret.index.export.formats import ExportedIndex
from xret.index.export.passages import PassageBlock
from xret.types import FloatArray

__all__ = ["VespaFeed"]

_SCHEMA = """\
schema passage {{
  document passage {{
    field doc_id type string {{ indexing: summary | attribute }}
    field lang type string {{ indexing: summary | attribute }}
    field title type string {{ indexing: summary | index }}
    field text type string {{ indexing: summary | index }}
    field start type int {{ indexing: summary | attribute }}
    field end type int {{ indexing: summary | attribute }}
    field meta type string {{ indexing: summary }}
    field embedding type {tensor} {{ indexing: attribute }}
  }}
  rank-profile semantic {{
    inputs {{ query(q) {query} }}
    first-phase {{ expression: {expression} }}
  }}
}}
"""
_SERVICES = """\
<?xml version="1.0" encoding="utf-8" ?>
<services version="1.0">
  <container id="default" version="1.0"><search/><document-api/></container>
  <content id="passages" version="1.0">
    <min-redundancy>1</min-redundancy>
    <documents><document type="passage" mode="index"/></documents>
  </content>
</services>
"""
_MAXSIM = "sum(reduce(sum(query(q) * attribute(embedding), x), max, token), qtoken)"


class VespaFeed:
    """`application/` (a schema whose rank profile is MaxSim, or the dot product of single vectors)
    and `feed.jsonl`, one Vespa document a passage, for `vespa feed`."""

    def __init__(self, folder: Path, index: ExportedIndex) -> None:
        self._single = index.single
        x = f"x[{index.dim}]"
        schema = (
            _SCHEMA.format(
                tensor=f"tensor<float>({x})",
                query=f"tensor<float>({x})",
                expression="sum(query(q) * attribute(embedding))",
            )
            if index.single
            else _SCHEMA.format(
                tensor=f"tensor<float>(token{{}}, {x})",
                query=f"tensor<float>(qtoken{{}}, {x})",
                expression=_MAXSIM,
            )
        )
        schemas = folder / "application" / "schemas"
        schemas.mkdir(parents=True)
        (schemas / "passage.sd").write_text(schema, encoding="utf-8")
        (folder / "application" / "services.xml").write_text(_SERVICES, encoding="utf-8")
        self._feed = (folder / "feed.jsonl").open("w", encoding="utf-8")

    def add(self, block: PassageBlock) -> None:
        for passage, number, document, start, end in block.numbered():
            fields: dict[str, Any] = {
                "doc_id": document.doc_id,
                "lang": document.lang,
                "title": document.title,
                "text": document.text[start:end],
                **({} if start is None else {"start": start, "end": end}),
                "meta": json.dumps(dict(document.meta), ensure_ascii=False, sort_keys=True),
                "embedding": self._tensor(block.embeddings[passage]),
            }
            line = {"put": f"id:xret:passage::{document.doc_id}#{number}", "fields": fields}
            self._feed.write(json.dumps(line, ensure_ascii=False) + "\n")

    def finish(self) -> None:
        """Nothing comes last."""

    def close(self) -> None:
        self._feed.close()

    def _tensor(self, vectors: FloatArray) -> dict[str, Any]:
        """In Vespa's short forms; numbers as their shortest text, which float32 reads back."""
        rows = [[float(f"{number:.9g}") for number in row] for row in vectors.tolist()]
        if self._single:
            return {"values": rows[0]}
        return {"blocks": {str(token): row for token, row in enumerate(rows)}}
