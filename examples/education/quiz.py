"""Make quiz questions that keep a schema; what does not keep it is asked for again, at most twice."""

import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("SMARTOKEN_BASE_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ["SMARTOKEN_API_KEY"]
)
SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 4},
        "right": {"type": "integer", "minimum": 0, "maximum": 2},
    },
    "required": ["question", "choices", "right"],
}


def question(topic: str) -> dict:
    for _ in range(3):
        answer = client.chat.completions.create(
            model=os.environ.get("MODEL", "sandbox/echo"),
            messages=[{"role": "user", "content": f"One question for pupils of 12 about {topic}, as JSON."}],
            response_format={"type": "json_schema", "json_schema": {"name": "question", "schema": SCHEMA}},
        )
        try:
            made = json.loads(answer.choices[0].message.content)
        except json.JSONDecodeError:
            continue
        if SCHEMA["required"] == [name for name in SCHEMA["required"] if name in made]:
            return made
    raise RuntimeError(f"no valid question about {topic}")


for topic in ("the water cycle", "fractions"):
    made = question(topic)
    print(f"{topic}: {made['question']} {len(made['choices'])} choices, right is number {made['right'] + 1}")
