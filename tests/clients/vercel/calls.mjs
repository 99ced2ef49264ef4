// The Vercel AI SDK as its users use it. Prints one JSON object: what each scene saw.
import { readFileSync } from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // stdout is for the answer
const provider = createOpenAICompatible({
  name: "smartoken",
  baseURL: process.env.GATEWAY_URL,
  apiKey: process.env.GATEWAY_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const prompt = "Say hello to the fleet";
const maxRetries = 0;
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const weather = tool({
  description: "Tell the weather of a city",
  inputSchema: jsonSchema(parameters),
  execute: async ({ city }) => ({ city, celsius: 21 }),
});
const counts = (usage) => ({ prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens });

async function drained(model, more = {}) {
  const errors = [];
  const onError = ({ error }) => void errors.push(error);
  const result = streamText({ model: provider(model), prompt, maxRetries, onError, ...more });
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  return { result, parts, errors };
}

const scenes = {
  async whole() {
    const { response, text, usage, finishReason: finish } = await generateText({ model: provider("one/echo"), prompt, maxRetries });
    return { id: response.id, text, usage: counts(usage), finish };
  },
  async streamed() {
    const { result } = await drained("one/echo");
    const [response, text, usage, finish] = await Promise.all([result.response, result.text, result.usage, result.finishReason]);
    return { id: response.id, text, usage: counts(usage), finish };
  },
  async tools() {
    const stopWhen = stepCountIs(3);
    const { steps, text, totalUsage } = await generateText({ model: provider("one/tool-call"), prompt, maxRetries, stopWhen, tools: { get_weather: weather } });
    const call = steps[0].toolCalls[0];
    return { name: call.toolName, args: call.input, then: text, steps: steps.length, usage: counts(totalUsage) };
  },
  async streamed_tools() {
    const { result, parts } = await drained("one/tool-call", { tools: { get_weather: weather } });
    const call = parts.find((part) => part.type === "tool-call");
    return { name: call.toolName, args: call.input, usage: counts(await result.usage) };
  },
  async structured() {
    return (await generateObject({ model: provider("one/json-mode"), prompt, maxRetries, schema: z.object({ answer: z.string() }) })).object;
  },
  async thinking() {
    const { reasoningText, text } = await generateText({ model: provider("one/reasoning"), prompt, maxRetries });
    return { thought: reasoningText, text };
  },
  async cut() {
    const { parts, errors } = await drained("one/cut-mid-stream");
    const error = parts.find((part) => part.type === "error")?.error;
    return { kind: error ? "error" : null, text: JSON.stringify(error ?? null) + String(error?.message ?? error), told: errors.length };
  },
  async unknown() {
    try {
      await generateText({ model: provider("no/such-model"), prompt, maxRetries });
      return { kind: null };
    } catch (error) {
      return { kind: error.name, status: error.statusCode, text: error.responseBody };
    }
  },
};

const seen = { version: JSON.parse(readFileSync(new URL("node_modules/ai/package.json", import.meta.url))).version };
for (const [name, scene] of Object.entries(scenes)) seen[name] = await scene();
process.stdout.write(JSON.stringify(seen));
