"""Review a change as a stream; an answer that was cut is never taken for a whole one."""

import os
import sys
from pathlib import Path

import openai

client = openai.OpenAI(
    base_url=os.environ.get("SMARTOKEN_BASE_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ["SMARTOKEN_API_KEY"]
)
change = (Path(__file__).parent / "change.diff").read_text()
stream = client.chat.completions.create(
    model=os.environ.get("MODEL", "sandbox/echo"),
    messages=[
        {"role": "system", "content": "Review the change. Name each fault with its line."},
        {"role": "user", "content": change},
    ],
    stream=True,
    stream_options={"include_usage": True},
)
reason, usage = None, None
try:
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
            reason = chunk.choices[0].finish_reason or reason
        usage = chunk.usage or usage
except openai.APIError as error:
    sys.exit(f"\ncut: {error.message}")
print(f"\n{reason}: {usage.prompt_tokens} tokens in, {usage.completion_tokens} out, USD {usage.charge_usd}")
