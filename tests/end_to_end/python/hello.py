"""Subscribes, publishes, and hears it. The hub's address is the only argument."""

import itertools
import queue
import sys

import grpc

import event_pb2 as pb
import event_pb2_grpc


def main(hub="127.0.0.1:7400"):
    with grpc.insecure_channel(hub) as channel:
        client = event_pb2_grpc.EventServiceStub(channel)
        requests = queue.Queue()
        # With organizations: metadata=[("authorization", "Bearer " + token)].
        responses = client.Stream(iter(requests.get, None), metadata=[("sessionid", "python")])

        target = pb.EventTarget(layout_id="demo")
        wanted = pb.SubscribePayload(name="chat:*", target=target)
        requests.put(pb.EventsStreamRequest(correlation_id="1", subscribe=wanted))
        assert next(responses).HasField("subscribed")

        event = pb.PublishEventRequest(name="chat:hello", payload={"n": 1}, target=target)
        requests.put(pb.EventsStreamRequest(correlation_id="2", publish=event))
        for response in itertools.islice(responses, 2):
            kind = response.WhichOneof("message")
            told = getattr(response, kind)
            print(kind, told.name, dict(told.payload), response.session_id)
        requests.put(None)


# In a function, so that the call is gone before Python is: grpcio may hang otherwise.
main(*sys.argv[1:])
