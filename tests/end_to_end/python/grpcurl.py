"""`grpcurl -plaintext ADDRESS list`, for machines that have no grpcurl."""

import sys

import grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

OPTION, ADDRESS, CALL = sys.argv[1:]
assert (OPTION, CALL) == ("-plaintext", "list"), sys.argv

with grpc.insecure_channel(ADDRESS) as channel:
    for service in sorted(ProtoReflectionDescriptorDatabase(channel).get_services()):
        print(service)
