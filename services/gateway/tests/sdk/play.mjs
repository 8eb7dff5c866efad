// What a user of openai-node does with the gateway. Any exception is a failure.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL, apiKey: 'unused', maxRetries: 0 });
const messages = [{ role: 'user', content: 'say hello' }];

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ['echo']);

const answer = await client.chat.completions.create({ model: 'echo', messages });
assert.equal(answer.object, 'chat.completion');
assert.equal(answer.choices[0].finish_reason, 'stop');
assert.deepEqual(answer.choices[0].message, { role: 'assistant', content: 'say hello', refusal: null });
assert.equal(answer.usage.total_tokens, 4);

const options = { model: 'echo', messages, stream: true, stream_options: { include_usage: true } };
let text = '';
let last;
let finish;
for await (const chunk of await client.chat.completions.create(options)) {
  text += chunk.choices[0]?.delta.content ?? '';
  finish = chunk.choices[0]?.finish_reason ?? finish;
  last = chunk;
}
assert.equal(text, 'say hello');
assert.equal(finish, 'stop');
assert.equal(last.usage.total_tokens, 4);

await assert.rejects(client.chat.completions.create({ model: 'nobody', messages }), (error) => {
  assert.ok(error instanceof OpenAI.NotFoundError);
  return error.code === 'model_not_found';
});
await assert.rejects(client.chat.completions.create({ model: 'echo', messages: [] }), OpenAI.BadRequestError);

console.log('played to the end');
