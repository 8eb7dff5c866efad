# What a user of openai-python does with the gateway. Any exception is a failure.
import os

import openai

client = openai.OpenAI(base_url=os.environ["GATEWAY_URL"], api_key="unused", max_retries=0)
messages = [{"role": "user", "content": "say hello"}]

models = [model.id for model in client.models.list()]
assert models == ["echo"], models

answer = client.chat.completions.create(model="echo", messages=messages)
assert answer.object == "chat.completion" and answer.model == "echo", answer
assert answer.choices[0].index == 0 and answer.choices[0].finish_reason == "stop", answer
assert answer.choices[0].message.role == "assistant", answer
assert answer.choices[0].message.content == "say hello", answer
assert answer.usage.total_tokens == 4, answer

stream = client.chat.completions.create(
    model="echo", messages=messages, stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == "say hello", chunks
assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop", chunks
assert chunks[-1].usage.total_tokens == 4, chunks

try:
    client.chat.completions.create(model="nobody", messages=messages)
    raise AssertionError("an unknown model was served")
except openai.NotFoundError as error:
    assert error.code == "model_not_found" and error.param == "model", error

try:
    client.chat.completions.create(model="echo", messages=[])
    raise AssertionError("no message was served")
except openai.BadRequestError as error:
    assert error.code == "missing_messages", error

print("played to the end")
