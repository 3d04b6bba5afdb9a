"""Both SDKs reading streams, with and without tool calls: what their users see in the end."""

import json
import os
import sys

from anthropic import Anthropic
from openai import OpenAI
from story import report

FUNCTION = {"name": "note", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
TOOL = {"name": "note", "input_schema": FUNCTION["parameters"]}


def openai():
    client = OpenAI(api_key=os.environ["KEY"], max_retries=0)
    asked = {"model": "gpt-test", "messages": [{"role": "user", "content": "Which?"}], "stream": True}

    stream = client.chat.completions.create(**asked)
    said = [chunk.choices[0].delta.content or "" for chunk in stream]
    report("text", text="".join(said), events=len(said))

    stream = client.chat.completions.create(**asked, tools=[{"type": "function", "function": FUNCTION}])
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    arguments = [call.function.arguments or "" for call in calls]
    report("tool", text=json.loads("".join(arguments))["text"], events=len(arguments))

    stream = client.responses.create(model="gpt-test", input="Which?", stream=True)
    said = [event.delta for event in stream if event.type == "response.output_text.delta"]
    report("responses", text="".join(said), events=len(said))


def anthropic():
    client = Anthropic(api_key=os.environ["KEY"], max_retries=0)
    asked = {"model": "claude-test", "max_tokens": 100, "messages": [{"role": "user", "content": "Which?"}]}

    with client.messages.stream(**asked) as stream:
        said = list(stream.text_stream)
        final = stream.get_final_message().content[0].text
    assert "".join(said) == final, "the SDK's own sum agrees with its pieces"
    report("text", text=final, events=len(said))

    with client.messages.stream(**asked, tools=[TOOL]) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        called = stream.get_final_message().content[0].input
    assert json.loads("".join(pieces)) == called, "the SDK's own sum agrees with its pieces"
    report("tool", text=called["text"], events=len(pieces))


{"openai": openai, "anthropic": anthropic}[sys.argv[1]]()
