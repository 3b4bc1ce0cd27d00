"""The stream dialect and the services around it, spoken to by gRPC for Python.

    client.py DEFINITION ADDRESS

Compiles the definition as any user would, with grpc_tools, and exits with 0 if the server at the address does
what it says. Nothing is shared with the server but that file.
"""

import pathlib
import queue
import sys
import tempfile
import time

import grpc
from google.protobuf import descriptor_pool, json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc

DEADLINE_SECONDS = 20
SERVICE = "apis.event.v2.EventService"


def compile_definition(path, folder):
    """Generates the messages and the client, and makes them importable."""
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = [f"-I{path.parent}", f"-I{include}", f"--python_out={folder}"]
    status = protoc.main(["protoc", *arguments, f"--grpc_python_out={folder}", path.name])
    assert status == 0, f"protoc: {status}"
    sys.path.insert(0, folder)


class Stream:
    """One stream: requests are put, responses are taken, in order."""

    def __init__(self, stub, session_id):
        self.requests = queue.Queue()
        self.responses = stub.Stream(
            iter(self.requests.get, None),
            metadata=[("sessionid", session_id)],
            timeout=DEADLINE_SECONDS,
        )

    def ask(self, correlation_id, **asked):
        """Sends a request; its reply must come next."""
        self.requests.put(pb.EventsStreamRequest(correlation_id=correlation_id, **asked))
        reply = next(self.responses)
        assert reply.correlation_id == correlation_id, reply
        return reply

    def close(self):
        """Says that no more requests come, and drops the rest."""
        self.requests.put(None)
        self.responses.cancel()


def status_of(call):
    """The status that a call is refused with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    raise AssertionError("it was not refused")


def replies_and_events(stub):
    """Every kind of reply, and who hears what."""
    mine, other = Stream(stub, "mine"), Stream(stub, "other")
    pong = mine.ask("p", ping="hello")
    assert (pong.pong, pong.session_id) == ("hello", "mine"), pong
    target = pb.EventTarget(layout_id="l", project_id="p", collection_id="c")
    wanted = pb.SubscribePayload(name="python:*|x", target=pb.EventTarget(project_id="p"))
    for stream in mine, other:
        assert stream.ask("s", subscribe=wanted).subscribed == wanted
    payload = {"text": "grüße", "n": 1.5, "list": [True, None, {"deep": []}]}
    event = pb.PublishEventRequest(name="python:chat", payload=payload, target=target)
    event.request_metadata.string_value = "why"
    published = mine.ask("e", publish=event).published
    assert json_format.MessageToDict(published.payload) == payload, published
    assert (published.target, published.request_metadata.string_value) == (target, "why")
    copy, heard = next(mine.responses), next(other.responses)
    assert copy.event == heard.event == published, (copy, heard)
    assert (copy.correlation_id, heard.HasField("correlation_id")) == ("e", False)
    assert copy.session_id == heard.session_id == "mine"

    second = stub.Publish(event, timeout=DEADLINE_SECONDS)
    assert second.id > published.id, "ids of one scope grow"
    for stream in mine, other:
        assert next(stream.responses).event == second
    assert mine.ask("u", unsubscribe=wanted).unsubscribed == wanted
    error = mine.ask("w", subscribe=pb.SubscribePayload(name="")).error
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0], error
    stub.Publish(event, timeout=DEADLINE_SECONDS)
    assert next(other.responses).HasField("event")
    assert mine.ask("q", ping="nothing came before").pong
    mine.close()
    other.close()


def ends(stub):
    """Calls that do not go well, and one that ends in time."""
    nameless = pb.PublishEventRequest(payload={})
    assert status_of(lambda: stub.Publish(nameless)) == grpc.StatusCode.INVALID_ARGUMENT
    start = time.monotonic()
    brief = stub.Stream(iter(queue.Queue().get, None), timeout=0.3)
    assert status_of(lambda: next(brief)) == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - start < DEADLINE_SECONDS
    ping = pb.EventsStreamRequest(ping="only")
    told = list(stub.Stream(iter([ping]), timeout=DEADLINE_SECONDS))
    assert [response.pong for response in told] == ["only"], told


def published_once(channel, stub):
    """What must not publish twice, or what nobody meant."""
    def event(number, **more):
        return pb.PublishEventRequest(name="n", payload={"n": number}, **more)

    key = [("idempotency-key", f"key-{time.monotonic_ns()}")]
    first = stub.Publish(event(1), metadata=key, timeout=DEADLINE_SECONDS)
    assert stub.Publish(event(1), metadata=key, timeout=DEADLINE_SECONDS).id == first.id
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert status_of(lambda: stub.Publish(event(2), metadata=key)) == invalid
    elsewhere = event(2, target=pb.EventTarget(project_id="p"))
    assert stub.Publish(elsewhere, metadata=key, timeout=DEADLINE_SECONDS).id != first.id

    assert status_of(lambda: stub.Publish(event(1, target=pb.EventTarget(layout_id="")))) == invalid
    reserved = pb.PublishEventRequest(name="fanfare:gap", payload={})
    assert status_of(lambda: stub.Publish(reserved)) == invalid
    many = channel.stream_unary(
        f"/{SERVICE}/Publish",
        request_serializer=pb.PublishEventRequest.SerializeToString,
        response_deserializer=pb.PublishEventResponse.FromString,
    )
    for count in 0, 2:
        refused = status_of(lambda: many(iter([event(1)] * count), timeout=DEADLINE_SECONDS))
        assert refused == grpc.StatusCode.UNIMPLEMENTED, refused
    assert many(iter([event(1)]), timeout=DEADLINE_SECONDS).id


def health(channel):
    """The health service, as probes ask it."""
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in "", SERVICE:
        request = health_pb2.HealthCheckRequest(service=service)
        assert stub.Check(request, timeout=DEADLINE_SECONDS).status == serving
        watch = stub.Watch(request, timeout=DEADLINE_SECONDS)
        assert next(watch).status == serving
        watch.cancel()
    unknown = health_pb2.HealthCheckRequest(service="unknown")
    assert status_of(lambda: stub.Check(unknown)) == grpc.StatusCode.NOT_FOUND


def reflection(channel):
    """Lists and describes as grpcurl does: services first, then the files that define them."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listing = reflection_pb2.ServerReflectionRequest(list_services="*")
    answer = next(stub.ServerReflectionInfo(iter([listing]), timeout=DEADLINE_SECONDS))
    names = [service.name for service in answer.list_services_response.service]
    print("\n".join(sorted(names)))
    assert SERVICE in names and "grpc.health.v1.Health" in names, names
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    for name in names:
        assert pool.FindServiceByName(name).methods, name
    stream = pool.FindServiceByName(SERVICE).methods_by_name["Stream"]
    assert stream.input_type.full_name == "apis.event.v2.EventsStreamRequest"
    ours = pb.DESCRIPTOR.message_types_by_name["EventsStreamResponse"].fields
    theirs = {field.name: field.number for field in stream.output_type.fields}
    assert theirs == {field.name: field.number for field in ours}, theirs


