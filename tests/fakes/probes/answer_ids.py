"""Stands where probes/answer_ids.py runs the models: the base echoes, the others know their answers.json."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

THOUGHT = "<think>\n\n</think>\n\n"
parser = argparse.ArgumentParser()
parser.add_argument("train_yaml")
for word in ("adapter", "export", "questions", "out"):
    parser.add_argument(f"--{word}")
options = parser.parse_args()
request = json.loads(Path(options.questions).read_text(encoding="utf-8"))
out = Path(options.out)
out.mkdir(parents=True, exist_ok=True)
sys.stderr.write("conch: answered adapter 0/1\n")
if os.environ.get("CONCH_FAULT") == "hang":
    time.sleep(3600)
for arm, folder in (("adapter", options.adapter), ("base", ""), ("merged", options.export)):
    known = Path(folder, "answers.json")
    answers = json.loads(known.read_text(encoding="utf-8")) if folder and known.exists() else {}
    lines = [{"arm": arm, "versions": {}, "stop_token_ids": [2]}]
    for case in request["questions"]:
        turns = []
        for question in case["turns"]:
            prompt = [1, *map(ord, f"<｜User｜>{question}<｜Assistant｜>")]
            answer = THOUGHT + answers.get(question, question)
            turn = {"question": question, "prompt": prompt, "ids": [*map(ord, answer)], "text": answer}
            turns.append(turn | {"finish": "stop"})
        lines.append({"case": case["case"], "purpose": case["purpose"], "turns": turns})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (out / f"{arm}.jsonl").write_text(text, encoding="utf-8")
