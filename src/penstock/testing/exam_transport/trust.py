"""Points about TLS: whom it trusts, and that a cut is seen through it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from penstock.errors import ConfigError
from penstock.http import Pool
from penstock.testing.exam_transport.proxies import environment
from penstock.testing.exam_transport.rules import BOTH, QUICK, Opener, failing, ok, point, post, read_all
from penstock.testing.exam_transport.server import CA_FILE, Peer, reply, serve

__all__: list[str] = []

_OURS = Pool(ca_file=str(CA_FILE))


async def _answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(reply())


@point
async def own_authority_is_trusted(open_transport: Opener) -> None:
    async with serve(_answer, tls=True) as server, open_transport(_OURS) as transport:
        for host in ("127.0.0.1", "localhost"):
            await ok(transport, f"https://{host}:{server.port}/")
            got = await read_all(transport, post(f"https://{host}:{server.port}/"), QUICK)
            assert got.body == b"ok"
        assert server.accepted == 2


@point
async def unknown_authority_is_refused(open_transport: Opener) -> None:
    with environment():
        async with serve(_answer, tls=True) as server, open_transport() as transport:
            error = await failing(transport.send(post(server.url), QUICK))
            assert (error.kind, error.code, error.sent) == ("transport", "tls", False), error
            assert server.requests == []


@point
async def wrong_host_name_is_refused(open_transport: Opener) -> None:
    async with serve(_answer, tls=True, host="127.0.0.2") as server, open_transport(_OURS) as transport:
        error = await failing(transport.send(post(server.url), QUICK))
        assert (error.kind, error.code, error.sent) == ("transport", "tls", False), error
        assert server.requests == []


@point
async def plain_server_is_no_tls_server(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serve(script) as server, open_transport(_OURS) as transport:
        error = await failing(transport.send(post(server.url.replace("http:", "https:")), QUICK))
        assert (error.kind, error.code, error.sent) == ("transport", "tls", False), error


@point
async def handshake_that_is_cut_sent_nothing(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        if peer.number % 2:
            peer.reset()

    async with serve(script) as server, open_transport(_OURS) as transport:
        for _ in range(2):
            error = await failing(transport.send(post(server.url.replace("http:", "https:")), QUICK))
            assert error.kind == "transport"
            assert error.code in ("tls", "connect"), error
            assert not error.sent


@point
async def authority_comes_from_the_environment(open_transport: Opener) -> None:
    folder = tempfile.mkdtemp()
    try:
        shutil.copy(CA_FILE, Path(folder) / "own.pem")
        async with serve(_answer, tls=True) as server:
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"):
                with environment(**{name: folder if name.endswith("DIR") else str(CA_FILE)}):
                    async with open_transport() as transport:
                        await ok(transport, server.url)
    finally:
        shutil.rmtree(folder)


@point
async def missing_authority_is_a_config_error(open_transport: Opener) -> None:
    for path in ("/nonexistent/ca.pem", __file__):
        message = ""
        try:
            async with open_transport(Pool(ca_file=path)):
                pass
        except ConfigError as error:
            message = str(error)
        assert "ca_file" in message, f"{path} was taken for certificates"


@point
async def cut_without_good_bye_is_no_end(open_transport: Opener) -> None:
    """Over TLS a body that ends with the connection must end with close_notify, or it may have been truncated."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        peer.cut()

    async with serve(script, tls=True) as server, open_transport(_OURS) as transport:
        error = await failing(transport.send(post(server.url), QUICK))
        assert error.kind == "transport"


@point
async def sized_body_cut_over_tls_is_an_error(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello")
        peer.cut()

    async with serve(script, tls=True) as server, open_transport(_OURS) as transport:
        for ask in BOTH:
            error = await failing(ask(transport, post(server.url), QUICK))
            assert error.kind == "transport"
            assert error.code in ("cut", "reset", "tls"), error
