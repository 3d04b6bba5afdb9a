"""The gRPC library as it comes: unary calls, streams both ways, trailing metadata, a status that is an error."""

import os

import grpc

with open(os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"], "rb"):
    channel = grpc.secure_channel("api.example.com:9444", grpc.ssl_channel_credentials())

with channel:
    shout = channel.unary_unary("/story.Words/Shout")
    words, call = shout.with_call(b"some quiet words", timeout=60, metadata=(("x-story", "1"),))
    print(words, [pair for pair in call.trailing_metadata() if pair[0] == "x-words"], call.code())
    print(list(channel.unary_stream("/story.Words/Count")(b"5", timeout=60)))
    print(len(channel.stream_unary("/story.Words/Gather")(iter([b"piece " * 1000] * 20), timeout=60)))
    try:
        channel.unary_unary("/story.Words/Fail")(b"", timeout=60)
    except grpc.RpcError as error:
        print(error.code(), error.details())
