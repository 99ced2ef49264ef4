"""Samples that pages share with the docs: read from the quickstart, or made for one model. Pure."""

import json
import re

_FENCE = re.compile(r"^### (cURL|Python|TypeScript)\n.*?^```(bash|python|ts)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def first_samples(quickstart: str) -> list[tuple[str, str, str]]:
    """Return the quickstart's first samples: name, language, text."""
    return [(name, language, text) for name, language, text in _FENCE.findall(quickstart)]


def for_model(address: str, model: str, question: str = "Name three uses of a gateway.") -> list[tuple[str, str, str]]:
    """Return the samples of a model's page: name, language, text."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": question}]})
    curl = (
        f"curl -s {address}/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $SMARTOKEN_API_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'\n"
    )
    python = (
        "import os\n\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{address}/v1", api_key=os.environ["SMARTOKEN_API_KEY"])\n'
        "answer = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        f'    messages=[{{"role": "user", "content": "{question}"}}],\n'
        ")\nprint(answer.choices[0].message.content, answer.usage)\n"
    )
    script = (
        'import OpenAI from "openai";\n\n'
        f'const client = new OpenAI({{ baseURL: "{address}/v1", apiKey: process.env.SMARTOKEN_API_KEY }});\n'
        "const answer = await client.chat.completions.create({\n"
        f'  model: "{model}",\n'
        f'  messages: [{{ role: "user", content: "{question}" }}],\n'
        "});\nconsole.log(answer.choices[0].message.content, answer.usage);\n"
    )
    return [("cURL", "bash", curl), ("Python", "python", python), ("TypeScript", "ts", script)]
