"""Meet what a provider can do wrong, one test card after the other, and see what the SDK raises for each."""

import os

import openai

client = openai.OpenAI(
    base_url=os.environ.get("SMARTOKEN_BASE_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ["SMARTOKEN_API_KEY"],
    max_retries=0,
    timeout=30,
)
CARDS = ["echo", "slow", "cut-mid-stream", "malformed-stream", "content-filter", "rate-limited"]

for card in CARDS:
    told = ""
    try:
        stream = client.chat.completions.create(
            model=f"sandbox/{card}", messages=[{"role": "user", "content": "Count to twenty, please."}], stream=True
        )
        for chunk in stream:
            told += chunk.choices[0].delta.content or "" if chunk.choices else ""
        ending = "whole"
    except openai.APIStatusError as error:
        ending = f"HTTP {error.status_code} {error.code}, billed: {error.body['billed']}"
    except openai.APIError as error:
        ending = f"{error.code} inside the stream, billed: {error.body['billed']}"
    print(f"{card:16} {len(told):3} characters, then {ending}")
