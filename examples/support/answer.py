"""Sort support tickets and draft a reply to each; print what each one cost."""

import json
import os
from decimal import Decimal
from pathlib import Path

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("SMARTOKEN_BASE_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ["SMARTOKEN_API_KEY"]
)
MODEL = os.environ.get("MODEL", "sandbox/echo")
SCHEMA = {
    "type": "object",
    "properties": {"category": {"type": "string", "enum": ["billing", "keys", "errors"]}, "reply": {"type": "string"}},
    "required": ["category", "reply"],
    "additionalProperties": False,
}

total = Decimal(0)
for line in (Path(__file__).parent / "tickets.jsonl").read_text().splitlines():
    ticket = json.loads(line)
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "system",
                "content": "Sort the ticket into one category and draft a short, friendly reply as JSON.",
            },
            {"role": "user", "content": ticket["text"]},
        ],
        response_format={"type": "json_schema", "json_schema": {"name": "draft", "schema": SCHEMA}},
        user=ticket["id"],
    )
    draft = json.loads(answer.choices[0].message.content)
    charge = Decimal(answer.usage.charge_usd)
    total += charge
    print(f"{ticket['id']}  {draft['category']:8}  USD {charge}  {draft['reply']}")
print(f"total USD {total}")
