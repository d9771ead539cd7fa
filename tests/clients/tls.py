"""Speaks TLS with nothing but Python's own module, and prints the version and what comes back.

usage: tls.py PORT CERTIFICATE (1.2 | 1.3 | silent | distrust)
"""

import socket
import ssl
import sys

port, certificate, manner = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=None if manner == "distrust" else certificate)
versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
if manner in versions:
    context.minimum_version = context.maximum_version = versions[manner]

plain = socket.create_connection(("127.0.0.1", port), timeout=15)
# An end without a farewell is an error then.
stream = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
text = stream.recv(65536) if manner == "silent" else b""
stream.sendall(b"PING\r\nQUIT\r\n")
while piece := stream.recv(65536):
    text += piece
print(stream.version())
print(text.decode())
