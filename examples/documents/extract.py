"""Take fields out of invoices, and stop in good order when the key's budget ends."""

import json
import os
import sys
from pathlib import Path

import openai

client = openai.OpenAI(
    base_url=os.environ.get("SMARTOKEN_BASE_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ["SMARTOKEN_API_KEY"]
)
SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "currency": {"type": "string", "enum": ["USD", "EUR", "CNY"]},
    },
    "required": ["number", "date", "currency"],
}

for line in (Path(__file__).parent / "invoices.jsonl").read_text().splitlines():
    document = json.loads(line)
    try:
        answer = client.chat.completions.create(
            model=os.environ.get("MODEL", "sandbox/echo"),
            messages=[
                {"role": "user", "content": f"Number, date and currency of this invoice as JSON:\n{document['text']}"}
            ],
            response_format={"type": "json_schema", "json_schema": {"name": "invoice", "schema": SCHEMA}},
            max_tokens=200,
        )
    except openai.APIStatusError as error:
        if error.status_code == 402:
            sys.exit(f"stopped at {document['file']}: {error.code}; {error.body['remedy']}")
        raise
    fields = json.loads(answer.choices[0].message.content)
    print(
        f"{document['file']}  {fields['number']}  {fields['date']}  {fields['currency']}  USD {answer.usage.charge_usd}"
    )
