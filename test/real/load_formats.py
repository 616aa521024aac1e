"""load_formats.py FORMAT FILE CACHE - prints the samples of an export as the tool that the format is for sees them.

A line of JSON in ASCII for each: text, intent, entities [[start, end, label], ...], and what else the format says.
"""

import csv
import json
import os
import re
import sys
import urllib.parse
import warnings


def lines_of(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            assert line.endswith("\n"), "the last line has no end"
            yield line[:-1]


def load_jsonl(path):
    return map(json.loads, lines_of(path))


def load_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


# Rasa has no build for the versions of Python that the others need. What follows is written after what its parser and
# its documentation of the training data's format take for an entity: marks [words](label), [words](label:synonym),
# [words]{attributes} and [words][list of attributes], anywhere in a text, and nothing to escape them with.
MARK = re.compile(
    r"""\[ (?P<words> [^\]]+ ) \]
        (?: \( (?P<label> [^:)]+ ) (?: : (?P<synonym> [^)]+ ) )? \)
          | \{ (?P<attributes> [^}]+ ) \}
          | \[ (?P<list> .*? ) \] )""",
    re.VERBOSE,
)


def read_marks(example):
    text, entities, at = "", [], 0
    for mark in MARK.finditer(example):
        text += example[at : mark.start()]
        at = mark.end()
        if mark["label"]:
            attributes = {"entity": mark["label"]}
            assert not mark["synonym"], "a synonym that nobody asked for"
        else:
            assert mark["attributes"], "a list of attributes that nobody asked for"
            attributes = json.loads("{" + mark["attributes"] + "}")
            # What Rasa's own schema of these allows: strings.
            assert set(attributes) <= {"entity", "value", "role", "group"}, attributes
            assert all(isinstance(value, str) for value in attributes.values()), attributes
        more = [attributes.get("value", mark["words"]), attributes.get("role"), attributes.get("group")]
        entities.append([len(text), len(text) + len(mark["words"]), attributes["entity"], *more])
        text += mark["words"]
    return text + example[at:], entities


def rasa_examples(examples):
    """A literal block has a text a line, in the sense of splitlines(); a list has objects."""
    if isinstance(examples, str):
        for line in examples.splitlines():
            assert line.startswith("-"), repr(line)
            yield line[1:]
    else:
        for example in examples:
            assert list(example) == ["text"], example
            yield example["text"]


def load_rasa(path):
    import yaml

    with open(path, encoding="utf-8", newline="") as file:
        document = yaml.safe_load(file)
    assert document["version"] == "3.1"
    assert sorted(document) == ["nlu", "version"]
    for block in document["nlu"]:
        assert sorted(block) == ["examples", "intent"], list(block)
        assert isinstance(block["intent"], str), repr(block["intent"])
        for example in rasa_examples(block["examples"]):
            # Rasa takes these off either end.
            text, entities = read_marks(example.strip("\n\r "))
            yield {"text": text, "intent": block["intent"], "entities": entities}


def load_huggingface(path):
    import datasets

    datasets.disable_progress_bars()
    for row in datasets.load_dataset("json", data_files=path, split="train"):
        entities = [[e["start"], e["end"], e["label"]] for e in row.pop("entities")]
        yield {"text": row.pop("text"), "intent": row.pop("label"), "entities": entities, **row}


def load_openai(path):
    for row in map(json.loads, lines_of(path)):
        assert list(row) == ["messages"], list(row)
        assert [list(message) for message in row["messages"]] == [["role", "content"]] * 3
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        system, text, answer = (message["content"] for message in row["messages"])
        assert "JSON" in system
        yield {"text": text, **json.loads(answer)}


def load_spacy(path):
    """An entity is only in the result where spaCy has tokens for it; unaligned are the others."""
    import spacy
    import srsly
    from spacy.training import Example

    warnings.filterwarnings("ignore", message=r"\[W030\]")
    nlp = spacy.blank("xx")
    for row in srsly.read_jsonl(path):
        assert list(row) == ["text", "cats", "entities"], list(row)
        example = Example.from_dict(nlp.make_doc(row["text"]), {"cats": row["cats"], "entities": row["entities"]})
        doc = example.reference
        [(intent, one)] = doc.cats.items()
        assert one == 1.0
        for entity in doc.ents:
            assert not (entity[0].is_space or entity[-1].is_space), f"white space around {entity.text!r}"
        unaligned = [e for e in row["entities"] if doc.char_span(*e, alignment_mode="strict") is None]
        entities = [[e.start_char, e.end_char, e.label_] for e in doc.ents]
        yield {"text": doc.text, "intent": intent, "entities": entities, "unaligned": unaligned}


def load_fasttext(path):
    """A line as fastText's documentation describes it; what its own dictionary has is for the test to see."""
    for line in lines_of(path):
        label, text = line.split(" ", 1)
        assert label.startswith("__label__"), label
        assert len(label.split()) == 1 and len(line.splitlines()) == 1, line
        yield {"text": text, "intent": urllib.parse.unquote(label.removeprefix("__label__"), errors="strict")}


def main():
    name, path, cache = sys.argv[1:]
    # Nothing is fetched, and nothing written elsewhere.
    os.environ.update(HF_HOME=cache, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    for sample in globals()["load_" + name](path):
        print(json.dumps(sample))


main()
