"""Presidio's recognisers over every file of a folder, without a language model: patterns, checksums, context words.

Prints how many findings each file has, as one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path

import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import SpacyNlpEngine


def main():
    files = [path for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
    with tempfile.TemporaryDirectory() as blank:
        spacy.blank("en").to_disk(blank)
        engine = AnalyzerEngine(nlp_engine=SpacyNlpEngine(models=[{"lang_code": "en", "model_name": blank}]))
        counts = {}
        for path in files:
            text = path.read_text(encoding="utf-8", errors="replace")
            counts[str(path)] = len(engine.analyze(text=text, language="en"))
    json.dump({path: count for path, count in counts.items() if count}, sys.stdout)


main()
