"""aiosmtpd on several ports: what each of them is stands at the end."""

import asyncio
import itertools
import os
import ssl
import sys

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult

REALM, USER, PASSWORD, MAIL = sys.argv[1:5]
SIZE, LARGE_SIZE = int(sys.argv[5]), int(sys.argv[6])
PORT, TLS_PORT, LMTP_PORT, LARGE_PORT = map(int, sys.argv[7:11])

count = itertools.count()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        local, _, domain = address.rpartition("@")
        if domain != REALM and not session.authenticated:
            return "554 5.7.1 Relay access denied"
        if local.startswith("nobody-here"):
            return "550 5.1.1 No such user"
        if local == "refused":
            return "550 5.7.1 Not for you"
        if local == "later":
            return "450 4.7.1 Come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        name = str(next(count))
        with open(f"{MAIL}/.{name}", "wb") as file:
            # The octets as they came, dots taken off; the envelope on top.
            file.write(f"X-Sender: {envelope.mail_from}\n".encode())
            for recipient in envelope.rcpt_tos:
                file.write(f"X-Recipient: {recipient}\n".encode())
            file.write(envelope.original_content)
        os.rename(f"{MAIL}/.{name}", f"{MAIL}/{name}")
        return f"250 2.0.0 Ok: kept as {name}"


def authenticate(server, session, envelope, mechanism, data):
    print(f"auth {mechanism} {data.login.decode()}", flush=True)
    is_known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)


def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain("/interop/tls/cert.pem", "/interop/tls/key.pem")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    common = dict(
        hostname=f"mail.{REALM}",
        enable_SMTPUTF8=True,
        authenticator=authenticate,
        loop=loop,
    )

    def listen(port, kind=SMTP, ssl=None, size=SIZE, **more):
        make = lambda: kind(Handler(), data_size_limit=size, **common, **more)
        loop.run_until_complete(loop.create_server(make, "127.0.0.1", port, ssl=ssl))

    listen(PORT, tls_context=tls)
    # It does not see that it is inside TLS when the listener made it so.
    listen(TLS_PORT, ssl=tls, auth_require_tls=False)
    listen(LMTP_PORT, kind=LMTP)
    listen(LARGE_PORT, size=LARGE_SIZE)
    loop.run_forever()


main()
