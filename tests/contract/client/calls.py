"""What the tests of calls share: a quick client, a peer for a scripted server, and one whole call."""

from contract.client.answers import JSON, sized
from contract.client.conftest import NO_ROOTS
from contract.client.scripted import ScriptedServer
from smartoken.providers.client import UpstreamClient
from smartoken.providers.upstream import Peer, Timeouts

OK = sized(JSON)
QUICK = Timeouts(connect_s=2, first_byte_s=0.15, idle_s=0.15, total_s=5)


def peer_of(server: ScriptedServer, timeouts: Timeouts | None = None) -> Peer:
    return Peer.parse(f"http://127.0.0.1:{server.port}/v1", allow_private=True, timeouts=timeouts or Timeouts())


def quick_client() -> UpstreamClient:
    return UpstreamClient(tls=NO_ROOTS, sweep_s=0.02)


async def call(client: UpstreamClient, peer: Peer, body: bytes = JSON) -> bytes:
    response = await client.request(peer, "POST", "/chat", [], body)
    return await response.read(1 << 20)
