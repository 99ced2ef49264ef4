// The openai SDK for Node as its users use it: only `baseURL`, `apiKey` and `model` are ours.
// Prints one JSON object: what each scene saw. The assertions stand in tests/e2e/test_openai_node.py.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: process.env.GATEWAY_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello to the fleet" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
const schema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
const create = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

async function caught(promise) {
  try {
    return { answered: await promise };
  } catch (error) {
    return {
      name: error.constructor.name,
      api: error instanceof OpenAI.APIError,
      status: error.status ?? null,
      code: error.code ?? null,
      param: error.param ?? null,
      requestId: error.requestID ?? null,
      text: error.message,
    };
  }
}

async function drained(promise) {
  const seen = { id: null, ids: [], text: "", finish: null, usage: null, roles: 0 };
  for await (const chunk of await promise) {
    seen.id = chunk.id;
    if (!seen.ids.includes(chunk.id)) seen.ids.push(chunk.id);
    const choice = chunk.choices[0];
    seen.text += choice?.delta?.content ?? "";
    seen.roles += choice?.delta?.role ? 1 : 0;
    seen.finish = choice?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen;
}

const scenes = {
  async whole() {
    const { data, response, request_id: requestId } = await create("one/echo").withResponse();
    const charge = response.headers.get("x-smartoken-charge-usd");
    const { id, model, usage } = data;
    const { finish_reason: finish, message } = data.choices[0];
    return { id, model, usage, finish, text: message.content, charge, requestId };
  },
  streamed: () => drained(create("one/echo", { stream: true, stream_options: { include_usage: true } })),
  streamedWithoutUsage: () => drained(create("one/echo", { stream: true })),
  async helper() {
    const runner = client.chat.completions.stream({ model: "one/echo", messages });
    return { text: await runner.finalContent() };
  },
  async tools() {
    const first = (await create("one/tool-call", { tools })).choices[0];
    const call = first.message.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: '{"celsius": 21}' };
    const more = { tools, messages: [...messages, first.message, result] };
    const second = (await create("one/tool-call", more)).choices[0];
    return { finish: first.finish_reason, name: call.function.name, args: call.function.arguments, then: second.message };
  },
  async streamedTools() {
    const runner = client.chat.completions.stream({ model: "one/tool-call", messages, tools });
    const { message, finish_reason: finish } = (await runner.finalChatCompletion()).choices[0];
    const call = message.tool_calls[0];
    return { finish, name: call.function.name, args: call.function.arguments, calls: message.tool_calls.length };
  },
  async json() {
    return { text: (await create("one/json-mode", { response_format: { type: "json_object" } })).choices[0].message.content };
  },
  async schema() {
    const format = { type: "json_schema", json_schema: { name: "reply", schema } };
    return { text: (await create("one/json-mode", { response_format: format })).choices[0].message.content };
  },
  async thinking() {
    const { message } = (await create("one/reasoning")).choices[0];
    return { thought: message.reasoning_content, text: message.content };
  },
  unknownModel: () => caught(create("no/such-model")),
  badParameter: () => caught(create("one/echo", { temperature: 9 })),
  overloaded: () => caught(create("one/overloaded")),
  rateLimited: () => caught(create("one/rate-limited")),
  wrongKey: () => caught(new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: "sk-st-wrong", maxRetries: 0 }).chat.completions.create({ model: "one/echo", messages })),
  cut: () => caught(drained(create("one/cut-mid-stream", { stream: true }))),
  wholeCut: () => caught(create("one/cut-mid-stream")),
  malformed: () => caught(drained(create("one/malformed-stream", { stream: true }))),
  async left() {
    const stream = await create("one/long", { stream: true });
    let id = null;
    for await (const chunk of stream) {
      id = chunk.id;
      if (chunk.choices[0]?.delta?.content) break; // the SDK aborts the request
    }
    return { id };
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: await client.models.retrieve("one/echo") };
  },
  async many() {
    const texts = await Promise.all(
      Array.from({ length: 50 }, async (_, number) => {
        const more = { messages: [{ role: "user", content: `number ${number};` }] };
        return (await create("one/echo", more)).choices[0].message.content;
      }),
    );
    return { right: texts.filter((text, number) => text.includes(`number ${number};`)).length };
  },
};

const seen = {};
for (const [name, scene] of Object.entries(scenes)) seen[name] = await scene();
process.stdout.write(JSON.stringify(seen));
