"""The OpenAI SDK as it comes: its own base URL, its key in its own header, JSON and streams, tool calls."""

import os

from openai import OpenAI
from story import report

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def main():
    client = OpenAI(api_key=os.environ["KEY"], max_retries=0)
    messages = [{"role": "user", "content": "Say hello."}]

    answer = client.chat.completions.create(model="gpt-test", messages=messages)
    report("chat", answer=answer.model_dump())
    stream = client.chat.completions.create(model="gpt-test", messages=messages, stream=True)
    report("chat stream", chunks=[chunk.model_dump() for chunk in stream])
    answer = client.chat.completions.create(model="gpt-test", messages=messages, tools=[TOOL])
    report("chat tool", answer=answer.model_dump())
    stream = client.chat.completions.create(model="gpt-test", messages=messages, tools=[TOOL], stream=True)
    report("chat tool stream", chunks=[chunk.model_dump() for chunk in stream])

    answer = client.responses.create(model="gpt-test", input="Say hello.")
    report("responses", text=answer.output_text)
    stream = client.responses.create(model="gpt-test", input="Say hello.", stream=True)
    report("responses stream", events=[event.model_dump() for event in stream])


main()
