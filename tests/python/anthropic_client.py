"""The Anthropic SDK as it comes: its own base URL, its key in its own header, JSON and streams, tool calls."""

import os

from anthropic import Anthropic
from story import report

TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def main():
    client = Anthropic(api_key=os.environ["KEY"], max_retries=0)
    asked = {"model": "claude-test", "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello."}]}

    report("message", answer=client.messages.create(**asked).model_dump())
    with client.messages.stream(**asked) as stream:
        report("stream", text=list(stream.text_stream), final=stream.get_final_message().model_dump())
    report("tool", answer=client.messages.create(**asked, tools=[TOOL]).model_dump())
    stream = client.messages.create(**asked, tools=[TOOL], stream=True)
    report("tool stream", events=[event.model_dump() for event in stream])


main()
