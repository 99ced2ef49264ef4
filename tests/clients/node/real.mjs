// The openai SDK for Node through the gateway to a real model server. Prints one JSON object: what each scene saw; the
// assertions stand in tests/real/test_node.py.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: process.env.GATEWAY_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "What is the capital of France?" }];
const exact = { model: process.env.GATEWAY_MODEL, messages, temperature: 0, seed: 1 };
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];

async function drained(promise) {
  const seen = { id: null, text: "", finish: null, usage: null };
  for await (const chunk of await promise) {
    seen.id = chunk.id;
    seen.text += chunk.choices[0]?.delta?.content ?? "";
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen;
}

async function whole(more) {
  const { data, response } = await client.chat.completions.create({ ...exact, ...more }).withResponse();
  const { message, finish_reason: finish } = data.choices[0];
  const charge = response.headers.get("x-smartoken-charge-usd");
  return { id: data.id, model: data.model, usage: data.usage, finish, message, charge };
}

const scenes = {
  whole: () => whole({ max_tokens: 40 }),
  natural: () => whole({}),
  streamed: () =>
    drained(
      client.chat.completions.create({ ...exact, max_tokens: 40, stream: true, stream_options: { include_usage: true } }),
    ),
  json: () => whole({ max_tokens: 60, response_format: { type: "json_object" } }),
  tools: () =>
    whole({ max_tokens: 60, tools, tool_choice: { type: "function", function: { name: "get_weather" } } }),
  async refused() {
    try {
      await client.chat.completions.create({ ...exact, max_tokens: -1 });
      return { refused: false };
    } catch (error) {
      return { refused: true, status: error.status, code: error.code, param: error.param };
    }
  },
};

const seen = {};
for (const [name, scene] of Object.entries(scenes)) seen[name] = await scene();
console.log(JSON.stringify(seen));