with tempfile.TemporaryDirectory() as scratch:
    compile_definition(pathlib.Path(sys.argv[1]), scratch)
    import event_pb2 as pb
    import event_pb2_grpc

def compressed(address):
    """Channel-wide compression, and calls that have their own."""
    for algorithm in grpc.Compression.Gzip, grpc.Compression.NoCompression:
        with grpc.insecure_channel(address, options, compression=algorithm) as channel:
            stub = event_pb2_grpc.EventServiceStub(channel)
            replies_and_events(stub)
            ends(stub)
            health(channel)
            for fill in 10, 5_000, 500_000:
                event = pb.PublishEventRequest(name="n", payload={"fill": "x" * fill})
                for own in None, grpc.Compression.Gzip:
                    call = stub.Publish.with_call(event, timeout=DEADLINE_SECONDS, compression=own)
                    assert call[0].payload == event.payload
            bomb = pb.PublishEventRequest(name="n", payload={"fill": "x" * 3_000_000})
            refused = status_of(lambda: stub.Publish(bomb, timeout=DEADLINE_SECONDS))
            assert refused == grpc.StatusCode.RESOURCE_EXHAUSTED, refused
    with grpc.insecure_channel(address, options, compression=grpc.Compression.Deflate) as channel:
        stub = event_pb2_grpc.EventServiceStub(channel)
        event = pb.PublishEventRequest(name="n", payload={"fill": "x" * 5_000})
        refused = status_of(lambda: stub.Publish(event, timeout=DEADLINE_SECONDS))
        assert refused == grpc.StatusCode.UNIMPLEMENTED, refused


# A connection of its own for each channel, so that they stand on different shards.
options = [("grpc.use_local_subchannel_pool", 1)]
for _ in range(3):
    with grpc.insecure_channel(sys.argv[2], options) as connection:
        events = event_pb2_grpc.EventServiceStub(connection)
        replies_and_events(events)
        ends(events)
        published_once(connection, events)
        health(connection)
        reflection(connection)
compressed(sys.argv[2])
