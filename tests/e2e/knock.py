"""
Knock at a gateway from inside a pod: `python3 - ADDRESS PORT ANCHORS [CRT KEY]` prints what it says.

"let in" once it has answered a PING of jackstay/1, else how it refused.
"""

import socket
import ssl
import sys

PING, PONG = b"\x08\x00\x00\x01x", b"\x09\x00\x00\x01x"

host, port, anchors, *shown = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False  # by whom we are refused matters, not what it is called
context.load_verify_locations(anchors)
context.set_alpn_protocols(["jackstay/1"])
if shown:
    context.load_cert_chain(*shown)
try:
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as secured:
        secured.sendall(PING)
        print("let in" if secured.recv(len(PONG)) == PONG else "closed without a word")
except ssl.SSLError as error:
    print(f"alert {error.reason}")
